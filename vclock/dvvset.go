package vclock

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
)

// DVVSet is a dotted version vector set: the values of one key that nobody has overwritten yet, its siblings,
// and what has been known of that key. A store holds one for each key, on each of its servers.
//
// Clients read values together with their context, and write with the context that they have read. Such a write takes
// the place of exactly those values that its client knew. A version vector for all siblings together
// cannot do that: it tells that a client does not know everything, but not what it knows.
//
//	                               version vector          DVVSet
//	Ann writes 1, knows nothing    {a:1}  1                {a:1}  a:1=1
//	Ben writes 2, knows nothing    {a:2}  1 2              {a:2}  a:1=1 a:2=2
//	Ann writes 3, knows {a:1}      {a:3}  1 2 3            {a:3}  a:2=2 a:3=3
//
// Ann's 3 is meant to replace her 1. As she does not know {a:2}, the vector form has to keep both, and goes on
// keeping with each of her writes. Here each value has a dot, the event of its server that wrote it, so one can see that
// {a:1} covers the dot of 1 and not that of 2. There are as many siblings as writers who do
// not know of each other, and vectors grow with servers and not with clients.
//
// Almeida, Baquero, Gonçalves, Preguiça, Fonte: Scalable and Accurate Causality Tracking for Eventually
// Consistent Stores, 2014. They keep the dots of a server's values in the order of a list; here each value has
// its own, so that LWW can keep any. Their Erlang code also has values without a dot, for what is reconciled,
// and drops them where a server that has not heard of them has taken another write since. So here
// Reconcile is a write, with a dot.
//
// It is a value, like a string: an assigned copy never changes. The values V themselves are not copied.
//
//	Put, Merge      one pass over the vector and the siblings; they copy what they change
//	memory          a Vector; a dot for each sibling
//	bad at          clients that write and never read: all that they write stays
//
// The zero DVVSet has no values. It is safe for concurrent readers; a writer needs exclusive access.
type DVVSet[V any] struct {
	context  Vector       // all dots that were ever here
	siblings []sibling[V] // immutable; sorted by dot, and all of them in context
}

// sibling is a value that nobody has overwritten.
type sibling[V any] struct {
	dot   Dot
	value V
}

// ErrBehind says that a server does not know of events that are its own. Either it has lost them, and would give
// their dots to others: then it must go on under another ID. Or somebody has made them up.
var ErrBehind = errors.New("vclock: server is behind itself")

// Put writes a value at a server, in place of all those that ctx knows: what Context returned with the values
// that the client has read, or the zero Vector if it has read none.
//
// What ctx knows of other servers counts here as well from now on, even if it has not arrived here: the client
// has read it there. Of this server ctx cannot know more than the server does, so that is ErrBehind. Who
// does not trust its clients signs what it gives them as context: one that is made up would drop values unread, and
// push the counters of other servers to their end, which is ErrExhausted for them.
func (s *DVVSet[V]) Put(ctx Vector, server ID, v V) error {
	if told, own := ctx.Get(server), s.context.Get(server); told > own {
		return fmt.Errorf("%w: %v is told of its event %d, and is at %d", ErrBehind, server, told, own)
	}
	context := s.context
	context.Merge(ctx)
	dot, err := context.Tick(server)
	if err != nil {
		return err
	}
	siblings := make([]sibling[V], 0, len(s.siblings)+1)
	for _, old := range s.siblings {
		if !ctx.Contains(old.dot) {
			siblings = append(siblings, old)
		}
	}
	i, _ := slices.BinarySearchFunc(siblings, dot, byDot[V])
	s.context, s.siblings = context, slices.Insert(siblings, i, sibling[V]{dot, v})
	return nil
}

func byDot[V any](s sibling[V], d Dot) int { return s.dot.order(d) }

// Merge takes in what another server has, and reports whether that was anything new. There is one rule:
// a value stays if both have it, or if the other has not heard of it. What the other has heard of, and
// has not, was overwritten. Of a dot that both have it keeps its own value, as there is one, unless two servers
// have the same ID.
func (s *DVVSet[V]) Merge(o DVVSet[V]) bool {
	if _, less := s.differ(o); !less {
		return false
	}
	siblings := make([]sibling[V], 0, len(s.siblings)+len(o.siblings))
	mine, theirs := s.siblings, o.siblings
	for len(mine)+len(theirs) > 0 {
		order := 0
		switch {
		case len(theirs) == 0:
			order = -1
		case len(mine) == 0:
			order = 1
		default:
			order = mine[0].dot.order(theirs[0].dot)
		}
		switch {
		case order == 0:
			siblings = append(siblings, mine[0])
			mine, theirs = mine[1:], theirs[1:]
		case order < 0:
			if !o.context.Contains(mine[0].dot) {
				siblings = append(siblings, mine[0])
			}
			mine = mine[1:]
		default:
			if !s.context.Contains(theirs[0].dot) {
				siblings = append(siblings, theirs[0])
			}
			theirs = theirs[1:]
		}
	}
	s.context.Merge(o.context)
	s.siblings = siblings
	return true
}

// Compare returns whether s has seen less than o, more, the same, or each something that the other has
// not. That a value has gone is something seen: after LWW a set is after what it was.
func (s DVVSet[V]) Compare(o DVVSet[V]) Ordering { return ordering(s.differ(o)) }

func (s DVVSet[V]) differ(o DVVSet[V]) (more, less bool) {
	more, less = s.context.tally().differ(o.context.tally())
	return more || s.dropped(o), less || o.dropped(s)
}

// dropped reports whether s has heard of a value that o has, and has it no more.
func (s DVVSet[V]) dropped(o DVVSet[V]) bool {
	i := 0
	for _, theirs := range o.siblings {
		for i < len(s.siblings) && s.siblings[i].dot.order(theirs.dot) < 0 {
			i++
		}
		have := i < len(s.siblings) && s.siblings[i].dot == theirs.dot
		if !have && s.context.Contains(theirs.dot) {
			return true
		}
	}
	return false
}

// Context returns what a client must give to Put after it has read Values.
func (s DVVSet[V]) Context() Vector { return s.context }

// Values returns all that nobody has overwritten, in the order of their dots, which is the same on all servers.
func (s DVVSet[V]) Values() []V {
	values := make([]V, 0, len(s.siblings))
	for _, sib := range s.siblings {
		values = append(values, sib.value)
	}
	return values
}

// All ranges over the values, each with the event that wrote it.
func (s DVVSet[V]) All() iter.Seq2[Dot, V] {
	return func(yield func(Dot, V) bool) {
		for _, sib := range s.siblings {
			if !yield(sib.dot, sib.value) {
				return
			}
		}
	}
}

// Len returns how many values there are: more than one is a conflict.
func (s DVVSet[V]) Len() int { return len(s.siblings) }

// Reconcile makes one value of several, and writes it at a server. If there is no more than one it does
// nothing. That is a write like others: of two servers that reconcile at a time, each has written a value that the other
// does not know. So let one server, or the client that reads, do it for a key; or use LWW, which writes nothing.
func (s *DVVSet[V]) Reconcile(server ID, f func([]V) V) error {
	if f == nil {
		panic("vclock: Reconcile without a function")
	}
	if s.Len() < 2 {
		return nil
	}
	return s.Put(s.context, server, f(s.Values()))
}

// LWW, last writer wins, keeps the greatest value; of those of which none is less than another, that with the
// greatest dot. The others are lost, here and wherever this is merged into. All servers must have the same order of values:
// then each value that is dropped anywhere is so for a greater one, and the greatest of all stays.
func (s *DVVSet[V]) LWW(less func(a, b V) bool) {
	if less == nil {
		panic("vclock: LWW without an order")
	}
	if s.Len() < 2 {
		return
	}
	last := s.siblings[0]
	for _, sib := range s.siblings[1:] {
		if !less(sib.value, last.value) {
			last = sib
		}
	}
	s.siblings = []sibling[V]{last}
}

// Encode adds the canonical binary form to b: the context as a vector has it, the number of values, and of each
// which name of the context its dot has, from 0 on, how far below the number there it is, and the value as codec writes it.
//
//	{"a":3} a:2="y" a:3="zz", with StringCodec    18   01 01 61 03   02   00 01 01 79   00 00 02 7a 7a
func (s DVVSet[V]) Encode(b []byte, codec Codec[V]) ([]byte, error) {
	b = s.context.AppendTo(append(b, kindDVVSet.form()))
	b = binary.AppendUvarint(b, uint64(len(s.siblings)))
	for _, sib := range s.siblings {
		i, _ := s.context.roster.find(sib.dot.ID)
		b = binary.AppendUvarint(b, uint64(i))
		b = binary.AppendUvarint(b, s.context.at(i)-sib.dot.N)
		var err error
		if b, err = codec.Append(b, sib.value); err != nil {
			return nil, fmt.Errorf("vclock: DVVSet: the value of %v: %w", sib.dot, err)
		}
	}
	return b, nil
}

// Decode reads what Encode writes, and nothing else.
func (s *DVVSet[V]) Decode(b []byte, codec Codec[V]) error {
	d := decode(kindDVVSet, b)
	got := DVVSet[V]{context: d.Vector()}
	before := Dot{}
	for range d.Count(2) {
		dot := d.dotOf(got.context)
		if d.err == nil && dot.order(before) <= 0 {
			d.Fail("%v after %v", dot, before)
		}
		v := ParseValue(d, codec)
		if d.err != nil {
			return d.err
		}
		got.siblings = append(got.siblings, sibling[V]{dot, v})
		before = dot
	}
	if err := d.End(); err != nil {
		return err
	}
	*s = got
	return nil
}

// dotOf reads a dot that a vector contains.
func (d *Decoder) dotOf(v Vector) Dot {
	if d.err == nil && v.Len() == 0 {
		d.Fail("a value, and nothing in the context")
	}
	if d.err != nil {
		return Dot{}
	}
	i := int(d.Number(uint64(v.Len() - 1)))
	return Dot{v.roster.ids[i], v.at(i) - d.Number(v.at(i)-1)}
}

// jsonDVVSet is a DVVSet as JSON has it.
type jsonDVVSet[V any] struct {
	Context  Vector           `json:"context"`
	Siblings []jsonSibling[V] `json:"siblings"`
}

type jsonSibling[V any] struct {
	ID    ID     `json:"id"`
	N     uint64 `json:"n"`
	Value V      `json:"value"`
}

// MarshalJSON writes {"context":{"a":3},"siblings":[{"id":"a","n":2,"value":"y"},…]}, and values as package json does.
func (s DVVSet[V]) MarshalJSON() ([]byte, error) {
	siblings := make([]jsonSibling[V], 0, len(s.siblings))
	for _, sib := range s.siblings {
		siblings = append(siblings, jsonSibling[V]{sib.dot.ID, sib.dot.N, sib.value})
	}
	return json.Marshal(jsonDVVSet[V]{s.context, siblings})
}

// UnmarshalJSON reads what MarshalJSON writes, with siblings in any order.
func (s *DVVSet[V]) UnmarshalJSON(b []byte) error {
	got, err := parseDVVSet[V](b)
	if err != nil {
		return fmt.Errorf("%w DVVSet: %w", ErrCorrupt, err)
	}
	*s = got
	return nil
}

func parseDVVSet[V any](b []byte) (s DVVSet[V], err error) {
	var context *Vector
	var siblings []jsonSibling[V]
	err = eachMember(b, func(d *json.Decoder, name string) error {
		d.DisallowUnknownFields()
		switch name {
		case "context":
			return d.Decode(&context)
		case "siblings":
			return d.Decode(&siblings)
		}
		return fmt.Errorf("byte %d: unknown field %q", d.InputOffset(), name)
	})
	if err == nil && (context == nil || siblings == nil) {
		err = errors.New("want an object with context and siblings")
	}
	if err != nil {
		return DVVSet[V]{}, err
	}
	s.context = *context
	for _, sib := range siblings {
		dot := Dot{sib.ID, sib.N}
		if !s.context.Contains(dot) {
			return DVVSet[V]{}, fmt.Errorf("a value of %v, which %v does not know", dot, s.context)
		}
		s.siblings = append(s.siblings, sibling[V]{dot, sib.Value})
	}
	slices.SortFunc(s.siblings, func(a, b sibling[V]) int { return a.dot.order(b.dot) })
	for i, sib := range s.siblings[min(1, len(s.siblings)):] {
		if sib.dot == s.siblings[i].dot {
			return DVVSet[V]{}, fmt.Errorf("two values of %v", sib.dot)
		}
	}
	return s, nil
}

// String writes it for people: {"a":3} [a:2=y a:3=zz].
func (s DVVSet[V]) String() string {
	var b strings.Builder
	for dot, v := range s.All() {
		if b.Len() > 0 {
			b.WriteByte(' ')
		}
		fmt.Fprintf(&b, "%v=%v", dot, v)
	}
	return fmt.Sprintf("%v [%s]", s.context, b.String())
}
