package hashring

import (
	"cmp"
	"fmt"
	"math"
	"math/bits"
	"slices"
)

// A circle has all hashes on it, 0 after the highest, and some places. Hashes are spread
// evenly, so the first bits of one say nearly which place is next. It is immutable, and safe
// for concurrent use.
//
//	first two bits   00        01        10        11
//	places           ·───·──── ───────── ──·─────· ·──·──·──
//	start            number 0  2         2         4           and go up from there
type circle struct {
	hashes []uint64 // of the places, sorted
	start  []uint32 // for the first bits of a hash: the first place that has them, or more
	shift  uint8    // leaves those bits
}

// place is where a node is, by its number.
type place struct {
	hash  uint64
	owner uint32
}

// newCircle puts places in order, those of one hash by owner, and returns the owners in that
// order. It first counts places by their first bits, of which there are as many values as
// places, times 2 for each bit more; that is nearly the order already, and the start for a hash
// comes out of it as well.
func newCircle(places []place, more int) (circle, []uint32) {
	if len(places) == 0 {
		return circle{}, nil
	}
	c := circle{shift: shiftFor(len(places), more)}
	c.start = make([]uint32, 1<<(64-c.shift)+1)
	for _, p := range places {
		c.start[p.hash>>c.shift+1]++
	}
	for b := range len(c.start) - 1 {
		c.start[b+1] += c.start[b]
	}
	next := slices.Clone(c.start)
	sorted := make([]place, len(places))
	for _, p := range places {
		b := p.hash >> c.shift
		sorted[next[b]] = p
		next[b]++
	}
	for b := range len(c.start) - 1 {
		if from, to := c.start[b], c.start[b+1]; to-from > 1 {
			slices.SortFunc(sorted[from:to], func(a, b place) int {
				return cmp.Or(cmp.Compare(a.hash, b.hash), cmp.Compare(a.owner, b.owner))
			})
		}
	}
	owners := make([]uint32, len(places))
	c.hashes = make([]uint64, len(places))
	for i, p := range sorted {
		c.hashes[i], owners[i] = p.hash, p.owner
	}
	return c, owners
}

// gone is the number of those who are not there any more.
const gone = math.MaxUint32

// merge returns a circle with the places of two. The owners of c get new numbers, or are gone
// with their places. Those of the other come first where two have one hash.
func (c *circle) merge(owners, number []uint32, other circle, others []uint32) (circle, []uint32) {
	most := len(owners) + len(others)
	hashes, merged := make([]uint64, 0, most), make([]uint32, 0, most)
	next := 0 // of the other
	for i, h := range c.hashes {
		owner := number[owners[i]]
		if owner == gone {
			continue
		}
		for ; next < len(others) && other.hashes[next] <= h; next++ {
			hashes, merged = append(hashes, other.hashes[next]), append(merged, others[next])
		}
		hashes, merged = append(hashes, h), append(merged, owner)
	}
	hashes, merged = append(hashes, other.hashes[next:]...), append(merged, others[next:]...)
	if len(hashes) == 0 {
		return circle{}, nil
	}
	return sortedCircle(hashes), merged
}

// sortedCircle returns one of hashes that are in order.
func sortedCircle(hashes []uint64) circle {
	c := circle{hashes: hashes, shift: shiftFor(len(hashes), 0)}
	c.start = make([]uint32, 1<<(64-c.shift)+1)
	b := 0
	for i, h := range hashes {
		for ; b <= int(h>>c.shift); b++ {
			c.start[b] = uint32(i)
		}
	}
	for ; b < len(c.start); b++ {
		c.start[b] = uint32(len(hashes))
	}
	return c
}

// shiftFor returns the shift that leaves about as many values as there are places, times 2 for
// each bit more.
func shiftFor(places, more int) uint8 {
	return uint8(64 - max(bits.Len(uint(places-1)), 1) - more)
}

// find returns the first place from a hash on. There must be one.
func (c *circle) find(h uint64) int {
	i := int(c.start[h>>c.shift])
	for i < len(c.hashes) && c.hashes[i] < h {
		i++
	}
	if i == len(c.hashes) {
		return 0
	}
	return i
}

// collision returns an error if two places have one hash.
func (c *circle) collision(nodes []Node, owners []uint32) error {
	for i := 1; i < len(c.hashes); i++ {
		if c.hashes[i-1] == c.hashes[i] {
			return fmt.Errorf("%w: of %q and %q, at %016x: call one of them something else",
				ErrCollision, nodes[owners[i-1]].Name, nodes[owners[i]].Name, c.hashes[i])
		}
	}
	return nil
}
