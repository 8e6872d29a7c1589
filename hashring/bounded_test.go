package hashring

import (
	"bytes"
	"encoding/json"
	"fmt"
	"iter"
	"log/slog"
	"math"
	"math/big"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/plinth-go/plinth/internal/form"
	"github.com/plinth-go/plinth/internal/seed"
)

func bounded(t testing.TB, s Sequencer, epsilon float64) *Bounded {
	t.Helper()
	b, err := NewBounded(s, epsilon)
	require.NoError(t, err)
	return b
}

// capacity is what the paper says, in exact fractions: ceil((1+epsilon)·m·w/W).
func capacity(epsilon *big.Rat, m, weight, weights int64) int64 {
	x := new(big.Rat).Add(big.NewRat(1, 1), epsilon)
	x.Mul(x, big.NewRat(weight, weights)).Mul(x, big.NewRat(m, 1))
	up := new(big.Int).Add(x.Num(), x.Denom())
	if up.Sub(up, big.NewInt(1)).Div(up, x.Denom()); !up.IsInt64() {
		return math.MaxInt64
	}
	return up.Int64()
}

// roundedDown is an epsilon as NewBounded takes it.
func roundedDown(epsilon float64) *big.Rat {
	x := new(big.Rat).SetFloat64(min(epsilon, maxEpsilon))
	x.Mul(x, big.NewRat(1<<fraction, 1))
	return big.NewRat(new(big.Int).Div(x.Num(), x.Denom()).Int64(), 1<<fraction)
}

// invariant checks that all counts are of the leases that are out. The caller has mu.
func (b *Bounded) invariant(t testing.TB) {
	t.Helper()
	p, loads, present, out := b.now.Load(), map[*tally]uint64{}, map[*tally]bool{}, uint64(0)
	require.Len(t, p.tallies, p.Len())
	for i, n := range p.nodes {
		require.Same(t, b.tallies[n.Name], p.tallies[i])
		present[p.tallies[i]] = true
		out += p.tallies[i].load
	}
	require.Equal(t, out, b.leases)
	free := map[int]bool{}
	for _, s := range b.free {
		require.False(t, free[s], "slot %d is free twice", s)
		free[s] = true
	}
	for i, s := range b.slots {
		require.Equal(t, free[i], s == slot{})
		if s.tally != nil {
			loads[s.tally]++
		}
	}
	for name, tl := range b.tallies {
		require.Equal(t, name, tl.name)
		require.Equal(t, loads[tl], tl.load, name)
		require.Equal(t, present[tl], tl.present, name)
		require.True(t, tl.present || tl.load > 0, "%s is not forgotten", name)
		delete(loads, tl)
	}
	require.Empty(t, loads, "leases of nobody")
}

// boundedModel is a Bounded and the same in maps and fractions.
type boundedModel struct {
	t              testing.TB
	b              *Bounded
	epsilon, exact *big.Rat // as it is rounded, and as it was given
	s              Sequencer
	out, ended     []Lease
	loads          map[string]int64
	spilled        uint64
}

var modelEpsilons = []float64{1e-300, 1. / 1024, 0.1, 0.25, 0.5, 1, 7, 1e300}

func newBoundedModel(t testing.TB, epsilon float64) *boundedModel {
	s := modelRing(t, 0b1011)
	return &boundedModel{
		t: t, b: bounded(t, s, epsilon), s: s, loads: map[string]int64{},
		epsilon: roundedDown(epsilon), exact: new(big.Rat).SetFloat64(epsilon),
	}
}

// modelRing has a node for each bit of b; their weights and zones depend on b.
func modelRing(t testing.TB, b byte) *Ring {
	var nodes []Node
	for i := range 8 {
		if b>>i&1 == 1 {
			zone := []string{"", "x", "y"}[(int(b)+i)%3]
			nodes = append(nodes, Node{Name: string(rune('a' + i)), Weight: 1 + (int(b)*(i+3))%5, Zone: zone})
		}
	}
	return ring(t, RingConfig{VirtualNodes: 3}, nodes...)
}

// step does what two bytes say.
func (m *boundedModel) step(op, arg byte) {
	switch op % 8 {
	case 0, 1, 2, 3, 4:
		m.acquire(fmt.Sprint("key", arg%16))
	case 5:
		if n := len(m.out); n > 0 {
			i := int(arg) % n
			m.out[i].Release()
			m.loads[m.out[i].Node().Name]--
			m.ended = append(m.ended, m.out[i])
			m.out = slices.Delete(m.out, i, i+1)
		}
	case 6: // for the second time
		if n := len(m.ended); n > 0 {
			m.ended[int(arg)%n].Release()
		}
	case 7:
		m.s = modelRing(m.t, arg)
		require.NoError(m.t, m.b.Swap(m.s))
	}
	m.check()
}

// acquire asks who is first that has room, and expects that.
func (m *boundedModel) acquire(key string) {
	out, weights := int64(0), int64(0)
	for n := range m.s.Nodes() {
		out += m.loads[n.Name]
		weights += int64(n.Weight)
	}
	lease, err := m.b.Acquire(key)
	if m.s.Len() == 0 {
		require.ErrorIs(m.t, err, ErrNoNodes)
		require.Zero(m.t, lease)
		return
	}
	require.NoError(m.t, err)
	var want Node
	for n := range m.s.LocateN(key) {
		if m.loads[n.Name] < capacity(m.epsilon, out+1, int64(n.Weight), weights) {
			want = n
			break
		}
	}
	require.Equal(m.t, want, lease.Node(), "and there is always one with room")
	if want != m.s.Locate(key) {
		m.spilled++
	}
	m.loads[want.Name]++
	require.LessOrEqual(m.t, m.loads[want.Name], capacity(m.exact, out+1, int64(want.Weight), weights), "I5")
	m.out = append(m.out, lease)
}

func (m *boundedModel) check() {
	m.b.mu.Lock()
	m.b.invariant(m.t)
	m.b.mu.Unlock()
	for name, load := range m.loads {
		require.EqualValues(m.t, load, m.b.Load(name), name)
	}
	nodes, leases := slices.Collect(m.s.Nodes()), 0
	for n, load := range m.b.Loads() {
		require.Equal(m.t, nodes[0], n)
		require.EqualValues(m.t, m.loads[n.Name], load)
		nodes, leases = nodes[1:], leases+load
	}
	require.Empty(m.t, nodes)
	require.Equal(m.t, m.s.Len(), m.b.Len())
	require.Equal(m.t, BoundedStats{m.s.Len(), leases, uint64(len(m.out) + len(m.ended)), m.spilled}, m.b.Stats())
}

// TestBoundedModel: leases, releases, second releases and other nodes, in any order.
//
// Planted and caught: m without the new lease; a load that may be equal to the capacity; weights
// that count for nothing; epsilon rounded up; a walk that ends a node too early; leases of nodes
// that have gone in m, or not in m when they come back; a tally that is forgotten too early, or
// never; any lease counted as spilled.
func TestBoundedModel(t *testing.T) {
	rng := seed.New(t)
	for _, epsilon := range modelEpsilons {
		m := newBoundedModel(t, epsilon)
		for range 200 {
			op := byte(rng.IntN(8))
			if op == 7 && rng.IntN(3) > 0 {
				op = 0
			}
			m.step(op, byte(rng.IntN(256)))
		}
		for len(m.out) > 0 {
			m.step(5, byte(rng.IntN(256)))
		}
		require.Len(t, m.b.tallies, m.s.Len())
	}
}

// FuzzBounded: the first byte chooses epsilon, and each two that follow are a step.
func FuzzBounded(f *testing.F) {
	f.Add([]byte{3, 0, 1, 0, 1, 0, 1, 0, 2, 5, 0, 6, 0, 7, 0xf0, 0, 1, 0, 1, 5, 0, 7, 0, 0, 1, 7, 0xff, 0, 9, 5, 1, 6, 1})
	f.Add(append([]byte{2, 7, 0xff}, bytes.Repeat([]byte{0, 1, 1, 1, 2, 2, 5, 3}, 20)...))
	f.Fuzz(func(t *testing.T, ops []byte) {
		if len(ops) == 0 {
			return
		}
		m := newBoundedModel(t, modelEpsilons[int(ops[0])%len(modelEpsilons)])
		for ops = ops[1:min(len(ops), 600)]; len(ops) > 1; ops = ops[2:] {
			m.step(ops[0], ops[1])
		}
	})
}

// TestBoundedRoom: nothing wraps, whatever the numbers are. Planted and caught: products of 64
// bits; no largest epsilon.
func TestBoundedRoom(t *testing.T) {
	rng := seed.New(t)
	some := func(most uint64) uint64 {
		switch rng.IntN(4) {
		case 0:
			return most
		case 1:
			return 1
		}
		return 1 + rng.Uint64()>>rng.IntN(64)%most
	}
	mul := func(x, y uint64) *big.Int {
		return new(big.Int).Mul(new(big.Int).SetUint64(x), new(big.Int).SetUint64(y))
	}
	const ratio = 1<<fraction + maxEpsilon<<fraction // the largest
	require.Equal(t, uint64(ratio), bounded(t, ring(t, RingConfig{}), math.MaxFloat64).ratio)
	for range 20_000 {
		whole, err := wholeOf(some(1<<(64-fraction) - 1))
		require.NoError(t, err)
		share, leases := some(ratio)*some(maxWeight), some(1<<63)
		load := min(leases, some(1<<63))
		if rng.IntN(2) == 0 { // as close to the capacity as possible
			limit := mul(leases+1, share)
			if limit.Div(limit, new(big.Int).SetUint64(whole)); limit.IsUint64() {
				load = limit.Uint64()
			}
		}
		require.Equal(t, mul(load, whole).Cmp(mul(leases+1, share)) < 0, room(load, whole, leases, share),
			"%d %d %d %d", load, whole, leases, share)
	}
	_, err := wholeOf(1 << (64 - fraction))
	require.ErrorIs(t, err, ErrNode)
	require.ErrorContains(t, err, "1099511627776")
}

// TestBoundedEpsilon: what is one, and how it is rounded.
func TestBoundedEpsilon(t *testing.T) {
	r := ring(t, RingConfig{}, named(1)...)
	for _, bad := range []float64{0, math.Copysign(0, -1), -1, math.NaN(), math.Inf(1), math.Inf(-1)} {
		b, err := NewBounded(r, bad)
		require.ErrorContains(t, err, fmt.Sprintf("epsilon of %v", bad))
		require.Nil(t, b)
	}
	for epsilon, ratio := range map[float64]uint64{
		math.SmallestNonzeroFloat64: 1 << 24, 1. / (1 << 24): 1<<24 + 1, 1.999 / (1 << 24): 1<<24 + 1,
		0.1: 1<<24 + 1677721, 0.25: 5 << 22, 1: 1 << 25, 1 << 20: 1<<44 + 1<<24, 1e30: 1<<44 + 1<<24,
	} {
		require.Equal(t, ratio, bounded(t, r, epsilon).ratio, epsilon)
	}
	// What rounding is good for: the float64 is above 1/10, and 11 leases would be too few.
	whole, _ := wholeOf(1)
	require.False(t, room(11, whole, 9, bounded(t, r, 0.1).ratio))
	require.EqualValues(t, 12, capacity(new(big.Rat).SetFloat64(0.1), 10, 1, 1))
	require.EqualValues(t, 11, capacity(big.NewRat(1, 10), 10, 1, 1))
}

// TestBoundedAtOnce: the bound holds at each Acquire, while others acquire, release, release the
// same for the second time, and swap the nodes.
//
// Planted and caught: a look for room and a lease that are two critical sections; Release and Swap
// without the mutex; a lease of nodes that are not those any more.
func TestBoundedAtOnce(t *testing.T) {
	rings := []*Ring{modelRing(t, 0xff), modelRing(t, 0x3f), modelRing(t, 0xf1)}
	b := bounded(t, rings[0], 0.25)
	over, granted := "", 0
	b.granted = func(p *seats, node int) {
		granted++
		weights, out := int64(0), int64(0)
		for i, n := range p.nodes {
			weights += int64(n.Weight)
			out += int64(p.tallies[i].load)
		}
		n, load := p.nodes[node], int64(p.tallies[node].load)
		if most := capacity(big.NewRat(1, 4), out, int64(n.Weight), weights); load > most || out != int64(b.leases) {
			over = fmt.Sprintf("%v has %d of %d (%d), and its capacity is %d", n, load, out, b.leases, most)
		}
	}
	const goroutines, rounds = 8, 500
	var shared [64]atomic.Pointer[Lease]
	var all sync.WaitGroup
	begin := make(chan struct{})
	for g := range uint64(goroutines) {
		all.Go(func() {
			<-begin
			rng := rand.New(rand.NewPCG(g, 1))
			for range rounds {
				if rng.IntN(4) == 0 {
					runtime.Gosched() // or on few cores each runs to its end
				}
				lease, err := b.Acquire(fmt.Sprint("key", rng.IntN(4)))
				if err != nil {
					t.Error(err)
					return
				}
				if old := shared[rng.IntN(len(shared))].Swap(&lease); old != nil {
					old.Release()
				}
				if copied := shared[rng.IntN(len(shared))].Load(); copied != nil && rng.IntN(4) == 0 {
					copied.Release() // and who swaps it out does so again
				}
				if rng.IntN(32) == 0 {
					if err := b.Swap(rings[rng.IntN(len(rings))]); err != nil {
						t.Error(err)
					}
				}
				_ = b.Load("a") + b.Stats().Leases
				for range b.Loads() {
				}
			}
		})
	}
	close(begin)
	all.Wait()
	require.Empty(t, over)
	require.Equal(t, goroutines*rounds, granted)
	require.EqualValues(t, granted, b.Stats().Acquired)
	require.NotZero(t, b.Stats().Spilled)
	b.invariant(t)
	for i := range shared {
		if lease := shared[i].Load(); lease != nil {
			lease.Release()
		}
	}
	b.invariant(t)
	require.Zero(t, b.leases)
	require.Len(t, b.free, len(b.slots))
	require.Len(t, b.tallies, b.Len())
}

// TestLeaseReleaseOnce: a lease counts down once, on whichever copy, from whichever goroutine,
// and also if another lease has its slot by then. Planted and caught: Release that looks only at
// whether the slot is free.
func TestLeaseReleaseOnce(t *testing.T) {
	b := bounded(t, ring(t, RingConfig{}, named(3)...), 100)
	kept, err := b.Acquire("key")
	require.NoError(t, err)
	lease, err := b.Acquire("key")
	require.NoError(t, err)
	name := lease.Node().Name
	require.Equal(t, name, kept.Node().Name)
	require.Equal(t, 2, b.Load(name))
	var all sync.WaitGroup
	for range 8 {
		copied := lease
		all.Go(copied.Release)
	}
	all.Wait()
	require.Equal(t, 1, b.Load(name))
	next, err := b.Acquire("key")
	require.NoError(t, err)
	require.Equal(t, lease.slot, next.slot, "or this test is of no use")
	lease.Release()
	require.Equal(t, 2, b.Load(name))
	next.Release()
	kept.Release()
	next.Release()
	require.Zero(t, b.Load(name))
	require.Equal(t, name, next.Node().Name, "it still says whose it was")
	require.Len(t, b.slots, 2, "as many as were out together")

	var none Lease
	none.Release()
	require.Zero(t, none.Node())
}

// TestBoundedSwap: who goes and who comes.
func TestBoundedSwap(t *testing.T) {
	both := ring(t, RingConfig{}, Node{Name: "a", Weight: 1}, Node{Name: "b", Weight: 1})
	a, err := both.Without("b")
	require.NoError(t, err)
	b := bounded(t, both, 1)
	var ofB []Lease
	for i := 0; len(ofB) < 3; i++ {
		lease, err := b.Acquire(fmt.Sprint(i))
		require.NoError(t, err)
		if lease.Node().Name == "b" {
			ofB = append(ofB, lease)
		}
	}
	left := b.Load("a")

	require.NoError(t, b.Swap(a))
	require.Equal(t, BoundedStats{1, left, uint64(left) + 3, b.Stats().Spilled}, b.Stats(), "what has gone is no part of m")
	require.Equal(t, 3, b.Load("b"), "but its leases go on")
	ofB[0].Release()
	require.Equal(t, 2, b.Load("b"))
	require.Equal(t, left, b.Stats().Leases)

	require.NoError(t, b.Swap(both))
	require.Equal(t, left+2, b.Stats().Leases, "it comes back, and has them still")
	require.NoError(t, b.Swap(a))
	ofB[1].Release()
	ofB[2].Release()
	require.Zero(t, b.Load("b"))
	require.Len(t, b.tallies, 1, "it is forgotten")

	require.NoError(t, b.Swap(both))
	ofB[2].Release()
	require.Zero(t, b.Load("b"), "a new one begins with none")
	require.Equal(t, left, b.Load("a"))

	stats := b.Stats()
	require.ErrorContains(t, b.Swap(nil), "without a Sequencer")
	require.ErrorIs(t, b.Swap(odd{Ring: both, nodes: append(named(1), named(1)...)}), ErrDuplicate)
	require.Equal(t, stats, b.Stats(), "nothing has changed")
	_, err = NewBounded(nil, 1)
	require.ErrorContains(t, err, "without a Sequencer")
}

// odd is a Ring, but for what is set.
type odd struct {
	*Ring
	nodes    []Node
	sequence []Node
	visit    func()
}

func (o odd) visited() {
	if o.visit != nil {
		o.visit()
	}
}

func (o odd) Locate(key string) Node {
	o.visited()
	if o.sequence != nil {
		return o.sequence[0]
	}
	return o.Ring.Locate(key)
}

func (o odd) Nodes() iter.Seq[Node] {
	o.visited()
	if o.nodes != nil {
		return slices.Values(o.nodes)
	}
	return o.Ring.Nodes()
}

func (o odd) LocateN(key string) iter.Seq[Node] {
	o.visited()
	return func(yield func(Node) bool) {
		nodes := o.Ring.LocateN(key)
		if o.sequence != nil {
			nodes = slices.Values(o.sequence)
		}
		for n := range nodes {
			if o.visited(); !yield(n) {
				return
			}
			o.visited()
		}
	}
}

// TestBoundedSequence: a Sequencer that breaks its promise is an error, as soon as that matters.
func TestBoundedSequence(t *testing.T) {
	nodes := named(5)
	r := ring(t, RingConfig{}, nodes...)
	stranger := []Node{{Name: "stranger", Weight: 1}}
	for says, sequence := range map[string][]Node{
		`"stranger" is none of them`: append(stranger, nodes...),
		`"k" it yields 2, but there`: nodes[:2],
		`"k" it yields 5, but there`: {nodes[0], nodes[0], nodes[0], nodes[0], nodes[0], nodes[1]},
	} {
		b := bounded(t, odd{Ring: r, sequence: sequence}, 0.25)
		var err error
		for i := 0; i < 10 && err == nil; i++ {
			_, err = b.Acquire("k")
		}
		require.ErrorIs(t, err, ErrSequence)
		require.ErrorContains(t, err, says)
		b.invariant(t)
		require.NoError(t, b.Swap(r))
		_, err = b.Acquire("k")
		require.NoError(t, err)
	}
	b := bounded(t, odd{Ring: r, sequence: append(nodes[:1:1], stranger...)}, 0.25)
	_, err := b.Acquire("k")
	require.NoError(t, err, "it does not matter yet")
}

// unlike has another Locate than LocateN, and a LocateN that goes on when it should not.
type unlike struct{ *Ring }

func (u unlike) Locate(string) Node { return Node{Name: "stranger", Weight: 1} }

func (u unlike) LocateN(key string) iter.Seq[Node] {
	return func(yield func(Node) bool) {
		for n := range u.Ring.LocateN(key) {
			yield(n)
		}
		yield(Node{Name: "stranger", Weight: 1})
	}
}

// TestBoundedUnlike: each Acquire is one lease, of the first of LocateN that has room, whatever a
// Sequencer says besides.
//
// Planted and caught: any node for a stranger of Locate; a walk that takes what comes after its
// lease.
func TestBoundedUnlike(t *testing.T) {
	r := ring(t, RingConfig{}, named(9)...)
	b := bounded(t, unlike{r}, 1./1024)
	var leases []Lease
	for want := range r.LocateN("key") { // each at a node of its own, but the last is at the first
		lease, err := b.Acquire("key")
		require.NoError(t, err)
		leases = append(leases, lease)
		require.Equal(t, len(leases), b.Stats().Leases)
		if len(leases) < 9 {
			require.Equal(t, want, lease.Node())
		}
	}
	for _, lease := range leases {
		lease.Release()
	}
	b.invariant(t)
	require.Zero(t, b.leases)
}

// TestBoundedLoads: loads are those of when a loop begins, not of when Loads was called, nor of
// while it runs. Planted and caught: Loads that looks when it is called.
func TestBoundedLoads(t *testing.T) {
	b := bounded(t, ring(t, RingConfig{}, named(2)...), 100)
	all, sum := b.Loads(), 0
	for range 3 {
		_, err := b.Acquire("key")
		require.NoError(t, err)
	}
	for _, load := range all {
		_, err := b.Acquire("key")
		require.NoError(t, err)
		sum += load
	}
	require.Equal(t, 3, sum)
}

// TestBoundedForeignCode: a Sequencer, and who ranges over Loads, may do what it likes: the mutex
// is free while it runs, and if it swaps the nodes, the lease is of the new ones. Planted and
// caught: LocateN, and a yield of Loads, under the mutex; a swap that is not noticed.
func TestBoundedForeignCode(t *testing.T) {
	var b *Bounded
	before, after := ring(t, RingConfig{}, named(9)...), ring(t, RingConfig{}, Node{Name: "new", Weight: 1})
	visits, swapAt := 0, 0
	o := odd{Ring: before, visit: func() {
		if visits++; b != nil {
			require.True(t, b.mu.TryLock())
			b.mu.Unlock()
			if visits == swapAt {
				require.NoError(t, b.Swap(after))
			}
		}
	}}
	most := 0
	for swapAt = 0; swapAt <= most; swapAt++ {
		b = nil
		b = bounded(t, o, 1./1024)
		for range 7 {
			_, err := b.Acquire("key") // each at a node of its own
			require.NoError(t, err)
		}
		visits = 0
		lease, err := b.Acquire("key")
		require.NoError(t, err)
		require.Equal(t, swapAt > 0, lease.Node().Name == "new", "%d", swapAt)
		b.invariant(t)
		if swapAt == 0 {
			most = visits - 1 // the last may be after the lease
		}
		for range b.Loads() {
			require.True(t, b.mu.TryLock())
			b.mu.Unlock()
			break
		}
		require.NoError(t, b.Swap(o))
	}
	require.Greater(t, most, 9)
}

// TestBoundedRoomMeanwhile: while a walk collects candidates, room may come up at the front.
// Planted and caught: a walk that looks at each candidate once.
func TestBoundedRoomMeanwhile(t *testing.T) {
	r := ring(t, RingConfig{}, named(9)...)
	var release func()
	o := odd{Ring: r, visit: func() { release() }}
	sequence := slices.Collect(r.LocateN("key"))
	for freed := range 7 {
		for at := 2; at < 15; at++ { // 1 and 2 are Locate and LocateN, and each node is 2
			release = func() {}
			b := bounded(t, o, 1./1024)
			var leases []Lease
			for i := range 7 {
				lease, err := b.Acquire("key")
				require.NoError(t, err)
				require.Equal(t, sequence[i], lease.Node())
				leases = append(leases, lease)
			}
			visits := 0
			release = func() {
				if visits++; visits == at {
					leases[freed].Release()
				}
			}
			lease, err := b.Acquire("key")
			require.NoError(t, err)
			require.Equal(t, sequence[freed], lease.Node(), "at visit %d", at)
		}
	}
}

// TestBoundedFigures: 10,000 balls in 100 bins with 100 virtual nodes each. The fullest has 1.34
// times the mean in a plain ring, and 1+ε times with bounds, unless they are above that. While
// balls come there are few at first, and bounds of 1 or 2 are met by chance, so some spill with
// any ε; in a steady state of balls that come and go only those do for whom it is too narrow.
func TestBoundedFigures(t *testing.T) {
	if form.Raced() {
		t.Skip("it is one goroutine, and long")
	}
	r := ring(t, RingConfig{VirtualNodes: 100}, named(100)...)
	for _, c := range []struct {
		epsilon       float64
		fullest       int
		filling       uint64 // spilled of 10,000
		fullestSteady int
		steady        uint64 // spilled of 20,000
	}{
		{0.01, 101, 3491, 101, 9892},
		{0.1, 110, 934, 110, 1351},
		{0.25, 125, 347, 125, 164},
		{0.5, 131, 122, 137, 0},
		{1, 134, 34, 137, 0},
		{1000, 134, 0, 137, 0},
	} {
		fullest := func(b *Bounded) (most int) {
			for _, load := range b.Loads() {
				most = max(most, load)
			}
			return most
		}
		b := bounded(t, r, c.epsilon)
		for i := range 10_000 {
			_, err := b.Acquire(fmt.Sprint("ball/", i))
			require.NoError(t, err)
		}
		require.Equal(t, c.fullest, fullest(b), c.epsilon)
		require.Equal(t, c.filling, b.Stats().Spilled, c.epsilon)

		b, rng := bounded(t, r, c.epsilon), rand.New(rand.NewPCG(1, 2))
		leases, spilled := make([]Lease, 10_000), uint64(0)
		for i := range 30_000 {
			at := i
			if i == 10_000 {
				spilled = b.Stats().Spilled
			}
			if i >= 10_000 {
				at = rng.IntN(len(leases))
				leases[at].Release()
			}
			var err error
			leases[at], err = b.Acquire(fmt.Sprint("ball/", rng.IntN(1e6)))
			require.NoError(t, err)
		}
		require.Equal(t, c.fullestSteady, fullest(b), c.epsilon)
		require.Equal(t, c.steady, b.Stats().Spilled-spilled, c.epsilon)
		t.Logf("epsilon %v: the fullest has %d of a mean of 100; not at their first node were %d of 10,000, then %d of 20,000",
			c.epsilon, fullest(b), c.filling, c.steady)
	}
}

// TestBoundedHotKey: all requests of one key are at ceil(n/(1+ε)) nodes, the first ones of the
// key: never at more, and with enough of them at no fewer. A plain ring has them at one.
func TestBoundedHotKey(t *testing.T) {
	for _, c := range []struct {
		n       int
		epsilon float64
		nodes   int
	}{
		{1, 0.5, 1}, {7, 0.5, 5}, {9, 0.5, 6}, {10, 0.25, 8}, {10, 1, 5}, {10, 3, 3}, {10, 100, 1},
		{100, 0.25, 80}, {10, 1. / 64, 10},
	} {
		r := ring(t, RingConfig{}, named(c.n)...)
		b := bounded(t, r, c.epsilon)
		for range 100 * c.n {
			_, err := b.Acquire("hot")
			require.NoError(t, err)
		}
		for n := range r.LocateN("hot") {
			if c.nodes > 0 {
				require.NotZero(t, b.Load(n.Name), "%+v", c)
			} else {
				require.Zero(t, b.Load(n.Name), "%+v", c)
			}
			c.nodes--
		}
	}
}

func TestBoundedAllocatesNothing(t *testing.T) {
	b := bounded(t, ring(t, RingConfig{}, named(9)...), 1000)
	acquire := func() {
		lease, err := b.Acquire("key")
		if err != nil || lease.node == nil {
			t.Error(err)
		}
		lease.Release()
	}
	require.Zero(t, testing.AllocsPerRun(100, acquire))
	b = bounded(t, ring(t, RingConfig{}, named(9)...), 0.25)
	for range 90 {
		_, err := b.Acquire("key")
		require.NoError(t, err)
	}
	require.LessOrEqual(t, testing.AllocsPerRun(100, acquire), 3.0, "on a walk of up to 16 nodes")
}

func TestBoundedStats(t *testing.T) {
	s := BoundedStats{Nodes: 1, Leases: 2, Acquired: 3, Spilled: 4}
	var line strings.Builder
	slog.New(slog.NewTextHandler(&line, nil)).Info("x", "b", s)
	require.Contains(t, line.String(), "b.nodes=1 b.leases=2 b.acquired=3 b.spilled=4")
	text, err := json.Marshal(s)
	require.NoError(t, err)
	require.JSONEq(t, `{"nodes":1,"leases":2,"acquired":3,"spilled":4}`, string(text))
}
