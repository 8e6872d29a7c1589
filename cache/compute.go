package cache

// Op is what Compute does with the result of its function. It is safe for
// concurrent use.
type Op uint8

const (
	Keep   Op = iota // leave everything as it is
	Store            // set the value that was returned
	Remove           // delete the key
)

// Compute changes a key according to the value that it has: f gets it (ok tells
// whether there is one) and returns a new value and what to do. Compute returns
// the value that the key has then.
//
// The change is atomic, yet f runs under no lock: it may take long and use the
// cache. If the key has changed meanwhile, f is called again with the new value,
// so it should have no side effects. At least one of several competing calls
// always succeeds. If f itself changes the key, it is called again for ever.
//
// A number or pointer that was changed and changed back is not seen to have
// changed: do not use what a pointer points to for another value while some
// Compute may be looking at it.
func (c *Cache[K, V]) Compute(key K, f func(old V, ok bool) (V, Op)) (V, bool) {
	hash := c.hash(key)
	for {
		var former V
		it := c.parts.Load().table(hash).find(key, uint32(hash))
		ok := it != nil && it.alive(c.now())
		if ok {
			former = load(c.word, &it.value)
		}
		value, op := f(former, ok)
		if op == Keep {
			return former, ok
		}
		if held, done := c.exchange(key, hash, it, former, ok, value, op); done {
			if op == Store && held {
				return value, true
			}
			var none V
			return none, false
		}
	}
}

// exchange carries out what Compute has decided on seeing the item and its former
// value, unless the key has changed since. alive tells how it was seen, held that
// the new value was kept.
func (c *Cache[K, V]) exchange(key K, hash uint64, seen *item[K, V], former V, alive bool, value V, op Op) (held, done bool) {
	var it *item[K, V]
	var why Reason
	if op == Store {
		it, why = c.newItem(key, value, c.ttl(key, value))
	}
	gone := c.departed()
	s := c.lock(hash)
	now := c.expireSome(s, &gone)
	if it != nil && !s.fits(it) { // ResizeCost was faster
		it, why = nil, Capacity
	}
	done = s.exchange(key, uint32(hash), seen, former, alive, it, now, &gone)
	if done && op == Store && it == nil {
		gone.add(newItem(key, value), why)
	}
	s.mu.Unlock()
	c.tell(&gone)
	return it != nil, done
}

// exchange puts an item, or nothing if it is nil, in the place of the one that
// was seen (nil for none), if that is still there. An item is never used twice,
// so the same item with the same value is the same state, but for its time: one
// that was seen alive may have expired since, and then its value counts; one that
// was seen expired may have been prolonged by a reader who came in time, and then
// it is another state.
func (s *shard[K, V]) exchange(key K, hash uint32, seen *item[K, V], former V, alive bool, it *item[K, V], now int64, gone *departed[K, V]) bool {
	t := s.table.Load()
	pointer, old := t.seek(key, hash)
	switch {
	case old != seen, old != nil && !alive && old.alive(now):
		return false
	case it != nil && (old == nil || !old.alive(now)):
		s.put(it, hash, now, gone)
	case it != nil:
		it.succeed(old)
		if !t.compareAndSwap(pointer, old, former, it) { // set again without the lock
			return false
		}
		s.replaced(old, it, gone)
	case old != nil:
		if !t.compareAndSwap(pointer, old, former, nil) {
			return false
		}
		why := Deleted
		if !alive {
			why = Expired
		}
		s.removed(old, why, gone)
	}
	return true
}
