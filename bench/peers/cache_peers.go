package main

import (
	"fmt"
	"time"

	"github.com/Yiling-J/theine-go"
	"github.com/dgraph-io/ristretto/v2"
	lru "github.com/hashicorp/golang-lru/v2"
	"github.com/hashicorp/golang-lru/v2/expirable"
	"github.com/maypok86/otter/v2"
	"github.com/plinth-go/plinth/cache"
)

// The compared caches, and how each is configured: as its documentation
// recommends, with the size as the only bound.

const (
	implLRU       = "lru"  // github.com/hashicorp/golang-lru/v2: Cache, or expirable.LRU where entries expire
	implTwoQueue  = "twoq" // github.com/hashicorp/golang-lru/v2: TwoQueueCache
	implOtter     = "otter"
	implTheine    = "theine"
	implRistretto = "ristretto"
)

// cacheImpls returns the names of the caches, ours first.
func cacheImpls() []string {
	return []string{implPlinth, implLRU, implTwoQueue, implOtter, implTheine, implRistretto}
}

// expires reports whether a cache can give its entries a time to live.
func expires(impl string) bool { return impl != implTwoQueue }

// keyType is what the caches are compared with. Values are numbers.
type keyType interface{ uint64 | string }

// store is what the compared caches have in common. It is safe for concurrent
// use, but for Close.
type store[K keyType] interface {
	Get(K) (uint64, bool)
	// Set returns false where the cache says that it dropped the value.
	Set(K, uint64) bool
	// Held is the number of entries that take up room now, those included
	// whose time is over but that are still there.
	Held() int
	// Settle returns when everything that was put into buffers is done.
	Settle()
	Close()
}

// cacheConfig says what a cache is opened for.
type cacheConfig[K keyType] struct {
	entries int
	ttl     time.Duration // 0 for ever

	// For hit ratios, one goroutine calls Settle after each Set, and what a
	// cache can do on the caller's goroutine it does there.
	inline bool
	hash   func(K) uint64 // for ours, so that its figures repeat; nil for its own
	seed   uint64         // goes with hash
}

func openCache[K keyType](impl string, c cacheConfig[K]) (store[K], error) {
	switch impl {
	case implPlinth:
		config := cache.Config[K, uint64]{MaxEntries: c.entries, TTL: c.ttl, Hash: c.hash, Seed: c.seed}
		p, err := cache.New(config)
		return plinthCache[K]{p}, err
	case implLRU:
		if c.ttl > 0 {
			return expirableLRU[K]{expirable.NewLRU[K, uint64](c.entries, nil, c.ttl)}, nil
		}
		l, err := lru.New[K, uint64](c.entries)
		return lruCache[K]{l}, err
	case implTwoQueue:
		if c.ttl > 0 {
			return nil, fmt.Errorf("peers: %s has no time to live", impl)
		}
		q, err := lru.New2Q[K, uint64](c.entries)
		return twoQueueCache[K]{q}, err
	case implOtter:
		return openOtter(c)
	case implTheine:
		t, err := theine.NewBuilder[K, uint64](int64(c.entries)).Build()
		return theineCache[K]{t, c.ttl}, err
	case implRistretto:
		r, err := ristretto.NewCache(&ristretto.Config[K, uint64]{
			NumCounters:        int64(c.entries) * 10, // both as its documentation says
			BufferItems:        64,
			MaxCost:            int64(c.entries), // each costs 1, so that it counts entries as the others do
			IgnoreInternalCost: true,
		})
		return ristrettoCache[K]{r, c.ttl}, err
	}
	return nil, fmt.Errorf("peers: no cache %q", impl)
}

type plinthCache[K keyType] struct{ c *cache.Cache[K, uint64] }

func (p plinthCache[K]) Get(key K) (uint64, bool) { return p.c.Get(key) }
func (p plinthCache[K]) Set(key K, value uint64) bool {
	p.c.Set(key, value)
	return true
}
func (p plinthCache[K]) Held() int { return p.c.Stats().Entries } // Len would take out what has expired
func (p plinthCache[K]) Settle()   {}                             // a Set is done when it returns
func (p plinthCache[K]) Close()    {}

type lruCache[K keyType] struct{ c *lru.Cache[K, uint64] }

func (l lruCache[K]) Get(key K) (uint64, bool) { return l.c.Get(key) }
func (l lruCache[K]) Set(key K, value uint64) bool {
	l.c.Add(key, value)
	return true
}
func (l lruCache[K]) Held() int { return l.c.Len() }
func (l lruCache[K]) Settle()   {}
func (l lruCache[K]) Close()    {}

// expirableLRU starts a goroutine that nothing can stop.
type expirableLRU[K keyType] struct{ c *expirable.LRU[K, uint64] }

func (l expirableLRU[K]) Get(key K) (uint64, bool) { return l.c.Get(key) }
func (l expirableLRU[K]) Set(key K, value uint64) bool {
	l.c.Add(key, value)
	return true
}
func (l expirableLRU[K]) Held() int { return l.c.Len() }
func (l expirableLRU[K]) Settle()   {}
func (l expirableLRU[K]) Close()    {}

type twoQueueCache[K keyType] struct{ c *lru.TwoQueueCache[K, uint64] }

func (q twoQueueCache[K]) Get(key K) (uint64, bool) { return q.c.Get(key) }
func (q twoQueueCache[K]) Set(key K, value uint64) bool {
	q.c.Add(key, value)
	return true
}
func (q twoQueueCache[K]) Held() int { return q.c.Len() }
func (q twoQueueCache[K]) Settle()   {}
func (q twoQueueCache[K]) Close()    {}

type otterCache[K keyType] struct{ c *otter.Cache[K, uint64] }

func openOtter[K keyType](c cacheConfig[K]) (store[K], error) {
	o := &otter.Options[K, uint64]{MaximumSize: c.entries, InitialCapacity: c.entries}
	if c.ttl > 0 {
		o.ExpiryCalculator = otter.ExpiryWriting[K, uint64](c.ttl)
	}
	if c.inline {
		o.Executor = func(work func()) { work() }
	}
	cache, err := otter.New(o)
	return otterCache[K]{cache}, err
}

func (o otterCache[K]) Get(key K) (uint64, bool) { return o.c.GetIfPresent(key) }
func (o otterCache[K]) Set(key K, value uint64) bool {
	o.c.Set(key, value)
	return true
}
func (o otterCache[K]) Held() int { return o.c.EstimatedSize() }
func (o otterCache[K]) Settle()   { o.c.CleanUp() }
func (o otterCache[K]) Close()    { o.c.StopAllGoroutines() }

type theineCache[K keyType] struct {
	c   *theine.Cache[K, uint64]
	ttl time.Duration
}

func (t theineCache[K]) Get(key K) (uint64, bool)     { return t.c.Get(key) }
func (t theineCache[K]) Set(key K, value uint64) bool { return t.c.SetWithTTL(key, value, 1, t.ttl) }
func (t theineCache[K]) Held() int                    { return t.c.Len() }
func (t theineCache[K]) Settle()                      { t.c.Wait() }
func (t theineCache[K]) Close()                       { t.c.Close() }

type ristrettoCache[K keyType] struct {
	c   *ristretto.Cache[K, uint64]
	ttl time.Duration
}

func (r ristrettoCache[K]) Get(key K) (uint64, bool)     { return r.c.Get(key) }
func (r ristrettoCache[K]) Set(key K, value uint64) bool { return r.c.SetWithTTL(key, value, 1, r.ttl) }
func (r ristrettoCache[K]) Held() int                    { return int(r.c.MaxCost() - r.c.RemainingCost()) } // each costs 1
func (r ristrettoCache[K]) Settle()                      { r.c.Wait() }
func (r ristrettoCache[K]) Close()                       { r.c.Close() }
