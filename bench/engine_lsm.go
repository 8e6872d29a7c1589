package main

import (
	"context"
	"errors"

	"github.com/plinth-go/plinth/lsm"
	"github.com/plinth-go/plinth/vfs"
)

// lsmEngine is an LSM tree. It is not safe for concurrent use.
type lsmEngine struct {
	db     *lsm.DB
	disk   *vfs.Counter
	tables *tableSpace
	policy *settler
	batch  lsm.Batch

	memtable  int // puts that it takes; 0 if the store decides
	unflushed int // of them
}

func openLSM(o engineOptions) (engine, error) {
	disk := o.disk
	if disk == nil {
		disk = vfs.OS()
	}
	e := &lsmEngine{tables: newTableSpace(disk), policy: newSettler(lsm.Leveled{})}
	e.disk = vfs.NewCounter(e.tables)
	options := lsm.Options{FS: e.disk, Durability: o.durability, Policy: e.policy, MemTableSize: timedMemtable, TableSize: timedMemtable}
	if o.budget > 0 {
		e.memtable = int(o.budget) / 2 / memtablePut
		// Larger than it will be: it is told when it is full.
		options.MemTableSize = int64(e.memtable+o.batch) * memtablePut
		options.TableSize = o.budget / 4
		options.BlockCacheSize = -1 // which blocks it would keep differs a little from run to run
	}
	var err error
	e.db, err = lsm.Open(o.dir, options)
	return e, err
}

func (e *lsmEngine) apply(entries []entry) error {
	if len(entries) == 1 {
		return e.db.Put(entries[0].key, entries[0].value)
	}
	e.batch.Reset()
	for _, p := range entries {
		e.batch.Put(p.key, p.value)
	}
	return e.db.Apply(&e.batch)
}

func (e *lsmEngine) get(key []byte) ([]byte, bool, error) {
	value, err := e.db.Get(key)
	if errors.Is(err, lsm.ErrNotFound) {
		return nil, false, nil
	}
	return value, err == nil, err
}

func (e *lsmEngine) scan(lo []byte, n int, visit func(key, value []byte) error) error {
	it := e.db.NewIterator(lsm.IterOptions{})
	seen := 0
	for it.SeekGE(lo); it.Valid(); it.Next() {
		if err := visit(it.Key(), it.Value()); err != nil {
			return errors.Join(err, it.Close())
		}
		if seen++; seen == n {
			break
		}
	}
	return it.Close()
}

// catchUp flushes a memtable that is full, and waits for compaction.
func (e *lsmEngine) catchUp(ctx context.Context, puts int) error {
	if e.unflushed += puts; e.memtable == 0 || e.unflushed < e.memtable {
		return nil
	}
	return e.flush(ctx)
}

func (e *lsmEngine) flush(ctx context.Context) error {
	flushes := e.db.Metrics().Flushes
	if e.unflushed > 0 {
		flushes++
	}
	e.unflushed = 0
	return e.policy.settle(ctx, e.db, flushes)
}

func (e *lsmEngine) costs() engineCosts { return counterCosts(e.disk.Counts(), lsmRead) }

func (e *lsmEngine) space() (bytes int64, err error) {
	for _, l := range e.db.Metrics().Levels {
		bytes += l.Bytes
	}
	return bytes, nil
}

func (e *lsmEngine) close() error { return e.db.Close() }
