package crdt

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/plinth-go/plinth/internal/seed"
	"github.com/plinth-go/plinth/vclock"
)

// fuzzCausal reads two states from whatever comes. What is accepted is canonical, and the laws hold for it together with
// a state that replicas have reached: whoever sends it, all who merge it agree.
func fuzzCausal[T state[T]](
	f *testing.F, zero func() T, change func(*testing.T, *rand.Rand, vclock.ID, T) T, check func(*testing.T, T),
) {
	f.Helper()
	reached := func(t *testing.T, r *rand.Rand, steps int) T {
		s, other := zero(), zero()
		for range steps {
			change(t, r, "a", s)
			change(t, r, "b", other)
		}
		s.Merge(other)
		return s
	}
	for n := range 4 {
		one := bytesOf(f, reached(new(testing.T), rand.New(rand.NewPCG(1, uint64(n))), n))
		other := bytesOf(f, reached(new(testing.T), rand.New(rand.NewPCG(2, uint64(n))), 3))
		f.Add([]byte(one), []byte(other))
	}
	f.Fuzz(func(t *testing.T, one, other []byte) {
		a, b, c := zero(), zero(), reached(t, seed.Of(one), 3)
		for _, read := range []struct {
			s    T
			from []byte
		}{{a, one}, {b, other}} {
			if read.s.UnmarshalBinary(read.from) != nil {
				require.Equal(t, bytesOf(t, zero()), bytesOf(t, read.s))
				continue
			}
			require.Equal(t, string(read.from), bytesOf(t, read.s))
			check(t, read.s)
		}
		laws[T]{}.pairs(t, []T{a, b, c})
		want := bytesOf(t, Join(a, b, c))
		require.Equal(t, want, bytesOf(t, Join(a, Join(b, c))))
		require.Equal(t, want, bytesOf(t, Join(c, a, b)))
		check(t, Join(b, a, c))
		_ = a.String()
	})
}

func FuzzMVRegister(f *testing.F) {
	fuzzCausal(f, newRegister, func(_ *testing.T, r *rand.Rand, id vclock.ID, s *MVRegister[string]) *MVRegister[string] {
		delta, _ := s.Set(id, string(rune('p'+r.IntN(3))))
		return delta
	}, inContext)
}

func FuzzEWFlag(f *testing.F) {
	fuzzCausal(f, func() *EWFlag { return new(EWFlag) }, func(_ *testing.T, r *rand.Rand, id vclock.ID, s *EWFlag) *EWFlag {
		delta, _ := s.Enable(id)
		return delta
	}, inContext)
}

func FuzzDWFlag(f *testing.F) {
	fuzzCausal(f, func() *DWFlag { return new(DWFlag) }, func(_ *testing.T, r *rand.Rand, id vclock.ID, s *DWFlag) *DWFlag {
		delta, _ := s.vote(id, r.IntN(2) == 0)
		return delta
	}, inContext)
}

func FuzzCausalCounter(f *testing.F) {
	type counter = *CausalCounter
	fuzzCausal(f, func() counter { return new(CausalCounter) },
		func(_ *testing.T, r *rand.Rand, id vclock.ID, s counter) counter {
			delta, _ := s.Add(id, int64(r.IntN(9)-4))
			return delta
		}, inContext)
}

func FuzzRWSet(f *testing.F) {
	fuzzCausal(f, func() *RWSet[string] { return new(RWSet[string]) }, changeRWSet(4),
		func(t *testing.T, s *RWSet[string]) { s.invariant(t) })
}

func FuzzORMap(f *testing.F) {
	fuzzCausal(f, newSets, changeSets(3), func(t *testing.T, m *ORMap[string, *ORSet[string]]) { inContext(t, m) })
}
