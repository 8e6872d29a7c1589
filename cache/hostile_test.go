package cache_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/plinth-go/plinth/cache"
)

// What a hostile reader found in the patterns, each defect as a test that failed.

// Close ends in time although a load hangs that nobody waits for any more.
func TestWriteBackCloseHangsBehindALoad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, err := cache.NewWriteBack(hanging{}, config{MaxEntries: 10}, loadConfig{}, cache.WriteBackConfig{})
		require.NoError(t, err)
		require.NoError(t, w.Set(t.Context(), "k", "v"))
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		w.Get(ctx, "other") // gives up, its load does not
		start := time.Now()
		var unstored *cache.UnstoredError[string, string]
		require.ErrorAs(t, w.Close(ctx), &unstored)
		require.Equal(t, map[string]string{"k": "v"}, unstored.Values, "or they could not be rescued")
		require.Zero(t, time.Since(start), "its context has ended")
	})
}

// Several Sets wait for room, and one hurry stood for all of them.
func TestWriteBackLostWakeup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWriteBack(t, newStore(), cache.WriteBackConfig{FlushEvery: time.Hour, MaxDirty: 1})
		start := time.Now()
		var all sync.WaitGroup
		for n := range 4 {
			all.Go(func() { w.Set(t.Context(), fmt.Sprint(n), "v") })
		}
		all.Wait()
		took := time.Since(start)
		require.NoError(t, w.Close(t.Context()))
		require.Less(t, took, time.Second)
	})
}

// The same when the room is full of keys that were set again during a batch.
func TestWriteBackLostWakeupSetAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore()
		s.fault = func(map[string]string) error { <-time.After(time.Second); return nil }
		w := newWriteBack(t, s, cache.WriteBackConfig{FlushEvery: time.Hour, MaxDirty: 2, MaxBatch: 2})
		require.NoError(t, w.Set(t.Context(), "a", "1"))
		require.NoError(t, w.Set(t.Context(), "b", "1")) // wakes
		synctest.Wait()
		start := time.Now()
		var all sync.WaitGroup
		all.Go(func() { require.NoError(t, w.Set(t.Context(), "c", "v")) }) // wakes, waits
		synctest.Wait()
		// first batch ends at 1 s, second (hurry) runs
		require.NoError(t, w.Set(t.Context(), "a", "2"))
		require.NoError(t, w.Set(t.Context(), "b", "2"))
		<-time.After(1500 * time.Millisecond)
		require.NoError(t, w.Set(t.Context(), "a", "3"))
		require.NoError(t, w.Set(t.Context(), "b", "3"))
		all.Wait()
		took := time.Since(start)
		require.NoError(t, w.Close(t.Context()))
		require.Less(t, took, time.Minute)
	})
}

// An invalidation that comes between Backend.Store and the cache counts.
func TestWriteThroughLosesInvalidate(t *testing.T) {
	for name, invalidate := range invalidations {
		t.Run(name, func(t *testing.T) {
			s := newStore()
			w, err := cache.NewWriteThrough(s, config{MaxEntries: 10}, loadConfig{Tags: tagged})
			require.NoError(t, err)
			defer w.Close()
			s.late = func(map[string]string) error { // after the backend has done it, before Set goes on
				s.mu.Lock()
				s.data["k"] = "of another process"
				s.mu.Unlock()
				invalidate(w.Loading) // which tells us
				return nil
			}
			require.NoError(t, w.Set(t.Context(), "k", "ours"))
			wantGet(t, w, "k", "of another process")
		})
	}
}

// A Cost that panics leaves no tags behind.
func TestCostPanicLeaksTags(t *testing.T) {
	var s source
	l := newLoading(t, config{MaxCost: 10, Cost: func(string, string) int64 { panic("cost") }},
		loadConfig{Load: s.load, Tags: func(key, _ string) []string { return []string{key} }})
	for n := range 100 {
		l.Get(t.Context(), fmt.Sprint(n))
	}
	require.Zero(t, l.Stats().Cache.Entries)
	require.Zero(t, cache.TagCount(l))
}

type floats struct{}

func (floats) Load(context.Context, float64) (int, error) { return 0, cache.ErrNotFound }

func (floats) Store(context.Context, map[float64]int) error { return nil }

func (floats) Delete(context.Context, []float64) error { return nil }

// A key that is not equal to itself is refused before anything is kept for it.
func TestNaNLeaksTurns(t *testing.T) {
	w, err := cache.NewWriteThrough(floats{}, cache.Config[float64, int]{MaxEntries: 10}, cache.LoadConfig[float64, int]{})
	require.NoError(t, err)
	defer w.Close()
	for range 100 {
		require.Error(t, w.Set(t.Context(), math.NaN(), 1))
		require.Error(t, w.Delete(t.Context(), math.NaN()))
	}
	require.Zero(t, cache.TurnCount(w))
}

type anys struct{}

func (anys) Load(context.Context, any) (int, error) { return 0, cache.ErrNotFound }

func (anys) Store(context.Context, map[any]int) error { return nil }

func (anys) Delete(context.Context, []any) error { return nil }

// A key that cannot be hashed panics, and nobody else hangs for that.
func TestUnhashableKeyLocksForEver(t *testing.T) {
	c := cache.Config[any, int]{MaxEntries: 10}
	through, err := cache.NewWriteThrough(anys{}, c, cache.LoadConfig[any, int]{})
	require.NoError(t, err)
	back, err := cache.NewWriteBack(anys{}, c, cache.LoadConfig[any, int]{}, cache.WriteBackConfig{})
	require.NoError(t, err)
	for name, f := range map[string]func(any){
		"WriteThrough.Set": func(k any) { through.Set(context.Background(), k, 1) },
		"WriteBack.Get":    func(k any) { back.Get(context.Background(), k) },
	} {
		t.Run(name, func(t *testing.T) {
			require.Panics(t, func() { f([]int{1}) }) // the caller's mistake, who recovers like net/http
			f("good")                                 // or everybody else hangs
		})
	}
}

// What has come by the time the context ends is returned.
func TestGetManyLosesWhatHasCome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLoading(t, config{}, loadConfig{Load: func(_ context.Context, key string) (string, error) {
			if key == "slow" {
				<-time.After(time.Minute)
			}
			return "v", nil
		}})
		keys := []string{"slow"}
		for n := range 20 {
			keys = append(keys, fmt.Sprint(n))
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		got, err := l.GetMany(ctx, keys)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Len(t, got, 20, "they have all been loaded for a second")
	})
}

type sliceCtx struct {
	context.Context
	roles []string
}

// A context of a type that cannot be compared is as good as any.
func TestGetManyPanicsOnContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := source{takes: time.Minute}
		l := newLoading(t, config{}, loadConfig{Load: s.load})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		require.NotPanics(t, func() { l.GetMany(sliceCtx{Context: ctx, roles: []string{"reader"}}, []string{"a", "b"}) })
	})
}

// An error that says of one key that it was not found says nothing of the others.
func TestJoinedErrorPoisons(t *testing.T) {
	down := true
	l := newLoading(t, config{}, loadConfig{NegativeTTL: time.Hour, LoadMany: func(_ context.Context, keys []string) (map[string]string, error) {
		found, errs := map[string]string{}, []error(nil)
		for _, key := range keys {
			switch {
			case key == "none":
				errs = append(errs, fmt.Errorf("%s: %w", key, cache.ErrNotFound))
			case down:
				errs = append(errs, fmt.Errorf("%s: %w", key, errDown))
			default:
				found[key] = "v"
			}
		}
		return found, errors.Join(errs...)
	}})
	_, err := l.GetMany(t.Context(), []string{"k", "none"})
	require.ErrorIs(t, err, errDown)
	down = false
	wantGet(t, l, "k", "v")
}

// A value that is stored is not dirty any more, although Tags panics.
func TestPanicAfterStoreStaysDirty(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore()
		w, err := cache.NewWriteBack(s, config{MaxEntries: 10}, loadConfig{Tags: func(key, _ string) []string {
			if key == "bad" {
				panic("tags")
			}
			return nil
		}}, cache.WriteBackConfig{})
		require.NoError(t, err)
		require.NoError(t, w.Set(t.Context(), "bad", "v"))
		<-time.After(time.Minute)
		err = w.Close(t.Context())
		require.Equal(t, "v", s.all()["bad"])
		require.NoError(t, err, "it is stored")
	})
}

// A reload that fails is tried again within the life of the value.
func TestRetryPauseLongerThanLife(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := source{err: func(n int) error {
			if n == 2 {
				return errDown
			}
			return nil
		}}
		l := newLoading(t, config{TTLFunc: func(string, string) time.Duration { return time.Second }},
			loadConfig{Load: s.load, RefreshAfter: time.Hour, StaleFor: time.Minute})
		wantGet(t, l, "k", "k#1")
		<-time.After(time.Second)
		for range 59 {
			_, err := l.Get(t.Context(), "k")
			require.NoError(t, err)
			<-time.After(time.Second)
			synctest.Wait()
		}
		require.Greater(t, s.count("k"), 2, "due at 1 s, so retried after 1/16 s; served stale for a minute")
	})
}

// The life of a value begins when it was loaded, not when the user's functions are
// done.
func TestServedAfterHardExpiry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s source
		l := newLoading(t, config{TTL: time.Minute}, loadConfig{Load: s.load, Tags: func(string, string) []string {
			<-time.After(10 * time.Second)
			return nil
		}})
		start := time.Now()
		wantGet(t, l, "k", "k#1")
		<-time.After(65*time.Second - time.Since(start))
		wantGet(t, l, "k", "k#2")
	})
}

// The same for the later keys of a bulk load.
func TestServedAfterHardExpiryMany(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s source
		l := newLoading(t, config{MaxEntries: 1, TTL: time.Minute, OnEvict: func(string, string, cache.Reason) {
			<-time.After(10 * time.Second)
		}}, loadConfig{LoadMany: s.loadMany})
		start := time.Now()
		_, err := l.GetMany(t.Context(), []string{"a", "b", "c"})
		require.NoError(t, err)
		<-time.After(65*time.Second - time.Since(start))
		for _, k := range []string{"a", "b", "c"} {
			require.False(t, cache.Holds(l, k), k)
		}
	})
}

// That there is no value is forgotten with any tag: it could be the one.
func TestNegativeSurvivesInvalidateTag(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := source{takes: time.Second, err: func(n int) error {
			if n == 1 {
				return cache.ErrNotFound
			}
			return nil
		}}
		l := newLoading(t, config{}, loadConfig{Load: s.load, Tags: tagged, NegativeTTL: time.Hour})
		go l.Get(t.Context(), "k")
		synctest.Wait()
		l.InvalidateTag("t") // k was created just now, with tag t
		<-time.After(2 * time.Second)
		wantGet(t, l, "k", "k#2")
	})
}

// A value that the backend always refuses does not hold up what is set beside it.
func TestBadValueHoldsUpOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		set := map[string]time.Duration{}
		var mu sync.Mutex
		var worst time.Duration
		s := newStore()
		s.fault = func(keys map[string]string) error {
			if _, ok := keys["bad"]; ok {
				return errDown
			}
			mu.Lock()
			for k := range keys {
				worst = max(worst, time.Since(start)-set[k])
			}
			mu.Unlock()
			return nil
		}
		w := newWriteBack(t, s, cache.WriteBackConfig{})
		require.NoError(t, w.Set(t.Context(), "bad", "v"))
		n := 0
		for range 3000 { // five minutes, 40 keys/s
			for range 4 {
				k := fmt.Sprint(n)
				n++
				mu.Lock()
				set[k] = time.Since(start)
				mu.Unlock()
				require.NoError(t, w.Set(t.Context(), k, "v"))
			}
			<-time.After(100 * time.Millisecond)
		}
		s.repaired.Store(true)
		require.NoError(t, w.Close(t.Context()))
		require.Less(t, worst, 5*time.Second, "FlushEvery is 1 s, and a few pauses")
	})
}

// Close tries again while the backend is down for a moment, and not a thousand
// times.
func TestCloseDoesNotRetry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore()
		start := time.Now()
		s.fault = func(map[string]string) error {
			if time.Since(start) < 50*time.Millisecond {
				return errDown
			}
			return nil
		}
		w := newWriteBack(t, s, cache.WriteBackConfig{})
		for n := range 1000 {
			require.NoError(t, w.Set(t.Context(), fmt.Sprint(n), "v"))
		}
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		err := w.Close(ctx)
		require.NoError(t, err)
	})
}

// A nil context panics, and leaves nothing behind that others would wait for.
func TestNilContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s source
		l, err := cache.NewLoading(config{MaxEntries: 10}, loadConfig{Load: s.load, RefreshAfter: time.Second})
		require.NoError(t, err)
		wantGet(t, l, "k", "k#1")
		<-time.After(time.Second)
		func() {
			defer func() { recover() }()
			var none context.Context
			l.Get(none, "k")
		}()
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		require.NoError(t, l.Refresh(ctx, "k"))
	})
}

// A load that is under way when some tag is invalidated can still be overtaken by
// an Invalidate or a Set of its key.
func TestOrphanResurrects(t *testing.T) {
	for name, change := range map[string]func(context.Context, writer, *store){
		"Invalidate": func(_ context.Context, w writer, s *store) {
			s.mu.Lock()
			s.data["k"] = "new"
			s.mu.Unlock()
			w.Invalidate("k")
		},
		"Set": func(ctx context.Context, w writer, s *store) { w.Set(ctx, "k", "new") },
	} {
		for _, unrelated := range []bool{false, true} {
			t.Run(fmt.Sprint(name, unrelated), func(t *testing.T) {
				eachWriter(t, config{}, loadConfig{}, func(t *testing.T, w writer, s *store) {
					s.data["k"] = "old"
					s.onLoad = func() { <-time.After(time.Second) }
					go w.Get(t.Context(), "k") // reads "old", ends in a second
					synctest.Wait()
					if unrelated {
						w.InvalidateTag("unrelated")
					}
					change(t.Context(), w, s)
					<-time.After(time.Minute)
					wantGet(t, w, "k", "new")
				})
			})
		}
	}
}

// A panic of OnEvict loses no value and repeats no write.
func TestOnEvictPanicWriteBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore()
		w, err := cache.NewWriteBack(s, config{MaxEntries: 1, OnEvict: func(string, string, cache.Reason) { panic("evict") }}, loadConfig{}, cache.WriteBackConfig{})
		require.NoError(t, err)
		for n := range 20 {
			require.NoError(t, w.Set(t.Context(), fmt.Sprint(n), "v"))
		}
		err = w.Close(t.Context())
		require.NoError(t, err)
	})
}

// A bad and a good value, set again now and then.
func TestBadValueFewOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore()
		s.fault = func(keys map[string]string) error {
			if _, ok := keys["bad"]; ok {
				return errDown
			}
			return nil
		}
		w := newWriteBack(t, s, cache.WriteBackConfig{})
		require.NoError(t, w.Set(t.Context(), "bad", "v"))
		<-time.After(time.Minute)
		var worst time.Duration
		for range 100 {
			start := time.Now()
			require.NoError(t, w.Set(t.Context(), "good", fmt.Sprint(start)))
			for w.Dirty() > 1 {
				<-time.After(100 * time.Millisecond)
			}
			worst = max(worst, time.Since(start))
		}
		s.repaired.Store(true)
		require.NoError(t, w.Close(t.Context()))
		require.LessOrEqual(t, worst, 2*time.Second)
	})
}

// The same with a bound that the others reach.
func TestMaxDirtyFilledByBad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore()
		s.fault = func(keys map[string]string) error {
			if _, ok := keys["bad"]; ok {
				return errDown
			}
			return nil
		}
		w := newWriteBack(t, s, cache.WriteBackConfig{MaxBatch: 4})
		require.NoError(t, w.Set(t.Context(), "bad", "v"))
		<-time.After(time.Minute)
		start := time.Now()
		for n := range 10000 {
			require.NoError(t, w.Set(t.Context(), fmt.Sprint(n), "v"))
		}
		took := time.Since(start)
		s.repaired.Store(true)
		require.NoError(t, w.Close(t.Context()))
		require.Less(t, took, 10*time.Second)
	})
}

// The cache and the backend agree in the end, whatever tags are invalidated
// meanwhile.
func TestAgreementUnrelatedTag(t *testing.T) {
	for range 300 {
		s := newStore()
		s.onLoad = func() { runtime.Gosched() }
		w, err := cache.NewWriteThrough(s, config{MaxEntries: 100}, loadConfig{})
		require.NoError(t, err)
		var all sync.WaitGroup
		for g := range 4 {
			all.Go(func() {
				for i := range 30 {
					switch g {
					case 0:
						w.InvalidateTag("x")
					case 1:
						w.Set(t.Context(), "k", fmt.Sprint(i))
					case 2:
						w.Refresh(t.Context(), "k")
					default:
						w.Get(t.Context(), "k")
					}
				}
			})
		}
		all.Wait()
		w.Close()
		got, err := w.Get(t.Context(), "k")
		if errors.Is(err, cache.ErrClosed) {
			continue // an invalidation came last, and the cache has nothing that could be wrong
		}
		require.NoError(t, err)
		want, _ := s.get("k")
		require.Equal(t, want, got)
	}
}

// A deleted key does not come back with a load that began before.
func TestOrphanDelete(t *testing.T) {
	eachWriter(t, config{}, loadConfig{}, func(t *testing.T, w writer, s *store) {
		s.data["k"] = "old"
		s.onLoad = func() { <-time.After(time.Second) }
		go w.Get(t.Context(), "k")
		synctest.Wait()
		w.InvalidateTag("unrelated")
		require.NoError(t, w.Delete(t.Context(), "k"))
		<-time.After(time.Minute)
		_, err := w.Get(t.Context(), "k")
		require.ErrorIs(t, err, cache.ErrNotFound)
	})
}

// The same when the tag is invalidated during a Set.
func TestOrphanSetThrough(t *testing.T) {
	eachWriter(t, config{}, loadConfig{}, func(t *testing.T, w writer, s *store) {
		s.data["k"] = "old"
		s.onLoad = func() { <-time.After(time.Second) }
		go w.Get(t.Context(), "k")
		synctest.Wait()
		s.fault = func(map[string]string) error { w.InvalidateTag("unrelated"); return nil }
		require.NoError(t, w.Set(t.Context(), "k", "new"))
		<-time.After(time.Minute)
		wantGet(t, w, "k", "new")
	})
}

// One failure, and Close stores the value with its next try.
func TestFlushErrUnderClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore()
		first := true
		s.fault = func(map[string]string) error {
			if first {
				first = false
				return errDown
			}
			return nil
		}
		w := newWriteBack(t, s, cache.WriteBackConfig{})
		require.NoError(t, w.Set(t.Context(), "k", "v"))
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		require.NoError(t, w.Close(ctx), "one error, and an hour to try again")
	})
}
