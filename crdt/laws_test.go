package crdt

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/plinth-go/plinth/internal/form"
	"github.com/plinth-go/plinth/internal/seed"
	"github.com/plinth-go/plinth/vclock"
)

// state is what all types of this package are.
type state[T any] interface {
	Lattice[T]
	fmt.Stringer
	AppendBinary([]byte) ([]byte, error)
	MarshalBinary() ([]byte, error)
	UnmarshalBinary([]byte) error
}

// laws are what has to hold for a type: for all states that replicas reach, which are those of runs in which no
// dot is given twice.
type laws[T state[T]] struct {
	zero func() T
	// change does something by chance to a state in the name of a replica, and returns the delta; nil if
	// nothing has been done.
	change func(t *testing.T, r *rand.Rand, id vclock.ID, s T) T
	// invariant looks into a state.
	invariant func(t *testing.T, s T)
}

// laws makes them of a subject, whose model says elsewhere what a change has to do.
func (s subject[T]) laws(invariant func(t *testing.T, s T)) laws[T] {
	change := func(t *testing.T, r *rand.Rand, id vclock.ID, state T) T {
		delta, err := s.do(state, id, s.some(r, []vclock.ID{"a", "b", "c"}))
		require.NoError(t, err)
		return delta
	}
	return laws[T]{s.zero, change, invariant}
}

func bytesOf[T state[T]](t testing.TB, s T) string {
	t.Helper()
	b, err := s.AppendBinary(nil)
	require.NoError(t, err)
	return string(b)
}

// check plays runs of three replicas, and looks at all states of a run, by ones, pairs and triples.
func (l laws[T]) check(t *testing.T) {
	t.Helper()
	r := seed.New(t)
	for range times(8, 20, 60) {
		states := l.run(t, r, 3, 12)
		l.pairs(t, states)
		l.triples(t, r, states)
	}
}

// times is how often something is done with the race detector, in the short form, and in the long one.
func times(raced, short, long int) int {
	switch {
	case form.Raced():
		return raced
	case form.Long():
		return long
	}
	return short
}

// run lets replicas change, and merge states and deltas of others, which may be old and come twice. It returns some
// of the states and deltas there have been.
func (l laws[T]) run(t *testing.T, r *rand.Rand, replicas, steps int) (seen []T) {
	at := make([]T, replicas)
	for i := range at {
		at[i] = l.zero()
	}
	seen = []T{l.zero()}
	for range steps {
		i := r.IntN(replicas)
		if r.IntN(2) == 0 {
			before, other := at[i].Clone(), seen[r.IntN(len(seen))]
			text := bytesOf(t, other)
			grew := at[i].Merge(other)
			require.Equal(t, bytesOf(t, before) != bytesOf(t, at[i]), grew, "%v and %v make %v", before, other, at[i])
			require.Equal(t, text, bytesOf(t, other), "the argument has changed")
		} else {
			before := at[i].Clone()
			delta := l.change(t, r, vclock.ID(rune('a'+i)), at[i])
			again := before.Clone()
			again.Merge(delta)
			require.Equal(t, bytesOf(t, at[i]), bytesOf(t, again), "%v and the delta %v", before, delta)
			require.Contains(t, []vclock.Ordering{vclock.Equal, vclock.After}, at[i].Compare(before), "%v after %v", at[i], before)
			seen = append(seen, delta.Clone())
		}
		l.look(t, at[i])
		seen = append(seen, at[i].Clone())
	}
	return seen
}

// look checks a state by itself.
func (l laws[T]) look(t *testing.T, s T) {
	t.Helper()
	if l.invariant != nil {
		l.invariant(t, s)
	}
	b := bytesOf(t, s)
	read := l.zero()
	same, err := s.MarshalBinary()
	require.NoError(t, err)
	require.Equal(t, b, string(same))
	require.NoError(t, read.UnmarshalBinary([]byte(b)))
	require.Equal(t, b, bytesOf(t, read))
	require.Equal(t, vclock.Equal, s.Compare(read), "%v and %v", s, read)
	require.Equal(t, s.String(), read.String())
	require.Error(t, read.UnmarshalBinary([]byte(b+"\x00")))
	require.Error(t, read.UnmarshalBinary([]byte(b[:len(b)-1])))
	require.Equal(t, b, bytesOf(t, read), "after an error")
}

func (l laws[T]) pairs(t *testing.T, states []T) {
	t.Helper()
	for _, a := range states {
		for _, b := range states {
			joined, other := Join(a, b), Join(b, a)
			require.Equal(t, bytesOf(t, joined), bytesOf(t, other), "commutative: %v, %v", a, b)
			require.False(t, joined.Merge(a) || joined.Merge(b), "idempotent: %v, %v", a, b)
			below, above := bytesOf(t, joined) == bytesOf(t, b), bytesOf(t, joined) == bytesOf(t, a)
			want := vclock.Concurrent
			switch {
			case below && above:
				want = vclock.Equal
			case below:
				want = vclock.Before
			case above:
				want = vclock.After
			}
			require.Equal(t, want, a.Compare(b), "%v and %v", a, b)
		}
	}
}

func (l laws[T]) triples(t *testing.T, r *rand.Rand, states []T) {
	t.Helper()
	for range 200 {
		a, b, c := states[r.IntN(len(states))], states[r.IntN(len(states))], states[r.IntN(len(states))]
		left, right := Join(Join(a, b), c), Join(a, Join(b, c))
		require.Equal(t, bytesOf(t, left), bytesOf(t, right), "associative: %v, %v, %v", a, b, c)
		l.look(t, left)
	}
}
