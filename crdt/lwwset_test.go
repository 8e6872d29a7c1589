package crdt

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/plinth-go/plinth/internal/seed"
	"github.com/plinth-go/plinth/vclock"
)

func (s *LWWSet[E]) invariant(t *testing.T) {
	t.Helper()
	n := 0
	for e, said := range s.said {
		require.NotEmpty(t, said.by)
		at, by := s.Stamp(e)
		require.Equal(t, said.stamped, stamped{at, by})
		latest, is := s.Latest()
		require.True(t, is)
		require.GreaterOrEqual(t, latest.Compare(at), 0)
		if s.Has(e) {
			n++
		}
	}
	require.Equal(t, n, s.Len())
	require.Len(t, slices.Collect(s.All()), n)
}

// TestLWWSetLaws. Planted and caught: a bias that asks the receiver alone, an order without names, a count that forgets
// one, what is older and comes later.
func TestLWWSetLaws(t *testing.T) {
	for _, bias := range []Bias{AddBias, RemoveBias} {
		t.Run(bias.String(), func(t *testing.T) {
			laws[*LWWSet[string]]{
				zero: func() *LWWSet[string] { return NewLWWSet[string](bias) },
				change: func(t *testing.T, r *rand.Rand, id vclock.ID, s *LWWSet[string]) *LWWSet[string] {
					e, at := string(rune('p'+r.IntN(3))), nearby(r)
					last, by := s.Stamp(e)
					later, f := by == "" || at.Compare(last) > 0, s.Add
					if r.IntN(2) == 0 {
						f = s.Remove
					}
					delta, err := f(at, id, e)
					require.NoError(t, err)
					if later {
						require.Equal(t, delta.Has(e), s.Has(e))
						require.Len(t, delta.said, 1)
					}
					return delta
				},
				invariant: func(t *testing.T, s *LWWSet[string]) { s.invariant(t) },
			}.check(t)
		})
	}
}

// TestLWWSetIsTheLast: beside a list of all that was done, which comes in any order.
func TestLWWSetIsTheLast(t *testing.T) {
	type done struct {
		at     vclock.Timestamp
		remove bool
	}
	r := seed.New(t)
	for range 300 {
		bias := Bias(r.IntN(2))
		var all []done
		var deltas []*LWWSet[int]
		for range 1 + r.IntN(6) {
			d := done{nearby(r), r.IntN(2) == 0}
			one := NewLWWSet[int](bias)
			f := one.Add
			if d.remove {
				f = one.Remove
			}
			delta, err := f(d.at, vclock.ID(rune('a'+r.IntN(3))), 7)
			require.NoError(t, err)
			all, deltas = append(all, d), append(deltas, delta)
		}
		r.Shuffle(len(deltas), func(i, j int) { deltas[i], deltas[j] = deltas[j], deltas[i] })
		joined := Join(NewLWWSet[int](bias), deltas...)
		latest := slices.MaxFunc(all, func(a, b done) int { return a.at.Compare(b.at) }).at
		adds, removes := slices.Contains(all, done{latest, false}), slices.Contains(all, done{latest, true})
		require.Equal(t, adds && (bias == AddBias || !removes), joined.Has(7), "%v: %v", bias, all)
		got, _ := joined.Latest()
		require.Equal(t, latest, got)
	}
}

// TestTheBias: an addition and a removal at the same time, by whoever.
func TestTheBias(t *testing.T) {
	for _, names := range [][2]vclock.ID{{"a", "b"}, {"b", "a"}, {"a", "a"}} {
		for _, bias := range []Bias{AddBias, RemoveBias} {
			s, other := NewLWWSet[string](bias), NewLWWSet[string](bias)
			milk, _ := s.Add(nanos(1), names[0], "milk")
			gone, _ := other.Remove(nanos(1), names[1], "milk")
			require.Equal(t, bias, milk.Bias())
			s.Merge(gone)
			other.Merge(milk)
			require.Equal(t, vclock.Equal, s.Compare(other))
			require.Equal(t, bias == AddBias, s.Has("milk"), "%v: %v", bias, names)
		}
	}
	require.Equal(t, "Bias(9)", Bias(9).String())
}

// TestARemovalOfWhatWasNotSeen: unlike that of an ORSet, it works, and stays.
func TestARemovalOfWhatWasNotSeen(t *testing.T) {
	var a, b LWWSet[string]
	milk, _ := a.Add(nanos(1), "a", "milk")
	gone, _ := b.Remove(nanos(2), "b", "milk")
	require.False(t, b.Merge(milk))
	require.True(t, a.Merge(gone))
	require.False(t, a.Has("milk"))
	lost, _ := a.Add(nanos(1), "z", "milk")
	_, is := lost.Latest()
	require.False(t, is, "it is lost at once")
}

// TestAClockThatIsAheadAddsForADay: what is added with a clock that is a day ahead cannot be removed for a day, by
// nobody, also not by who sees it. With Latest, a hybrid clock refuses it.
func TestAClockThatIsAheadAddsForADay(t *testing.T) {
	noon := time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)
	wall := func(after time.Duration) vclock.Timestamp { return vclock.Timestamp{Wall: noon.Add(after).UnixNano()} }
	const day = 24 * time.Hour
	var a, b LWWSet[string]
	wrong, _ := a.Add(wall(day), "a", "milk")
	b.Merge(wrong)
	for _, after := range []time.Duration{time.Second, day - 1} {
		_, err := b.Remove(wall(after), "b", "milk")
		require.NoError(t, err)
		require.True(t, b.Has("milk"), "%v later", after)
	}
	_, by := b.Stamp("milk")
	require.Equal(t, vclock.ID("a"), by, "whose clock it was")
	_, _ = b.Remove(wall(day+1), "b", "milk")
	require.False(t, b.Has("milk"))

	clock, err := vclock.NewHLC(vclock.HLCConfig{Now: func() time.Time { return noon }})
	require.NoError(t, err)
	latest, is := wrong.Latest()
	require.True(t, is)
	_, err = clock.Update(latest)
	require.ErrorIs(t, err, vclock.ErrDrift, "so it is not merged")
}

func TestLWWSetRefuses(t *testing.T) {
	var s LWWSet[float64]
	_, err := s.Add(nanos(1), "a", math.NaN())
	require.EqualError(t, err, "crdt: LWWSet: not a number, which is not equal to itself")
	_, err = s.Remove(nanos(1), "a", math.NaN())
	require.Error(t, err)
	_, err = s.Add(nanos(1), "", 1)
	require.ErrorIs(t, err, vclock.ErrID)
	_, err = s.Remove(nanos(1), "", 1)
	require.ErrorIs(t, err, vclock.ErrID)
	require.Empty(t, s.said)
	require.PanicsWithValue(t, "crdt: NewLWWSet: Bias(2)", func() { NewLWWSet[int](2) })
	require.PanicsWithValue(t, "crdt: LWWSet: AddBias and RemoveBias", func() { s.Merge(NewLWWSet[float64](RemoveBias)) })
	require.PanicsWithValue(t, "crdt: LWWSet: AddBias and RemoveBias", func() { s.Compare(NewLWWSet[float64](RemoveBias)) })
}

func TestLWWSetBytes(t *testing.T) {
	var s LWWSet[string]
	_, _ = s.Add(nanos(3), "b", "tea")
	_, _ = s.Remove(nanos(2), "a", "milk")
	formIs(t, &s, new(LWWSet[string]), "500002"+"01610162"+"02"+"046d696c6b040001"+"03746561060002", `["tea"]`)
	formIs(t, NewLWWSet[string](RemoveBias), NewLWWSet[string](RemoveBias), "50010000", "[]")
	formsRefused(t, &s, map[string]string{
		"":                                      "it ends here",
		"57":                                    "version 7 of its form",
		"4000":                                  "this is a form of GSet",
		"50010000":                              "RemoveBias: this one has AddBias",
		"50ff0000":                              "Bias(255): this one has AddBias",
		"5000000000":                            "1 bytes after the end",
		"5000" + "010161" + "00":                "a has said nothing",
		"5000" + "010161" + "01" + "0170000002": "name 1 of 1",
		"5000" + "00" + "01" + "0170000000":     "name 0 of 0",
		"5000" + "0201610161" + "01" + "0170000000":            "names out of order",
		"5000" + "010161" + "02" + "0170000000" + "0170000000": "p after p",
		"5000" + "010161" + "01" + "01700000":                  "it ends in a number",
	})
}

func FuzzLWWSet(f *testing.F) {
	f.Add([]byte("\x50\x00\x02\x01a\x01b\x02\x04milk\x04\x00\x01\x03tea\x06\x00\x02"), []byte("\x50\x00\x01\x01c\x01\x04milk\x04\x00\x00"))
	f.Add([]byte("\x50\x00\x01\x01a\x01\x07\x01\x00\x00"), []byte("\x50\x01\x00\x00"))
	f.Fuzz(func(t *testing.T, a, b []byte) {
		for _, bias := range []Bias{AddBias, RemoveBias} {
			anyForms(t, func() *LWWSet[string] { return NewLWWSet[string](bias) }, a, b)
			anyForms(t, func() *LWWSet[int32] { return NewLWWSet[int32](bias) }, a, b)
		}
	})
}

func BenchmarkMergeLWWSet(b *testing.B) {
	for _, n := range []int{100, 10_000} {
		var s, same, one LWWSet[string]
		for i := range n {
			_, _ = s.Add(nanos(int64(i)), "a", fmt.Sprintf("element %d", i))
		}
		same.Merge(&s)
		_, _ = one.Add(nanos(7), "a", "element 7")
		for _, c := range []struct {
			name  string
			other *LWWSet[string]
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
