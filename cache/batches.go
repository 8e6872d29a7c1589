package cache

import (
	"context"
	"fmt"
	"time"
)

// How a WriteBack stores what is dirty: batch by batch, by the worker, by Flush
// or by Close, one of them at a time.
//
// When a batch fails, all of its keys go to the end of the queue and the next
// one is half as large; each success doubles it again. So a value that the
// backend always refuses ends up in a batch of its own and holds nobody up,
// while a backend that is down gets one call per pause.

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

// Close stores what is dirty and stops. From its beginning on, Set returns
// ErrClosed. It gives up when the context ends, or when every key that is left
// has failed in a batch of its own, and then returns an *UnstoredError. Even
// then nothing runs any more: for that, the backend must obey its contexts.
func (w *WriteBack[K, V]) Close(ctx context.Context) error {
	w.mu.Lock()
	if !w.closed {
		w.closed = true
		close(w.stop)
	}
	w.mu.Unlock()
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

// drain runs batches until nothing is left that could be stored. The caller has
// the turn, and Close keeps new changes out.
func (w *WriteBack[K, V]) drain(ctx context.Context) (last error) {
	alone := 0 // keys that have failed alone since something was stored
	for alone < w.Dirty() {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		n, err := w.runBatch(ctx, w.config.MaxBatch)
		switch {
		case err == nil:
			alone = 0
		case n == 1:
			alone++
		}
		last = err
	}
	return last
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

// work is the worker: it flushes, and after an error tries again, until Close.
func (w *WriteBack[K, V]) work(ctx context.Context) {
	defer close(w.stopped)
	tick := time.NewTicker(w.config.FlushEvery)
	defer tick.Stop()
	for {
		select {
		case <-w.stop:
			return
		case <-tick.C:
		case <-w.hurry:
		}
		for failures := 0; w.Flush(ctx) != nil; failures++ {
			pause := time.NewTimer(w.config.RetryAfter << min(failures, 6))
			select {
			case <-w.stop:
				pause.Stop()
				return
			case <-pause.C:
			}
		}
	}
}

// runBatch stores the keys at the head of the queue, at most so many, and
// returns how many those were. The caller has the turn.
func (w *WriteBack[K, V]) runBatch(ctx context.Context, most int) (int, error) {
	w.mu.Lock()
	n := min(w.size, most, len(w.queue))
	keys := w.queue[:n:n]
	w.queue = w.queue[n:]
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
	for _, key := range keys {
		if values[key] != nil || deleted[key] != nil { // failed, or set again meanwhile
			w.queue = append(w.queue, key)
		}
	}
	w.mu.Unlock()
	if err == nil {
		w.size = min(2*w.size, w.config.MaxBatch)
	} else if ctx.Err() == nil {
		w.size = max(1, n/2)
	}
	return n, err
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
	return apart(func() error {
		version := w.loading.version.Load()
		if err := w.backend.Store(ctx, values); err != nil {
			return fmt.Errorf("cache: store: %w", err)
		}
		for key, c := range changes {
			w.loading.put(key, c.value, version)
			w.clean(key, c, changes)
		}
		return nil
	})
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
	return apart(func() error {
		if err := w.backend.Delete(ctx, keys); err != nil {
			return fmt.Errorf("cache: delete: %w", err)
		}
		for key, c := range changes {
			w.loading.Invalidate(key)
			w.clean(key, c, changes)
		}
		return nil
	})
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
