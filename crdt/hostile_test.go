package crdt

import (
	"fmt"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/plinth-go/plinth/vclock"
)

// TestHugeSpans: what a context claims costs nothing, however many dots it claims. Planted and caught: a join that goes
// through all dots of the other one.
func TestHugeSpans(t *testing.T) {
	for _, n := range []int{3, 1000} {
		s := new(ORSet[string])
		for i, e := range someElements(n) {
			_, err := s.Add([]vclock.ID{"a", "b"}[i%2], e)
			require.NoError(t, err)
		}
		all := orset[string](t, nil, vclock.Span{ID: "b", From: 1, To: vclock.MaxCount}, vclock.Span{ID: "c", From: 7, To: vclock.MaxCount})
		read := new(ORSet[string])
		require.NoError(t, read.UnmarshalBinary([]byte(bytesOf(t, all))))
		require.True(t, s.Merge(read))
		require.Equal(t, (n+1)/2, s.Len(), "those of a are left")
		s.invariant(t)

		before := bytesOf(t, s)
		_, err := s.Add("b", "more")
		require.ErrorIs(t, err, vclock.ErrExhausted)
		require.Equal(t, before, bytesOf(t, s))
		_, err = s.Add("a", "more")
		require.NoError(t, err)
	}
}

// TestManyDots: an element may have as many dots as somebody likes to send. What is done to it takes one pass
// over them: when the dots of a removal were added to its context one by one, this took twenty seconds.
func TestManyDots(t *testing.T) {
	const n = 30_000
	names := make([]vclock.Dot, n) // of as many replicas
	numbers := make([]vclock.Dot, n)
	for i := range names {
		names[i] = vclock.Dot{ID: vclock.ID(fmt.Sprintf("%06d", i)), N: 1}
		numbers[i] = vclock.Dot{ID: "a", N: uint64(2*i + 1)}
	}
	a := orset(t, map[string][]vclock.Dot{"x": names})
	b := orset(t, map[string][]vclock.Dot{"x": numbers, "y": {{ID: "b", N: 1}}})
	require.True(t, a.Merge(b))
	require.False(t, a.Merge(b))
	require.Equal(t, vclock.After, a.Compare(b))
	c := a.Clone()
	delta := c.Remove("x")
	require.True(t, a.Merge(delta))
	require.Equal(t, "[y]", a.String())
	_, err := c.Add("c", "x")
	require.NoError(t, err)

	d := orset(t, map[string][]vclock.Dot{"x": numbers, "y": names})
	require.Equal(t, bytesOf(t, orset[string](t, nil)), bytesOf(t, new(ORSet[string])))
	before := d.Clone()
	cleared := d.Clear()
	before.Merge(cleared)
	require.Equal(t, bytesOf(t, d), bytesOf(t, before))
}

// TestDecodersMemory: what is allocated is in proportion to the input, also if it claims to have more than it has. An
// element of an int takes four bytes and more, and an entry, a slot, and a dot to compare, all in lists that double.
func TestDecodersMemory(t *testing.T) {
	const n = 20_000
	full := new(ORSet[int])
	for i := range n {
		_, err := full.Add("a", i)
		require.NoError(t, err)
	}
	b := []byte(bytesOf(t, full))
	lies := append([]byte{kindORSet.form(), 1, 1, 'a', 1, 0}, 0x80, 0x80, 4) // 65,536 elements
	lies = append(lies, make([]byte, 4<<16)...)
	for name, b := range map[string][]byte{"full": b, "cut": b[:len(b)-1], "lies": lies} {
		var before, after runtime.MemStats
		var s ORSet[int]
		runtime.ReadMemStats(&before)
		_ = s.UnmarshalBinary(b)
		runtime.ReadMemStats(&after)
		perByte := (after.TotalAlloc - before.TotalAlloc) / uint64(len(b))
		t.Logf("%s: %d bytes for each", name, perByte)
		require.Less(t, perByte, uint64(100), name)
	}
}

// TestOneDotForTwo: bytes that are a state may still say of a dot what others do not. The laws hold for them too: whoever
// hears of both has none.
func TestOneDotForTwo(t *testing.T) {
	dot := vclock.Dot{ID: "a", N: 1}
	a := orset(t, map[string][]vclock.Dot{"milk": {dot}})
	b := orset(t, map[string][]vclock.Dot{"eggs": {dot}})
	require.Equal(t, vclock.Concurrent, a.Compare(b))
	for _, s := range []*ORSet[string]{Join(a, b), Join(b, a)} {
		require.Equal(t, "[]", s.String())
		require.Equal(t, vclock.After, s.Compare(a))
		require.Equal(t, vclock.After, s.Compare(b))
		require.False(t, s.Merge(a) || s.Merge(b))
	}
}
