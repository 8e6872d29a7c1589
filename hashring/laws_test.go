package hashring

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/cespare/xxhash/v2"
	"github.com/stretchr/testify/require"

	"github.com/plinth-go/plinth/internal/form"
	"github.com/plinth-go/plinth/internal/seed"
)

// laws are what every algorithm of this package must hold, and where they differ.
type laws struct {
	make    func(...Node) (Locator, error)
	golden  uint64  // of what it locates: see fingerprint
	spread  float64 // what its shares differ by, of their mean, besides chance; at most
	weights bool    // it knows them
	moves   bool    // more moves than must (not I2); the caller looks at how much
}

func (l laws) check(t *testing.T) {
	t.Helper()
	t.Run("laws", func(t *testing.T) {
		t.Run("few", l.checkFew)
		t.Run("bad", l.checkBad)
		t.Run("same", l.checkSame)
		t.Run("shares", l.checkShares)
		t.Run("moves", l.checkMoves)
		t.Run("replicas", l.checkReplicas)
	})
}

func (l laws) of(t *testing.T, nodes ...Node) Locator {
	t.Helper()
	locator, err := l.make(nodes...)
	require.NoError(t, err)
	return locator
}

// checkFew: none, one and two nodes.
func (l laws) checkFew(t *testing.T) {
	none, one, two := l.of(t), l.of(t, named(1)...), l.of(t, named(2)...)
	require.Zero(t, none.Len())
	require.Empty(t, slices.Collect(none.Nodes()))
	seen := map[Node]bool{}
	for _, h := range []uint64{0, 1, 1 << 63, math.MaxUint64, Hash("key")} {
		require.Zero(t, none.LocateHash(h))
		require.Equal(t, named(1)[0], one.LocateHash(h))
		seen[two.LocateHash(h)] = true
	}
	require.Zero(t, none.Locate("key"))
	for i := range 100 {
		seen[two.Locate(fmt.Sprint(i))] = true
	}
	require.Len(t, seen, 2)
}

// checkBad: what is no node, and no list of nodes.
func (l laws) checkBad(t *testing.T) {
	for name, c := range map[string]struct {
		nodes []Node
		is    error
		says  string
	}{
		"no name":         {[]Node{{Weight: 1}}, ErrNode, "without a name"},
		"no weight":       {[]Node{{Name: "a"}}, ErrNode, `"a" has a weight of 0`},
		"negative weight": {[]Node{{Name: "a", Weight: -1}}, ErrNode, "-1"},
		"huge weight":     {[]Node{{Name: "a", Weight: 1 << 20}}, ErrNode, "65536"},
		"twice":           {[]Node{{Name: "a", Weight: 1}, {Name: "b", Weight: 1}, {Name: "a", Weight: 1}}, ErrDuplicate, `"a"`},
	} {
		_, err := l.make(c.nodes...)
		require.ErrorIs(t, err, c.is, name)
		require.ErrorContains(t, err, c.says, name)
	}
	_, err := l.make(Node{Name: "a", Weight: 1}, Node{Name: "b", Weight: 2})
	if l.weights {
		require.NoError(t, err)
		return
	}
	require.ErrorIs(t, err, ErrNode)
	require.ErrorContains(t, err, `"b" of 2`)
}

// checkSame: the same for every order of the nodes, in every process, on every machine.
func (l laws) checkSame(t *testing.T) {
	nodes := named(50)
	one := l.of(t, nodes...)
	require.Equal(t, l.golden, fingerprint(one), "%#x", fingerprint(one))
	seed.New(t).Shuffle(len(nodes), func(i, j int) { nodes[i], nodes[j] = nodes[j], nodes[i] })
	other := l.of(t, nodes...)
	require.Equal(t, fingerprint(one), fingerprint(other), "the order of the nodes does not matter")
	require.Equal(t, 50, one.Len())
	listed := slices.Collect(one.Nodes())
	require.Equal(t, listed, slices.Collect(other.Nodes()))
	require.True(t, slices.IsSortedFunc(listed, func(a, b Node) int { return cmp.Compare(a.Name, b.Name) }))
	hash := Hash
	if its, ok := one.(interface{ Hash(string) uint64 }); ok {
		hash = its.Hash
	}
	for i := range 100 {
		key := fmt.Sprint("key", i)
		require.Equal(t, one.LocateHash(hash(key)), one.Locate(key))
	}
}

// fingerprint hashes where 10,000 keys are.
func fingerprint(l Locator) uint64 {
	d := xxhash.New()
	for i := range uint64(10_000) {
		var key [8]byte
		binary.LittleEndian.PutUint64(key[:], i)
		d.WriteString(l.Locate(string(key[:])).Name)
		d.Write([]byte{0})
	}
	return d.Sum64()
}

// checkShares: each node gets what its weight says, but for what the algorithm and chance do.
// The keys are always the same, so that nothing is left to the chance of a run.
//
// Planted and caught: keys of which 3 % go to the next node, from one node in four or, with
// as many more keys as the long form has, from one alone.
func (l laws) checkShares(t *testing.T) {
	const n = 40
	keys, nodes, total := 400_000, named(n), 0
	switch {
	case form.Raced():
		keys = 50_000
	case form.Long():
		keys = 1_600_000
	}
	for i := range nodes {
		if l.weights {
			nodes[i].Weight = 1 + i%4
		}
		total += nodes[i].Weight
	}
	locator := l.of(t, nodes...)
	counts := map[string]int{}
	for i := range keys {
		counts[locator.Locate(fmt.Sprint("key", i)).Name]++
	}
	sum := 0.0 // of squares of differences, in standard deviations that chance has
	for _, node := range nodes {
		mean := float64(keys) * float64(node.Weight) / float64(total)
		off := float64(counts[node.Name]) - mean
		square := off * off / (mean + (l.spread*mean)*(l.spread*mean)/float64(node.Weight))
		if sum += square; l.spread == 0 {
			require.Less(t, square, 4.0*4.0, "%s has %d, and not %.0f", node.Name, counts[node.Name], mean)
		}
	}
	require.Less(t, sum/n, 1.8, "differences are larger than %v and chance", l.spread)
}

// checkMoves: only keys of a node that goes move, and only to one that comes.
func (l laws) checkMoves(t *testing.T) {
	const n, keys = 30, 20_000
	nodes := named(n)
	before := l.of(t, nodes...)
	for _, gone := range []int{0, n / 2, n - 1} {
		after := l.of(t, slices.Delete(slices.Clone(nodes), gone, gone+1)...)
		moved := 0
		for i := range keys {
			key := fmt.Sprint("key", i)
			if from, to := before.Locate(key), after.Locate(key); from != to {
				if moved++; !l.moves {
					require.Equal(t, nodes[gone], from)
				}
			}
			require.NotEqual(t, nodes[gone], after.Locate(key))
		}
		if mean := float64(keys) / n; !l.moves {
			require.InDelta(t, mean, moved, 6*math.Sqrt(mean)+4*l.spread*mean)
		}
	}
}

// checkReplicas: LocateN yields each node once, zone by zone.
func (l laws) checkReplicas(t *testing.T) {
	if _, ok := l.of(t).(Sequencer); !ok {
		t.Logf("%T is no Sequencer", l.of(t))
		return
	}
	nodes := named(9)
	for i := range nodes {
		nodes[i].Zone = []string{"a", "a", "a", "a", "a", "b", "b", "c", ""}[i]
	}
	s := l.of(t, nodes...).(Sequencer)
	second := map[string]bool{}
	for i := range 500 {
		key := fmt.Sprint(i)
		got := slices.Collect(s.LocateN(key))
		require.Equal(t, s.Locate(key), got[0])
		require.ElementsMatch(t, nodes, got, "each once")
		second[got[1].Name] = true
		for round, of := range [][]string{{"a", "b", "c", ""}, {"a", "b"}, {"a"}, {"a"}, {"a"}} {
			var zones []string
			for _, n := range got[:len(of)] {
				zones = append(zones, n.Zone)
			}
			require.ElementsMatch(t, of, zones, "round %d", round)
			got = got[len(of):]
		}
	}
	require.Len(t, second, len(nodes), "anybody may be second")
	l.checkTakeover(t)
	require.Empty(t, slices.Collect(l.of(t).(Sequencer).LocateN("key")))
	require.Equal(t, named(1), slices.Collect(l.of(t, named(1)...).(Sequencer).LocateN("key")))
	many := l.of(t, named(onStack*64+1)...).(Sequencer)
	require.Len(t, slices.Collect(many.LocateN("key")), many.Len())
}

// checkTakeover: if a node goes, all others stay in the order in which LocateN yields them.
// So the second is who takes over from the first.
func (l laws) checkTakeover(t *testing.T) {
	if l.moves {
		return
	}
	nodes := named(12)
	before := l.of(t, nodes...).(Sequencer)
	for _, gone := range []int{0, 5, 11} {
		after := l.of(t, slices.Delete(slices.Clone(nodes), gone, gone+1)...).(Sequencer)
		for i := range 200 {
			key := fmt.Sprint(i)
			order := slices.Collect(before.LocateN(key))
			left := slices.DeleteFunc(order, func(n Node) bool { return n == nodes[gone] })
			require.Equal(t, left, slices.Collect(after.LocateN(key)), key)
		}
	}
}
