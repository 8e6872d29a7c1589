package crdt

import (
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"iter"
	"math"
	"runtime"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/plinth-go/plinth/vclock"
)

// nanos is a Timestamp of so many nanoseconds.
func nanos(wall int64) vclock.Timestamp { return vclock.Timestamp{Wall: wall} }

// formIs requires that a state has these bytes, and is what they are read as.
func formIs[T state[T]](t *testing.T, s, zero T, want, text string) {
	t.Helper()
	require.Equal(t, want, hex.EncodeToString([]byte(bytesOf(t, s))))
	b, err := hex.DecodeString(want)
	require.NoError(t, err)
	require.NoError(t, zero.UnmarshalBinary(b))
	require.Equal(t, vclock.Equal, s.Compare(zero))
	written, err := json.Marshal(zero)
	require.NoError(t, err)
	require.Equal(t, text, string(written))
}

// formsRefused requires that none of these bytes is accepted, why, and that s stays as it was.
func formsRefused[T state[T]](t *testing.T, s T, said map[string]string) {
	t.Helper()
	before := bytesOf(t, s)
	for text, why := range said {
		b, err := hex.DecodeString(text)
		require.NoError(t, err)
		err = s.UnmarshalBinary(b)
		require.ErrorIs(t, err, ErrCorrupt, text)
		require.ErrorContains(t, err, why, text)
		require.Equal(t, before, bytesOf(t, s))
	}
}

// anyForms is what a fuzz target of a decoder does with two inputs: what is accepted is what is written, and the laws hold
// for it, although no replica may have made it.
func anyForms[T state[T]](t *testing.T, zero func() T, inputs ...[]byte) {
	var states []T
	for _, b := range inputs {
		s := zero()
		if err := s.UnmarshalBinary(b); err != nil {
			require.ErrorIs(t, err, ErrCorrupt)
			require.Equal(t, bytesOf(t, zero()), bytesOf(t, s))
			continue
		}
		require.Equal(t, string(b), bytesOf(t, s))
		_ = s.String()
		states = append(states, s)
	}
	l := laws[T]{zero: zero}
	l.pairs(t, states)
	for _, s := range states {
		l.look(t, s)
		for _, other := range states {
			l.look(t, Join(s, other))
		}
	}
}

// TestFormsTakeWhatTheyBring: a decoder needs memory for what is there, not for what is claimed. Planted and caught: a
// GSet made for as many elements as are claimed.
func TestFormsTakeWhatTheyBring(t *testing.T) {
	claims := func(k kind, between ...byte) []byte {
		b := binary.AppendUvarint(append([]byte{k.form()}, between...), 1<<16-100)
		return append(b, make([]byte, 1<<16)...) // zeros are nothing that can come twice
	}
	for what, read := range map[string]func() error{
		"GSet":        func() error { return new(GSet[string]).UnmarshalBinary(claims(kindGSet)) },
		"TwoPSet":     func() error { return new(TwoPSet[string]).UnmarshalBinary(claims(kindTwoPSet)) },
		"LWWSet":      func() error { return new(LWWSet[string]).UnmarshalBinary(claims(kindLWWSet, 0, 1, 1, 'a')) },
		"LWWSet of":   func() error { return new(LWWSet[string]).UnmarshalBinary(claims(kindLWWSet, 0)) },
		"LWWRegister": func() error { return newText().UnmarshalBinary(claims(kindLWWRegister, 2, 0, 0, 1, 'a')) },
		"Bounded":     func() error { return new(BoundedCounter).UnmarshalBinary(claims(kindBoundedCounter, 0, 0, 0)) },
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		err := read()
		runtime.ReadMemStats(&after)
		require.ErrorIs(t, err, ErrCorrupt, what)
		require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(6<<16), what) // the input is made in there, and grows
	}
}

// elementSet is what the sets without dots have in common.
type elementSet[E any] interface {
	All() iter.Seq[E]
	MarshalJSON() ([]byte, error)
	String() string
}

// TestOneZero: the two zeros of floats are equal, so they are one element, and all replicas print the same, whichever of them
// was added or removed. Planted and caught: an Add or a Remove that keeps the zero it is given.
func TestOneZero(t *testing.T) {
	negative := math.Copysign(0, -1)
	var grows GSet[float64]
	var twice TwoPSet[float64]
	var last LWWSet[float64]
	_, err := grows.Add(negative)
	require.NoError(t, err)
	_, err = twice.Add(negative)
	require.NoError(t, err)
	for at, zero := range []float64{0, negative} { // a map takes the key of the later one
		_, err = last.Add(nanos(int64(at)), "a", zero)
		require.NoError(t, err)
	}
	for _, s := range []elementSet[float64]{&grows, &twice, &last} {
		require.Equal(t, "[0]", s.String(), "%T", s)
		b, err := s.MarshalJSON()
		require.NoError(t, err)
		require.Equal(t, "[0]", string(b), "%T", s)
	}
	for e := range twice.Remove(negative).phases {
		require.False(t, math.Signbit(e))
	}
	for e := range twice.phases {
		require.False(t, math.Signbit(e))
	}
}

// TestSetsOfBytes: a list of small numbers is a list, also in JSON, where package json would write text.
func TestSetsOfBytes(t *testing.T) {
	var grows GSet[uint8]
	var twice TwoPSet[uint8]
	var last LWWSet[uint8]
	for _, e := range []uint8{7, 1} {
		_, err := grows.Add(e)
		require.NoError(t, err)
		_, err = twice.Add(e)
		require.NoError(t, err)
		_, err = last.Add(nanos(1), "a", e)
		require.NoError(t, err)
	}
	for _, s := range []elementSet[uint8]{&grows, &twice, &last} {
		b, err := s.MarshalJSON()
		require.NoError(t, err)
		require.Equal(t, "[1,7]", string(b), "%T", s)
	}
}

// TestAllIsACopy: a loop goes over what there was when it began, also if its body changes the set; and another loop over the
// same finds what there is then. Planted and caught: a list that is made when All is called.
func TestAllIsACopy(t *testing.T) {
	var grows GSet[int]
	var twice TwoPSet[int]
	var last LWWSet[int]
	for _, c := range []struct {
		all iter.Seq[int]
		add func(e int) error
	}{
		{grows.All(), func(e int) error { _, err := grows.Add(e); return err }},
		{twice.All(), func(e int) error { _, err := twice.Add(e); return err }},
		{last.All(), func(e int) error { _, err := last.Add(nanos(1), "a", e); return err }},
	} {
		require.NoError(t, c.add(1))
		require.NoError(t, c.add(2))
		var seen []int
		for e := range c.all {
			seen = append(seen, e)
			require.NoError(t, c.add(e+2))
		}
		require.Equal(t, []int{1, 2}, seen)
		require.Equal(t, []int{1, 2, 3, 4}, slices.Collect(c.all))
		for range c.all {
			break
		}
	}
}
