package wal

import (
	"errors"
	"fmt"
	"path/filepath"
)

// rotate ends the tail segment and begins the next one. The caller leads and
// holds mu; rotate releases it for the time of the input and output.
//
// The order is what recovery relies on:
//
//  1. the next segment is on disk, header and name, without records;
//  2. the tail gets a seal and is synced: all before the seal is on disk;
//  3. only then the next segment gets its first frame.
//
// So a power cut leaves either a tail with an empty successor, which recovery
// discards, or a sealed segment, whose successor must exist. And no segment
// is ever damaged while a later one holds records, except by corruption.
func (l *Log) rotate() error {
	l.pendingOff = full
	old := l.tail.seg
	id, start, free := old.id+1, l.bounds, l.takeSpare()
	l.mu.Unlock()
	next, err := createSegment(l.fs, l.dir, l.id, id, start, free)
	l.mu.Lock()
	if err != nil {
		return l.fail(err)
	}
	l.pending = appendMark(l.pending, kindSeal, l.bounds)
	l.encoded.bytes += uint64(frameSize(markSize))
	if err := l.commit(true); err != nil {
		return errors.Join(err, next.file.Close())
	}
	if err := l.tail.close(); err != nil {
		return errors.Join(l.fail(err), next.file.Close())
	}
	filled := int64(segmentHeader)
	if next.recycled {
		l.stats.Recycled++
		if filled, err = next.file.Size(); err != nil {
			return errors.Join(l.fail(err), next.file.Close())
		}
	}
	l.segments = append(l.segments, next)
	l.tail = tail{
		seg: next, off: segmentHeader, prev: next.seed, synced: segmentHeader,
		filled: filled, limit: l.o.SegmentSize, zeros: l.tail.zeros,
	}
	l.pendingOff = segmentHeader
	return nil
}

// takeSpare returns the name of a retired file to write over, or "".
func (l *Log) takeSpare() string {
	if len(l.spare) == 0 {
		return ""
	}
	name := l.spare[0]
	l.spare = l.spare[1:]
	return name
}

// retire takes the segments without live records off the front of the log, as
// far as nobody reads them; a later call takes the rest. The caller leads and
// holds mu; retire releases it for the time of the input and output.
//
// That the log begins later is already durable, so what a power cut leaves of
// the renames and removals does not matter. Except to createSegment: see
// there.
func (l *Log) retire() error {
	dead := l.deadSegments()
	if len(dead) == 0 {
		return nil
	}
	l.segments = append([]*segment(nil), l.segments[len(dead):]...)
	l.mu.Unlock()
	var spare []string
	var err error
	for _, s := range dead {
		err = errors.Join(err, s.file.Close())
		free := segmentName(s.id, suffixFree)
		if len(l.spare)+len(spare) < l.o.Recycle {
			spare = append(spare, free)
			err = errors.Join(err, l.fs.Rename(s.name, filepath.Join(l.dir, free)))
		} else {
			err = errors.Join(err, l.fs.Remove(s.name))
		}
	}
	if err == nil {
		err = l.fs.SyncDir(l.dir)
	}
	l.mu.Lock()
	if err != nil {
		return l.fail(fmt.Errorf("retire segments of %s: %w", l.dir, err))
	}
	l.spare = append(l.spare, spare...)
	return nil
}

// deadSegments returns the segments at the front that hold no live record and
// have no reader. The tail always stays.
func (l *Log) deadSegments() []*segment {
	live := l.lastSegment()
	if len(l.extents) > 0 {
		live = l.extents[0].seg
	}
	n := 0
	for l.segments[n] != live && l.segments[n].readers == 0 {
		n++
	}
	return l.segments[:n]
}
