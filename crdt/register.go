package crdt

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/plinth-go/plinth/vclock"
)

// stamped is when something was written, and by whom. The zero stamped is never, which is before all.
type stamped struct {
	at vclock.Timestamp
	by vclock.ID
}

// compare is the order of times, and of names where those are equal.
func (s stamped) compare(t stamped) int {
	if s.by == "" || t.by == "" {
		return cmp.Compare(s.by, t.by) // never is before any time, also before 1970
	}
	return cmp.Or(s.at.Compare(t.at), cmp.Compare(s.by, t.by))
}

// LWWRegister holds one value: that of the last writer, which is the one with the latest Timestamp.
//
//	a   Set(10:00, "tea")  ────╲─╱────▶ "milk"
//	                            ╳
//	b   Set(10:01, "milk") ────╱─╲────▶ "milk"        "tea" is lost, and nobody is told
//
// The join is the later one of two. That they may be joined in any order, each two must have an order, so what is equal in
// time goes by the name of who wrote it, and what is equal in that too, because a name or a Timestamp was
// used twice, by the bytes of the value: the larger ones win. A deletion is a write of nothing, and keeps its
// Timestamp: otherwise an older value that comes late would be new again.
//
// It is only as right as the clocks. Who has one that is ahead by a day wins for a day, whatever the others write
// after him and because of what he wrote. Take Timestamps of a vclock.HLC, and let it Update with that
// of each message before you Merge it: then what is written with knowledge of something is later than that, and
// who is too far ahead is refused (vclock.ErrDrift) before it has done any harm.
//
// Johnson and Thomas: The Maintenance of Duplicate Databases, RFC 677, 1975; Shapiro and others: A Comprehensive Study of
// Convergent and Commutative Replicated Data Types, 2011, section 3.2.1.
//
//	Set, Delete    the codec; the delta is the whole
//	Get            the codec
//	Merge          a comparison
//	memory         a Timestamp, a name, and the bytes of the value, which Set copies
//	bad at         what two have written at the same time: one is lost. MVRegister keeps both
//
// Make one with NewLWWRegister. The zero LWWRegister has no codec: it has nothing, and can be read and merged, and then has
// the other one's; Set and UnmarshalBinary fail. It is safe for concurrent readers; a writer needs exclusive access.
type LWWRegister[V any] struct {
	codec vclock.Codec[V]
	last  stamped
	has   bool   // false if it was never written, or deleted
	value string // what codec writes, so that nobody else has a part of it
}

// NewLWWRegister returns one without a value. The codec writes values as bytes; all replicas must have the same.
func NewLWWRegister[V any](codec vclock.Codec[V]) *LWWRegister[V] {
	if codec == nil {
		panic("crdt: NewLWWRegister without a codec")
	}
	return &LWWRegister[V]{codec: codec}
}

// errNoCodec is of a register that was not made as it should be.
var errNoCodec = errors.New("crdt: LWWRegister: no codec: it is made by NewLWWRegister")

// Set writes a value in the name of a replica, and returns the delta. What is older than what is there is lost at
// once, and its delta is empty.
func (r *LWWRegister[V]) Set(at vclock.Timestamp, id vclock.ID, v V) (*LWWRegister[V], error) {
	if r.codec == nil {
		return nil, errNoCodec
	}
	b, err := r.codec.Append(nil, v)
	if err != nil {
		return nil, fmt.Errorf("crdt: LWWRegister: the value of %v at %v: %w", id, at, err)
	}
	d := vclock.NewDecoder(ErrCorrupt, "LWWRegister: a value that its codec has written", b)
	vclock.ParseValue(d, r.codec)
	if err := d.End(); err != nil {
		return nil, err // the others could not read it, nor could Get
	}
	return r.write(LWWRegister[V]{r.codec, stamped{at, id}, true, string(b)})
}

// Delete removes the value in the name of a replica, and returns the delta.
func (r *LWWRegister[V]) Delete(at vclock.Timestamp, id vclock.ID) (*LWWRegister[V], error) {
	return r.write(LWWRegister[V]{codec: r.codec, last: stamped{at, id}})
}

func (r *LWWRegister[V]) write(delta LWWRegister[V]) (*LWWRegister[V], error) {
	if err := checkID(delta.last.by); err != nil {
		return nil, fmt.Errorf("crdt: LWWRegister: %w", err)
	}
	if r.Merge(&delta) {
		return &delta, nil
	}
	return &LWWRegister[V]{codec: r.codec}, nil
}

// Get returns the value, and whether there is one. It is the caller's.
func (r *LWWRegister[V]) Get() (v V, is bool) {
	if r.has {
		v, _, _ = r.codec.Parse([]byte(r.value)) // as Set or UnmarshalBinary has done already
	}
	return v, r.has
}

// Stamp returns when it was written last, or deleted, and by whom: zeros if never. It says whose clock is wrong,
// and is what an HLC should Update with before Merge.
func (r *LWWRegister[V]) Stamp() (vclock.Timestamp, vclock.ID) { return r.last.at, r.last.by }

// Merge takes what was written later.
func (r *LWWRegister[V]) Merge(other *LWWRegister[V]) bool {
	if r.compare(other) >= 0 {
		return false
	}
	codec := r.codec
	if codec == nil {
		codec = other.codec
	}
	*r = *other
	r.codec = codec
	return true
}

// compare is the order of all that can be in a register.
func (r *LWWRegister[V]) compare(other *LWWRegister[V]) int {
	if order := r.last.compare(other.last); order != 0 {
		return order
	}
	switch {
	case r.has && !other.has:
		return 1
	case other.has && !r.has:
		return -1
	}
	return strings.Compare(r.value, other.value)
}

// Compare returns how they relate. Of two, none is ever concurrent with the other: that is what gets lost.
func (r *LWWRegister[V]) Compare(other *LWWRegister[V]) vclock.Ordering {
	order := r.compare(other)
	return ordering(order > 0, order < 0)
}

// Clone returns a copy.
func (r *LWWRegister[V]) Clone() *LWWRegister[V] {
	clone := *r
	return &clone
}

// What a form says first.
const (
	registerNever byte = iota
	registerDeleted
	registerHas
)

// AppendBinary writes the canonical form: a byte, which is 0 if it was never written, and that is all, 1 if it was
// deleted, and 2 if it has a value; the Timestamp; the name; and the value, as the codec writes it.
//
//	"tea" at 100 ns after 1970 and 5, by a, with StringCodec    20   02   c8 01 05   01 61   03 74 65 61
func (r *LWWRegister[V]) AppendBinary(b []byte) ([]byte, error) {
	b = append(b, kindLWWRegister.form())
	switch {
	case r.has:
		b = append(b, registerHas)
	case r.last.by != "":
		b = append(b, registerDeleted)
	default:
		return append(b, registerNever), nil
	}
	return append(vclock.AppendID(r.last.at.AppendTo(b), "", r.last.by), r.value...), nil
}

// MarshalBinary is AppendBinary to nothing.
func (r *LWWRegister[V]) MarshalBinary() ([]byte, error) { return r.AppendBinary(nil) }

// UnmarshalBinary reads what AppendBinary writes, and nothing else.
func (r *LWWRegister[V]) UnmarshalBinary(b []byte) error {
	if r.codec == nil {
		return errNoCodec
	}
	d := decode(kindLWWRegister, b)
	read := LWWRegister[V]{codec: r.codec}
	switch state := d.Byte(); {
	case state > registerHas:
		d.Fail("a state of %d, at most %d", state, registerHas)
	case state != registerNever:
		read.last = stamped{d.Timestamp(), d.ID("")}
		read.has = state == registerHas
	}
	if read.has {
		from := len(b) - d.Left()
		vclock.ParseValue(d, r.codec)
		read.value = string(b[from : len(b)-d.Left()])
	}
	if err := d.End(); err != nil {
		return err
	}
	*r = read
	return nil
}

// String writes the value as package fmt does, and <none> if there is none.
func (r *LWWRegister[V]) String() string {
	v, is := r.Get()
	if !is {
		return "<none>"
	}
	return fmt.Sprint(v)
}

// MarshalJSON writes the value as package json does, and null if there is none.
func (r *LWWRegister[V]) MarshalJSON() ([]byte, error) {
	v, is := r.Get()
	if !is {
		return []byte("null"), nil
	}
	return json.Marshal(v)
}
