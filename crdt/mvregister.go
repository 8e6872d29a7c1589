package crdt

import (
	"bytes"
	"fmt"

	"github.com/plinth-go/plinth/vclock"
)

// MVRegister is a value that all may set, and that tells of a conflict instead of losing one of its sides: those that
// were set at the same time stay as siblings, until somebody who has seen them sets another.
//
//	a   set "tea" (a:1) ───────●  {a:1 tea, b:1 coffee} ── set "both" (a:2) ── {a:2 both}
//	                          ╱                                           ╲
//	b   set "coffee" (b:1) ──●─────────────────────────────────────────────●  {a:2 both}
//
// An LWWRegister would have kept the later of tea and coffee, by clocks that nobody has compared. Here the user, or
// a program that knows what the values mean, looks at both and decides; the decision is a Set as any other, which takes
// the place of all that its replica has seen. It is what Dynamo does with the versions of a cart (DeCandia and
// others: Dynamo: Amazon's Highly Available Key-value Store, 2007), and the MV-Register of Shapiro and others, 2011, with a
// dot for each value instead of a whole vector.
//
//	Set             writes the value once, to see that it has a form; a delta of one value
//	Merge           one pass over the siblings of both; one value of a dot that both have is compared by its bytes
//	memory          a dot for each sibling, mostly one; a Context
//	bad at          writers who do not read: each of them adds a sibling, as long as they do not hear of each other
//
// Values are carried, and not copied: they must not be changed once they are set.
//
// A zero MVRegister is empty and can be merged into; all else needs the codec of NewMVRegister. It is safe for
// concurrent readers; a writer needs exclusive access.
type MVRegister[V any] struct {
	shared
	codec    vclock.Codec[V]
	siblings []valued[V] // immutable; sorted by dot
}

// NewMVRegister returns an empty one, whose values a codec writes and reads.
func NewMVRegister[V any](codec vclock.Codec[V]) *MVRegister[V] {
	if codec == nil {
		panic("crdt: NewMVRegister: no codec")
	}
	return &MVRegister[V]{codec: codec}
}

// Set sets a value in the name of a replica, in place of all that are there, and returns the delta. It fails
// for a value that the codec does not write: nobody could be told of it.
func (r *MVRegister[V]) Set(id vclock.ID, v V) (*MVRegister[V], error) {
	if _, err := r.hasCodec().Append(nil, v); err != nil {
		return nil, fmt.Errorf("crdt: MVRegister: a value: %w", err)
	}
	dot, err := r.seen().Next(id)
	if err != nil {
		return nil, fmt.Errorf("crdt: MVRegister: %w", err)
	}
	delta := r.Clear()
	_, _ = delta.context.Add(dot) // it comes from a context
	r.siblings = []valued[V]{{dot, v}}
	delta.siblings = r.siblings
	return delta, nil
}

// Clear removes all values that are there, and returns the delta. One that is set at the same time stays.
func (r *MVRegister[V]) Clear() *MVRegister[V] {
	delta := &MVRegister[V]{shared: shared{contextOfAll(r)}, codec: r.codec}
	r.siblings = nil
	return delta
}

func (r *MVRegister[V]) hasCodec() vclock.Codec[V] {
	if r.codec == nil {
		panic("crdt: MVRegister: no codec: it is not of NewMVRegister")
	}
	return r.codec
}

// Values returns the values: none if it was never set or is cleared, one mostly, and several if there is a conflict, also
// if they are the same: that two have set it is for who reads it to see. All replicas that know the same have them in the
// same order.
func (r *MVRegister[V]) Values() []V {
	values := make([]V, len(r.siblings))
	for i, s := range r.siblings {
		values[i] = s.value
	}
	return values
}

// Context returns what has been seen.
func (r *MVRegister[V]) Context() vclock.Context { return r.peek().Clone() }

// Merge joins another one into it.
func (r *MVRegister[V]) Merge(other *MVRegister[V]) bool {
	return mergeCausal(r.seen(), r, other, other.peek())
}

// Compare returns how they relate.
func (r *MVRegister[V]) Compare(other *MVRegister[V]) vclock.Ordering {
	return compareCausal(r.peek(), r, other, other.peek())
}

// Clone returns a copy, which has the same values.
func (r *MVRegister[V]) Clone() *MVRegister[V] {
	c := r.peek().Clone()
	return r.cloneWithin(&c)
}

func (r *MVRegister[V]) cloneWithin(c *vclock.Context) *MVRegister[V] {
	return &MVRegister[V]{shared{c}, r.codec, r.siblings}
}

func (r *MVRegister[V]) join(mine *vclock.Context, other *MVRegister[V], theirs *vclock.Context) bool {
	if r.codec == nil {
		r.codec = other.codec
	}
	all, changed := joinValued(mine, r.siblings, other.siblings, theirs, r.less)
	if changed {
		r.siblings = all
	}
	return changed
}

func (r *MVRegister[V]) keeps(mine *vclock.Context, other *MVRegister[V]) bool {
	return keepsValued(mine, r.siblings, other.siblings, r.less)
}

// less orders the values of one dot by their bytes. All of them have been written before, by Set or by whom they come
// from.
func (r *MVRegister[V]) less(a, b V) bool {
	one, _ := r.hasCodec().Append(nil, a)
	other, _ := r.codec.Append(nil, b)
	return bytes.Compare(one, other) < 0
}

func (r *MVRegister[V]) dots(f func(vclock.Dot)) {
	for _, s := range r.siblings {
		f(s.dot)
	}
}

func (r *MVRegister[V]) alive() bool { return len(r.siblings) > 0 }

// AppendBinary writes the canonical form: the context, how many values there are, and each, in the order of dots:
// the dot, and what the codec makes of it.
//
//	{a:1 "tea"}    28   01 01 61 01 00   01   00 01   03 74 65 61
func (r *MVRegister[V]) AppendBinary(b []byte) ([]byte, error) {
	return appendCausal(b, kindMVRegister, r, r.peek())
}

// MarshalBinary is AppendBinary to nothing.
func (r *MVRegister[V]) MarshalBinary() ([]byte, error) { return r.AppendBinary(nil) }

func (r *MVRegister[V]) appendStore(b []byte, names []vclock.ID) ([]byte, error) {
	value := func(b []byte, v V) ([]byte, error) { return r.hasCodec().Append(b, v) }
	b, err := appendValued(b, r.siblings, names, value)
	if err != nil {
		return nil, fmt.Errorf("crdt: MVRegister: a value: %w", err)
	}
	return b, nil
}

// UnmarshalBinary reads what AppendBinary writes, and nothing else.
func (r *MVRegister[V]) UnmarshalBinary(b []byte) error {
	read := NewMVRegister(r.hasCodec())
	if err := parseCausal(b, kindMVRegister, read); err != nil {
		return err
	}
	*r = *read
	return nil
}

func (r *MVRegister[V]) parseStore(d *vclock.Decoder, c *vclock.Context, names []vclock.ID) {
	r.siblings = parseValued(d, c, names, func() V { return vclock.ParseValue(d, r.hasCodec()) })
}

// String lists the values.
func (r *MVRegister[V]) String() string { return fmt.Sprint(r.Values()) }

// MarshalJSON writes a list of the values.
func (r *MVRegister[V]) MarshalJSON() ([]byte, error) {
	b, err := jsonList(r.Values())
	if err != nil {
		return nil, fmt.Errorf("crdt: MVRegister: %w", err)
	}
	return b, nil
}
