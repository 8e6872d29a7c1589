package cachesim

// LRU at all sizes in one pass. A cache that evicts the least recently used key
// holds the n keys that were used last. So whether a request hits depends on
// one number: how many different keys were used since its last use, itself
// included. If that is at most n, it hits in every cache of n or more, and in
// none that is smaller. Count the requests by this number and the hit ratio of
// every size is a sum (Mattson et al. 1970, who call it the stack distance).
//
// To count the keys used since place j, mark in an array of places the last use
// of every key, and nothing else: the marks behind j are the keys. A Fenwick
// tree adds them up in logarithmic time. Walking along a list of keys in the
// order of their last use, as the paper has it, takes a step per key instead.
//
// It works because a larger LRU cache always holds what a smaller one holds.
// FIFO has no such order: with more room it can even hit less (Belady's
// anomaly), so the other policies have to be run for each size.

// Recency knows the hits of LRU caches of every size. It is immutable: safe
// for concurrent use.
type Recency struct {
	hits []int // in a cache of so many keys; more keys hit no more
}

// NewRecency looks through a trace once.
func NewRecency(t Trace) *Recency {
	marks := newCounts(len(t))
	lastUse := make(map[uint64]int)
	hits := []int{0}
	for i, key := range t {
		j, ok := lastUse[key]
		if ok {
			distance := 1 + marks.below(i) - marks.below(j+1)
			for len(hits) <= distance {
				hits = append(hits, 0)
			}
			hits[distance]++
			marks.add(j, -1)
		}
		marks.add(i, 1)
		lastUse[key] = i
	}
	for n := 1; n < len(hits); n++ {
		hits[n] += hits[n-1]
	}
	return &Recency{hits: hits}
}

// Hits returns how often an LRU cache with room for capacity keys hits.
func (r *Recency) Hits(capacity int) int {
	if capacity < 1 {
		panic("cachesim: Recency.Hits: capacity must be at least 1")
	}
	return r.hits[min(capacity, len(r.hits)-1)]
}

// counts is a Fenwick tree: numbers of which any first part can be summed up.
// Element i holds the sum of the numbers that end at i and begin behind the
// place that i becomes when its lowest bit is cleared.
type counts struct{ tree []int }

func newCounts(n int) counts { return counts{make([]int, n+1)} }

func (c counts) add(i, v int) {
	for i++; i < len(c.tree); i += i & -i {
		c.tree[i] += v
	}
}

// below returns the sum of the numbers before i.
func (c counts) below(i int) (sum int) {
	for ; i > 0; i -= i & -i {
		sum += c.tree[i]
	}
	return sum
}
