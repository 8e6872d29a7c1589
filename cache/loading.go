package cache

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync/atomic"
	"time"
)

// Loading is a cache that fills itself (read-through): a Get that finds nothing
// calls LoadConfig.Load, once for all who want the key at that time.
//
//	Get ── valid entry? ─ yes ─ due for a reload? ─ no ─── value
//	             │                      └ yes ─ start one, value
//	             no
//	             └─ Flight: join, or start ─ look again ─ Load ─ keep ─ value
//
// What makes this more than a cache and a function are the moments when
// something else happens during a load. Each load remembers the version at which
// it began and a mark that Invalidate sets, and Get compares both at every hit.
// So an invalidation takes hold at once, even of a result that is not there yet.
//
// L1: a Get that begins after an invalidation has returned does not return what
// a load found that began before it.
// L2: a result is in the cache before its key can be loaded again.
// L3: nothing is served later than TTL + StaleFor after it was loaded.
//
// Load, LoadMany, Tags, OnEvict and the other functions of the configuration may
// be called during a load. They may use the Loading, but they must not wait for a
// load, which Get, GetMany and Refresh can do, nor for Close: it may be their own.
//
// A Loading is safe for concurrent use.
type Loading[K comparable, V any] struct {
	// Immutable after NewLoading.
	cache  *Cache[K, *loaded[V]]
	flight *Flight[K, *loaded[V]]
	config Config[K, V]
	load   LoadConfig[K, V]

	version atomic.Uint64 // one more with each invalidation by tag or of all
	floor   atomic.Uint64 // a load that began at a lower version found nothing valid
	labels  labels
	chance  chance
	counts  loadCounts
}

// NewLoading returns an empty cache, or an error that wraps ErrConfig and names
// the field. Close it at the end.
func NewLoading[K comparable, V any](config Config[K, V], load LoadConfig[K, V]) (*Loading[K, V], error) {
	if err := config.check(); err != nil {
		return nil, err
	}
	if err := load.check(&config); err != nil {
		return nil, err
	}
	l := &Loading[K, V]{
		flight: NewFlight[K, *loaded[V]](load.MaxConcurrent),
		config: config,
		load:   load,
		chance: chance{random: rand.New(rand.NewPCG(config.seed(), 0))},
	}
	cache, err := New(l.inner())
	l.cache = cache
	return l, err
}

// inner is the configuration of the cache beneath.
func (l *Loading[K, V]) inner() Config[K, *loaded[V]] {
	c := &l.config
	inner := Config[K, *loaded[V]]{
		MaxEntries: c.MaxEntries, MaxCost: c.MaxCost,
		IdleTTL: c.IdleTTL, TTLFunc: func(_ K, e *loaded[V]) time.Duration { return l.left(e) },
		Shards: c.Shards, Stats: c.Stats, Hash: c.Hash, Seed: c.Seed,
	}
	if c.Cost != nil {
		// There is no value whose cost one could ask for where none was found,
		// but it takes room: at most 65,536 of them fit.
		none := max(1, c.MaxCost>>16)
		inner.Cost = func(_ K, e *loaded[V]) int64 {
			if e.err != nil {
				return none
			}
			return e.cost
		}
	}
	if c.OnEvict != nil || l.load.Tags != nil {
		inner.OnEvict = func(key K, e *loaded[V], why Reason) {
			l.labels.release(e.labels)
			if c.OnEvict != nil && e.err == nil {
				c.OnEvict(key, e.value, why)
			}
		}
	}
	return inner
}

// left is the time that an entry still has.
func (l *Loading[K, V]) left(e *loaded[V]) time.Duration {
	if e.gone == never {
		return Forever
	}
	return time.Duration(e.gone - l.cache.now())
}

// Get returns the value of a key. It loads it if need be, and then returns when
// the context ends at the latest, while the load goes on for others.
func (l *Loading[K, V]) Get(ctx context.Context, key K) (V, error) {
	e, reload := l.lookup(key)
	if reload {
		l.reload(ctx, []K{key}, map[K]*loaded[V]{key: e})
	}
	if e != nil {
		return e.value, e.err
	}
	return l.fetch(ctx, key, nil)
}

// GetMany returns the values of those keys that have one. It loads those that
// are missing with one call of LoadMany (without it, with a Load for each at
// the same time); keys that are being loaded already it just waits for. If some
// cannot be loaded, it returns the others and an error.
func (l *Loading[K, V]) GetMany(ctx context.Context, keys []K) (map[K]V, error) {
	found := make(map[K]V, len(keys))
	seen := make(map[K]bool, len(keys))
	old := make(map[K]*loaded[V])
	var missing, due []K
	for _, key := range keys {
		if seen[key] {
			continue
		}
		seen[key] = true
		e, reload := l.lookup(key)
		if reload {
			due, old[key] = append(due, key), e
		}
		if e == nil {
			missing = append(missing, key)
		} else if e.err == nil {
			found[key] = e.value
		}
	}
	if len(due) > 0 {
		l.reload(ctx, due, old)
	}
	if len(missing) == 0 {
		return found, nil
	}
	return found, l.collect(ctx, missing, found)
}

// Refresh loads a key now, while Gets are served the value that is there. Who
// knows that this value is wrong calls Invalidate. If the load fails, the value
// stays for the rest of its time.
func (l *Loading[K, V]) Refresh(ctx context.Context, key K) error {
	old := make(map[K]*loaded[V])
	if e := l.peek(key); e != nil {
		old[key] = e
	}
	_, err := l.fetch(ctx, key, old)
	return err
}

// Invalidate drops the value of a key and what a load that is under way will
// find: a Get that begins after this has returned loads it anew.
func (l *Loading[K, V]) Invalidate(key K) {
	l.flight.Forget(key)
	l.cache.Delete(key)
}

// InvalidateTag is Invalidate for all keys whose value has the tag, at an effort
// that does not depend on how many those are. The memory of these values comes
// back as they are loaded anew or evicted.
func (l *Loading[K, V]) InvalidateTag(tag string) {
	l.labels.raise(tag, l.version.Add(1))
	l.flight.forgetAll() // which of those under way will have the tag, nobody knows
}

// InvalidateAll is Invalidate for all keys, at the effort of InvalidateTag.
func (l *Loading[K, V]) InvalidateAll() {
	version := l.version.Add(1)
	for {
		floor := l.floor.Load()
		if floor >= version || l.floor.CompareAndSwap(floor, version) {
			break
		}
	}
	l.flight.forgetAll()
}

// Close waits for the loads that run. After it, a Get that would have to load
// returns ErrClosed.
func (l *Loading[K, V]) Close() { l.flight.Close() }

// lookup returns a valid entry or nil, and whether the caller must reload it.
func (l *Loading[K, V]) lookup(key K) (e *loaded[V], reload bool) {
	e, ok := l.cache.Get(key)
	if !ok || !l.valid(e) {
		return nil, false
	}
	return e, e.due != never && l.claim(e)
}

// peek returns a valid entry or nil, and leaves no trace.
func (l *Loading[K, V]) peek(key K) *loaded[V] {
	if e, ok := l.cache.Peek(key); ok && l.valid(e) {
		return e
	}
	return nil
}

// valid reports whether an entry was not invalidated.
func (l *Loading[K, V]) valid(e *loaded[V]) bool {
	if e.revoked.Load() || e.version < l.floor.Load() {
		return false
	}
	if e.err != nil && e.version < l.version.Load() {
		return false // nobody knows which tags it would have
	}
	for _, t := range e.labels {
		if e.version < t.floor.Load() {
			return false
		}
	}
	return true
}

// fetch loads a key, or waits for who does.
func (l *Loading[K, V]) fetch(ctx context.Context, key K, old map[K]*loaded[V]) (value V, err error) {
	if err := ctx.Err(); err != nil {
		return value, err
	}
	calls, err := l.depart(ctx, []K{key}, old)
	if err != nil {
		return value, err
	}
	e, err := l.flight.wait(ctx, calls[0])
	if err != nil {
		return value, err
	}
	return e.value, e.err
}

// collect adds the values of the missing keys to found.
func (l *Loading[K, V]) collect(ctx context.Context, missing []K, found map[K]V) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	calls, err := l.depart(ctx, missing, nil)
	if err != nil {
		return err
	}
	var failed []error
	told := make(map[*trip[K, *loaded[V]]]bool) // one error for each trip, and with nil one for the context
	for i, c := range calls {
		e, err := l.flight.wait(ctx, c)
		if err == nil {
			if e.err == nil {
				found[missing[i]] = e.value
			}
			continue
		}
		source := c.trip
		if err == ctx.Err() {
			source = nil
		}
		if !told[source] {
			told[source] = true
			failed = append(failed, err)
		}
	}
	return errors.Join(failed...)
}

// reload loads in the background what lookup has claimed.
func (l *Loading[K, V]) reload(ctx context.Context, keys []K, old map[K]*loaded[V]) {
	l.counts.reloads.Add(uint64(len(keys)))
	l.depart(ctx, keys, old) // the waiters that this counts never leave
}
