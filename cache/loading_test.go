package cache_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/plinth-go/plinth/cache"
	"github.com/plinth-go/plinth/internal/seed"
)

// source is a backend whose values carry the number of the load: "k#1", "k#2".
type source struct {
	mu    sync.Mutex
	loads map[string]int        // guarded by mu
	keys  [][]string            // of the calls of loadMany; guarded by mu
	takes time.Duration         // what a load takes
	err   func(n int) error     // what the n-th load of a key returns
	none  func(key string) bool // what loadMany leaves out
}

func (s *source) load(_ context.Context, key string) (string, error) {
	n := s.begin(key)
	if s.takes > 0 {
		<-time.After(s.takes)
	}
	if s.err != nil {
		if err := s.err(n); err != nil {
			return "", err
		}
	}
	return fmt.Sprintf("%s#%d", key, n), nil
}

func (s *source) loadMany(_ context.Context, keys []string) (map[string]string, error) {
	s.mu.Lock()
	s.keys = append(s.keys, slices.Sorted(slices.Values(keys)))
	s.mu.Unlock()
	found := make(map[string]string)
	for _, key := range keys {
		if s.none == nil || !s.none(key) {
			found[key] = fmt.Sprintf("%s#%d", key, s.begin(key))
		}
	}
	<-time.After(s.takes)
	return found, nil
}

// begin counts a load of a key.
func (s *source) begin(key string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.loads == nil {
		s.loads = make(map[string]int)
	}
	s.loads[key]++
	return s.loads[key]
}

// count returns how often a key was loaded.
func (s *source) count(key string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.loads[key]
}

type (
	config     = cache.Config[string, string]
	loadConfig = cache.LoadConfig[string, string]
)

// newLoading returns a cache of 100 entries unless c says otherwise, which is
// closed at the end.
func newLoading(t testing.TB, c config, load loadConfig) *cache.Loading[string, string] {
	t.Helper()
	if c.MaxEntries == 0 && c.MaxCost == 0 {
		c.MaxEntries = 100
	}
	l, err := cache.NewLoading(c, load)
	require.NoError(t, err)
	t.Cleanup(l.Close)
	return l
}

// wantGet checks what Get returns at this moment; it may wait for a load.
func wantGet(t *testing.T, l interface {
	Get(context.Context, string) (string, error)
}, key, want string) {
	t.Helper()
	v, err := l.Get(t.Context(), key)
	require.NoError(t, err)
	require.Equal(t, want, v)
}

// Whatever the schedule, a thousand callers of an empty cache cause one load:
// the value is in the cache before the key can be loaded again, and who starts
// a load looks again first (maypok86/otter #152: the slot was released before
// the value was stored, and a second load could start between). Real goroutines
// without a gate, so that some come too late for the flight; in a bubble too.
//
// Planted: run without the second look; keep after the trip has ended.
func TestLoadingLoadsOnce(t *testing.T) {
	stampede := func(t *testing.T) {
		for round := range 20 {
			var s source
			l := newLoading(t, config{}, loadConfig{Load: s.load})
			begin := make(chan struct{})
			var all sync.WaitGroup
			for range 1000 {
				all.Go(func() {
					<-begin
					v, err := l.Get(t.Context(), "k")
					if err != nil || v != "k#1" {
						t.Errorf("round %d: %q, %v", round, v, err)
					}
				})
			}
			close(begin)
			all.Wait()
			require.Equal(t, 1, s.count("k"))
			require.EqualValues(t, 1, l.Stats().Loads)
		}
	}
	t.Run("threads", stampede)
	t.Run("bubble", func(t *testing.T) { synctest.Test(t, stampede) })
}

// However the load ends, it runs once for a thousand callers who wait, all of
// them learn how, and nothing but a value is kept: the next Get loads again.
//
// Planted: keeping an entry for every error.
func TestLoadingKeepsNoFailure(t *testing.T) {
	for _, e := range endings {
		t.Run(e.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var loads atomic.Int64
				l, err := cache.NewLoading(cache.Config[string, int]{MaxEntries: 10}, cache.LoadConfig[string, int]{
					NegativeTTL: time.Hour,
					Load: func(context.Context, string) (int, error) {
						loads.Add(1)
						<-time.After(time.Second)
						return e.end()
					},
				})
				require.NoError(t, err)
				defer l.Close()
				var all sync.WaitGroup
				for range 1000 {
					all.Go(func() {
						v, err := l.Get(t.Context(), "k")
						e.want(t, v, err)
					})
				}
				all.Wait()
				require.EqualValues(t, 1, loads.Load())
				require.EqualValues(t, 999, l.Stats().Coalesced)
				v, err := l.Get(t.Context(), "k")
				e.want(t, v, err)
				if e.name == "value" {
					require.EqualValues(t, 1, loads.Load())
					return
				}
				require.EqualValues(t, 2, loads.Load())
				require.EqualValues(t, 2, l.Stats().Failures)
			})
		})
	}
}

// That a key does not exist is remembered for NegativeTTL and not longer, with
// the error that the load gave. OnEvict hears nothing of it.
//
// Planted: NegativeTTL that is TTL; telling OnEvict of every entry.
func TestLoadingRemembersWhatIsNotThere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gone := fmt.Errorf("no such user: %w", cache.ErrNotFound)
		s := source{err: func(n int) error {
			if n == 1 {
				return gone
			}
			return nil
		}}
		l := newLoading(t, config{TTL: time.Hour, OnEvict: func(string, string, cache.Reason) { t.Error("told") }},
			loadConfig{Load: s.load, NegativeTTL: time.Second})
		for range 3 {
			_, err := l.Get(t.Context(), "k")
			require.Equal(t, gone, err)
		}
		require.Equal(t, 1, s.count("k"))
		require.Zero(t, l.Stats().Failures)
		<-time.After(time.Second - 1)
		_, err := l.Get(t.Context(), "k")
		require.ErrorIs(t, err, cache.ErrNotFound)
		<-time.After(1)
		wantGet(t, l, "k", "k#2")
	})
}

// Without NegativeTTL, it is not remembered at all.
func TestLoadingForgetsWhatIsNotThere(t *testing.T) {
	s := source{err: func(int) error { return cache.ErrNotFound }}
	l := newLoading(t, config{}, loadConfig{Load: s.load})
	for range 3 {
		_, err := l.Get(t.Context(), "k")
		require.ErrorIs(t, err, cache.ErrNotFound)
	}
	require.Equal(t, 3, s.count("k"))
	require.Zero(t, l.Stats().Cache.Entries)
}

// A flood of keys that do not exist is held by a bound on the cost too.
//
// Planted: a cost of 1 for each.
func TestLoadingBoundsWhatIsNotThere(t *testing.T) {
	s := source{err: func(int) error { return cache.ErrNotFound }}
	l := newLoading(t, config{MaxCost: 1 << 20, Cost: func(_, v string) int64 { return int64(len(v)) }},
		loadConfig{Load: s.load, NegativeTTL: time.Hour})
	for i := range 100 {
		_, err := l.Get(t.Context(), fmt.Sprint(i))
		require.ErrorIs(t, err, cache.ErrNotFound)
	}
	require.EqualValues(t, 100, l.Stats().Cache.Entries)
	require.EqualValues(t, 1600, l.Stats().Cache.Cost)
}

// invalidations are the three ways to say that "k" has changed, which has the
// tag "t" in these tests.
var invalidations = map[string]func(*cache.Loading[string, string]){
	"Invalidate":    func(l *cache.Loading[string, string]) { l.Invalidate("k") },
	"InvalidateTag": func(l *cache.Loading[string, string]) { l.InvalidateTag("t") },
	"InvalidateAll": func(l *cache.Loading[string, string]) { l.InvalidateAll() },
}

func tagged(string, string) []string { return []string{"t", "u"} }

// An invalidation during a load: those who waited get its result, nobody else
// does. A Get that begins afterwards loads anew, even if the first load ends
// later than the second (maypok86/otter #137: the result was lost for those who
// waited; #139: InvalidateAll beside Get panicked).
//
// Planted, each caught for at least one of the three: Invalidate without Forget;
// keep without the mark; keep without valid; InvalidateTag without forgetAll;
// run that reads the version after the load; release that lowers forgotten.
func TestLoadingInvalidatedDuringALoad(t *testing.T) {
	for name, invalidate := range invalidations {
		for _, second := range []time.Duration{time.Second, 10 * time.Second} { // ends before, after the first
			t.Run(fmt.Sprint(name, second), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					takes := []time.Duration{5 * time.Second, second}
					var s source
					load := func(ctx context.Context, key string) (string, error) {
						n := s.count(key)
						v, err := s.load(ctx, key)
						<-time.After(takes[n])
						return v, err
					}
					l := newLoading(t, config{}, loadConfig{Load: load, Tags: tagged})
					var all sync.WaitGroup
					for range 3 {
						all.Go(func() { wantGet(t, l, "k", "k#1") })
					}
					synctest.Wait()
					invalidate(l)
					for range 3 {
						all.Go(func() { wantGet(t, l, "k", "k#2") })
					}
					all.Wait()
					wantGet(t, l, "k", "k#2")
					require.Equal(t, 2, s.count("k"))
				})
			})
		}
	}
}

// An invalidation of what is there, with and without other entries of the tag.
func TestLoadingInvalidated(t *testing.T) {
	for name, invalidate := range invalidations {
		t.Run(name, func(t *testing.T) {
			var s source
			tags := map[string][]string{"k": {"t"}, "same": {"u", "t"}, "other": {"u"}}
			l := newLoading(t, config{}, loadConfig{Load: s.load, Tags: func(key, _ string) []string { return tags[key] }})
			for range 2 {
				wantGet(t, l, "k", "k#1")
				wantGet(t, l, "same", "same#1")
				wantGet(t, l, "other", "other#1")
			}
			invalidate(l)
			wantGet(t, l, "k", "k#2")
			wantGet(t, l, "same", map[string]string{"Invalidate": "same#1", "InvalidateTag": "same#2", "InvalidateAll": "same#2"}[name])
			wantGet(t, l, "other", map[string]string{"Invalidate": "other#1", "InvalidateTag": "other#1", "InvalidateAll": "other#2"}[name])
			invalidate(l)
			wantGet(t, l, "k", "k#3")
		})
	}
}

// The value of a counter that several goroutines raise and invalidate: who has
// seen the counter at n before a Get began must not get less than n from it.
//
// Planted: Invalidate that forgets after it deletes; keep that only looks
// before the store.
func TestLoadingNeverGoesBack(t *testing.T) {
	for name, invalidate := range map[string]func(*cache.Loading[int, int64]){
		"Invalidate":    func(l *cache.Loading[int, int64]) { l.Invalidate(1) },
		"InvalidateTag": func(l *cache.Loading[int, int64]) { l.InvalidateTag("t") },
		"InvalidateAll": func(l *cache.Loading[int, int64]) { l.InvalidateAll() },
	} {
		t.Run(name, func(t *testing.T) {
			var truth, published atomic.Int64
			l, err := cache.NewLoading(cache.Config[int, int64]{MaxEntries: 10}, cache.LoadConfig[int, int64]{
				Load: func(context.Context, int) (int64, error) { return truth.Load(), nil },
				Tags: func(int, int64) []string { return []string{"t"} },
			})
			require.NoError(t, err)
			defer l.Close()
			var all sync.WaitGroup
			for range 4 {
				all.Go(func() {
					for published.Load() < 3000 {
						least := published.Load()
						v, err := l.Get(t.Context(), 1)
						if err != nil || v < least {
							t.Errorf("got %d, %v, want at least %d", v, err, least)
							return
						}
					}
				})
			}
			for range 3000 {
				n := truth.Add(1)
				invalidate(l)
				published.Store(n)
			}
			all.Wait()
		})
	}
}

// GetMany asks once for what is missing, waits for what others are loading
// already, and takes what is not in the answer as not found.
//
// Planted: board that takes all keys along; a second Get of the same key.
func TestGetMany(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := source{takes: 4 * time.Second, none: func(key string) bool { return key == "none" }}
		l := newLoading(t, config{}, loadConfig{LoadMany: s.loadMany, NegativeTTL: time.Hour})
		start := time.Now()
		var all sync.WaitGroup
		all.Go(func() { wantGet(t, l, "a", "a#1") })
		<-time.After(time.Second)
		all.Go(func() {
			got, err := l.GetMany(t.Context(), []string{"a", "b", "none", "b"})
			require.NoError(t, err)
			require.Equal(t, map[string]string{"a": "a#1", "b": "b#1"}, got)
		})
		all.Wait()
		require.Equal(t, [][]string{{"a"}, {"b", "none"}}, s.keys)
		require.Equal(t, 5*time.Second, time.Since(start))
		require.EqualValues(t, 1, l.Stats().Coalesced)
		got, err := l.GetMany(t.Context(), []string{"a", "b", "none"})
		require.NoError(t, err)
		require.Len(t, got, 2)
		require.Len(t, s.keys, 2, "all known")
		got, err = l.GetMany(t.Context(), nil)
		require.NoError(t, err)
		require.Empty(t, got)
	})
}

// Without LoadMany, the keys are loaded at the same time, as far as
// MaxConcurrent allows.
func TestGetManyWithoutLoadMany(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := source{takes: time.Second}
		l := newLoading(t, config{}, loadConfig{Load: s.load, MaxConcurrent: 2})
		start := time.Now()
		got, err := l.GetMany(t.Context(), []string{"a", "b", "c", "d", "e"})
		require.NoError(t, err)
		require.Equal(t, []string{"a", "b", "c", "d", "e"}, slices.Sorted(maps.Keys(got)))
		require.Equal(t, 3*time.Second, time.Since(start))
	})
}

// A failing load costs GetMany only its own keys, and one error. A caller who
// gives up gets what has come so far.
func TestGetManyInPart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLoading(t, config{}, loadConfig{LoadMany: func(ctx context.Context, keys []string) (map[string]string, error) {
			if slices.Contains(keys, "slow") {
				<-time.After(time.Minute)
			}
			return map[string]string{keys[0]: "v", "unasked": "v"}, errDown
		}})
		got, err := l.GetMany(t.Context(), []string{"a", "b", "c"})
		require.Equal(t, map[string]string{"a": "v"}, got)
		require.EqualError(t, err, errDown.Error(), "once, not for b and for c")
		require.ErrorIs(t, err, errDown)
		require.Equal(t, 1, l.Stats().Cache.Entries)

		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		got, err = l.GetMany(ctx, []string{"a", "slow", "d"})
		require.Equal(t, map[string]string{"a": "v"}, got)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		_, err = l.GetMany(ctx, []string{"e"})
		require.ErrorIs(t, err, context.DeadlineExceeded)
	})
}

// A tag is forgotten with its last entry, whichever way that goes; the table
// does not grow with the tags that there ever were. A tag that comes back starts
// from the floor that it had.
//
// Planted: no release in OnEvict; no release of what is not kept; hold that
// starts from 0.
func TestTagsAreForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s source
		l := newLoading(t, config{MaxEntries: 10, TTL: time.Minute}, loadConfig{Load: s.load,
			Tags: func(key, _ string) []string { return []string{"of " + key, "all"} }})
		for i := range 1000 {
			_, err := l.Get(t.Context(), fmt.Sprint(i))
			require.NoError(t, err)
			l.InvalidateTag(fmt.Sprint("of ", i-5))
			l.InvalidateTag(fmt.Sprint("never seen ", i))
			if i%3 == 0 {
				l.Invalidate(fmt.Sprint(i))
			}
			require.LessOrEqual(t, cache.TagCount(l), 11)
		}
		for i := range 1000 {
			l.Invalidate(fmt.Sprint(i))
		}
		require.Zero(t, cache.TagCount(l))
	})
}

// Close waits for loads, in the background too; what is in the cache stays.
func TestLoadingClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := source{takes: time.Second}
		l := newLoading(t, config{}, loadConfig{Load: s.load, RefreshAfter: time.Second})
		wantGet(t, l, "k", "k#1")
		<-time.After(time.Second)
		wantGet(t, l, "k", "k#1")
		start := time.Now()
		l.Close()
		require.Equal(t, time.Second, time.Since(start))
		wantGet(t, l, "k", "k#2")
		_, err := l.Get(t.Context(), "new")
		require.ErrorIs(t, err, cache.ErrClosed)
		_, err = l.GetMany(t.Context(), []string{"new", "newer"})
		require.ErrorIs(t, err, cache.ErrClosed)
		require.ErrorIs(t, l.Refresh(t.Context(), "k"), cache.ErrClosed)
		<-time.After(time.Second)
		wantGet(t, l, "k", "k#2")
	})
}

// A load gets LoadTimeout, whatever the patience of its callers.
func TestLoadTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLoading(t, config{}, loadConfig{LoadTimeout: time.Second, Load: func(ctx context.Context, _ string) (string, error) {
			<-ctx.Done()
			return "", ctx.Err()
		}})
		start := time.Now()
		_, err := l.Get(t.Context(), "k")
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, time.Second, time.Since(start))
	})
}

// Values are handed out of the cache to OnEvict exactly once, whatever happens
// at the same time.
func TestLoadingTellsEachValueOnce(t *testing.T) {
	random := seed.New(t)
	var serial, made, told atomic.Int64
	var twice sync.Map
	l, err := cache.NewLoading(cache.Config[int, int64]{MaxEntries: 20, OnEvict: func(_ int, v int64, _ cache.Reason) {
		if _, again := twice.LoadOrStore(v, true); again {
			t.Errorf("value %d was told twice", v)
		}
		told.Add(1)
	}}, cache.LoadConfig[int, int64]{
		Load: func(context.Context, int) (int64, error) { made.Add(1); return serial.Add(1), nil },
		Tags: func(key int, _ int64) []string { return []string{fmt.Sprint(key % 3)} },
	})
	require.NoError(t, err)
	var all sync.WaitGroup
	for range 4 {
		from := random.IntN(40)
		all.Go(func() {
			for i := range 3000 {
				key := (from + i*7) % 40
				switch i % 10 {
				case 3:
					l.Invalidate(key)
				case 5:
					l.InvalidateTag(fmt.Sprint(key % 3))
				case 7:
					l.Refresh(t.Context(), key)
				default:
					l.Get(t.Context(), key)
				}
			}
		})
	}
	all.Wait()
	l.Close()
	for key := range 40 {
		l.Invalidate(key)
	}
	require.Zero(t, l.Stats().Cache.Entries)
	require.Zero(t, cache.TagCount(l))
	require.LessOrEqual(t, told.Load(), made.Load(), "what was never kept is not told")
	require.Positive(t, told.Load())
}

func TestLoadConfigIsChecked(t *testing.T) {
	load := func(context.Context, string) (string, error) { return "", nil }
	ttl := config{MaxEntries: 1, TTL: time.Minute}
	for _, c := range []struct {
		config config
		load   loadConfig
		want   string
	}{
		{config{}, loadConfig{Load: load}, "neither MaxEntries nor MaxCost is set, want a bound"},
		{ttl, loadConfig{}, "neither Load nor LoadMany is set, want a function"},
		{ttl, loadConfig{Load: load, RefreshAfter: -1}, "RefreshAfter is -1ns, want a positive time, or 0 for no refreshing"},
		{ttl, loadConfig{Load: load, RefreshAfter: time.Minute}, "RefreshAfter is 1m0s, want less than TTL, which is 1m0s"},
		{ttl, loadConfig{Load: load, StaleFor: -1}, "StaleFor is -1ns, want a positive time, or 0 for none"},
		{config{MaxEntries: 1}, loadConfig{Load: load, StaleFor: 1}, "StaleFor is 1ns, want 0, because without TTL and TTLFunc nothing becomes stale"},
		{ttl, loadConfig{Load: load, Beta: -1}, "Beta is -1, want 0 to 1000"},
		{ttl, loadConfig{Load: load, Beta: math.NaN()}, "Beta is NaN, want 0 to 1000"},
		{config{MaxEntries: 1}, loadConfig{Load: load, Beta: 1}, "Beta is 1, want 0, because without TTL and TTLFunc nothing expires"},
		{ttl, loadConfig{Load: load, NegativeTTL: -1}, "NegativeTTL is -1ns, want a positive time, or 0 to keep no misses"},
		{ttl, loadConfig{Load: load, MaxConcurrent: -1}, "MaxConcurrent is -1, want at least 1, or 0 for no bound"},
		{ttl, loadConfig{Load: load, LoadTimeout: -1}, "LoadTimeout is -1ns, want a positive time, or 0 for none"},
	} {
		l, err := cache.NewLoading(c.config, c.load)
		require.ErrorIs(t, err, cache.ErrConfig)
		require.EqualError(t, err, "cache: bad configuration: "+c.want)
		require.Nil(t, l)
	}
}

func TestLoadStatsCanBePublished(t *testing.T) {
	var s source
	l := newLoading(t, config{Stats: true}, loadConfig{Load: s.load})
	wantGet(t, l, "k", "k#1")
	wantGet(t, l, "k", "k#1")
	b, err := json.Marshal(l.Stats())
	require.NoError(t, err)
	require.Contains(t, string(b), `"loads":1,"failures":0,"reloads":0,"coalesced":0,"stale":0,"cache":{"hits":1,"misses":1,`)
	var log bytes.Buffer
	slog.New(slog.NewTextHandler(&log, nil)).Info("", "users", l.Stats())
	require.Contains(t, log.String(), "users.loads=1 ")
	require.Contains(t, log.String(), "users.cache.hits=1 ")
}
