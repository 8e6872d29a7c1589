package wal

import "fmt"

// TruncateFront drops the records before first, which becomes FirstIndex. Below
// FirstIndex it does nothing; beyond LastIndex()+1 it empties the log, and the
// next record gets the index first. When it returns, a power cut does not
// bring the records back. Segments that hold nothing else are retired: written
// over later, or removed.
func (l *Log) TruncateFront(first uint64) error {
	return l.truncate(func(b bounds) (bounds, error) {
		if first > maxIndex {
			return b, fmt.Errorf("wal: truncate front to %d: indexes end at %d", first, uint64(maxIndex))
		}
		return bounds{max(b.first, first), max(b.next, first)}, nil
	})
}

// TruncateBack drops the records after last, which becomes LastIndex; the next
// record gets the index last+1. FirstIndex()-1 drops all. What lies further
// out is ErrNotFound. When it returns, a power cut does not bring the records
// back. Their space is freed together with that of the records before them.
func (l *Log) TruncateBack(last uint64) error {
	return l.truncate(func(b bounds) (bounds, error) {
		if last+1 < b.first || last >= b.next {
			return b, fmt.Errorf("%w: truncate back to %d, the log holds %d to %d", ErrNotFound, last, b.first, b.next-1)
		}
		return bounds{b.first, last + 1}, nil
	})
}

// maxIndex is what a frame has bits for.
const maxIndex = 1<<56 - 1

// truncate gives the log new bounds, in three steps: commit all that has an
// index; write a mark with the new bounds and sync it, the moment from which
// on they hold; forget what lies outside and retire segments. The mark is one
// frame, so a power cut leaves the old bounds or the new ones. Appenders wait
// meanwhile.
func (l *Log) truncate(change func(bounds) (bounds, error)) error {
	l.mu.Lock()
	if err := l.reserve(frameSize(markSize)); err != nil {
		l.mu.Unlock()
		return err
	}
	l.lead()
	defer l.follow()
	if l.err != nil {
		return l.err
	}
	to, err := change(l.bounds)
	if err != nil || to == l.bounds {
		return err
	}
	for !l.fits(frameSize(markSize)) { // somebody was quicker
		if err := l.rotate(); err != nil {
			return err
		}
	}
	off := l.pendingOff
	l.pendingOff = full
	l.pending = appendMark(l.pending, kindMark, to)
	l.encoded.bytes += uint64(frameSize(markSize))
	if err := l.commit(true); err != nil {
		return err
	}
	l.setBounds(to)
	l.pendingOff = off + frameSize(markSize)
	return l.retire()
}

// setBounds forgets the records outside of to.
func (l *Log) setBounds(to bounds) {
	l.extents.cutBack(to.next)
	l.extents.dropFront(to.first)
	l.bounds = to
	l.encoded.next, l.written.next, l.synced.next = to.next, to.next, to.next
	l.notify()
}
