package hashring

import (
	"errors"
	"fmt"
	"math"
	"math/bits"
	"sync"
	"sync/atomic"
)

// Bounded is consistent hashing with bounded loads (Mirrokni, Thorup, Zadimoghaddam, 2018),
// for loads that are live: requests that are running. Keys are not equally popular, and all
// requests of one key would be at one node. So no node gets more than 1+ε times its share of
// what is running: who is full passes a request on, to the next node in the sequence of its
// key. HAProxy (hash-balance-factor) and Envoy (hash_balance_factor) do so as well.
//
//	a request for k; the nodes of k: a, c, b        ε = 1/4, 8 are running, so this is the 9th
//
//	     capacity    ─  ─  ─     ceil(5/4 · 9 · 1/3) = 4
//	                 █           a has 4: it is full
//	                 █     █     c has 3: c gets it
//	                 █     █
//	                 █  █  █
//	                 a  b  c
//
// That is invariant I5. When a node of weight w of W in all gets a lease, and m are out with
// it, that node has no more than its capacity
//
//	ceil((1+ε) · m · w/W)
//
// always, no matter how many call Acquire, Release and Swap at a time. Later it may have more
// than that, without a new lease: m falls when others release, and a request that is running
// stays where it is. (The paper is about balls in bins, and moves some then.) The node gets no
// more until it has room again.
//
// There is always a node with room. If m leases are out and all nodes are full for one more,
// each has at least (1+ε)·(m+1)·w/W. The sum of these is (1+ε)·(m+1), which is more than m.
//
// If all requests are for one key, and none ends, they are at no more than ceil(n/(1+ε)) of n
// nodes of one weight, the first ones of the key. For if so many are full, they have at least
// as many as (1+ε)·(m+1)/n each, so m+1 in all. (And with more and more requests they are at no
// fewer: their capacities would not do.)
//
// The bound is about two numbers, the load of a node and m. With an atomic for each, m could
// fall between the look at it and the new lease. So a mutex guards them, for a few
// multiplications at a time: what a Sequencer does is done before.
//
// Bounded is safe for concurrent use.
//
//	a lookup     one of the Sequencer, one in a map, and a mutex; each full node on the way is a step of LocateN more
//	memory       about 180 bytes a node; 24 for each lease, of as many as were ever out together
//	a new node   gets its share of new leases at once, and what is too much elsewhere
//	bad at       one hot key among many nodes: each request walks past all that are full, in O(n)
type Bounded struct {
	ratio uint64 // 1+ε, times 1<<fraction; immutable

	now atomic.Pointer[seats] // who gets leases; changed under mu, not nil

	mu       sync.Mutex // guards what follows, and all tallies
	tallies  map[string]*tally
	leases   uint64 // out, of those in now
	slots    []slot
	free     []int // of slots
	acquired uint64
	spilled  uint64
	granted  func(p *seats, node int) // nil but in tests: sees each new lease, under mu
}

// seats are the nodes that get leases. They are immutable, but for what tallies point at.
type seats struct {
	members
	order   Sequencer
	index   map[string]int // in nodes
	whole   uint64         // the sum of all weights, times 1<<fraction
	shares  []uint64       // of nodes: 1+ε times the weight, times 1<<fraction
	tallies []*tally       // of nodes
}

// tally counts the leases of a name. There is one for each node that gets leases, and for each
// that has gone and has some out. It is guarded by the mutex of its Bounded.
type tally struct {
	name    string
	load    uint64
	present bool // among those that get leases
}

// slot is a lease that is out, or free. It is guarded by the mutex of its Bounded.
type slot struct {
	id    uint64 // of the lease; 0 if it is free
	tally *tally
}

const (
	fraction   = 24      // bits of ε behind the point
	maxEpsilon = 1 << 20 // a load of a million times the share
)

// What can be wrong with a Sequencer when there is a key to locate.
var (
	ErrNoNodes  = errors.New("hashring: no nodes")
	ErrSequence = errors.New("hashring: the Sequencer does not yield each of its nodes once")
)

// outcome is what came of looking for room.
type outcome uint8

const (
	full    outcome = iota // no candidate has room
	leased                 // one has
	swapped                // other nodes get leases by now
)

// NewBounded returns one whose nodes get up to 1+epsilon times their share, in the order that s
// gives each key. Epsilon is finite and more than 0. The smaller it is, the more requests are not
// at the first node of their key. Of 100 nodes with 10,000 leases out, of keys that are equally
// popular, those are (TestBoundedFigures)
//
//	epsilon    0.01    0.1    0.25    0.5
//	spilled    49 %    7 %     1 %      0
//
// So that all that follows is exact, epsilon is rounded down: to a multiple of 2⁻²⁴, and to 2²⁰
// if it is above. (Down, and not as it is: the float64 that is written 0.1 is more than a tenth,
// and the capacity of 10 leases would be 12.)
func NewBounded(s Sequencer, epsilon float64) (*Bounded, error) {
	if !(epsilon > 0) || math.IsInf(epsilon, 1) {
		return nil, fmt.Errorf("hashring: an epsilon of %v: want a finite number above 0", epsilon)
	}
	scaled := min(epsilon, maxEpsilon) * (1 << fraction) // exact: a power of 2
	b := &Bounded{ratio: 1<<fraction + uint64(scaled), tallies: make(map[string]*tally)}
	b.now.Store(&seats{})
	if err := b.Swap(s); err != nil {
		return nil, err
	}
	return b, nil
}

// Swap makes the nodes of s those that get leases. Who was there before keeps its load, whatever
// its weight is now, and a new one has none. What has gone gets no leases and is no part of m, but
// its leases go on: Load says how many are left, each can be released, and if it comes back it
// has them still. If there is something wrong with s, nothing changes. Others wait for as long as
// it takes to look up each name once or twice.
func (b *Bounded) Swap(s Sequencer) error {
	p, err := newSeats(s, b.ratio)
	if err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, t := range b.now.Load().tallies {
		t.present = false
	}
	b.leases = 0
	for i, n := range p.nodes {
		t := b.tallies[n.Name]
		if t == nil {
			t = &tally{name: n.Name}
			b.tallies[n.Name] = t
		}
		t.present = true
		p.tallies[i] = t
		b.leases += t.load
	}
	for _, t := range b.now.Load().tallies {
		b.forget(t)
	}
	b.now.Store(p)
	return nil
}

// newSeats asks a Sequencer for its nodes.
func newSeats(s Sequencer, ratio uint64) (*seats, error) {
	if s == nil {
		return nil, errors.New("hashring: bounded loads without a Sequencer")
	}
	var nodes []Node
	for n := range s.Nodes() {
		nodes = append(nodes, n)
	}
	m, err := newMembers(nodes)
	if err != nil {
		return nil, err
	}
	p := &seats{members: m, order: s, index: make(map[string]int, len(nodes)), tallies: make([]*tally, len(nodes))}
	weights := uint64(0)
	for i, n := range m.nodes {
		p.index[n.Name] = i
		p.shares = append(p.shares, ratio*uint64(n.Weight)) // less than 1<<62
		weights += uint64(n.Weight)
	}
	p.whole, err = wholeOf(weights)
	return p, err
}

// wholeOf returns a sum of weights in the unit of ratios.
func wholeOf(weights uint64) (uint64, error) {
	if weights >= 1<<(64-fraction) {
		return 0, fmt.Errorf("%w: all together have a weight of %d, want less than %d",
			ErrNode, weights, uint64(1<<(64-fraction)))
	}
	return weights << fraction, nil
}

// forget drops the tally of who has gone and has nothing out. The caller has mu.
func (b *Bounded) forget(t *tally) {
	if !t.present && t.load == 0 {
		delete(b.tallies, t.name)
	}
}

// Acquire leases the first node in the sequence of a key that has room at that moment. Release
// the lease when the request is over. The error is ErrNoNodes, or ErrSequence if the Sequencer
// breaks its promise such that it is not clear whose the lease should be.
func (b *Bounded) Acquire(key string) (Lease, error) {
	for {
		p := b.now.Load()
		if p.Len() == 0 {
			return Lease{}, ErrNoNodes
		}
		lease, found := b.first(p, key)
		if found == full {
			var err error
			if lease, found, err = b.walk(p, key); err != nil {
				return Lease{}, err
			}
		}
		if found == leased {
			return lease, nil
		}
	}
}

// first leases the node of a key if it has room. That is the common case, and to ask for one
// node costs much less than to ask for the sequence.
func (b *Bounded) first(p *seats, key string) (Lease, outcome) {
	i, ok := p.index[p.order.Locate(key).Name]
	if !ok {
		return Lease{}, full // nobody to ask; walk asks those of LocateN
	}
	return b.take(p, []int{i})
}

// walk leases the first in the sequence of a key that has room.
func (b *Bounded) walk(p *seats, key string) (Lease, outcome, error) {
	w := &walk{bounded: b, p: p, enough: 2}
	w.candidates = w.memory[:0]
	p.order.LocateN(key)(w.visit)
	if w.err == nil && w.found == full {
		w.lease, w.found = b.take(p, w.candidates)
		if w.found == full { // so they are not all nodes
			w.err = fmt.Errorf("%w: of %q it yields %d, but there are %d", ErrSequence, key, len(w.candidates), p.Len())
		}
	}
	return w.lease, w.found, w.err
}

// walk goes through the sequence of a key. It collects candidates without the mutex, and each
// time that there are twice as many it looks at all of them: those at the front may have got
// room since. It is not safe for concurrent use.
//
// (It is 3 allocations for up to 16 nodes. The same as a loop over LocateN is 8, as each of its
// variables is one, and takes a third longer: BenchmarkAcquire/impl=bounded/case=hot/n=10.)
type walk struct {
	bounded    *Bounded
	p          *seats
	candidates []int // in nodes of p
	enough     int   // candidates, to look at them
	lease      Lease
	found      outcome
	err        error
	memory     [16]int // of the first candidates
}

// visit takes a candidate, and reports whether it wants more. A LocateN that does not listen to
// that must not get a second lease, which nobody would release.
func (w *walk) visit(n Node) bool {
	if w.found != full || w.err != nil {
		return false
	}
	i, ok := w.p.index[n.Name]
	if !ok {
		w.err = fmt.Errorf("%w: %q is none of them", ErrSequence, n.Name)
		return false
	}
	w.candidates = append(w.candidates, i)
	if len(w.candidates) == w.enough {
		if w.lease, w.found = w.bounded.take(w.p, w.candidates); w.found != full {
			return false
		}
		w.enough *= 2
	}
	return len(w.candidates) < w.p.Len()
}

// take leases the first of candidates that has room. It is the one place where loads grow.
func (b *Bounded) take(p *seats, candidates []int) (Lease, outcome) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.now.Load() != p {
		return Lease{}, swapped
	}
	for step, i := range candidates {
		t := p.tallies[i]
		if !room(t.load, p.whole, b.leases, p.shares[i]) {
			continue
		}
		t.load++
		b.leases++
		b.acquired++
		if step > 0 {
			b.spilled++
		}
		if b.granted != nil {
			b.granted(p, i)
		}
		if len(b.free) == 0 {
			b.free = append(b.free, len(b.slots))
			b.slots = append(b.slots, slot{})
		}
		s := b.free[len(b.free)-1]
		b.free = b.free[:len(b.free)-1]
		b.slots[s] = slot{b.acquired, t}
		return Lease{b, &p.nodes[i], b.acquired, s}, leased
	}
	return Lease{}, full
}

// room reports whether a node of some load is below its capacity for one lease more. A whole
// number is below ceil(x) if, and only if, it is below x; and both sides times W and 1<<fraction
// are whole numbers, of up to 128 bits.
//
//	load < (1+ε) · (leases+1) · w/W    is    load · whole < (leases+1) · share
func room(load, whole, leases, share uint64) bool {
	hi, lo := bits.Mul64(load, whole)
	limitHi, limitLo := bits.Mul64(leases+1, share)
	return hi < limitHi || hi == limitHi && lo < limitLo
}

// Lease is a node that counts one request more until Release. It is a small value, which can be
// copied, and is safe for concurrent use. The zero Lease is of no node.
type Lease struct {
	bounded *Bounded
	node    *Node
	id      uint64 // no other lease of bounded has it, ever
	slot    int    // where id is as long as it is out
}

// Node returns whose lease it is.
func (l Lease) Node() Node {
	if l.node == nil {
		return Node{}
	}
	return *l.node
}

// Release ends a lease. It counts once, however often it is called, and on whichever copy: the
// slot of a lease that has ended is free, or has another's id.
func (l Lease) Release() {
	b := l.bounded
	if b == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	s := &b.slots[l.slot]
	if s.id != l.id {
		return
	}
	t := s.tally
	t.load--
	if t.present {
		b.leases--
	}
	b.forget(t)
	*s = slot{}
	b.free = append(b.free, l.slot)
}
