package hashring

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"fmt"
	"iter"
	"math/bits"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/plinth-go/plinth/internal/seed"
)

// colliding returns two names of one hash, also with the same text behind both. xxhash64 adds
// 8 bytes, times a constant, to a number and mixes that, and then the next 8 that are 32 bytes
// on: what the former differ by, the latter can make up for.
func colliding() (string, string) {
	const p1, p2 = 0x9e3779b185ebca87, 0xc2b2ae3d27d4eb4f // of xxhash64
	inverse := uint64(p2)
	for range 6 { // Newton: each step doubles how many of the last bits of the product are 1
		inverse *= 2 - p2*inverse
	}
	initial := uint64(p1)
	initial += p2
	mixed := func(input uint64) uint64 { return bits.RotateLeft64(initial+input*p2, 31) * p1 }
	first, second := bytes.Repeat([]byte{'-'}, 64), bytes.Repeat([]byte{'-'}, 64)
	first[0], second[0] = 'a', 'b'
	x, y := mixed(binary.LittleEndian.Uint64(first)), mixed(binary.LittleEndian.Uint64(second))
	binary.LittleEndian.PutUint64(second[32:], binary.LittleEndian.Uint64(first[32:])+(x-y)*inverse)
	return string(first), string(second)
}

// TestCollision: two nodes in one place are an error, and not one that takes what is another's.
//
// Planted and caught: no comparison, in circle, in NewMultiProbe; one that leaves out the first
// pair of places; an error that names one of both twice.
func TestCollision(t *testing.T) {
	a, b := colliding()
	require.NotEqual(t, a, b)
	require.Equal(t, Hash(a), Hash(b))
	for _, others := range [][]Node{nil, named(20)} {
		nodes := append(others, Node{Name: b, Weight: 1}, Node{Name: a, Weight: 1})
		_, err := NewRing(RingConfig{VirtualNodes: 1}, nodes...)
		require.ErrorIs(t, err, ErrCollision)
		require.ErrorContains(t, err, fmt.Sprintf("of %q and %q", a, b))
		_, err = NewRing(RingConfig{}, nodes...)
		require.ErrorIs(t, err, ErrCollision)
		_, err = NewMultiProbe(0, nodes...)
		require.ErrorIs(t, err, ErrCollision)
		maglev(t, 0, nodes...) // has no places
		ketama(t, nodes...)
	}
}

// TestCircle puts places where they are hard to tell apart, and compares with a look at all.
func TestCircle(t *testing.T) {
	rng := seed.New(t)
	for _, n := range []int{1, 2, 3, 10, 100} {
		for _, more := range []int{0, 2} {
			places := make([]place, n)
			for i := range places {
				places[i] = place{rng.Uint64() >> rng.IntN(64) << rng.IntN(8), uint32(rng.IntN(3))}
			}
			c, owners := newCircle(slices.Clone(places), more)
			slices.SortFunc(places, func(a, b place) int {
				return cmp.Or(cmp.Compare(a.hash, b.hash), cmp.Compare(a.owner, b.owner))
			})
			for i, p := range places {
				require.Equal(t, p, place{c.hashes[i], owners[i]})
				for _, h := range []uint64{p.hash, p.hash - 1, p.hash + 1, rng.Uint64()} {
					want := max(0, slices.IndexFunc(places, func(p place) bool { return p.hash >= h }))
					require.Equal(t, want, c.find(h), "%x among %x", h, c.hashes)
				}
			}
		}
	}
}

// inRounds takes nodes in rounds, in each of which a zone has one turn.
func inRounds(order []Node) []Node {
	var taken []Node
	for len(order) > 0 {
		had := map[string]bool{}
		var left []Node
		for _, n := range order {
			zone := n.Zone
			if zone == "" {
				zone = "only " + n.Name
			}
			if had[zone] {
				left = append(left, n)
				continue
			}
			had[zone] = true
			taken = append(taken, n)
		}
		order = left
	}
	return taken
}

// locateNNaive begins each round where the key is.
func (r *Ring) locateNNaive(key string) iter.Seq[Node] {
	return func(yield func(Node) bool) {
		var memory [2 * onStack]uint64
		t, start := r.begin(&memory), r.find(r.Hash(key))
		for _, left := range r.rounds {
			for i := start; left > 0; i++ {
				if i == len(r.owners) {
					i = 0
				}
				node := r.owners[i]
				if !r.may(t, node) {
					continue
				}
				r.took(t, node)
				if left--; !yield(r.nodes[node]) {
					return
				}
			}
			t.next()
		}
	}
}

// TestLocateNFarRounds: rounds of many nodes and zones of any sizes, which go round the circle.
//
// Planted and caught: a round that begins one place too late; at the last one that the round
// before passed over; at a start that is not the circle's end when it goes round.
func TestLocateNFarRounds(t *testing.T) {
	rng := seed.New(t)
	for range 40 {
		nodes := named(1 + rng.IntN(60))
		zones := 1 + rng.IntN(len(nodes))
		for i := range nodes {
			if zone := min(rng.IntN(zones), rng.IntN(zones)); zone > 0 {
				nodes[i].Zone = fmt.Sprint(zone)
			}
		}
		r := ring(t, RingConfig{VirtualNodes: 1 + rng.IntN(4)}, nodes...)
		for i := range 20 {
			key := fmt.Sprint(i)
			require.Equal(t, slices.Collect(r.locateNNaive(key)), slices.Collect(r.LocateN(key)), "%v", nodes)
		}
	}
}

// TestLocateNInRounds compares with the order without zones.
//
// Planted and caught: a later round that goes on from where the one before has ended, of inTurn
// and of MultiProbe.
func TestLocateNInRounds(t *testing.T) {
	nodes := named(12)
	plain := slices.Clone(nodes)
	for i := range nodes {
		nodes[i].Zone = []string{"a", "a", "a", "a", "a", "b", "b", "c", "", "", "b", "c"}[i]
	}
	withZones := map[string]Node{}
	for _, n := range nodes {
		withZones[n.Name] = n
	}
	for _, two := range [][2]Sequencer{
		{ring(t, RingConfig{}, plain...), ring(t, RingConfig{}, nodes...)},
		{ketama(t, plain...), ketama(t, nodes...)},
		{maglev(t, 101, plain...), maglev(t, 101, nodes...)},
		{multiprobe(t, 3, plain...), multiprobe(t, 3, nodes...)},
	} {
		for i := range 200 {
			key := string(rune('A' + i))
			var order []Node
			for n := range two[0].LocateN(key) {
				order = append(order, withZones[n.Name])
			}
			require.Equal(t, inRounds(order), slices.Collect(two[1].LocateN(key)), "%T", two[1])
		}
	}
}
