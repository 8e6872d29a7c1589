package hashring

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestModulo(t *testing.T) {
	laws{
		make:   func(nodes ...Node) (Locator, error) { return NewModulo(nodes...) },
		golden: 0x43fa345a6684021d,
		moves:  true, // see TestModuloMoves
	}.check(t)
}

func modulo(t testing.TB, nodes ...Node) *Modulo {
	t.Helper()
	m, err := NewModulo(nodes...)
	require.NoError(t, err)
	return m
}

// TestModuloMoves: of n(n+1) hashes in a row exactly n*n move, whether the name of the new node
// is the first, the last or in the middle.
//
// Planted and caught: the mod of all but the last node; of a hash cut to 32 bits.
func TestModuloMoves(t *testing.T) {
	for _, n := range []int{1, 2, 3, 10, 100} {
		nodes := make([]Node, n)
		for i := range nodes {
			nodes[i] = Node{Name: fmt.Sprintf("node-%03d", i), Weight: 1}
		}
		before := modulo(t, nodes...)
		for _, name := range []string{"a", "node-000a", fmt.Sprintf("node-%03d-", n/2), "z"} {
			after, err := before.With(Node{Name: name, Weight: 1})
			require.NoError(t, err)
			moved, toNew := 0, 0
			period := uint64(n) * uint64(n+1)
			begin := (1<<32/period + 1) * period // above 32 bits
			for i := range period {
				from, to := before.LocateHash(begin+i), after.LocateHash(begin+i)
				require.Equal(t, nodes[i%uint64(n)], from)
				if from != to {
					moved++
				}
				if to.Name == name {
					toNew++
				}
			}
			require.Equal(t, n*n, moved, "n/(n+1) of n(n+1)")
			require.Equal(t, n, toNew, "as many as had to")
			back, err := after.Without(name)
			require.NoError(t, err)
			require.Equal(t, before, back)
		}
		_, err := before.Without("z")
		require.ErrorIs(t, err, ErrUnknown)
	}
}
