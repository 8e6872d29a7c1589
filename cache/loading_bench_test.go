package cache_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/plinth-go/plinth/cache"
)

// What a hit costs through a Loading, beside the Cache beneath, with and without
// a clock to look at and tags to compare.
func BenchmarkGetHit(b *testing.B) {
	const n = 1024
	ctx := context.Background()
	plain, err := cache.New(cache.Config[int, int]{MaxEntries: 2 * n})
	require.NoError(b, err)
	load := cache.LoadConfig[int, int]{Load: func(_ context.Context, key int) (int, error) { return key, nil }}
	refreshing, tagging := load, load
	refreshing.RefreshAfter, refreshing.StaleFor = 30*time.Minute, time.Hour
	tagging.Tags = func(int, int) []string { return []string{"one", "two"} }
	caches := map[string]*cache.Loading[int, int]{}
	for name, c := range map[string]struct {
		ttl  time.Duration
		load cache.LoadConfig[int, int]
	}{"plain": {0, load}, "expiring": {time.Hour, load}, "refreshing": {time.Hour, refreshing}, "tagged": {0, tagging}} {
		l, err := cache.NewLoading(cache.Config[int, int]{MaxEntries: 2 * n, TTL: c.ttl}, c.load)
		require.NoError(b, err)
		defer l.Close()
		caches[name] = l
		for key := range n {
			plain.Set(key, key)
			_, err := l.Get(ctx, key)
			require.NoError(b, err)
		}
	}
	b.Run(fmt.Sprintf("impl=cache/case=plain/n=%d", n), func(b *testing.B) {
		b.ReportAllocs()
		key := 0
		for b.Loop() {
			plain.Get(key % n)
			key++
		}
	})
	for _, name := range []string{"plain", "expiring", "refreshing", "tagged"} {
		b.Run(fmt.Sprintf("impl=loading/case=%s/n=%d", name, n), func(b *testing.B) {
			b.ReportAllocs()
			l, key := caches[name], 0
			for b.Loop() {
				l.Get(ctx, key%n)
				key++
			}
		})
	}
}

// What a stampede costs: n callers who want one missing key, of a backend that
// takes a millisecond and counts its queries. Naive is cache-aside.
func BenchmarkGetStampede(b *testing.B) {
	const n = 1000
	ctx := context.Background()
	queries := func(b *testing.B, get func(round int, query func() int)) {
		var mu sync.Mutex
		total := 0
		b.ReportAllocs()
		for round := 0; b.Loop(); round++ {
			get(round, func() int {
				mu.Lock()
				total++
				mu.Unlock()
				<-time.After(time.Millisecond)
				return round
			})
		}
		b.ReportMetric(float64(total)/float64(b.N), "queries/op")
	}
	callers := func(one func()) {
		var all sync.WaitGroup
		for range n {
			all.Go(one)
		}
		all.Wait()
	}
	b.Run(fmt.Sprintf("impl=naive/case=missing/n=%d", n), func(b *testing.B) {
		c, err := cache.New(cache.Config[int, int]{MaxEntries: 100})
		require.NoError(b, err)
		queries(b, func(round int, query func() int) {
			callers(func() {
				if _, ok := c.Get(round); !ok {
					c.Set(round, query())
				}
			})
		})
	})
	b.Run(fmt.Sprintf("impl=loading/case=missing/n=%d", n), func(b *testing.B) {
		var query func() int
		l, err := cache.NewLoading(cache.Config[int, int]{MaxEntries: 100}, cache.LoadConfig[int, int]{
			Load: func(context.Context, int) (int, error) { return query(), nil },
		})
		require.NoError(b, err)
		defer l.Close()
		queries(b, func(round int, q func() int) {
			query = q
			callers(func() { l.Get(ctx, round) })
		})
	})
}
