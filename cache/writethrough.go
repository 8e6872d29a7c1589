package cache

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
)

// Backend is what stands behind a cache that is written to: a database, a
// service. Its methods are called by several goroutines at once.
//
// A Store or Delete that returns an error may have done its work or not, or in
// part; but it must not do it later, when the cache has been told that it failed.
//
// An implementation must be safe for concurrent use.
type Backend[K comparable, V any] interface {
	// Load returns the value of a key, or an error that wraps ErrNotFound.
	Load(context.Context, K) (V, error)
	// Store stores values in the place of the former ones. It must not keep the map.
	Store(context.Context, map[K]V) error
	// Delete removes keys; that a key has no value is no error.
	Delete(context.Context, []K) error
}

// WriteThrough is a Loading cache that is written to: Set stores a value in the
// backend first and then in the cache, where the next Get finds it. Choose it
// when what is written is soon read.
//
//	Set ── turn of the key ── Backend.Store ─ ok ──── cache holds the new value
//	                                        └ error ─ cache holds nothing: who knows?
//
// T1: when no Set or Delete is under way, the cache holds what the backend holds,
// or nothing. For that, the writers of one key go one after the other: with two
// at once, one could be the last in the backend and the other in the cache.
//
// OnEvict must not write the same WriteThrough: the key could be one whose turn
// its caller has.
//
// A WriteThrough is safe for concurrent use.
type WriteThrough[K comparable, V any] struct {
	*Loading[K, V]

	backend Backend[K, V] // immutable
	turns   turns[K]
}

// NewWriteThrough returns an empty cache in front of a backend. load.Load must
// be nil: it is Backend.Load. Close it at the end.
func NewWriteThrough[K comparable, V any](backend Backend[K, V], config Config[K, V], load LoadConfig[K, V]) (*WriteThrough[K, V], error) {
	l, err := loadingFrom(backend, config, load)
	if err != nil {
		return nil, err
	}
	return &WriteThrough[K, V]{Loading: l, backend: backend}, nil
}

// Set stores a value. After an error, the next Get asks the backend what it
// holds.
func (w *WriteThrough[K, V]) Set(ctx context.Context, key K, value V) error {
	if key != key {
		return notItself(key)
	}
	done, err := w.turns.take(ctx, key)
	if err != nil {
		return err
	}
	defer done()
	stored := false
	defer func() { // a panic too leaves us not knowing
		if !stored {
			w.Invalidate(key)
		}
	}()
	version, revoked := w.version.Load(), w.flight.write(key)
	defer w.flight.written(key)
	if err := w.backend.Store(ctx, map[K]V{key: value}); err != nil {
		return fmt.Errorf("cache: store: %w", err)
	}
	w.put(key, value, version, revoked)
	stored = true
	return nil
}

// Delete removes a key. After an error, the next Get asks the backend whether
// it is still there.
func (w *WriteThrough[K, V]) Delete(ctx context.Context, key K) error {
	if key != key {
		return notItself(key)
	}
	done, err := w.turns.take(ctx, key)
	if err != nil {
		return err
	}
	defer done()
	defer w.Invalidate(key)
	if err := w.backend.Delete(ctx, []K{key}); err != nil {
		return fmt.Errorf("cache: delete: %w", err)
	}
	return nil
}

// WriteAround is a Loading cache that writes pass by: Set stores a value in the
// backend and removes the key from the cache. Choose it when what is written is
// rarely read soon: it leaves the room in the cache to what is.
//
// Removing is also what makes it simple: writers of one key need no turns, as
// none of them leaves a value behind.
//
// A WriteAround is safe for concurrent use.
type WriteAround[K comparable, V any] struct {
	*Loading[K, V]

	backend Backend[K, V] // immutable
}

// NewWriteAround returns an empty cache in front of a backend. load.Load must
// be nil: it is Backend.Load. Close it at the end.
func NewWriteAround[K comparable, V any](backend Backend[K, V], config Config[K, V], load LoadConfig[K, V]) (*WriteAround[K, V], error) {
	l, err := loadingFrom(backend, config, load)
	if err != nil {
		return nil, err
	}
	return &WriteAround[K, V]{Loading: l, backend: backend}, nil
}

// Set stores a value. The key leaves the cache afterwards, not before: a Get in
// between would bring the former value back.
func (w *WriteAround[K, V]) Set(ctx context.Context, key K, value V) error {
	defer w.Invalidate(key) // whatever happens
	if err := w.backend.Store(ctx, map[K]V{key: value}); err != nil {
		return fmt.Errorf("cache: store: %w", err)
	}
	return nil
}

// Delete removes a key.
func (w *WriteAround[K, V]) Delete(ctx context.Context, key K) error {
	defer w.Invalidate(key)
	if err := w.backend.Delete(ctx, []K{key}); err != nil {
		return fmt.Errorf("cache: delete: %w", err)
	}
	return nil
}

// loadingFrom returns a Loading cache that loads from a backend.
func loadingFrom[K comparable, V any](backend Backend[K, V], config Config[K, V], load LoadConfig[K, V]) (*Loading[K, V], error) {
	if backend == nil {
		return nil, fmt.Errorf("%w: Backend is nil, want one", ErrConfig)
	}
	if load.Load != nil {
		return nil, fmt.Errorf("%w: Load is set, want nil, because Backend.Load is used", ErrConfig)
	}
	load.Load = backend.Load
	return NewLoading(config, load)
}

// put keeps what the backend has just stored. Loads that are under way may have
// read the former value, so they are revoked first. version and the mark revoked
// are from before the backend was called: with an invalidation since then, the
// key goes instead, and with it whatever a load has brought between the two.
func (l *Loading[K, V]) put(key K, value V, version uint64, revoked *atomic.Bool) {
	l.flight.overtake(key)
	e := l.newLoaded(key, value, nil, l.cache.now(), 0)
	e.version, e.revoked = version, revoked
	if !l.keep(key, e) {
		l.Invalidate(key)
	}
}

// turns make those who want the same key go one after the other. Only keys that
// somebody wants take memory.
type turns[K comparable] struct {
	mu sync.Mutex
	// Guarded by mu.
	wanted map[K]*turn
}

type turn struct {
	token chan struct{} // taken by sending
	users int           // who have the turn or wait for it; guarded by turns.mu
}

// take waits for the turn, or until the context ends. Who has it must call done.
func (t *turns[K]) take(ctx context.Context, key K) (done func(), err error) {
	mine := t.join(key)
	select {
	case mine.token <- struct{}{}:
		return func() { <-mine.token; t.leave(key, mine) }, nil
	case <-ctx.Done():
		t.leave(key, mine)
		return nil, ctx.Err()
	}
}

// join finds the turn of a key and counts a user. A key that cannot be hashed
// panics, with the lock given back.
func (t *turns[K]) join(key K) *turn {
	t.mu.Lock()
	defer t.mu.Unlock()
	mine := t.wanted[key]
	if mine == nil {
		mine = &turn{token: make(chan struct{}, 1)}
		if t.wanted == nil {
			t.wanted = make(map[K]*turn)
		}
		t.wanted[key] = mine
	}
	mine.users++
	return mine
}

func (t *turns[K]) leave(key K, mine *turn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if mine.users--; mine.users == 0 {
		delete(t.wanted, key)
	}
}
