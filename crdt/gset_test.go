package crdt

import (
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/plinth-go/plinth/internal/seed"
	"github.com/plinth-go/plinth/vclock"
)

// TestGSetLaws. Planted and caught: a Merge that reports its last element alone, a Compare that counts, a copy that shares.
func TestGSetLaws(t *testing.T) {
	laws[*GSet[int]]{
		zero: func() *GSet[int] { return new(GSet[int]) },
		change: func(t *testing.T, r *rand.Rand, _ vclock.ID, s *GSet[int]) *GSet[int] {
			e := r.IntN(9) - 4
			was, n := s.Has(e), s.Len()
			delta, err := s.Add(e)
			require.NoError(t, err)
			require.True(t, s.Has(e))
			if was {
				require.Equal(t, []int{n, 0}, []int{s.Len(), delta.Len()})
			} else {
				require.Equal(t, []int{n + 1, 1}, []int{s.Len(), delta.Len()})
			}
			return delta
		},
		invariant: func(t *testing.T, s *GSet[int]) {
			require.True(t, slices.IsSorted(slices.Collect(s.All())))
			require.Len(t, slices.Collect(s.All()), s.Len())
		},
	}.check(t)
}

// TestGSetIsTheUnion: beside a map.
func TestGSetIsTheUnion(t *testing.T) {
	r := seed.New(t)
	all, naive := new(GSet[string]), map[string]bool{}
	for range 50 {
		var s GSet[string]
		for range r.IntN(5) {
			e := fmt.Sprint(r.IntN(100))
			_, err := s.Add(e)
			require.NoError(t, err)
			naive[e] = true
		}
		all.Merge(&s)
		require.Equal(t, slices.Sorted(maps.Keys(naive)), slices.Collect(all.All()))
	}
}

func TestGSetRefuses(t *testing.T) {
	var s GSet[float64]
	_, err := s.Add(1.5)
	require.NoError(t, err)
	delta, err := s.Add(math.NaN())
	require.EqualError(t, err, "crdt: GSet: not a number, which is not equal to itself")
	require.Nil(t, delta)
	require.Equal(t, "[1.5]", s.String())
}

func TestGSetBytes(t *testing.T) {
	var s GSet[string]
	_, _ = s.Add("tea")
	_, _ = s.Add("milk")
	formIs(t, &s, new(GSet[string]), "4002"+"046d696c6b"+"03746561", `["milk","tea"]`)
	formIs(t, new(GSet[string]), new(GSet[string]), "4000", "[]")
	formsRefused(t, &s, map[string]string{
		"":                       "it ends here",
		"41":                     "version 1 of its form",
		"4800":                   "this is a form of TwoPSet",
		"40":                     "it ends in a number",
		"400103746561" + "00":    "1 bytes after the end",
		"4003" + "03746561":      "it ends in a number",
		"4002" + "0161" + "0161": "a after a",
		"4002" + "0162" + "0161": "a after b",
		"4008" + "0161":          "8, at most 3",
	})
}

func FuzzGSet(f *testing.F) {
	f.Add([]byte("\x40\x02\x00\x01a"), []byte("\x40\x01\x01b"))
	f.Add([]byte("\x40\x02\x01\x02"), []byte("\x40\x01\xff\x01"))
	f.Fuzz(func(t *testing.T, a, b []byte) {
		anyForms(t, func() *GSet[string] { return new(GSet[string]) }, a, b)
		anyForms(t, func() *GSet[int8] { return new(GSet[int8]) }, a, b)
	})
}

func BenchmarkMergeGSet(b *testing.B) {
	for _, n := range []int{100, 10_000} {
		var s, same, one GSet[string]
		for i := range n {
			_, _ = s.Add(fmt.Sprintf("element %d", i))
		}
		same.Merge(&s)
		_, _ = one.Add("element 7")
		for _, c := range []struct {
			name  string
			other *GSet[string]
		}{{"all-known", &same}, {"delta", &one}} {
			b.Run(fmt.Sprintf("impl=plinth/case=%s/n=%d", c.name, n), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					s.Merge(c.other)
				}
			})
		}
	}
}
