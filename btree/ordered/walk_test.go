package ordered

import (
	"cmp"
	"fmt"
	"iter"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/plinth-go/plinth/internal/seed"
)

// numbered returns a map of n even keys, with small nodes.
func numbered(most, n int) *Map[int, int] {
	m := small(most)
	for i := range n {
		m.Set(2*i, i)
	}
	return m
}

// TestWalksOverChanges: a loop that changes the map meets, once and in order, each entry
// that is there all the time, with the value that it has then. Planted and caught: a walk
// that does not look whether the map has changed, one that goes on at the entry it was at,
// changes that copying a node does not count as one.
func TestWalksOverChanges(t *testing.T) {
	const n, lo, hi = 500, 101, 899
	walks := []struct {
		name     string
		walk     func(m *Map[int, int]) iter.Seq2[int, int]
		from, to int // the even keys that are met
	}{
		{"All", (*Map[int, int]).All, 0, 2 * n},
		{"From", func(m *Map[int, int]) iter.Seq2[int, int] { return m.From(lo) }, lo + 1, 2 * n},
		{"Scan", func(m *Map[int, int]) iter.Seq2[int, int] { return m.Scan(lo, hi) }, lo + 1, hi},
		{"Backward", (*Map[int, int]).Backward, 0, 2 * n},
		{"Before", func(m *Map[int, int]) iter.Seq2[int, int] { return m.Before(hi) }, 0, hi},
	}
	for _, w := range walks {
		name, walk := w.name, w.walk
		for _, most := range []int{6, fanout} {
			t.Run(fmt.Sprintf("%s/most=%d", name, most), func(t *testing.T) {
				rng := seed.New(t)
				for range 20 {
					m := numbered(most, n)
					stays := make([]int, 2*n) // what an even key that nobody deletes has now
					for i := range n {
						stays[2*i] = i
					}
					met := map[int]bool{}
					last := -1
					for k, v := range walk(m) {
						require.False(t, met[k])
						require.True(t, last < 0 || k > last == (name[0] != 'B'))
						met[k], last = true, k
						if k%2 == 0 {
							require.Equal(t, stays[k], v)
						}
						now, ok := m.Get(k)
						require.True(t, ok)
						require.Equal(t, now, v)
						switch rng.IntN(6) {
						case 0: // odd ones come and go
							for range 10 {
								m.Set(2*rng.IntN(n)+1, -1)
							}
						case 1:
							for range 10 {
								m.Delete(2*rng.IntN(n) + 1)
							}
						case 2:
							m.Clone()
						case 3:
							k := 2 * rng.IntN(n)
							stays[k] += 1000
							m.Set(k, stays[k])
						}
					}
					for k := w.from; k < w.to; k += 2 {
						require.True(t, met[k], "%d", k)
					}
					for k := range met {
						require.True(t, k >= w.from-1 && k < w.to)
					}
					invariant(t, m)
				}
			})
		}
	}
}

// TestDeleteInLoop: what people want it for.
func TestDeleteInLoop(t *testing.T) {
	for _, most := range []int{6, fanout} {
		m := numbered(most, 1000)
		for k := range m.All() {
			if k%3 > 0 {
				m.Delete(k)
			}
		}
		require.Equal(t, 334, m.Len())
		for k := range m.Backward() {
			m.Delete(k)
			invariant(t, m)
		}
		require.Zero(t, m.Len())
		for range m.All() {
			t.Fatal("an entry")
		}
		m.Set(1, 1)
		invariant(t, m)
	}
}

// TestEmpty: nothing is found in a map without entries, be it new or not any more.
func TestEmpty(t *testing.T) {
	emptied := numbered(fanout, 100)
	for k := range emptied.All() {
		emptied.Delete(k)
	}
	for _, m := range []*Map[int, int]{New[int, int](), emptied, New[int, int]().Clone()} {
		_, ok := m.Get(1)
		require.False(t, ok)
		_, ok = m.Delete(1)
		require.False(t, ok)
		_, _, ok = m.Min()
		require.False(t, ok)
		_, _, ok = m.Max()
		require.False(t, ok)
		_, _, ok = m.At(0)
		require.False(t, ok)
		rank, ok := m.Rank(1)
		require.Zero(t, rank)
		require.False(t, ok)
		for _, walk := range []iter.Seq2[int, int]{m.All(), m.Backward(), m.From(1), m.Before(1), m.Scan(1, 9)} {
			require.Empty(t, pairs(walk))
		}
	}
}

// TestBreak: whoever leaves the loop is not called again.
func TestBreak(t *testing.T) {
	m := numbered(6, 100)
	for _, walk := range []iter.Seq2[int, int]{m.All(), m.Backward(), m.From(50), m.Before(150), m.Scan(50, 150)} {
		n := 0
		for range walk {
			if n++; n == 20 {
				break
			}
		}
		require.Equal(t, 20, n)
	}
}

// TestNoAllocation: Get and walks take nothing from the heap.
func TestNoAllocation(t *testing.T) {
	m := New[int, int]()
	s := New[string, int]()
	for i := range 10_000 {
		m.Set(i*7919%10_007, i)
		s.Set(fmt.Sprint(i), i)
	}
	sum := 0
	for name, f := range map[string]func(){
		"Get":        func() { v, _ := m.Get(5000); sum += v },
		"Get string": func() { v, _ := s.Get("4711"); sum += v },
		"Set":        func() { v, _ := m.Set(5000, 1); sum += v },
		"At":         func() { k, _, _ := m.At(77); sum += k },
		"Rank":       func() { r, _ := m.Rank(77); sum += r },
		"Max":        func() { k, _, _ := m.Max(); sum += k },
		"Before": func() {
			for k := range m.Before(500) {
				sum += k
			}
		},
		"All": func() {
			for k := range m.All() {
				sum += k
			}
		},
		"Backward": func() {
			for k := range m.Backward() {
				sum += k
			}
		},
		"Scan": func() {
			for k := range m.Scan(50, 900) {
				sum += k
			}
		},
		"From": func() {
			for k := range m.From(50) {
				sum += k
			}
		},
	} {
		require.Zero(t, testing.AllocsPerRun(100, f), name)
	}
	require.NotZero(t, sum)
}

// TestScanStops: a walk over a short range compares a few keys, and does not look at those
// behind it. Planted and caught: a Scan that goes on to the end without yielding.
func TestScanStops(t *testing.T) {
	compared := 0
	m := NewFunc[int, int](func(a, b int) int { compared++; return cmp.Compare(a, b) })
	for i := range 100_000 {
		m.Set(i, i)
	}
	compared = 0
	require.Len(t, pairs(m.Scan(100, 110)), 10)
	require.Less(t, compared, 60)
	compared = 0
	m.Get(5000)
	require.Less(t, compared, 30)
}
