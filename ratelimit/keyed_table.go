package ratelimit

// table finds the bucket of a key: an array of slots in which a key is at its home, which
// its hash says, or behind it, with no free slot in between (linear probing: Knuth, The art
// of computer programming, volume 3, 1998, section 6.4). To remove one, those behind it
// move up, so that nothing stays that a search would have to pass.
//
// Four fifths of the slots are used at most, and a table that is full grows by two fifths:
// so 4/7 of them are used at least, once there has been anything to grow for. A slot
// is the key and 16 bytes, so a key takes at most 28 bytes and 7/4 of its own size. That
// is less than 64 and its size, if that is up to 48. A table that doubled would take up to
// 40 and 10/4.
//
// It is not safe for concurrent use.
type table[K comparable] struct {
	slots []slot[K]
	used  int
	most  int // of which there is never more: a bound on used
}

// slot is a key with its bucket. It is not safe for concurrent use.
type slot[K comparable] struct {
	key  K
	tat  int64
	hash uint32 // odd; 0 if the slot is free
	pace uint32 // which of a shard's, see palette; and own
}

const (
	own      = 1 << 31 // in slot.pace: of a key that SetQuota was called for
	fewSlots = 8       // that a table begins with
)

func newTable[K comparable](most int) table[K] {
	t := table[K]{most: most}
	t.slots = make([]slot[K], min(fewSlots, t.mostSlots()))
	return t
}

// mostSlots returns how many there are when there is room for the most keys.
func (t *table[K]) mostSlots() int { return t.most + t.most/4 + 1 }

// tight reports whether another key needs more slots.
func (t *table[K]) tight() bool { return t.used >= len(t.slots)*4/5 }

// home returns where the search for a hash begins.
func (t *table[K]) home(hash uint32) int {
	return int(uint64(hash) * uint64(len(t.slots)) >> 32)
}

func (t *table[K]) after(i int) int {
	if i++; i < len(t.slots) {
		return i
	}
	return 0
}

// find returns where a key is, -1 if it is not there.
func (t *table[K]) find(key K, hash uint32) int {
	for i := t.home(hash); ; i = t.after(i) {
		s := &t.slots[i]
		if s.hash == hash && s.key == key {
			return i
		}
		if s.hash == 0 {
			return -1
		}
	}
}

// insert returns where a key is now that was not there. There must be room.
func (t *table[K]) insert(s slot[K]) int {
	i := t.home(s.hash)
	for t.slots[i].hash != 0 {
		i = t.after(i)
	}
	t.slots[i] = s
	t.used++
	return i
}

// remove frees a slot. One behind it may move there if its home is not behind it too,
// leaves a free slot itself, and so on. None moves farther from its home, and none from
// behind a place to before it, except over the end of the array.
func (t *table[K]) remove(free int) {
	for i := t.after(free); t.slots[i].hash != 0; i = t.after(i) {
		if t.distance(t.home(t.slots[i].hash), i) >= t.distance(free, i) {
			t.slots[free] = t.slots[i]
			free = i
		}
	}
	t.slots[free] = slot[K]{}
	t.used--
}

// distance returns how many slots it is from one on to another.
func (t *table[K]) distance(from, to int) int {
	if d := to - from; d >= 0 {
		return d
	}
	return to - from + len(t.slots)
}

// grow makes more slots.
func (t *table[K]) grow() {
	old := t.slots
	t.slots = make([]slot[K], min(len(old)+len(old)*2/5, t.mostSlots()))
	t.used = 0
	for i := range old {
		if old[i].hash != 0 {
			t.insert(old[i])
		}
	}
}
