package main

import (
	"context"
	"fmt"
	"math/bits"
	"math/rand/v2"
	"slices"

	"github.com/plinth-go/plinth/bench/report"
	"github.com/plinth-go/plinth/hashring"
)

// What a bound on loads does. So many requests are running at any time: whenever one ends,
// another begins. A plain ring is one whose bound nobody comes near.

const (
	runningEach = 100 // requests that are running, for each node

	boundNodes = 100
	boundKeys  = 1_000_000 // equally popular
	boundSteps = 30_000    // requests, after those that run at first

	hotNodes   = 50     // at most 64: they are bits of a word
	hotKeys    = 10_000 // of which number i is asked for 1/i as often as number 1: Zipf's law
	hotSteps   = 50_000
	hotEpsilon = 0.25

	unbound = 1 << 20
)

// boundEpsilons are bounds from narrow to wide.
func boundEpsilons() []float64 {
	return []float64{0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5}
}

// crowd is a Bounded and the requests that are running. It is not safe for concurrent use.
type crowd struct {
	b      *hashring.Bounded
	rnd    *rand.Rand
	draw   func(*rand.Rand) int // the number of a key
	leases []hashring.Lease
}

// newCrowd lets so many requests begin as shall run for each node.
func newCrowd(nodes int, epsilon float64, draw func(*rand.Rand) int) (*crowd, error) {
	ring, err := newRing(nodesOf(0, nodes)...)
	if err != nil {
		return nil, err
	}
	b, err := hashring.NewBounded(ring, epsilon)
	if err != nil {
		return nil, err
	}
	c := &crowd{b: b, rnd: rand.New(rand.NewPCG(1, 2)), draw: draw, leases: make([]hashring.Lease, runningEach*nodes)}
	for i := range c.leases {
		if _, err := c.begin(i); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// begin makes a request one of those that are running, and returns its key.
func (c *crowd) begin(i int) (key int, err error) {
	key = c.draw(c.rnd)
	c.leases[i], err = c.b.Acquire(fmt.Sprintf("user/%08d", key))
	return key, err
}

// step ends a request, whichever it is, and begins another.
func (c *crowd) step() (key int, node string, err error) {
	i := c.rnd.IntN(len(c.leases))
	c.leases[i].Release()
	key, err = c.begin(i)
	return key, c.leases[i].Node().Name, err
}

// loads returns what is running on each node over the mean, the fullest first.
func (c *crowd) loads() (sorted []float64) {
	for _, load := range c.b.Loads() {
		sorted = append(sorted, float64(load)/runningEach)
	}
	slices.Sort(sorted)
	slices.Reverse(sorted)
	return sorted
}

// boundCell is what a bound does to keys that are equally popular.
type boundCell struct {
	epsilon float64
	fullest float64 // node over the mean, in the end
	spilled float64 // part of the requests that are not at their first node
}

func (r *hashringResults) countBounds(ctx context.Context) error {
	for _, epsilon := range append(boundEpsilons(), unbound) {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		c, err := newCrowd(boundNodes, epsilon, func(rnd *rand.Rand) int { return rnd.IntN(boundKeys) })
		if err != nil {
			return err
		}
		before := c.b.Stats()
		for range boundSteps {
			if _, _, err := c.step(); err != nil {
				return err
			}
		}
		after := c.b.Stats()
		r.bounds = append(r.bounds, boundCell{
			epsilon: epsilon, fullest: c.loads()[0],
			spilled: float64(after.Spilled-before.Spilled) / float64(after.Acquired-before.Acquired),
		})
	}
	return nil
}

// bound finds a cell.
func (r *hashringResults) bound(epsilon float64) boundCell {
	i := slices.IndexFunc(r.bounds, func(c boundCell) bool { return c.epsilon == epsilon })
	return r.bounds[i]
}

func (c boundCell) result() report.Result {
	return report.Result{
		Experiment: "hashring/counted/bound", Load: "simulation", Workers: 1, Rounds: 1, Ops: boundSteps,
		Metrics: map[string]float64{"epsilon": c.epsilon, "fullest": c.fullest, "spilled": c.spilled},
	}
}

// hotCell is what a bound does to a load of which one key is a large part.
type hotCell struct {
	epsilon float64
	loads   []float64 // over the mean, the fullest node first
	nodes   int       // that have seen the hot key
	share   float64   // of the requests that were for the hot key
	copies  int       // of keys on nodes: as many first requests that a cache there must miss
	keys    int       // that were asked for
}

// zipf returns what draws numbers of keys from 0, number i with a weight of 1/(i+1). It
// computes with integers, so that it draws the same everywhere.
func zipf(keys int) func(*rand.Rand) int {
	sums, sum := make([]uint64, keys), uint64(0)
	for i := range sums {
		sum += 1 << 40 / uint64(i+1)
		sums[i] = sum
	}
	return func(rnd *rand.Rand) int {
		at := rnd.Uint64N(sum)
		i, _ := slices.BinarySearch(sums, at+1)
		return i
	}
}

func (r *hashringResults) countHot(ctx context.Context) error {
	for _, epsilon := range []float64{unbound, 1, hotEpsilon, 0.05} {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		c, err := newCrowd(hotNodes, epsilon, zipf(hotKeys))
		if err != nil {
			return err
		}
		cell := hotCell{epsilon: epsilon}
		seen, index, asked := make([]uint64, hotKeys), map[string]int{}, 0
		for node := range c.b.Loads() {
			index[node.Name] = len(index)
		}
		for range hotSteps {
			key, node, err := c.step()
			if err != nil {
				return err
			}
			seen[key] |= 1 << index[node]
			if key == 0 {
				asked++
			}
		}
		for _, nodes := range seen {
			cell.copies += bits.OnesCount64(nodes)
			cell.keys += min(1, bits.OnesCount64(nodes))
		}
		cell.loads, cell.nodes, cell.share = c.loads(), bits.OnesCount64(seen[0]), float64(asked)/hotSteps
		r.hot = append(r.hot, cell)
	}
	return nil
}

// hotAt finds a cell.
func (r *hashringResults) hotAt(epsilon float64) hotCell {
	i := slices.IndexFunc(r.hot, func(c hotCell) bool { return c.epsilon == epsilon })
	return r.hot[i]
}

func (c hotCell) result() report.Result {
	return report.Result{
		Experiment: "hashring/counted/hot", Load: "simulation", Workers: 1, Rounds: 1, Ops: hotSteps,
		Metrics: map[string]float64{
			"epsilon": c.epsilon, "fullest": c.loads[0], "hot_nodes": float64(c.nodes),
			"copies_per_key": float64(c.copies) / float64(c.keys),
		},
	}
}
