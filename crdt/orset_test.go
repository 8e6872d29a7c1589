package crdt

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/plinth-go/plinth/internal/seed"
	"github.com/plinth-go/plinth/vclock"
)

func (s *ORSet[E]) invariant(t *testing.T) {
	t.Helper()
	s.store.invariant(t)
	s.dots(func(d vclock.Dot) { require.True(t, s.peek().Contains(d)) })
}

// TestORSetLaws. Planted and caught: a join that keeps what the other one has removed, or drops what is new; an
// addition that keeps the dots from before, here or in its delta; a removal whose delta has no context.
func TestORSetLaws(t *testing.T) {
	laws[*ORSet[string]]{
		zero: func() *ORSet[string] { return new(ORSet[string]) },
		change: func(t *testing.T, r *rand.Rand, id vclock.ID, s *ORSet[string]) *ORSet[string] {
			switch e := string(rune('p' + r.IntN(4))); r.IntN(8) {
			case 0:
				delta := s.Clear()
				require.Zero(t, s.Len())
				return delta
			case 1, 2, 3:
				delta := s.Remove(e)
				require.False(t, s.Has(e))
				return delta
			default:
				delta, err := s.Add(id, e)
				require.NoError(t, err)
				require.True(t, s.Has(e))
				return delta
			}
		},
		invariant: func(t *testing.T, s *ORSet[string]) { s.invariant(t) },
	}.check(t)
}

// TestORSetLawsOfMany has so many elements that they are hashed, and that what a delta removes is found by its dots. Planted and
// caught: an addition that comes twice and removes its element, a slot that is freed and ends the search for others.
func TestORSetLawsOfMany(t *testing.T) {
	l := laws[*ORSet[int8]]{
		zero: func() *ORSet[int8] { return new(ORSet[int8]) },
		change: func(t *testing.T, r *rand.Rand, id vclock.ID, s *ORSet[int8]) *ORSet[int8] {
			delta, n := new(ORSet[int8]), 1
			switch r.IntN(3) {
			case 0:
				return s.Remove(int8(r.IntN(20)))
			case 1:
				n = 10
			}
			for range n {
				one, err := s.Add(id, int8(r.IntN(20)))
				require.NoError(t, err)
				delta.Merge(one)
			}
			return delta
		},
		invariant: func(t *testing.T, s *ORSet[int8]) { s.invariant(t) },
	}
	r := seed.New(t)
	for range 3 {
		l.pairs(t, l.run(t, r, 3, 12))
	}
	for range 30 {
		l.run(t, r, 3, 20)
	}
}

// TestORSetOneDot: what has seen one dot is merged by the short way, which has the same effect as the general one; also
// if it says of a dot what it cannot say, that it is of another element. Planted and caught: a way out for each element that is
// there, one that takes all dots where one is gone, that adds what is seen, or that reports what it has not done.
func TestORSetOneDot(t *testing.T) {
	r := seed.New(t)
	for _, most := range []int{4, 40} {
		var states [3]ORSet[int]
		for n := range 6 * most {
			i := r.IntN(3)
			switch s := &states[i]; r.IntN(4) {
			case 0:
				s.Remove(r.IntN(most))
			case 1:
				s.Merge(&states[r.IntN(3)])
			default:
				_, err := s.Add(vclock.ID("abc"[i:i+1]), r.IntN(most))
				require.NoError(t, err)
			}
			one := &ORSet[int]{only: vclock.Dot{ID: vclock.ID("abc"[r.IntN(3):][:1]), N: 1 + r.Uint64N(uint64(n/2+1))}}
			if r.IntN(2) == 0 {
				one.store.add(r.IntN(most), dots{first: one.only})
			}
			for i := range states {
				short, general, full := states[i].Clone(), states[i].Clone(), one.Clone()
				full.seen()
				grew := general.Merge(full)
				require.Equal(t, grew, short.Merge(one), "%v and %v of %v", &states[i], one, one.only)
				require.Equal(t, bytesOf(t, general), bytesOf(t, short))
				require.Nil(t, one.context)
				short.invariant(t)
			}
		}
	}
}

// TestORSetRemovesAnyOf merges a set of up to nine, in a list or hashed, with one that has seen it, has removed some of it, all
// choices of them, and may have added something. Planted and caught: a join that looks at its own elements from the front, where what goes
// is replaced by the last.
func TestORSetRemovesAnyOf(t *testing.T) {
	for n := range 10 {
		for gone := range 1 << n {
			for _, more := range []bool{false, true} {
				mine := new(ORSet[int])
				for e := range n {
					_, err := mine.Add("a", e)
					require.NoError(t, err)
				}
				other := mine.Clone()
				for e := range n {
					if gone>>e&1 == 1 {
						other.Remove(e)
					}
				}
				if more {
					_, err := other.Add("b", 100)
					require.NoError(t, err)
				}
				require.Equal(t, gone > 0 || more, mine.Merge(other))
				mine.invariant(t)
				require.Equal(t, other.Len(), mine.Len())
				for e := range n {
					require.Equal(t, gone>>e&1 == 0, mine.Has(e), "%d of %d, %b gone", e, n, gone)
				}
				require.Equal(t, vclock.Equal, mine.Compare(other))
			}
		}
	}
}

// TestORSetBothGone merges sets that cannot be, of which each knows that the dot of the other was removed, as bytes can say:
// what they have in common goes, before what only one has is looked at. Planted and caught: a join that takes no
// notice of how many are left.
func TestORSetBothGone(t *testing.T) {
	// Each of two replicas has its own dots of three elements, and has seen those of the other.
	made := func(id vclock.ID) *ORSet[int] {
		s := new(ORSet[int])
		for e := range 3 {
			_, err := s.Add(id, e)
			require.NoError(t, err)
		}
		seen := s.Context()
		for n := range uint64(3) {
			for _, other := range []vclock.ID{"a", "b"} {
				_, err := seen.Add(vclock.Dot{ID: other, N: n + 1})
				require.NoError(t, err)
			}
		}
		s.within(&seen)
		return s
	}
	a := made("a")
	for e := range 3 {
		_, err := a.Add("a", 10+e)
		require.NoError(t, err)
	}
	require.True(t, a.Merge(made("b")))
	require.Equal(t, 3, a.Len())
	require.True(t, a.Has(10) && a.Has(11) && a.Has(12))
	a.invariant(t)
}

// TestORSetForms: a delta that was sent has the same form as one that was made here.
func TestORSetForms(t *testing.T) {
	var s ORSet[string]
	for i, change := range []func() *ORSet[string]{
		func() *ORSet[string] { return s.Clone() },
		func() *ORSet[string] { d, _ := s.Add("a", "x"); return d },
		func() *ORSet[string] { return s.Remove("x") },
		func() *ORSet[string] { d, _ := s.Add("a", "x"); return d },
		func() *ORSet[string] { d, _ := s.Add("b", "x"); return d },
	} {
		delta := change()
		var read ORSet[string]
		require.NoError(t, read.UnmarshalBinary([]byte(bytesOf(t, delta))))
		require.Equal(t, bytesOf(t, delta), bytesOf(t, &read))
		require.Equal(t, delta.only, read.only, i)
		require.Equal(t, delta.Context().String(), read.Context().String())
		require.Equal(t, i == 1 || i == 2 || i == 3, delta.context == nil && delta.only.N > 0, i)
	}
}

// TestORSetReaders: whatever only reads may be done by many at once, also to what is merged into others.
func TestORSetReaders(t *testing.T) {
	s := new(ORSet[int])
	for i := range 20 {
		_, err := s.Add("a", i)
		require.NoError(t, err)
	}
	want := bytesOf(t, s)
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			var mine ORSet[int]
			mine.Merge(s)
			b, _ := s.AppendBinary(nil)
			_, _ = s.MarshalJSON()
			_ = s.String()
			if string(b) != want || mine.Compare(s) != vclock.Equal || s.Clone().Len() != s.Len() || !s.Has(3) {
				t.Error("they differ")
			}
		})
	}
	all.Wait()
	require.False(t, s.Merge(s))
	require.Equal(t, want, bytesOf(t, s))
}

// TestORSetAll: the elements are those of when a loop begins, and it may change the set.
func TestORSetAll(t *testing.T) {
	var s ORSet[string]
	all := s.All()
	for _, e := range []string{"b", "a", "c"} {
		_, err := s.Add("x", e)
		require.NoError(t, err)
	}
	seen := ""
	for e := range all {
		s.Clear()
		seen += e
		if e == "b" {
			break
		}
	}
	require.Equal(t, "ab", seen)
	require.Zero(t, s.Len())
}

// TestORSetMergeOfItself: each kind of set, also those that have seen one dot and no context yet.
func TestORSetMergeOfItself(t *testing.T) {
	var s ORSet[string]
	added, err := s.Add("a", "x")
	require.NoError(t, err)
	removed := s.Remove("x")
	for range 20 {
		_, err := s.Add("b", fmt.Sprint("e", s.Len()))
		require.NoError(t, err)
	}
	for _, v := range []*ORSet[string]{new(ORSet[string]), added, removed, &s, s.Clear()} {
		before := bytesOf(t, v)
		require.False(t, v.Merge(v))
		require.Equal(t, before, bytesOf(t, v))
		v.invariant(t)
	}
}
