package crdt

import (
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/plinth-go/plinth/vclock"
)

// TestNewID. Planted and caught: an epoch of 0 that is taken; a name with its epoch that is too long; the
// first dot instead of the last one; an epoch with a zero in front.
func TestNewID(t *testing.T) {
	all := map[vclock.ID]bool{}
	for _, name := range []vclock.ID{"a", "a.1", "a.1.2", "a.", ".", "a.0", "a.01", "10.0.0.1", "ä b"} {
		for _, epoch := range []uint64{1, 2, 12, math.MaxUint64} {
			id, err := NewID(name, epoch)
			require.NoError(t, err)
			require.False(t, all[id], "%v comes twice", id)
			all[id] = true
			gotName, gotEpoch := SplitID(id)
			require.Equal(t, name, gotName)
			require.Equal(t, epoch, gotEpoch)
		}
	}
	for _, id := range []vclock.ID{"a", "a.", "a.0", "a.01", "a.+1", "a.-1", ".1", "a.18446744073709551616", "", "a.1 "} {
		name, epoch := SplitID(id)
		require.Equal(t, id, name)
		require.Zero(t, epoch)
	}
	_, err := NewID("a", 0)
	require.ErrorIs(t, err, ErrEpoch)
	_, err = NewID("", 1)
	require.ErrorIs(t, err, vclock.ErrID)
	_, err = NewID(vclock.ID(strings.Repeat("a", vclock.MaxID-1)), 1)
	require.ErrorIs(t, err, vclock.ErrID)
	_, err = NewID(vclock.ID(strings.Repeat("a", vclock.MaxID-2)), 1)
	require.NoError(t, err)
	require.NotEqual(t, RandomEpoch(), RandomEpoch())
}

// TestDotReuse is the anomaly for which there are epochs: a replica that is restored from a backup gives an old dot to
// something new. Without a new identity that is lost where the old dot was seen, what had the dot before is lost with
// it, and nobody is told.
func TestDotReuse(t *testing.T) {
	restore := func(before, after vclock.ID) *ORSet[string] {
		var phone, home ORSet[string]
		backup := phone.Clone()
		milk, err := phone.Add(before, "milk")
		require.NoError(t, err)
		home.Merge(milk)
		eggs, err := backup.Add(after, "eggs")
		require.NoError(t, err)
		home.Merge(eggs)
		return &home
	}
	require.Equal(t, "[]", restore("phone", "phone").String(), "both are lost")
	require.Equal(t, "[eggs milk]", restore("phone.1", "phone.2").String())
}
