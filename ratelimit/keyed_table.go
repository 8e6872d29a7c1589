package ratelimit

import "sync/atomic"

// table finds the bucket of a key: an array of slots in which a key is at its home, which
// its hash says, or behind it, with no free slot in between (linear probing: Knuth, The art
// of computer programming, volume 3, 1998, section 6.4). To remove one, those behind it
// move up, so that nothing stays that a search would have to pass.
//
// Two thirds of the slots are used at most, and a table that is full grows by a half: so 4/9
// of them are used at least, once there has been anything to grow for. A slot takes 12 bytes
// and a member 16 and the key, so a key takes at most 43 bytes and its own size, and what the
// allocator adds, whose sizes go in steps of 8 to 16. A table that doubled would take up to 52.
//
// Concurrency. One at a time changes a table: who holds the lock of its shard. Anybody may
// search meanwhile, and finds the member of a key or nothing, never that of another one: a
// member keeps its key for ever, and is not used again. It may be nothing although the key is
// there, because it is just moving, and it may be a member that has just been removed: that
// one's word is closed. In both cases the lock is needed to know more.
type table[K comparable] struct {
	slots atomic.Pointer[slots[K]]
	_     [64]byte // who searches is not disturbed when used changes
	used  int
	most  int // of which there is never more: a bound on used
}

// slots is an array of places for members. See table for who may do what.
type slots[K comparable] struct {
	hashes  []atomic.Uint32 // of the keys: odd; 0 if the slot is free
	members []atomic.Pointer[member[K]]
}

// member is a key with its bucket, all but the word immutable. When the pace of a key is
// changed it gets another member, and the word of the old one is closed. It is safe for
// concurrent use.
type member[K comparable] struct {
	word
	tint *tint
	key  K
}

// decide makes a decision about n events, unless the member is closed: that leaves the zero
// decision.
func (m *member[K]) decide(d *Decision, ns, n int64) (done bool) {
	for {
		*d = Decision{}
		tat := m.tat.Load()
		if tat == closed {
			return false
		}
		after := m.tint.decision(d, tat, ns, n, 0)
		if after == tat || m.tat.CompareAndSwap(tat, after) {
			return true
		}
	}
}

const fewSlots = 8 // that a table begins with

// init makes an empty table.
func (t *table[K]) init(most int) {
	t.most = most
	t.slots.Store(newSlots[K](min(fewSlots, t.mostSlots())))
}

// mostSlots returns how many there are when there is room for the most keys.
func (t *table[K]) mostSlots() int { return t.most + t.most/2 + 2 }

// tight reports whether another key needs more slots.
func (t *table[K]) tight() bool { return t.used >= t.slots.Load().len()*2/3 }

// find returns where a key is, and its member: nil if it is not there.
func (t *table[K]) find(key K, hash uint32) (int, *member[K]) {
	return t.slots.Load().find(key, hash)
}

// insert returns where a member is now whose key was not there. There must be room.
func (t *table[K]) insert(m *member[K], hash uint32) int {
	t.used++
	return t.slots.Load().insert(m, hash)
}

// remove frees a slot.
func (t *table[K]) remove(i int) {
	t.used--
	t.slots.Load().remove(i)
}

// grow makes more slots. Who still searches in the old ones finds the same members.
func (t *table[K]) grow() {
	old := t.slots.Load()
	more := newSlots[K](min(old.len()+old.len()/2, t.mostSlots()))
	for i := range old.members {
		if m := old.members[i].Load(); m != nil {
			more.insert(m, old.hashes[i].Load())
		}
	}
	t.slots.Store(more)
}

func newSlots[K comparable](n int) *slots[K] {
	return &slots[K]{make([]atomic.Uint32, n), make([]atomic.Pointer[member[K]], n)}
}

func (s *slots[K]) len() int { return len(s.hashes) }

// home returns where the search for a hash begins.
func (s *slots[K]) home(hash uint32) int {
	return int(uint64(hash) * uint64(len(s.hashes)) >> 32)
}

func (s *slots[K]) after(i int) int {
	if i++; i < len(s.hashes) {
		return i
	}
	return 0
}

// find is for anybody. If members move meanwhile, it may not meet a free slot.
func (s *slots[K]) find(key K, hash uint32) (int, *member[K]) {
	i := s.home(hash)
	for range s.hashes {
		switch s.hashes[i].Load() {
		case hash:
			if m := s.members[i].Load(); m != nil && m.key == key {
				return i, m
			}
		case 0:
			return 0, nil
		}
		i = s.after(i)
	}
	return 0, nil
}

func (s *slots[K]) insert(m *member[K], hash uint32) int {
	i := s.home(hash)
	for s.hashes[i].Load() != 0 {
		i = s.after(i)
	}
	s.members[i].Store(m)
	s.hashes[i].Store(hash)
	return i
}

// remove frees a slot. One behind it may move there if its home is not behind it too,
// leaves a free slot itself, and so on. None moves farther from its home, and none from
// behind a place to before it, except over the end of the array.
func (s *slots[K]) remove(free int) {
	for i := s.after(free); ; i = s.after(i) {
		hash := s.hashes[i].Load()
		if hash == 0 {
			break
		}
		if s.distance(s.home(hash), i) >= s.distance(free, i) {
			s.members[free].Store(s.members[i].Load())
			s.hashes[free].Store(hash)
			free = i
		}
	}
	s.members[free].Store(nil)
	s.hashes[free].Store(0)
}

// distance returns how many slots it is from one on to another.
func (s *slots[K]) distance(from, to int) int {
	if d := to - from; d >= 0 {
		return d
	}
	return to - from + len(s.hashes)
}
