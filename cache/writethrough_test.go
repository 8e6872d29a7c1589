package cache_test

import (
	"context"
	"fmt"
	"maps"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/plinth-go/plinth/cache"
	"github.com/plinth-go/plinth/internal/seed"
)

// store is a backend in memory. Its faults are functions that run before (or,
// for late, after) the work is done, outside of the lock.
type store struct {
	mu     sync.Mutex
	data   map[string]string   // guarded by mu
	log    map[string][]string // of each key, the values that it had; guarded by mu
	calls  int                 // of Store and Delete; guarded by mu
	fault  func(keys map[string]string) error
	late   func(keys map[string]string) error
	onLoad func()

	repaired atomic.Bool // no fault from here on
}

func newStore() *store {
	return &store{data: make(map[string]string), log: make(map[string][]string)}
}

func (s *store) Load(_ context.Context, key string) (string, error) {
	v, ok := s.get(key)
	if s.onLoad != nil {
		s.onLoad()
	}
	if !ok {
		return "", cache.ErrNotFound
	}
	return v, nil
}

func (s *store) Store(_ context.Context, values map[string]string) error {
	return s.change(values, func() {
		for key, v := range values {
			s.data[key] = v
			s.log[key] = append(s.log[key], v)
		}
	})
}

func (s *store) Delete(_ context.Context, keys []string) error {
	all := make(map[string]string)
	for _, key := range keys {
		all[key] = ""
	}
	return s.change(all, func() {
		for _, key := range keys {
			delete(s.data, key)
			s.log[key] = append(s.log[key], "")
		}
	})
}

func (s *store) change(keys map[string]string, do func()) error {
	s.mu.Lock()
	s.calls++
	s.mu.Unlock()
	if s.fault != nil && !s.repaired.Load() {
		if err := s.fault(keys); err != nil {
			return err
		}
	}
	s.mu.Lock()
	do()
	s.mu.Unlock()
	if s.late != nil {
		return s.late(keys)
	}
	return nil
}

func (s *store) get(key string) (string, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	v, ok := s.data[key]
	return v, ok
}

// all returns a copy of what is stored.
func (s *store) all() map[string]string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.data)
}

func (s *store) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls
}

// writer is what the two that write at once have in common.
type writer interface {
	Get(context.Context, string) (string, error)
	Set(context.Context, string, string) error
	Delete(context.Context, string) error
	Invalidate(string)
	InvalidateTag(string)
	InvalidateAll()
	Close()
}

// eachWriter runs a test with both, in a bubble.
func eachWriter(t *testing.T, c config, load loadConfig, test func(*testing.T, writer, *store)) {
	t.Helper()
	c.MaxEntries = 100
	run := func(name string, make func(*store) (writer, error)) {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newStore()
				w, err := make(s)
				require.NoError(t, err)
				defer w.Close()
				test(t, w, s)
			})
		})
	}
	run("through", func(s *store) (writer, error) { return cache.NewWriteThrough(s, c, load) })
	run("around", func(s *store) (writer, error) { return cache.NewWriteAround(s, c, load) })
}

// What is set is in the backend when Set returns, and Get finds it: at
// write-through without asking the backend, at write-around by asking once.
func TestWriters(t *testing.T) {
	eachWriter(t, config{}, loadConfig{}, func(t *testing.T, w writer, s *store) {
		loads := 0
		s.onLoad = func() { loads++ }
		_, err := w.Get(t.Context(), "k")
		require.ErrorIs(t, err, cache.ErrNotFound)
		for n := range 3 {
			v := fmt.Sprint("v", n)
			require.NoError(t, w.Set(t.Context(), "k", v))
			require.Equal(t, v, s.all()["k"])
			wantGet(t, w, "k", v)
			wantGet(t, w, "k", v)
		}
		require.NoError(t, w.Delete(t.Context(), "k"))
		_, err = w.Get(t.Context(), "k")
		require.ErrorIs(t, err, cache.ErrNotFound)
		_, through := w.(*cache.WriteThrough[string, string])
		require.Equal(t, map[bool]int{true: 2, false: 5}[through], loads)
	})
}

// After an error nobody knows what the backend holds, so the next Get asks it:
// whether the write was done or not, and however it failed.
//
// Planted: Set that returns before it invalidates; an invalidation that a panic
// skips.
func TestWritersAfterAnError(t *testing.T) {
	faults := map[string]func(map[string]string) error{
		"error":  func(map[string]string) error { return errDown },
		"panic":  func(map[string]string) error { panic(errDown) },
		"Goexit": func(map[string]string) error { runtime.Goexit(); return nil },
	}
	for name, fault := range faults {
		for _, late := range []bool{false, true} {
			eachWriter(t, config{}, loadConfig{NegativeTTL: time.Hour}, func(t *testing.T, w writer, s *store) {
				try := func(write func() error) {
					ended := make(chan error)
					go func() {
						err := errDown
						defer func() { recover(); ended <- err }()
						err = write()
					}()
					require.ErrorIs(t, <-ended, errDown, name)
				}
				require.NoError(t, w.Set(t.Context(), "k", "old"))
				wantGet(t, w, "k", "old")
				want := "old"
				if late {
					s.late, want = fault, "new"
				} else {
					s.fault = fault
				}
				try(func() error { return w.Set(t.Context(), "k", "new") })
				wantGet(t, w, "k", want)
				try(func() error { return w.Delete(t.Context(), "k") })
				if late {
					_, err := w.Get(t.Context(), "k")
					require.ErrorIs(t, err, cache.ErrNotFound)
				} else {
					wantGet(t, w, "k", want)
				}
			})
		}
	}
}

// A load that has read the former value and ends after the write is not kept.
//
// Planted: put without Forget; write-around that invalidates before it stores.
func TestWritersOvertakeALoad(t *testing.T) {
	eachWriter(t, config{}, loadConfig{}, func(t *testing.T, w writer, s *store) {
		require.NoError(t, s.Store(t.Context(), map[string]string{"k": "old"}))
		s.onLoad = func() { <-time.After(time.Second) }
		s.fault = func(map[string]string) error { <-time.After(100 * time.Millisecond); return nil }
		var all sync.WaitGroup
		all.Go(func() { wantGet(t, w, "k", "old") })
		synctest.Wait()
		all.Go(func() {
			<-time.After(50 * time.Millisecond) // in the middle of the Set
			wantGet(t, w, "k", "old")
		})
		require.NoError(t, w.Set(t.Context(), "k", "new"))
		wantGet(t, w, "k", "new")
		all.Wait()
		<-time.After(time.Minute)
		wantGet(t, w, "k", "new")
	})
}

// Writers of one key at once, on real threads, with a backend that takes its
// time and fails: when all is quiet, the cache agrees with the backend (T1).
//
// Planted: no turns in write-through; a version taken after the Store.
func TestWritersEndInAgreement(t *testing.T) {
	for _, through := range []bool{true, false} {
		t.Run(fmt.Sprint("through=", through), func(t *testing.T) {
			random := seed.New(t)
			for range 100 {
				s := newStore()
				s.late = func(keys map[string]string) error {
					runtime.Gosched()
					if keys["a"] == "3" || keys["b"] == "5" {
						return errDown
					}
					return nil
				}
				c, load := config{MaxEntries: 100}, loadConfig{Tags: tagged}
				var w writer
				var err error
				if through {
					w, err = cache.NewWriteThrough(s, c, load)
				} else {
					w, err = cache.NewWriteAround(s, c, load)
				}
				require.NoError(t, err)
				var all sync.WaitGroup
				for range 6 {
					from := random.IntN(100)
					all.Go(func() {
						for i := from; i < from+20; i++ {
							key := []string{"a", "b"}[i%2]
							switch i % 9 {
							case 0:
								w.Delete(t.Context(), key)
							case 1, 2:
								w.Get(t.Context(), key)
							case 3:
								w.InvalidateTag("t")
							case 4:
								w.InvalidateAll()
							default:
								w.Set(t.Context(), key, fmt.Sprint(i%7))
							}
						}
					})
				}
				all.Wait()
				for _, key := range []string{"a", "b"} {
					got, err := w.Get(t.Context(), key)
					want, ok := s.get(key)
					require.Equal(t, ok, err == nil)
					require.Equal(t, want, got)
				}
				w.Close()
			}
		})
	}
}

// A writer waits for its turn no longer than its context allows, and then has
// changed nothing.
func TestWriteThroughTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore()
		s.fault = func(map[string]string) error { <-time.After(time.Minute); return nil }
		w, err := cache.NewWriteThrough(s, config{MaxEntries: 10}, loadConfig{})
		require.NoError(t, err)
		defer w.Close()
		var all sync.WaitGroup
		all.Go(func() { require.NoError(t, w.Set(t.Context(), "k", "first")) })
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		require.ErrorIs(t, w.Set(ctx, "k", "second"), context.DeadlineExceeded)
		require.ErrorIs(t, w.Delete(ctx, "k"), context.DeadlineExceeded)
		all.Wait()
		require.Equal(t, map[string]string{"k": "first"}, s.all())
		require.Zero(t, cache.TurnCount(w))
	})
}

func TestWritersAreChecked(t *testing.T) {
	load := loadConfig{Load: newStore().Load}
	c := config{MaxEntries: 1}
	_, err := cache.NewWriteThrough(newStore(), c, load)
	require.EqualError(t, err, "cache: bad configuration: Load is set, want nil, because Backend.Load is used")
	_, err = cache.NewWriteAround(newStore(), c, load)
	require.ErrorIs(t, err, cache.ErrConfig)
	_, err = cache.NewWriteAround[string, string](nil, c, loadConfig{})
	require.EqualError(t, err, "cache: bad configuration: Backend is nil, want one")
	_, err = cache.NewWriteBack(newStore(), c, load, cache.WriteBackConfig{})
	require.ErrorIs(t, err, cache.ErrConfig)
	for _, bad := range []cache.WriteBackConfig{{FlushEvery: -1}, {MaxBatch: -1}, {MaxDirty: -1}, {RetryAfter: -1}} {
		_, err = cache.NewWriteBack(newStore(), c, loadConfig{}, bad)
		require.ErrorIs(t, err, cache.ErrConfig)
		require.ErrorContains(t, err, " is -1")
	}
}
