package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/plinth-go/plinth/bench/report"
	"github.com/plinth-go/plinth/hashring"
)

// How many keys move. Those have to that are on the node that has come, or were on the one
// that has gone; if more do, an algorithm makes work that nobody has ordered.

const (
	moveKeys = 50_000

	growthFrom, growthTo = 4, 32
	growthKeys           = 20_000
)

// moveCell is what an algorithm does when the nodes are one more, and one fewer.
type moveCell struct {
	placement
	nodes int

	comes, goes moved
}

// moved counts keys: of those that moved, the ones that had to.
type moved struct{ all, needed int }

// each is how many moved for each that had to.
func (m moved) each() float64 { return float64(m.all) / float64(m.needed) }

// share is the part of all keys that moved.
func (m moved) share() float64 { return float64(m.all) / moveKeys }

// moveNodes are the sizes of clusters.
func moveNodes(p profile) []int {
	if full(p) {
		return []int{10, 30, 100, 300, 1000}
	}
	return []int{10, 30, 100}
}

// full tells whether a run has time.
func full(p profile) bool { return p.cell >= 2*time.Second }

func moveCells(p profile) (cells []*moveCell) {
	for _, n := range moveNodes(p) {
		for _, a := range placements() {
			cells = append(cells, &moveCell{placement: a, nodes: n})
		}
	}
	return cells
}

func (r *hashringResults) countMoves(ctx context.Context) error {
	keys := keysOf(moveKeys)
	for _, c := range r.moves {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err := c.measure(keys); err != nil {
			return fmt.Errorf("%s, %d nodes: %w", c.name, c.nodes, err)
		}
	}
	return nil
}

// measure lets a node come into the middle of the order of names, and one go from there.
func (c *moveCell) measure(keys []string) error {
	nodes := nodesOf(0, c.nodes)
	gone := nodes[c.nodes/2].Name
	fresh := hashring.Node{Name: gone + "-new", Weight: 1}
	l, err := c.build(nodes)
	if err != nil {
		return err
	}
	more, err := c.with(l, fresh)
	if err != nil {
		return err
	}
	fewer, err := c.without(l, gone)
	if err != nil {
		return err
	}
	c.comes, c.goes = moved{}, moved{}
	for _, key := range keys {
		was, comes, goes := l.Locate(key).Name, more.Locate(key).Name, fewer.Locate(key).Name
		if comes != was {
			c.comes.all++
		}
		if comes == fresh.Name {
			c.comes.needed++
		}
		if goes != was {
			c.goes.all++
		}
		if was == gone {
			c.goes.needed++
		}
	}
	return nil
}

func (c *moveCell) result() report.Result {
	return report.Result{
		Experiment: "hashring/counted/moved/impl=" + c.name, Load: "simulation", Workers: 1, Rounds: 1, Ops: moveKeys,
		Metrics: map[string]float64{
			"nodes": float64(c.nodes), "comes_moved": c.comes.share(), "comes_each": c.comes.each(),
			"goes_moved": c.goes.share(), "goes_each": c.goes.each(),
		},
	}
}

// move finds a cell.
func (r *hashringResults) move(name string, nodes int) *moveCell {
	i := slices.IndexFunc(r.moves, func(c *moveCell) bool { return c.name == name && c.nodes == nodes })
	return r.moves[i]
}

// others is the most that any of the algorithms moves that have no line of their own.
func (r *hashringResults) others(nodes int) (each float64) {
	for _, c := range r.moves {
		if c.nodes != nodes || c.name == modulo || c.name == maglev {
			continue
		}
		each = max(each, c.comes.each())
		if c.name != shards {
			each = max(each, c.goes.each())
		}
	}
	return each
}

// moveSizes are the numbers of nodes that were measured.
func (r *hashringResults) moveSizes() (sizes []int) {
	for _, c := range r.moves {
		if !slices.Contains(sizes, c.nodes) {
			sizes = append(sizes, c.nodes)
		}
	}
	return sizes
}

// grown is a cluster that gets one node after the other: how often each key has moved, on
// the mean, from the first size to each.
type grown struct {
	name  string
	times []float64
}

// optimum is how often a key moves if each new node gets an even share, and nothing else
// moves.
func optimum() grown {
	g := grown{"even shares", []float64{0}}
	for n := growthFrom; n < growthTo; n++ {
		g.times = append(g.times, g.times[len(g.times)-1]+1/float64(n+1))
	}
	return g
}

func (g grown) last() float64 { return g.times[len(g.times)-1] }

func (r *hashringResults) countGrowth(ctx context.Context) error {
	keys := keysOf(growthKeys)
	for _, name := range []string{modulo, ringName, shards} {
		g, err := grow(ctx, placementNamed(name), keys)
		if err != nil {
			return err
		}
		r.growth = append(r.growth, g)
	}
	return nil
}

func grow(ctx context.Context, p placement, keys []string) (grown, error) {
	g := grown{p.name, []float64{0}}
	nodes := nodesOf(0, growthTo)
	l, err := p.build(nodes[:growthFrom])
	if err != nil {
		return g, err
	}
	total := 0
	for _, node := range nodes[growthFrom:] {
		if ctx.Err() != nil {
			return g, context.Cause(ctx)
		}
		next, err := p.with(l, node)
		if err != nil {
			return g, err
		}
		for range hashring.Diff(l, next, slices.Values(keys)) {
			total++
		}
		g.times = append(g.times, float64(total)/float64(len(keys)))
		l = next
	}
	return g, nil
}

func (g grown) result() report.Result {
	return report.Result{
		Experiment: "hashring/counted/growth/impl=" + g.name, Load: "simulation", Workers: 1, Rounds: 1, Ops: growthKeys,
		Metrics: map[string]float64{"from": growthFrom, "to": growthTo, "moves_per_key": g.last()},
	}
}
