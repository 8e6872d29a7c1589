package sst

import (
	"encoding/binary"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestFilter counts the mistakes of filters: none about keys that are there, and
// about others no more than what Pebble publishes for filters of lines: 2.45 % at
// eight bits, 1.14 % at ten. Planted and caught: probes that
// all take the same bit.
func TestFilter(t *testing.T) {
	key := func(i int) []byte { return binary.BigEndian.AppendUint64([]byte("key"), uint64(i)) }
	for bitsPerKey, worst := range map[float64]float64{4: 0.16, 8: 0.0245, 10: 0.0114, 16: 0.0011} {
		const n = 100_000
		b := filterBuilder{bitsPerKey: bitsPerKey}
		for i := range n {
			b.add(key(i))
		}
		raw := b.finish()
		require.InDelta(t, n*bitsPerKey/8, len(raw), lineBytes+1)
		f, err := parseFilter(raw)
		require.NoError(t, err)
		wrong := 0
		for i := range n {
			require.True(t, f.mayContain(HashKey(key(i))))
			if f.mayContain(HashKey(key(n + i))) {
				wrong++
			}
		}
		rate := float64(wrong) / n
		t.Logf("%g bits a key: %.3f %% wrong", bitsPerKey, 100*rate)
		require.Less(t, rate, worst, "%g bits a key", bitsPerKey)
		require.Greater(t, rate, worst/4, "too good to be true: %g bits a key", bitsPerKey)
	}
}

func TestNoFilter(t *testing.T) {
	for _, b := range []filterBuilder{{bitsPerKey: 10}, {bitsPerKey: 0}, {bitsPerKey: -1}} {
		if b.bitsPerKey <= 0 {
			b.add([]byte("a"))
		}
		require.Empty(t, b.finish())
	}
	f, err := parseFilter(nil)
	require.NoError(t, err)
	require.True(t, f.mayContain(7))
	for _, raw := range [][]byte{{6}, make([]byte, 64), make([]byte, 65), append(make([]byte, 64), 200)} {
		_, err := parseFilter(raw)
		require.ErrorIs(t, err, errBadFilter)
	}
}
