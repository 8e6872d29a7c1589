package main

import (
	"context"
	"fmt"

	"github.com/plinth-go/plinth/bench/report"
	"github.com/plinth-go/plinth/hashring"
)

// The experiment of package hashring asks of each algorithm how evenly it spreads keys
// (hashring_share.go), how many move when a node comes or goes (hashring_move.go), and what
// a bound on the load of a node does (hashring_bound.go): all that is counted, and the same
// on every machine. What a lookup takes is timed (hashring_lookup.go).
func hashringExperiment() experiment {
	return experiment{
		name:  "hashring",
		about: "consistent hashing: shares × virtual nodes, keys moved × algorithm, loads × bound, lookup and memory × nodes",
		run:   runHashring,
	}
}

// placement is an algorithm: how to make one, and to change what it has made.
type placement struct {
	name    string
	build   func(nodes []hashring.Node) (hashring.Locator, error)
	with    func(l hashring.Locator, node hashring.Node) (hashring.Locator, error)
	without func(l hashring.Locator, name string) (hashring.Locator, error)
}

// changing is a Locator that makes others like itself.
type changing[L any] interface {
	hashring.Locator
	With(...hashring.Node) (L, error)
	Without(...string) (L, error)
}

func placementOf[L changing[L]](name string, build func(nodes ...hashring.Node) (L, error)) placement {
	return placement{
		name:    name,
		build:   func(nodes []hashring.Node) (hashring.Locator, error) { return build(nodes...) },
		with:    func(l hashring.Locator, n hashring.Node) (hashring.Locator, error) { return l.(L).With(n) },
		without: func(l hashring.Locator, name string) (hashring.Locator, error) { return l.(L).Without(name) },
	}
}

// Those that captions speak of.
const (
	modulo, ringName, shards, maglev = "Modulo", "Ring", "Shards (Jump)", "Maglev"
	ketama, rendezvous, multiProbe   = "Ketama", "Rendezvous", "MultiProbe"
	weightedRendezvous, anchor       = "WeightedRendezvous", "Anchor"
)

// placements are all there are, each as it is by default.
func placements() []placement {
	return []placement{
		placementOf(modulo, hashring.NewModulo),
		placementOf(ringName, newRing),
		placementOf(ketama, hashring.NewKetama),
		placementOf(shards, hashring.NewShards),
		placementOf(rendezvous, hashring.NewRendezvous),
		placementOf(weightedRendezvous, hashring.NewWeightedRendezvous),
		placementOf("Skeleton", func(nodes ...hashring.Node) (*hashring.Skeleton, error) {
			return hashring.NewSkeleton(0, nodes...)
		}),
		placementOf(maglev, func(nodes ...hashring.Node) (*hashring.Maglev, error) {
			return hashring.NewMaglev(maglevSize(len(nodes)), nodes...)
		}),
		placementOf(multiProbe, newMultiProbe),
		placementOf(anchor, func(nodes ...hashring.Node) (*hashring.Anchor, error) {
			return hashring.NewAnchor(0, nodes...)
		}),
	}
}

func newRing(nodes ...hashring.Node) (*hashring.Ring, error) {
	return hashring.NewRing(hashring.RingConfig{}, nodes...)
}

func newMultiProbe(nodes ...hashring.Node) (*hashring.MultiProbe, error) {
	return hashring.NewMultiProbe(0, nodes...)
}

// short is a name that fits above a narrow drawing, beside nine others.
func (p placement) short() string {
	if p.name == weightedRendezvous {
		return "Weighted"
	}
	return p.name
}

// placementNamed finds one.
func placementNamed(name string) placement {
	for _, p := range placements() {
		if p.name == name {
			return p
		}
	}
	panic("bench: no such placement: " + name)
}

// maglevSize is the prime number from 100 entries for each node on, but not less than the
// default, which a table of so few nodes would have.
func maglevSize(nodes int) int {
	size := max(65_537, 100*nodes)
	for d := 2; d*d <= size; d++ {
		if size%d == 0 {
			size, d = size+1, 1
		}
	}
	return size
}

// nodesOf are the nodes of a cluster, in the order of their names. Clusters have other
// names, so other places on a ring.
func nodesOf(cluster, n int) []hashring.Node {
	nodes := make([]hashring.Node, n)
	for i := range nodes {
		nodes[i] = hashring.Node{Name: fmt.Sprintf("cluster-%d/node-%05d", cluster, i), Weight: 1}
	}
	return nodes
}

// keysOf are as many keys.
func keysOf(n int) []string {
	keys := make([]string, n)
	for i := range keys {
		keys[i] = fmt.Sprintf("user/%08d", i)
	}
	return keys
}

// hashringResults are what the experiment has found.
type hashringResults struct {
	s       *session
	shares  []shareCell
	moves   []*moveCell
	growth  []grown
	bounds  []boundCell
	hot     []hotCell
	lookups []*lookupCell
}

// runHashring counts, measures and writes the part of the report.
func runHashring(ctx context.Context, s *session) (report.Part, error) {
	r := &hashringResults{s: s, moves: moveCells(s.profile), lookups: lookupCells(s.profile)}
	if err := r.count(ctx); err != nil {
		return report.Part{}, err
	}
	keys := keysOf(lookupKeys)
	err := s.rounds(ctx, len(r.lookups),
		func(i int) string { return r.lookups[i].name() },
		func(i int) error { return r.lookups[i].round(ctx, s.profile, keys) })
	if err != nil {
		return report.Part{}, err
	}
	return r.part(), nil
}

// count does what is counted.
func (r *hashringResults) count(ctx context.Context) error {
	steps := []struct {
		name string
		do   func(context.Context) error
	}{
		{"shares", r.countShares},
		{"keys that move", r.countMoves},
		{"growth", r.countGrowth},
		{"bounds", r.countBounds},
		{"a hot key", r.countHot},
	}
	for i, step := range steps {
		r.s.progress.show(i, len(steps), "hashring: counting, "+step.name)
		if err := step.do(ctx); err != nil {
			return fmt.Errorf("%s: %w", step.name, err)
		}
	}
	return nil
}
