package hashring

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestHash holds the hash for ever: other programs have stored what it has spread.
func TestHash(t *testing.T) {
	require.Equal(t, uint64(0xef46db3751d8e999), Hash(""))
	require.Equal(t, uint64(0xd24ec4f1a98c6e5b), Hash("a"))
	require.Equal(t, uint64(0x44bc2cf5ad770999), Hash("abc"))
}

// TestNodesKeepNothing: what is passed in stays as it was, and what is made does not share memory.
//
// Planted and caught: nodes sorted in place; nodes appended to those of a Locator.
func TestNodesKeepNothing(t *testing.T) {
	given := []Node{{Name: "b", Weight: 1}, {Name: "a", Weight: 1}}
	before := slices.Clone(given)
	r := ring(t, RingConfig{}, given...)
	require.Equal(t, before, given)
	clear(given)
	require.Equal(t, "a", r.nodes[0].Name)

	roomy := members{named(3)[:1]}
	first := roomy.with([]Node{{Name: "first"}})
	roomy.with([]Node{{Name: "second"}})
	require.Equal(t, "first", first[1].Name)
}

// TestNames: names may be any bytes. One that looks like another with the number of a virtual node
// behind it has no place of that: of two texts that are hashed and equal, the names, which are 8
// bytes shorter, are equal too.
func TestNames(t *testing.T) {
	var nodes []Node
	for _, name := range []string{
		"a", "a\x00", "a\x00\x00\x00\x00\x00\x00\x00\x00", "a\x01\x00\x00\x00\x00\x00\x00\x00",
		"\x00", "\x00\x00\x00\x00\x00\x00\x00\x00", "\xff\xfe", "ä",
	} {
		nodes = append(nodes, Node{Name: name, Weight: 1, Zone: name[:1]})
	}
	r := ring(t, RingConfig{}, nodes...)
	for _, key := range []string{"", "\x00", "a\x00\x00\x00\x00\x00\x00\x00\x00", "\xff"} {
		require.ElementsMatch(t, nodes, slices.Collect(r.LocateN(key)))
	}
	require.Equal(t, "a", r.Locate("a\x07\x00\x00\x00\x00\x00\x00\x00").Name, "a key in the place of a virtual node is its")
}

// TestWithoutBad: who is not there, and who is named twice.
func TestWithoutBad(t *testing.T) {
	r := ring(t, RingConfig{}, named(3)...)
	for says, names := range map[string][]string{
		`no such node: "node-7"`:  {"node-1", "node-7"},
		`no such node: ""`:        {""},
		`"node-1" is named twice`: {"node-1", "node-1"},
	} {
		got, err := r.Without(names...)
		require.ErrorIs(t, err, ErrUnknown)
		require.ErrorContains(t, err, says)
		require.Nil(t, got)
	}
	same, err := r.Without()
	require.NoError(t, err)
	require.Equal(t, r, same)
	none, err := r.Without("node-0", "node-1", "node-2")
	require.NoError(t, err)
	require.Zero(t, none.Len())
	require.Zero(t, none.Locate("key"))
}
