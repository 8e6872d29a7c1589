package crdt

import (
	"cmp"
	"encoding/binary"
	"slices"

	"github.com/plinth-go/plinth/vclock"
)

// Causal is a Lattice that can forget what was removed: ORSet, RWSet, MVRegister, EWFlag, DWFlag,
// CausalCounter, ORMap. It is two things:
//
//	a store     of what is alive, where each thing has the dot of the event that brought it
//	a context   of all dots that this replica has ever seen
//
// What is in the context and not in the store was removed, so that no tombstone has to say so. Two
// of them are joined by looking at each dot that only one of them has in its store:
//
//	                          the other one's context has it      has not
//	in the one's store        it was removed there: it goes       it is new to the other: it stays
//
// Then the contexts are merged. (Almeida, Shoker and Baquero, 2018, call the store a dot store. Without deltas it is the
// optimized OR-set of Bieniusa and others: An Optimized Conflict-free Replicated Set, 2012.)
//
// A delta is a small store with a small context: that of the dots it brings, and of those that it removes. Merge
// asks nothing about the order in which deltas come, because a context has gaps where something is missing.
//
// A context is believed. Who may send states may also claim to have seen what will only be: he can remove everything, now
// and for ever, and use up the numbers of a replica (vclock.ErrExhausted). So states are taken from those who might remove
// everything anyway.
//
// In an ORMap all values share the context of the map. That is why each type can do its part without one of its
// own, in the methods that are not exported; so nobody else can implement it.
//
// Like each Lattice it is safe for concurrent readers; a writer needs exclusive access.
type Causal[T any] interface {
	Lattice[T]
	// within makes the receiver, which is empty, a part of something whose context it shares from now on.
	within(*vclock.Context)
	// peek returns the context, to who only reads it.
	peek() *vclock.Context
	// join is Merge of the stores alone, of which mine and theirs are the contexts.
	join(mine *vclock.Context, other T, theirs *vclock.Context) bool
	// keeps reports whether the receiver has all in its store that other has in its own and mine has seen.
	keeps(mine *vclock.Context, other T) bool
	// dots calls f with each dot in the store.
	dots(f func(vclock.Dot))
	// alive reports whether there is any.
	alive() bool
	// cloneWithin is Clone of the store, within a context.
	cloneWithin(*vclock.Context) T
	// appendStore and parseStore write and read the store, whose dots are in a context with these names.
	appendStore(b []byte, names []vclock.ID) ([]byte, error)
	parseStore(d *vclock.Decoder, c *vclock.Context, names []vclock.ID)
}

// shared is the context of a Causal: its own, or that of what it is in.
type shared struct {
	context *vclock.Context // nil is an empty one of its own
}

func (s *shared) within(c *vclock.Context) { s.context = c }

// seen returns the context.
func (s *shared) seen() *vclock.Context {
	if s.context == nil {
		s.context = new(vclock.Context)
	}
	return s.context
}

// peek returns the context to who only reads it, which must write nothing.
func (s *shared) peek() *vclock.Context {
	if s.context == nil {
		return new(vclock.Context)
	}
	return s.context
}

// mergeCausal is Merge for all of them.
func mergeCausal[T Causal[T]](mine *vclock.Context, a, b T, theirs *vclock.Context) bool {
	grew := a.join(mine, b, theirs)
	return mine.Merge(*theirs) || grew
}

// compareCausal is Compare for all of them: a is at most b if b has seen all that a has, and has nothing alive that a
// knows to be removed.
func compareCausal[T Causal[T]](mine *vclock.Context, a, b T, theirs *vclock.Context) vclock.Ordering {
	atMost := theirs.Descends(*mine) && a.keeps(mine, b)
	atLeast := mine.Descends(*theirs) && b.keeps(theirs, a)
	return ordering(!atMost, !atLeast)
}

// contextOf returns a context of some dots, in any order, which is that of a delta.
func contextOf(all ...vclock.Dot) *vclock.Context {
	spans := make([]vclock.Span, len(all))
	for i, d := range all {
		spans[i] = vclock.Span{ID: d.ID, From: d.N, To: d.N}
	}
	c, _ := vclock.ContextOf(spans...) // they come from a context
	return &c
}

// contextOfAll returns that of all dots in a store, which is what a delta has that removes them.
func contextOfAll[T Causal[T]](v T) *vclock.Context {
	var all []vclock.Span
	v.dots(func(d vclock.Dot) { all = append(all, vclock.Span{ID: d.ID, From: d.N, To: d.N}) })
	c, _ := vclock.ContextOf(all...) // they come from a context
	return &c
}

// dots are those that keep one thing alive, in order: mostly one, and more if several replicas have
// brought it and do not know of each other. The zero dots are none.
type dots struct {
	first vclock.Dot    // zero if there is none
	rest  *[]vclock.Dot // nil mostly: a list would make them half as large again
}

func dotsOf(all ...vclock.Dot) (ds dots) {
	for _, d := range all {
		ds.push(d)
	}
	return ds
}

// more returns those after the first.
func (ds dots) more() []vclock.Dot {
	if ds.rest == nil {
		return nil
	}
	return *ds.rest
}

func (ds dots) any() bool { return ds.first.N > 0 }

func (ds dots) each(f func(vclock.Dot)) {
	if ds.any() {
		f(ds.first)
	}
	for _, d := range ds.more() {
		f(d)
	}
}

// addTo adds them to the context of a delta, which has few dots yet. One by one, each might have to move all of
// those before it.
func (ds dots) addTo(c *vclock.Context) {
	if ds.len() == 1 {
		_, _ = c.Add(ds.first) // it comes from a context
	} else if ds.any() {
		c.Merge(*contextOf(append([]vclock.Dot{ds.first}, ds.more()...)...))
	}
}

// len and at make a list of them, in order.
func (ds dots) len() int {
	if !ds.any() {
		return 0
	}
	return 1 + len(ds.more())
}

func (ds dots) at(i int) vclock.Dot {
	if i == 0 {
		return ds.first
	}
	return ds.more()[i-1]
}

// push adds one that comes after all that are there, of which there is no copy.
func (ds *dots) push(d vclock.Dot) {
	switch {
	case !ds.any():
		ds.first = d
	case ds.rest == nil:
		ds.rest = &[]vclock.Dot{d}
	default:
		*ds.rest = append(*ds.rest, d)
	}
}

func (ds dots) has(d vclock.Dot) bool {
	if ds.rest == nil || ds.first == d {
		return ds.any() && ds.first == d
	}
	_, is := slices.BinarySearchFunc(ds.more(), d, compareDots)
	return is
}

// clone returns a copy that shares nothing.
func (ds dots) clone() dots {
	if ds.rest != nil {
		rest := slices.Clone(*ds.rest)
		ds.rest = &rest
	}
	return ds
}

// joined returns what is left of the dots of one thing by the rule of Causal, and whether that is
// something else than ds. It is one pass over both, because the dots of a thing may be as many as
// somebody likes to send.
func (ds dots) joined(mine *vclock.Context, other dots, theirs *vclock.Context) (left dots, changed bool) {
	if ds.rest == nil && other.rest == nil {
		switch {
		case ds.first == other.first:
			return ds, false
		case !ds.any():
			if mine.Contains(other.first) {
				return ds, false
			}
			return other, true
		}
	}
	for i, j := 0, 0; i < ds.len() || j < other.len(); {
		order := 0
		switch {
		case j == other.len():
			order = -1
		case i == ds.len():
			order = 1
		default:
			order = compareDots(ds.at(i), other.at(j))
		}
		switch {
		case order == 0:
			left.push(ds.at(i))
			i, j = i+1, j+1
		case order < 0:
			if theirs.Contains(ds.at(i)) {
				changed = true
			} else {
				left.push(ds.at(i))
			}
			i++
		default:
			if !mine.Contains(other.at(j)) {
				left.push(other.at(j))
				changed = true
			}
			j++
		}
	}
	if !changed {
		return ds, false
	}
	return left, true
}

// seenBy reports whether a context has any of them.
func (ds dots) seenBy(c *vclock.Context) bool {
	return c.Contains(ds.first) || slices.ContainsFunc(ds.more(), c.Contains)
}

// keeps reports whether ds has all of other that mine has seen.
func (ds dots) keeps(mine *vclock.Context, other dots) bool {
	keeps := true
	other.each(func(d vclock.Dot) { keeps = keeps && (ds.has(d) || !mine.Contains(d)) })
	return keeps
}

func compareDots(a, b vclock.Dot) int {
	if a.ID == b.ID {
		return cmp.Compare(a.N, b.N)
	}
	return cmp.Compare(a.ID, b.ID)
}

// append writes how many there are, and each.
func (ds dots) append(b []byte, names []vclock.ID) []byte {
	b = binary.AppendUvarint(b, uint64(ds.len()))
	ds.each(func(d vclock.Dot) { b = appendDot(b, d, names) })
	return b
}

// parseDots reads what append writes: at least so many.
func parseDots(d *vclock.Decoder, least int, c *vclock.Context, names []vclock.ID) dots {
	n := d.Count(2)
	if n < least {
		d.Fail("%d dots, at least %d", n, least)
	}
	var all dots // not made for n, which is what somebody says
	for i := range n {
		dot := parseDot(d, c, names)
		if i > 0 && compareDots(all.at(i-1), dot) >= 0 {
			d.Fail("%v after %v", dot, all.at(i-1))
		}
		if d.Err() != nil {
			return dots{}
		}
		all.push(dot)
	}
	return all
}

// appendDot writes the place of the name, and the number.
func appendDot(b []byte, d vclock.Dot, names []vclock.ID) []byte {
	i, _ := slices.BinarySearch(names, d.ID)
	return binary.AppendUvarint(binary.AppendUvarint(b, uint64(i)), d.N)
}

// parseDot reads one that is in the context.
func parseDot(d *vclock.Decoder, c *vclock.Context, names []vclock.ID) vclock.Dot {
	i, n := d.Number(vclock.MaxCount), d.Number(vclock.MaxCount)
	if d.Err() != nil {
		return vclock.Dot{}
	}
	if i >= uint64(len(names)) {
		d.Fail("name %d of %d", i, len(names))
		return vclock.Dot{}
	}
	dot := vclock.Dot{ID: names[i], N: n}
	if !c.Contains(dot) {
		d.Fail("%v, which the context does not have", dot)
		return vclock.Dot{}
	}
	return dot
}

// appendCausal writes a kind, the context, and the store.
func appendCausal[T Causal[T]](b []byte, k kind, v T, c *vclock.Context) ([]byte, error) {
	return v.appendStore(c.AppendTo(append(b, k.form())), namesOf(c))
}

// parseCausal reads into v, which is empty and within no context; it is to be thrown away after an error.
func parseCausal[T Causal[T]](b []byte, k kind, v T) error {
	d := decode(k, b)
	c := d.Context()
	if d.Err() == nil {
		v.within(&c)
		v.parseStore(d, &c, namesOf(&c))
	}
	if d.Err() == nil {
		checkOnce(d, v)
	}
	return d.End()
}

// checkOnce refuses a dot that is at two places of a store. It is done once for all that is in a map, however deep.
func checkOnce[T Causal[T]](d *vclock.Decoder, v T) {
	var all []vclock.Dot
	v.dots(func(dot vclock.Dot) { all = append(all, dot) })
	slices.SortFunc(all, compareDots)
	for i := range len(all) - 1 {
		if all[i] == all[i+1] {
			d.Fail("%v is at two places", all[i])
		}
	}
}
