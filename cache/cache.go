package cache

import (
	"fmt"
	"iter"
	"math"
	"math/bits"
	"sync"
	"sync/atomic"
	"time"
)

// Cache keeps the entries that are likely to be asked for again, within a bound
// on their number or cost. A Get takes no lock. A Set is visible when it
// returns, is never dropped for want of time, and when it returns the bound holds.
// It starts no goroutine and needs no Close.
//
// A Cache is safe for concurrent use.
type Cache[K comparable, V any] struct {
	// Immutable after New.
	hash    func(K) uint64
	cost    func(K, V) int64 // nil without a bound on the cost
	onEvict func(K, V, Reason)
	ttlOf   func(K, V) time.Duration // nil if no value expires by age
	idle    time.Duration            // 0 for none
	word    word                     // how values are stored
	jitter  float64
	seed    uint64
	start   time.Time // time 0 of the cache's clock, monotonic
	counts  *counters // nil without Config.Stats

	parts atomic.Pointer[parts[K, V]] // Resize stores another one

	whole  sync.Mutex   // held by those that go through all shards; taken before a shard's lock, never under one
	config Config[K, V] // guarded by whole
}

// parts are the shards, a power of two, and how a hash chooses among them.
// Immutable.
type parts[K comparable, V any] struct {
	tables []atomic.Pointer[table[K, V]] // of the shards, side by side: a reader needs nothing else
	shards []shard[K, V]
	shift  uint // the top bits of a hash choose the shard
	cost   int64
}

// New returns an empty cache, or an error that wraps ErrConfig and names the
// field.
func New[K comparable, V any](config Config[K, V]) (*Cache[K, V], error) {
	if err := config.check(); err != nil {
		return nil, err
	}
	c := &Cache[K, V]{
		hash:    config.hasher(),
		cost:    config.Cost,
		onEvict: config.OnEvict,
		ttlOf:   config.TTLFunc,
		idle:    config.IdleTTL,
		word:    wordOf[V](),
		jitter:  config.Jitter,
		seed:    config.seed(),
		start:   time.Now(),
		config:  config,
	}
	if c.ttlOf == nil && config.TTL > 0 {
		ttl := config.TTL
		c.ttlOf = func(K, V) time.Duration { return ttl }
	}
	if config.Stats {
		c.counts = newCounters()
	}
	c.parts.Store(c.newParts(&config))
	return c, nil
}

// newParts divides the bounds among empty shards. The first ones get what does
// not divide evenly.
func (c *Cache[K, V]) newParts(config *Config[K, V]) *parts[K, V] {
	n := config.shards()
	p := &parts[K, V]{
		tables: make([]atomic.Pointer[table[K, V]], n),
		shards: make([]shard[K, V], n),
		shift:  uint(64 - bits.TrailingZeros(uint(n))),
		cost:   math.MaxInt64,
	}
	for i := range p.shards {
		l := limits{entries: math.MaxInt, cost: math.MaxInt64}
		if config.MaxEntries > 0 {
			l.entries = share(config.MaxEntries, n, i)
		}
		if config.MaxCost > 0 {
			l.cost = share(config.MaxCost, int64(n), int64(i))
			p.cost = l.cost // the last one's, which is the least
		}
		p.shards[i].table = &p.tables[i]
		p.shards[i].setup(l, c.seed+uint64(i))
	}
	return p
}

// share returns the i-th of n parts that sum up to all.
func share[T int | int64](all, n, i T) T {
	part := all / n
	if i < all%n {
		part++
	}
	return part
}

// Get returns the value of a key, and counts the use.
func (c *Cache[K, V]) Get(key K) (V, bool) {
	hash := c.hash(key)
	it := c.parts.Load().table(hash).find(key, uint32(hash))
	if it == nil || it.extra != nil && !c.use(it.extra) {
		c.counts.miss()
		var none V
		return none, false
	}
	it.touch()
	c.counts.hit()
	return load(c.word, &it.value), true
}

// Peek returns the value of a key without counting the use: it changes neither
// what will be evicted nor an idle time nor the statistics.
func (c *Cache[K, V]) Peek(key K) (V, bool) {
	hash := c.hash(key)
	it := c.parts.Load().table(hash).find(key, uint32(hash))
	if it == nil || it.extra != nil && !it.alive(c.now()) {
		var none V
		return none, false
	}
	return load(c.word, &it.value), true
}

// Set stores a value, in the place of the one that the key had. It is for ever
// or for the time that the Config gives.
//
// Three values are not kept, and OnEvict is told at once: one that costs more
// than its shard may hold (Capacity), one whose TTLFunc says zero or less
// (Expired), and one whose key is not equal to itself, such as a NaN, which
// nothing could find again (Capacity). The former value of the key goes all the
// same: it is not the truth any more.
func (c *Cache[K, V]) Set(key K, value V) {
	c.store(key, value, c.ttl(key, value))
}

// SetTTL stores a value for a time of its own, which Jitter does not touch.
// Forever keeps it; a time of zero or below is in the past, as what is left
// until a deadline can be, and counts as expired already.
func (c *Cache[K, V]) SetTTL(key K, value V, ttl time.Duration) {
	c.store(key, value, ttl)
}

func (c *Cache[K, V]) store(key K, value V, ttl time.Duration) {
	hash := c.hash(key)
	// Looked for first, so that the processor can make the item, if it needs one,
	// while it waits for the memory of the old one.
	pointer, old := c.parts.Load().table(hash).seek(key, uint32(hash))
	if c.word != whole && old != nil && old.extra == nil && ttl == Forever {
		if former, ok := old.overwrite(c.word, value); ok {
			c.replaced(key, former)
			return
		}
	}
	it, why := c.newItem(key, value, ttl)
	if it == nil {
		c.refuse(key, value, hash, why)
		return
	}
	if c.word == whole && it.replace(pointer, old) {
		c.replaced(key, old.value)
		return
	}
	gone := c.departed()
	s := c.lock(hash)
	now := c.expireSome(s, &gone)
	if s.fits(it) {
		s.put(it, uint32(hash), now, &gone)
	} else { // ResizeCost was faster
		s.refuse(it, uint32(hash), Capacity, now, &gone)
	}
	s.mu.Unlock()
	c.tell(&gone)
}

// replaced does what remains when a value was set again without the lock.
func (c *Cache[K, V]) replaced(key K, former V) {
	c.counts.replace()
	if c.onEvict != nil {
		c.onEvict(key, former, Replaced)
	}
}

// refuse does what remains when a new value cannot be kept.
func (c *Cache[K, V]) refuse(key K, value V, hash uint64, why Reason) {
	gone := c.departed()
	s := c.lock(hash)
	s.refuse(newItem(key, value), uint32(hash), why, c.expireSome(s, &gone), &gone)
	s.mu.Unlock()
	c.tell(&gone)
}

// GetOrSet returns the value of a key, or stores this one if there is none.
// loaded tells that it was there. A value that cannot be kept (see Set) is
// returned all the same.
func (c *Cache[K, V]) GetOrSet(key K, value V) (actual V, loaded bool) {
	if v, ok := c.Get(key); ok {
		return v, true
	}
	hash := c.hash(key)
	it, why := c.newItem(key, value, c.ttl(key, value))
	gone := c.departed()
	s := c.lock(hash)
	now := c.expireSome(s, &gone)
	_, old := s.table.Load().seek(key, uint32(hash))
	switch {
	case old != nil && (old.extra == nil || c.use(old.extra)):
		actual, loaded = load(c.word, &old.value), true
		old.touch()
	case it != nil && s.fits(it):
		actual = value
		s.put(it, uint32(hash), now, &gone)
	default:
		actual = value
		s.refuse(newItem(key, value), uint32(hash), why, now, &gone)
	}
	s.mu.Unlock()
	c.tell(&gone)
	return actual, loaded
}

// Delete removes a key and returns the value that it had.
func (c *Cache[K, V]) Delete(key K) (V, bool) {
	var value V
	hash := c.hash(key)
	gone := c.departed()
	s := c.lock(hash)
	now := c.expireSome(s, &gone)
	t := s.table.Load()
	pointer, it := t.seek(key, uint32(hash))
	ok := it != nil && it.alive(now)
	if ok {
		it = t.swap(pointer, nil) // it may have been set again since
		value = it.value
		s.removed(it, Deleted, &gone)
	} else if it != nil { // or a reader who came in time could prolong what is reported as gone
		s.remove(it.slot, Expired, &gone)
	}
	s.mu.Unlock()
	c.tell(&gone)
	return value, ok
}

// Clear removes everything that was set before it began, and what the policy
// has learnt, and gives the memory back, which only shrinking with Resize does
// too. It goes shard by shard, so values that are set meanwhile may stay.
func (c *Cache[K, V]) Clear() {
	gone := c.departed()
	c.whole.Lock()
	p := c.parts.Load()
	for i := range p.shards {
		s := &p.shards[i]
		s.mu.Lock()
		s.clear(c.seed+uint64(i), &gone)
		s.mu.Unlock()
	}
	c.whole.Unlock()
	c.tell(&gone)
}

// Len returns the number of entries that Get would find. It first removes those
// whose time is over, so its cost grows with their number.
func (c *Cache[K, V]) Len() int {
	total := 0
	c.sweep(func(s *shard[K, V]) { total += s.policy.slots.count() })
	return total
}

// Cost returns the sum of the costs of the entries that Get would find; without
// a bound on the cost, their number. It first removes those whose time is over.
func (c *Cache[K, V]) Cost() int64 {
	var total int64
	c.sweep(func(s *shard[K, V]) { total += s.policy.slots.weight() })
	return total
}

// All yields the entries in no particular order: each that is there from
// beginning to end once, and perhaps some that come or go meanwhile. It holds no
// lock and counts no use, and the loop may change the cache.
func (c *Cache[K, V]) All() iter.Seq2[K, V] {
	return func(yield func(K, V) bool) {
		p := c.parts.Load()
		for i := range p.shards {
			// The table may be given up for a larger one while we are in it, so
			// it only says which keys to look for.
			for it := range p.shards[i].table.Load().all {
				if value, ok := c.Peek(it.key); ok && !yield(it.key, value) {
					return
				}
			}
		}
	}
}

// table returns where to look for a hash.
func (p *parts[K, V]) table(hash uint64) *table[K, V] {
	return p.tables[hash>>p.shift].Load()
}

// shard returns the part that is responsible for a hash.
func (p *parts[K, V]) shard(hash uint64) *shard[K, V] {
	return &p.shards[hash>>p.shift]
}

// lock returns the shard of a hash, locked.
func (c *Cache[K, V]) lock(hash uint64) *shard[K, V] {
	for {
		s := c.parts.Load().shard(hash)
		s.mu.Lock()
		if !s.retired {
			return s
		}
		s.mu.Unlock() // Resize was faster: there are other shards now
	}
}

// newItem makes the item of an entry, or says why it cannot be kept. The code of
// the user that it calls runs under no lock.
func (c *Cache[K, V]) newItem(key K, value V, ttl time.Duration) (*item[K, V], Reason) {
	if key != key {
		return nil, Capacity
	}
	cost := int64(1)
	if c.cost != nil {
		cost = checkedCost(c.cost(key, value))
		if cost > c.parts.Load().cost {
			return nil, Capacity
		}
	}
	if ttl <= 0 {
		return nil, Expired
	}
	if ttl == Forever && c.idle == 0 {
		if c.cost == nil {
			return newItem(key, value), 0
		}
		return newItemWithExtra(key, value, cost, never, never), 0
	}
	now := c.now()
	hard := later(now, ttl)
	deadline := hard
	if c.idle > 0 {
		deadline = min(hard, later(now, c.idle))
	}
	return newItemWithExtra(key, value, cost, hard, deadline), 0
}

func checkedCost(cost int64) int64 {
	if cost < 0 {
		panic(fmt.Sprintf("cache: Config.Cost returned %d, want at least 0", cost))
	}
	return cost
}

func (c *Cache[K, V]) departed() departed[K, V] {
	return departed[K, V]{wanted: c.onEvict != nil}
}

// tell reports what has left. If OnEvict panics, the rest is told before the
// panic goes on: exactly once holds for every value. Of several panics, the first
// one goes on.
func (c *Cache[K, V]) tell(gone *departed[K, V]) {
	finished := false
	defer func() {
		if !finished {
			for c.tellQuietly(gone) {
			}
		}
	}()
	for d, ok := gone.take(); ok; d, ok = gone.take() {
		c.onEvict(d.item.key, d.item.value, d.why)
	}
	finished = true
}

// tellQuietly tells the next one, whatever OnEvict does, and returns false when
// there is none.
func (c *Cache[K, V]) tellQuietly(gone *departed[K, V]) (told bool) {
	d, ok := gone.take()
	if !ok {
		return false
	}
	defer func() {
		_ = recover()
		told = true
	}()
	c.onEvict(d.item.key, d.item.value, d.why)
	return true
}
