package main

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"time"

	"github.com/plinth-go/plinth/bench/load"
	"github.com/plinth-go/plinth/bench/report"
	"github.com/plinth-go/plinth/hashring"
)

// What a lookup takes, its hash included, and what there is to keep for it.

const (
	lookupKeys  = 1 << 16 // so many that a large ring is not all in the processor's cache
	lookupBatch = 64      // between two looks at the clock
)

// lookupCell is an algorithm and a number of nodes, and what all rounds have shown.
type lookupCell struct {
	placement
	nodes int

	rates   []float64 // lookups per second, of each round
	times   []float64 // of a lookup in the median batch, in nanoseconds, of each round
	elapsed time.Duration
	ops     uint64
	bytes   []float64 // for each node, of each round
}

// lookupNodes are the sizes of clusters.
func lookupNodes(p profile) []int {
	switch {
	case full(p):
		return []int{10, 30, 100, 300, 1000, 3000, 10_000}
	case p.cell < time.Second: // the tests'
		return []int{10, shownNodes}
	}
	return []int{10, shownNodes, 1000, 10_000}
}

func lookupCells(p profile) (cells []*lookupCell) {
	for _, n := range lookupNodes(p) {
		for _, a := range placements() {
			cells = append(cells, &lookupCell{placement: a, nodes: n})
		}
	}
	return cells
}

func (c *lookupCell) name() string {
	return fmt.Sprintf("hashring: %s, %s nodes", c.placement.name, grouped(c.nodes))
}

// round weighs what the algorithm makes of the nodes, and asks it for keys.
func (c *lookupCell) round(ctx context.Context, p profile, keys []string) error {
	nodes := nodesOf(0, c.nodes)
	copies := make([]hashring.Locator, min(max(1000/c.nodes, 1), 50)) // small ones are weighed together
	runtime.GC()                                                      // what pools keep goes with the second one
	before := heapBytes()
	for i := range copies {
		l, err := c.build(nodes)
		if err != nil {
			return err
		}
		copies[i] = l
	}
	c.bytes = append(c.bytes, float64(heapBytes()-before)/float64(c.nodes*len(copies)))
	at, l := 0, copies[0]
	res, err := load.Closed(ctx, load.Options{Duration: p.cell / 24}, func(int) load.Worker[struct{}] {
		return load.Worker[struct{}]{
			Next: func() (struct{}, error) { return struct{}{}, nil },
			Do: func(struct{}) error {
				for range lookupBatch {
					if l.Locate(keys[at]).Name == "" {
						return fmt.Errorf("key %q is nowhere", keys[at])
					}
					at = (at + 1) % lookupKeys
				}
				return nil
			},
		}
	})
	runtime.KeepAlive(nodes) // which were there before, too
	if err != nil {
		return err
	}
	c.rates = append(c.rates, res.PerSecond()*lookupBatch)
	c.times = append(c.times, float64(res.Latency.Quantile(0.5))/lookupBatch)
	c.ops += res.Ops * lookupBatch
	c.elapsed += res.Elapsed
	return nil
}

// took is the time of a lookup, in nanoseconds. It is that of the median batch, and not of all
// of them: a cell is short, and what the machine does beside it for a moment would show.
func (c *lookupCell) took() float64 { return median(c.times) }

func (c *lookupCell) result() report.Result {
	return report.Result{
		Experiment: "hashring/lookup/impl=" + c.placement.name, Load: "closed loop", Workers: 1,
		Rounds: len(c.rates), Ops: c.ops, Elapsed: c.elapsed,
		PerSecond: median(c.rates), Slowest: slices.Min(c.rates), Fastest: slices.Max(c.rates),
		Metrics: map[string]float64{"nodes": float64(c.nodes), "ns_per_lookup": c.took(), "bytes_per_node": median(c.bytes)},
	}
}

// lookup finds a cell.
func (r *hashringResults) lookup(name string, nodes int) *lookupCell {
	i := slices.IndexFunc(r.lookups, func(c *lookupCell) bool { return c.placement.name == name && c.nodes == nodes })
	return r.lookups[i]
}
