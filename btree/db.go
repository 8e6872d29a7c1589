package btree

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"sync"
	"sync/atomic"

	"github.com/plinth-go/plinth/vfs"
	"github.com/plinth-go/plinth/wal"
)

// DB is a store of keys and values in a directory. It is safe for concurrent use: one
// transaction writes at a time, any number read beside it. Open starts a goroutine that
// makes checkpoints, and Close ends it.
type DB struct {
	// Immutable after Open.
	dir     string
	options Options
	lock    io.Closer
	file    vfs.File
	log     *wal.Log // nil without one

	// What readers use; each is safe for concurrent use.
	newest  atomic.Pointer[version] // nil once the store is closed
	readers slots
	pages   directory
	clock   clock

	counters counters
	txs      sync.Pool // of *Tx, for single changes
	failed   atomic.Pointer[error]
	told     sync.Once // the logger, that it has failed
	close    sync.Once

	committing sync.Mutex // held by whom a checkpoint is for; taken before turn
	turn       sync.Mutex // held by the transaction that writes; taken before running

	// Guarded by turn.
	closing  bool
	latest   *version // perhaps not durable yet
	ticket   *wal.Ticket
	work     work
	logIndex uint64 // of the next record
	logged   int64  // bytes since the last capture
	space    space
	captured uint64     // the last transaction that a checkpoint has taken
	changed  []*page    // of the latest version, made since then
	dropped  []pageID   // of the captured version, and freed since then
	mapPages []mapPlace // of the free map
	mapGoal  pageID     // those from here on go to lower places; 0 for none
	spare    [][]byte   // memory for pages
	heldBy   []uint64   // used again by each reclaim

	running sync.Mutex // held by the checkpoint under way

	// Guarded by running.
	generation uint64
	last       meta // that was written
	twins      bool // both meta pages are the same
	mapped     []uint64
	fileSize   int64
	staging    []byte

	// Written under running, read by anybody.
	durable  atomic.Uint64 // the transaction of the last checkpoint
	underway atomic.Uint64 // of the one under way, 0 if there is none

	wanted     chan struct{} // a checkpoint is
	background sync.WaitGroup
}

func (d *DB) filePath() string { return filepath.Join(d.dir, fileName) }

// refusal is why nothing is written any more, nil if it is. The caller holds turn.
func (d *DB) refusal() error {
	if err := d.failed.Load(); err != nil {
		return *err
	}
	if d.closing {
		return ErrClosed
	}
	return nil
}

// fail makes an error of the disk final. It says nothing: locks may be held.
func (d *DB) fail(err error) error {
	if !errors.Is(err, ErrFailed) {
		err = fmt.Errorf("%w: %s: %w", ErrFailed, d.dir, err)
	}
	d.failed.CompareAndSwap(nil, &err)
	return *d.failed.Load()
}

// tell says to the logger what has come of a checkpoint or commit. The logger is the
// user's: the caller holds no lock.
func (d *DB) tell(c *capturing, err error) {
	switch {
	case err == nil && c != nil:
		d.options.Logger.Info("btree checkpoint", "dir", d.dir, "tx", c.v.tx, "pages", len(c.taken), "took", c.took)
	case errors.Is(err, ErrFailed):
		d.told.Do(func() { d.options.Logger.Error("btree failed", "dir", d.dir, "error", err) })
	}
}

// Close makes a checkpoint, compacts the file if more than a fifth of it is free, and closes the
// store. Transactions that read may then end with ErrClosed; Close waits for the one that
// writes. Closing again does nothing.
func (d *DB) Close() (err error) {
	d.close.Do(func() { err = d.end() })
	return err
}

func (d *DB) end() error {
	err := d.Checkpoint() // most of it, while others still write
	if high, goal := d.extent(); err == nil && high > goal+max(goal/4, wasted) {
		err = d.Compact(context.Background())
	}
	d.committing.Lock()
	d.turn.Lock()
	d.closing = true
	close(d.wanted)
	d.running.Lock()
	if err == nil || d.failed.Load() == nil {
		err = errors.Join(err, d.seal())
	}
	d.running.Unlock()
	d.turn.Unlock()
	d.committing.Unlock()
	d.tell(nil, err)
	d.background.Wait()
	d.newest.Store(nil)
	return errors.Join(err, d.abandon())
}

// wasted is how many free pages are not worth to compact the file when it is closed.
const wasted = 64

// seal writes what has come since the checkpoint of Close, and then the other meta page,
// so that damage to one of them does no harm. The caller holds turn and running.
func (d *DB) seal() error {
	if failed := d.failed.Load(); failed != nil {
		return *failed
	}
	if err := d.write(d.capture()); err != nil {
		return err
	}
	if err := d.cut(); err != nil || d.twins {
		return err
	}
	m := d.last
	m.generation++
	if err := d.writeMeta(m); err != nil {
		return d.fail(err)
	}
	d.twins = true
	return nil
}

// abandon gives back what Open has taken.
func (d *DB) abandon() (err error) {
	if d.log != nil {
		err = d.log.Close()
	}
	if d.file != nil {
		err = errors.Join(err, d.file.Close())
	}
	return errors.Join(err, d.lock.Close())
}
