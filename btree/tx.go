package btree

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"slices"

	"github.com/plinth-go/plinth/wal"
)

// Tx is a transaction: a view of the store that stays as it is, and in one that writes,
// its own changes on top. Bytes that it hands out are valid until it ends and must not
// be changed. It is not safe for concurrent use, but any number of transactions that read
// may go on beside one that writes.
type Tx struct {
	// Immutable.
	db       *DB
	id       uint64 // of the version that it reads, or makes
	writable bool
	slot     *slot // of a reader

	root    pageID
	entries uint64
	done    bool

	// Of a writer.
	*work
	ops   int    // changes, so that cursors know about them
	bytes uint64 // of keys and values in them
	err   error  // of a change that failed half-way: this cannot be committed
}

// work is memory that transactions which write use one after the other. It is guarded
// by turn.
type work struct {
	made    []*page // in this transaction: they are changed in place
	gone    []freed // that it does not have any more
	record  []byte  // for the log; nil if there is none
	path    []step  // from the root to where the change is
	end     *page   // the last leaf, if the last change put a key behind all others there
	scratch []byte  // a cell
}

// begin returns the memory empty, and not too much of it.
func (w *work) begin() *work {
	clear(w.made)
	if cap(w.record) > 1<<20 {
		*w = work{}
	}
	w.made, w.gone, w.end = w.made[:0], w.gone[:0], nil
	w.record = append(w.record[:0], make([]byte, recordHeader)...)
	return w
}

// Begin starts a transaction, which must be ended with Commit or Rollback. One that
// writes waits until no other does, and keeps others from it until it has ended. Until
// then, Begin(true), Put, Delete, Update, Checkpoint, Compact, Backup, Stats and Close of
// the same DB wait: called in the same goroutine, they never return.
func (d *DB) Begin(writable bool) (*Tx, error) {
	if !writable {
		v, s, err := d.enter()
		if err != nil {
			return nil, err
		}
		return &Tx{db: d, id: v.tx, slot: s, root: v.root, entries: v.entries}, nil
	}
	t := new(Tx)
	if err := d.begin(t); err != nil {
		return nil, err
	}
	return t, nil
}

// begin makes t the transaction that writes.
func (d *DB) begin(t *Tx) error {
	d.turn.Lock()
	if err := d.refusal(); err != nil {
		d.turn.Unlock()
		return err
	}
	if int64(len(d.changed)) > 2*d.checkpointPages() {
		d.awaitCheckpoint() // if it fails, commit finds out
	}
	d.reclaim()
	v := d.latest
	*t = Tx{db: d, id: v.tx + 1, writable: true, root: v.root, entries: v.entries, work: d.work.begin()}
	return nil
}

// awaitCheckpoint waits for the checkpoint under way, where the disk is behind.
func (d *DB) awaitCheckpoint() {
	d.running.Lock()
	defer d.running.Unlock()
}

// View runs fn in a transaction that reads.
func (d *DB) View(fn func(*Tx) error) error {
	t, err := d.Begin(false)
	if err != nil {
		return err
	}
	defer t.Rollback()
	return fn(t)
}

// Update runs fn in a transaction that writes, which keeps other writers waiting, and
// commits it if fn returns nil. When
// Update returns nil, all changes have the Durability of the store; otherwise none is
// made, except that after ErrFailed the next Open finds all or none.
func (d *DB) Update(fn func(*Tx) error) error {
	t, err := d.Begin(true)
	if err != nil {
		return err
	}
	defer t.Rollback()
	if err := fn(t); err != nil {
		return err
	}
	return t.Commit()
}

// Len returns the number of entries.
func (t *Tx) Len() uint64 { return t.entries }

// Get returns the value of a key, or ErrNotFound.
func (t *Tx) Get(key []byte) ([]byte, error) {
	if t.done {
		return nil, ErrTxDone
	}
	p, i, err := t.db.lookUp(t.root, t.id, key)
	if err != nil {
		return nil, err
	}
	return t.value(p, i)
}

// value returns one of a page.
func (t *Tx) value(p *page, i int) ([]byte, error) {
	value, err := t.db.value(p, i)
	if err != nil || p.isElsewhere(i) {
		return value, err
	}
	return t.keep(p, value), nil
}

// keep returns bytes of a page such that they stay as they are: a page of this
// transaction may yet change.
func (t *Tx) keep(p *page, b []byte) []byte {
	if t.writable && p.tx == t.id {
		return slices.Clip(append([]byte{}, b...))
	}
	return b
}

// Put sets a key to a value; nil is an empty one. It keeps neither.
func (t *Tx) Put(key, value []byte) error {
	if err := t.mayWrite(); err != nil {
		return err
	}
	if err := checkEntry(key, value); err != nil {
		return err
	}
	if t.err = t.set(key, value); t.err != nil {
		return t.err
	}
	t.ops++
	if t.logs(len(key) + len(value)) {
		t.record = appendPut(t.record, key, value)
	}
	t.bytes += uint64(len(key) + len(value))
	return nil
}

// Delete deletes a key, whether it is there or not.
func (t *Tx) Delete(key []byte) error {
	if err := t.mayWrite(); err != nil {
		return err
	}
	if err := checkKey(key); err != nil {
		return err
	}
	deleted, err := t.remove(key)
	if t.err = err; err != nil || !deleted {
		return err
	}
	t.ops++
	if t.logs(len(key)) {
		t.record = appendDelete(t.record, key)
	}
	t.bytes += uint64(len(key))
	return nil
}

func (t *Tx) mayWrite() error {
	switch {
	case t.done:
		return ErrTxDone
	case !t.writable:
		return ErrReadOnly
	}
	return t.err
}

// logs reports whether a change of so many bytes goes into the record. There is none
// any more when it has become too large.
func (t *Tx) logs(size int) bool {
	if t.record != nil && (t.db.log == nil || len(t.record)+size+16 > t.db.options.maxRecord) {
		t.record = nil
	}
	return t.record != nil
}

// Rollback ends a transaction without a change. After Commit it does nothing.
func (t *Tx) Rollback() {
	if t.done {
		return
	}
	t.done = true
	if !t.writable {
		t.slot.leave()
		return
	}
	t.discard()
	t.db.turn.Unlock()
}

// discard gives back the pages that it has made.
func (t *Tx) discard() {
	for _, p := range t.made {
		t.db.forget(p.id)
		t.db.space.release(p.id)
	}
}

// Commit makes the changes. When it returns nil, they have the Durability of the store
// and every transaction that begins sees them.
func (t *Tx) Commit() error {
	if t.done {
		return ErrTxDone
	}
	if !t.writable {
		return ErrReadOnly
	}
	if t.err != nil || t.ops == 0 {
		t.Rollback()
		return t.err
	}
	t.done = true
	err := t.db.commit(t)
	t.db.tell(nil, err)
	return err
}

// commit is Commit. The caller holds turn, and commit releases it.
func (d *DB) commit(t *Tx) error {
	if failed := d.failed.Load(); failed != nil {
		t.discard()
		d.turn.Unlock()
		return *failed
	}
	switch {
	case d.log != nil && t.record == nil:
		return d.commitLarge(t)
	case d.log == nil:
		v := d.install(t)
		d.turn.Unlock()
		if d.options.Durability != wal.Synced {
			d.publish(v)
			return nil
		}
		return d.checkpointUpTo(v.tx)
	}
	binary.LittleEndian.PutUint64(t.record, t.id)
	ticket := d.log.Submit([][]byte{t.record})
	if err := ticket.Err(); err != nil {
		if !errors.Is(err, wal.ErrTooLarge) {
			t.discard()
			d.turn.Unlock()
			return d.fail(err)
		}
		return d.commitLarge(t)
	}
	d.logIndex++
	d.logged += int64(len(t.record))
	d.counters.log.Add(uint64(len(t.record)))
	d.ticket = ticket
	v := d.install(t)
	d.turn.Unlock()
	if _, err := ticket.Wait(context.Background()); err != nil {
		return d.fail(err)
	}
	d.publish(v)
	return nil
}

// commitLarge commits without the log, by a checkpoint. No other transaction may come in
// between: it would be in the log, and what it builds on would not.
func (d *DB) commitLarge(t *Tx) error {
	defer d.turn.Unlock()
	v := d.install(t)
	d.running.Lock()
	defer d.running.Unlock()
	if failed := d.failed.Load(); failed != nil { // the one before has taken pages, and not written them
		return *failed
	}
	err := d.write(d.capture())
	if d.durable.Load() >= v.tx { // what has failed came later, and the next one hears it
		return nil
	}
	return err
}

// install makes what a transaction has done the latest version, that the next one builds
// on. The caller holds turn.
func (d *DB) install(t *Tx) *version {
	for _, p := range t.made {
		p.place = len(d.changed)
		d.changed = append(d.changed, p)
	}
	d.clock.changed.Add(int64(len(t.made)))
	for _, f := range t.gone {
		d.drop(f)
	}
	d.latest = &version{tx: t.id, root: t.root, entries: t.entries}
	d.counters.commits.Add(1)
	d.counters.user.Add(t.bytes)
	if int64(len(d.changed)) > d.checkpointPages() || d.logged > d.options.CheckpointSize {
		d.wake()
	}
	return d.latest
}

// drop remembers a page that the latest version does not have any more.
func (d *DB) drop(f freed) {
	d.space.unseen = append(d.space.unseen, f)
	d.space.held++
	if f.born <= d.captured {
		d.dropped = append(d.dropped, f.id)
		return
	}
	p := d.pages.get(f.id)
	last := d.changed[len(d.changed)-1]
	d.changed[p.place], last.place = last, p.place
	d.changed[len(d.changed)-1] = nil
	d.changed = d.changed[:len(d.changed)-1]
	d.clock.changed.Add(-1)
}

// publish lets readers see a version. What is before it is in the log before it, so that
// it is at least as durable as that.
func (d *DB) publish(v *version) {
	for {
		old := d.newest.Load()
		if old == nil || old.tx >= v.tx || d.newest.CompareAndSwap(old, v) {
			return
		}
	}
}

// reclaim makes pages free that nobody holds any more. The caller holds turn.
func (d *DB) reclaim() {
	newest := d.newest.Load()
	if newest == nil || d.space.held == 0 {
		return
	}
	// A checkpoint first becomes the last one and then is not under way any more.
	held := append(d.heldBy[:0], d.underway.Load())
	held = append(held, d.durable.Load())
	d.readers.each(func(tx uint64) { held = append(held, tx) })
	d.heldBy = held
	d.space.reclaim(newest.tx, held, d.forget)
}

// forget takes a page out of memory that nobody can reach, and keeps its bytes for
// another. The caller holds turn.
func (d *DB) forget(id pageID) {
	at := d.pages.at(id)
	if at == nil {
		return
	}
	if p := at.Swap(nil); p != nil && len(d.spare) < maxSpare {
		d.spare = append(d.spare, p.data)
	}
}

// maxSpare is how many pages' memory is kept for others.
const maxSpare = 1024

// place makes a page in memory that has a number already. What is in it is not defined.
func (t *Tx) place(id pageID) *page {
	d := t.db
	p := &page{id: id, tx: t.id, place: len(t.made)}
	if n := len(d.spare); n > 0 {
		p.data, d.spare = d.spare[n-1], d.spare[:n-1]
	} else {
		p.data = make([]byte, d.options.PageSize)
	}
	t.made = append(t.made, p)
	d.pages.makePlace(id).Store(p)
	return p
}

// newPage makes an empty one.
func (t *Tx) newPage(k kind, level int) (*page, error) {
	id, err := t.db.space.alloc()
	if err != nil {
		return nil, err
	}
	p := t.place(id)
	p.format(k, level)
	return p, nil
}

// own returns a page that this transaction may change in place of another.
func (t *Tx) own(p *page) (*page, error) {
	if p.tx == t.id {
		return p, nil
	}
	id, err := t.db.space.alloc()
	if err != nil {
		return nil, err
	}
	q := t.place(id)
	copy(q.data, p.data)
	q.rename()
	t.free(p.id, p.tx)
	return q, nil
}

// free gives a page up. One that was made in this transaction nobody has seen.
func (t *Tx) free(id pageID, born uint64) {
	d := t.db
	if born != t.id {
		t.gone = append(t.gone, freed{id, born, t.id})
		return
	}
	p := d.pages.get(id)
	last := t.made[len(t.made)-1]
	t.made[p.place], last.place = last, p.place
	t.made = t.made[:len(t.made)-1]
	d.forget(id)
	d.space.release(id)
}

// Put sets a key to a value, in a transaction of its own.
func (d *DB) Put(key, value []byte) error {
	return d.once(func(t *Tx) error { return t.Put(key, value) })
}

// Delete deletes a key, whether it is there or not, in a transaction of its own.
func (d *DB) Delete(key []byte) error {
	return d.once(func(t *Tx) error { return t.Delete(key) })
}

// once is Update for a Tx that nobody else gets to see.
func (d *DB) once(change func(*Tx) error) error {
	t, _ := d.txs.Get().(*Tx)
	if t == nil {
		t = new(Tx)
	}
	defer d.txs.Put(t)
	if err := d.begin(t); err != nil {
		return err
	}
	defer t.Rollback()
	if err := change(t); err != nil {
		return err
	}
	return t.Commit()
}

// Get returns the value of a key, or ErrNotFound. The value is the caller's.
func (d *DB) Get(key []byte) ([]byte, error) {
	v, s, err := d.enter()
	if err != nil {
		return nil, err
	}
	defer s.leave()
	p, i, err := d.lookUp(v.root, v.tx, key)
	if err != nil {
		return nil, err
	}
	value, err := d.value(p, i)
	if err != nil || p.isElsewhere(i) {
		return value, err
	}
	return bytes.Clone(value), nil
}
