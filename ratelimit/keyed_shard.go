package ratelimit

import (
	"math"
	"sync"
	"time"
)

// shard is the keys whose hash chooses it, under a lock. Its methods are for who holds that,
// but for find, so it is not safe for concurrent use. Others may take from the buckets meanwhile, and from
// nothing else: so who holds the lock must expect that a bucket has less than it had, but
// neither that it has more, nor that a key comes or goes, or changes its pace.
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
	table[K] // its slots first, apart from all else: who searches does not need the lock
	mu       sync.Mutex
	base     *tint // of all keys without one of their own; the same for all shards, immutable
	palette  palette
	unseen   int64 // tat of a key at base that nobody has taken from
	forgot   int64 // ns at which all buckets that were forgotten are full

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

// admit decides about n events of a key that is in no slot, and puts it in one if anything
// was taken. There must be room. p is nil if it has no pace of its own.
func (s *shard[K]) admit(d *Decision, key K, hash uint32, p *pace, ns, n int64) {
	of := &s.base.pace
	if p != nil {
		of = p
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
		p, tat = &s.base.pace, s.unseen
	}
	if s.forgot > ns {
		tat = max(tat, p.at(s.forgot).ceil)
	}
	return tat
}

// put puts a key in a slot, and returns in which. There must be room.
func (s *shard[K]) put(key K, hash uint32, tat int64, p *pace) (int, *member[K]) {
	m := &member[K]{key: key, tint: s.tint(p, false)}
	m.tat.Store(tat)
	s.note(m)
	return s.insert(m, hash), m
}

// tint returns that of a pace for one more key: nil is base.
func (s *shard[K]) tint(p *pace, own bool) *tint {
	if p == nil {
		return s.base
	}
	return s.palette.add(p, own)
}

// note tells the hand that a bucket may be full earlier than it has seen.
func (s *shard[K]) note(m *member[K]) {
	full := s.fullAt(m, m.tat.Load())
	s.least = min(s.least, full)
	s.rest = min(s.rest, full)
}

// fullAt returns the ns at which a bucket with that tat may be forgotten, that is, at which it
// has no more to come than one that nobody has taken from, and no less.
func (s *shard[K]) fullAt(m *member[K], tat int64) int64 {
	switch {
	case m.tint == s.base:
		return int64(s.base.until(max(tat, s.unseen), 0))
	case m.tint.own:
		return never
	}
	return int64(m.tint.until(tat, 0))
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
		s.credit = s.slots.Load().len()
	}
	return true
}

// evict forgets the first bucket that the hand finds full.
func (s *shard[K]) evict(ns int64) bool {
	slots := s.slots.Load()
	s.credit = min(s.credit+sweep, max(slots.len(), sweep))
	if ns < s.rest {
		return false
	}
	if s.left == slots.len() {
		s.least = never // of what was noted before, the hand will see what it is now
	}
	for s.credit > 0 {
		s.credit--
		s.swept++
		if m := slots.members[s.hand].Load(); m != nil {
			full, done := s.closeIfFull(m, ns)
			if done {
				s.forgot = max(s.forgot, full)
				s.drop(s.hand, m)
				s.evicted++
				return true
			}
			s.least = min(s.least, full)
		}
		s.hand = slots.after(s.hand)
		if s.left--; s.left == 0 {
			rest := s.least
			s.start(s.hand)
			s.rest = rest
			return false
		}
	}
	return false
}

// closeIfFull closes a bucket that is full. In any case it returns when it is, or was.
func (s *shard[K]) closeIfFull(m *member[K], ns int64) (full int64, done bool) {
	for {
		tat := m.tat.Load()
		full = s.fullAt(m, tat)
		if full > ns {
			return full, false
		}
		if m.tat.CompareAndSwap(tat, closed) { // nobody has taken anything meanwhile
			return full, true
		}
	}
}

// drop frees the slot of a member that is closed. If it is not the hand's, a key may move from
// before the hand to behind it: so the hand starts again in any case.
func (s *shard[K]) drop(i int, m *member[K]) {
	s.palette.release(m.tint)
	s.remove(i)
	s.start(s.hand)
}

// start lets the hand begin its way around.
func (s *shard[K]) start(hand int) {
	s.hand, s.left, s.least, s.rest = hand, s.slots.Load().len(), never, 0
}

// setBase changes the pace of all keys that have none of their own, also those in no slot.
func (s *shard[K]) setBase(next *tint, now func() int64) {
	ns := now()
	s.unseen = next.convert(s.absent(nil, ns), &s.base.pace, ns)
	slots := s.slots.Load()
	for i := range slots.members {
		if m := slots.members[i].Load(); m != nil && m.tint == s.base {
			slots.members[i].Store(m.repainted(next, now))
		}
	}
	s.base = next
	s.start(s.hand)
}

// repaint changes the pace of the key in a slot: nil for base. It is its own after SetQuota.
func (s *shard[K]) repaint(i int, m *member[K], p *pace, own bool, now func() int64) {
	next := s.tint(p, own)
	changed := m.repainted(next, now)
	s.slots.Load().members[i].Store(changed)
	s.palette.release(m.tint)
	s.owners += count(own) - count(m.tint.own)
	s.note(changed)
}

func count(yes bool) int {
	if yes {
		return 1
	}
	return 0
}

// repainted closes a member and returns one of another pace with what was left. The clock is
// read when it is closed: others take until then, and what they took later than it shows would be
// a debt, to be paid at the new rate.
func (m *member[K]) repainted(next *tint, now func() int64) *member[K] {
	changed := &member[K]{key: m.key, tint: next}
	tat := m.tat.Swap(closed)
	changed.tat.Store(next.convert(tat, &m.tint.pace, now()))
	return changed
}

// tint is a pace that keys have. All but users is immutable, and safe for concurrent use.
type tint struct {
	pace
	own   bool // of keys that SetQuota was called for
	users int  // how many keys of the palette's shard have it, which locks it; base does not count
}

// palette is the tints that keys of a shard have instead of base, each once, for as long as
// there is such a key. It is not safe for concurrent use.
type palette map[hue]*tint

// quota is what a pace is made of. It is immutable, and safe for concurrent use.
type quota struct {
	rate  Limit
	burst int64
}

// hue is what a tint is made of. It is immutable, and safe for concurrent use.
type hue struct {
	quota
	own bool
}

// add returns the tint of a pace for one more key.
func (c *palette) add(p *pace, own bool) *tint {
	if *c == nil {
		*c = palette{}
	}
	of := hue{quota{p.limit, p.burst}, own}
	t := (*c)[of]
	if t == nil {
		t = &tint{pace: *p, own: own}
		(*c)[of] = t
	}
	t.users++
	return t
}

// release takes back what add returned. Others, such as base, are nothing to it.
func (c palette) release(t *tint) {
	if t.users == 0 {
		return
	}
	if t.users--; t.users == 0 {
		delete(c, hue{quota{t.limit, t.burst}, t.own})
	}
}
