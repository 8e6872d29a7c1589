package lsm

import (
	"context"
	"time"

	"github.com/plinth-go/plinth/lsm/sst"
	"github.com/plinth-go/plinth/wal"
)

// How changes get in. A writer takes the commit lock, gives his batch its sequence
// numbers, submits it to the log and adds it to the memtable: so log, memtable and
// sequence numbers have one order. Then he gives the lock back and waits for the
// disk, together with others: the log writes and syncs once for all who wait.
// Readers see a change when its writer knows that it is as durable as he asked.

// Apply applies all changes of a batch, or none. When it returns, they have the
// Durability of the store. The batch may be used again.
func (d *DB) Apply(b *Batch) error { return d.ApplyWith(b, d.options.Durability) }

// ApplyWith applies a batch with a durability of its own. One that is less than
// that of the store does not wait for the disk.
func (d *DB) ApplyWith(b *Batch, durability wal.Durability) error {
	if b.err != nil || b.count == 0 {
		return b.err
	}
	last, ticket, err := d.submit(b)
	if err != nil {
		return err
	}
	if err := d.await(ticket, durability); err != nil {
		return d.fail(err)
	}
	d.publish(last)
	return nil
}

// submit gives a batch its place, and returns its last sequence number.
func (d *DB) submit(b *Batch) (last uint64, ticket *wal.Ticket, err error) {
	d.commit.Lock()
	defer d.commit.Unlock()
	if err := d.makeRoom(memorySize(b.data, b.count)); err != nil {
		return 0, nil, err
	}
	b.seal(d.lastSeq + 1)
	ticket = d.log.Submit([][]byte{b.data})
	d.logIndex++
	r := record{seq: d.lastSeq + 1, count: b.count, rest: b.data[batchHeader:]}
	mem := d.state.Load().mem
	mem.apply(r)
	d.lastSeq += uint64(b.count)
	d.counters.log.Add(uint64(len(b.data)))
	d.counters.user.Add(b.userBytes)
	return d.lastSeq, ticket, nil
}

// await returns when the log has a batch as durably as that. Buffered needs no
// waiting, and of the log's own durability the ticket knows; what is more is
// a sync of everything.
func (d *DB) await(ticket *wal.Ticket, durability wal.Durability) error {
	switch {
	case durability > d.options.Durability: // a larger one promises less
		return nil
	case durability < d.options.Durability:
		return d.log.Sync()
	}
	_, err := ticket.Wait(context.Background())
	return err
}

// publish lets readers see everything up to a sequence number. What is before it
// is in the log before it, so that it is at least as durable as that.
func (d *DB) publish(seq uint64) {
	for {
		old := d.visible.Load()
		if old >= seq || d.visible.CompareAndSwap(old, seq) {
			return
		}
	}
}

// maxFull is how many memtables may wait to be written, beside the one that is
// being filled.
const maxFull = 2

// makeRoom waits until a batch of this memorySize may be added, and begins another
// memtable if it does not fit. The caller holds commit.
func (d *DB) makeRoom(size int64) error {
	if d.closed {
		return ErrClosed
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.debt > 1 || len(d.state.Load().full) >= maxFull {
		defer d.stalled(time.Now())
	}
	if err := d.slowDown(); err != nil {
		return err
	}
	mem := d.state.Load().mem
	if mem.bytes.Load()+size <= d.options.MemTableSize {
		return d.err
	}
	return d.rotate(size)
}

func (d *DB) stalled(since time.Time) { d.counters.stalled.Add(int64(time.Since(since))) }

// slowDown makes the writer wait where compaction is behind: the further, the
// longer, so that nobody has to stop.
func (d *DB) slowDown() error {
	for d.err == nil {
		switch debt := d.debt; {
		case debt <= 1:
			return nil
		case debt >= 2:
			d.wake.Wait()
		default:
			d.mu.Unlock()
			time.Sleep(time.Duration((debt - 1) * float64(time.Millisecond)))
			d.mu.Lock()
			return d.err
		}
	}
	return d.err
}

// rotate puts an empty memtable in the place of the present one, which takes a
// batch of this memorySize at least. The caller holds commit and mu.
func (d *DB) rotate(size int64) error {
	for d.err == nil && len(d.state.Load().full) >= maxFull {
		d.wake.Wait()
	}
	if d.err != nil {
		return d.err
	}
	s := *d.state.Load()
	if s.mem.count.Load() > 0 { // an empty one is only too small
		s.full = append([]*fullMemtable{{s.mem, d.lastSeq, d.logIndex}}, s.full...)
	}
	s.mem = newMemtable(max(size, d.options.MemTableSize), d.lastSeq)
	d.state.Store(&s)
	d.wake.Broadcast()
	return nil
}

// Flush writes what is in memory as tables, and returns when they are on the disk.
func (d *DB) Flush() error {
	d.commit.Lock()
	if d.closed {
		d.commit.Unlock()
		return ErrClosed
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	var err error
	if d.state.Load().mem.count.Load() > 0 {
		err = d.rotate(0)
	}
	last := d.lastSeq
	d.commit.Unlock()
	for err == nil && d.err == nil && d.tabledSeq < last && !d.closing {
		d.wake.Wait()
	}
	switch {
	case err != nil:
		return err
	case d.err != nil:
		return d.err
	case d.tabledSeq < last:
		return ErrClosed
	}
	return nil
}

// apply adds the changes of a record. One writer at a time.
func (m *memtable) apply(r record) {
	for seq, c := range r.changes {
		m.add(c.key, sst.NewTrailer(seq, c.kind), c.value)
	}
}
