package ordered

import (
	"fmt"
	"iter"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func upTo(n int) iter.Seq2[int, int] {
	return func(yield func(int, int) bool) {
		for i := range n {
			if !yield(3*i, i) {
				return
			}
		}
	}
}

// TestBulk makes maps of many sizes and changes them.
func TestBulk(t *testing.T) {
	sizes := []int{0, 1, fanout - 1, fanout, fanout + 1, fanout * fanout, fanout*fanout + 1, 300_000}
	for n := range 200 {
		sizes = append(sizes, n)
	}
	for _, n := range sizes {
		for _, most := range []int{6, fanout} {
			m, err := bulk(small(most), upTo(n))
			require.NoError(t, err)
			require.Equal(t, n, m.Len())
			if n <= 5000 {
				invariant(t, m)
			}
			for i := 0; i < n; i += max(1, n/50) {
				_, ok := m.Set(3*i+1, -1)
				require.False(t, ok)
				v, ok := m.Delete(3 * i)
				require.True(t, ok)
				require.Equal(t, i, v)
			}
			require.Equal(t, n, m.Len())
			if n <= 5000 {
				invariant(t, m)
			}
		}
	}
}

// TestBulkFull: leaves of a map that was loaded, or filled in order, are full.
func TestBulkFull(t *testing.T) {
	const n = 100 * fanout
	m, err := Bulk(upTo(n))
	require.NoError(t, err)
	require.Equal(t, 100, leaves(m.root))
	filled := New[int, int]()
	for k, v := range upTo(n) {
		filled.Set(k, v)
	}
	require.Equal(t, 100, leaves(filled.root))
	for i := n; i < 1000*fanout; i++ {
		filled.Set(3*i, i)
	}
	require.Equal(t, 1000, leaves(filled.root))
	require.LessOrEqual(t, filled.root.n, 1000/42+1, "inner nodes are left two thirds full")
}

func leaves(n *node[int, child[int, int]]) (count int) {
	for i := range n.n {
		if in := n.items[i].inner; in != nil {
			count += leaves(in)
		} else {
			count++
		}
	}
	return count
}

// TestBulkRefuses: what is out of order or comes twice, with the place.
func TestBulkRefuses(t *testing.T) {
	_, err := BulkSet(slices.Values([]string{"a", "b", "b"}))
	require.ErrorIs(t, err, ErrOrder)
	require.EqualError(t, err, "ordered: keys out of order: entry 2 (from 0): b is not after b")
	_, err = BulkSet(slices.Values([]int{0, -1}))
	require.ErrorIs(t, err, ErrOrder)
	for _, at := range []int{1, 2, 62, 63, 64, 127} {
		_, err = Bulk(func(yield func(int, int) bool) {
			for i := range 200 {
				if key := i - 5*(1-min(1, max(i-at, at-i))); !yield(key, i) {
					return
				}
			}
		})
		require.ErrorIs(t, err, ErrOrder)
		require.ErrorContains(t, err, fmt.Sprintf("entry %d (from 0)", at))
	}
	_, err = BulkFunc(strings.Compare, of("b", "a"))
	require.ErrorIs(t, err, ErrOrder)
	m, err := BulkFunc(func(a, b string) int { return strings.Compare(b, a) }, of("b", "a"))
	require.NoError(t, err)
	require.Equal(t, 2, m.Len())
}

func of(keys ...string) iter.Seq2[string, int] {
	return func(yield func(string, int) bool) {
		for i, k := range keys {
			if !yield(k, i) {
				return
			}
		}
	}
}
