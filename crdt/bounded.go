package crdt

import (
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"math"
	"math/bits"
	"slices"
	"strconv"

	"github.com/plinth-go/plinth/vclock"
)

// ErrNoRights says that a replica wants to take, or to give, more than it has rights to.
var ErrNoRights = errors.New("crdt: no rights")

// BoundedCounter goes up and down and is never below its bound: tickets that are sold at many places, and none
// twice. What is above the bound is handed out before: a replica has rights, may take as much as it has rights
// to, and asks nobody. Whoever needs more gets some from another replica.
//
//	                         rights of a, b        value, from a bound of 0
//	a adds 10                    10   0                10
//	a transfers 4 to b            6   4                10
//	b takes 3                     6   1                 7       without a word to a
//	b takes 2                     ErrNoRights          7       there are 7, but b may take 1
//
// The state is a matrix of numbers that only grow, each of which one replica alone adds to; of two that
// are known, the larger one is newer:
//
//	added[a]       what a has added: rights of its own
//	given[a][b]    what a has given to b
//	taken[a]       what a has taken
//
//	rights of a    added[a] + all given[…][a] − all given[a][…] − taken[a]
//	value          bound + all added − all taken, which is the bound and the rights of all
//
// A replica knows all that it has given and taken, and maybe not yet all that it has got, so it has no less than it
// believes. What others have is hearsay: Take and Transfer are only for who is that replica. To be below the bound is
// impossible for what others see, too, in whatever order messages come. So the delta of Take, and of Transfer, brings
// where the rights came from: what the replica has added, what was given to it, and the same of those who gave.
//
// Rights of a replica that is gone are gone with it, until somebody who is sure of that, and knows all that it has
// done, transfers them in its name. So it is with each restart under a new name (NewID). One that comes back from an old
// copy under its old name spends what it has spent before. An upper bound is a BoundedCounter of what is left.
//
// Balegas and others: Extending Eventually Consistent Cloud Databases for Enforcing Numeric Invariants, 2015, who
// deliver in causal order instead of sending where rights come from. The idea is older: O'Neil: The Escrow Transactional
// Method, 1986.
//
//	Add               a copy of a row of numbers; its delta is one number
//	Take, Transfer    as many numbers as replicas whose rights have come here; the delta is a few numbers, and
//	                  the matrix where all have given to all
//	Merge             one pass over both
//	memory            two numbers for each replica, and one for each pair of which one has ever given to the other
//	bad at            rights that are where nobody needs them; a value close to the bound
//
// The zero BoundedCounter is 0, which is its bound. It is safe for concurrent readers; a writer needs
// exclusive access.
type BoundedCounter struct {
	least        int64
	added, taken vclock.Vector
	given        map[vclock.ID]vclock.Vector // from whom, to whom; no vector is empty, or has its own name
}

// NewBoundedCounter returns one that has the value least, and is never below it. All replicas must begin with
// the same: UnmarshalBinary refuses another bound, and Merge panics.
func NewBoundedCounter(least int64) *BoundedCounter { return &BoundedCounter{least: least} }

// Add adds n in the name of a replica, which may take as much more, and returns the delta. No replica adds more
// than vclock.MaxCount in all.
func (c *BoundedCounter) Add(id vclock.ID, n uint64) (*BoundedCounter, error) {
	dot, err := c.added.Advance(id, n)
	if err != nil {
		return nil, fmt.Errorf("crdt: BoundedCounter: %w", err)
	}
	delta := NewBoundedCounter(c.least)
	if n > 0 {
		raise(&delta.added, id, dot.N)
	}
	return delta, nil
}

// Take takes n away in the name of a replica, and returns the delta. If the replica has fewer rights it
// fails with ErrNoRights, even if the value is far above the bound: then another one has them.
func (c *BoundedCounter) Take(id vclock.ID, n uint64) (*BoundedCounter, error) {
	if err := c.allow(id, n); err != nil {
		return nil, err
	}
	dot, err := c.taken.Advance(id, n)
	if err != nil {
		return nil, fmt.Errorf("crdt: BoundedCounter: %w", err)
	}
	if n == 0 {
		return NewBoundedCounter(c.least), nil
	}
	delta := c.origin(id)
	raise(&delta.taken, id, dot.N)
	return delta, nil
}

// Transfer gives n rights of a replica to another, in the name of the first, and returns the delta. The other one can use
// them when it has merged that. The value stays as it is. To give to oneself is no more than to ask whether one could.
func (c *BoundedCounter) Transfer(from, to vclock.ID, n uint64) (*BoundedCounter, error) {
	if err := c.allow(from, n); err != nil {
		return nil, err
	}
	row := c.given[from]
	dot, err := row.Advance(to, n)
	if err != nil {
		return nil, fmt.Errorf("crdt: BoundedCounter: %v gives to %v: %w", from, to, err)
	}
	if n == 0 || from == to {
		return NewBoundedCounter(c.least), nil
	}
	c.give(from, row)
	delta := c.origin(from)
	row = delta.given[from]
	raise(&row, to, dot.N)
	delta.give(from, row)
	return delta, nil
}

// allow reports why a replica may not take or give so much.
func (c *BoundedCounter) allow(id vclock.ID, n uint64) error {
	if err := checkID(id); err != nil {
		return fmt.Errorf("crdt: BoundedCounter: %w", err)
	}
	if has := c.Rights(id); n > has {
		return fmt.Errorf("%w: %v has %d, and wants %d", ErrNoRights, id, has, n)
	}
	return nil
}

// raise makes the number of a name at least n, which is one that another vector has.
func raise(v *vclock.Vector, id vclock.ID, n uint64) { _, _ = v.Advance(id, n-min(n, v.Get(id))) }

// give sets what a replica has given.
func (c *BoundedCounter) give(from vclock.ID, row vclock.Vector) {
	if c.given == nil {
		c.given = make(map[vclock.ID]vclock.Vector)
	}
	c.given[from] = row
}

// origin returns where the rights of a replica come from: for it, for those who have given to it, for those who
// have given to them, and so on, what was added and what was given to them.
//
// So whoever knows that somebody has taken or given knows at least of the rights that he had then. Of the numbers of
// one replica that are known, some may be old and some new, but of what it had they know at least as much as it did when
// it changed the newest of those that count against it. That is why nobody ever sees it with less than none.
func (c *BoundedCounter) origin(id vclock.ID) *BoundedCounter {
	from := NewBoundedCounter(c.least)
	todo := []vclock.ID{id}
	seen := map[vclock.ID]bool{id: true}
	for len(todo) > 0 {
		to := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		raise(&from.added, to, c.added.Get(to))
		for giver, all := range c.given {
			n := all.Get(to)
			if n == 0 {
				continue
			}
			row := from.given[giver]
			raise(&row, to, n)
			from.give(giver, row)
			if !seen[giver] {
				seen[giver] = true
				todo = append(todo, giver)
			}
		}
	}
	return from
}

// Rights returns how much a replica may take: as far as is known here, so only that replica can rely on it.
func (c *BoundedCounter) Rights(id vclock.ID) uint64 {
	var has, gone wide
	has.add(c.added.Get(id))
	gone.add(c.taken.Get(id))
	for _, all := range c.given {
		has.add(all.Get(id))
	}
	for _, n := range c.given[id].All() {
		gone.add(n)
	}
	return has.less(gone, math.MaxUint64)
}

// Value returns what it counts, or the largest int64 if it is more. What replicas do in their own names never brings it
// below the bound. Of bytes that no replica can have made, or of an identity that was used twice, the
// numbers may say less than the bound: then it is the bound.
func (c *BoundedCounter) Value() int64 {
	var up, down wide
	for _, n := range c.added.All() {
		up.add(n)
	}
	for _, n := range c.taken.All() {
		down.add(n)
	}
	above := up.less(down, uint64(math.MaxInt64)-uint64(c.least)) // in two's complement also of what is negative
	return int64(uint64(c.least) + above)
}

// wide is a sum that does not wrap: high times 2⁶⁴ and low.
type wide struct{ high, low uint64 }

func (w *wide) add(n uint64) {
	var carry uint64
	w.low, carry = bits.Add64(w.low, n, 0)
	w.high += carry
}

// less returns w − v, at least 0 and at most so much.
func (w wide) less(v wide, most uint64) uint64 {
	low, borrow := bits.Sub64(w.low, v.low, 0)
	switch high, under := bits.Sub64(w.high, v.high, borrow); {
	case under > 0:
		return 0
	case high > 0:
		return most
	}
	return min(low, most)
}

// Bound returns what the value is never below.
func (c *BoundedCounter) Bound() int64 { return c.least }

// Merge takes the larger one of each number. It panics if the bounds differ, as Compare does.
func (c *BoundedCounter) Merge(other *BoundedCounter) bool {
	c.like(other)
	grew := c.added.Merge(other.added)
	grew = c.taken.Merge(other.taken) || grew
	for from, theirs := range other.given {
		row := c.given[from]
		if row.Merge(theirs) {
			c.give(from, row)
			grew = true
		}
	}
	return grew
}

// like panics if a counter has another bound.
func (c *BoundedCounter) like(other *BoundedCounter) {
	if c.least != other.least {
		panic(fmt.Sprintf("crdt: BoundedCounter: bounds of %d and %d", c.least, other.least))
	}
}

// Compare returns how they relate.
func (c *BoundedCounter) Compare(other *BoundedCounter) vclock.Ordering {
	c.like(other)
	order := both(c.added.Compare(other.added), c.taken.Compare(other.taken))
	for from, row := range c.given {
		order = both(order, row.Compare(other.given[from]))
	}
	for from, row := range other.given {
		if _, is := c.given[from]; !is {
			order = both(order, vclock.Vector{}.Compare(row))
		}
	}
	return order
}

// Clone returns a copy.
func (c *BoundedCounter) Clone() *BoundedCounter {
	return &BoundedCounter{c.least, c.added, c.taken, maps.Clone(c.given)}
}

// AppendBinary writes the canonical form: the bound, doubled so that what is negative fits in between, the vectors of what
// was added and taken, how many have given, and of each, in order, the name and the vector of what it gave.
//
//	bound 0; a added 10, gave 4 to b; b took 3    18   00   01 01 61 0a   01 01 62 03   01   01 61   01 01 62 04
func (c *BoundedCounter) AppendBinary(b []byte) ([]byte, error) {
	b = binary.AppendVarint(append(b, kindBoundedCounter.form()), c.least)
	b = c.taken.AppendTo(c.added.AppendTo(b))
	b = binary.AppendUvarint(b, uint64(len(c.given)))
	before := vclock.ID("")
	for _, from := range slices.Sorted(maps.Keys(c.given)) {
		b = c.given[from].AppendTo(vclock.AppendID(b, before, from))
		before = from
	}
	return b, nil
}

// MarshalBinary is AppendBinary to nothing.
func (c *BoundedCounter) MarshalBinary() ([]byte, error) { return c.AppendBinary(nil) }

// UnmarshalBinary reads what AppendBinary writes of a counter with the same bound, and nothing else.
func (c *BoundedCounter) UnmarshalBinary(b []byte) error {
	d := decode(kindBoundedCounter, b)
	read := NewBoundedCounter(elements[int64]{}.parse(d))
	if read.least != c.least {
		d.Fail("a bound of %d: this one has %d", read.least, c.least)
	}
	read.added, read.taken = d.Vector(), d.Vector()
	before := vclock.ID("")
	for range d.Count(6) {
		from := d.ID(before)
		row := d.Vector()
		if row.Len() == 0 || row.Get(from) > 0 {
			d.Fail("%v gives to nobody, or to itself", from)
		}
		if d.Err() != nil {
			break
		}
		read.give(from, row)
		before = from
	}
	if err := d.End(); err != nil {
		return err
	}
	*c = *read
	return nil
}

// String writes the value.
func (c *BoundedCounter) String() string { return strconv.FormatInt(c.Value(), 10) }

// MarshalJSON writes the value.
func (c *BoundedCounter) MarshalJSON() ([]byte, error) { return []byte(c.String()), nil }
