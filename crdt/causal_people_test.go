package crdt

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/plinth-go/plinth/vclock"
)

// parity has a String that is the same for different values.
type parity int

func (p parity) String() string { return []string{"even", "odd"}[p%2] }

// jsonIs checks what a state is in JSON.
func jsonIs(t *testing.T, want string, m json.Marshaler) {
	t.Helper()
	b, err := json.Marshal(m)
	require.NoError(t, err)
	require.Equal(t, want, string(b))
}

// flagsOf is a map of flags that are on.
func flagsOf[K int | parity | float64 | someName](t *testing.T, keys ...K) *ORMap[K, *EWFlag] {
	m := NewORMap[K](func() *EWFlag { return new(EWFlag) })
	for _, k := range keys {
		_, err := m.Update("a", k, func(f *EWFlag) (*EWFlag, error) { return f.Enable("a") })
		require.NoError(t, err)
	}
	return m
}

// TestCausalJSON: different keys are different in JSON, bytes are numbers, and what has no form says where it is. Planted and
// caught: keys as fmt has them, a list as package json has it.
func TestCausalJSON(t *testing.T) {
	jsonIs(t, `{"0":true,"1":true,"2":true}`, flagsOf[parity](t, 0, 1, 2))
	jsonIs(t, `{"-0.5":true,"1e+21":true}`, flagsOf(t, 1e21, -0.5))
	jsonIs(t, `{"a\"b":true}`, flagsOf[someName](t, `a"b`))
	numbers := NewMVRegister[uint8](byteCodec{})
	_, err := numbers.Set("a", 7)
	require.NoError(t, err)
	jsonIs(t, `[7]`, numbers)

	_, err = flagsOf(t, math.Inf(1)).MarshalJSON()
	require.EqualError(t, err, "crdt: ORMap: json: unsupported value: +Inf")
	var s RWSet[float64]
	_, err = s.Add("a", math.Inf(-1))
	require.NoError(t, err)
	_, err = s.MarshalJSON()
	require.EqualError(t, err, "crdt: RWSet: json: unsupported value: -Inf")
	r := NewMVRegister[chan int](chanCodec{})
	_, err = r.Set("a", nil)
	require.NoError(t, err)
	_, err = r.MarshalJSON()
	require.EqualError(t, err, "crdt: MVRegister: json: unsupported type: chan int")
	m := NewORMap[string](func() *MVRegister[chan int] { return NewMVRegister[chan int](chanCodec{}) })
	_, err = m.Update("a", "k", func(r *MVRegister[chan int]) (*MVRegister[chan int], error) { return r.Set("a", nil) })
	require.NoError(t, err)
	_, err = m.MarshalJSON()
	require.ErrorContains(t, err, "crdt: ORMap: under k: ")
	require.ErrorContains(t, err, "crdt: MVRegister: json: unsupported type: chan int")
}

// byteCodec writes a byte as it is, and chanCodec nothing at all.
type (
	byteCodec struct{}
	chanCodec struct{}
)

func (byteCodec) Append(b []byte, v uint8) ([]byte, error) { return append(b, v), nil }
func (byteCodec) Parse(b []byte) (uint8, []byte, error)    { return b[0], b[1:], nil }

func (chanCodec) Append(b []byte, _ chan int) ([]byte, error)    { return b, nil }
func (chanCodec) Parse(b []byte) (_ chan int, _ []byte, _ error) { return nil, b, nil }

// TestCausalLoops: a loop has what is there when it begins, also if it was made before, and it may change what it goes
// through. Planted and caught: elements, and keys, of when All and Keys are called.
func TestCausalLoops(t *testing.T) {
	var s RWSet[string]
	all := s.All()
	for _, e := range []string{"b", "a", "c"} {
		_, err := s.Add("x", e)
		require.NoError(t, err)
	}
	seen := ""
	for e := range all {
		_, err := s.Remove("x", "c")
		require.NoError(t, err)
		seen += e
	}
	require.Equal(t, "abc", seen)
	require.Equal(t, []string{"a", "b"}, slices.Collect(all))
	for range all {
		break
	}

	m := newSets()
	keys, values := m.Keys(), m.All()
	addTo(t, m, "x", "l", "1")
	addTo(t, m, "x", "k", "2")
	require.Equal(t, []string{"k", "l"}, slices.Collect(keys))
	for k, v := range values {
		require.Equal(t, "k: [2]", fmt.Sprintf("%v: %v", k, v), "l has gone since")
		m.Remove("l")
	}
	addTo(t, m, "x", "l", "1")
	for k := range values {
		require.Equal(t, "k", k)
		break
	}
}

// TestContextsAreCopies: what Context returns is what has been seen, and a change of it is none of the state. Planted and
// caught in each type: the context itself.
func TestContextsAreCopies(t *testing.T) {
	looks := func(name string, context func() vclock.Context) {
		before := context()
		require.Equal(t, `{"a":"1"}`, before.String(), name)
		_, err := before.Next("a")
		require.NoError(t, err)
		again := context()
		require.Equal(t, `{"a":"1"}`, again.String(), name)
	}
	looks("ORSet", setBy(t, "a", "x").Context)
	looks("ORMap", flagsOf(t, 1).Context)
	looks("MVRegister", must(t, newRegister(), func(r *MVRegister[string]) (*MVRegister[string], error) {
		return r.Set("a", "x")
	}).Context)
	looks("EWFlag", must(t, new(EWFlag), func(f *EWFlag) (*EWFlag, error) { return f.Enable("a") }).Context)
	looks("DWFlag", must(t, new(DWFlag), func(f *DWFlag) (*DWFlag, error) { return f.Enable("a") }).Context)
	looks("CausalCounter", must(t, new(CausalCounter), func(c *CausalCounter) (*CausalCounter, error) {
		return c.Add("a", 1)
	}).Context)
	looks("RWSet", must(t, new(RWSet[string]), func(s *RWSet[string]) (*RWSet[string], error) {
		return s.Add("a", "x")
	}).Context)
}

// TestForgetIsOfDots: the numbers of a Replica's updates are not those of its value, so they do not say what may be
// forgotten.
func TestForgetIsOfDots(t *testing.T) {
	type rw = *RWSet[string]
	r, err := NewReplica("a", func() rw { return new(RWSet[string]) }, ReplicaConfig{})
	require.NoError(t, err)
	require.NoError(t, r.Do(func(id vclock.ID, s rw) (rw, error) { return s.Remove(id, "x") }))
	require.NoError(t, r.Do(func(_ vclock.ID, s rw) (rw, error) {
		seen := s.Context()
		return s.Forget(seen.Base()), nil
	}))
	seen := r.Stats().Seen
	require.EqualValues(t, 2, seen.Get("a"))
	r.View(func(s rw) {
		context := s.Context()
		require.Equal(t, `{"a":"1"}`, context.String())
	})
}

// TestSameValueTwice: two that set the same value at the same time are two siblings.
func TestSameValueTwice(t *testing.T) {
	set := func(id vclock.ID) *MVRegister[string] {
		return must(t, newRegister(), func(r *MVRegister[string]) (*MVRegister[string], error) { return r.Set(id, "tea") })
	}
	require.Equal(t, []string{"tea", "tea"}, Join(set("b"), set("a")).Values())
}

// TestKeysThatGo has what the comment of ORMap says about keys whose value says nothing any more.
func TestKeysThatGo(t *testing.T) {
	set := newSets()
	addTo(t, set, "a", "k", "x")
	removeFrom(t, set, "a", "k", "x")
	require.False(t, set.Has("k"))
	flag := flagsOf(t, 1)
	_, err := flag.Update("a", 1, func(f *EWFlag) (*EWFlag, error) { return f.Disable(), nil })
	require.NoError(t, err)
	require.False(t, flag.Has(1))
	count := NewORMap[int](func() *CausalCounter { return new(CausalCounter) })
	_, err = count.Update("a", 1, func(c *CausalCounter) (*CausalCounter, error) { return c.Add("a", 0) })
	require.NoError(t, err)
	require.True(t, count.Has(1))
	_, err = count.Update("a", 1, func(c *CausalCounter) (*CausalCounter, error) { return c.Reset(), nil })
	require.NoError(t, err)
	require.False(t, count.Has(1))
	against := NewORMap[int](func() *DWFlag { return new(DWFlag) })
	_, err = against.Update("a", 1, func(f *DWFlag) (*DWFlag, error) { return f.Disable("a") })
	require.NoError(t, err)
	require.True(t, against.Has(1))
}
