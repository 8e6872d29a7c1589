package crdt

import (
	"cmp"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"

	"github.com/plinth-go/plinth/vclock"
)

// ORMap is a map whose values are of a Causal type themselves: sets, registers, flags, counters, or
// maps again, so that it can hold a whole document. Updates of one key are merged as its values are; and a
// removal removes what its replica has seen of the value, and no more:
//
//	a   fruit: {fig a:1} ──── add kiwi: {fig a:1, kiwi a:2} ───●  fruit: {kiwi a:2}
//	            ╲                                             ╱
//	b            ●── remove fruit: a:1 is gone ──────────────●
//
// It is "reset-remove": b has removed the figs, so they are gone although the key is there; a's kiwi is news
// to b, so it stays. A key is in the map for as long as anything is alive under it: it goes with the last element of an
// ORSet, with an EWFlag that is disabled, a CausalCounter that is reset, and stays with a DWFlag or an RWSet, which
// remember what was said against something.
//
//	map      context {a:1-2, b:1}, one for all
//	├── fruit   {kiwi a:2}           a store without a context
//	└── drinks  {tea b:1}
//
// All values share the context of the map. If each had one of its own, then the one of a removed value
// would have to be kept: without it an old copy of the value would look new, and come back. So each change of any value
// takes the next dot of the map, and a dot is under one key only.
//
// Almeida, Shoker, Baquero: Delta State Replicated Data Types, 2018. Before it, with each value
// in a context of its own and several ways to go wrong, it was the map of Riak (Brown, Cribbs, Meiklejohn, Elliott:
// Riak DT Map: A Composable, Convergent Replicated Dictionary, 2014).
//
//	Update, Remove  what the change of the value costs; a delta of the key and that
//	Get, All        a copy of the value, and of the context; View copies nothing
//	Merge           of a delta: a look for each of its dots, and a merge of each key it is about;
//	                of a full state: a merge for each key
//	memory          the values and their keys; one Context; a second map from dots to keys, once a small delta has been
//	                merged, until a large one is
//	bad at          values of several types; the counter of a key that is removed while others count: see CausalCounter
//
// A zero ORMap is empty and can be merged into; all else needs NewORMap. It is safe for concurrent readers; a
// writer needs exclusive access.
type ORMap[K cmp.Ordered, V Causal[V]] struct {
	shared
	zero    func() V
	entries map[K]V          // all alive, and within the context of the map
	byDot   map[vclock.Dot]K // of all in entries; nil until a delta asks for it
}

// NewORMap returns an empty one. zero makes an empty value:
//
//	NewORMap[string](func() *ORSet[string] { return new(ORSet[string]) })
func NewORMap[K cmp.Ordered, V Causal[V]](zero func() V) *ORMap[K, V] {
	if zero == nil {
		panic("crdt: NewORMap: no func that makes a value")
	}
	return &ORMap[K, V]{zero: zero}
}

// Update changes the value under a key, and returns the delta. f is given the value, or an empty one if there
// is none; it changes it in the name of the replica id, and returns the delta of that:
//
//	m.Update(id, "fruit", func(s *ORSet[string]) (*ORSet[string], error) { return s.Add(id, "kiwi") })
//
// If it makes several changes, it returns the Join of their deltas. If one of them fails, it returns the
// deltas before it besides the error, and so does Update; mostly there are none, and nothing has changed. A
// nil delta says the same.
//
// The value is that of the map itself, because a copy of a set of 1,000 elements takes about 80 times as long as to add
// one to it (BenchmarkUpdate). f must not keep it, nor call the map, nor what is not a change of a replica (Merge,
// UnmarshalBinary): that would tell the map of dots it has never seen. What f must return is a delta, and not
// the value or a copy of it, which would say that everything else in the map was removed. Update panics where
// it sees that f does not keep to this. If it panics, or f does, then what f has changed stays, but nobody has a delta
// of it: others have to be told the full state.
func (m *ORMap[K, V]) Update(id vclock.ID, k K, f func(V) (V, error)) (*ORMap[K, V], error) {
	if f == nil {
		panic("crdt: ORMap.Update: a nil function")
	}
	if err := (elements[K]{}).check(k); err != nil {
		return nil, fmt.Errorf("crdt: ORMap: %w", err)
	}
	k = elements[K]{}.plain(k)
	before := m.seen().Clone()
	v, is := m.entries[k]
	if !is {
		v = m.empty(m.seen())
	}
	index := m.byDot
	m.byDot = nil // nobody knows what it should say if f panics
	defer m.put(k, v)
	change, failed := f(v)
	var none V
	if any(change) == any(none) {
		change = m.empty(new(vclock.Context))
	}
	seen := change.peek()
	change.within(seen) // an ORSet makes one only for who asks
	m.checkValue(v)
	m.checkDelta(id, k, before, seen)
	m.byDot = index
	m.reindex(seen, k, change)
	delta := m.deltaOf(seen)
	delta.put(k, change)
	switch {
	case failed == nil:
		return delta, nil
	case seen.Compare(vclock.Context{}) == vclock.Equal:
		return nil, failed
	}
	return delta, failed
}

// checkValue checks that a value is still a part of the map.
func (m *ORMap[K, V]) checkValue(v V) {
	if v.peek() != m.context {
		panic("crdt: ORMap.Update: f has read another value into this one")
	}
}

// checkDelta checks what an f has returned, as far as that can be seen without a copy of the value before. Whoever
// returns a copy of the value has the whole context in it, which is at least a dot for each key; so only then
// it is worth looking whether it has those of other keys.
func (m *ORMap[K, V]) checkDelta(id vclock.ID, k K, before vclock.Context, delta *vclock.Context) {
	if delta == m.context {
		panic("crdt: ORMap.Update: f has returned the value instead of the delta")
	}
	if !m.context.Descends(*delta) {
		panic("crdt: ORMap.Update: f has returned a delta of something else")
	}
	for span := range m.context.Minus(before) {
		if span.ID != id {
			panic(fmt.Sprintf("crdt: ORMap.Update: f has made changes in the name of %v, and not of %v", span.ID, id))
		}
		for n := span.From; n <= span.To; n++ {
			if !delta.Contains(vclock.Dot{ID: span.ID, N: n}) {
				panic("crdt: ORMap.Update: f has made a change that is not in its delta")
			}
		}
	}
	if len(m.entries) == 0 || atMost(delta, len(m.entries)-1) {
		return
	}
	for other, v := range m.entries {
		if other == k {
			continue
		}
		v.dots(func(d vclock.Dot) {
			if delta.Contains(d) {
				panic(fmt.Sprintf("crdt: ORMap.Update: f has returned a delta of %v, which removes %v", k, other))
			}
		})
	}
}

// Remove removes a key as far as it has been seen, and returns the delta.
func (m *ORMap[K, V]) Remove(k K) *ORMap[K, V] {
	v, is := m.entries[k]
	if !is {
		return m.deltaOf(new(vclock.Context))
	}
	delta := m.deltaOf(contextOfAll(v))
	delete(m.entries, k)
	m.reindex(delta.context, k, m.empty(delta.context))
	return delta
}

// Clear removes all keys as far as they have been seen, and returns the delta.
func (m *ORMap[K, V]) Clear() *ORMap[K, V] {
	delta := m.deltaOf(contextOfAll(m))
	m.entries, m.byDot = nil, nil
	return delta
}

// deltaOf returns an empty map within a context.
func (m *ORMap[K, V]) deltaOf(c *vclock.Context) *ORMap[K, V] {
	return &ORMap[K, V]{shared: shared{c}, zero: m.zero}
}

// empty returns an empty value within a context.
func (m *ORMap[K, V]) empty(c *vclock.Context) V {
	if m.zero == nil {
		panic("crdt: ORMap: no func that makes a value: it is not of NewORMap")
	}
	v := m.zero()
	v.within(c)
	return v
}

// put makes a value that of a key, if it is alive, and a part of the map.
func (m *ORMap[K, V]) put(k K, v V) {
	switch {
	case !v.alive() || v.peek() != m.context:
		delete(m.entries, k)
	case m.entries == nil:
		m.entries = map[K]V{k: v}
	default:
		m.entries[k] = v
	}
}

// Has reports whether a key is there.
func (m *ORMap[K, V]) Has(k K) bool {
	_, is := m.entries[k]
	return is
}

// Get returns a copy of the value under a key, and whether there is one. A change of the copy is none of the map.
func (m *ORMap[K, V]) Get(k K) (V, bool) {
	v, is := m.entries[k]
	if !is {
		return v, false
	}
	c := m.peek().Clone()
	return v.cloneWithin(&c), true
}

// View calls f with the value under a key where it is, without a copy, and reports whether there is one. f must neither
// change nor keep it.
func (m *ORMap[K, V]) View(k K, f func(V)) bool {
	v, is := m.entries[k]
	if is {
		f(v)
	}
	return is
}

// Len returns how many keys there are.
func (m *ORMap[K, V]) Len() int { return len(m.entries) }

// Keys ranges over the keys, in order. They are those of when a loop begins.
func (m *ORMap[K, V]) Keys() iter.Seq[K] {
	return func(yield func(K) bool) { slices.Values(slices.Sorted(maps.Keys(m.entries)))(yield) }
}

// All ranges over the keys, in order, and copies of their values. The keys are those of when a loop begins, but for
// those that have gone since.
func (m *ORMap[K, V]) All() iter.Seq2[K, V] {
	return func(yield func(K, V) bool) {
		for k := range m.Keys() {
			if v, is := m.Get(k); is && !yield(k, v) {
				return
			}
		}
	}
}

// Context returns what has been seen.
func (m *ORMap[K, V]) Context() vclock.Context { return m.peek().Clone() }

// Merge joins another one into it.
func (m *ORMap[K, V]) Merge(other *ORMap[K, V]) bool {
	return mergeCausal(m.seen(), m, other, other.peek())
}

// Compare returns how they relate.
func (m *ORMap[K, V]) Compare(other *ORMap[K, V]) vclock.Ordering {
	return compareCausal(m.peek(), m, other, other.peek())
}

// Clone returns a copy.
func (m *ORMap[K, V]) Clone() *ORMap[K, V] {
	c := m.peek().Clone()
	return m.cloneWithin(&c)
}

func (m *ORMap[K, V]) cloneWithin(c *vclock.Context) *ORMap[K, V] {
	clone := m.deltaOf(c)
	clone.entries = make(map[K]V, len(m.entries))
	for k, v := range m.entries {
		clone.entries[k] = v.cloneWithin(c)
	}
	return clone
}

// join joins the values under each key, of which one that is not there is empty: its dots were removed, or never
// seen, and which of the two is for the contexts of the whole maps to say. It takes the short way if the other one is
// small, as that of ORSet does.
func (m *ORMap[K, V]) join(mine *vclock.Context, other *ORMap[K, V], theirs *vclock.Context) bool {
	if len(m.entries)+len(other.entries) == 0 {
		return false
	}
	if m.zero == nil {
		m.zero = other.zero
	}
	none, changed := m.empty(new(vclock.Context)), false
	touch := func(k K) {
		v, is := m.entries[k]
		if !is {
			v = m.empty(mine)
		}
		theirV, is := other.entries[k]
		if !is {
			theirV = none
		}
		changed = v.join(mine, theirV, theirs) || changed
		m.put(k, v)
	}
	if !atMost(theirs, len(m.entries)/4) {
		m.byDot = nil
		for k := range m.entries {
			touch(k)
		}
		for k := range other.entries {
			if !m.Has(k) {
				touch(k)
			}
		}
		return changed
	}
	for _, k := range m.reindexAll(mine, other, theirs) {
		touch(k)
	}
	return changed
}

// reindexAll takes what is merged into byDot, and returns the keys that it is about: those in its store, and those that
// have a dot in its context. Of all those dots the ones in its store are alive that are new, or alive here.
func (m *ORMap[K, V]) reindexAll(mine *vclock.Context, other *ORMap[K, V], theirs *vclock.Context) []K {
	m.index()
	alive := map[vclock.Dot]K{}
	keys := slices.Collect(maps.Keys(other.entries))
	for k, v := range other.entries {
		v.dots(func(d vclock.Dot) {
			if before, is := m.byDot[d]; is && before == k || !mine.Contains(d) {
				alive[d] = k
			}
		})
	}
	for d, k := range under(m.byDot, theirs) {
		keys = append(keys, k)
		delete(m.byDot, d)
	}
	maps.Copy(m.byDot, alive)
	slices.Sort(keys)
	return slices.Compact(keys)
}

// index makes byDot.
func (m *ORMap[K, V]) index() {
	if m.byDot != nil {
		return
	}
	m.byDot = map[vclock.Dot]K{}
	for k, v := range m.entries {
		v.dots(func(d vclock.Dot) { m.byDot[d] = k })
	}
}

// reindex takes a change of a key into byDot: of all dots in its context, those in its store are alive.
func (m *ORMap[K, V]) reindex(seen *vclock.Context, k K, change V) {
	if m.byDot == nil {
		return
	}
	for d := range under(m.byDot, seen) {
		delete(m.byDot, d)
	}
	change.dots(func(d vclock.Dot) { m.byDot[d] = k })
}

func (m *ORMap[K, V]) keeps(mine *vclock.Context, other *ORMap[K, V]) bool {
	for k, theirs := range other.entries {
		v, is := m.entries[k]
		if !is {
			v = other.empty(new(vclock.Context))
		}
		if !v.keeps(mine, theirs) {
			return false
		}
	}
	return true
}

func (m *ORMap[K, V]) dots(f func(vclock.Dot)) {
	for _, v := range m.entries {
		v.dots(f)
	}
}

func (m *ORMap[K, V]) alive() bool { return len(m.entries) > 0 }

// AppendBinary writes the canonical form: the context, how many keys there are, and each, in order, with the store of
// its value.
//
//	{fig: on by a:1}    68   01 01 61 01 00   01   03 66 69 67   01 00 01
func (m *ORMap[K, V]) AppendBinary(b []byte) ([]byte, error) {
	return appendCausal(b, kindORMap, m, m.peek())
}

// MarshalBinary is AppendBinary to nothing.
func (m *ORMap[K, V]) MarshalBinary() ([]byte, error) { return m.AppendBinary(nil) }

func (m *ORMap[K, V]) appendStore(b []byte, names []vclock.ID) ([]byte, error) {
	b = binary.AppendUvarint(b, uint64(len(m.entries)))
	for k := range m.Keys() {
		var err error
		if b, err = m.entries[k].appendStore(elements[K]{}.append(b, k), names); err != nil {
			return nil, fmt.Errorf("crdt: ORMap: under %v: %w", k, err)
		}
	}
	return b, nil
}

// UnmarshalBinary reads what AppendBinary writes, and nothing else.
func (m *ORMap[K, V]) UnmarshalBinary(b []byte) error {
	read := &ORMap[K, V]{zero: m.zero}
	if err := parseCausal(b, kindORMap, read); err != nil {
		return err
	}
	*m = *read
	return nil
}

func (m *ORMap[K, V]) parseStore(d *vclock.Decoder, c *vclock.Context, names []vclock.ID) {
	n := d.Count(4)
	m.entries = make(map[K]V, n)
	var before K
	for i := range n {
		k := elements[K]{}.parse(d)
		if i > 0 && k <= before {
			d.Fail("%v after %v", k, before)
		}
		v := m.empty(c)
		v.parseStore(d, c, names)
		if !v.alive() {
			d.Fail("nothing under %v", k)
		}
		if d.Err() != nil {
			return
		}
		m.entries[k] = v
		before = k
	}
}

// String writes the keys and values, in order, as fmt does with a map.
func (m *ORMap[K, V]) String() string {
	var b strings.Builder
	b.WriteString("map[")
	for k := range m.Keys() {
		if b.Len() > len("map[") {
			b.WriteByte(' ')
		}
		fmt.Fprintf(&b, "%v:%v", k, m.entries[k])
	}
	b.WriteByte(']')
	return b.String()
}

// MarshalJSON writes an object with the keys, in order, and what the values are in JSON. A key that is no string there is
// put in quotes.
func (m *ORMap[K, V]) MarshalJSON() ([]byte, error) {
	b := []byte{'{'}
	for k := range m.Keys() {
		if len(b) > 1 {
			b = append(b, ',')
		}
		name, err := elements[K]{}.jsonKey(k)
		if err != nil {
			return nil, fmt.Errorf("crdt: ORMap: %w", err)
		}
		v, err := json.Marshal(m.entries[k])
		if err != nil {
			return nil, fmt.Errorf("crdt: ORMap: under %v: %w", k, err)
		}
		b = append(append(append(b, name...), ':'), v...)
	}
	return append(b, '}'), nil
}
