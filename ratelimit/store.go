package ratelimit

import (
	"container/heap"
	"context"
	"fmt"
	"sync"
	"time"
)

// Store holds for each key the time at which its bucket is full again, its tat (word.go),
// on the store's own clock, in nanoseconds: so that many machines share one bucket, and
// need not agree on the time. It is safe for concurrent use.
//
// Update takes cost events of a bucket in which an event counts period and that holds
// tolerance, which is burst × period. It does all of this as one step, with nothing in
// between:
//
//	now   = what the store's clock shows
//	begin = max(tat, now)               a key that is not there has been full for ever
//	room  = now - begin + tolerance     below 0 if the tolerance was larger before
//
//	cost > 0   if cost × period ≤ room: tat = begin + cost × period, and ok
//	cost = 0   ok if period ≤ room; nothing changes: it asks
//	cost < 0   tat = max(begin - min(-cost, tolerance / period) × period, 0), and ok: it
//	           gives back
//
// It returns tat as it is afterwards, and now. A tat up to now is a full bucket, however
// far it lies in the past. Besides:
//
//	S1  now does not go back: an Update that begins when another one of the key has
//	    returned shows the same now or a later one. A clock that can be set back, or is
//	    another machine's after a failure, is not returned as it is: the store returns
//	    the latest that it has shown, until the clock is there again.
//	S2  A key may be forgotten when its tat is not after now, and no sooner. (This needs
//	    S1: what is full now was not full before.) Every string is a key.
//	S3  Nothing wraps. 0 ≤ now < 2^62 and 0 ≤ tat; period is at least 1, and tolerance
//	    from period to 2^62: else Update returns an error. A cost is any number: compare
//	    it with tolerance / period before it is multiplied.
//	S4  With an error, ok is false, and nobody knows what has happened. Nothing has if the
//	    arguments were wrong, or if the context had ended when Update was called; then
//	    the error wraps that of the context.
//
// Package storetest tests all of it on any store. All types are built in, so that a store
// need not import this package.
type Store interface {
	Update(ctx context.Context, key string, period, tolerance, cost int64) (tat, now int64, ok bool, err error)
}

// MemoryStore is a Store in memory: for one process, and to test with. It is safe for
// concurrent use.
//
// It holds a number of keys and forgets only those whose bucket is full. If there is no
// such one, or none among the thousand where one was most likely, a new key is counted in
// one bucket together with all others that have none of their own. When a key gets its
// own, that begins with what is missing in the common one: so nobody is forgiven anything,
// however many keys somebody makes up.
type MemoryStore struct {
	// Immutable.
	made    time.Time
	maxKeys int

	mu sync.Mutex
	// Guarded by mu.
	latest int64 // that now has been
	keys   map[string]*stored
	due    dueHeap // of all keys
	others int64   // tat of what is not in keys
}

// stored is a key and its tat.
type stored struct {
	key string
	tat int64
	due int64 // a tat that it had and that is not after tat: orders the heap
	at  int   // where it stands in the heap
}

// NewMemoryStore returns an empty one that holds at most so many keys, of which each takes
// some 100 bytes besides itself. It panics unless they are at least 1.
func NewMemoryStore(maxKeys int) *MemoryStore {
	if maxKeys < 1 {
		panic(fmt.Sprintf("ratelimit: NewMemoryStore: %d keys", maxKeys))
	}
	return &MemoryStore{made: time.Now(), maxKeys: maxKeys, keys: make(map[string]*stored)}
}

// Len returns how many keys it holds: those that are not full, and some that are.
func (s *MemoryStore) Len() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.keys)
}

// Update does what Store says. Its clock shows the time since the store was made.
func (s *MemoryStore) Update(ctx context.Context, key string, period, tolerance, cost int64) (tat, now int64, ok bool, err error) {
	if err := ctx.Err(); err != nil {
		return 0, 0, false, err
	}
	if period < 1 || tolerance < period || tolerance > maxUnits {
		return 0, 0, false, fmt.Errorf("ratelimit: MemoryStore: period of %d and tolerance of %d: want 1 ≤ period ≤ tolerance ≤ 2^62", period, tolerance)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	tat, now, ok = s.update(int64(time.Since(s.made)), key, period, tolerance, cost)
	return tat, now, ok, nil
}

// update is Update when the clock shows a time. The caller holds mu.
func (s *MemoryStore) update(clock int64, key string, period, tolerance, cost int64) (tat, now int64, ok bool) {
	now = min(max(clock, s.latest), maxUnits-1)
	s.latest = now
	e := s.keys[key]
	tat = s.others
	if e != nil {
		tat = e.tat
	}
	after, ok := updateTat(tat, now, period, tolerance, cost)
	switch {
	case e != nil:
		e.tat = after
		if cost < 0 && after < e.due { // so that it is found when it is full
			e.due = after
			heap.Fix(&s.due, e.at)
		}
	case after == tat || cost < 0:
		// Refused, or asked. Nor is anything given back to what is not there: it is
		// full, or shares a bucket, and what others took from that is not its own.
		return tat, now, ok
	case s.vacant(now):
		e = &stored{key: key, tat: after, due: after}
		s.keys[key] = e
		heap.Push(&s.due, e)
	default:
		s.others = after
	}
	return after, now, ok
}

// updateTat is what an Update does to a tat.
func updateTat(tat, now, period, tolerance, cost int64) (after int64, ok bool) {
	begin, most := max(tat, now), tolerance/period // neither the sum nor the products wrap: S3
	room := now - begin + tolerance
	switch {
	case cost > most:
		return tat, false
	case cost > 0 && cost*period <= room:
		return begin + cost*period, true
	case cost > 0:
		return tat, false
	case cost == 0:
		return tat, period <= room
	}
	return max(begin+max(cost, -most)*period, 0), true
}

const mostMoves = 1000

// vacant makes room for a key by forgetting full ones, and returns whether there is any. To
// find them in time, keys stand in a heap by a tat that they once had: who is first there
// goes, or if it has been used since, moves to where it belongs. So an Update of a key that
// is there does not touch the heap unless it gives back, and each move has an Update that
// pays for it. That may have been long ago: with a million keys in use, all may have to move
// before the first one goes. So no caller moves more than mostMoves, while all others wait
// for him, and the next one goes on.
func (s *MemoryStore) vacant(now int64) bool {
	for i := 0; len(s.due) > 0 && s.due[0].due <= now && (i < 8 || i < mostMoves && len(s.keys) >= s.maxKeys); i++ {
		if first := s.due[0]; first.tat > now {
			first.due = first.tat
			heap.Fix(&s.due, 0)
		} else {
			delete(s.keys, first.key)
			heap.Pop(&s.due)
		}
	}
	return len(s.keys) < s.maxKeys
}

// dueHeap implements heap.Interface.
type dueHeap []*stored

func (h dueHeap) Len() int           { return len(h) }
func (h dueHeap) Less(i, j int) bool { return h[i].due < h[j].due }
func (h dueHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].at, h[j].at = i, j
}
func (h *dueHeap) Push(e any) {
	e.(*stored).at = len(*h)
	*h = append(*h, e.(*stored))
}
func (h *dueHeap) Pop() any {
	last := len(*h) - 1
	e := (*h)[last]
	(*h)[last] = nil
	*h = (*h)[:last]
	return e
}
