package crdt

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/plinth-go/plinth/vclock"
)

func TestGCounterLaws(t *testing.T) { ofGCounter().laws(nil).check(t) }

func TestPNCounterLaws(t *testing.T) { ofPNCounter().laws(nil).check(t) }

// TestCountersAtTheirEnds: what does not fit is refused where it is added, and a sum that does not fit is
// the closest that does. Planted and caught: a sum that wraps, a difference of sums that are cut off.
func TestCountersAtTheirEnds(t *testing.T) {
	var g GCounter
	_, err := g.Add("a", vclock.MaxCount)
	require.NoError(t, err)
	_, err = g.Add("a", 1)
	require.ErrorIs(t, err, vclock.ErrExhausted)
	_, err = g.Add("", 1)
	require.ErrorIs(t, err, vclock.ErrID)
	require.EqualValues(t, uint64(vclock.MaxCount), g.Value())
	for _, id := range []vclock.ID{"b", "c"} {
		_, err = g.Add(id, vclock.MaxCount)
		require.NoError(t, err)
	}
	require.EqualValues(t, uint64(3*vclock.MaxCount), g.Value())
	for _, id := range []vclock.ID{"d", "e", "f", "g"} {
		_, err = g.Add(id, vclock.MaxCount)
		require.NoError(t, err)
	}
	require.EqualValues(t, uint64(math.MaxUint64), g.Value())

	var p PNCounter
	for i := range 7 {
		_, err := p.Add(vclock.ID(rune('a'+i)), vclock.MaxCount)
		require.NoError(t, err)
	}
	require.EqualValues(t, int64(math.MaxInt64), p.Value())
	for i := range 6 {
		_, err := p.Add(vclock.ID(rune('a'+i)), -vclock.MaxCount)
		require.NoError(t, err)
	}
	require.EqualValues(t, int64(vclock.MaxCount), p.Value())
	for i := range 5 {
		_, err := p.Add(vclock.ID(rune('h'+i)), -vclock.MaxCount)
		require.NoError(t, err)
	}
	require.EqualValues(t, int64(math.MinInt64), p.Value())
	_, err = p.Add("x", math.MinInt64)
	require.ErrorIs(t, err, vclock.ErrExhausted)
	_, err = p.Add("x", math.MinInt64/2)
	require.NoError(t, err)
}
