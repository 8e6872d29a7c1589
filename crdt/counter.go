package crdt

import (
	"fmt"
	"math"
	"math/bits"
	"strconv"

	"github.com/plinth-go/plinth/vclock"
)

// GCounter only grows. Each replica counts what it has added itself, and the value is the sum; of what is
// known of a replica, the larger number is the newer one. One number that all add to could not be merged: of
// 5 and 7, nobody knows whether the 5 are among the 7.
//
//	a adds 2, b adds 3:    {a:2} ∨ {b:3} = {a:2 b:3}, which is 5
//	once more:             {a:2 b:3} ∨ {b:3} = {a:2 b:3}
//
// So it is a vector clock that counts something else than events, and costs as much: a number for
// each replica that has ever added.
//
// The zero GCounter is 0. It is safe for concurrent readers; a writer needs exclusive access.
type GCounter struct {
	added vclock.Vector
}

// Add adds n in the name of a replica, and returns the delta. No replica adds more than
// vclock.MaxCount in all.
func (c *GCounter) Add(id vclock.ID, n uint64) (*GCounter, error) {
	delta := &GCounter{}
	dot, err := c.added.Advance(id, n)
	if err != nil {
		return nil, fmt.Errorf("crdt: GCounter: %w", err)
	}
	if n > 0 {
		_, _ = delta.added.Advance(id, dot.N) // it was possible just now
	}
	return delta, nil
}

// Value returns the sum, or the largest number there is if the sum is more: four replicas at
// their ends make 2⁶⁴.
func (c *GCounter) Value() uint64 {
	high, low := c.sum()
	if high > 0 {
		return math.MaxUint64
	}
	return low
}

// sum returns the whole sum, in two halves.
func (c *GCounter) sum() (high, low uint64) {
	for _, n := range c.added.All() {
		var carry uint64
		low, carry = bits.Add64(low, n, 0)
		high += carry
	}
	return high, low
}

// Merge takes the larger number of each replica.
func (c *GCounter) Merge(other *GCounter) bool { return c.added.Merge(other.added) }

// Compare returns how they relate.
func (c *GCounter) Compare(other *GCounter) vclock.Ordering { return c.added.Compare(other.added) }

// Clone returns a copy.
func (c *GCounter) Clone() *GCounter { return &GCounter{c.added} }

// AppendBinary writes the canonical form: the numbers as a vector has them.
func (c *GCounter) AppendBinary(b []byte) ([]byte, error) {
	return c.added.AppendTo(append(b, kindGCounter.form())), nil
}

// MarshalBinary is AppendBinary to nothing.
func (c *GCounter) MarshalBinary() ([]byte, error) { return c.AppendBinary(nil) }

// UnmarshalBinary reads what AppendBinary writes, and nothing else.
func (c *GCounter) UnmarshalBinary(b []byte) error {
	d := decode(kindGCounter, b)
	added := d.Vector()
	if err := d.End(); err != nil {
		return err
	}
	c.added = added
	return nil
}

// String writes the value.
func (c *GCounter) String() string { return strconv.FormatUint(c.Value(), 10) }

// MarshalJSON writes the value.
func (c *GCounter) MarshalJSON() ([]byte, error) { return []byte(c.String()), nil }

// PNCounter goes up and down: a GCounter for each. Their difference can go below 0 where replicas
// have not heard of each other; where that must not be, BoundedCounter sees to it.
//
// The zero PNCounter is 0. It is safe for concurrent readers; a writer needs exclusive access.
type PNCounter struct {
	up, down GCounter
}

// Add adds n, which may be negative, in the name of a replica, and returns the delta. No replica
// adds, or takes away, more than vclock.MaxCount in all.
func (c *PNCounter) Add(id vclock.ID, n int64) (*PNCounter, error) {
	delta := &PNCounter{}
	side, part := &c.up, &delta.up
	if n < 0 {
		side, part = &c.down, &delta.down
	}
	one, err := side.Add(id, magnitude(n))
	if err != nil {
		return nil, fmt.Errorf("crdt: PNCounter: %w", err)
	}
	*part = *one
	return delta, nil
}

func magnitude(n int64) uint64 {
	if n < 0 {
		return -uint64(n) // also of the least, of which there is no -n
	}
	return uint64(n)
}

// Value returns the difference, or the number that is closest to it if it is out of range.
func (c *PNCounter) Value() int64 {
	upHigh, upLow := c.up.sum()
	downHigh, downLow := c.down.sum()
	low, borrow := bits.Sub64(upLow, downLow, 0)
	high, _ := bits.Sub64(upHigh, downHigh, borrow)
	return closest(high, low)
}

// closest returns the number of 64 bits that is closest to one of 128, in two's complement.
func closest(high, low uint64) int64 {
	switch value := int64(low); {
	case int64(high) == value>>63: // the upper half is no more than the sign
		return value
	case int64(high) < 0:
		return math.MinInt64
	}
	return math.MaxInt64
}

// Merge merges both sides.
func (c *PNCounter) Merge(other *PNCounter) bool {
	up := c.up.Merge(&other.up)
	return c.down.Merge(&other.down) || up
}

// Compare returns how they relate.
func (c *PNCounter) Compare(other *PNCounter) vclock.Ordering {
	return both(c.up.Compare(&other.up), c.down.Compare(&other.down))
}

// both is the order of pairs: one is before another if one part is, and the other is not after.
func both(a, b vclock.Ordering) vclock.Ordering {
	switch {
	case a == b || b == vclock.Equal:
		return a
	case a == vclock.Equal:
		return b
	}
	return vclock.Concurrent
}

// Clone returns a copy.
func (c *PNCounter) Clone() *PNCounter { return &PNCounter{*c.up.Clone(), *c.down.Clone()} }

// AppendBinary writes the canonical form: the vectors of both sides.
func (c *PNCounter) AppendBinary(b []byte) ([]byte, error) {
	return c.down.added.AppendTo(c.up.added.AppendTo(append(b, kindPNCounter.form()))), nil
}

// MarshalBinary is AppendBinary to nothing.
func (c *PNCounter) MarshalBinary() ([]byte, error) { return c.AppendBinary(nil) }

// UnmarshalBinary reads what AppendBinary writes, and nothing else.
func (c *PNCounter) UnmarshalBinary(b []byte) error {
	d := decode(kindPNCounter, b)
	up, down := d.Vector(), d.Vector()
	if err := d.End(); err != nil {
		return err
	}
	c.up.added, c.down.added = up, down
	return nil
}

// String writes the value.
func (c *PNCounter) String() string { return strconv.FormatInt(c.Value(), 10) }

// MarshalJSON writes the value.
func (c *PNCounter) MarshalJSON() ([]byte, error) { return []byte(c.String()), nil }
