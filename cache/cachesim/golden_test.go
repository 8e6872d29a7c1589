package cachesim

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/plinth-go/plinth/cache"
)

// recorded opens a trace in the directory that PLINTH_DATA names, or skips.
func recorded(t testing.TB, name string) Trace {
	t.Helper()
	dir := os.Getenv("PLINTH_DATA")
	if dir == "" {
		t.Skip("PLINTH_DATA names no directory with recorded traces")
	}
	trace, err := Open(filepath.Join(dir, "cache-traces", name), ByName)
	require.NoError(t, err)
	return trace
}

// TestGolden compares recorded traces with figures that other simulators have
// found for them, in percent. It covers the readers too: a trace read with one
// key too many or too few gives other figures. Seen to fail with a run of
// blocks that is one too short, and with keys read from the low byte.
func TestGolden(t *testing.T) {
	for _, c := range []struct {
		name             string
		requests, unique int
		sizes            []int
		belady, lru      []string
	}{
		{"oltp.arc.gz", 914145, 186880, []int{250, 500, 1000, 2000, 8000},
			[]string{"38.43", "46.42", "53.61", "60.40", "71.55"}, []string{"16.47", "23.45", "32.83", "42.47", "58.65"}},
		{"sprite.lirs.gz", 133996, 7075, []int{100, 500, 1000, 2000},
			[]string{"50.80", "87.88", "93.24", "94.58"}, []string{"21.58", "78.30", "90.64", "93.48"}},
		{"2_pools.lirs.gz", 100000, 9939, []int{200, 450, 1000},
			[]string{"56.43", "62.04", "68.52"}, []string{"36.79", "50.27", "54.41"}},
		{"loop.lirs.gz", 505500, 1011, []int{250, 500, 750, 1000},
			[]string{"24.63", "49.36", "74.04", "98.71"}, []string{"0.00", "0.00", "0.00", "0.00"}},
		{"corda.be64.gz", 135702, 90468, []int{1000, 10000, 40000},
			[]string{"33.33", "33.33", "33.33"}, []string{"33.33", "33.33", "33.33"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			trace := recorded(t, c.name)
			require.Len(t, trace, c.requests)
			require.Equal(t, c.unique, trace.Unique())
			next, recency := nextUses(trace), NewRecency(trace)
			percent := func(hits int) string { return fmt.Sprintf("%.2f", 100*float64(hits)/float64(len(trace))) }
			for i, size := range c.sizes {
				require.Equal(t, c.belady[i], percent(belady(next, size)), "Belady with %d entries", size)
				require.Equal(t, c.lru[i], percent(recency.Hits(size)), "LRU with %d entries", size)
			}
		})
	}
}

// TestRecordedBound: no policy passes the bound on recorded traces, and the LRU
// that is run hits exactly as often as the one that is computed.
func TestRecordedBound(t *testing.T) {
	for name, sizes := range map[string][]int{"sprite.lirs.gz": {100, 1000}, "2_pools.lirs.gz": {200, 1000}, "multi1.lirs.gz": {50, 500}} {
		trace := recorded(t, name)
		series, err := Curve(t.Context(), trace, sizes, Policies(), nil)
		require.NoError(t, err)
		recency := NewRecency(trace)
		for _, s := range series {
			for i, p := range s.Points {
				require.LessOrEqual(t, p.Hits, series[0].Points[i].Hits, "%s on %s with %d entries", s.Name, name, p.Size)
				if s.Name == "LRU" {
					require.Equal(t, recency.Hits(p.Size), p.Hits)
				}
			}
		}
	}
}

var _ Cache = (*cache.Cache[uint64, uint64])(nil)
