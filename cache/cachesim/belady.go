package cachesim

import "math/bits"

// Belady's bound. Whatever a policy does, it cannot hit more often than one
// that knows the future and evicts the key whose next request is the farthest
// away (Belady 1966; Mattson et al. 1970 have the proof). No policy can be
// built like that, but a trace has been recorded, so its future is known: the
// bound tells how much there is left to win, and whether a hit ratio of 40 %
// is bad or the best there is.
//
// The bound is that of a cache which takes in every key that it missed, as a
// page fault does, and as every policy of package cache does: what was Set is
// found by the next Get. A cache that may turn a key away has a higher bound. Of
// a b c a b c … with room for two, it keeps a and b for ever and hits two times
// in three; one that has to take in c loses another for it, and hits every
// other time. With room for a thousand keys this is no difference to speak of.
//
// What the cache holds is written down as the set of the places in the trace
// where its keys are needed next. No two keys share such a place, so a set bit
// at place i says all there is: the request at i is going to hit. The victim is
// the highest bit. A key that is never needed again has no place; it is only
// counted, and goes first.

// Belady returns how often the best possible policy hits, with room for
// capacity keys. The time grows with the length of the trace, and hardly with
// anything else.
func Belady(t Trace, capacity int) int {
	if capacity < 1 {
		panic("cachesim: Belady: capacity must be at least 1")
	}
	return belady(nextUses(t), capacity)
}

// nextUses returns for each request the place of the next one of the same key,
// or the length of the trace.
func nextUses(t Trace) []int {
	next := make([]int, len(t))
	last := make(map[uint64]int)
	for i := len(t) - 1; i >= 0; i-- {
		next[i] = len(t)
		if j, ok := last[t[i]]; ok {
			next[i] = j
		}
		last[t[i]] = i
	}
	return next
}

func belady(next []int, capacity int) (hits int) {
	needed := newPlaces(len(next)) // where the keys in the cache are needed next
	useless := 0                   // keys in the cache that are not
	held := 0
	for i, n := range next {
		switch {
		case needed.remove(i):
			hits++
		case held < capacity:
			held++
		case useless > 0:
			useless--
		default:
			needed.remove(needed.last())
		}
		if n == len(next) {
			useless++
		} else {
			needed.add(n)
		}
	}
	return hits
}

// places is a set of the numbers below a bound, as bits: a word of each level
// above tells which of 64 words below are not zero. So the highest number is
// found in as many steps as there are levels, four for 16 million. A map of keys
// with a heap of their next uses, the plain way in the tests, takes 15 times as
// long for a million requests (go test -run=- -bench=Belady ./cache/cachesim).
type places struct{ levels [][]uint64 }

func newPlaces(bound int) places {
	var p places
	for {
		bound = max(1, (bound+63)/64)
		p.levels = append(p.levels, make([]uint64, bound))
		if bound == 1 {
			return p
		}
	}
}

func (p places) add(i int) {
	for _, level := range p.levels {
		level[i/64] |= 1 << (i % 64)
		i /= 64
	}
}

// remove reports whether i was there.
func (p places) remove(i int) bool {
	if p.levels[0][i/64]&(1<<(i%64)) == 0 {
		return false
	}
	for _, level := range p.levels {
		level[i/64] &^= 1 << (i % 64)
		if level[i/64] != 0 {
			break
		}
		i /= 64
	}
	return true
}

// last returns the highest number of a set that is not empty.
func (p places) last() (i int) {
	for k := len(p.levels) - 1; k >= 0; k-- {
		i = i*64 + bits.Len64(p.levels[k][i]) - 1
	}
	return i
}
