package cache

// ghost remembers the hashes of entries that have left a queue lately, without
// their keys and values. One that comes back while its ghost is there says that
// the queue was too short for it. Guarded by the lock of the shard.
//
// A hash belongs to one set of eight, half a cache line, which is a queue of its
// own: newest first, and what falls off the end is forgotten. So a ghost costs 4
// bytes and one cache miss. A queue of all ghosts with an index beside it would
// forget strictly by age; it would cost 12 bytes and four misses, and the hit
// ratios do not differ.
type ghost struct {
	sets  [][ways]uint32 // 0 is an empty place
	count int            // remembered now
}

const ways = 8

// newGhost returns room for so many hashes, and a few more to fill a set.
func newGhost(hashes int) ghost {
	return ghost{sets: make([][ways]uint32, (hashes+ways-1)/ways)}
}

// push remembers a hash and forgets the oldest of its set.
func (g *ghost) push(hash uint32) {
	set, hash := g.set(hash)
	if set[ways-1] == 0 {
		g.count++
	}
	copy(set[1:], set[:])
	set[0] = hash
}

// take forgets a hash that has come back and reports whether it was there.
func (g *ghost) take(hash uint32) bool {
	set, hash := g.set(hash)
	for i, h := range set {
		if h == hash {
			copy(set[i:], set[i+1:])
			set[ways-1] = 0
			g.count--
			return true
		}
	}
	return false
}

// set of a hash, and the hash as it is kept: not 0.
func (g *ghost) set(hash uint32) (*[ways]uint32, uint32) {
	return &g.sets[scale(hash*0x9e3779b1, len(g.sets))], max(hash, 1)
}

// resized returns a ghost of another size that remembers the same, or the newer
// part of it.
func (g *ghost) resized(hashes int) ghost {
	other := newGhost(hashes)
	for age := ways - 1; age >= 0; age-- {
		for i := range g.sets {
			if h := g.sets[i][age]; h != 0 {
				other.push(h)
			}
		}
	}
	return other
}
