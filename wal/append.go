package wal

import (
	"context"
	"errors"
	"fmt"
	"math"
)

// bufferLimit is how many bytes of frames may wait in memory. An appender that
// finds more writes them first, or waits for the leader that does.
const bufferLimit = 1 << 20

// Append adds a record at the end of the log and returns its index, which is
// one more than that of the record before. The record has then reached the
// log's Durability. Append keeps no reference to data.
//
// After ErrTooLarge and ErrClosed nothing has happened. After ErrFailed the
// record is not acknowledged: the next Open finds it or does not.
func (l *Log) Append(data []byte) (index uint64, err error) {
	return l.AppendBatch([][]byte{data})
}

// AppendBatch adds records with consecutive indexes and returns the first. All
// or none of them survive a crash. The whole batch must fit into a segment.
// Without records it does nothing and returns the index that comes next.
func (l *Log) AppendBatch(records [][]byte) (first uint64, err error) {
	l.mu.Lock()
	first, end, err := l.encode(records)
	if err != nil {
		l.mu.Unlock()
		return 0, err
	}
	if err := l.await(end, l.levelNow(), nil); err != nil {
		return 0, err
	}
	return first, nil
}

// Submit gives a batch its place in the log without waiting for the disk:
// batches that one goroutine submits get their indexes in that order. It
// commits nothing: the next Wait, Append, Sync or Close does. Submit waits
// only when a segment is full or much is pending.
func (l *Log) Submit(records [][]byte) *Ticket {
	t := &Ticket{log: l}
	l.mu.Lock()
	if t.first, t.end, t.err = l.encode(records); t.err != nil {
		l.mu.Unlock()
		return t
	}
	if len(l.pending) < bufferLimit {
		l.mu.Unlock()
		return t
	}
	t.err = l.await(t.end, Flushed, nil)
	return t
}

// Ticket stands for a batch that was submitted. It is safe for concurrent use.
type Ticket struct {
	// immutable after Submit
	log   *Log
	first uint64
	end   uint64
	err   error
}

// Wait returns the index of the batch's first record when the batch has
// reached the log's Durability. If nobody is committing, Wait commits all that
// is pending, and then ctx does not cut it short. If ctx ends the wait, Wait
// returns ctx's error; the batch keeps its place and is committed with the
// next commit.
func (t *Ticket) Wait(ctx context.Context) (first uint64, err error) {
	return t.WaitFor(ctx, t.log.o.Durability)
}

// Err returns why the batch is not acknowledged and will not be, if Submit has found
// out. It does not wait.
func (t *Ticket) Err() error { return t.err }

// WaitFor is Wait for another durability than the log's, more or less. Readers of the
// log see the batch when it has reached the log's, all the same.
func (t *Ticket) WaitFor(ctx context.Context, level Durability) (first uint64, err error) {
	if t.err != nil {
		return 0, t.err
	}
	if level > Buffered {
		return 0, fmt.Errorf("wal: no such durability: %d", level)
	}
	l := t.log
	l.mu.Lock()
	if !l.reached(t.end, level) && ctx.Err() != nil {
		l.mu.Unlock()
		return 0, ctx.Err()
	}
	err = l.await(t.end, level, ctx.Done())
	if errors.Is(err, errGiveUp) {
		return 0, ctx.Err()
	}
	if err != nil {
		return 0, err
	}
	return t.first, nil
}

// Sync returns when every record that has an index is on disk.
func (l *Log) Sync() error {
	l.mu.Lock()
	if l.err != nil {
		defer l.mu.Unlock()
		return l.err
	}
	return l.await(l.encoded.bytes, Synced, nil)
}

// levelNow is what an append has to wait for: the log's durability, but with
// a full buffer at least that it is written. The caller holds mu.
func (l *Log) levelNow() Durability {
	if l.o.Durability == Buffered && len(l.pending) >= bufferLimit {
		return Flushed
	}
	return l.o.Durability
}

// encode adds a batch to the pending buffer and gives it indexes; end is the
// place that await has to wait for. It makes a new segment first, if this one
// is full. The caller holds mu.
func (l *Log) encode(records [][]byte) (first, end uint64, err error) {
	if l.err != nil {
		return 0, 0, l.err
	}
	if len(records) == 0 {
		return l.bounds.next, l.encoded.bytes, nil
	}
	var need, payload int64
	for _, r := range records {
		if int64(len(r)) > math.MaxUint32 {
			return 0, 0, fmt.Errorf("%w: a record of %d bytes", ErrTooLarge, len(r))
		}
		need += frameSize(len(r))
		payload += int64(len(r))
	}
	if room := l.o.SegmentSize - segmentHeader - frameSize(markSize); need > room {
		return 0, 0, fmt.Errorf("%w: %d records take %d bytes, a segment has %d", ErrTooLarge, len(records), need, room)
	}
	if err := l.reserve(need); err != nil {
		return 0, 0, err
	}
	if l.bounds.next > maxIndex-uint64(len(records)) {
		return 0, 0, fmt.Errorf("%w: %d records at index %d, indexes end at %d", ErrTooLarge, len(records), l.bounds.next, uint64(maxIndex))
	}
	first = l.bounds.next
	for i, r := range records {
		k := kindMore
		if i == len(records)-1 {
			k = kindRecord
		}
		l.extents.add(l.lastSegment(), l.bounds.next, l.pendingOff)
		l.pending = appendFrame(l.pending, k, l.bounds.next, r)
		l.pendingOff += frameSize(len(r))
		l.bounds.next++
	}
	l.encoded = progress{l.encoded.bytes + uint64(need), l.bounds.next}
	l.pendingRecords += len(records)
	l.joined++
	l.stats.Records += uint64(len(records))
	l.stats.Bytes += uint64(payload)
	if l.o.Durability == Buffered {
		l.notify()
	}
	return first, l.encoded.bytes, nil
}

// reserve makes sure that need bytes fit into the tail segment, with room for
// the mark that ends it. The caller holds mu, which reserve may release and
// take again.
func (l *Log) reserve(need int64) error {
	for l.err == nil && !l.fits(need) {
		l.lead()
		if l.err == nil && !l.fits(need) {
			l.rotate()
		}
		l.follow()
		l.mu.Lock()
	}
	return l.err
}

// fits reports whether need bytes can be appended now. Beware of full: it must
// not overflow.
func (l *Log) fits(need int64) bool {
	return l.pendingOff <= l.o.SegmentSize-frameSize(markSize)-need
}
