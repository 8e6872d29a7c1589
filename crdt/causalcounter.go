package crdt

import (
	"encoding/binary"
	"fmt"
	"math/bits"
	"slices"
	"strconv"

	"github.com/plinth-go/plinth/vclock"
)

// CausalCounter goes up and down as a PNCounter does, and besides it can be set back to 0, so that it can be a value of
// an ORMap, where a removed key leaves nothing behind. Each replica has one number in it, with the dot of its last
// addition:
//
//	a adds 2, b adds 3     a:1=2  b:1=3      5
//	a adds 1               a:2=3  b:1=3      6, and a:1 is replaced
//	all of it is removed                     0, and a:2 and b:1 are in the context
//
// A PNCounter could not be set back: whoever merges takes the larger number, and none is larger for having been removed.
//
// It has one weakness, which that of Riak's maps had before (as emcntr; its authors say so in its documentation). An
// addition replaces the number of its replica. If that number is removed elsewhere at the same time, the
// addition survives, as it should, and with it what its replica had counted before, which was removed:
//
//	a   a:2=3 ─── adds 1: a:3=4 ───●  4, and one may have expected 1
//	                              ╱
//	b   a:2=3 ─── reset ─────────●
//
// To know better, each addition would have to keep a dot of its own until all have heard of it, as a set of
// additions would. For a counter that is seldom reset while others count, that is too much; who needs it adds each
// to an ORSet of his own. (It is the ccounter of Baquero's library delta-enabled-crdts.)
//
//	Add             a pass over the numbers; a delta of one
//	Merge           one pass over those of both
//	memory          a dot and a number for each replica that has added since the last reset; a Context
//	bad at          a reset at the same time as an addition
//
// The zero CausalCounter is 0. It is safe for concurrent readers; a writer needs exclusive access.
type CausalCounter struct {
	shared
	numbers []valued[int64] // immutable; sorted by dot
}

// Add adds n, which may be negative, in the name of a replica, and returns the delta. What a replica has added in all
// must be an int64.
func (c *CausalCounter) Add(id vclock.ID, n int64) (*CausalCounter, error) {
	sum := n
	for name, before := range c.last {
		if name != id {
			continue
		}
		if sum = before + n; (sum < before) != (n < 0) {
			return nil, fmt.Errorf("crdt: CausalCounter: %w: %v is at %d, and adds %d", vclock.ErrExhausted, id, before, n)
		}
	}
	dot, err := c.seen().Next(id)
	if err != nil {
		return nil, fmt.Errorf("crdt: CausalCounter: %w", err)
	}
	delta := &CausalCounter{shared{contextOf(dot)}, []valued[int64]{{dot, sum}}}
	all := make([]valued[int64], 0, len(c.numbers)+1)
	for _, v := range c.numbers {
		if v.dot.ID != id {
			all = append(all, v)
		} else {
			_, _ = delta.context.Add(v.dot)
		}
	}
	i, _ := slices.BinarySearchFunc(all, dot, compareTo[int64])
	c.numbers = slices.Insert(all, i, delta.numbers[0])
	return delta, nil
}

// Reset sets it to 0 as far as it has been seen, and returns the delta.
func (c *CausalCounter) Reset() *CausalCounter {
	delta := &CausalCounter{shared: shared{contextOfAll(c)}}
	c.numbers = nil
	return delta
}

// last ranges over the last number of each replica. There is another one before it for as long as the delta that
// replaces it has not arrived; it is a part of the last one, and must not count twice.
func (c *CausalCounter) last(yield func(vclock.ID, int64) bool) {
	for i, v := range c.numbers {
		if i+1 < len(c.numbers) && c.numbers[i+1].dot.ID == v.dot.ID {
			continue
		}
		if !yield(v.dot.ID, v.value) {
			return
		}
	}
}

// Value returns the sum, or the number that is closest to it if it is out of range.
func (c *CausalCounter) Value() int64 {
	var high, low uint64 // of 128 bits, in two's complement
	for _, n := range c.last {
		var carry uint64
		low, carry = bits.Add64(low, uint64(n), 0)
		high, _ = bits.Add64(high, uint64(n>>63), carry)
	}
	return closest(high, low)
}

// Context returns what has been seen.
func (c *CausalCounter) Context() vclock.Context { return c.peek().Clone() }

// Merge joins another one into it.
func (c *CausalCounter) Merge(other *CausalCounter) bool {
	return mergeCausal(c.seen(), c, other, other.peek())
}

// Compare returns how they relate.
func (c *CausalCounter) Compare(other *CausalCounter) vclock.Ordering {
	return compareCausal(c.peek(), c, other, other.peek())
}

// Clone returns a copy.
func (c *CausalCounter) Clone() *CausalCounter {
	context := c.peek().Clone()
	return c.cloneWithin(&context)
}

func (c *CausalCounter) cloneWithin(context *vclock.Context) *CausalCounter {
	return &CausalCounter{shared{context}, c.numbers}
}

func (c *CausalCounter) join(mine *vclock.Context, other *CausalCounter, theirs *vclock.Context) bool {
	all, changed := joinValued(mine, c.numbers, other.numbers, theirs, lessNumber)
	if changed {
		c.numbers = all
	}
	return changed
}

func lessNumber(a, b int64) bool { return a < b }

func (c *CausalCounter) keeps(mine *vclock.Context, other *CausalCounter) bool {
	return keepsValued(mine, c.numbers, other.numbers, lessNumber)
}

func (c *CausalCounter) dots(f func(vclock.Dot)) {
	for _, v := range c.numbers {
		f(v.dot)
	}
}

func (c *CausalCounter) alive() bool { return len(c.numbers) > 0 }

// AppendBinary writes the canonical form: the context, how many numbers there are, and each, in the order of
// dots: the dot, and the number in zigzag.
//
//	{a:1 2}    80   01 01 61 01 00   01   00 01   04
func (c *CausalCounter) AppendBinary(b []byte) ([]byte, error) {
	return appendCausal(b, kindCausalCounter, c, c.peek())
}

// MarshalBinary is AppendBinary to nothing.
func (c *CausalCounter) MarshalBinary() ([]byte, error) { return c.AppendBinary(nil) }

func (c *CausalCounter) appendStore(b []byte, names []vclock.ID) ([]byte, error) {
	number := func(b []byte, n int64) ([]byte, error) { return binary.AppendVarint(b, n), nil }
	return appendValued(b, c.numbers, names, number)
}

// UnmarshalBinary reads what AppendBinary writes, and nothing else.
func (c *CausalCounter) UnmarshalBinary(b []byte) error {
	var read CausalCounter
	if err := parseCausal(b, kindCausalCounter, &read); err != nil {
		return err
	}
	*c = read
	return nil
}

func (c *CausalCounter) parseStore(d *vclock.Decoder, context *vclock.Context, names []vclock.ID) {
	c.numbers = parseValued(d, context, names, func() int64 { return elements[int64]{}.parse(d) })
}

// String writes the value.
func (c *CausalCounter) String() string { return strconv.FormatInt(c.Value(), 10) }

// MarshalJSON writes the value.
func (c *CausalCounter) MarshalJSON() ([]byte, error) { return []byte(c.String()), nil }
