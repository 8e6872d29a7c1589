package ratelimit

import (
	"math"
	"sync"
	"time"
)

// shard is the keys whose hash chooses it, under a lock. Its methods are for who holds that,
// so it is not safe for concurrent use.
//
// A bucket that is full may be forgotten: with tat ≤ now, what tat is makes no difference
// any more (pace.begin). So when there are as many keys as may be, a hand goes around the
// slots, like that of a clock, and evicts the first such bucket. If there is none, a new
// key gets no bucket.
//
// What it costs. A hand that has found nothing on its way around knows when the first
// bucket will be full, and rests until then: new keys are refused in O(1). That alone
// is not enough: where a bucket becomes full every now and then, and a crowd takes each
// at once, every one would cost a whole way around. So each new key pays for sweep slots
// and no more; what it does not use is saved up, to one way around at most. So with n keys
// that come, the hand passes at most sweep × n slots, and one way around that a
// growth has paid for: O(1) for each. (Twice sweep for one whose room somebody else takes
// while Quota is asked.) The price: while a crowd comes, and fewer than one in sweep
// buckets are full, a key may be refused although there would be room. A shard of up to
// sweep slots never does that.
//
// Time may run backwards: by an hour, from who gives the time himself, and by a moment,
// because the clock is read before the lock is taken. A bucket that was full then
// may not be so now. So forgot remembers until when the last of the forgotten ones was not
// full, and a key that comes earlier begins with a bucket that is full no sooner.
type shard[K comparable] struct {
	mu sync.Mutex

	table[K]
	base    *pace // of all keys without one of their own; the same for all shards, immutable
	palette palette
	unseen  int64 // tat of a key at base that nobody has taken from
	forgot  int64 // ns at which all buckets that were forgotten are full

	// The hand.
	hand   int
	left   int   // slots until it has found nothing all the way around
	least  int64 // ns at which the first bucket is full, of those it has passed on this way
	rest   int64 // ns at which it is worth to go on
	credit int   // slots that have been paid for

	owners  int // keys that SetQuota was called for
	evicted uint64
	noRoom  uint64
	swept   uint64 // slots that the hand has passed

	_ [64]byte // no two shards on one cache line
}

const (
	sweep = 64
	never = math.MaxInt64
)

// paceAt returns the pace of a slot.
func (s *shard[K]) paceAt(i int) *pace {
	if which := s.slots[i].pace &^ own; which > 0 {
		return &s.palette.tints[which-1].pace
	}
	return s.base
}

// decide decides about n events of a key that is in a slot.
func (s *shard[K]) decide(d *Decision, i int, ns, n int64) {
	at := &s.slots[i]
	at.tat = s.paceAt(i).decision(d, at.tat, ns, n, 0)
}

// admit decides about n events of a key that is in no slot, and puts it in one if anything
// was taken. There must be room. p is nil if it has no pace of its own.
func (s *shard[K]) admit(d *Decision, key K, hash uint32, p *pace, ns, n int64) {
	of := p
	if p == nil {
		of = s.base
	}
	tat := of.decision(d, s.absent(p, ns), ns, n, 0)
	if d.OK && n > 0 {
		s.put(key, hash, tat, p)
	}
}

// refuse decides about n events of a key for which there is no room.
func (s *shard[K]) refuse(d *Decision, ns, n int64) {
	s.noRoom++
	wait := Never
	switch {
	case n < 0 || s.rest == never:
	case s.rest > ns:
		wait = time.Duration(s.rest - ns)
	default: // the hand has not been all the way around
		wait = max(s.base.until(s.base.at(ns).ceil+s.base.unit, ns), 1)
	}
	d.Limit, d.RetryAfter, d.ResetAfter = s.base.burst, wait, wait
}

// absent returns the tat of a key that is in no slot.
func (s *shard[K]) absent(p *pace, ns int64) (tat int64) {
	if p == nil {
		p, tat = s.base, s.unseen
	}
	if s.forgot > ns {
		tat = max(tat, p.at(s.forgot).ceil)
	}
	return tat
}

// put puts a key in a slot, and returns in which. There must be room.
func (s *shard[K]) put(key K, hash uint32, tat int64, p *pace) int {
	i := s.insert(slot[K]{key, tat, hash, s.palette.add(p)})
	s.note(i)
	return i
}

// note tells the hand that a bucket may be full earlier than it has seen.
func (s *shard[K]) note(i int) {
	full := s.fullAt(i)
	s.least = min(s.least, full)
	s.rest = min(s.rest, full)
}

// fullAt returns the ns at which a bucket may be forgotten, that is, at which it has no
// more to come than one that nobody has taken from, and no less.
func (s *shard[K]) fullAt(i int) int64 {
	at := &s.slots[i]
	switch {
	case at.pace == 0:
		return int64(s.base.until(max(at.tat, s.unseen), 0))
	case at.pace&own != 0:
		return never
	}
	return int64(s.paceAt(i).until(at.tat, 0))
}

// room makes room for a key, unless there is none. It rather grows than forgets: a key that
// is forgotten and comes again costs more than one that is found, and Quota is asked again.
func (s *shard[K]) room(ns int64) bool {
	if s.used >= s.most {
		return s.evict(ns)
	}
	if s.tight() {
		s.grow()
		s.start(0)
		s.credit = len(s.slots)
	}
	return true
}

// evict forgets the first bucket that the hand finds full.
func (s *shard[K]) evict(ns int64) bool {
	s.credit = min(s.credit+sweep, max(len(s.slots), sweep))
	if ns < s.rest {
		return false
	}
	if s.left == len(s.slots) {
		s.least = never // of what was noted before, the hand will see what it is now
	}
	for s.credit > 0 {
		s.credit--
		s.swept++
		if s.slots[s.hand].hash != 0 {
			full := s.fullAt(s.hand)
			if full <= ns {
				s.forgot = max(s.forgot, full)
				s.drop(s.hand)
				s.evicted++
				return true
			}
			s.least = min(s.least, full)
		}
		s.hand = s.after(s.hand)
		if s.left--; s.left == 0 {
			rest := s.least
			s.start(s.hand)
			s.rest = rest
			return false
		}
	}
	return false
}

// drop frees a slot. If it is not the hand's, a key may move from before the hand to behind
// it: so the hand starts again in any case.
func (s *shard[K]) drop(i int) {
	s.palette.release(s.slots[i].pace &^ own)
	s.remove(i)
	s.start(s.hand)
}

// start lets the hand begin its way around.
func (s *shard[K]) start(hand int) {
	s.hand, s.left, s.least, s.rest = hand, len(s.slots), never, 0
}

// setBase changes the pace of all keys that have none of their own, also those in no slot.
func (s *shard[K]) setBase(next *pace, ns int64) {
	s.unseen = next.convert(s.absent(nil, ns), s.base, ns)
	for i := range s.slots {
		if s.slots[i].hash != 0 && s.slots[i].pace == 0 {
			s.slots[i].tat = next.convert(s.slots[i].tat, s.base, ns)
		}
	}
	s.base = next
	s.start(s.hand)
}

// repaint changes the pace of the key in a slot: nil for base. flag is own, or 0.
func (s *shard[K]) repaint(i int, p *pace, flag uint32, ns int64) {
	of := p
	if p == nil {
		of = s.base
	}
	at := &s.slots[i]
	at.tat = of.convert(at.tat, s.paceAt(i), ns)
	old := at.pace
	at.pace = s.palette.add(p) | flag
	s.palette.release(old &^ own)
	s.owners += int(flag>>31) - int(old>>31)
	s.note(i)
}

// palette is the paces that keys of a shard have instead of base, each once, for as long as
// there is such a key. Number i+1 is that of tints[i], and 0 stands for base. It is not safe
// for concurrent use.
type palette struct {
	tints []tint
	index map[quota]uint32 // number by what it was made of
	free  []uint32         // numbers
}

// tint is a pace and how many keys have it. It is not safe for concurrent use.
type tint struct {
	pace
	users int
}

// quota is what a pace is made of. It is immutable, and safe for concurrent use.
type quota struct {
	rate  Limit
	burst int64
}

// add returns the number of a pace for one more key.
func (c *palette) add(p *pace) uint32 {
	if p == nil {
		return 0
	}
	number, ok := c.index[quota{p.limit, p.burst}]
	switch {
	case ok:
	case len(c.free) > 0:
		number = c.free[len(c.free)-1]
		c.free = c.free[:len(c.free)-1]
	default:
		c.tints = append(c.tints, tint{})
		number = uint32(len(c.tints))
	}
	if t := &c.tints[number-1]; !ok {
		if c.index == nil {
			c.index = map[quota]uint32{}
		}
		c.index[quota{p.limit, p.burst}] = number
		t.pace = *p
	}
	c.tints[number-1].users++
	return number
}

// release takes back what add returned.
func (c *palette) release(number uint32) {
	if number == 0 {
		return
	}
	t := &c.tints[number-1]
	if t.users--; t.users == 0 {
		delete(c.index, quota{t.limit, t.burst})
		c.free = append(c.free, number)
	}
}
