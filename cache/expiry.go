package cache

import (
	"math"
	"math/rand/v2"
	"time"
)

// How values expire. Every entry that can expire carries its deadline, and Get
// compares it with the clock, so nothing is ever returned too late. What is due
// is also taken out, a few entries by each Set and Delete of the shard, with the
// help of the wheel: so memory comes back without a goroutine as long as
// somebody writes, and one call never pays for a million entries that expire
// together. RemoveExpired does it at once.

const (
	never        = math.MaxInt64 // a deadline that does not come
	expireBatch  = 256           // entries that RemoveExpired takes out under one lock
	expireBudget = 7             // entries that a Set or Delete looks at, beside that of its key; it adds one, so this keeps up
	idleGrain    = 64            // a read moves the deadline when that changes it by this part of the idle time, or by a tick
)

// now is the time on the cache's clock.
func (c *Cache[K, V]) now() int64 { return int64(time.Since(c.start)) }

// later adds without overflow.
func later(now int64, d time.Duration) int64 {
	if int64(d) > never-1-now {
		return never
	}
	return now + int64(d)
}

// ttl of a value that is about to be set.
func (c *Cache[K, V]) ttl(key K, value V) time.Duration {
	if c.ttlOf == nil {
		return Forever
	}
	ttl := c.ttlOf(key, value)
	if c.jitter > 0 && ttl > 0 && ttl != Forever {
		ttl -= time.Duration(rand.Float64() * c.jitter * float64(ttl))
	}
	return ttl
}

// use reports whether an entry's time is not over, and if reads prolong it,
// does that. When the swap fails, another reader has just done the same.
func (c *Cache[K, V]) use(e *extra) bool {
	deadline := e.deadline.Load()
	if deadline == never {
		return true
	}
	now := c.now()
	if now >= deadline {
		return false
	}
	if c.idle > 0 {
		longer := min(e.hard, later(now, c.idle))
		if longer-deadline >= min(1<<tickBits, int64(c.idle)/idleGrain) && longer > deadline {
			e.deadline.CompareAndSwap(deadline, longer)
		}
	}
	return true
}

// expireSome takes a few entries that are due out of a locked shard, and returns
// the time; 0 if nothing in the shard can expire.
func (c *Cache[K, V]) expireSome(s *shard[K, V], gone *departed[K, V]) int64 {
	if s.wheel == nil {
		return 0
	}
	now := c.now()
	s.expire(now, expireBudget, gone)
	return now
}

// RemoveExpired takes out every entry whose time is over, and returns how many
// those were. Nobody needs to call it: it is for those who want memory back
// during a time without writes.
func (c *Cache[K, V]) RemoveExpired() int {
	return c.sweep(func(*shard[K, V]) {})
}

// sweep calls look for each shard, with its lock held, at a moment when nothing
// in it is due, and returns how many entries it had to take out for that.
func (c *Cache[K, V]) sweep(look func(*shard[K, V])) (removed int) {
	gone := c.departed()
	c.whole.Lock() // or Resize could move entries past us
	p := c.parts.Load()
	for i := range p.shards {
		s := &p.shards[i]
		for more := true; more; {
			s.mu.Lock()
			before := s.left[Expired]
			now := c.now()
			if more = s.expire(now, expireBatch, &gone); !more {
				s.expireNow(now, &gone)
				look(s)
			}
			removed += int(s.left[Expired] - before)
			s.mu.Unlock()
		}
	}
	c.whole.Unlock()
	c.tell(&gone)
	return removed
}
