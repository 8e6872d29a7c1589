package vclock

import (
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
//	Merge                the same. If both have news and the same names, new numbers: one allocation,
//	                     or none for up to 8 replicas; with other names, a copy of names and numbers
//	Tick                 a copy of the numbers: one allocation, or none for up to 8 replicas; the
//	                     first of a replica a copy of all names as well
//	memory               64 bytes, and from 9 replicas on 4 for each; if any number is 2³¹ or more, from 5
//	                     replicas on 8 for each. Names, each twice and 16 bytes, are shared by copies, and
//	                     by what they become
//	bad at               many replicas that come and go: all stay in it for ever
//
// The zero Vector knows of nothing. It is safe for concurrent readers; a writer needs
// exclusive access (to that variable: copies are others).
type Vector struct {
	// The numbers of the names of the roster, each at least 1, are packed if they can be. They are in few if there is room
	// for all, and what is left over is 0; or else all are in many, which is immutable. So a few numbers are copied with
	// the variable, and changed in it: to allocate them would be more than half of a Merge of three (BenchmarkMerge).
	roster *roster
	few    [fewWords]uint64
	many   numbers
}

// fewWords is what makes a Vector fill a line of the cache.
const fewWords = 4

// counts returns the numbers, which only who has called own may write to.
func (v *Vector) counts() numbers { return v.countsOf(v.roster.len()) }

func (v *Vector) countsOf(n int) numbers {
	if v.many != nil {
		return v.many
	}
	return v.few[:wordsOf(n)]
}

// keep takes over numbers, to which nobody else may write any more.
func (v *Vector) keep(counts numbers) {
	v.few, v.many = [fewWords]uint64{}, nil
	if len(counts) <= fewWords {
		copy(v.few[:], counts)
	} else {
		v.many = counts
	}
}

// room makes the zero Vector one with so many zeros, which put makes numbers of.
func (v *Vector) room(n int) {
	if words := wordsOf(n); words > fewWords {
		v.many = make(numbers, words)
	}
}

// own makes the numbers such as no copy of v has, so that put may change them.
func (v *Vector) own() { v.many = slices.Clone(v.many) }

// put raises a number, of so many. It must not lower any: what is plain would stay so.
func (v *Vector) put(i, of int, n uint64) {
	if !v.countsOf(of).fits(of, n) {
		v.keep(v.countsOf(of).plain(of, 0))
	}
	v.countsOf(of).set(i, of, n)
}

// at returns the number of the name at that place of the roster.
func (v *Vector) at(i int) uint64 { return v.counts().at(i, v.roster.len()) }

// plain returns a copy of the numbers, one in a word.
func (v *Vector) plain() numbers { return v.counts().plain(v.roster.len(), 0) }

func (v *Vector) tally() tally { return tally{v.roster, v.counts()} }

// VectorOf returns a vector of numbers. Zeros are left out.
func VectorOf(counts map[ID]uint64) (Vector, error) {
	var names []ID
	var list numbers
	for _, id := range slices.Sorted(maps.Keys(counts)) {
		n := counts[id]
		if err := id.check(); err != nil {
			return Vector{}, err
		}
		if err := checkCount(id, n); err != nil {
			return Vector{}, err
		}
		if n > 0 {
			names, list = append(names, id), append(list, n)
		}
	}
	return tally{rosterOf(names), list}.vector(), nil
}

// Get returns how many events of a replica are known.
func (v Vector) Get(id ID) uint64 {
	return v.tally().get(id)
}

// Len returns of how many replicas something is known.
func (v Vector) Len() int { return v.roster.len() }

// All ranges over what is not 0, in the order of names.
func (v Vector) All() iter.Seq2[ID, uint64] {
	return func(yield func(ID, uint64) bool) {
		for i, id := range v.roster.names() {
			if !yield(id, v.at(i)) {
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
	i, is := v.roster.find(id)
	n := by
	if is {
		n += v.at(i) // may wrap, to less than by
	}
	switch {
	case n < by || n > MaxCount:
		return Dot{}, fmt.Errorf("%w: %v at %d and %d more, at most %d", ErrExhausted, id, v.Get(id), by, uint64(MaxCount))
	case n == 0:
		return Dot{}, nil
	case by == 0:
	case is:
		v.own()
		v.put(i, v.roster.len(), n)
	default:
		*v = tally{v.roster.with(i, id), slices.Insert(v.counts().plain(v.Len(), 1), i, n)}.vector()
	}
	return Dot{id, n}, nil
}

// Forget leaves a replica out, and reports whether it was there. That is for who is sure that it has
// gone for ever and that all others forget it too: a vector that still has it is
// after, or beside, one that has forgotten it. Nothing is ever forgotten otherwise.
func (v *Vector) Forget(id ID) bool {
	i, is := v.roster.find(id)
	if is {
		*v = tally{v.roster.without(i), slices.Delete(v.plain(), i, i+1)}.vector()
	}
	return is
}

// Compare returns whether v happened before w, after it, or neither.
func (v Vector) Compare(w Vector) Ordering { return ordering(v.tally().differ(w.tally())) }

// Descends reports whether v knows all that w knows: it is after w, or equal.
func (v Vector) Descends(w Vector) bool {
	_, less := v.tally().differ(w.tally())
	return !less
}

// Merge takes in what w knows, so that v is the least that descends from both, and reports
// whether that was anything new.
func (v *Vector) Merge(w Vector) bool {
	if v.roster.same(w.roster) {
		return v.mergeSame(&w)
	}
	switch more, less := v.tally().differ(w.tally()); {
	case !less:
		return false
	case !more:
		*v = w
	default:
		*v = union(v.roster, w.roster, v.counts(), w.counts()).vector()
	}
	return true
}

// mergeSame is Merge of two with the same names. From now on they have one roster, if there were two.
func (v *Vector) mergeSame(w *Vector) (news bool) {
	names := v.roster.len()
	if v.many == nil && w.many == nil {
		return v.mergeFew(w, names > fewWords)
	}
	mine, theirs := v.counts(), w.counts()
	switch more, less := mine.differ(theirs, names); {
	case !less:
		return false
	case !more:
		*v = *w
	default:
		v.roster = w.roster
		v.keep(mine.largest(theirs, names))
	}
	return true
}

// mergeFew is mergeSame of numbers that stand in the variables.
func (v *Vector) mergeFew(w *Vector, packed bool) (news bool) {
	for i, n := range w.few { // what is left over is 0
		if packed {
			n = larger(v.few[i], n)
		}
		if n > v.few[i] {
			v.few[i], v.roster, news = n, w.roster, true
		}
	}
	return news
}

// Meet returns what both know: the most that both descend from.
func (v Vector) Meet(w Vector) Vector {
	return meet(v.roster, w.roster, v.counts(), w.counts()).vector()
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

// UnmarshalBinary reads what AppendBinary writes, and nothing else. If v has the same names already, it keeps
// them: whoever reads one message after the other into the same variable, makes no names.
func (v *Vector) UnmarshalBinary(b []byte) error {
	d := decode(kindVector, b)
	w := d.vector(v.roster)
	if err := d.End(); err != nil {
		return err
	}
	*v = w
	return nil
}

// AppendTo writes it without the form, as a part of something else.
func (v Vector) AppendTo(b []byte) []byte { return v.tally().appendTo(b) }

// Vector reads what AppendTo writes.
func (d *Decoder) Vector() Vector { return d.vector(nil) }

// vector takes names that are known already from there, and the roster as well if it has no others.
func (d *Decoder) vector(known *roster) (v Vector) {
	n := d.Count(3)
	v.room(n)
	var names []ID // none, as long as all are those of the roster
	before := ID("")
	for i := range n {
		like := ID("")
		if i < known.len() {
			like = known.ids[i]
		}
		id, count := d.id(before, like), d.Number(MaxCount)
		if count == 0 {
			d.Fail("a number of 0 for %v", id)
		}
		if d.err != nil {
			return Vector{}
		}
		if names == nil && id != like {
			names = append(make([]ID, 0, n), known.names()[:i]...)
		}
		if names != nil {
			names = append(names, id)
		}
		v.put(i, n, count)
		before = id
	}
	switch {
	case names != nil:
		v.roster = rosterOf(names)
	case n == known.len():
		v.roster = known
	default:
		v.roster = rosterOf(slices.Clone(known.ids[:n]))
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
	for i, id := range v.roster.names() {
		if i > 0 {
			b.WriteString(comma)
		}
		name, _ := json.Marshal(string(id)) // a string has a form
		b.Write(name)
		b.WriteByte(':')
		b.WriteString(strconv.FormatUint(v.at(i), 10))
	}
	b.WriteByte('}')
	return b.String()
}
