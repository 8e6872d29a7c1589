package hashring

import (
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// changing is what has nodes that come and go.
type changing[L any] interface {
	Locator
	With(nodes ...Node) (L, error)
	Without(names ...string) (L, error)
}

// TestChanges: what With and Without return is another value. The old one, its readers, and
// whoever made it do not notice.
//
// Planted and caught: nodes that are the caller's slice; With that appends to the old nodes;
// Without that deletes from them; an Anchor that shares an array; orders of Shards that do;
// names that are not looked up; With of no nodes that is nil.
func TestChanges(t *testing.T) {
	nodes := slices.Grow(named(40), 10) // with room behind, for who would append
	t.Run("modulo", func(t *testing.T) { checkChanges(t, nodes, modulo(t, nodes...)) })
	t.Run("shards", func(t *testing.T) { checkChanges(t, nodes, shards(t, nodes...)) })
	t.Run("ring", func(t *testing.T) { checkChanges(t, nodes, ring(t, RingConfig{}, nodes...)) })
	t.Run("ketama", func(t *testing.T) { checkChanges(t, nodes, ketama(t, nodes...)) })
	t.Run("rendezvous", func(t *testing.T) { checkChanges(t, nodes, rendezvous(t, nodes...)) })
	t.Run("weighted", func(t *testing.T) { checkChanges(t, nodes, weighted(t, nodes...)) })
	t.Run("skeleton", func(t *testing.T) { checkChanges(t, nodes, skeleton(t, 2, nodes...)) })
	t.Run("maglev", func(t *testing.T) { checkChanges(t, nodes, maglev(t, 4099, nodes...)) })
	t.Run("multiprobe", func(t *testing.T) { checkChanges(t, nodes, multiprobe(t, 5, nodes...)) })
	t.Run("anchor", func(t *testing.T) { checkChanges(t, nodes, anchor(t, 64, nodes...)) })
}

func checkChanges[L changing[L]](t *testing.T, nodes []Node, old L) {
	was, listed := fingerprint(old), slices.Collect(old.Nodes())
	stop := read(t, old)
	change := func(l L, err error) L {
		t.Helper()
		require.NoError(t, err)
		return l
	}
	more := slices.Grow([]Node{{Name: "x", Weight: 1, Zone: "z"}, {Name: "a", Weight: 1}}, 10)
	two := change(old.With(more...))
	is := fingerprint(two)
	require.Equal(t, len(listed)+2, two.Len())
	other := change(old.With(Node{Name: "y", Weight: 1})) // from the same old one
	change(other.Without("node-7", "y"))
	change(two.Without("node-0", "node-9", "x"))
	change(two.With(Node{Name: "b", Weight: 1}))
	again := slices.Clone(nodes)
	clear(nodes)
	clear(more)
	require.Equal(t, is, fingerprint(two), "whose nodes the caller has cleared")
	copy(nodes, again)
	require.Equal(t, was, fingerprint(change(two.Without("a", "x"))), "undone")
	require.Equal(t, was, fingerprint(change(old.With())))
	require.Equal(t, was, fingerprint(change(old.Without())))
	checkBadChanges(t, old)
	none := old
	for n := range old.Nodes() { // one by one
		none = change(none.Without(n.Name))
	}
	require.Zero(t, none.Len())
	require.Zero(t, none.Locate("key"))
	require.Equal(t, again[3], change(none.With(again[3])).Locate("key"))
	stop()
	require.Equal(t, was, fingerprint(old))
	require.Equal(t, listed, slices.Collect(old.Nodes()))
}

// checkBadChanges: an error, and no value besides.
func checkBadChanges[L changing[L]](t *testing.T, old L) {
	for _, nodes := range [][]Node{{{Name: "node-3", Weight: 1}}, {{Name: "x", Weight: 1}, {Name: "x", Weight: 1}}} {
		none, err := old.With(nodes...)
		require.ErrorIs(t, err, ErrDuplicate)
		require.Nil(t, none)
	}
	none, err := old.With(Node{Name: "x"})
	require.ErrorIs(t, err, ErrNode)
	require.Nil(t, none)
	for _, names := range [][]string{{"nobody"}, {""}, {"node-3", "nobody"}, {"node-3", "node-3"}} {
		none, err := old.Without(names...)
		require.ErrorIs(t, err, ErrUnknown)
		require.ErrorContains(t, err, fmt.Sprintf("%q", names[len(names)-1]))
		require.Nil(t, none)
	}
}

// read has two goroutines use a Locator until stop is called.
func read(t *testing.T, l Locator) (stop func()) {
	done := make(chan struct{})
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-done:
					return
				default:
				}
				l.Locate(fmt.Sprint(i))
				if s, ok := l.(Sequencer); ok {
					for range s.LocateN(fmt.Sprint(i)) {
						break
					}
				}
				if len(slices.Collect(l.Nodes())) != l.Len() {
					t.Error("nodes have changed")
				}
			}
		})
	}
	return func() {
		close(done)
		wg.Wait()
	}
}
