package cache

import (
	"sync"
	"sync/atomic"
)

// shard is a cache of its own for its part of the keys: a table that readers
// search without a lock, and what the writers need to keep it within bounds. A
// writer holds mu from the moment when it looks at the table until the bound
// holds again, so that each method below finds and leaves all invariants true.
// None of them calls code of the user.
type shard[K comparable, V any] struct {
	// Read by anyone, stored by the holder of mu. On a line of its own, so that
	// a writer's lock does not disturb the readers.
	table atomic.Pointer[table[K, V]]
	_     [56]byte

	mu sync.Mutex

	// Guarded by mu.
	policy  policy[K, V]
	wheel   *wheel[K, V] // nil until the first entry that can expire
	retired bool         // Resize has moved the entries elsewhere: use the new shards
	removed [reasons]uint64
	added   uint64
	_       [56]byte
}

// departed collects the nodes that leave during one call, for OnEvict after the
// lock is given back. They are linked by next, which no list needs any more.
type departed[K comparable, V any] struct {
	wanted      bool // whether there is an OnEvict to tell
	first, last *node[K, V]
}

func (d *departed[K, V]) add(n *node[K, V]) {
	if !d.wanted {
		return
	}
	if d.last == nil {
		d.first = n
	} else {
		d.last.next = n
	}
	d.last = n
}

// setup prepares an empty shard.
func (s *shard[K, V]) setup(l limits, seed uint64) {
	room := min(l.entries, startEntries)
	s.table.Store(newTable[K, V](room))
	s.policy = newPolicy[K, V](l, room, seed)
}

// startEntries is the size of a new shard's structures; they grow when needed,
// so that a large bound costs nothing until it is used.
const startEntries = entriesPerShard

// find returns the node of a key, or nil.
func (s *shard[K, V]) find(key K, hash uint32) *node[K, V] {
	return s.table.Load().find(key, hash)
}

// put stores a node in the place of the old one of its key, or as a new one if
// old is nil, and evicts what exceeds the bounds.
func (s *shard[K, V]) put(old, n *node[K, V], now int64, gone *departed[K, V]) {
	if old != nil && !old.alive(now) {
		s.remove(old, Expired, gone)
		old = nil
	}
	if old != nil {
		s.table.Load().replace(old, n)
		s.policy.replace(old, n)
		s.leave(old, Replaced, gone)
	} else {
		s.grow()
		s.table.Load().insert(n)
		s.added++
		s.policy.admit(n, func(victim *node[K, V]) { s.drop(victim, gone) })
	}
	s.policy.shrink(n, func(victim *node[K, V]) { s.drop(victim, gone) })
	s.schedule(n)
}

// remove takes a node out of everything.
func (s *shard[K, V]) remove(n *node[K, V], why Reason, gone *departed[K, V]) {
	s.policy.remove(n)
	s.table.Load().remove(n)
	s.leave(n, why, gone)
}

// drop is what the policy calls for a node that it has taken out of its queues.
func (s *shard[K, V]) drop(n *node[K, V], gone *departed[K, V]) {
	s.table.Load().remove(n)
	s.leave(n, Capacity, gone)
}

// leave is the end of every node: it is in no queue and not in the table.
func (s *shard[K, V]) leave(n *node[K, V], why Reason, gone *departed[K, V]) {
	if s.wheel != nil {
		s.wheel.remove(n)
	}
	n.die(why)
	s.removed[why]++
	gone.add(n)
}

// schedule puts a node into the wheel if it can expire.
func (s *shard[K, V]) schedule(n *node[K, V]) {
	if n.extra == nil || n.extra.deadline.Load() == never {
		return
	}
	if s.wheel == nil {
		s.wheel = &wheel[K, V]{}
	}
	s.wheel.add(n)
}

// expire removes what is due, at most budget entries, and reports whether it
// had to stop there.
func (s *shard[K, V]) expire(now int64, budget int, gone *departed[K, V]) (more bool) {
	if s.wheel == nil || s.wheel.count == 0 {
		return false
	}
	return s.wheel.advance(now, budget, func(n *node[K, V]) { s.remove(n, Expired, gone) }) >= budget
}

// grow makes room in the table and the policy for one more than there are.
func (s *shard[K, V]) grow() {
	t, bound := s.table.Load(), s.policy.limits.entries
	if s.policy.count() < t.room || t.room == bound {
		return
	}
	room := bound
	if t.room < bound/2 {
		room = 2 * t.room
	}
	s.table.Store(t.grown(room))
	s.policy.grow(room)
}

// clear removes everything and forgets what the policy has learnt.
func (s *shard[K, V]) clear(seed uint64, gone *departed[K, V]) {
	for n := range s.table.Load().all {
		s.policy.remove(n)
		s.leave(n, Deleted, gone)
	}
	s.setup(s.policy.limits, seed)
}
