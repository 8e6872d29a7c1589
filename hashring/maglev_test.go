package hashring

import (
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/plinth-go/plinth/internal/form"
)

func maglev(t testing.TB, size int, nodes ...Node) *Maglev {
	t.Helper()
	m, err := NewMaglev(size, nodes...)
	require.NoError(t, err)
	return m
}

// TestMaglevFill is table 1 of the paper, and the like with orders that go-maglev makes.
func TestMaglevFill(t *testing.T) {
	paper := []wish{{next: 3, skip: 4, weight: 1}, {next: 0, skip: 2, weight: 1}, {next: 3, skip: 1, weight: 1}}
	other := []wish{{next: 2, skip: 4, weight: 5}, {next: 0, skip: 5, weight: 5}, {next: 1, skip: 2, weight: 5}}
	for _, c := range []struct {
		all           []wish
		want, without []uint16 // without the second, so that the third is number 1
	}{
		{paper, []uint16{1, 0, 1, 0, 2, 2, 0}, []uint16{0, 0, 0, 0, 1, 1, 1}},
		{other, []uint16{1, 2, 0, 2, 0, 1, 0}, []uint16{0, 1, 0, 1, 0, 1, 0}},
	} {
		require.Equal(t, c.want, fill[uint16](7, slices.Clone(c.all)))
		require.Equal(t, c.without, fill[uint16](7, []wish{c.all[0], c.all[2]}))
		for i, n := range fill[uint32](7, c.all) {
			require.EqualValues(t, c.want[i], n)
		}
	}
}

// TestMaglevEnvoy is Basic, BasicWithHostName, Weighted, and
// LocalityWeightedDifferentLocalityWeights in Envoy's maglev_lb_test.cc.
//
// Planted and caught: a turn left out when it is just due; weights that do not count; a skip
// that is never size-1; another seed; an entry after the last.
func TestMaglevEnvoy(t *testing.T) {
	of := func(prefix string, weights ...int) []Node {
		var nodes []Node
		for i, w := range weights {
			nodes = append(nodes, Node{Name: fmt.Sprint(prefix, 90+i), Weight: w})
		}
		return nodes
	}
	for _, c := range []struct {
		nodes []Node
		want  []int
	}{
		{of("127.0.0.1:", 1, 1, 1, 1, 1, 1), []int{2, 4, 0, 1, 5, 0, 3}},
		{of("", 1, 1, 1, 1, 1, 1), []int{2, 5, 0, 3, 4, 1, 0}},
		{of("127.0.0.1:", 1, 2), []int{1, 0, 0, 1, 0, 1, 1, 0, 1, 1, 1, 1, 1, 0, 1, 0, 1}},
		{of("127.0.0.1:", 8, 2), []int{1, 0, 0, 0, 0, 0, 1, 0, 0, 1, 0, 1, 0, 0, 0, 0, 0}},
	} {
		m := maglev(t, len(c.want), c.nodes...)
		for h := range 3 * len(c.want) {
			require.Equal(t, c.nodes[c.want[h%len(c.want)]], m.LocateHash(uint64(h)))
		}
	}
}

// envoyFill is fill as Envoy does it, with a node's part of all weights as a float.
func envoyFill(size uint64, all []wish) []uint16 {
	sum, heaviest := 0.0, 0.0
	for _, w := range all {
		sum += float64(w.weight)
	}
	weights, dues := make([]float64, len(all)), make([]float64, len(all))
	for i, w := range all {
		weights[i] = float64(w.weight) / sum
		heaviest = max(heaviest, weights[i])
	}
	table, taken := make([]uint16, size), make([]bool, size)
	for turn, left := 1.0, size; ; turn++ {
		for i := range all {
			if turn*weights[i] < dues[i] {
				continue
			}
			dues[i] += heaviest
			for taken[all[i].next] {
				all[i].step(size)
			}
			table[all[i].next], taken[all[i].next] = uint16(i), true
			if left--; left == 0 {
				return table
			}
		}
	}
}

// TestMaglevEnvoyRounds: in a large table, nodes that weigh the same have the entries that they
// have in Envoy's. If they do not, what Envoy rounds makes a few entries another node's.
func TestMaglevEnvoyRounds(t *testing.T) {
	for _, c := range []struct {
		nodes []Node
		other int // entries
	}{{named(3), 0}, {named(100), 0}, {unequal(2), 2}, {unequal(4), 13}, {unequal(100), 240}} {
		m := maglev(t, 0, c.nodes...)
		other := 0
		for i, n := range envoyFill(m.size, m.wishes(m.size)) {
			if m.small[i] != n {
				other++
			}
		}
		require.Equal(t, c.other, other, "%d nodes", len(c.nodes))
	}
}

func TestMaglev(t *testing.T) {
	laws{
		make:    func(nodes ...Node) (Locator, error) { return NewMaglev(0, nodes...) },
		golden:  0x1b9e2b29e92aba88,
		spread:  0.002, // an entry, of 655 of one of weight 1
		weights: true,
		moves:   true,
	}.check(t)
}

// TestMaglevMoves counts entries. The shares differ by one at most, so that with 65,537 of
// 1,000 nodes the largest is 1.007 of the mean. If a node goes, what moves besides its own is
// about 0.6 % of all, and 0.1 to 0.3 % with ten times as many.
func TestMaglevMoves(t *testing.T) {
	for _, c := range []struct{ size, nodes, must, more int }{
		{65_537, 100, 655, 392},
		{65_537, 1000, 65, 365},
		{655_373, 100, 6554, 966},
		{655_373, 1000, 655, 2152},
	} {
		if c.size > 100_000 && form.Raced() {
			continue
		}
		before := maglev(t, c.size, named(c.nodes)...)
		shares := make([]int, c.nodes)
		for _, n := range before.small {
			shares[n]++
		}
		require.GreaterOrEqual(t, slices.Min(shares), c.size/c.nodes)
		require.LessOrEqual(t, slices.Max(shares), c.size/c.nodes+1)
		after, err := before.Without("node-7")
		require.NoError(t, err)
		gone, err := before.index("node-7")
		require.NoError(t, err)
		must, more := 0, 0
		for i, to := range after.small {
			switch from := before.small[i]; {
			case int(from) == gone:
				must++
			case before.nodes[from] != after.nodes[to]:
				more++
			}
		}
		require.Equal(t, []int{c.must, c.more}, []int{must, more}, "%d entries, %d nodes", c.size, c.nodes)
		t.Logf("one of %d nodes leaves %d entries: its %d change, and %d of others", c.nodes, c.size, must, more)
		back, err := after.With(before.nodes[gone])
		require.NoError(t, err)
		require.Equal(t, before, back)
	}
}

// TestMaglevWeights: the lightest have an entry, even if there are as many as nodes.
func TestMaglevWeights(t *testing.T) {
	nodes := named(101)
	nodes[50].Weight = maxWeight
	m := maglev(t, 101, nodes...)
	seen := map[uint16]bool{}
	for _, n := range m.small {
		seen[n] = true
	}
	require.Len(t, seen, 101)
}

// TestMaglevLarge: more nodes than 16 bits can tell apart.
func TestMaglevLarge(t *testing.T) {
	nodes := named(1<<16 + 1)
	m := maglev(t, 0, nodes...)
	require.Empty(t, m.small)
	table := slices.Clone(m.large)
	slices.Sort(table)
	for i, n := range table {
		require.EqualValues(t, i, n)
	}
	first := m.LocateHash(Hash("key"))
	n := 0
	for node := range m.LocateN("key") {
		require.Equal(t, n == 0, node == first)
		if n++; n == 100 {
			break
		}
	}
}

func TestMaglevBadInput(t *testing.T) {
	for size, says := range map[int]string{
		-7: "-7 entries: want a prime", 1: "1 entries", 4: "4 entries", 65_536: "65536 entries", 1<<28 + 3: "up to 268435456",
		2: "3 nodes do not fit in a table of 2 entries",
	} {
		_, err := NewMaglev(size, named(3)...)
		require.ErrorContains(t, err, says)
	}
	m := maglev(t, 3, named(3)...)
	_, err := m.With(Node{Name: "more", Weight: 1})
	require.ErrorContains(t, err, "4 nodes do not fit")
	_, err = m.Without("more")
	require.ErrorIs(t, err, ErrUnknown)
}

func TestMaglevLocateNAllocatesNothing(t *testing.T) {
	m := maglev(t, 0, named(9)...)
	require.Zero(t, testing.AllocsPerRun(100, func() { first3(m.LocateN("key")) }))
}
