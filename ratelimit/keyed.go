package ratelimit

import (
	"errors"
	"fmt"
	"hash/maphash"
	"math/bits"
	"sync"
	"sync/atomic"
	"time"
)

// Keyed is a token bucket for each key: for each user, address or tenant. It decides as if
// every key that there can be had a TokenBucket, from the beginning, and remembers at most
// MaxKeys of them. A bucket that is full is as good as one that nobody has taken from, and may be
// forgotten; one that is not never is. So who is over his limit is not forgiven because
// a crowd of others comes. It is safe for concurrent use.
//
// The keys are spread over shards, each with a lock and a table (keyed_shard.go,
// keyed_table.go), by a hash that has a seed of its own, so that nobody can choose keys
// that get into each other's way. Decisions about a key that is remembered need its word
// alone, and no lock.
type Keyed[K comparable] struct {
	// Immutable.
	made     time.Time
	hash     func(K) uint64
	shift    uint8 // of a hash, that leaves the number of the shard
	quota    func(K) (Limit, int64)
	overflow *TokenBucket // nil: Refuse
	follows  bool         // the overflow has the limit of all keys

	shards    []shard[K]
	badQuotas atomic.Uint64
	limits    sync.Mutex // held to change the limit, by one after the other
}

// KeyedConfig says what a Keyed does. Rate and Burst must be set; every other zero field
// means what its comment says. It is a plain value: it is safe for concurrent use as long as
// nobody changes it.
type KeyedConfig[K comparable] struct {
	// Rate and Burst of every key that has no quota of its own.
	Rate  Limit
	Burst int64

	// MaxKeys bounds how many keys are remembered; 0 is 65,536. Each shard has its part of
	// the bound, and there is a shard for 1,024 keys, at most 256 of them. Keys are spread
	// by chance: of many shards, the first is full when some nine tenths of MaxKeys are
	// there. Below 2,048 there is one shard, and exactly MaxKeys have room.
	MaxKeys int

	// WhenFull is what happens to a new key when its shard has no room: Refuse.
	WhenFull WhenFull
	// OverflowRate and OverflowBurst of the bucket of ShareOverflow; 0 is Rate and Burst,
	// also when SetLimit changes them.
	OverflowRate  Limit
	OverflowBurst int64

	// Quota returns the rate and burst of a key: the zero Limit and 0 are Rate and Burst,
	// and nil gives those to all. It is asked when a key comes that is not remembered:
	// for the first time, and when its bucket has been full meanwhile and was forgotten; and
	// by SetQuota and RemoveQuota. It runs under no lock, and may use the Keyed, but not for
	// the same key. If what it returns is impossible, the key is refused
	// (KeyedStats.BadQuotas).
	Quota func(K) (Limit, int64)
}

// WhenFull is what happens to new keys for which there is no room.
type WhenFull uint8

const (
	// Refuse refuses a new key until some bucket is full and can be forgotten. RetryAfter
	// says when, as far as that is known.
	Refuse WhenFull = iota

	// ShareOverflow lets all such keys, of whatever quota, take from one bucket that they
	// share. What they take there is not counted when they get their own later.
	ShareOverflow
)

const (
	defaultMaxKeys = 1 << 16
	mostKeys       = 1 << 30
	keysPerShard   = 1024
	mostShards     = 256
)

// ErrNoRoom says that a Keyed has no room for one more key.
var ErrNoRoom = errors.New("ratelimit: no room for another key")

// NewKeyed returns one without keys. What is wrong with the configuration is an error.
func NewKeyed[K comparable](c KeyedConfig[K]) (*Keyed[K], error) {
	pace, err := c.check()
	if err != nil {
		return nil, fmt.Errorf("ratelimit: KeyedConfig: %w", err)
	}
	if c.MaxKeys == 0 {
		c.MaxKeys = defaultMaxKeys
	}
	n := 1
	for n < mostShards && 2*n*keysPerShard <= c.MaxKeys {
		n *= 2
	}
	seed, base := maphash.MakeSeed(), &tint{pace: pace}
	k := &Keyed[K]{
		made:   time.Now(),
		hash:   func(key K) uint64 { return maphash.Comparable(seed, key) },
		shift:  uint8(64 - bits.Len(uint(n-1))),
		quota:  c.Quota,
		shards: make([]shard[K], n),
	}
	for i := range k.shards {
		s := &k.shards[i]
		most := c.MaxKeys / n
		if i < c.MaxKeys%n {
			most++
		}
		s.base = base
		s.init(most)
		s.start(0)
	}
	if c.WhenFull == ShareOverflow {
		if k.follows = c.OverflowBurst == 0; k.follows {
			c.OverflowRate, c.OverflowBurst = c.Rate, c.Burst
		}
		k.overflow = NewTokenBucket(c.OverflowRate, c.OverflowBurst)
		k.overflow.made = k.made
	}
	return k, nil
}

// check returns the pace of all keys, or the first mistake.
func (c *KeyedConfig[K]) check() (pace, error) {
	base, err := makePace(c.Rate, c.Burst)
	if err != nil {
		return pace{}, fmt.Errorf("for Rate and Burst: %w", err)
	}
	shared := c.OverflowRate != Limit{} || c.OverflowBurst != 0
	switch {
	case c.MaxKeys < 0 || c.MaxKeys > mostKeys:
		return pace{}, fmt.Errorf("MaxKeys is %d: want 1 to %d, or 0 for %d", c.MaxKeys, mostKeys, defaultMaxKeys)
	case c.WhenFull > ShareOverflow:
		return pace{}, fmt.Errorf("WhenFull is %d: want Refuse or ShareOverflow", c.WhenFull)
	case shared && c.WhenFull != ShareOverflow:
		return pace{}, fmt.Errorf("OverflowRate and OverflowBurst are %v and %d, but WhenFull is not ShareOverflow", c.OverflowRate, c.OverflowBurst)
	case shared:
		if _, err := makePace(c.OverflowRate, c.OverflowBurst); err != nil {
			return pace{}, fmt.Errorf("for OverflowRate and OverflowBurst: %w", err)
		}
	}
	return base, nil
}

// shard returns where a key is, and the part of its hash that its table needs.
func (k *Keyed[K]) shard(key K) (*shard[K], uint32) {
	h := k.hash(key)
	return &k.shards[h>>k.shift], uint32(h) | 1
}

// Allow is Take(key, 1).OK, and faster.
func (k *Keyed[K]) Allow(key K) bool {
	s, hash := k.shard(key)
	ns := sinceNow(k.made)
	if _, m := s.slots.Load().find(key, hash); m != nil {
		p := &m.tint.pace
		if p.unit == 0 || m.take(p, p.at(ns), 1) {
			return true
		}
		if m.tat.Load() != closed {
			return false
		}
	}
	var d Decision
	k.locked(&d, s, key, hash, ns, 1, true)
	return d.OK
}

// Take decides about n events of a key (see Limiter).
func (k *Keyed[K]) Take(key K, n int64) (d Decision) {
	k.take(&d, key, sinceNow(k.made), n, true)
	return d
}

// TakeAt is Take at a time of the caller's (see Limiter).
func (k *Keyed[K]) TakeAt(key K, now time.Time, n int64) (d Decision) {
	k.take(&d, key, since(k.made, now), n, false)
	return d
}

// take is told whether ns is live: what the clock has shown, and may be read again.
//
// A key that is found is decided about by its word alone, as a TokenBucket does. The lock is for
// keys that come and go, and for what gives a bucket more or another pace. Who takes a member
// out closes its word first: so what others have taken from it, they took while it was there, and
// one who finds it closed asks again with the lock.
func (k *Keyed[K]) take(d *Decision, key K, ns, n int64, live bool) {
	s, hash := k.shard(key)
	if _, m := s.find(key, hash); m != nil && m.decide(d, ns, n) {
		return
	}
	k.locked(d, s, key, hash, ns, n, live)
}

// locked is take under the lock of a shard, where the member of a key is not closed.
func (k *Keyed[K]) locked(d *Decision, s *shard[K], key K, hash uint32, ns, n int64, live bool) {
	s.mu.Lock()
	_, m := s.find(key, hash)
	if m == nil {
		k.unknown(d, s, key, hash, ns, n, live)
		return
	}
	m.decide(d, ns, n)
	s.mu.Unlock()
}

// unknown decides about n events of a key that is in no slot. The caller has locked the
// shard, and unknown unlocks it.
//
// Whether there is room is asked before Quota is, which may take long, so that a crowd that
// finds none costs little; and again if there was.
func (k *Keyed[K]) unknown(d *Decision, s *shard[K], key K, hash uint32, ns, n int64, live bool) {
	if k.quota == nil && s.base.unit == 0 { // nothing to remember
		s.mu.Unlock()
		*d = unlimited(n)
		return
	}
	if live && ns < s.forgot {
		ns = sinceNow(k.made) // others were faster from the clock to the lock
	}
	room := s.room(ns)
	var p *pace
	if k.quota != nil && room {
		s.mu.Unlock()
		var ok bool
		if p, ok = k.ask(key); !ok {
			d.RetryAfter = Never
			return
		}
		s.mu.Lock()
		if live {
			ns = sinceNow(k.made)
		}
		if _, m := s.find(key, hash); m != nil { // meanwhile
			m.decide(d, ns, n)
			s.mu.Unlock()
			return
		}
		room = s.room(ns)
	}
	if room {
		s.admit(d, key, hash, p, ns, n)
	} else {
		s.refuse(d, ns, n)
	}
	s.mu.Unlock()
	switch {
	case room:
	case k.overflow != nil:
		*d = k.overflow.take(ns, n)
	case k.quota == nil && n > d.Limit:
		d.RetryAfter = Never
	}
}

// ask returns the pace that Quota says, nil for that of all. It is not ok if there is no
// such pace. The caller holds no lock.
func (k *Keyed[K]) ask(key K) (p *pace, ok bool) {
	if k.quota == nil {
		return nil, true
	}
	rate, burst := k.quota(key)
	if rate == (Limit{}) && burst == 0 {
		return nil, true
	}
	made, err := makePace(rate, burst)
	if err != nil {
		k.badQuotas.Add(1)
		return nil, false
	}
	return &made, true
}

// Refund gives back n events of a key (see Limiter). A key that is not remembered has
// nothing to get back: nor does one that took from the overflow.
func (k *Keyed[K]) Refund(key K, n int64) {
	s, hash := k.shard(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, m := s.find(key, hash); m != nil {
		m.refund(&m.tint.pace, n)
		s.note(m)
	}
}

// Reset fills the bucket of a key that is remembered. One that is not is full already, unless
// SetLimit has made all larger.
func (k *Keyed[K]) Reset(key K) {
	s, hash := k.shard(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, m := s.find(key, hash); m != nil {
		m.tat.Store(0)
		s.note(m)
	}
}

// Limiter returns the limiter of one key, for what takes a Limiter. It remembers nothing
// itself.
func (k *Keyed[K]) Limiter(key K) Limiter { return view[K]{k, key} }

// view is a key of a Keyed. It is immutable, and safe for concurrent use.
type view[K comparable] struct {
	k   *Keyed[K]
	key K
}

func (v view[K]) Take(n int64) Decision                  { return v.k.Take(v.key, n) }
func (v view[K]) TakeAt(now time.Time, n int64) Decision { return v.k.TakeAt(v.key, now, n) }
func (v view[K]) Refund(n int64)                         { v.k.Refund(v.key, n) }
