package wal

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
)

// Record is one entry of the log. It is a plain value: safe for concurrent use.
type Record struct {
	Index uint64
	Data  []byte
}

// Read returns the record at index, or ErrNotFound outside of FirstIndex to
// LastIndex. A record that does not match its checksum is ErrCorrupt, never
// data.
func (l *Log) Read(index uint64) ([]byte, error) {
	p, err := l.pin(index, nil)
	if err != nil {
		return nil, err
	}
	defer l.unpin(p.seg)
	b := make([]byte, p.to-p.from)
	if n, err := p.seg.file.ReadAt(b, p.from); err != nil {
		return nil, l.readError(p.seg, p.from+int64(n), err)
	}
	for off := p.from; ; {
		size, err := peekSize(b, int64(len(b)))
		if err == nil && (headerIndex(b) != index || kind(b[16]) > kindMore) {
			b, off = b[size:], off+size
			continue
		}
		var f frame
		if err == nil {
			f, err = decodeFrame(b[:size], p.seg.seed, off)
		}
		if err != nil {
			return nil, corrupt(p.seg.name, off, err)
		}
		return append(make([]byte, 0, len(f.data)), f.data...), nil
	}
}

// pinned is a piece of a segment that stays as it is until unpin. Appending
// goes on behind it; retire leaves its segment alone.
type pinned struct {
	seg      *segment
	extent   *extent
	from, to int64  // the record that was asked for lies between
	end      int64  // the segment is written up to here
	stop     uint64 // the extent's readable records end before this index
}

// pin finds the record at index and pins the bytes it lies in. If they are
// still in memory, as they may be with Buffered, it writes them first. prev is
// the extent that the record before was read from, or nil: if that was cut
// meanwhile, index is not what follows it any more.
func (l *Log) pin(index uint64, prev *extent) (pinned, error) {
	l.mu.Lock()
	for {
		if errors.Is(l.err, ErrClosed) {
			defer l.mu.Unlock()
			return pinned{}, l.err
		}
		if index < l.bounds.first || index >= l.visible() || prev != nil && index > prev.next {
			defer l.mu.Unlock()
			return pinned{}, l.notFound(index)
		}
		if index < l.written.next {
			break
		}
		if err := l.await(l.encoded.bytes, Flushed, nil); err != nil {
			return pinned{}, err
		}
		l.mu.Lock()
	}
	defer l.mu.Unlock()
	x := l.extents.find(index)
	from, to := x.span(index)
	x.seg.readers++
	return pinned{x.seg, x, from, min(to, x.seg.end), x.seg.end, min(x.next, l.visible(), l.written.next)}, nil
}

// notFound says what the log holds instead. The caller holds mu.
func (l *Log) notFound(index uint64) error {
	if first, next := l.bounds.first, l.visible(); first < next {
		return fmt.Errorf("%w: %d, the log holds %d to %d", ErrNotFound, index, first, next-1)
	}
	return fmt.Errorf("%w: %d, the log is empty and goes on with %d", ErrNotFound, index, l.bounds.first)
}

func (l *Log) unpin(s *segment) {
	l.mu.Lock()
	s.readers--
	l.mu.Unlock()
}

// readError explains a failed read: Close may have come between.
func (l *Log) readError(s *segment, off int64, err error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if errors.Is(l.err, ErrClosed) && errors.Is(err, os.ErrClosed) {
		return l.err
	}
	if errors.Is(err, io.EOF) {
		return corrupt(s.name, off, errors.New("the file ends before the record"))
	}
	return fmt.Errorf("wal: read %s at offset %d: %w", s.name, off, err)
}

// All returns the records from index from (0: the first) to the last one that
// is there when it is reached. The last pair carries the error that ended the
// iteration, if one did: ErrNotFound if from is outside of the log or if a
// truncation dropped what was to come next, ErrCorrupt, ErrClosed.
//
// The bytes of a record are the caller's; those of neighbours share memory, so
// that keeping one keeps up to 256 KiB.
func (l *Log) All(from uint64) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) { l.iterate(context.Background(), false, from, yield) }
}

// Follow is All that does not end: behind the last record it waits for more.
// It ends, with the error, when ctx does, and when the log fails or is closed.
func (l *Log) Follow(ctx context.Context, from uint64) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) { l.iterate(ctx, true, from, yield) }
}

// iterate reads piece by piece: pin, read up to a window's worth, unpin,
// yield. No lock and no pin is held while the caller has a record.
func (l *Log) iterate(ctx context.Context, follow bool, from uint64, yield func(Record, error) bool) {
	c := cursor{log: l, next: from}
	for {
		more, err := c.ready(ctx, follow)
		if err == nil && more {
			err = c.fetch()
		}
		if err != nil {
			yield(Record{}, err)
			return
		}
		if !more || !c.drain(yield) {
			return
		}
	}
}

// cursor is where an iteration stands.
type cursor struct {
	log  *Log
	next uint64  // the index to be yielded next
	prev *extent // that the record before came from

	seg  *segment // what was fetched: bytes from off on, with the records
	buf  []byte   // next to stop-1, or the first of them
	off  int64
	stop uint64
}

// ready reports whether there is a record to fetch. To follow is to wait for
// one.
func (c *cursor) ready(ctx context.Context, follow bool) (bool, error) {
	l := c.log
	for {
		if ctx.Err() != nil {
			return false, ctx.Err()
		}
		l.mu.Lock()
		more, err := c.look()
		if more || err != nil || !follow {
			l.mu.Unlock()
			return more, err
		}
		if l.err != nil {
			defer l.mu.Unlock()
			return false, l.err
		}
		if l.changed == nil {
			l.changed = make(chan struct{})
		}
		changed := l.changed
		l.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
			return false, ctx.Err()
		}
	}
}

// look reports whether there is a record to fetch now. The caller holds Log.mu.
func (c *cursor) look() (bool, error) {
	l := c.log
	if c.next == 0 {
		c.next = l.bounds.first
	}
	switch visible := l.visible(); {
	case errors.Is(l.err, ErrClosed):
		return false, l.err
	case c.next < l.bounds.first || c.next > visible || c.prev != nil && c.next > c.prev.next:
		return false, l.notFound(c.next)
	default:
		return c.next < visible, nil
	}
}

// fetch reads the piece of the segment that begins with the next record, or a
// little before it.
func (c *cursor) fetch() error {
	p, err := c.log.pin(c.next, c.prev)
	if err != nil {
		return err
	}
	defer c.log.unpin(p.seg)
	if c.prev == p.extent && c.off > p.from {
		p.from = c.off // where the last piece ended
	}
	if p.to-p.from < windowSize {
		p.to = min(p.end, p.from+windowSize)
	}
	b := make([]byte, p.to-p.from)
	if n, err := p.seg.file.ReadAt(b, p.from); err != nil {
		return c.log.readError(p.seg, p.from+int64(n), err)
	}
	c.seg, c.prev, c.buf, c.off, c.stop = p.seg, p.extent, b, p.from, p.stop
	return nil
}

// drain yields what was fetched. It returns false when the iteration is over.
func (c *cursor) drain(yield func(Record, error) bool) bool {
	yielded := false
	for c.next < c.stop {
		size, err := peekSize(c.buf, int64(len(c.buf)))
		if yielded && (len(c.buf) < frameHeader || errors.Is(err, errBadLength)) {
			return true // the piece ends inside of this frame
		}
		var f frame
		if err == nil {
			f, err = decodeFrame(c.buf[:size], c.seg.seed, c.off)
		}
		if err != nil {
			yield(Record{}, corrupt(c.seg.name, c.off, err))
			return false
		}
		c.buf, c.off = c.buf[size:], c.off+size
		if f.kind > kindMore || f.index != c.next {
			continue
		}
		if !yield(Record{f.index, f.data}, nil) {
			return false
		}
		yielded = true
		c.next++
	}
	return true
}
