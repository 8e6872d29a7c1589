package cache

import (
	"context"
	"errors"
	"time"
)

// The way of a load, from the keys that somebody wants to entries in the cache.

// depart gets every key loaded: by a load that is under way, or by one that it
// starts, of all keys together if there is a LoadMany. old holds the entries
// that are to be replaced.
func (l *Loading[K, V]) depart(ctx context.Context, keys []K, old map[K]*loaded[V]) ([]*call[K, *loaded[V]], error) {
	if l.load.LoadMany == nil && len(keys) > 1 {
		var all []*call[K, *loaded[V]]
		for i := range keys {
			calls, err := l.depart(ctx, keys[i:i+1], old)
			if err != nil {
				return nil, err
			}
			all = append(all, calls...)
		}
		return all, nil
	}
	unending := context.WithoutCancel(ctx)
	calls, own, err := l.flight.board(keys...)
	if err != nil {
		return nil, err
	}
	if own != nil {
		l.flight.fly(unending, own, func(ctx context.Context, t *trip[K, *loaded[V]]) error {
			return l.run(ctx, t, old)
		})
	}
	for i, c := range calls {
		if c.trip == own {
			continue
		}
		l.counts.coalesced.Add(1)
		if e := old[keys[i]]; e != nil {
			e.retry(l.cache.now()) // that load will not do it
		}
	}
	return calls, nil
}

// run is what a trip does. It first looks whether somebody has loaded a key
// since it was found missing: such a load was over before this one could join
// it, but its result is in the cache (L2).
func (l *Loading[K, V]) run(ctx context.Context, t *trip[K, *loaded[V]], old map[K]*loaded[V]) error {
	version := l.version.Load() // before anything is read that an invalidation is about
	var keys []K
	var calls []*call[K, *loaded[V]]
	for i, key := range t.keys {
		if e := l.peek(key); e != nil && e != old[key] {
			t.calls[i].answer(e)
			continue
		}
		keys, calls = append(keys, key), append(calls, t.calls[i])
	}
	if len(keys) == 0 {
		return nil
	}
	defer func() { // after a panic too, or those would never be reloaded
		for _, key := range keys {
			if e := old[key]; e != nil {
				e.retry(l.cache.now())
			}
		}
	}()
	began := l.cache.now()
	answer, err := l.ask(ctx, keys)
	ended := l.cache.now() // from here on the results grow old
	none := error(ErrNotFound)
	if isNone(keys, err) {
		none, err = err, nil
	}
	for i, c := range calls {
		value, ok := answer(i)
		if !ok && err != nil {
			continue
		}
		reason := none
		if ok {
			reason = nil
		}
		e := l.newLoaded(keys[i], value, reason, ended, time.Duration(ended-began))
		e.version, e.revoked = version, c.revoked
		l.keep(keys[i], e)
		c.answer(e)
	}
	return err
}

// ask calls the user's function. The i-th answer belongs to the i-th key.
func (l *Loading[K, V]) ask(ctx context.Context, keys []K) (answer func(i int) (V, bool), err error) {
	if l.load.LoadTimeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, l.load.LoadTimeout)
		defer cancel()
	}
	l.counts.loads.Add(1)
	failed := true
	defer func() {
		if failed {
			l.counts.failures.Add(1)
		}
	}()
	if l.load.Load != nil && len(keys) == 1 {
		var one V
		one, err = l.load.Load(ctx, keys[0])
		answer = func(int) (V, bool) { return one, err == nil }
	} else {
		var many map[K]V
		many, err = l.load.LoadMany(ctx, keys)
		answer = func(i int) (V, bool) {
			value, ok := many[keys[i]]
			return value, ok
		}
	}
	failed = err != nil && !isNone(keys, err)
	return answer, err
}

// isNone reports whether an error says that there is no value. Of several keys it
// does not say of which: it may be joined from those of many, and some of them
// may be failures.
func isNone[K comparable](keys []K, err error) bool {
	return len(keys) == 1 && errors.Is(err, ErrNotFound)
}

// keep stores an entry, unless it was invalidated while it was loaded, or
// another load has overtaken it since an invalidation let both run. An entry
// with no time to live takes the former one of its key away.
//
// An Invalidate may come between the last look and the store. Get does not
// return the entry then, as its mark is set; drop only gives the memory back.
func (l *Loading[K, V]) keep(key K, e *loaded[V]) (kept bool) {
	if l.load.Tags != nil && e.err == nil {
		e.labels = l.labels.hold(l.load.Tags(key, e.value))
	}
	stored := false
	l.cache.Compute(key, func(present *loaded[V], ok bool) (*loaded[V], Op) {
		stored = l.valid(e) && !(ok && l.valid(present) && present.version > e.version)
		if !stored {
			return nil, Keep
		}
		return e, Store
	})
	if !stored {
		l.labels.release(e.labels)
		return false
	}
	if e.revoked.Load() {
		l.drop(key, e)
		return false
	}
	return true
}

// drop removes an entry if it is still the one of its key.
func (l *Loading[K, V]) drop(key K, e *loaded[V]) {
	l.cache.Compute(key, func(present *loaded[V], ok bool) (*loaded[V], Op) {
		if ok && present == e {
			return nil, Remove
		}
		return nil, Keep
	})
}
