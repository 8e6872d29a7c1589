package vclock

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"slices"
	"sort"
)

// Context is a causal context: which events are known, of each replica all up to some number, and
// any others beyond it. A Vector cannot say the latter: if a:5 comes before a:4 does, then either a:5
// must wait, or the vector says 5, and when a:4 comes at last it is taken for known and is lost.
//
//	dot       1  2  3  4  5  6  7  8  9 10
//	          ●  ●  ●  ·  ●  ●  ·  ·  ●  ·        known of a replica
//	          └─────┘     └──┘        └┘
//	          base 3      beyond it: 5-6, 9
//
// When 4 comes, the base is 6, and 5-6 is gone: what has closed up takes no memory. So a context is as small as
// a vector wherever nothing is under way, and has a span for each gap where something is.
//
// It has two uses. Who gets events in any order keeps one of what has come: a peer's tells what
// the peer lacks (Minus). And a set that is replicated keeps one of what it has ever seen: an element that is in
// it, but not in the set, was removed, so that nothing else need remember what was.
//
// Malkhi and Terry: Concise Version Vectors in WinFS, 2005, have vectors with exceptions, which list
// what is missing; this lists what is there beyond the gaps, so that a gap of any length costs the same. The second
// use is that of Almeida, Shoker and Baquero: Delta State Replicated Data Types, 2018.
//
//	Contains          a binary search, and another if there are gaps; no allocation
//	Add, Next         the same; no allocation in order, for a replica that is known; the first of a
//	                  replica a copy of all names
//	Merge             a few dots: Add of each; more: one pass over both
//	memory            8 bytes for each replica and its name as in a Vector, and 32 for each gap
//	bad at            dots that never come: their gaps stay; hundreds of replicas, of which a map finds one sooner
//
// Unlike a Vector it is changed in place, for it changes with each event, and a copy of all numbers each time would be
// most of the work. So it is like a map: after d := c, only one of the two may be used if either is
// changed. Clone makes a copy. Methods that take a Context only read it, and keep nothing of it.
//
// The zero Context knows of nothing. It is safe for concurrent readers; a writer needs exclusive access.
type Context struct {
	base   tally  // its numbers are plain, changed in place, and nobody else has them; its roster is immutable
	beyond []Span // sorted; between two of a replica, and before the first, at least one dot is unknown
}

// ContextOf returns one that knows of spans, which may come in any order and overlap.
func ContextOf(spans ...Span) (Context, error) {
	spans = slices.Clone(spans)
	for _, s := range spans {
		if err := s.check(); err != nil {
			return Context{}, err
		}
	}
	slices.SortFunc(spans, Span.order)
	var d draft
	for _, s := range spans {
		d.push(s)
	}
	return d.context(), nil
}

// draft is a context that is being made, span by span. It is not safe for concurrent use.
type draft struct {
	names  []ID
	counts numbers // the base of each
	beyond []Span
}

// push adds a span that begins no earlier, in the order of spans, than those that are there.
func (d *draft) push(s Span) {
	if i := len(d.names) - 1; i >= 0 && d.names[i] == s.ID && s.From <= d.counts[i]+1 {
		d.counts[i] = max(d.counts[i], s.To)
	} else if s.From == 1 {
		d.names, d.counts = append(d.names, s.ID), append(d.counts, s.To)
	} else {
		d.beyond = extend(d.beyond, s)
	}
}

func (d *draft) context() Context { return Context{tally{rosterOf(d.names), d.counts}, d.beyond} }

// Context returns one that knows what v does.
func (v Vector) Context() Context { return Context{base: tally{v.roster, v.plain()}} }

// Clone returns a copy that may be changed.
func (c Context) Clone() Context {
	return Context{tally{c.base.roster, slices.Clone(c.base.counts)}, slices.Clone(c.beyond)}
}

// Base returns what is known without a gap: the most that a Vector can say of it.
func (c Context) Base() Vector { return c.base.vector() }

// Contiguous reports whether there are no gaps, so that Base is all.
func (c Context) Contiguous() bool { return len(c.beyond) == 0 }

// Contains reports whether an event is known.
func (c Context) Contains(d Dot) bool {
	if i, known := c.base.roster.find(d.ID); known && d.N <= c.base.counts[i] {
		return d.N > 0
	}
	return len(c.beyond) > 0 && c.holds(Span{d.ID, d.N, d.N})
}

// holds reports whether all of a span is known beyond the base. As no two spans touch, it is in one.
func (c *Context) holds(s Span) bool {
	lo, hi := c.touching(s)
	return lo+1 == hi && c.beyond[lo].From <= s.From && s.To <= c.beyond[lo].To
}

// touching returns which spans beyond the base have a dot of s, or the one before or after.
func (c *Context) touching(s Span) (lo, hi int) {
	if len(c.beyond) == 0 {
		return 0, 0
	}
	lo = sort.Search(len(c.beyond), func(i int) bool {
		t := &c.beyond[i]
		return t.ID > s.ID || t.ID == s.ID && t.To+1 >= s.From
	})
	hi = lo + sort.Search(len(c.beyond)-lo, func(i int) bool {
		t := &c.beyond[lo+i]
		return t.ID > s.ID || t.From > s.To+1
	})
	return lo, hi
}

// Next returns the dot after the largest that is known of a replica, and adds it. That is for the replica
// itself: what is in a gap has been given out before, and may be on its way.
func (c *Context) Next(id ID) (Dot, error) {
	if err := id.check(); err != nil {
		return Dot{}, err
	}
	n := c.base.get(id)
	if lo, hi := c.touching(Span{id, 1, MaxCount}); lo < hi {
		n = c.beyond[hi-1].To
	}
	if err := checkCount(id, n+1); err != nil {
		return Dot{}, err
	}
	c.add(Span{id, n + 1, n + 1})
	return Dot{id, n + 1}, nil
}

// Add takes in an event, and reports whether it is new.
func (c *Context) Add(d Dot) (bool, error) { return c.AddSpan(Span{d.ID, d.N, d.N}) }

// AddSpan takes in several, and reports whether any is new.
func (c *Context) AddSpan(s Span) (bool, error) {
	if err := s.check(); err != nil {
		return false, err
	}
	return c.add(s), nil
}

// add takes in a span, and with it those that it touches. There are two cases:
//
//	base 3, and 6-7, 9      4-5 touches the base and 6-7:  base 7, and 9
//	                        8   touches 6-7 and 9:         base 3, and 6-9
func (c *Context) add(s Span) bool {
	i, known := c.base.roster.find(s.ID)
	base := uint64(0)
	if known {
		base = c.base.counts[i]
	}
	if s.To <= base {
		return false
	}
	lo, hi := c.touching(s)
	if lo < hi {
		first, last := c.beyond[lo], c.beyond[hi-1]
		if first.From <= s.From && s.To <= first.To {
			return false
		}
		s = Span{s.ID, min(s.From, first.From), max(s.To, last.To)}
	}
	switch {
	case s.From > base+1:
		c.beyond = slices.Replace(c.beyond, lo, hi, s)
		return true
	case known:
		c.base.counts[i] = s.To
	default:
		c.base = tally{c.base.roster.with(i, s.ID), slices.Insert(c.base.counts, i, s.To)}
	}
	c.beyond = slices.Delete(c.beyond, lo, hi)
	return true
}

// fewSpans is up to how many are merged one by one. For a dot that comes alone the pass over both would take
// several times as long, and ten times with 16 replicas (BenchmarkContextMerge, case=deltas).
const fewSpans = 8

// Merge takes in what d knows, so that c is the least that descends from both, and reports whether
// that was anything new.
func (c *Context) Merge(d Context) bool {
	if len(d.base.counts)+len(d.beyond) <= fewSpans {
		return c.mergeFew(d)
	}
	return c.mergeMany(d)
}

// mergeFew takes one after the other, each of which may move what is there.
func (c *Context) mergeFew(d Context) (grew bool) {
	for w := (walk{c: d}); w.next(); {
		grew = c.add(w.span) || grew
	}
	return grew
}

// mergeMany takes one pass over both.
func (c *Context) mergeMany(d Context) bool {
	if c.Descends(d) {
		return false
	}
	if c.base.roster.same(d.base.roster) {
		mine := c.base.counts
		for i, n := range d.base.counts {
			mine[i] = max(mine[i], n)
		}
	} else {
		c.base = union(c.base.roster, d.base.roster, c.base.counts, d.base.counts)
	}
	if len(c.beyond)+len(d.beyond) > 0 {
		c.join(d.beyond)
	}
	return true
}

// join makes one list of two, and leaves to the base what the base has reached.
func (c *Context) join(theirs []Span) {
	mine := c.beyond
	c.beyond = make([]Span, 0, len(mine)+len(theirs))
	counts := c.base.counts
	for len(mine)+len(theirs) > 0 {
		var s Span
		if len(theirs) == 0 || len(mine) > 0 && mine[0].order(theirs[0]) < 0 {
			s, mine = mine[0], mine[1:]
		} else {
			s, theirs = theirs[0], theirs[1:]
		}
		if i, is := c.base.roster.find(s.ID); is && s.From <= counts[i]+1 {
			counts[i] = max(counts[i], s.To)
		} else {
			c.beyond = extend(c.beyond, s)
		}
	}
}

// Compare returns whether c knows less than d, more, the same, or each something that the other does not.
func (c Context) Compare(d Context) Ordering {
	more, less := c.base.differ(d.base)
	return ordering(more || !d.covers(c.beyond), less || !c.covers(d.beyond))
}

// Descends reports whether c knows all that d knows.
func (c Context) Descends(d Context) bool {
	_, less := c.base.differ(d.base)
	return !less && c.covers(d.beyond)
}

// covers reports whether all spans of a sorted list are known. For a base it is enough to compare numbers: whose base
// is less does not know the dot after it.
func (c *Context) covers(spans []Span) bool {
	for _, s := range spans {
		if s.To > c.base.get(s.ID) && !c.holds(s) {
			return false
		}
	}
	return true
}

// Meet returns what both know.
func (c Context) Meet(d Context) Context {
	var both draft
	v, w := walk{c: c}, walk{c: d}
	for ok := v.next() && w.next(); ok; {
		s, t := v.span, w.span
		if s.ID == t.ID && s.From <= t.To && t.From <= s.To {
			both.push(Span{s.ID, max(s.From, t.From), min(s.To, t.To)})
		}
		if s.ID < t.ID || s.ID == t.ID && s.To < t.To {
			ok = v.next()
		} else {
			ok = w.next()
		}
	}
	return both.context()
}

// AppendBinary writes the canonical binary form: the base as a vector has it, the number of replicas with
// something beyond theirs, and of each its name, the number of spans, and for each span how many dots
// are missing before it, less the one that must be, and how many it has, less one.
//
//	{"a":"1-3,5-6,9", "b":"2"}    10   01 01 61 03   02   01 61 02  00 01  01 00   01 62 01  00 00
func (c Context) AppendBinary(b []byte) ([]byte, error) {
	return c.AppendTo(append(b, kindContext.form())), nil
}

// AppendTo writes it without the form, as a part of something else.
func (c Context) AppendTo(b []byte) []byte {
	b = c.base.appendTo(b)
	replicas := 0
	for i, s := range c.beyond {
		if i == 0 || s.ID != c.beyond[i-1].ID {
			replicas++
		}
	}
	b = binary.AppendUvarint(b, uint64(replicas))
	before := ID("")
	for rest := c.beyond; len(rest) > 0; {
		id, n := rest[0].ID, 1
		for n < len(rest) && rest[n].ID == id {
			n++
		}
		b = binary.AppendUvarint(AppendID(b, before, id), uint64(n))
		end := c.base.get(id)
		for _, s := range rest[:n] {
			b = binary.AppendUvarint(b, s.From-end-2)
			b = binary.AppendUvarint(b, s.To-s.From)
			end = s.To
		}
		before, rest = id, rest[n:]
	}
	return b
}

// MarshalBinary is AppendBinary to nothing.
func (c Context) MarshalBinary() ([]byte, error) { return c.AppendBinary(nil) }

// UnmarshalBinary reads what AppendBinary writes, and nothing else.
func (c *Context) UnmarshalBinary(b []byte) error {
	d := decode(kindContext, b)
	got := d.Context()
	if err := d.End(); err != nil {
		return err
	}
	*c = got
	return nil
}

// Context reads what AppendTo writes.
func (d *Decoder) Context() Context {
	v := d.Vector()
	c := v.Context()
	before := ID("")
	for range d.Count(5) {
		id := d.ID(before)
		c.beyond = d.spans(c.beyond, id, c.base.get(id))
		before = id
	}
	if d.err != nil {
		return Context{}
	}
	return c
}

// spans reads those of a replica that is known up to end, and adds them to a list.
func (d *Decoder) spans(list []Span, id ID, end uint64) []Span {
	n := d.Count(2)
	if n == 0 {
		d.Fail("no spans of %v", id)
	}
	for range n {
		from := end + 2 + d.Number(MaxCount)
		end = from + d.Number(MaxCount)
		if end > MaxCount {
			d.Fail("%v at %d, at most %d", id, end, uint64(MaxCount))
		}
		if d.err != nil {
			return nil
		}
		list = append(list, Span{id, from, end})
	}
	return list
}

// MarshalJSON writes an object with the spans of each replica: {"a":"1-3,5-6,9","b":"2"}.
func (c Context) MarshalJSON() ([]byte, error) { return c.text(","), nil }

// UnmarshalJSON reads that, with names and spans in any order. A name that comes twice is an error.
func (c *Context) UnmarshalJSON(b []byte) error {
	spans, err := parseSpans(b)
	if err != nil {
		return fmt.Errorf("%w Context: %w", ErrCorrupt, err)
	}
	got, err := ContextOf(spans...)
	if err != nil {
		return fmt.Errorf("%w Context: %w", ErrCorrupt, err)
	}
	*c = got
	return nil
}

// MarshalText writes what String does.
func (c Context) MarshalText() ([]byte, error) { return c.text(", "), nil }

// UnmarshalText reads what String and MarshalJSON write.
func (c *Context) UnmarshalText(b []byte) error { return c.UnmarshalJSON(b) }

// String writes it as JSON has it, with spaces.
func (c Context) String() string { return string(c.text(", ")) }

func (c Context) text(comma string) []byte {
	b := []byte{'{'}
	before := ID("")
	for w := (walk{c: c}); w.next(); {
		switch {
		case w.span.ID == before:
			b = append(b, ',')
		case before != "":
			b = append(append(b, '"'), comma...)
			fallthrough
		default:
			name, _ := json.Marshal(string(w.span.ID)) // a string has a form
			b = append(append(b, name...), `:"`...)
		}
		b = w.span.appendNumbers(b)
		before = w.span.ID
	}
	if before != "" {
		b = append(b, '"')
	}
	return append(b, '}')
}
