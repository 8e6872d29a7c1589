package cache

import (
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/plinth-go/plinth/internal/seed"
)

// TestPolicyModel compares each textbook with its oracle, after each of many
// random calls: hits, values, evicted keys, deleted keys, the order of All, and
// the invariants of its structure.
//
// Planted and caught, among others: a FIFO that moves what is set again; an LRU
// whose Set does not count; a Clock whose hand stays in place or whose new
// entries are marked; an LFU that skips a count or keeps an empty one; a TwoQueue
// whose first queue is larger by one or counts hits; an ARC with p moved by 1 only,
// the wrong side of a tie, or an eviction with room left; a Sieve whose hand starts
// again when its entry is deleted; an S3FIFO that counts beyond 3, promotes after
// one use, or takes all uses at once; a WTinyLFU that lets in on a tie or does not
// order its window; a Steered without its gate, its duel, its direct way into main,
// or with one ghost too many.
func TestPolicyModel(t *testing.T) {
	for _, name := range textbookNames() {
		t.Run(name, func(t *testing.T) {
			rng := seed.New(t)
			for _, capacity := range []int{1, 2, 3, 4, 5, 8, 13, 20, 40, 250} {
				var ops []byte
				for range 3000 {
					key := rng.IntN(4 * capacity)
					if rng.IntN(2) == 0 {
						key = rng.IntN(capacity) // some keys are hot
					}
					ops = append(ops, byte(rng.Uint32()), byte(key), byte(key>>8))
				}
				comparePolicy(t, name, capacity, ops)
			}
		})
	}
}

// FuzzPolicy lets the fuzzer choose the policy, its capacity and the calls.
func FuzzPolicy(f *testing.F) {
	for i := range textbookNames() {
		f.Add(byte(i), byte(3), []byte("\x00a\x00\x01b\x00\x02c\x00\x00a\x00\x01d\x01\x03a\x00"))
	}
	f.Fuzz(func(t *testing.T, policy, capacity byte, ops []byte) {
		names := textbookNames()
		comparePolicy(t, names[int(policy)%len(names)], 1+int(capacity), ops)
	})
}

// comparePolicy plays calls on a textbook and its oracle: three bytes each, what
// to do and the key.
func comparePolicy(t *testing.T, name string, capacity int, ops []byte) {
	c, oracle := textbooks()[name](capacity), naives()[name](capacity)
	values := map[uint64]uint64{}
	require.Equal(t, capacity, c.Cap())
	for i := 0; i+2 < len(ops); i += 3 {
		key, value := uint64(ops[i+1])|uint64(ops[i+2])<<8, uint64(i+1)
		what := fmt.Sprintf("%s of %d, call %d, key %d", name, capacity, i/3, key)
		switch ops[i] % 8 {
		default: // what most callers do
			if getBoth(t, what, c, oracle, values, key) {
				break
			}
			fallthrough
		case 0, 1:
			setBoth(t, what, c, oracle, values, key, value)
		case 2:
			getBoth(t, what, c, oracle, values, key)
		case 3:
			if want, got := oracle.delete(key), c.Delete(key); want != got {
				t.Fatalf("%s: Delete returns %v, want %v", what, got, want)
			}
			delete(values, key)
		}
		want, keys := oracle.order(), []uint64{}
		for key, value := range c.All() {
			keys = append(keys, key)
			if value != values[key] {
				t.Fatalf("%s: All yields value %d for key %d, want %d", what, value, key, values[key])
			}
		}
		if !slices.Equal(want, keys) || c.Len() != len(want) || c.Len() > capacity {
			t.Fatalf("%s: %d entries %v, want %v", what, c.Len(), keys, want)
		}
		checkPolicy(t, what, c)
	}
}

func getBoth(t *testing.T, what string, c Policy[uint64, uint64], oracle naive, values map[uint64]uint64, key uint64) bool {
	value, ok := c.Get(key)
	if hit := oracle.get(key); hit != ok || value != values[key] {
		t.Fatalf("%s: Get returns %d, %v, want %d, %v", what, value, ok, values[key], hit)
	}
	return ok
}

func setBoth(t *testing.T, what string, c Policy[uint64, uint64], oracle naive, values map[uint64]uint64, key, value uint64) {
	evicted, ok := c.Set(key, value)
	if want, hit := oracle.set(key); want != evicted || hit != ok {
		t.Fatalf("%s: Set evicts %d, %v, want %d, %v", what, evicted, ok, want, hit)
	}
	if ok {
		delete(values, evicted)
	}
	values[key] = value
}

// checkPolicy fails if the structure of a textbook is not sound: a map and
// queues that disagree, a queue longer than it may be, a ghost with a value.
func checkPolicy(t *testing.T, what string, p Policy[uint64, uint64]) {
	switch c := p.(type) {
	case *FIFO[uint64, uint64]:
		checkChains(t, what, c.entries, pairKey, &c.queue)
	case *LRU[uint64, uint64]:
		checkChains(t, what, c.entries, pairKey, &c.used)
	case *Clock[uint64, uint64]:
		checkClock(t, what, c)
	case *LFU[uint64, uint64]:
		checkLFU(t, what, c)
	case *TwoQueue[uint64, uint64]:
		checkChains(t, what, c.entries, pairKey, &c.main, &c.in, &c.out)
		checkGhosts(t, what, c.capacity/2, pairValue, &c.out)
	case *ARC[uint64, uint64]:
		checkChains(t, what, c.entries, pairKey, &c.t1, &c.t2, &c.b1, &c.b2)
		checkGhosts(t, what, c.capacity, pairValue, &c.b1)
		checkGhosts(t, what, 2*c.capacity, pairValue, &c.b2)
		ensure(t, what, c.t1.len+c.b1.len <= c.capacity && len(c.entries) <= 2*c.capacity, "lists too long")
		ensure(t, what, 0 <= c.p && c.p <= float64(c.capacity), "p out of range")
	case *Sieve[uint64, uint64]:
		checkChains(t, what, c.entries, func(e sieveEntry[uint64, uint64]) uint64 { return e.key }, &c.queue)
		ensure(t, what, c.hand == nil || c.hand.in == &c.queue, "the hand is lost")
	case *S3FIFO[uint64, uint64]:
		checkChains(t, what, c.entries, func(e s3Entry[uint64, uint64]) uint64 { return e.key }, &c.main, &c.small, &c.ghosts)
		checkGhosts(t, what, c.ghostCap, func(e s3Entry[uint64, uint64]) uint64 { return e.value }, &c.ghosts)
	case *WTinyLFU[uint64, uint64]:
		checkChains(t, what, c.entries, func(e tinyEntry[uint64, uint64]) uint64 { return e.key }, &c.window, &c.probation, &c.protected)
		ensure(t, what, c.window.len <= c.windowCap && c.protected.len <= c.protectedCap, "queues too long")
	case *Steered[uint64, uint64]:
		checkChains(t, what, c.entries, func(e steeredEntry[uint64, uint64]) uint64 { return e.key }, &c.window, &c.main)
		checkSteeredGhosts(t, what, c)
	}
}

func pairKey(p pair[uint64, uint64]) uint64   { return p.key }
func pairValue(p pair[uint64, uint64]) uint64 { return p.value }

func ensure(t *testing.T, what string, ok bool, complaint string) {
	if !ok {
		t.Helper()
		t.Fatalf("%s: %s", what, complaint)
	}
}

// checkChains fails unless the chains hold exactly the links of the map, each
// under its own key, and read the same in both directions.
func checkChains[T any](t *testing.T, what string, entries map[uint64]*link[T], key func(T) uint64, chains ...*chain[T]) {
	total := 0
	for _, c := range chains {
		total += checkChain(t, what, c)
		for l := range c.all() {
			ensure(t, what, entries[key(l.entry)] == l, "a link is not in the map")
		}
	}
	ensure(t, what, len(entries) == total, "the map has entries that no chain has")
}

// checkChain returns the length of a sound chain.
func checkChain[T any](t *testing.T, what string, c *chain[T]) (length int) {
	for l := range c.all() {
		ensure(t, what, l.in == c && l.next.prev == l && l.prev.next == l, "a link is broken")
		length++
	}
	ensure(t, what, c.len == length, "a chain miscounts")
	ensure(t, what, (c.back() == nil) == (length == 0), "a chain has no back")
	return length
}

func checkGhosts[T any](t *testing.T, what string, most int, value func(T) uint64, ghosts *chain[T]) {
	ensure(t, what, ghosts.len <= most, "too many ghosts")
	for l := range ghosts.all() {
		ensure(t, what, value(l.entry) == 0, "a ghost has a value")
	}
}

func checkClock(t *testing.T, what string, c *Clock[uint64, uint64]) {
	taken := 0
	for i, s := range c.slots {
		if s.taken {
			taken++
			ensure(t, what, c.entries[s.key] == i, "a slot is not in the map")
		} else {
			ensure(t, what, s == clockSlot[uint64, uint64]{} && slices.Contains(c.free, i), "a free slot holds something")
		}
	}
	ensure(t, what, taken == len(c.entries) && taken+len(c.free) == len(c.slots), "slots are lost")
}

func checkLFU(t *testing.T, what string, c *LFU[uint64, uint64]) {
	checkChain(t, what, &c.counts)
	total, above := 0, 0
	for count := range c.counts.all() {
		n := checkChain(t, what, &count.entry.entries)
		ensure(t, what, n > 0, "a count without entries")
		ensure(t, what, above == 0 || count.entry.uses < above, "counts are out of order")
		total, above = total+n, count.entry.uses
		for l := range count.entry.entries.all() {
			ensure(t, what, l.entry.count == count && c.entries[l.entry.key] == l, "an entry does not know its count")
		}
	}
	ensure(t, what, total == len(c.entries), "the map has entries that no count has")
}

func checkSteeredGhosts(t *testing.T, what string, c *Steered[uint64, uint64]) {
	for _, g := range []*steeredGhosts{&c.ofWindow, &c.ofMain} {
		checkChains(t, what, g.hashes, func(hash uint64) uint64 { return hash }, &g.order)
		ensure(t, what, len(g.hashes) <= max(1, c.capacity/4), "too many ghosts")
	}
	for key, l := range c.entries {
		ensure(t, what, c.ofWindow.hashes[spread(key)] == nil && c.ofMain.hashes[spread(key)] == nil, "an entry has a ghost")
		ensure(t, what, 0 <= l.entry.hits && l.entry.hits <= 3, "hits out of range")
	}
	ensure(t, what, c.target >= 1 && c.target <= max(1, float64(c.capacity)/2), "target out of range")
}
