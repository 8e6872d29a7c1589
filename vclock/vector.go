package vclock

import (
	"cmp"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Vector is a vector clock: how many events of each replica are known. What is not in it is 0.
//
// If a replica counts each of its own events, sends its vector with each message, and takes the
// larger number of each replica from those it gets, then an event happened before another if
// and only if its vector is less: smaller in at least one place and larger in none. If each
// is smaller somewhere, then neither knew of the other.
//
//	a   {a:1} ─────────────▶ {a:2 b:1} ──┐
//	                  ╱                  ╲            {a:1} is before {a:2 b:1}
//	b   {b:1} ───────●──▶ {b:2}           ╲           {b:2} and {a:2 b:1} are concurrent
//	                                       ▼
//	c   ─────────────────────────────▶ {a:2 b:1 c:1}
//
// Lamport: Time, Clocks, and the Ordering of Events in a Distributed System, 1978, has the
// question; Fidge, and Mattern: Virtual Time and Global States of Distributed Systems, both 1988, this
// answer, which needs a number for each replica. That is the least that will do (Charron-Bost, 1991).
// The same thing for versions of one object, in which only updates count, is a version vector
// (Parker and others, 1983).
//
// It is a value, like a string: v = w is a copy, and what changes v leaves w alone, because the
// names and numbers that they share are never written to.
//
//	Compare, Descends    one pass over both, no allocation
//	Merge                the same; one allocation, or none if one of them knows it all
//	Tick                 one allocation, and a copy of the numbers
//	memory               8 bytes a replica; 16 and its name, shared by copies, and by what they become
//	bad at               many replicas that come and go: all stay in it for ever
//
// The zero Vector knows of nothing. It is safe for concurrent readers; a writer needs
// exclusive access (to that variable: copies are others).
type Vector struct {
	// Both are immutable. The names are a list of their own because they hardly ever change: Tick
	// and Merge make new numbers and keep the names, and two vectors with one list are compared
	// without a look at it, which takes a quarter of the time for 256 (BenchmarkCompare).
	names  []ID     // sorted
	counts []uint64 // of each name, at least 1
}

// VectorOf returns a vector of numbers. Zeros are left out.
func VectorOf(counts map[ID]uint64) (v Vector, err error) {
	for _, id := range slices.Sorted(maps.Keys(counts)) {
		n := counts[id]
		if err := id.check(); err != nil {
			return Vector{}, err
		}
		if err := checkCount(id, n); err != nil {
			return Vector{}, err
		}
		if n > 0 {
			v.names, v.counts = append(v.names, id), append(v.counts, n)
		}
	}
	return v, nil
}

// Get returns how many events of a replica are known.
func (v Vector) Get(id ID) uint64 {
	if i, is := find(v.names, id); is {
		return v.counts[i]
	}
	return 0
}

// Len returns of how many replicas something is known.
func (v Vector) Len() int { return len(v.names) }

// All ranges over what is not 0, in the order of names.
func (v Vector) All() iter.Seq2[ID, uint64] {
	return func(yield func(ID, uint64) bool) {
		for i, id := range v.names {
			if !yield(id, v.counts[i]) {
				return
			}
		}
	}
}

// Contains reports whether an event is known.
func (v Vector) Contains(d Dot) bool { return d.N > 0 && d.N <= v.Get(d.ID) }

// Tick counts an event of a replica, its own, and returns it.
func (v *Vector) Tick(id ID) (Dot, error) { return v.Advance(id, 1) }

// Advance counts so many events of a replica, and returns the last. By none, it changes nothing, and
// returns the zero Dot if there has been none before.
func (v *Vector) Advance(id ID, by uint64) (Dot, error) {
	if err := id.check(); err != nil {
		return Dot{}, err
	}
	i, is := find(v.names, id)
	n := by
	if is {
		n += v.counts[i] // may wrap, to less than by
	}
	switch {
	case n < by || n > MaxCount:
		return Dot{}, fmt.Errorf("%w: %v at %d and %d more, at most %d", ErrExhausted, id, v.Get(id), by, uint64(MaxCount))
	case n == 0:
		return Dot{}, nil
	case by == 0:
	case is:
		v.counts = slices.Clone(v.counts)
		v.counts[i] = n
	default:
		v.names = slices.Concat(v.names[:i], []ID{id}, v.names[i:])
		v.counts = slices.Concat(v.counts[:i], []uint64{n}, v.counts[i:])
	}
	return Dot{id, n}, nil
}

// Forget leaves a replica out, and reports whether it was there. That is for who is sure that it has
// gone for ever and that all others forget it too: a vector that still has it is
// after, or beside, one that has forgotten it. Nothing is ever forgotten otherwise.
func (v *Vector) Forget(id ID) bool {
	i, is := find(v.names, id)
	if is {
		v.names = slices.Concat(v.names[:i], v.names[i+1:])
		v.counts = slices.Concat(v.counts[:i], v.counts[i+1:])
	}
	return is
}

// Compare returns whether v happened before w, after it, or neither.
func (v Vector) Compare(w Vector) Ordering {
	return ordering(v.differ(w, sameNames(v.names, w.names)))
}

// Descends reports whether v knows all that w knows: it is after w, or equal.
func (v Vector) Descends(w Vector) bool {
	_, less := v.differ(w, sameNames(v.names, w.names))
	return !less
}

// differ reports whether v knows something that w does not, and the other way round.
func (v Vector) differ(w Vector, same bool) (more, less bool) {
	if same {
		// No number is above MaxCount, so the top bit of a difference says which is larger. To
		// collect these bits takes 0.6 times as long as comparisons do (BenchmarkCompare, names=shared, n=256).
		theirs := w.counts[:len(v.counts)]
		ahead, behind := uint64(0), uint64(0)
		for i, n := range v.counts {
			ahead |= theirs[i] - n
			behind |= n - theirs[i]
		}
		return ahead>>63 == 1, behind>>63 == 1
	}
	i, j := 0, 0
	for i < len(v.names) && j < len(w.names) && !(more && less) {
		switch order := cmp.Compare(v.names[i], w.names[j]); {
		case order < 0:
			more = true
			i++
		case order > 0:
			less = true
			j++
		default:
			more = more || v.counts[i] > w.counts[j]
			less = less || v.counts[i] < w.counts[j]
			i, j = i+1, j+1
		}
	}
	return more || i < len(v.names), less || j < len(w.names)
}

// sameNames sees first whether it is the same list, and of each name whether it is the same string.
func sameNames(a, b []ID) bool {
	if len(a) != len(b) {
		return false
	}
	if len(a) == 0 || &a[0] == &b[0] {
		return true
	}
	for i, id := range a {
		if id != b[i] {
			return false
		}
	}
	return true
}

// Merge takes in what w knows, so that v is the least that descends from both, and reports
// whether that was anything new.
func (v *Vector) Merge(w Vector) bool {
	same := sameNames(v.names, w.names)
	more, less := v.differ(w, same)
	switch {
	case !less:
		return false
	case !more:
		*v = w
		return true
	}
	if same {
		counts := slices.Clone(v.counts) // which, unlike make, sets nothing to 0 first
		for i, n := range w.counts[:len(counts)] {
			counts[i] = max(counts[i], n)
		}
		*v = Vector{w.names, counts} // from now on one list, if there were two
		return true
	}
	*v = union(*v, w)
	return true
}

// union has the larger number of each replica.
func union(v, w Vector) (u Vector) {
	n := len(v.names) + len(w.names)
	u.names, u.counts = make([]ID, 0, n), make([]uint64, 0, n)
	i, j := 0, 0
	for i < len(v.names) || j < len(w.names) {
		order := 0
		switch {
		case j == len(w.names):
			order = -1
		case i == len(v.names):
			order = 1
		default:
			order = cmp.Compare(v.names[i], w.names[j])
		}
		switch {
		case order < 0:
			u.names, u.counts = append(u.names, v.names[i]), append(u.counts, v.counts[i])
			i++
		case order > 0:
			u.names, u.counts = append(u.names, w.names[j]), append(u.counts, w.counts[j])
			j++
		default:
			u.names, u.counts = append(u.names, v.names[i]), append(u.counts, max(v.counts[i], w.counts[j]))
			i, j = i+1, j+1
		}
	}
	return u
}

// Meet returns what both know: the most that both descend from.
func (v Vector) Meet(w Vector) (u Vector) {
	for i, j := 0, 0; i < len(v.names) && j < len(w.names); {
		switch order := cmp.Compare(v.names[i], w.names[j]); {
		case order < 0:
			i++
		case order > 0:
			j++
		default:
			u.names, u.counts = append(u.names, v.names[i]), append(u.counts, min(v.counts[i], w.counts[j]))
			i, j = i+1, j+1
		}
	}
	return u
}

// AppendBinary writes the canonical binary form: the number of entries, and each name, as all
// names are written, with its number.
//
//	{"node-1":1, "node-12":300}    08 02   86 93 8d 5d 21  01   61 32  ac 02
func (v Vector) AppendBinary(b []byte) ([]byte, error) {
	return v.AppendTo(append(b, kindVector.form())), nil
}

// MarshalBinary is AppendBinary to nothing.
func (v Vector) MarshalBinary() ([]byte, error) { return v.AppendBinary(nil) }

// UnmarshalBinary reads what AppendBinary writes, and nothing else. If v has the same names already, it keeps its list
// of them: whoever reads one message after the other into the same variable, makes no names.
func (v *Vector) UnmarshalBinary(b []byte) error {
	d := decode(kindVector, b)
	w := d.vector(v.names)
	if err := d.End(); err != nil {
		return err
	}
	*v = w
	return nil
}

// AppendTo writes it without the form, as a part of something else.
func (v Vector) AppendTo(b []byte) []byte {
	b = binary.AppendUvarint(b, uint64(len(v.names)))
	before := ID("")
	for i, id := range v.names {
		b = AppendID(b, before, id)
		b = binary.AppendUvarint(b, v.counts[i])
		before = id
	}
	return b
}

// Vector reads what AppendTo writes.
func (d *Decoder) Vector() Vector { return d.vector(nil) }

// vector takes names that are known already from there, and the list as well if it has no others.
func (d *Decoder) vector(known []ID) Vector {
	n := d.Count(3)
	v := Vector{counts: make([]uint64, 0, n)}
	before := ID("")
	for i := range n {
		like := ID("")
		if i < len(known) {
			like = known[i]
		}
		id, count := d.id(before, like), d.Number(MaxCount)
		if count == 0 {
			d.Fail("a number of 0 for %v", id)
		}
		if d.err != nil {
			return Vector{}
		}
		if v.names == nil && id != like {
			v.names = append(make([]ID, 0, n), known[:i]...)
		}
		if v.names != nil {
			v.names = append(v.names, id)
		}
		v.counts, before = append(v.counts, count), id
	}
	if v.names == nil && n == len(known) {
		v.names = known
	} else if v.names == nil {
		v.names = append(v.names, known[:n]...) // a part of the list would keep all of it
	}
	return v
}

// MarshalJSON writes an object of numbers, in the order of names. Numbers above 2⁵³ are not for
// JavaScript.
func (v Vector) MarshalJSON() ([]byte, error) { return []byte(v.text(",")), nil }

// UnmarshalJSON reads an object of numbers in any order. A name that comes twice is an error,
// and so is whatever is no whole number; zeros are left out.
func (v *Vector) UnmarshalJSON(b []byte) error {
	counts, err := parseCounts(b)
	if err != nil {
		return fmt.Errorf("%w Vector: %w", ErrCorrupt, err)
	}
	w, err := VectorOf(counts)
	if err != nil {
		return fmt.Errorf("%w Vector: %w", ErrCorrupt, err)
	}
	*v = w
	return nil
}

// MarshalText writes what String does.
func (v Vector) MarshalText() ([]byte, error) { return []byte(v.String()), nil }

// UnmarshalText reads what String and MarshalJSON write.
func (v *Vector) UnmarshalText(b []byte) error { return v.UnmarshalJSON(b) }

// String writes it as JSON has it, with spaces: {"a":1, "b":2}. That is also how ShiViz wants it.
func (v Vector) String() string { return v.text(", ") }

func (v Vector) text(comma string) string {
	var b strings.Builder
	b.WriteByte('{')
	for i, id := range v.names {
		if i > 0 {
			b.WriteString(comma)
		}
		name, _ := json.Marshal(string(id)) // a string has a form
		b.Write(name)
		b.WriteByte(':')
		b.WriteString(strconv.FormatUint(v.counts[i], 10))
	}
	b.WriteByte('}')
	return b.String()
}
