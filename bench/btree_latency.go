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
	"github.com/plinth-go/plinth/wal"
)

// What is timed: each store lies on the disk, every commit waits for it, and each has
// memory for all of its entries.

// timedWorks is what each store does, in this order; the last ones on an empty store. A
// work is named by its place. Never changed.
var timedWorks = [...]timedWork{
	{name: "Get, there", once: func(u *engineUser) error { return u.hit(u.any()) }},
	{name: "Get, absent", once: func(u *engineUser) error { return u.miss(u.any()) }},
	{name: "scan of 100", once: func(u *engineUser) error { return u.walk(u.any(), shortScan) }, entries: shortScan},
	{name: "scan of all", once: (*engineUser).verify},
	{name: "5 % puts", puts: 5, once: func(u *engineUser) error { return u.hit(u.any()) }, entries: 1, batch: 1},
	{name: "50 % puts", puts: 50, once: func(u *engineUser) error { return u.hit(u.any()) }, entries: 1, batch: 1},
	{name: "random, 1", puts: 100, batch: 1},
	{name: "random, 100", puts: 100, batch: 100},
	{name: "random, 10,000", puts: 100, batch: 10_000},
	{name: "in order, 1", puts: 100, batch: 1, ordered: true},
	{name: "in order, 100", puts: 100, batch: 100, ordered: true},
	{name: "in order, 10,000", puts: 100, batch: 10_000, ordered: true},
}

// The places of some.
const (
	workScan, workAll = 2, 3
	workPut           = 6
)

// timedWork is some work of one kind. It is a plain value.
type timedWork struct {
	name    string
	puts    int // of 100 operations
	batch   int // puts in a commit
	ordered bool
	entries int // that an operation which is no commit goes over; 0 if it is one, or all
	once    func(*engineUser) error
}

// each is how many entries an operation has.
func (w timedWork) each(all int) float64 {
	switch {
	case w.batch > 0:
		return float64(w.batch)
	case w.name == timedWorks[workAll].name:
		return float64(all)
	}
	return float64(max(1, w.entries))
}

// timedEngine is a store, and what all rounds together have shown of each work.
type timedEngine struct {
	design
	entries int
	works   [len(timedWorks)]timedOps
}

// timedOps are operations of one kind.
type timedOps struct {
	rates   []float64 // a second, of each round
	elapsed time.Duration
	latency hist.Histogram
}

func (c *timedEngine) name() string { return "btree: timing, " + c.design.name }

const mostOrdered = 1 << 20 // keys that are put in order, more than there is time for

// round does all the work once, and compares what is in the stores afterwards.
func (c *timedEngine) round(ctx context.Context, s *session) error {
	if err := s.needSpace(timedSpace); err != nil {
		return err
	}
	c.entries = int(s.profile.cell / timedCost)
	for k, w := range timedWorks {
		if k > 0 && !w.ordered {
			continue // it is done in the store of the first
		}
		dir := filepath.Join(s.dir, fmt.Sprintf("store%d", k))
		if err := errors.Join(c.store(ctx, s, dir, k), os.RemoveAll(dir)); err != nil {
			return err
		}
	}
	return nil
}

// store opens one and does work k, or all that need no empty store. Then it opens it once
// more and compares all of it.
func (c *timedEngine) store(ctx context.Context, s *session, dir string, k int) (err error) {
	o := engineOptions{disk: s.disk, dir: dir, durability: wal.Synced}
	e, err := c.design.open(o)
	if err != nil {
		return err
	}
	u := newEngineUser(e, c.entries)
	if timedWorks[k].ordered {
		u = newEngineUser(e, mostOrdered)
		put := 0
		err = c.work(ctx, s, u, k, func() int { put++; return put - 1 })
		u.keys.versions = u.keys.versions[:put]
	} else {
		err = c.unordered(ctx, s, u)
	}
	if err = errors.Join(err, e.close()); err != nil {
		return err
	}
	if u.engine, err = c.design.open(o); err != nil {
		return fmt.Errorf("reading back: %w", err)
	}
	return errors.Join(u.verify(), u.close())
}

// unordered fills a store and does in it whatever is not ordered.
func (c *timedEngine) unordered(ctx context.Context, s *session, u *engineUser) error {
	if err := u.fill(ctx, 10*fillBatch); err != nil {
		return err
	}
	if err := u.flush(ctx); err != nil {
		return err
	}
	for k, w := range timedWorks {
		if w.ordered {
			break
		}
		if err := c.work(ctx, s, u, k, u.any); err != nil {
			return fmt.Errorf("%s: %w", w.name, err)
		}
	}
	return nil
}

// work drives one kind of work in a closed loop of one caller.
func (c *timedEngine) work(ctx context.Context, s *session, u *engineUser, k int, key func() int) error {
	w := timedWorks[k]
	var commit []entry // that is made, and not applied yet: the end of the time may come between
	if w.puts == 100 { // the first, so that there is time for one
		commit = u.batch(w.batch, key)
	}
	res, err := load.Closed(ctx, load.Options{Workers: 1, Duration: s.profile.cell / timeShare}, func(int) load.Worker[bool] {
		return load.Worker[bool]{
			Next: func() (put bool, err error) {
				if commit != nil {
					return true, nil
				}
				if put = w.puts > 0 && u.keys.rnd.IntN(100) < w.puts; put {
					commit = u.batch(w.batch, key)
				}
				return put, nil
			},
			Do: func(put bool) error {
				if !put {
					return w.once(u)
				}
				p := commit
				commit = nil
				return u.apply(p)
			},
		}
	})
	if err == nil && commit != nil {
		err = u.apply(commit)
	}
	ops := &c.works[k]
	ops.rates = append(ops.rates, res.PerSecond())
	ops.elapsed += res.Elapsed
	ops.latency.Merge(res.Latency)
	return err
}

// The derived numbers.

func (c *timedEngine) rate(k int) float64      { return median(c.works[k].rates) }
func (c *timedEngine) entryRate(k int) float64 { return c.rate(k) * timedWorks[k].each(c.entries) }
func (c *timedEngine) quantile(k int, q float64) float64 {
	return float64(c.works[k].latency.Quantile(q))
}

const timeShare = 2 * time.Duration(len(timedWorks)) // of the time for a cell, as a divisor
