package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/plinth-go/plinth/bench/load"
	"github.com/plinth-go/plinth/bench/report"
	"github.com/plinth-go/plinth/vclock"
)

// What clocks take, in time: to compare two vectors and to merge them, beside the map that most code has; to stamp an
// event with an HLC, beside a look at the clock; to count one with a Lamport clock, beside a counter under a mutex, from
// goroutines that all share one.

const (
	clockBatch = 64 // calls between two looks at the clock of the measurement
	clockRuns  = 3  // parts of a round
)

// Those that captions speak of.
const (
	opCompare, opMerge, opStamp, opCount = "Compare", "Merge", "stamp", "count"

	implVector, implMap     = "Vector", "map"
	implHLC, implTime       = "HLC.Now", "time.Now"
	implLamport, implLocked = "Lamport.Tick", "counter, a mutex"
)

// clockEntries are sizes of vectors.
func clockEntries() []int { return []int{3, 16, 256} }

// clockWorkers are numbers of goroutines, for what they can share.
func clockWorkers() []int { return slices.Compact([]int{1, runtime.GOMAXPROCS(0)}) }

// clockCell is something to do, and what all rounds have shown.
type clockCell struct {
	op, impl string
	entries  int // of a vector
	workers  int
	make     func() func() clockCall // what all share, and then what each goroutine has of its own

	rates   []float64
	elapsed time.Duration
	ops     uint64
	allocs  float64 // of a call
}

// clockCall does it so many times, and looks at what comes of it.
type clockCall func(times int) error

var errClock = errors.New("the clock is wrong")

func clockCells() (cells []*clockCell) {
	for _, n := range clockEntries() {
		cells = append(cells,
			&clockCell{op: opCompare, impl: implVector, entries: n, workers: 1, make: func() func() clockCall { return compareVectors(n) }},
			&clockCell{op: opCompare, impl: implMap, entries: n, workers: 1, make: func() func() clockCall { return compareMaps(n) }},
			&clockCell{op: opMerge, impl: implVector, entries: n, workers: 1, make: func() func() clockCall { return mergeVectors(n) }},
			&clockCell{op: opMerge, impl: implMap, entries: n, workers: 1, make: func() func() clockCall { return mergeMaps(n) }},
		)
	}
	for _, workers := range clockWorkers() {
		cells = append(cells,
			&clockCell{op: opStamp, impl: implHLC, workers: workers, make: stampHLC},
			&clockCell{op: opStamp, impl: implTime, workers: workers, make: stampTime},
			&clockCell{op: opCount, impl: implLamport, workers: workers, make: countLamport},
			&clockCell{op: opCount, impl: implLocked, workers: workers, make: countLocked},
		)
	}
	return cells
}

// twoVectors each know something that the other does not. They have names of their own, as if they had come from
// elsewhere.
func twoVectors(n int) (a, b vclock.Vector, err error) {
	if a, err = fullVector(n); err != nil {
		return a, b, err
	}
	if b, err = fullVector(n); err != nil {
		return a, b, err
	}
	_, err1 := a.Tick(replicaName(n - 1))
	_, err2 := b.Tick(replicaName(n - 2))
	return a, b, errors.Join(err1, err2)
}

// always is what fails before it is called, or what goroutines share nothing of.
func always(call clockCall, err error) func() clockCall {
	if err != nil {
		call = func(int) error { return err }
	}
	return func() clockCall { return call }
}

func compareVectors(n int) func() clockCall {
	v, w, err := twoVectors(n)
	return always(func(times int) error {
		for range times {
			if v.Compare(w) != vclock.Concurrent {
				return errClock
			}
		}
		return nil
	}, err)
}

func mergeVectors(n int) func() clockCall {
	v, w, err := twoVectors(n)
	return always(func(times int) error {
		for range times {
			if u := v; !u.Merge(w) || u.Len() != n {
				return errClock
			}
		}
		return nil
	}, err)
}

// mapVector is the form that most code has.
type mapVector map[vclock.ID]uint64

func (v mapVector) compare(w mapVector) vclock.Ordering {
	more, less := false, false
	for id, n := range v {
		more, less = more || n > w[id], less || n < w[id]
	}
	for id, n := range w {
		more, less = more || n < v[id], less || n > v[id]
	}
	switch {
	case more && less:
		return vclock.Concurrent
	case more:
		return vclock.After
	case less:
		return vclock.Before
	}
	return vclock.Equal
}

// merged is a new one: others may have the old.
func (v mapVector) merged(w mapVector) mapVector {
	u := maps.Clone(v)
	for id, n := range w {
		u[id] = max(u[id], n)
	}
	return u
}

func compareMaps(n int) func() clockCall {
	a, b, err := twoVectors(n)
	v, w := mapVector(maps.Collect(a.All())), mapVector(maps.Collect(b.All()))
	return always(func(times int) error {
		for range times {
			if v.compare(w) != vclock.Concurrent {
				return errClock
			}
		}
		return nil
	}, err)
}

func mergeMaps(n int) func() clockCall {
	a, b, err := twoVectors(n)
	v, w := mapVector(maps.Collect(a.All())), mapVector(maps.Collect(b.All()))
	return always(func(times int) error {
		for range times {
			if len(v.merged(w)) != n {
				return errClock
			}
		}
		return nil
	}, err)
}

func stampHLC() func() clockCall {
	h, err := vclock.NewHLC(vclock.HLCConfig{})
	if err != nil {
		return always(nil, err)
	}
	return func() clockCall {
		var last vclock.Timestamp
		return func(times int) error {
			for range times {
				t, err := h.Now()
				if err != nil {
					return err
				}
				if t.Compare(last) <= 0 {
					return errClock
				}
				last = t
			}
			return nil
		}
	}
}

// stampTime reads the clock, which an HLC has to do as well. It may step back.
func stampTime() func() clockCall {
	return always(func(times int) error {
		for range times {
			if time.Now().UnixNano() <= 0 {
				return errClock
			}
		}
		return nil
	}, nil)
}

func countLamport() func() clockCall {
	var clock vclock.Lamport
	return func() clockCall {
		last := uint64(0)
		return func(times int) error {
			for range times {
				n, err := clock.Tick()
				if err != nil {
					return err
				}
				if n <= last {
					return errClock
				}
				last = n
			}
			return nil
		}
	}
}

// lockedCounter is a Lamport clock as most people write it first. It is safe for concurrent use.
type lockedCounter struct {
	mu sync.Mutex
	n  uint64 // guarded by mu
}

func (c *lockedCounter) tick() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.n++
	return c.n
}

func countLocked() func() clockCall {
	var clock lockedCounter
	return func() clockCall {
		last := uint64(0)
		return func(times int) error {
			for range times {
				n := clock.tick()
				if n <= last {
					return errClock
				}
				last = n
			}
			return nil
		}
	}
}

func (c *clockCell) name() string {
	if c.entries > 0 {
		return fmt.Sprintf("vclock: %s, %s of %d", c.op, c.impl, c.entries)
	}
	return fmt.Sprintf("vclock: %s, %s", c.impl, count(c.workers, "goroutine"))
}

// round measures a cell once, for a thirtieth of the time that a cell has, in a few parts whose median counts.
func (c *clockCell) round(ctx context.Context, p profile) (err error) {
	each := c.make()
	one := each()
	if c.allocs, err = allocsOf(func() error { return one(1) }); err != nil {
		return err
	}
	var rates []float64
	for range clockRuns {
		res, err := load.Closed(ctx, load.Options{Workers: c.workers, Duration: p.cell / 30 / clockRuns}, func(int) load.Worker[struct{}] {
			call := each()
			return load.Worker[struct{}]{
				Next: func() (struct{}, error) { return struct{}{}, nil },
				Do:   func(struct{}) error { return call(clockBatch) },
			}
		})
		if err != nil {
			return err
		}
		rates = append(rates, res.PerSecond()*clockBatch)
		c.ops += res.Ops * clockBatch
		c.elapsed += res.Elapsed
	}
	c.rates = append(c.rates, median(rates))
	return nil
}

// takes is what a call takes of the time of a processor, in nanoseconds.
func (c *clockCell) takes() float64 {
	return 1e9 * float64(min(c.workers, runtime.GOMAXPROCS(0))) / median(c.rates)
}

func (c *clockCell) result() report.Result {
	r := report.Result{
		Experiment: fmt.Sprintf("vclock/timed/op=%s/impl=%s", c.op, c.impl), Load: "closed loop", Workers: c.workers,
		Rounds: len(c.rates), Ops: c.ops, Elapsed: c.elapsed,
		PerSecond: median(c.rates), Slowest: slices.Min(c.rates), Fastest: slices.Max(c.rates),
		Metrics: map[string]float64{"allocs_per_call": c.allocs},
	}
	if c.entries > 0 {
		r.Metrics["entries"] = float64(c.entries)
	}
	return r
}

// speed finds a cell.
func (r *vclockResults) speed(impl, op string, entries, workers int) *clockCell {
	i := slices.IndexFunc(r.speeds, func(c *clockCell) bool {
		return c.impl == impl && c.op == op && c.entries == entries && c.workers == workers
	})
	return r.speeds[i]
}
