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
// always succeeds.
func (c *Cache[K, V]) Compute(key K, f func(old V, ok bool) (V, Op)) (V, bool) {
	hash := c.hash(key)
	for {
		var former V
		n := c.parts.Load().shard(hash).find(key, uint32(hash))
		ok := n != nil && n.alive(c.now())
		if ok {
			former = n.value
		}
		value, op := f(former, ok)
		if op == Keep {
			return former, ok
		}
		if held, done := c.exchange(key, hash, n, value, op); done {
			if op == Store && held {
				return value, true
			}
			var none V
			return none, false
		}
	}
}

// exchange carries out what Compute has decided on seeing the node (nil for
// none), unless the key has changed since. held tells that the new value was
// kept.
func (c *Cache[K, V]) exchange(key K, hash uint64, seen *node[K, V], value V, op Op) (held, done bool) {
	var n *node[K, V]
	var why Reason
	if op == Store {
		n, why = c.newNode(key, value, hash, c.ttl(key, value))
	}
	gone := c.departed()
	s := c.lock(hash)
	now := c.expireSome(s, &gone)
	// A node is never used twice, so the same node is the same state. What was
	// seen and has expired since counts as changed.
	old := s.find(key, uint32(hash))
	done = old == seen
	switch {
	case !done:
	case n != nil:
		s.put(old, n, now, &gone)
	case old != nil && op == Remove:
		s.remove(old, Deleted, &gone)
	case old != nil:
		s.remove(old, Replaced, &gone)
	}
	s.mu.Unlock()
	c.tell(gone)
	if done && op == Store && n == nil && c.onEvict != nil {
		c.onEvict(key, value, why)
	}
	return n != nil, done
}
