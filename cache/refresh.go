package cache

import (
	"math"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"
)

// loaded is an entry of a Loading cache: a value, or the knowledge that there is
// none, and what decides whether it is still good and when to reload it. The
// times are those of the cache's clock. How long it is kept is no matter of
// this file: the cache beneath drops it at TTL + StaleFor, reload or not, so
// nothing here can prolong its life.
type loaded[V any] struct {
	// Immutable once published.
	value   V
	err     error         // not nil: there is no value; wraps ErrNotFound
	cost    int64         // what Config.Cost says
	gone    int64         // from here on it is not served: TTL + StaleFor after it was loaded
	took    time.Duration // what the load took
	due     int64         // before this no Get needs to think about a reload
	refresh int64         // from here on it is reloaded
	expires int64         // from here on it is stale; never without a TTL
	pause   time.Duration // after a failed reload; see retry

	version uint64       // at which the load began; see labels
	labels  []*label     //
	revoked *atomic.Bool // set by Invalidate, perhaps even before this is published

	// Whoever starts a reload swaps never for the old value, and sets the time
	// of the next one if it fails: so at most one runs.
	attempt  atomic.Int64
	failures atomic.Int64
}

const (
	maxBeta = 1000
	maxLuck = 37 // -ln of the smallest chance above 0, 2^-53, rounded up
)

// newLoaded makes an entry of what a load that took so long has found at a moment:
// a value, or an error that wraps ErrNotFound. What the user's functions take
// from then on is part of the value's age.
func (l *Loading[K, V]) newLoaded(key K, value V, err error, now int64, took time.Duration) *loaded[V] {
	e := &loaded[V]{value: value, err: err, took: took, due: never, refresh: never, expires: never}
	if err != nil {
		e.gone = now + int64(l.load.NegativeTTL)
		return e
	}
	if l.config.Cost != nil {
		e.cost = checkedCost(l.config.Cost(key, value))
	}
	ttl := l.ttl(key, value)
	e.gone, e.pause = now, ttl
	if ttl > 0 {
		e.expires = later(now, ttl)
		e.gone = later(now, time.Duration(later(int64(ttl), l.load.StaleFor)))
	}
	if l.load.RefreshAfter > 0 {
		e.refresh = later(now, l.load.RefreshAfter)
		e.due = e.refresh
		e.pause = min(ttl, l.load.RefreshAfter)
	}
	if l.load.StaleFor > 0 {
		e.due = min(e.due, e.expires)
	}
	if l.load.Beta > 0 && e.expires != never {
		ahead := maxLuck * l.load.Beta * float64(took)
		e.due = min(e.due, e.expires-int64(min(ahead, float64(ttl))))
	}
	return e
}

// ttl is what Config says about a value.
func (l *Loading[K, V]) ttl(key K, value V) time.Duration {
	ttl := l.config.TTL
	if l.config.TTLFunc != nil {
		ttl = l.config.TTLFunc(key, value)
	} else if ttl == 0 {
		return Forever
	}
	if l.config.Jitter > 0 && ttl > 0 && ttl != Forever {
		ttl -= time.Duration((1 - l.chance.positive()) * l.config.Jitter * float64(ttl))
	}
	return ttl
}

// claim reports whether the caller of Get must start a reload. It is the only
// thing that a Get does with an entry beyond its due time.
func (l *Loading[K, V]) claim(e *loaded[V]) bool {
	now := l.cache.now()
	if now < e.due {
		return false
	}
	if now >= e.expires {
		l.counts.stale.Add(1)
	}
	next := e.attempt.Load()
	if now < next || now < e.refresh && now < e.expires && !l.early(e, now) {
		return false
	}
	return e.attempt.CompareAndSwap(next, never)
}

// early decides by chance whether to reload before the end. Where many entries
// expire at one time, or many servers share one value, a fixed age makes them
// reload together; a random one spreads them out. The chance rises towards the
// end, in proportion to what a load takes, so that it is probably done by then:
//
//	reload if  now + took·β·(−ln u) ≥ end,  u random in (0, 1]
//
// With β = 1, at a time d before the end, each Get reloads with probability
// e^(−d/took).
func (l *Loading[K, V]) early(e *loaded[V], now int64) bool {
	if l.load.Beta == 0 || e.expires == never {
		return false
	}
	ahead := l.load.Beta * float64(e.took) * -math.Log(l.chance.positive())
	return ahead >= float64(e.expires-now)
}

// retry puts off the next reload after one that has not replaced the entry: by
// a sixteenth of the age at which the reload was due, and twice as long after
// each failure, up to all of that age. A database that is down is not asked at
// every Get.
func (e *loaded[V]) retry(now int64) {
	doubled := min(e.failures.Add(1)-1, 4)
	wait := max(e.pause/16, time.Millisecond) << doubled
	e.attempt.Store(later(now, wait))
}

// chance is a source of random numbers with a seed, for all callers.
type chance struct {
	mu     sync.Mutex
	random *rand.Rand // guarded by mu
}

// positive returns a number above 0 and at most 1.
func (c *chance) positive() float64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return 1 - c.random.Float64()
}
