package cache

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// WriteBack is a cache that writes later: Set returns at once, and what was set
// goes to the backend in batches, where several writes of one key are one.
// Choose it when writes are many and a crash of the process may cost the last
// of them (FlushEvery bounds how many). An error of the backend costs none.
//
//	Set ─▶ dirty ──── every FlushEvery, or at MaxBatch keys ─▶ Backend
//	         ▲ Get looks here first         │ stored, and not set again since?
//	         └─── no, or an error: stays ───┴── yes: to the cache, for Get
//
// A dirty value is not an entry of the cache until it is stored, so no eviction
// can lose it.
//
// B1: a key is dirty until its newest value is stored; Get returns that value.
// B2: only one batch is under way, so the writes of a key stay in order.
// B3: there are never more than MaxDirty dirty keys: a Set waits for room.
//
// OnEvict must not write, flush or close the same WriteBack: it may run in the
// middle of a batch, and could wait for room that only this batch can make.
//
// A WriteBack is safe for concurrent use.
type WriteBack[K comparable, V any] struct {
	// Immutable after NewWriteBack.
	loading *Loading[K, V]
	backend Backend[K, V]
	config  WriteBackConfig
	room    chan struct{} // a token for each dirty key, and for each Set about to add one
	turn    chan struct{} // a token for who runs batches
	hurry   chan struct{} // tells the worker not to wait for FlushEvery
	stop    chan struct{} // closed by Close
	stopped chan struct{} // closed by the worker
	cancel  func()        // of the worker's context

	mu sync.Mutex
	// Guarded by mu.
	dirty    map[K]*change[V]
	queue    []K // dirty keys that are in no batch, the longest waiting first
	suspects []K // others, of which the last batch has failed
	closed   bool

	size int // of the next batch of suspects; whoever has the turn
}

// change is what a key has to become in the backend. Immutable: a newer write is
// another change, so that a batch can tell whether its own is still the newest.
type change[V any] struct {
	value   V
	deleted bool
}

// WriteBackConfig says when a WriteBack writes. Every zero field has the default
// that its comment names. It is a plain value: safe for concurrent use as long
// as nobody changes it.
type WriteBackConfig struct {
	FlushEvery time.Duration // what is dirty is stored in this interval; 1 s
	MaxBatch   int           // keys in one call of the backend; 256
	MaxDirty   int           // dirty keys that a Set need not wait for; 16 times MaxBatch
	RetryAfter time.Duration // pause after a failed try, doubled with each, up to 64 times; 100 ms
}

// check returns the configuration with its defaults, or the first mistake.
func (c WriteBackConfig) check() (WriteBackConfig, error) {
	switch {
	case c.FlushEvery < 0:
		return c, fmt.Errorf("%w: FlushEvery is %v, want a positive time, or 0 for 1 s", ErrConfig, c.FlushEvery)
	case c.MaxBatch < 0:
		return c, fmt.Errorf("%w: MaxBatch is %d, want at least 1, or 0 for 256", ErrConfig, c.MaxBatch)
	case c.MaxDirty < 0:
		return c, fmt.Errorf("%w: MaxDirty is %d, want at least 1, or 0 for 16 batches", ErrConfig, c.MaxDirty)
	case c.RetryAfter < 0:
		return c, fmt.Errorf("%w: RetryAfter is %v, want a positive time, or 0 for 100 ms", ErrConfig, c.RetryAfter)
	}
	if c.FlushEvery == 0 {
		c.FlushEvery = time.Second
	}
	if c.MaxBatch == 0 {
		c.MaxBatch = 256
	}
	if c.MaxDirty == 0 {
		c.MaxDirty = 16 * c.MaxBatch
	}
	if c.RetryAfter == 0 {
		c.RetryAfter = 100 * time.Millisecond
	}
	return c, nil
}

// NewWriteBack returns an empty cache in front of a backend. load.Load must be
// nil: it is Backend.Load. Close it, or what is dirty is lost.
func NewWriteBack[K comparable, V any](backend Backend[K, V], config Config[K, V], load LoadConfig[K, V], write WriteBackConfig) (*WriteBack[K, V], error) {
	write, err := write.check()
	if err != nil {
		return nil, err
	}
	loading, err := loadingFrom(backend, config, load)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	w := &WriteBack[K, V]{
		loading: loading,
		backend: backend,
		config:  write,
		room:    make(chan struct{}, write.MaxDirty),
		turn:    make(chan struct{}, 1),
		hurry:   make(chan struct{}, 1),
		stop:    make(chan struct{}),
		stopped: make(chan struct{}),
		cancel:  cancel,
		dirty:   make(map[K]*change[V]),
		size:    write.MaxBatch,
	}
	go w.work(ctx)
	return w, nil
}

// Get returns the value of a key: the one that was set last, stored or not.
func (w *WriteBack[K, V]) Get(ctx context.Context, key K) (value V, err error) {
	c := w.change(key)
	switch {
	case c == nil:
		return w.loading.Get(ctx, key)
	case c.deleted:
		return value, ErrNotFound
	}
	return c.value, nil
}

// change returns what a key has to become, or nil if it is not dirty.
func (w *WriteBack[K, V]) change(key K) *change[V] {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.dirty[key]
}

// Set changes the value of a key. It waits only when MaxDirty keys are dirty and
// this is not one of them at that moment, until there is room or the context ends.
func (w *WriteBack[K, V]) Set(ctx context.Context, key K, value V) error {
	return w.write(ctx, key, &change[V]{value: value})
}

// Delete removes a key, as Set changes one.
func (w *WriteBack[K, V]) Delete(ctx context.Context, key K) error {
	return w.write(ctx, key, &change[V]{deleted: true})
}

// Invalidate makes the next Get ask the backend again, unless the key is dirty:
// then it is this cache that knows best.
func (w *WriteBack[K, V]) Invalidate(key K) { w.loading.Invalidate(key) }

// InvalidateTag and InvalidateAll are Invalidate for many keys, as in Loading.
func (w *WriteBack[K, V]) InvalidateTag(tag string) { w.loading.InvalidateTag(tag) }

// InvalidateAll makes every key that is not dirty be asked for again.
func (w *WriteBack[K, V]) InvalidateAll() { w.loading.InvalidateAll() }

// Flush stores what is dirty now, and what failed before once more. It returns an
// error if something could not be stored; nothing is lost by that, and the worker
// goes on trying.
func (w *WriteBack[K, V]) Flush(ctx context.Context) error {
	if err := w.take(ctx); err != nil {
		return err
	}
	defer func() { <-w.turn }()
	if err := w.storeQueue(ctx); err != nil {
		return err
	}
	if err := w.storeSuspects(ctx); err != nil {
		return err
	}
	return ctx.Err()
}

// Dirty returns how many keys are not stored yet.
func (w *WriteBack[K, V]) Dirty() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.dirty)
}

// Stats returns what was counted about loads.
func (w *WriteBack[K, V]) Stats() LoadStats { return w.loading.Stats() }

// write makes a key dirty.
func (w *WriteBack[K, V]) write(ctx context.Context, key K, c *change[V]) error {
	if key != key {
		return notItself(key)
	}
	if done, err := w.record(key, c, false); done || err != nil {
		return err
	}
	select {
	case w.room <- struct{}{}:
	default:
		w.wake()
		select {
		case w.room <- struct{}{}:
		case <-ctx.Done():
			return ctx.Err()
		case <-w.stop:
			return ErrClosed
		}
	}
	_, err := w.record(key, c, true)
	if len(w.room) == cap(w.room) {
		w.wake() // for the next who waits: one hurry may have stood for several
	}
	return err
}

// record makes a change, if the key is dirty anyway or the caller has a token of
// room. A token that is not needed goes back.
func (w *WriteBack[K, V]) record(key K, c *change[V], room bool) (done bool, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	isNew := w.dirty[key] == nil
	if room && (w.closed || !isNew) {
		<-w.room
	}
	if w.closed {
		return false, ErrClosed
	}
	if isNew && !room {
		return false, nil
	}
	w.dirty[key] = c
	if isNew {
		w.queue = append(w.queue, key)
		if len(w.queue) >= w.config.MaxBatch {
			w.wake()
		}
	}
	return true, nil
}

// wake starts the worker before its time; once is enough.
func (w *WriteBack[K, V]) wake() {
	select {
	case w.hurry <- struct{}{}:
	default:
	}
}
