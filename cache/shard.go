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
	// Read by anyone, stored by the holder of mu. It points into parts.tables,
	// so that a writer's lock does not disturb the readers.
	table *atomic.Pointer[table[K, V]]

	mu sync.Mutex

	// Guarded by mu.
	policy  policy
	wheel   *wheel          // nil until the first entry that can expire
	retired bool            // Resize has moved the entries elsewhere: use the new shards
	swapped uint64          // values that were replaced under mu
	left    [reasons]uint64 // entries, by reason; Replaced are those whose next value was refused
	_       [64]byte        // the next shard's lock is on another cache line
}

// startEntries is the size of a new shard's structures; they grow when needed,
// so that a large bound costs nothing until it is used.
const startEntries = entriesPerShard

// setup prepares an empty shard.
func (s *shard[K, V]) setup(l limits, seed uint64) {
	room := min(l.entries, startEntries)
	s.table.Store(newTable[K, V](room, wordOf[V]()))
	s.policy = newPolicy(l, room, seed)
	s.wheel = nil
}

// put stores an item, in the place of one of the same key or as a new one, and
// evicts what exceeds the bounds.
func (s *shard[K, V]) put(it *item[K, V], hash uint32, now int64, gone *departed[K, V]) {
	t := s.table.Load()
	pointer, old := t.seek(it.key, hash)
	if old != nil && !old.alive(now) {
		s.remove(old.slot, Expired, gone)
		old = nil
	}
	if old == nil {
		s.insert(it, hash, gone)
		return
	}
	it.succeed(old)
	s.replaced(t.swap(pointer, it), it, gone) // which may be later than old, but has its slot
}

// fits reports whether an item may be in this shard at all.
func (s *shard[K, V]) fits(it *item[K, V]) bool { return it.weight() <= s.policy.limits.weight() }

// refuse reports an item that cannot be kept, and takes out the one of its key.
func (s *shard[K, V]) refuse(it *item[K, V], hash uint32, why Reason, now int64, gone *departed[K, V]) {
	if _, old := s.table.Load().seek(it.key, hash); old != nil {
		reason := Replaced
		if !old.alive(now) {
			reason = Expired
		}
		s.remove(old.slot, reason, gone)
	}
	gone.add(it, why)
}

// insert stores an item whose key is not there.
func (s *shard[K, V]) insert(it *item[K, V], hash uint32, gone *departed[K, V]) {
	s.grow()
	it.slot = s.policy.slots.reserve(hash)
	s.policy.slots.all[it.slot].place = s.table.Load().insert(it, hash)
	s.admit(it, hash, gone)
	s.shrink(it.slot, gone)
	s.schedule(it)
}

// replaced finishes what a swap of pointers has begun.
func (s *shard[K, V]) replaced(old, it *item[K, V], gone *departed[K, V]) {
	s.wheel.remove(old.slot)
	q := s.policy.slots.all[it.slot].queue
	s.policy.slots.queues[q].weight += it.weight() - old.weight()
	s.shrink(it.slot, gone)
	s.schedule(it)
	s.swapped++
	gone.add(old, Replaced)
}

// remove takes the entry of a slot out of everything.
func (s *shard[K, V]) remove(i uint32, why Reason, gone *departed[K, V]) {
	s.removed(s.table.Load().swap(s.pointer(i), nil), why, gone)
}

// removed finishes what swapping an item's pointer for nil has begun.
func (s *shard[K, V]) removed(it *item[K, V], why Reason, gone *departed[K, V]) {
	s.wheel.remove(it.slot)
	place, hash := s.policy.slots.all[it.slot].place, s.policy.slots.all[it.slot].hash
	s.table.Load().free(place, hash)
	s.policy.slots.leave(it.slot, it.weight())
	s.policy.slots.release(it.slot)
	s.left[why]++
	gone.add(it, why)
}

// pointer is where the item of a slot is.
func (s *shard[K, V]) pointer(i uint32) *atomic.Pointer[item[K, V]] {
	return s.table.Load().pointer(s.policy.slots.all[i].place)
}

// item of a slot. Somebody may set it again at any moment.
func (s *shard[K, V]) item(i uint32) *item[K, V] { return s.pointer(i).Load() }

// schedule puts an item into the wheel if it can expire.
func (s *shard[K, V]) schedule(it *item[K, V]) {
	if it.extra == nil || it.extra.deadline.Load() == never {
		return
	}
	if s.wheel == nil {
		s.wheel = &wheel{}
	}
	s.wheel.add(it.slot, it.extra.deadline.Load())
}

// expire removes what is due, touching at most budget entries, and reports
// whether it had to stop there.
func (s *shard[K, V]) expire(now int64, budget int, gone *departed[K, V]) (more bool) {
	if s.wheel == nil || s.wheel.count == 0 {
		return false
	}
	return s.wheel.advance(now, budget, func(i uint32) (again int64) {
		if it := s.item(i); it.alive(now) {
			return it.extra.deadline.Load() // a read has given it more time
		}
		s.remove(i, Expired, gone)
		return 0
	}) >= budget
}

// expireNow also removes what is due since the present tick began, however much
// that is, so that what is left is alive.
func (s *shard[K, V]) expireNow(now int64, gone *departed[K, V]) {
	if s.wheel == nil {
		return
	}
	for i := range s.wheel.here {
		if !s.item(i).alive(now) {
			s.remove(i, Expired, gone)
		}
	}
}

// grow makes room in the table and the policy for one more than there are.
func (s *shard[K, V]) grow() {
	t, bound := s.table.Load(), s.policy.limits.entries
	if s.policy.slots.count() < t.room || t.room == bound {
		return
	}
	room := bound
	if t.room < bound/2 {
		room = 2 * t.room
	}
	bigger := newTable[K, V](room, t.word)
	for i := range s.policy.slots.entries {
		c := &s.policy.slots.all[i]
		c.place = bigger.insert(t.freeze(c.place), c.hash)
	}
	s.table.Store(bigger)
	s.policy.grow(room)
}

// clear removes everything and forgets what the policy has learnt.
func (s *shard[K, V]) clear(seed uint64, gone *departed[K, V]) {
	for i := range s.policy.slots.entries {
		s.left[Deleted]++
		gone.add(s.table.Load().swap(s.pointer(i), nil), Deleted)
	}
	s.setup(s.policy.limits, seed)
}

// departed collects what leaves during one call, for OnEvict after the lock is
// given back. It is not safe for concurrent use.
type departed[K comparable, V any] struct {
	wanted bool // whether there is an OnEvict to tell
	few    [2]departure[K, V]
	count  int
	more   []departure[K, V] // beyond a few: so most calls allocate nothing
	taken  int
}

type departure[K comparable, V any] struct {
	item *item[K, V]
	why  Reason
}

func (d *departed[K, V]) add(it *item[K, V], why Reason) {
	switch {
	case !d.wanted:
	case d.count < len(d.few):
		d.few[d.count] = departure[K, V]{it, why}
		d.count++
	default:
		d.more = append(d.more, departure[K, V]{it, why})
	}
}

// take returns one that was added, each only once.
func (d *departed[K, V]) take() (one departure[K, V], ok bool) {
	switch {
	case d.taken < d.count:
		one = d.few[d.taken]
	case d.taken-d.count < len(d.more):
		one = d.more[d.taken-d.count]
	default:
		return one, false
	}
	d.taken++
	return one, true
}
