package cache

// ghost remembers the hashes of the last entries that left a queue, without
// their values. A key that comes back while its ghost is there says that the
// queue was too short for it. It belongs to the policy: guarded by the lock of
// its shard.
//
// The hashes are in a ring, in the order in which they came; heads and next
// chain those that fall together, by index in the ring.
//
//	hashes  | h5 | h6 | h2 | h3 | h4 |      h2 is the oldest and the next to be written over
//	next    | -1 |  3 | -1 | -1 |  0 |      h6 and h3 share a chain, h4 and h5 another
//	heads   |  4 |  2 |  1 | -1 | -1 |
//
// 12 bytes for each. What comes back is taken out of its chain and leaves its
// place in the ring empty until the ring comes round: so this is the memory of
// the last len(hashes) that left, less those that have returned.
type ghost struct {
	hashes []uint32
	next   []int32 // none at the end of a chain; absent for an empty place
	heads  []int32
	oldest int // where the next one is written
	count  int // remembered now
}

const (
	none   = -1
	absent = -2
)

func newGhost(entries int) ghost {
	g := ghost{
		hashes: make([]uint32, entries),
		next:   make([]int32, entries),
		heads:  make([]int32, entries),
	}
	for i := range entries {
		g.next[i], g.heads[i] = absent, none
	}
	return g
}

// push remembers a hash and forgets the one that left longest ago.
func (g *ghost) push(hash uint32) {
	at := int32(g.oldest)
	if g.next[at] != absent {
		g.drop(at)
	}
	head := g.head(hash)
	g.hashes[at], g.next[at] = hash, *head
	*head = at
	g.count++
	if g.oldest++; g.oldest == len(g.hashes) {
		g.oldest = 0
	}
}

// take forgets a hash that has come back and reports whether it was there.
func (g *ghost) take(hash uint32) bool {
	for at := *g.head(hash); at != none; at = g.next[at] {
		if g.hashes[at] == hash {
			g.drop(at)
			return true
		}
	}
	return false
}

// drop takes the hash at an index out of its chain.
func (g *ghost) drop(at int32) {
	link := g.head(g.hashes[at])
	for *link != at {
		link = &g.next[*link]
	}
	*link = g.next[at]
	g.next[at] = absent
	g.count--
}

func (g *ghost) head(hash uint32) *int32 {
	return &g.heads[scale(hash*0x9e3779b1, len(g.heads))]
}

// resized returns a ghost with another number of places that remembers the
// same, or the latest of it.
func (g *ghost) resized(entries int) ghost {
	other := newGhost(entries)
	for i := range g.hashes {
		at := (g.oldest + i) % len(g.hashes)
		if g.next[at] != absent {
			other.push(g.hashes[at])
		}
	}
	return other
}
