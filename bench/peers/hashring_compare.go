package main

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"time"
)

// hashLookups compares how many keys are looked up, each several times. It is a value.
type hashLookups struct {
	cells []hashCell
	impls []string
}

// hashCell is one kind of lookup.
type hashCell struct {
	work, kind        string
	nodes, goroutines int
}

func (c hashCell) String() string {
	return fmt.Sprintf("Hashring/work=%s/kind=%s/nodes=%d/goroutines=%d", c.work, c.kind, c.nodes, c.goroutines)
}

const (
	hashedKeys   = 1 << 16
	hashPeriod   = 300 * time.Millisecond // that a measurement takes at least
	workLocate   = "locate"
	workReplicas = "replicas"

	kindRing       = "ring"
	kindRendezvous = "rendezvous"
	kindJump       = "jump"
)

// ringLookups compares the rings.
func ringLookups() hashLookups {
	l := hashLookups{impls: ringImpls()}
	for _, work := range []string{workLocate, workReplicas} {
		for _, nodes := range []int{100, 1000} {
			for _, goroutines := range []int{1, 2} {
				l.cells = append(l.cells, hashCell{work, kindRing, nodes, goroutines})
			}
		}
	}
	return l
}

// ringlessLookups compares what looks keys up without a ring.
func ringlessLookups() hashLookups {
	return hashLookups{impls: []string{implPlinth, implDgryski}, cells: []hashCell{
		{workLocate, kindRendezvous, 10, 1},
		{workLocate, kindRendezvous, 100, 1},
		{workLocate, kindRendezvous, 1000, 1},
		{workLocate, kindJump, 1000, 1},
	}}
}

func (l hashLookups) names() (names []string) {
	for _, c := range l.cells {
		names = append(names, c.String())
	}
	return names
}

func (l hashLookups) run(ctx context.Context, s *session, chosen []int) error {
	picked, names := pick(l.cells, chosen), pick(l.names(), chosen)
	t := newTable("lookups/s", "%.0f", l.impls, true)
	keys := newHashKeys(hashedKeys)
	var rings openRings
	err := s.mixed(ctx, names, l.impls, func(i int, impl string) error {
		var locator hashLocator
		var err error
		switch c := picked[i]; c.kind {
		case kindRing:
			locator, err = rings.open(impl, c.nodes)
		case kindRendezvous:
			locator, err = openRendezvous(impl, nodeNames(c.nodes))
		case kindJump:
			locator = openJump(impl, nodeNames(c.nodes))
		}
		if err != nil {
			return err
		}
		loop := locator.LocateAll
		if picked[i].work == workReplicas {
			r, ok := locator.(hashReplicator)
			if !ok {
				return nil
			}
			loop = r.ReplicateAll
		}
		rate, err := lookups(loop, keys, picked[i].goroutines, s.scale)
		t.add(names[i], impl, rate)
		return err
	})
	if err != nil {
		return err
	}
	return t.print(s.out, names)
}

// lookups measures a loop over all keys, as often as it takes to be long enough. Each
// goroutine begins in another place.
func lookups(loop func(hashKeys) (used int), keys hashKeys, goroutines int, scale float64) (float64, error) {
	n := len(keys.names)
	want := loop(keys)
	start := time.Now()
	loop(keys)
	times := max(int(hashPeriod.Seconds()*scale/time.Since(start).Seconds()), 1)
	twice := keys.twice()
	runtime.GC()
	return timed(goroutines, n*times*goroutines, func(thread, _, _ int) error {
		from, used := n*thread/goroutines, 0
		for range times {
			used += loop(twice.part(from, from+n))
		}
		if used != want*times {
			return fmt.Errorf("located otherwise than before: %d instead of %d", used, want*times)
		}
		return nil
	})
}

// openRings keeps the rings of stathat's, which sort all places anew for each node that
// they are made of: that takes so long that they are made once. All others are made when
// they are asked for, so that a garbage collection has no more to look at than that.
// It is not safe for concurrent use.
type openRings struct {
	slow map[int]hashRing // by their number of nodes
}

func (o *openRings) open(impl string, nodes int) (hashRing, error) {
	if o.slow[nodes] != nil && impl == implStathat {
		return o.slow[nodes], nil
	}
	ring, err := openRing(impl, nodeNames(nodes))
	if err == nil && impl == implStathat {
		if o.slow == nil {
			o.slow = map[int]hashRing{}
		}
		o.slow[nodes] = ring
	}
	return ring, err
}

// hashChanges compares how often a second a ring is made, or made another one.
type hashChanges struct{}

const (
	changedNodes = 1000
	mostChanges  = 20 // of one measurement

	workBuild  = "build"
	workAdd    = "add"
	workRemove = "remove"
)

func (hashChanges) works() []string { return []string{workBuild, workAdd, workRemove} }

func (hashChanges) impls() []string { return append(ringImpls(), implSort) }

func (hc hashChanges) names() (names []string) {
	for _, work := range hc.works() {
		names = append(names, fmt.Sprintf("HashringChange/work=%s/kind=ring/nodes=%d", work, changedNodes))
	}
	return names
}

func (hc hashChanges) run(ctx context.Context, s *session, chosen []int) error {
	works, names := pick(hc.works(), chosen), pick(hc.names(), chosen)
	t := newTable("times/s", "%.4g", hc.impls(), true)
	var rings openRings
	nodes := max(int(changedNodes*min(s.scale, 1)), 10)
	err := s.mixed(ctx, names, hc.impls(), func(i int, impl string) error {
		if impl == implSort && works[i] != workBuild {
			return nil
		}
		rate, err := changes(&rings, impl, works[i], nodes)
		t.add(names[i], impl, rate)
		return err
	})
	if err != nil {
		return err
	}
	return t.print(s.out, names)
}

// changes measures one kind of change: it does it again and again, and in between, while no
// clock runs, what makes it possible once more.
func changes(rings *openRings, impl, work string, nodes int) (float64, error) {
	change, undo, err := changer(rings, impl, work, nodes)
	if err != nil {
		return 0, err
	}
	runtime.GC()
	n, took := 0, time.Duration(0)
	for ; n == 0 || n < mostChanges && took < hashPeriod; n++ {
		start := time.Now()
		err := change()
		took += time.Since(start)
		if err == nil {
			err = undo()
		}
		if err != nil {
			return 0, err
		}
	}
	return float64(n) / took.Seconds(), nil
}

func changer(rings *openRings, impl, work string, nodes int) (change, undo func() error, err error) {
	nothing := func() error { return nil }
	if impl == implSort {
		random := make([]uint64, nodes*hashVirtual)
		rng := rand.New(rand.NewPCG(1, 1))
		for i := range random {
			random[i] = rng.Uint64()
		}
		hashes := slices.Clone(random)
		change = func() error { slices.Sort(hashes); return nil }
		return change, func() error { copy(hashes, random); return nil }, nil
	}
	if work == workBuild {
		names := nodeNames(nodes)
		return func() error { _, err := openRing(impl, names); return err }, nothing, nil
	}
	ring, err := rings.open(impl, nodes)
	if err != nil {
		return nil, nil, err
	}
	if work == workAdd {
		return func() error { return ring.Add("another") }, func() error { return ring.Remove("another") }, nil
	}
	one := nodeNames(nodes)[nodes/2]
	return func() error { return ring.Remove(one) }, func() error { return ring.Add(one) }, nil
}

// hashShares counts keys, which is the same in each run: how many a new node moves, and
// how unequally nodes share them. And it weighs the rings.
type hashShares struct{}

const sharedKeys = 200_000

func (hashShares) nodes() []int { return []int{10, 100} }

func (hs hashShares) names() (names []string) {
	for _, nodes := range hs.nodes() {
		names = append(names, fmt.Sprintf("HashringShares/kind=ring/nodes=%d", nodes))
	}
	return names
}

func (hs hashShares) run(ctx context.Context, s *session, chosen []int) error {
	names := pick(hs.names(), chosen)
	t := newTable("of 200,000 keys", "%.3f", ringImpls(), false)
	keys := newHashKeys(sharedKeys)
	var rows []string
	for i, nodes := range pick(hs.nodes(), chosen) {
		for _, impl := range ringImpls() {
			if err := interrupted(ctx); err != nil {
				return err
			}
			shares, err := measureShares(impl, nodes, keys.names)
			if err != nil {
				return fmt.Errorf("peers: %s by %s: %w", names[i], impl, err)
			}
			for _, figure := range shares.figures() {
				row := names[i] + ": " + figure.name
				if t.add(row, impl, figure.value); impl == implPlinth {
					rows = append(rows, row)
				}
			}
		}
	}
	return t.print(s.out, rows)
}

// hashShare is what a ring does with keys.
type hashShare struct {
	most, deviation  float64 // of the nodes' shares, as multiples of the mean
	moved, elsewhere float64 // when a node is added: % of all keys, and those that are not on the new one
	bytes            float64 // of memory, for each virtual node
}

// namedFigure is a value with what it is.
type namedFigure struct {
	name  string
	value float64
}

func (s hashShare) figures() []namedFigure {
	return []namedFigure{
		{"largest share / mean", s.most},
		{"standard deviation / mean", s.deviation},
		{"moved to a new node, %", s.moved},
		{"moved elsewhere, %", s.elsewhere},
		{"bytes / virtual node", s.bytes},
	}
}

func measureShares(impl string, nodes int, keys []string) (s hashShare, err error) {
	names := nodeNames(nodes)
	before := heapInUse()
	ring, err := openRing(impl, names)
	if err != nil {
		return s, err
	}
	s.bytes = float64(heapInUse()-before) / float64(nodes*hashVirtual)
	counts, homes := make(map[string]int), make([]string, len(keys))
	for i, key := range keys {
		homes[i] = ring.Locate(key)
		counts[homes[i]]++
	}
	mean, squares := float64(len(keys))/float64(nodes), 0.0
	for _, name := range names {
		share := float64(counts[name]) / mean
		s.most = max(s.most, share)
		squares += (share - 1) * (share - 1)
	}
	s.deviation = math.Sqrt(squares / float64(nodes))
	if err := ring.Add("another"); err != nil {
		return s, err
	}
	for i, key := range keys {
		switch home := ring.Locate(key); home {
		case homes[i]:
		case "another":
			s.moved += 100 / float64(len(keys))
		default:
			s.elsewhere += 100 / float64(len(keys))
		}
	}
	runtime.KeepAlive(names)
	return s, nil
}
