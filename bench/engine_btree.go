package main

import (
	"context"
	"errors"

	"github.com/plinth-go/plinth/btree"
	"github.com/plinth-go/plinth/vfs"
)

const btreePages vfs.Category = "tree" // by which the tree names its file to the disk

// btreePage is the size of a page, unless it is what is varied.
const btreePage = 4 << 10

// btreeEngine is a B+tree. It is not safe for concurrent use.
type btreeEngine struct {
	db   *btree.DB
	disk *vfs.Counter

	// When a checkpoint is due; 0 leaves that to the store.
	pages    int
	logBytes uint64

	log  uint64 // bytes, at the last checkpoint
	peak int64  // bytes of the file and the log together, at the most
}

func openBTree(o engineOptions) (engine, error)      { return newBTree(o, btree.Options{}) }
func openBTreeNoLog(o engineOptions) (engine, error) { return newBTree(o, btree.Options{NoWAL: true}) }

// newBTree opens one with options of its own besides.
func newBTree(o engineOptions, own btree.Options) (*btreeEngine, error) {
	e := &btreeEngine{disk: vfs.NewCounter(o.disk)}
	own.FS, own.Durability = e.disk, o.durability
	if own.PageSize == 0 {
		own.PageSize = btreePage
	}
	switch {
	case o.budget == 0:
		own.CheckpointSize = timedMemtable
	default:
		e.pages, e.logBytes = int(o.budget)/2/own.PageSize, uint64(o.budget)
		if own.CheckpointSize > 0 { // then it alone decides
			e.pages, e.logBytes = never, uint64(own.CheckpointSize)
		}
		own.CheckpointSize, own.CacheSize = never, never
		if o.cached { // the store begins a checkpoint itself when half of it has changed
			own.CacheSize = o.budget + 2*pathPages*int64(own.PageSize)
		}
	}
	var err error
	e.db, err = btree.Open(o.dir, own)
	return e, err
}

const (
	never     = 1 << 30 // bytes, more than there are
	pathPages = 16      // more than one Put changes
)

func (e *btreeEngine) apply(entries []entry) error {
	if len(entries) == 1 {
		return e.db.Put(entries[0].key, entries[0].value)
	}
	return e.db.Update(func(tx *btree.Tx) error {
		for _, p := range entries {
			if err := tx.Put(p.key, p.value); err != nil {
				return err
			}
		}
		return nil
	})
}

func (e *btreeEngine) get(key []byte) ([]byte, bool, error) {
	value, err := e.db.Get(key)
	if errors.Is(err, btree.ErrNotFound) {
		return nil, false, nil
	}
	return value, err == nil, err
}

func (e *btreeEngine) scan(lo []byte, n int, visit func(key, value []byte) error) error {
	return e.db.View(func(tx *btree.Tx) error {
		c := tx.Cursor()
		seen := 0
		for ok := c.Seek(lo); ok; ok = c.Next() {
			if err := visit(c.Key(), c.Value()); err != nil {
				return err
			}
			if seen++; seen == n {
				break
			}
		}
		return c.Err()
	})
}

// catchUp makes a checkpoint where the store would begin one: when so many pages have
// changed, or the log is so long.
func (e *btreeEngine) catchUp(ctx context.Context, _ int) error {
	if e.pages == 0 {
		return nil
	}
	if s := e.db.Stats(); s.ChangedPages >= e.pages || s.LogBytes-e.log >= e.logBytes {
		return e.flush(ctx)
	}
	return nil
}

func (e *btreeEngine) flush(context.Context) error {
	before := e.db.Stats() // all pages are on the disk when the log is not cut yet
	err := e.db.Checkpoint()
	e.peak = max(e.peak, before.FileSize()+int64(before.LogBytes-e.log))
	e.log = before.LogBytes
	return err
}

func (e *btreeEngine) costs() engineCosts { return counterCosts(e.disk.Counts(), btreePages) }

func (e *btreeEngine) space() (int64, error) { return e.db.Stats().FileSize(), nil }

func (e *btreeEngine) close() error { return e.db.Close() }
