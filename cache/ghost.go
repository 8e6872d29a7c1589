package cache

// ghosts remember the hashes of entries that have left the window or the main
// queue lately, without their keys and values. One that comes back while its
// ghost is there says that the queue was too short for it. Guarded by the lock
// of the shard.
//
//	set 0   | newest … oldest of the window | newest … oldest of the main queue |
//	set 1   | …
//
// A hash belongs to one set, which is a cache line: a queue of eight ghosts for
// each of the two. What falls off its end is forgotten. So a ghost costs 4 bytes,
// and one cache miss tells of both queues. A queue of all ghosts with an index
// beside it would forget strictly by age; it would cost 12 bytes and four
// misses, and the hit ratios do not differ.
type ghosts struct {
	sets   [][2][ways]uint32 // the second index is a queue; 0 is an empty place
	counts [2]int            // remembered now, by queue
}

const ways = 8

// newGhosts returns room for so many hashes of each queue, and a few more to
// fill a set.
func newGhosts(hashes int) ghosts {
	return ghosts{sets: make([][2][ways]uint32, (hashes+ways-1)/ways)}
}

// push remembers a hash that has left a queue, and forgets the oldest of its set.
func (g *ghosts) push(q queue, hash uint32) {
	set, hash := g.set(q, hash)
	if set[ways-1] == 0 {
		g.counts[q]++
	}
	copy(set[1:], set[:])
	set[0] = hash
}

// take forgets a hash that has come back and reports whether the queue had it.
func (g *ghosts) take(q queue, hash uint32) bool {
	set, hash := g.set(q, hash)
	for i, h := range set {
		if h == hash {
			copy(set[i:], set[i+1:])
			set[ways-1] = 0
			g.counts[q]--
			return true
		}
	}
	return false
}

// set of a hash, and the hash as it is kept: not 0.
func (g *ghosts) set(q queue, hash uint32) (*[ways]uint32, uint32) {
	return &g.sets[scale(hash*0x9e3779b1, len(g.sets))][q], max(hash, 1)
}

// resized returns ghosts of another size that remember the same, or the newer
// part of it.
func (g *ghosts) resized(hashes int) ghosts {
	other := newGhosts(hashes)
	for age := ways - 1; age >= 0; age-- {
		for i := range g.sets {
			for _, q := range []queue{window, main} {
				if h := g.sets[i][q][age]; h != 0 {
					other.push(q, h)
				}
			}
		}
	}
	return other
}
