package hashring

import (
	"crypto/md5"
	"encoding/binary"
	"fmt"
	"math"
	"strconv"
)

// NewKetama returns a ring that locates keys as libketama does, the library of last.fm by
// Jones and Muehlhaeuser, 2007, which memcached clients imitate. Others then find what has
// been stored by them. Use it for that alone: a Ring of NewRing is faster and never moves
// more than it must.
//
// A node gets weight/total × n × 40 digests, rounded down: MD5 of "name-0", "name-1" and so
// on. Each digest is four points of 32 bits, little-endian. A key has one, the first of its
// MD5, and is on the node of the first point that is not below it, or else of the lowest.
//
//	MD5("a-0")           4 bytes │ 4 bytes │ 4 bytes │ 4 bytes     of a
//	points, in order  0 ──b───a────b──────b──a─────·──b────a── 2³²
//	                                               MD5(key)        it is b's
//
// What is known to few, and is reproduced:
//
//   - Each of n nodes of one weight should get 40 digests. The library computes in single
//     precision, where for some n (61, 122, 237 … 11 up to 1,000) what should be 40 is just
//     below, and each gets 39.
//   - A node that is lighter than 1/40 of the mean gets no point: no key is on it. LocateN,
//     which is not the library's, has it after those that have points.
//   - Shares are rounded down to a fortieth of the mean.
//   - How many points a node has depends on the weights of all. If weights differ, With and
//     Without therefore move keys also between nodes that stay. If all weigh the same they do
//     not, except from or to one of the n above.
//
// Where two points are equal, which 32 bits do not rule out (every second ring of 500 nodes
// has such a pair), the C library leaves it to qsort who comes first. Here it is the first by
// name. That is what a stable qsort does with a list of servers that is sorted.
//
// Only proportions of weights matter, as long as their total is below 2²⁴: servers of 131072
// and 65536 MB may weigh 2 and 1. A name is what was in libketama's list, such as "10.0.1.1:11211", of at
// most 22 bytes.
//
// Other programs differ. libmemcached (and pylibmc, which is made of it) is like this only
// with ketama_weighted, leaves ":11211" out of names, and rounds after other steps; without
// it, a node has 100 points, each from a hash of its own. twemproxy follows libmemcached,
// with names from its file if they are there, and hashes keys with FNV unless told md5.
// spymemcached has no weights, 40 digests whatever n is, and names as Java prints addresses; of
// equal points the last wins.
//
//	a lookup     that of a Ring, and an MD5 of the key, which takes most of the time
//	memory       as a Ring of 160 virtual nodes
//	a new node   its share of the keys move; if weights differ, some among the others too
//	bad at       speed; weights that are far from each other
//
// LocateHash of this ring takes a point in the upper 32 bits, as Hash returns it.
// MD5 is here no secret, just a spread; but Go refuses it, with a panic, if run with
// GODEBUG=fips140=only.
func NewKetama(nodes ...Node) (*Ring, error) {
	m, err := newMembers(nodes)
	if err != nil {
		return nil, err
	}
	if len(m.nodes) > maxPlaces/160 {
		return nil, fmt.Errorf("hashring: %d nodes: want up to %d", len(m.nodes), maxPlaces/160)
	}
	r := &Ring{members: m, zoning: newZoning(m.nodes), ketama: true}
	total := int64(0)
	for _, n := range m.nodes {
		total += int64(n.Weight)
	}
	var points []place
	for owner, n := range m.nodes {
		digests := ketamaDigests(n.Weight, total, len(m.nodes))
		points = appendKetama(points, n.Name, uint32(owner), digests)
		if digests == 0 {
			r.last = append(r.last, uint32(owner))
		}
	}
	r.circle, r.owners = newCircle(points, 0)
	return r, nil
}

// ketamaDigests is the library's formula, with the same roundings: in C, the quotient is a
// float, 40.0 is a double and so are the products, which are exact, and floorf takes a float.
func ketamaDigests(weight int, total int64, nodes int) int {
	share := float32(weight) / float32(total)
	exact := float64(float64(share)*40) * float64(nodes)
	return int(math.Floor(float64(float32(exact))))
}

// appendKetama appends the points of a node.
func appendKetama(points []place, name string, owner uint32, digests int) []place {
	text := append([]byte(name), '-')
	for i := range digests {
		digest := md5.Sum(strconv.AppendInt(text, int64(i), 10))
		for at := 0; at < len(digest); at += 4 {
			points = append(points, place{ketamaPoint(digest[at:]), owner})
		}
	}
	return points
}

// ketamaHash is where a key is on the ring.
func ketamaHash(key string) uint64 {
	var memory [256]byte // a key of memcached has up to 250
	digest := md5.Sum(append(memory[:0], key...))
	return ketamaPoint(digest[:])
}

// ketamaPoint is the point that bytes begin with, in the upper bits: by those a circle
// chooses where to begin.
func ketamaPoint(digest []byte) uint64 { return uint64(binary.LittleEndian.Uint32(digest)) << 32 }
