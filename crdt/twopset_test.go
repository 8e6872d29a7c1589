package crdt

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/plinth-go/plinth/internal/seed"
	"github.com/plinth-go/plinth/vclock"
)

func (s *TwoPSet[E]) invariant(t *testing.T) {
	t.Helper()
	n := 0
	for e, p := range s.phases {
		require.Contains(t, []phase{phaseThere, phaseRemoved}, p, "%v", e)
		if s.Has(e) {
			n++
			require.False(t, s.Removed(e))
		}
	}
	require.Equal(t, n, s.Len())
	require.Len(t, slices.Collect(s.All()), n)
}

// TestTwoPSetLaws. Planted and caught: a merge that brings back what was removed, an addition that does, a removal whose
// delta is empty, a count that forgets one.
func TestTwoPSetLaws(t *testing.T) {
	laws[*TwoPSet[string]]{
		zero: func() *TwoPSet[string] { return new(TwoPSet[string]) },
		change: func(t *testing.T, r *rand.Rand, _ vclock.ID, s *TwoPSet[string]) *TwoPSet[string] {
			e := string(rune('p' + r.IntN(5)))
			was, gone := s.Has(e), s.Removed(e)
			if r.IntN(3) == 0 {
				delta := s.Remove(e)
				require.False(t, s.Has(e))
				require.Equal(t, was || gone, s.Removed(e))
				return delta
			}
			delta, err := s.Add(e)
			if gone {
				require.ErrorIs(t, err, ErrRemoved)
				require.Nil(t, delta)
				return new(TwoPSet[string])
			}
			require.NoError(t, err)
			require.True(t, s.Has(e))
			return delta
		},
		invariant: func(t *testing.T, s *TwoPSet[string]) { s.invariant(t) },
	}.check(t)
}

// TestTwoPSetIsTwoSets: beside the two sets of the paper, which only grow.
func TestTwoPSetIsTwoSets(t *testing.T) {
	type paper struct{ added, removed GSet[int] }
	r := seed.New(t)
	for range 30 {
		sets, papers := make([]TwoPSet[int], 3), make([]paper, 3)
		for range 40 {
			i, j, e := r.IntN(3), r.IntN(3), r.IntN(6)
			s, p := &sets[i], &papers[i]
			switch r.IntN(3) {
			case 0:
				if _, err := s.Add(e); err == nil {
					_, _ = p.added.Add(e)
				}
			case 1:
				if p.added.Has(e) {
					_, _ = p.removed.Add(e)
				}
				s.Remove(e)
			case 2:
				s.Merge(&sets[j])
				p.added.Merge(&papers[j].added)
				p.removed.Merge(&papers[j].removed)
			}
			for e := range 6 {
				require.Equal(t, p.added.Has(e) && !p.removed.Has(e), s.Has(e))
				require.Equal(t, p.removed.Has(e), s.Removed(e))
			}
		}
	}
}

// TestTwoPSetNeverAgain: what was removed does not come back, also where it is added by who does not know. That
// is the anomaly of this type: there is no order of messages in which milk is on the list again.
func TestTwoPSetNeverAgain(t *testing.T) {
	var a, b TwoPSet[string]
	milk, err := a.Add("milk")
	require.NoError(t, err)
	b.Merge(milk)
	gone := a.Remove("milk")
	again, err := b.Clone().Add("milk")
	require.NoError(t, err, "b does not know yet")
	require.Zero(t, again.Len(), "and it is nothing new there")
	for _, deltas := range [][]*TwoPSet[string]{{milk, gone, again}, {gone, milk, again}, {again, gone, milk}, {gone, gone, milk}} {
		all := Join(new(TwoPSet[string]), deltas...)
		require.False(t, all.Has("milk"))
		require.True(t, all.Removed("milk"))
	}
	_, err = a.Add("milk")
	require.EqualError(t, err, "crdt: removed for ever: TwoPSet: milk")
	require.False(t, new(TwoPSet[string]).Remove("milk").Removed("milk"), "what nobody has seen can still come")
}

func TestTwoPSetRefuses(t *testing.T) {
	var s TwoPSet[float64]
	_, err := s.Add(math.NaN())
	require.EqualError(t, err, "crdt: TwoPSet: not a number, which is not equal to itself")
	require.Zero(t, s.Remove(math.NaN()).Len())
}

func TestTwoPSetBytes(t *testing.T) {
	var s TwoPSet[string]
	_, _ = s.Add("tea")
	_, _ = s.Add("milk")
	s.Remove("milk")
	formIs(t, &s, new(TwoPSet[string]), "4801"+"03746561"+"01"+"046d696c6b", `["tea"]`)
	formIs(t, new(TwoPSet[string]), new(TwoPSet[string]), "480000", "[]")
	formsRefused(t, &s, map[string]string{
		"":                              "it ends here",
		"4f":                            "version 7 of its form",
		"5000":                          "this is a form of LWWSet",
		"4800":                          "it ends in a number",
		"48000000":                      "1 bytes after the end",
		"4801" + "0161" + "01" + "0161": "a, which is there",
		"4800" + "02" + "0162" + "0161": "a after b",
		"4802" + "0161" + "0161" + "00": "a after a",
		"4801" + "0161" + "017f00":      "127, at most 2",
	})
}

func FuzzTwoPSet(f *testing.F) {
	f.Add([]byte("\x48\x02\x00\x01a\x01\x01b"), []byte("\x48\x01\x01b\x01\x01a"))
	f.Fuzz(func(t *testing.T, a, b []byte) {
		anyForms(t, func() *TwoPSet[string] { return new(TwoPSet[string]) }, a, b)
		anyForms(t, func() *TwoPSet[uint16] { return new(TwoPSet[uint16]) }, a, b)
	})
}
