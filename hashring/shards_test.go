package hashring

import (
	"cmp"
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/plinth-go/plinth/internal/seed"
)

// TestShards: the laws, for shards that are numbered by name, since for other orders they say
// that the order of nodes does not matter.
func TestShards(t *testing.T) {
	laws{
		make: func(nodes ...Node) (Locator, error) {
			byName := slices.SortedFunc(slices.Values(nodes), func(a, b Node) int { return cmp.Compare(a.Name, b.Name) })
			return NewShards(byName...)
		},
		golden: 0xf99e5fce25a2a372,
		moves:  true, // see TestShardsMoves
	}.check(t)
}

func shards(t testing.TB, nodes ...Node) *Shards {
	t.Helper()
	s, err := NewShards(nodes...)
	require.NoError(t, err)
	return s
}

// TestShardsOrder: numbers are given in the order of nodes, and Jump finds them.
//
// Planted and caught: numbers by name; numbers and order mixed up; new nodes in front.
func TestShardsOrder(t *testing.T) {
	rng := seed.New(t)
	nodes := named(20)
	rng.Shuffle(20, func(i, j int) { nodes[i], nodes[j] = nodes[j], nodes[i] })
	s := shards(t, nodes[:15]...)
	s, err := s.With(nodes[15:]...)
	require.NoError(t, err)
	require.Equal(t, shards(t, nodes...), s)
	for i, n := range nodes {
		number, err := s.Index(n.Name)
		require.NoError(t, err)
		require.Equal(t, i, number)
	}
	for range 1000 {
		h := rng.Uint64()
		require.Equal(t, nodes[Jump(h, 20)], s.LocateHash(h))
	}
	_, err = s.Index("node-20")
	require.ErrorIs(t, err, ErrUnknown)
	_, err = s.With(nodes[3])
	require.ErrorIs(t, err, ErrDuplicate)
}

// TestShardsWithout: who takes the numbers that become free.
//
// Planted and caught: the last for the lowest number; one that goes as well; all that come after
// moved up by one.
func TestShardsWithout(t *testing.T) {
	letters := func(word string) (nodes []Node) {
		for _, letter := range word {
			nodes = append(nodes, Node{Name: string(letter), Weight: 1})
		}
		return nodes
	}
	for _, c := range []struct{ from, gone, left string }{
		{"abcde", "", "abcde"}, {"abcde", "e", "abcd"}, {"abcde", "b", "aecd"}, {"abcde", "a", "ebcd"},
		{"abcde", "be", "adc"}, {"abcde", "eb", "adc"}, {"abcde", "ab", "dec"}, {"abcde", "ba", "dec"},
		{"edcba", "de", "bac"}, {"abcde", "abcd", "e"}, {"abcde", "abcde", ""}, {"a", "a", ""}, {"ab", "a", "b"},
	} {
		before := shards(t, letters(c.from)...)
		var names []string
		for _, n := range letters(c.gone) {
			names = append(names, n.Name)
		}
		after, err := before.Without(names...)
		require.NoError(t, err)
		require.ElementsMatch(t, letters(c.left), slices.Collect(after.Nodes()))
		for i, n := range letters(c.left) {
			number, err := after.Index(n.Name)
			require.NoError(t, err)
			require.Equal(t, i, number, "%+v", c)
		}
		require.Equal(t, shards(t, letters(c.from)...), before)
	}
	for _, names := range [][]string{{"f"}, {"a", "f"}, {"a", "a"}} {
		_, err := shards(t, letters("abcde")...).Without(names...)
		require.ErrorIs(t, err, ErrUnknown)
	}
}

// TestShardsMoves: a node that comes takes 1/(n+1), the last one gives its own, and one in the
// middle hands all to the last, whose keys spread evenly.
func TestShardsMoves(t *testing.T) {
	const n, keys = 20, 100_000
	before := shards(t, named(n)...)
	more, err := before.With(Node{Name: "a", Weight: 1})
	require.NoError(t, err)
	fewer, err := before.Without("node-19")
	require.NoError(t, err)
	middle, err := before.Without("node-7")
	require.NoError(t, err)
	came, went := 0, 0
	spread := map[string]int{} // of what was on the last
	for i := range keys {
		key := fmt.Sprint("key", i)
		from := before.Locate(key)
		if to := more.Locate(key); to != from {
			require.Equal(t, "a", to.Name)
			came++
		}
		if to := fewer.Locate(key); to != from {
			require.Equal(t, "node-19", from.Name)
			went++
		}
		switch to := middle.Locate(key); from.Name {
		case "node-7":
			require.Equal(t, "node-19", to.Name)
		case "node-19":
			spread[to.Name]++
		default:
			require.Equal(t, from, to)
		}
	}
	require.InDelta(t, keys/(n+1), came, 400)
	require.InDelta(t, keys/n, went, 400)
	require.Len(t, spread, n-1)
	for name, count := range spread {
		require.InDelta(t, keys/n/(n-1), count, 100, name)
	}
}
