package cache

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"
)

// How a WriteBack stores what is dirty: batch by batch, by the worker, by Flush
// or by Close, one of them at a time.
//
//	queue    ─ batches of MaxBatch ─▶ stored
//	              │ failed
//	              ▼
//	suspects ─ smaller batches ─────▶ stored
//	              └─ failed: to the end again
//
// When a batch fails, its keys become suspects. Suspects are tried in batches of
// their own, half as large after each failure and twice as large after each
// success, with pauses that grow while none succeeds. So a value that the backend
// always refuses ends up alone and holds nobody up: what is new goes on in the
// queue. Only while the queue fails too does it wait, for the backend is down.

// UnstoredError is what Close returns when it could not store everything. What
// it holds is still dirty: Close can be called again, or the caller saves it.
//
// An UnstoredError is safe for concurrent use: nobody changes it.
type UnstoredError[K comparable, V any] struct {
	Values  map[K]V // that are not stored
	Deleted []K     // that may still be in the backend
	Err     error   // the last failure
}

func (e *UnstoredError[K, V]) Error() string {
	return fmt.Sprintf("cache: %d values and %d deletions could not be stored: %v", len(e.Values), len(e.Deleted), e.Err)
}

// Unwrap returns the last failure.
func (e *UnstoredError[K, V]) Unwrap() error { return e.Err }

// mostRounds is how often Close tries in vain, after pauses that grow, before it
// gives up.
const mostRounds = 8

// Close stores what is dirty and stops. From its beginning on, Set returns
// ErrClosed. It gives up when the context ends, or when mostRounds tries have
// stored nothing, and then returns an *UnstoredError. When the context ends, those
// of the loads and of the backend's calls end too, and Close waits for them: the
// backend must obey its contexts.
func (w *WriteBack[K, V]) Close(ctx context.Context) error {
	w.mu.Lock()
	if !w.closed {
		w.closed = true
		close(w.stop)
	}
	w.mu.Unlock()
	stop := context.AfterFunc(ctx, w.loading.flight.abort)
	defer stop()
	defer w.loading.Close()
	select {
	case <-w.stopped:
	case <-ctx.Done():
		w.cancel()
		<-w.stopped
	}
	w.cancel()
	err := w.take(ctx)
	if err == nil {
		err = w.drain(ctx)
		<-w.turn
	}
	return w.unstored(err)
}

// take waits for the turn, or until the context ends.
func (w *WriteBack[K, V]) take(ctx context.Context) error {
	select {
	case w.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// drain stores until nothing is left that could be stored. The caller has the
// turn, and Close keeps new changes out.
func (w *WriteBack[K, V]) drain(ctx context.Context) (last error) {
	for vain := 0; w.Dirty() > 0 && vain < mostRounds; vain++ {
		if vain > 0 && !sleep(ctx, backoff(w.config.RetryAfter, vain)) {
			return ctx.Err()
		}
		before := w.Dirty()
		last = errors.Join(w.storeQueue(ctx), w.storeSuspects(ctx))
		if w.Dirty() < before {
			vain = 0
		}
	}
	return last
}

// backoff is the pause after so many tries in vain.
func backoff(first time.Duration, vain int) time.Duration { return first << min(vain-1, 6) }

// sleep returns false when the context ends first.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// unstored tells what is still dirty, if anything is.
func (w *WriteBack[K, V]) unstored(err error) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.dirty) == 0 {
		return nil
	}
	e := &UnstoredError[K, V]{Values: make(map[K]V), Err: err}
	for key, c := range w.dirty {
		if c.deleted {
			e.Deleted = append(e.Deleted, key)
		} else {
			e.Values[key] = c.value
		}
	}
	return e
}

// work is the worker, until Close. The queue has its turn at each tick, and at
// once when many are dirty; after a failure, both have it when their pause ends.
func (w *WriteBack[K, V]) work(ctx context.Context) {
	defer close(w.stopped)
	tick := time.NewTicker(w.config.FlushEvery)
	defer tick.Stop()
	queue, suspects := newPause(w.config.RetryAfter), newPause(w.config.RetryAfter)
	for {
		try := suspects
		select {
		case <-w.stop:
			return
		case <-tick.C:
			try = queue
		case <-w.hurry:
			try = queue
		case <-queue.timer.C:
			try, queue.waits = queue, false
		case <-suspects.timer.C:
			suspects.waits = false
		}
		if try.waits || w.take(ctx) != nil {
			continue
		}
		store := w.storeSuspects
		if try == queue {
			store = w.storeQueue
		}
		before := w.Dirty()
		err := store(ctx)
		if w.Dirty() < before {
			try.vain = 0
		}
		if err != nil {
			try.fail()
		}
		if !suspects.waits && w.suspected() > 0 {
			suspects.fail() // they are new: the queue has failed
		}
		<-w.turn
	}
}

// pause is what the worker knows of the queue or of the suspects. Only the worker
// may touch it.
type pause struct {
	first time.Duration // immutable
	timer *time.Timer
	waits bool // until the timer fires
	vain  int  // tries that have stored nothing, in a row
}

func newPause(first time.Duration) *pause {
	p := &pause{first: first, timer: time.NewTimer(time.Hour)}
	p.timer.Stop()
	return p
}

// fail begins the pause after a try.
func (p *pause) fail() {
	p.vain++
	p.waits = true
	p.timer.Reset(backoff(p.first, p.vain))
}

// storeQueue stores what is in the queue now, up to the first batch that fails.
// The caller has the turn.
func (w *WriteBack[K, V]) storeQueue(ctx context.Context) error {
	w.mu.Lock()
	left := len(w.queue) // not what is set while this goes on, which may never end
	w.mu.Unlock()
	for left > 0 {
		keys := w.next(&w.queue, min(left, w.config.MaxBatch))
		left -= len(keys)
		if err := w.runBatch(ctx, keys); err != nil {
			w.size = max(1, min(w.size, len(keys)/2)) // they are suspects now
			return err
		}
	}
	return nil
}

// storeSuspects tries each suspect once, but stops when the first batch fails: then
// the backend may be down. It returns the first error. The caller has the turn.
func (w *WriteBack[K, V]) storeSuspects(ctx context.Context) (first error) {
	up := false
	for left := w.suspected(); left > 0 && (up || first == nil) && ctx.Err() == nil; {
		keys := w.next(&w.suspects, min(left, w.size))
		left -= len(keys)
		if err := w.runBatch(ctx, keys); err != nil {
			if first == nil {
				first = err
			}
			w.size = max(1, len(keys)/2)
			continue
		}
		up = true
		w.size = min(2*w.size, w.config.MaxBatch)
	}
	return first
}

func (w *WriteBack[K, V]) suspected() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.suspects)
}

// next takes so many keys from the head of a queue.
func (w *WriteBack[K, V]) next(queue *[]K, n int) []K {
	w.mu.Lock()
	defer w.mu.Unlock()
	keys := (*queue)[:n:n]
	*queue = (*queue)[n:]
	return keys
}

// runBatch stores keys, in whose stead each that is still dirty waits again: one
// that was set again meanwhile in the queue, and others among the suspects.
func (w *WriteBack[K, V]) runBatch(ctx context.Context, keys []K) error {
	w.mu.Lock()
	values, deleted := make(map[K]*change[V]), make(map[K]*change[V])
	for _, key := range keys {
		if c := w.dirty[key]; c.deleted {
			deleted[key] = c
		} else {
			values[key] = c
		}
	}
	w.mu.Unlock()

	err := w.storeAll(ctx, values)
	if err == nil {
		err = w.deleteAll(ctx, deleted)
	}

	w.mu.Lock()
	defer w.mu.Unlock()
	for _, key := range keys {
		switch {
		case values[key] == nil && deleted[key] == nil: // stored
		case err == nil: // set again meanwhile
			w.queue = append(w.queue, key)
		default:
			w.suspects = append(w.suspects, key)
		}
	}
	if len(w.room) == cap(w.room) || len(w.queue) >= w.config.MaxBatch {
		w.wake() // somebody may wait for room, and have been told so before
	}
	return err
}

// storeAll stores changes, gives their values to the cache, and only then calls
// them clean: at every moment a Get finds them in one of the two. What is left in
// changes stays dirty.
func (w *WriteBack[K, V]) storeAll(ctx context.Context, changes map[K]*change[V]) error {
	if len(changes) == 0 {
		return nil
	}
	values := make(map[K]V, len(changes))
	for key, c := range changes {
		values[key] = c.value
	}
	version := w.loading.version.Load()
	err := apart(func() error { return w.backend.Store(ctx, values) })
	if err != nil {
		return fmt.Errorf("cache: store: %w", err)
	}
	for key, c := range changes {
		// Whatever the user's functions do now: the value is stored.
		if err := apart(func() error { w.loading.put(key, c.value, version, new(atomic.Bool)); return nil }); err != nil {
			w.drop(key)
		}
		w.clean(key, c, changes)
	}
	return nil
}

// deleteAll is storeAll for deletions.
func (w *WriteBack[K, V]) deleteAll(ctx context.Context, changes map[K]*change[V]) error {
	if len(changes) == 0 {
		return nil
	}
	keys := make([]K, 0, len(changes))
	for key := range changes {
		keys = append(keys, key)
	}
	err := apart(func() error { return w.backend.Delete(ctx, keys) })
	if err != nil {
		return fmt.Errorf("cache: delete: %w", err)
	}
	for key, c := range changes {
		w.drop(key)
		w.clean(key, c, changes)
	}
	return nil
}

// drop invalidates a key. When OnEvict panics, the key has left the cache already,
// and nobody waits here who could be told.
func (w *WriteBack[K, V]) drop(key K) {
	_ = apart(func() error { w.loading.Invalidate(key); return nil })
}

// clean ends the dirtiness of a key and takes it out of the batch, unless it was
// changed again.
func (w *WriteBack[K, V]) clean(key K, c *change[V], batch map[K]*change[V]) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.dirty[key] == c {
		delete(w.dirty, key)
		delete(batch, key)
		<-w.room
	}
}
