package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/plinth-go/plinth/bench/hist"
	"github.com/plinth-go/plinth/bench/load"
	"github.com/plinth-go/plinth/lsm"
	"github.com/plinth-go/plinth/vfs"
	"github.com/plinth-go/plinth/wal"
)

// What is timed: a store on the disk is filled, then overwritten by writers who do
// not wait for compaction, as long as the store lets them.

const (
	timedMemtable = 1 << 20

	// On the disk at the most: segments of the log, tables of a full level 0, and what a
	// merge of them with all the others writes.
	timedSpace = 384 << 20

	timedCost = 24_000 // ns of the time for a cell, for each key; 50,000 keys in the quick profile
)

// What is combined. Never changed.
var (
	timedDurabilities = [...]wal.Durability{wal.Synced, wal.Flushed, wal.Buffered}
	timedWriters      = [...]int{1, 4}
)

// timedLSM is one combination, and what all its rounds together have shown.
type timedLSM struct {
	durability wal.Durability
	writers    int

	rates   []float64 // puts per second, of each round
	elapsed time.Duration
	stalled time.Duration // of all writers together
	puts    hist.Histogram
	syncs   int64
}

// timedCells are all combinations.
func timedCells() (cells []*timedLSM) {
	for _, n := range timedWriters {
		for _, d := range timedDurabilities {
			cells = append(cells, &timedLSM{durability: d, writers: n})
		}
	}
	return cells
}

func (c *timedLSM) name() string {
	return fmt.Sprintf("lsm: writing, %s, %s", c.durability, count(c.writers, "writer"))
}

// options of the store.
func (c *timedLSM) options(disk vfs.FS, policy lsm.Policy) lsm.Options {
	return lsm.Options{
		FS: disk, Durability: c.durability, Policy: policy, MemTableSize: timedMemtable, TableSize: timedMemtable,
	}
}

// round measures a cell once, on a store of its own, and checks what is in it
// afterwards.
func (c *timedLSM) round(ctx context.Context, s *session) (err error) {
	dir := filepath.Join(s.dir, "lsm")
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if err := s.needSpace(timedSpace); err != nil {
		return err
	}
	disk := vfs.NewCounter(s.disk)
	policy := newSettler(lsm.Leveled{Growth: lsmGrowth})
	db, err := lsm.Open(dir, c.options(disk, policy))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }() // closing twice does nothing
	entries := int(s.profile.cell / timedCost)
	writers := make([]*lsmKeys, c.writers)
	for i := range writers {
		writers[i] = newLSMKeys(entries/c.writers, i, c.writers)
		if err := writers[i].fill(db); err != nil {
			return err
		}
	}
	if err := policy.settle(ctx, db, 0); err != nil {
		return err
	}
	if err := c.write(ctx, s.profile.cell/3, db, disk, writers); err != nil {
		return err
	}
	if err := db.Close(); err != nil {
		return err
	}
	return c.verify(dir, s.disk, writers)
}

// fill puts every key once, in batches that do not wait for the disk.
func (k *lsmKeys) fill(db *lsm.DB) error {
	var b lsm.Batch
	for at, i := range k.rnd.Perm(len(k.versions)) {
		b.Put(k.set(i))
		if at%100 == 99 || at == len(k.versions)-1 {
			if err := db.ApplyWith(&b, wal.Buffered); err != nil {
				return err
			}
			b.Reset()
		}
	}
	return nil
}

// entry is what a writer puts next, made outside the timed part.
type entry struct{ key, value []byte }

// write overwrites keys at random.
func (c *timedLSM) write(ctx context.Context, d time.Duration, db *lsm.DB, disk *vfs.Counter, writers []*lsmKeys) error {
	before, stalled := disk.Counts(), db.Metrics().Stalled
	res, err := load.Closed(ctx, load.Options{Workers: c.writers, Duration: d}, func(worker int) load.Worker[entry] {
		k := writers[worker]
		var i int // of the key; it has its version when the Put is done, which the end of the time may prevent
		return load.Worker[entry]{
			Next: func() (entry, error) {
				i = k.rnd.IntN(len(k.versions))
				key, value := k.make(i, k.versions[i]+1)
				return entry{key, value}, nil
			},
			Do: func(p entry) error {
				err := db.Put(p.key, p.value)
				if err == nil {
					k.versions[i]++
				}
				return err
			},
		}
	})
	if err != nil {
		return err
	}
	since := disk.Counts().Sub(before)
	c.rates = append(c.rates, res.PerSecond())
	c.elapsed += res.Elapsed
	c.stalled += db.Metrics().Stalled - stalled
	c.syncs += since.Total().Syncs + since.DirSyncs
	c.puts.Merge(res.Latency)
	return nil
}

// verify opens the store once more and compares all of it.
func (c *timedLSM) verify(dir string, fsys vfs.FS, writers []*lsmKeys) (err error) {
	db, err := lsm.Open(dir, c.options(fsys, nil))
	if err != nil {
		return fmt.Errorf("reading back: %w", err)
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	return verifyLSM(db, writers)
}

// The derived numbers.

func (c *timedLSM) rate() float64              { return median(c.rates) }
func (c *timedLSM) quantile(q float64) float64 { return float64(c.puts.Quantile(q)) }
func (c *timedLSM) fsyncs() float64            { return float64(c.syncs) / float64(c.puts.Count()) }

// waiting is the part of the time that writers waited for the store to catch up.
func (c *timedLSM) waiting() float64 {
	return float64(c.stalled) / float64(c.elapsed) / float64(c.writers)
}
