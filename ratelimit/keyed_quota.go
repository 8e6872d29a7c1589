package ratelimit

import "fmt"

// What changes while a Keyed is in use. A bucket keeps its tokens when it changes its pace, as
// with TokenBucket.SetLimit: as many as the new burst, and none are made, so a larger one
// fills at the new rate. That holds for all keys that there can be, not only those that are
// remembered: or to be forgotten in time would be worth something.

// SetLimit changes the rate and the burst of all keys that have no quota of their own, one
// shard after the other: when it returns, of all. It costs an allocation for each such key that is
// remembered, and new keys of a shard wait for it.
func (k *Keyed[K]) SetLimit(rate Limit, burst int64) error {
	next, err := makePace(rate, burst)
	if err != nil {
		return fmt.Errorf("ratelimit: SetLimit: %w", err)
	}
	k.setLimit(&next, func() int64 { return sinceNow(k.made) })
	return nil
}

func (k *Keyed[K]) setLimit(next *pace, now func() int64) {
	k.limits.Lock()
	defer k.limits.Unlock()
	base := &tint{pace: *next}
	for i := range k.shards {
		s := &k.shards[i]
		s.mu.Lock()
		s.setBase(base, now)
		s.mu.Unlock()
	}
	if k.follows {
		k.overflow.SetLimit(next.limit, next.burst)
	}
}

// SetQuota gives a key a rate and a burst of its own, instead of Rate and Burst or what
// Quota says, until RemoveQuota. A larger bucket fills at the new rate, unless it is Reset. The
// key is not forgotten as long as it has them, and counts as one of MaxKeys: if there is
// no room for it, the error is ErrNoRoom.
func (k *Keyed[K]) SetQuota(key K, rate Limit, burst int64) error {
	next, err := makePace(rate, burst)
	if err != nil {
		return fmt.Errorf("ratelimit: SetQuota of %v: %w", key, err)
	}
	return k.setQuota(key, &next, func() int64 { return sinceNow(k.made) })
}

func (k *Keyed[K]) setQuota(key K, next *pace, now func() int64) error {
	before, _ := k.ask(key)
	s, hash := k.shard(key)
	s.mu.Lock()
	ns := now()
	i, m := s.find(key, hash)
	if m == nil && s.room(ns) {
		i, m = s.put(key, hash, s.absent(before, ns), before)
	}
	if m != nil {
		s.repaint(i, m, next, true, now)
	}
	s.mu.Unlock()
	if m == nil { // a key may have a method String, which is the caller's
		return fmt.Errorf("%w: SetQuota of %v", ErrNoRoom, key)
	}
	return nil
}

// RemoveQuota undoes SetQuota, and reports whether there was anything to undo.
func (k *Keyed[K]) RemoveQuota(key K) bool {
	return k.removeQuota(key, func() int64 { return sinceNow(k.made) })
}

func (k *Keyed[K]) removeQuota(key K, now func() int64) bool {
	next, _ := k.ask(key)
	s, hash := k.shard(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	i, m := s.find(key, hash)
	if m == nil || !m.tint.own {
		return false
	}
	s.repaint(i, m, next, false, now)
	return true
}
