package cachesim

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/plinth-go/plinth/cache"
	"github.com/plinth-go/plinth/internal/form"
)

// TestHitsUnderLoad lets eight goroutines ask the cache for the keys of a trace
// together, each for the next one that nobody has asked for, and compares it with
// the textbook of its policy and one caller. The cache has shards, the hits that
// two readers count at the same moment are lost to its policy, and two callers
// miss the same key: all of that together may not cost much of the hit ratio.
//
// Seen to fail with a touch that never counts, and with 32 shards for 353 entries.
func TestHitsUnderLoad(t *testing.T) {
	traces := map[string]Trace{"synthetic": Synthetic{Requests: 100_000}.Trace()}
	names := []string{"sprite.lirs.gz", "multi1.lirs.gz"}
	if form.Long() {
		names = append(names, "oltp.arc.gz")
	}
	for _, name := range names {
		t.Run(name, func(t *testing.T) { traces[name] = recorded(t, name) })
	}
	for name, trace := range traces {
		for _, percent := range []int{5, 20} {
			size := trace.Unique() * percent / 100
			want, err := Simulate(trace, Textbook(cache.NewSteered[uint64, uint64](size, spread)))
			require.NoError(t, err)
			together, err := newConcurrent(size)
			require.NoError(t, err)
			got := simulateTogether(t, trace, together)
			lost := 100 * (want.Ratio() - got.Ratio())
			t.Logf("%s, %d entries: %.2f%% alone, %.2f points lost together", name, size, 100*want.Ratio(), lost)
			require.Less(t, lost, 1.0)
			require.LessOrEqual(t, together.(*cache.Cache[uint64, uint64]).Len(), size)
		}
	}
}

// simulateTogether is simulate from eight goroutines.
func simulateTogether(t *testing.T, trace Trace, c Cache) Result {
	var next, hits atomic.Int64
	var wrong atomic.Pointer[error]
	var callers sync.WaitGroup
	for range 8 {
		callers.Go(func() {
			for i := next.Add(1) - 1; i < int64(len(trace)); i = next.Add(1) - 1 {
				key := trace[i]
				switch value, ok := c.Get(key); {
				case !ok:
					c.Set(key, valueOf(key))
				case value != valueOf(key):
					err := fmt.Errorf("request %d: %d for key %d", i, value, key)
					wrong.Store(&err)
				default:
					hits.Add(1)
				}
			}
		})
	}
	callers.Wait()
	require.Nil(t, wrong.Load())
	return Result{Requests: len(trace), Hits: int(hits.Load())}
}
