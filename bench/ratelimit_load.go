package main

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/plinth-go/plinth/bench/load"
	"github.com/plinth-go/plinth/bench/report"
	"github.com/plinth-go/plinth/ratelimit"
)

// What a decision costs. It takes about as long as looking at the clock, which every
// limiter has to do; so that is measured too, and no limiter can be faster.

const (
	decisionBatch = 512 // between two looks at the clock of the measurement
	decisionKeys  = 1024
)

// decisionImpl is a limiter, and whether it is to say yes or no.
type decisionImpl struct {
	name string
	make func() func(i int) bool // i counts calls; a limiter by key takes it for one
	want bool
}

func decisionImpls() []decisionImpl {
	enough := func() (ratelimit.Limit, int64) { return ratelimit.PerSecond(1e9), 1 << 40 }
	return []decisionImpl{
		{"a clock read", func() func(int) bool {
			start := time.Now()
			return func(int) bool { return time.Since(start) >= 0 }
		}, true},
		{"TokenBucket, yes", func() func(int) bool {
			l := ratelimit.NewTokenBucket(enough())
			return func(int) bool { return l.Allow() }
		}, true},
		{"TokenBucket, no", func() func(int) bool {
			l := ratelimit.NewTokenBucket(ratelimit.Per(1, time.Hour), 1)
			l.Allow()
			return func(int) bool { return l.Allow() }
		}, false},
		{"floats and a lock, yes", func() func(int) bool {
			l := &floatBucket{rate: 1e9, burst: 1 << 40, tokens: 1 << 40, last: time.Now()}
			return func(int) bool { return l.allow() }
		}, true},
		{"SlidingCounter, yes", func() func(int) bool {
			l := ratelimit.NewSlidingCounter(ratelimit.PerSecond(1e9))
			return func(int) bool { return l.Take(1).OK }
		}, true},
		{"Keyed, yes", func() func(int) bool {
			rate, burst := enough()
			l, err := ratelimit.NewKeyed(ratelimit.KeyedConfig[string]{Rate: rate, Burst: burst, MaxKeys: 2 * decisionKeys})
			if err != nil {
				panic(err)
			}
			keys := make([]string, decisionKeys)
			for i := range keys {
				keys[i] = fmt.Sprintf("10.0.%d.%d", i>>8, i&255)
			}
			return func(i int) bool { return l.Allow(keys[i%decisionKeys]) }
		}, true},
	}
}

// floatBucket is the token bucket as most people write it first. It is safe for
// concurrent use.
type floatBucket struct {
	rate, burst float64 // immutable

	mu     sync.Mutex
	tokens float64   // guarded by mu
	last   time.Time // guarded by mu
}

func (b *floatBucket) allow() bool {
	now := time.Now()
	b.mu.Lock()
	defer b.mu.Unlock()
	b.tokens = min(b.burst, b.tokens+now.Sub(b.last).Seconds()*b.rate)
	b.last = now
	if b.tokens < 1 {
		return false
	}
	b.tokens--
	return true
}

// decisionCell is one limiter and a number of goroutines, and what all rounds have shown.
type decisionCell struct {
	impl    decisionImpl
	workers int

	rates   []float64
	elapsed time.Duration
	ops     uint64
}

// decisionWorkers are numbers of goroutines.
func decisionWorkers() []int {
	return slices.Compact([]int{1, runtime.GOMAXPROCS(0), 4 * runtime.GOMAXPROCS(0)})
}

func decisionCells() (cells []*decisionCell) {
	for _, workers := range decisionWorkers() {
		for _, impl := range decisionImpls() {
			cells = append(cells, &decisionCell{impl: impl, workers: workers})
		}
	}
	return cells
}

func (c *decisionCell) name() string {
	return fmt.Sprintf("ratelimit: %s, %s", c.impl.name, count(c.workers, "goroutine"))
}

// round measures a cell once, for a tenth of the time that a cell has.
func (c *decisionCell) round(ctx context.Context, p profile) error {
	decide := c.impl.make()
	workers := make([]struct {
		at int
		_  [64]byte // two workers count in lines of their own
	}, c.workers)
	runtime.GC()
	res, err := load.Closed(ctx, load.Options{Workers: c.workers, Duration: p.cell / 10}, func(w int) load.Worker[struct{}] {
		return load.Worker[struct{}]{
			Next: func() (struct{}, error) { return struct{}{}, nil },
			Do: func(struct{}) error {
				for range decisionBatch {
					workers[w].at++
					if decide(workers[w].at) != c.impl.want {
						return fmt.Errorf("a decision is not %v", c.impl.want)
					}
				}
				return nil
			},
		}
	})
	if err != nil {
		return err
	}
	c.rates = append(c.rates, res.PerSecond()*decisionBatch)
	c.ops += res.Ops * decisionBatch
	c.elapsed += res.Elapsed
	return nil
}

func (c *decisionCell) rate() float64 { return median(c.rates) }

func (c *decisionCell) result() report.Result {
	return report.Result{
		Experiment: "ratelimit/decisions/impl=" + c.impl.name, Load: "closed loop", Workers: c.workers,
		Rounds: len(c.rates), Ops: c.ops, Elapsed: c.elapsed,
		PerSecond: c.rate(), Slowest: slices.Min(c.rates), Fastest: slices.Max(c.rates),
	}
}

// keyCell is how much memory limiters by key take.
type keyCell struct {
	impl string
	keys int

	bytes []float64 // for each key, of each round
}

const (
	implKeyed  = "Keyed"
	implKeyMap = "map of TokenBuckets"
)

func keyCells(p profile) (cells []*keyCell) {
	sizes := []int{1_000, 10_000, 100_000}
	if p.cell >= 2*time.Second { // the full profile
		sizes = append(sizes, 1_000_000)
	}
	for _, keys := range sizes {
		cells = append(cells, &keyCell{impl: implKeyed, keys: keys}, &keyCell{impl: implKeyMap, keys: keys})
	}
	return cells
}

func (c *keyCell) name() string {
	return fmt.Sprintf("ratelimit: memory of %s with %s keys", c.impl, grouped(c.keys))
}

// round makes one limiter for each key, of which a token is gone, and weighs them all.
// The keys are numbers: they have no bytes anywhere else.
func (c *keyCell) round() error {
	before := heapBytes()
	var all any
	limit := ratelimit.Per(1, time.Hour)
	if c.impl == implKeyed {
		keyed, err := ratelimit.NewKeyed(ratelimit.KeyedConfig[uint64]{Rate: limit, Burst: 10, MaxKeys: c.keys})
		if err != nil {
			return err
		}
		for i := range uint64(c.keys) {
			keyed.Allow(i)
		}
		all = keyed
	} else {
		m := make(map[uint64]*ratelimit.TokenBucket)
		for i := range uint64(c.keys) {
			m[i] = ratelimit.NewTokenBucket(limit, 10)
			m[i].Allow()
		}
		all = m
	}
	c.bytes = append(c.bytes, float64(heapBytes()-before)/float64(c.keys))
	runtime.KeepAlive(all)
	return nil
}

// heapBytes returns what is in use after a collection.
func heapBytes() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

func (c *keyCell) result() report.Result {
	return report.Result{
		Experiment: "ratelimit/memory/impl=" + c.impl, Load: "fill", Workers: 1, Rounds: len(c.bytes), Ops: uint64(c.keys),
		Metrics: map[string]float64{"keys": float64(c.keys), "bytes_per_key": median(c.bytes)},
	}
}
