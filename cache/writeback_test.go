package cache_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/plinth-go/plinth/cache"
	"github.com/plinth-go/plinth/internal/seed"
)

// newWriteBack returns one in front of s that holds ten clean entries. The test
// must close it.
func newWriteBack(t *testing.T, s *store, c cache.WriteBackConfig) *cache.WriteBack[string, string] {
	t.Helper()
	w, err := cache.NewWriteBack(s, config{MaxEntries: 10}, loadConfig{}, c)
	require.NoError(t, err)
	return w
}

// Writes reach the backend FlushEvery later, several of a key as one, or as soon
// as there is a batch; Flush does not wait.
//
// Planted: record without wake; a batch of more than MaxBatch.
func TestWriteBackBatches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore()
		w := newWriteBack(t, s, cache.WriteBackConfig{FlushEvery: time.Second, MaxBatch: 4})
		for n := range 5 {
			require.NoError(t, w.Set(t.Context(), "k", fmt.Sprint(n)))
			wantGet(t, w, "k", fmt.Sprint(n))
		}
		require.Equal(t, 1, w.Dirty())
		<-time.After(time.Second - 1)
		require.Empty(t, s.all())
		<-time.After(1)
		synctest.Wait()
		require.Equal(t, map[string]string{"k": "4"}, s.all())
		require.Equal(t, 1, s.count())
		require.Zero(t, w.Dirty())
		wantGet(t, w, "k", "4")
		require.Zero(t, w.Stats().Loads, "what was stored is in the cache")

		for n := range 4 {
			require.NoError(t, w.Set(t.Context(), fmt.Sprint("k", n), "v"))
		}
		synctest.Wait()
		require.Len(t, s.all(), 5)
		require.Equal(t, 2, s.count())

		require.NoError(t, w.Set(t.Context(), "k", "5"))
		require.NoError(t, w.Delete(t.Context(), "k0"))
		_, err := w.Get(t.Context(), "k0")
		require.ErrorIs(t, err, cache.ErrNotFound)
		require.NoError(t, w.Flush(t.Context()))
		require.Equal(t, map[string]string{"k": "5", "k1": "v", "k2": "v", "k3": "v"}, s.all())
		require.NoError(t, w.Close(t.Context()))
	})
}

// A value that is set while an older one of its key is being stored is stored
// again, after it; Get returns it at every moment.
//
// Planted: clean that does not compare; a second batch beside the first.
func TestWriteBackOvertakenByANewerValue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore()
		s.fault = func(map[string]string) error { <-time.After(time.Second); return nil }
		w := newWriteBack(t, s, cache.WriteBackConfig{FlushEvery: time.Hour})
		require.NoError(t, w.Set(t.Context(), "k", "old"))
		var all sync.WaitGroup
		all.Go(func() { require.NoError(t, w.Flush(t.Context())) })
		synctest.Wait()
		require.NoError(t, w.Set(t.Context(), "k", "new"))
		wantGet(t, w, "k", "new")
		all.Wait()
		require.Equal(t, 1, w.Dirty())
		wantGet(t, w, "k", "new")
		require.NoError(t, w.Flush(t.Context()))
		require.Zero(t, w.Dirty())
		require.Equal(t, []string{"old", "new"}, s.log["k"])
		require.NoError(t, w.Close(t.Context()))
	})
}

// A load that has read the former value does not outlive the write, whatever
// moment it ends at.
//
// Planted: storeAll without put; clean before put.
func TestWriteBackOvertakesALoad(t *testing.T) {
	for _, takes := range []time.Duration{1, 3, 5, 7} {
		synctest.Test(t, func(t *testing.T) {
			s := newStore()
			require.NoError(t, s.Store(t.Context(), map[string]string{"k": "old"}))
			s.onLoad = func() { <-time.After(takes * time.Second) }
			s.fault = func(map[string]string) error { <-time.After(4 * time.Second); return nil }
			w := newWriteBack(t, s, cache.WriteBackConfig{FlushEvery: 2 * time.Second})
			var all sync.WaitGroup
			all.Go(func() { wantGet(t, w, "k", "old") })
			synctest.Wait()
			require.NoError(t, w.Set(t.Context(), "k", "new"))
			for range 20 {
				wantGet(t, w, "k", "new")
				<-time.After(time.Second / 2)
			}
			all.Wait()
			wantGet(t, w, "k", "new")
			require.NoError(t, w.Close(t.Context()))
		})
	}
}

// With MaxDirty keys dirty, a Set of one of them goes through, and one of
// another waits: until the worker, which it wakes, has made room, or until its
// context ends.
//
// Planted: a token that a failed Set keeps; a Set that wakes nobody.
func TestWriteBackWaitsForRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore()
		s.fault = func(map[string]string) error { <-time.After(3 * time.Second); return nil }
		w := newWriteBack(t, s, cache.WriteBackConfig{FlushEvery: time.Hour, MaxDirty: 2})
		start := time.Now()
		for _, key := range []string{"a", "b", "a"} {
			require.NoError(t, w.Set(t.Context(), key, "v"))
		}
		require.Zero(t, time.Since(start))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		require.ErrorIs(t, w.Set(ctx, "c", "v"), context.DeadlineExceeded)
		require.Equal(t, 2, w.Dirty())
		var all sync.WaitGroup
		for range 2 { // of the same key: one token
			all.Go(func() { require.NoError(t, w.Set(t.Context(), "c", "v")) })
		}
		all.Wait()
		require.Equal(t, 3*time.Second, time.Since(start))
		require.NoError(t, w.Set(t.Context(), "d", "v"), "room for one more")
		require.NoError(t, w.Close(t.Context()))
		require.Len(t, s.all(), 4)
	})
}

// While the backend is down, the worker asks it after 100, 200, 400 ms and so
// on, up to 6.4 s, and nothing is lost when it is back.
func TestWriteBackRetries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		var tried []time.Duration
		s := newStore()
		s.fault = func(map[string]string) error {
			if at := time.Since(start); at < 20*time.Second {
				tried = append(tried, at-time.Second)
				return errDown
			}
			return nil
		}
		w := newWriteBack(t, s, cache.WriteBackConfig{})
		want := make(map[string]string)
		for n := range 100 {
			want[fmt.Sprint(n)] = "v"
			require.NoError(t, w.Set(t.Context(), fmt.Sprint(n), "v"))
		}
		<-time.After(30 * time.Second)
		var at []int
		for _, d := range tried {
			at = append(at, int(d/(100*time.Millisecond)))
		}
		require.Equal(t, []int{0, 1, 3, 7, 15, 31, 63, 127}, at)
		require.Equal(t, want, s.all())
		require.NoError(t, w.Close(t.Context()))
	})
}

// One value that the backend always refuses keeps nobody else's from being
// stored, panics included.
//
// Planted: batches that do not shrink; failed keys that go to the head of the
// queue.
func TestWriteBackGoesRoundABadValue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore()
		s.fault = func(keys map[string]string) error {
			if _, ok := keys["bad"]; ok {
				return errDown
			}
			if _, ok := keys["worse"]; ok {
				panic("worse")
			}
			return nil
		}
		w := newWriteBack(t, s, cache.WriteBackConfig{})
		for n := range 50 {
			require.NoError(t, w.Set(t.Context(), fmt.Sprint(n), "v"))
			if n == 20 {
				require.NoError(t, w.Set(t.Context(), "bad", "v"))
				require.NoError(t, w.Set(t.Context(), "worse", "v"))
			}
		}
		<-time.After(time.Minute)
		require.Len(t, s.all(), 50)
		require.Equal(t, 2, w.Dirty())
		wantGet(t, w, "bad", "v")

		var unstored *cache.UnstoredError[string, string]
		require.ErrorAs(t, w.Close(t.Context()), &unstored)
		require.Equal(t, map[string]string{"bad": "v", "worse": "v"}, unstored.Values)
		require.Error(t, unstored.Unwrap())
		s.repaired.Store(true) // somebody has repaired the backend
		require.NoError(t, w.Close(t.Context()))
		require.Len(t, s.all(), 52)
	})
}

// Close stores what it can, says what it could not, and ends with its context at
// the latest. Afterwards nothing runs (or the bubble would complain), nothing
// can be set, and what is still dirty can be read.
//
// Planted: Close that gives up at the first error; a worker that does not stop
// in its pause.
func TestWriteBackClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore()
		w := newWriteBack(t, s, cache.WriteBackConfig{MaxBatch: 8})
		s.fault = func(keys map[string]string) error {
			if _, ok := keys["bad"]; ok {
				return errDown
			}
			return nil
		}
		for n := range 30 {
			require.NoError(t, w.Set(t.Context(), fmt.Sprint(n), "v"))
		}
		require.NoError(t, w.Delete(t.Context(), "bad"))
		err := w.Close(t.Context())
		var unstored *cache.UnstoredError[string, string]
		require.ErrorAs(t, err, &unstored)
		require.Empty(t, unstored.Values)
		require.Equal(t, []string{"bad"}, unstored.Deleted)
		require.ErrorIs(t, err, errDown)
		require.EqualError(t, err, "cache: 0 values and 1 deletions could not be stored: cache: delete: the database is down")
		require.Len(t, s.all(), 30)
		require.ErrorIs(t, w.Set(t.Context(), "late", "v"), cache.ErrClosed)
		require.ErrorIs(t, w.Set(t.Context(), "bad", "v"), cache.ErrClosed)
		_, err = w.Get(t.Context(), "bad")
		require.ErrorIs(t, err, cache.ErrNotFound)
	})
}

// A backend that obeys its context does not hold up a Close whose time is over.
func TestWriteBackCloseInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, err := cache.NewWriteBack(hanging{}, config{MaxEntries: 10}, loadConfig{}, cache.WriteBackConfig{MaxDirty: 1})
		require.NoError(t, err)
		require.NoError(t, w.Set(t.Context(), "k", "v"))
		var all sync.WaitGroup
		all.Go(func() { require.ErrorIs(t, w.Set(t.Context(), "waits", "v"), cache.ErrClosed) })
		<-time.After(time.Second) // the worker hangs in the backend
		start := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		var unstored *cache.UnstoredError[string, string]
		require.ErrorAs(t, w.Close(ctx), &unstored)
		require.Equal(t, map[string]string{"k": "v"}, unstored.Values)
		require.ErrorIs(t, unstored, context.DeadlineExceeded)
		require.Equal(t, time.Second, time.Since(start))
		all.Wait()
	})
}

// hanging is a backend that never answers.
type hanging struct{}

func (hanging) Load(ctx context.Context, _ string) (string, error) {
	<-ctx.Done()
	return "", ctx.Err()
}
func (hanging) Store(ctx context.Context, _ map[string]string) error { <-ctx.Done(); return ctx.Err() }
func (hanging) Delete(ctx context.Context, _ []string) error         { <-ctx.Done(); return ctx.Err() }

func TestWriteBackRefusesNaN(t *testing.T) {
	b := struct{ cache.Backend[float64, int] }{}
	w, err := cache.NewWriteBack(b, cache.Config[float64, int]{MaxEntries: 10}, cache.LoadConfig[float64, int]{}, cache.WriteBackConfig{})
	require.NoError(t, err)
	require.EqualError(t, w.Set(t.Context(), math.NaN(), 1), "cache: the key NaN is not equal to itself, so nothing could find it again")
	require.NoError(t, w.Close(t.Context()))
}

// Against a model that is a map: random writes, reads, deletions and flushes
// with a backend that fails at random, before or after it has done the work, in
// a cache so small that it always evicts. Each read returns the last write; in
// the end everything is stored, and each key got its values in the order of the
// writes, with none after the last.
//
// Planted: a failed batch that is not queued again; clean that does not compare;
// queueing again what was set between clean and the end of the batch (it is in
// the queue twice then); clean before put.
func TestWriteBackModel(t *testing.T) {
	random := seed.New(t)
	for range 60 {
		synctest.Test(t, func(t *testing.T) { runWriteBackModel(t, rand.New(rand.NewPCG(random.Uint64(), 0))) })
	}
}

func runWriteBackModel(t *testing.T, random *rand.Rand) {
	s := newStore()
	luck := rand.New(rand.NewPCG(random.Uint64(), 0)) // of the backend, whose calls never overlap
	failing := true
	fail := func(map[string]string) error {
		<-time.After(time.Duration(luck.IntN(50)) * time.Millisecond)
		if failing && luck.IntN(3) == 0 {
			return errDown
		}
		return nil
	}
	s.fault, s.late = fail, fail
	s.onLoad = func() { <-time.After(20 * time.Millisecond) }
	w := newWriteBack(t, s, cache.WriteBackConfig{FlushEvery: 100 * time.Millisecond, MaxBatch: 1 + random.IntN(8), MaxDirty: 12, RetryAfter: 5 * time.Millisecond})
	model, written := make(map[string]string), make(map[string][]string)
	for n := range 400 {
		key := fmt.Sprint("k", random.IntN(30))
		switch random.IntN(8) {
		case 0, 1, 2:
			v := fmt.Sprint(n)
			require.NoError(t, w.Set(t.Context(), key, v))
			model[key], written[key] = v, append(written[key], v)
		case 3:
			require.NoError(t, w.Delete(t.Context(), key))
			delete(model, key)
			written[key] = append(written[key], "")
		case 4:
			if err := w.Flush(t.Context()); err != nil {
				require.ErrorIs(t, err, errDown)
			}
		case 5:
			<-time.After(time.Duration(random.IntN(60)) * time.Millisecond)
		default:
			v, err := w.Get(t.Context(), key)
			want, ok := model[key]
			require.Equal(t, ok, err == nil)
			require.Equal(t, want, v)
		}
		require.LessOrEqual(t, w.Dirty(), 12)
	}
	if err := w.Close(t.Context()); err != nil {
		var unstored *cache.UnstoredError[string, string]
		require.True(t, errors.As(err, &unstored))
		failing = false
		require.NoError(t, w.Close(t.Context()))
	}
	require.Equal(t, model, s.all())
	for key := range maps.Keys(s.log) {
		requireInOrder(t, written[key], s.log[key])
	}
}

// requireInOrder checks that what was stored is what was written, in order, with
// repetitions and gaps, and that the last is the last.
func requireInOrder(t *testing.T, written, stored []string) {
	t.Helper()
	at := 0
	for i, v := range stored {
		if i > 0 && v == stored[i-1] {
			continue // a retry of what had been done
		}
		next := slices.Index(written[at:], v)
		require.GreaterOrEqual(t, next, 0, "stored %v of %v", stored, written)
		at += next + 1
	}
	require.Equal(t, written[len(written)-1], stored[len(stored)-1])
}

// On real threads: several writers of several keys. Each key ends with the value
// of the last Set of the goroutine that owns it.
func TestWriteBackUnderLoad(t *testing.T) {
	s := newStore()
	w := newWriteBack(t, s, cache.WriteBackConfig{FlushEvery: time.Millisecond, MaxBatch: 3, MaxDirty: 5})
	var all sync.WaitGroup
	for g := range 4 {
		all.Go(func() {
			for i := range 500 {
				key, v := fmt.Sprint(g, "/", i%6), fmt.Sprint(i)
				if err := w.Set(t.Context(), key, v); err != nil {
					t.Error(err)
				}
				if got, err := w.Get(t.Context(), key); err != nil || got != v {
					t.Errorf("key %s: %s, %v, want %s", key, got, err, v)
				}
				if i%50 == 0 {
					w.Flush(t.Context())
				}
			}
		})
	}
	all.Wait()
	require.NoError(t, w.Close(t.Context()))
	for g := range 4 {
		for i := 494; i < 500; i++ {
			require.Equal(t, fmt.Sprint(i), s.all()[fmt.Sprint(g, "/", i%6)])
		}
	}
}
