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

// The reading of a store on the disk: it is filled and overwritten once, and the
// writer waits for compaction, so that all stores that are read have the same levels.

// readMemtable is after how many puts a memtable becomes a table.
const readMemtable = 700

// readLSM is a store with filters of one size, and what all rounds together have shown.
type readLSM struct {
	bits          float64
	found, absent timedGets
}

// timedGets are Gets of keys that are there, or are not.
type timedGets struct {
	rates   []float64 // Gets per second, of each round
	elapsed time.Duration
	latency hist.Histogram
	blocks  int64 // read
}

func (c *readLSM) name() string { return fmt.Sprintf("lsm: reading, filters of %v bits", c.bits) }

// round fills a store of its own, reads from it, and checks what is in it.
func (c *readLSM) round(ctx context.Context, s *session) (err error) {
	dir := filepath.Join(s.dir, "lsm")
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if err := s.needSpace(timedSpace); err != nil {
		return err
	}
	disk := vfs.NewCounter(s.disk)
	policy := newSettler(lsm.Leveled{Growth: lsmGrowth})
	db, err := lsm.Open(dir, lsm.Options{
		FS: disk, Durability: wal.Buffered, Policy: policy, MemTableSize: readMemtable * memtablePut, TableSize: readMemtable * memtablePut,
		BloomBitsPerKey: filterBits(c.bits), BlockCacheSize: -1, // a block comes from the file
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	keys := newLSMKeys(int(s.profile.cell/timedCost), 0, 1)
	w := &countedWriter{db: db, policy: policy, keys: keys, memtable: readMemtable}
	n := len(keys.versions)
	for _, i := range keys.rnd.Perm(n) {
		if err := w.put(ctx, i); err != nil {
			return err
		}
	}
	for range n {
		if err := w.put(ctx, keys.rnd.IntN(n)); err != nil {
			return err
		}
	}
	if err := w.settle(ctx); err != nil {
		return err
	}
	if err := c.read(ctx, s.profile.cell/4, db, disk, keys); err != nil {
		return err
	}
	return verifyLSM(db, []*lsmKeys{keys})
}

// read gets keys at random: first those that are there, then those that are not.
func (c *readLSM) read(ctx context.Context, d time.Duration, db *lsm.DB, disk *vfs.Counter, k *lsmKeys) error {
	err := c.found.drive(ctx, d, disk, k, func(i int) error {
		value, err := db.Get(k.present(i))
		return k.check(i, value, err)
	})
	if err != nil {
		return err
	}
	return c.absent.drive(ctx, d, disk, k, func(i int) error {
		_, err := db.Get(k.absent(i))
		return checkAbsent(err)
	})
}

// drive calls get in a closed loop of one reader.
func (g *timedGets) drive(ctx context.Context, d time.Duration, disk *vfs.Counter, k *lsmKeys, get func(i int) error) error {
	before := disk.Counts()
	res, err := load.Closed(ctx, load.Options{Workers: 1, Duration: d}, func(int) load.Worker[int] {
		return load.Worker[int]{Next: func() (int, error) { return k.rnd.IntN(len(k.versions)), nil }, Do: get}
	})
	g.rates = append(g.rates, res.PerSecond())
	g.elapsed += res.Elapsed
	g.latency.Merge(res.Latency)
	g.blocks += disk.Counts().Sub(before).Files[lsmRead].Reads
	return err
}

// The derived numbers.

func (g *timedGets) rate() float64              { return median(g.rates) }
func (g *timedGets) quantile(q float64) float64 { return float64(g.latency.Quantile(q)) }
func (g *timedGets) perGet() float64            { return float64(g.blocks) / float64(g.latency.Count()) }
