package lsm

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/plinth-go/plinth/lsm/sst"
	"github.com/plinth-go/plinth/wal"
)

// How changes get in. A writer takes the commit lock, gives his batch its sequence
// numbers, submits it to the log and adds it to the memtable: so log, memtable and
// sequence numbers have one order. Then he gives the lock back and waits for the
// disk, together with others: the log writes and syncs once for all who wait.
// Readers see a change when its writer knows that it is as durable as he asked, or when
// a later one knows that, who may have asked for less.

// Apply applies all changes of a batch, or none. When it returns, they have the
// Durability of the store. The batch may be used again.
func (d *DB) Apply(b *Batch) error { return d.ApplyWith(b, d.options.Durability) }

// ApplyWith applies a batch with a durability of its own, more or less than that of
// the store.
func (d *DB) ApplyWith(b *Batch, durability wal.Durability) error {
	if b.err != nil || b.count == 0 {
		return b.err
	}
	if durability > wal.Buffered {
		return fmt.Errorf("lsm: no such durability: %d", durability)
	}
	last, ticket, err := d.submit(b)
	if err != nil {
		return err
	}
	if _, err := ticket.WaitFor(context.Background(), durability); err != nil {
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
	b.logged[0] = b.data
	ticket = d.log.Submit(b.logged[:])
	if err := ticket.Err(); err != nil { // which the caller will hear from the ticket
		_ = d.refuseFrom(err)
		return 0, ticket, nil
	}
	d.logIndex++
	r := record{seq: d.lastSeq + 1, count: b.count, rest: b.data[batchHeader:]}
	d.state.Load().mem.apply(r)
	d.lastSeq += uint64(b.count)
	d.counters.log.Add(uint64(len(b.data)))
	d.counters.user.Add(b.userBytes)
	return d.lastSeq, ticket, nil
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
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.debt > 1 || len(d.state.Load().full) >= maxFull {
		defer d.stalled(time.Now())
	}
	d.slowDown()
	mem := d.state.Load().mem
	if mem.bytes.Load()+size <= d.options.MemTableSize {
		return d.refusal()
	}
	return d.rotate(size)
}

func (d *DB) stalled(since time.Time) { d.counters.stalled.Add(int64(time.Since(since))) }

// refusal is why nothing is written any more, nil if it is. The caller holds mu.
func (d *DB) refusal() error {
	if d.err == nil && d.closing {
		return ErrClosed
	}
	return d.err
}

// slowDown makes the writer wait where compaction is behind: the further, the
// longer, so that nobody has to stop. The caller holds commit and mu.
func (d *DB) slowDown() {
	for d.debt >= 2 && d.refusal() == nil {
		d.wake.Wait()
	}
	if d.debt > 1 && d.refusal() == nil {
		pause := time.Duration((d.debt - 1) * float64(time.Millisecond))
		d.mu.Unlock()
		time.Sleep(pause)
		d.mu.Lock()
	}
}

// rotate puts an empty memtable in the place of the present one, which takes a
// batch of this memorySize at least. The caller holds commit and mu.
func (d *DB) rotate(size int64) error {
	for d.refusal() == nil && len(d.state.Load().full) >= maxFull {
		d.wake.Wait()
	}
	if err := d.refusal(); err != nil {
		return err
	}
	s := *d.state.Load()
	if s.mem.count.Load() > 0 { // an empty one is only too small
		s.full = append([]*fullMemtable{{s.mem, d.lastSeq, d.logIndex}}, s.full...)
	}
	s.mem = d.newMemtable(size)
	d.state.Store(&s)
	d.wake.Broadcast()
	return nil
}

// Flush writes what is in memory as tables, and returns when they are on the disk.
func (d *DB) Flush() error { return d.flushAll(context.Background()) }

// flushAll is Flush, until ctx ends. It can have to wait for the writer whose turn
// it is.
func (d *DB) flushAll(ctx context.Context) error {
	defer context.AfterFunc(ctx, func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.wake.Broadcast()
	})()
	d.commit.Lock()
	d.mu.Lock()
	defer d.mu.Unlock()
	over := func() error { return cmp.Or(d.refusal(), ctx.Err()) }
	for over() == nil && len(d.state.Load().full) >= maxFull {
		d.wake.Wait()
	}
	err := over()
	if err == nil && d.state.Load().mem.count.Load() > 0 {
		err = d.rotate(0)
	}
	last := d.lastSeq
	d.commit.Unlock()
	for err == nil && d.tidiedSeq < last {
		if err = over(); err == nil {
			d.wake.Wait()
		}
	}
	return err
}

// apply adds the changes of a record. One writer at a time.
func (m *memtable) apply(r record) {
	for seq, c := range r.changes {
		m.add(c.key, sst.NewTrailer(seq, c.kind), c.value)
	}
}
