package main

import (
	"context"
	"errors"
	"math"
	"os"
	"path/filepath"
	"slices"

	"github.com/plinth-go/plinth/vfs"
	"github.com/plinth-go/plinth/wal"
)

// What is counted: each store gets the same entries, in the same commits, and the same
// memory, an eighth of what it keeps, half of which is for what has been written and is
// not in its place yet. The LSM tree's memtable has so many bytes; the B+tree makes a
// checkpoint when so many bytes of pages have changed.

const (
	budgetShare  = 8 // of the entries' bytes, as a divisor
	readRounds   = 12
	countedReads = 150    // of each kind, in each round
	shortScan    = 100    // entries
	mixedPuts    = 1000   // of each mix, so that there are checkpoints and compactions
	leastPuts    = 50_000 // in commits of the largest size
)

// What is combined. Never changed.
var (
	btreeBatches = [...]int{1, 10, 100, 1_000, 10_000}
	btreeMixes   = [...]int{5, 50} // puts among 100 operations
)

// counted is some work and what it has cost the disk. It is a plain value.
type counted struct {
	engineCosts
	puts, ops int64 // puts of keys; all operations, or commits where there are only puts
}

// amp is how many bytes were written for each that was put.
func (c counted) amp() float64 { return float64(c.written) / float64(c.puts*lsmUserBytes) }

func (c counted) syncsPerOp() float64 { return float64(c.fsyncs) / float64(c.ops) }
func (c counted) readsPerOp() float64 { return float64(c.reads) / float64(c.ops) }

// readPerOp is in bytes.
func (c counted) readPerOp() float64 { return float64(c.bytesRead) / float64(c.ops) }

// countedEngine is a store of one design, and what it has shown.
type countedEngine struct {
	design
	entries int

	random, ordered           [len(btreeBatches)]counted
	randomSpace, orderedSpace float64 // bytes for each of an entry: when keys were overwritten at random, and put in their order
	found, absent, short, all counted
	mixed                     [len(btreeMixes)]counted
}

func (c *countedEngine) name() string { return "btree: counting, " + c.design.name }

// live is how many bytes of keys and values there are.
func (c *countedEngine) live() float64 { return float64(c.entries * lsmUserBytes) }

// readsSeen reports whether all that it reads is counted.
func (c *countedEngine) readsSeen() bool { return c.design.name != designs()[bolt].name }

// seen is a number of bytes that were read, and NaN where that is not known.
func (c *countedEngine) seen(bytes float64) float64 {
	if !c.readsSeen() {
		return math.NaN()
	}
	return bytes
}

func (c *countedEngine) budget() int64 { return int64(c.entries) * lsmUserBytes / budgetShare }

// open opens a store on a disk in memory, or, if it cannot, in dir.
func (c *countedEngine) open(disk vfs.FS, dir string, batch int, cached bool) (engine, error) {
	return c.design.open(engineOptions{disk: disk, dir: dir, durability: wal.Synced, budget: c.budget(), batch: batch, cached: cached})
}

// measure does all the work; what must lie on a real disk lies in dir.
func (c *countedEngine) measure(ctx context.Context, dir string) (err error) {
	disk, at := vfs.NewMem(), filepath.Join(dir, "store")
	defer func() { err = errors.Join(err, os.RemoveAll(at)) }()
	keys, err := c.overwrite(ctx, disk, at)
	if err != nil {
		return err
	}
	if err := c.read(ctx, disk, at, keys); err != nil {
		return err
	}
	for k, batch := range btreeBatches {
		if err := c.load(ctx, filepath.Join(dir, "load"), k, batch); err != nil {
			return err
		}
	}
	return nil
}

// costing does some work and says what it has cost, with all that it leaves to be done.
func costing(ctx context.Context, u *engineUser, work func() error) (engineCosts, error) {
	if err := u.flush(ctx); err != nil {
		return engineCosts{}, err
	}
	before := u.costs()
	err := work()
	if err == nil {
		err = u.flush(ctx)
	}
	return u.costs().sub(before), err
}

// overwrite fills a store in random order, overwrites each key once, on average, so that
// its pages and levels are those of an old one, and then counts.
func (c *countedEngine) overwrite(ctx context.Context, disk vfs.FS, dir string) (keys *lsmKeys, err error) {
	e, err := c.open(disk, dir, btreeBatches[len(btreeBatches)-1], false)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, e.close()) }()
	u := newEngineUser(e, c.entries)
	if err := u.fill(ctx, fillBatch); err != nil {
		return nil, err
	}
	if err := u.write(ctx, c.entries, fillBatch, u.any); err != nil {
		return nil, err
	}
	for k, batch := range slices.Backward(btreeBatches[:]) { // single puts last: that is how it is read
		puts := c.entries
		if batch > fillBatch {
			puts = max(leastPuts, c.entries) / batch * batch // several commits
		}
		costs, err := costing(ctx, u, func() error { return u.write(ctx, puts, batch, u.any) })
		if err != nil {
			return nil, err
		}
		c.random[k] = counted{costs, int64(puts), int64((puts + batch - 1) / batch)}
		if batch == fillBatch {
			if c.randomSpace, err = c.spaceAmp(u); err != nil {
				return nil, err
			}
		}
	}
	return u.keys, u.verify()
}

func (c *countedEngine) spaceAmp(u *engineUser) (float64, error) {
	space, err := u.space()
	return float64(space) / c.live(), err
}

// load puts keys in their order into an empty store.
func (c *countedEngine) load(ctx context.Context, dir string, k, batch int) (err error) {
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	e, err := c.open(vfs.NewMem(), dir, batch, false)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, e.close()) }()
	u := newEngineUser(e, c.entries)
	costs, err := costing(ctx, u, func() error { return u.write(ctx, c.entries, batch, inOrder()) })
	if err != nil {
		return err
	}
	c.ordered[k] = counted{costs, int64(c.entries), int64((c.entries + batch - 1) / batch)}
	if k == 0 {
		if c.orderedSpace, err = c.spaceAmp(u); err != nil {
			return err
		}
	}
	return u.verify()
}

// read opens the store anew, with a cache of what it reads, and reads.
func (c *countedEngine) read(ctx context.Context, disk vfs.FS, dir string, keys *lsmKeys) (err error) {
	e, err := c.open(disk, dir, 1, true)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, e.close()) }()
	u := &engineUser{engine: e, keys: keys}
	for range c.entries { // what is worth keeping is in memory then
		if err := u.hit(u.any()); err != nil {
			return err
		}
	}
	for range readRounds { // an LSM tree has more tables or fewer, from one memtable to the next
		if err := u.write(ctx, int(c.budget())/2/memtablePut, 1, u.any); err != nil {
			return err
		}
		for _, kind := range []struct {
			to   *counted
			ops  int
			once func() error
		}{
			{&c.found, countedReads, func() error { return u.hit(u.any()) }},
			{&c.absent, countedReads, func() error { return u.miss(u.any()) }},
			{&c.short, countedReads, func() error { return u.walk(u.any(), shortScan) }},
			{&c.all, 1, u.verify},
		} {
			before := u.costs()
			if err := times(ctx, kind.ops, kind.once); err != nil {
				return err
			}
			kind.to.engineCosts = kind.to.plus(u.costs().sub(before))
			kind.to.ops += int64(kind.ops)
		}
	}
	for k, percent := range btreeMixes {
		if err := c.mix(ctx, u, k, percent); err != nil {
			return err
		}
	}
	return u.verify()
}

func times(ctx context.Context, n int, once func() error) error {
	for range n {
		if err := once(); err != nil {
			return err
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
	}
	return nil
}

// mix gets keys and puts some, each in a commit of its own.
func (c *countedEngine) mix(ctx context.Context, u *engineUser, k, percent int) error {
	puts, ops := int64(0), mixedPuts*100/percent
	costs, err := costing(ctx, u, func() error {
		return times(ctx, ops, func() error {
			if u.keys.rnd.IntN(100) >= percent {
				return u.hit(u.any())
			}
			puts++
			return u.write(ctx, 1, 1, u.any)
		})
	})
	c.mixed[k] = counted{costs, puts, int64(ops)}
	return err
}

// countedEngines are one of each design.
func countedEngines(entries int) (cells []*countedEngine) {
	for _, d := range designs() {
		cells = append(cells, &countedEngine{design: d, entries: entries})
	}
	return cells
}
