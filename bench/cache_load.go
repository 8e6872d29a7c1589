package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"time"

	"github.com/plinth-go/plinth/bench/load"
	"github.com/plinth-go/plinth/bench/plot"
	"github.com/plinth-go/plinth/bench/report"
)

// What a cache does in a second, when goroutines share it. A hit takes some
// tens of nanoseconds, less than looking at the clock does. So the keys are
// drawn before, and a worker does a batch of operations between two looks.

const (
	loadEntries = 32 << 10
	loadKeys    = 1 << 20
	loadSkew    = 1.01    // of Zipf's law
	loadDrawn   = 1 << 20 // operations drawn before; then from the beginning again
	loadBatch   = 512     // operations between two looks at the clock
	loadWarmup  = 4 * loadEntries
)

// loadWrites are the shares of writes, in percent. Never changed.
var loadWrites = [...]int{0, 5, 25, 50, 100}

// loadWorkers are the numbers of goroutines.
func loadWorkers() []int {
	return slices.Compact([]int{1, runtime.GOMAXPROCS(0)})
}

// keySource is the operations that all cells do. It is immutable.
type keySource struct {
	keys []uint64
	dice []uint8 // 0 to 99; below the share of writes it is one
}

func newKeySource() *keySource {
	rnd := rand.New(rand.NewPCG(1, 2))
	zipf := rand.NewZipf(rnd, loadSkew, 1, loadKeys-1)
	k := &keySource{keys: make([]uint64, loadDrawn), dice: make([]uint8, loadDrawn)}
	for i := range k.keys {
		k.keys[i], k.dice[i] = zipf.Uint64(), uint8(rnd.IntN(100))
	}
	return k
}

// loadCell is one combination, and what all its rounds together have shown.
type loadCell struct {
	impl    loadImpl
	writes  int // percent
	workers int

	rates      []float64 // operations per second, of each round
	elapsed    time.Duration
	ops        uint64
	gets, hits uint64
}

// loadCells are all combinations.
func loadCells() (cells []*loadCell) {
	for _, workers := range loadWorkers() {
		for _, writes := range loadWrites {
			for _, impl := range loadImpls() {
				cells = append(cells, &loadCell{impl: impl, writes: writes, workers: workers})
			}
		}
	}
	return cells
}

func (c *loadCell) name() string {
	return fmt.Sprintf("cache: %s, %s, %d %% writes", c.impl.name, count(c.workers, "goroutine"), c.writes)
}

// round measures a cell once, on a cache of its own, for a fifth of the time
// that a cell has: there is no disk that would have to settle.
func (c *loadCell) round(ctx context.Context, p profile, source *keySource) error {
	shared, err := c.impl.make(loadEntries)
	if err != nil {
		return err
	}
	for _, key := range source.keys[:loadWarmup] {
		if _, ok := shared.Get(key); !ok {
			shared.Set(key, ^key)
		}
	}
	workers := make([]*loadWorker, c.workers)
	for i := range workers {
		workers[i] = &loadWorker{shared: shared, source: source, writes: uint8(c.writes), at: loadWarmup + i*loadDrawn/c.workers}
	}
	runtime.GC() // what the cell before has left is not this one's to clean up
	res, err := load.Closed(ctx, load.Options{Workers: c.workers, Duration: p.cell / 5}, func(i int) load.Worker[struct{}] {
		return load.Worker[struct{}]{Next: func() (struct{}, error) { return struct{}{}, nil }, Do: workers[i].batch}
	})
	if err != nil {
		return err
	}
	if n := shared.Len(); n > loadEntries {
		return fmt.Errorf("%d entries in a cache of %d", n, loadEntries)
	}
	c.rates = append(c.rates, res.PerSecond()*loadBatch)
	c.ops += res.Ops * loadBatch
	c.elapsed += res.Elapsed
	for _, w := range workers {
		c.gets += w.gets
		c.hits += w.hits
	}
	return nil
}

// loadWorker is one goroutine's place in the operations. It belongs to it.
type loadWorker struct {
	shared     bounded
	source     *keySource
	writes     uint8
	at         int
	gets, hits uint64
	_          [64]byte // two workers count in lines of their own
}

// batch does operations and checks each value that it gets. A miss is not
// followed by a write: that would make writes of reads.
func (w *loadWorker) batch(struct{}) error {
	for range loadBatch {
		i := w.at % loadDrawn
		w.at++
		key := w.source.keys[i]
		if w.source.dice[i] < w.writes {
			w.shared.Set(key, ^key)
			continue
		}
		w.gets++
		value, ok := w.shared.Get(key)
		if !ok {
			continue
		}
		w.hits++
		if value != ^key {
			return fmt.Errorf("reading back: key %d has %d, but %d was set", key, value, ^key)
		}
	}
	return nil
}

func (c *loadCell) rate() float64 { return median(c.rates) }

// hitRatio is that of the reads; ok is false if there were none.
func (c *loadCell) hitRatio() (ratio float64, ok bool) {
	return float64(c.hits) / float64(max(c.gets, 1)), c.gets > 0
}

// loadTable has a row for each cell.
func loadTable(cells []*loadCell) report.Table {
	t := report.Table{
		Title: "Throughput (closed loop)",
		Columns: []report.Column{
			{Name: "goroutines"},
			{Name: "writes", Note: "share of Set; the rest is Get"},
			{Name: "shared as", Text: true, Note: "LRU is the textbook; with 32 locks it is divided into as many parts, as Cache is at this size"},
			{Name: "operations/s", Note: "of all goroutines together"},
			{Name: "each takes", Note: "the time of a goroutine for one operation"},
			{Name: "hits", Note: "of the reads, in percent. A miss is not followed by a write, so without writes the cache holds what the warm-up left"},
		},
	}
	for i, c := range cells {
		hits := "–"
		if ratio, ok := c.hitRatio(); ok {
			hits = percent(ratio)
		}
		t.Rows = append(t.Rows, report.Row{First: i%len(loadImpls()) == 0, Cells: []string{
			fmt.Sprint(c.workers), fmt.Sprintf("%d %%", c.writes), c.impl.name, plot.Number.Format(c.rate()),
			plot.Duration.Format(1e9 * float64(c.workers) / c.rate()), hits,
		}})
	}
	return t
}

func (c *loadCell) result() report.Result {
	r := report.Result{
		Experiment: "cache/throughput/impl=" + c.impl.name, Load: "closed loop", Workers: c.workers,
		Rounds: len(c.rates), Ops: c.ops, Elapsed: c.elapsed,
		PerSecond: c.rate(), Slowest: slices.Min(c.rates), Fastest: slices.Max(c.rates),
		Metrics: map[string]float64{"entries": loadEntries, "write_share": float64(c.writes) / 100},
	}
	if ratio, ok := c.hitRatio(); ok {
		r.Metrics["hit_ratio"] = ratio
	}
	return r
}
