package crdt

import (
	"encoding/json"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/plinth-go/plinth/vclock"
)

// TestORMapUpdateFails: what fails changes nothing, here and in a map within, and what was done before it is told.
func TestORMapUpdateFails(t *testing.T) {
	m, broken := newSets(), errors.New("broken")
	addTo(t, m, "a", "k", "x")
	before := bytesOf(t, m)
	for _, k := range []string{"k", "other"} {
		delta, err := m.Update("", k, func(s *ORSet[string]) (*ORSet[string], error) { return s.Add("", "y") })
		require.ErrorIs(t, err, vclock.ErrID)
		require.Nil(t, delta)
		delta, err = m.Update("a", k, func(*ORSet[string]) (*ORSet[string], error) { return new(ORSet[string]), broken })
		require.ErrorIs(t, err, broken)
		require.Nil(t, delta)
		delta, err = m.Update("a", k, func(*ORSet[string]) (*ORSet[string], error) { return nil, nil })
		require.NoError(t, err)
		require.False(t, m.Clone().Merge(delta))
	}
	require.Equal(t, before, bytesOf(t, m))
	require.Equal(t, 1, m.Len())

	other := m.Clone()
	delta, err := m.Update("a", "k", func(s *ORSet[string]) (*ORSet[string], error) {
		one, err := s.Add("a", "y")
		require.NoError(t, err)
		return one, broken
	})
	require.ErrorIs(t, err, broken)
	other.Merge(delta)
	require.Equal(t, bytesOf(t, m), bytesOf(t, other))

	d := newDocument()
	nothing, err := d.Update("a", "k", func(m *ORMap[int, *MVRegister[string]]) (*ORMap[int, *MVRegister[string]], error) {
		return m.Update("a", 1, func(r *MVRegister[string]) (*MVRegister[string], error) { return r.Set("", "x") })
	})
	require.ErrorIs(t, err, vclock.ErrID)
	require.Nil(t, nothing)
	require.Zero(t, d.Len())
}

// TestORMapUpdatePanics where f does what would lose what others have. Planted and caught: each of the checks left out, a
// look for other keys that begins with one dot too many.
func TestORMapUpdatePanics(t *testing.T) {
	type set = *ORSet[string]
	elsewhere := setBy(t, "b", "x", "y", "z")
	for name, test := range map[string]struct {
		said string
		f    func(set) (set, error)
	}{
		"value": {"f has returned the value instead of the delta", func(s set) (set, error) { return s, nil }},
		"silent": {"f has made a change that is not in its delta", func(s set) (set, error) {
			_, err := s.Add("a", "y")
			return nil, err
		}},
		"name": {"f has made changes in the name of b, and not of a", func(s set) (set, error) { return s.Add("b", "y") }},
		"copy": {"f has returned a delta of k, which removes l", func(s set) (set, error) { return s.Clone(), nil }},
		"copy of a change": {"f has returned a delta of k, which removes l", func(s set) (set, error) {
			_, err := s.Add("a", "y")
			return s.Clone(), err
		}},
		"other": {"f has returned a delta of something else", func(set) (set, error) { return elsewhere.Add("b", "y") }},
		"read": {"f has read another value into this one", func(s set) (set, error) {
			return nil, s.UnmarshalBinary([]byte(bytesOf(t, elsewhere)))
		}},
	} {
		m := newSets()
		addTo(t, m, "a", "k", "x")
		addTo(t, m, "a", "l", "x")
		require.PanicsWithValue(t, "crdt: ORMap.Update: "+test.said, func() { _, _ = m.Update("a", "k", test.f) }, name)
		m.invariant(t)
		require.NoError(t, newSets().UnmarshalBinary([]byte(bytesOf(t, m))), name)
	}
	require.PanicsWithValue(t, "crdt: NewORMap: no func that makes a value", func() { NewORMap[string, *EWFlag](nil) })
	require.PanicsWithValue(t, "crdt: ORMap.Update: a nil function", func() { _, _ = newSets().Update("a", "k", nil) })
	require.PanicsWithValue(t, "crdt: ORMap: no func that makes a value: it is not of NewORMap",
		func() { addTo(t, new(sets), "a", "k", "x") })
}

// TestORMapAfterPanic: an f that panics half-way leaves a map that is as good as any, so that a Replica, which goes on with
// the full state, can tell it to others. Planted and caught: a value that is empty and stays, an index that is not thrown
// away.
func TestORMapAfterPanic(t *testing.T) {
	r, err := NewReplica("a", newDocument, ReplicaConfig{})
	require.NoError(t, err)
	type fields = *ORMap[int, *MVRegister[string]]
	update := func(k string, f func(fields) (fields, error)) func() {
		return func() {
			err = r.Do(func(id vclock.ID, d *document) (*document, error) {
				d.index()
				for _, v := range d.entries {
					v.index()
				}
				return d.Update(id, k, f)
			})
			require.NoError(t, err)
		}
	}
	set := func(inner int) func(fields) (fields, error) {
		return func(m fields) (fields, error) {
			return m.Update("a", inner, func(v *MVRegister[string]) (*MVRegister[string], error) { return v.Set("a", "x") })
		}
	}
	for _, k := range []string{"k", "l"} {
		update(k, set(1))()
		update(k, set(2))()
	}
	read := func() *Replica[*document] {
		b, err := r.AppendBinary(nil)
		require.NoError(t, err)
		other, err := NewReplica("b", newDocument, ReplicaConfig{})
		require.NoError(t, err)
		require.NoError(t, other.Receive(b))
		return other
	}
	look := func(want string) {
		t.Helper()
		r.View(func(d *document) {
			d.invariant(t)
			for _, v := range d.entries {
				v.invariant(t)
			}
		})
		read().View(func(d *document) { require.Equal(t, want, d.String()) })
	}
	require.PanicsWithValue(t, "oops", update("k", func(m fields) (fields, error) {
		return m.Update("a", 1, func(v *MVRegister[string]) (*MVRegister[string], error) {
			v.Clear()
			panic("oops")
		})
	}))
	look("map[k:map[2:[x]] l:map[1:[x] 2:[x]]]")
	require.PanicsWithValue(t, "oops", update("l", func(m fields) (fields, error) {
		m.Clear()
		panic("oops")
	}))
	look("map[k:map[2:[x]]]")
	require.PanicsWithValue(t, "oops", update("new", func(m fields) (fields, error) {
		_, _ = set(7)(m)
		panic("oops")
	}))
	look("map[k:map[2:[x]] new:map[7:[x]]]")
}

// TestORMapCopies: nobody who has got a value from a map changes the map with it, nor the other way round, and neither
// does who has a delta. Planted and caught: a Get that returns the value itself, or a copy within the context of the map.
func TestORMapCopies(t *testing.T) {
	m := newSets()
	delta := addTo(t, m, "a", "k", "x")
	other := newSets()
	other.Merge(delta)
	before, told := bytesOf(t, m), bytesOf(t, delta)
	s, is := m.Get("k")
	require.True(t, is)
	_, err := s.Add("a", "y")
	require.NoError(t, err)
	for _, s := range m.All() {
		_, err := s.Add("b", "z")
		require.NoError(t, err)
		s.Remove("x")
	}
	require.Equal(t, before, bytesOf(t, m))
	addTo(t, m, "a", "k", "later")
	addTo(t, other, "b", "k", "elsewhere")
	require.Equal(t, told, bytesOf(t, delta))
	require.Equal(t, "[x y]", s.String())
	_, is = m.Get("none")
	require.False(t, is)
	require.True(t, m.View("k", func(s *ORSet[string]) { require.Equal(t, "[later x]", s.String()) }))
	require.False(t, m.View("none", nil))
}

// TestORMapIndex: what a map knows of where its dots are goes with them. Planted and caught: a Clear that keeps it.
func TestORMapIndex(t *testing.T) {
	m, read := newSets(), newSets()
	addTo(t, m, "a", "k", "x")
	addTo(t, m, "a", "l", "x")
	require.NoError(t, read.UnmarshalBinary([]byte(bytesOf(t, m))))
	read.index()
	require.Len(t, read.byDot, 2)
	read.Remove("k")
	read.invariant(t)
	removeFrom(t, read, "a", "l", "x")
	addTo(t, read, "a", "l", "y")
	read.invariant(t)
	read.Clear()
	read.invariant(t)
}

// TestORMapZero: a zero map is empty, and takes what it needs from what is merged into it.
func TestORMapZero(t *testing.T) {
	var zero sets
	require.Equal(t, "map[]", zero.String())
	require.False(t, zero.Has("k"))
	require.Equal(t, vclock.Equal, zero.Compare(newSets()))
	require.Equal(t, bytesOf(t, newSets()), bytesOf(t, &zero))
	require.False(t, zero.Merge(new(sets)))
	m := newSets()
	addTo(t, m, "a", "k", "x")
	require.Equal(t, vclock.Before, zero.Compare(m))
	require.Equal(t, vclock.After, m.Compare(&zero))
	require.True(t, zero.Merge(m))
	require.Equal(t, vclock.Equal, zero.Compare(m))
	addTo(t, &zero, "b", "l", "y")
	require.Equal(t, "map[k:[x] l:[y]]", zero.String())

	var r MVRegister[string]
	require.Empty(t, r.Values())
	set, err := newRegister().Set("a", "x")
	require.NoError(t, err)
	require.True(t, r.Merge(set))
	require.Equal(t, bytesOf(t, set), bytesOf(t, &r))
	require.PanicsWithValue(t, "crdt: NewMVRegister: no codec", func() { NewMVRegister[string](nil) })
	require.PanicsWithValue(t, "crdt: MVRegister: no codec: it is not of NewMVRegister",
		func() { _, _ = new(MVRegister[string]).Set("a", "") })
}

// TestORMapOfEverything: all causal types under one map each, with their JSON.
func TestORMapOfEverything(t *testing.T) {
	check := func(want string, m json.Marshaler) {
		t.Helper()
		b, err := json.Marshal(m)
		require.NoError(t, err)
		require.Equal(t, want, string(b))
	}
	ew := NewORMap[int](func() *EWFlag { return new(EWFlag) })
	for _, k := range []int{10, 9} {
		_, err := ew.Update("a", k, func(f *EWFlag) (*EWFlag, error) { return f.Enable("a") })
		require.NoError(t, err)
	}
	check(`{"9":true,"10":true}`, ew)
	dw := NewORMap[string](func() *DWFlag { return new(DWFlag) })
	_, err := dw.Update("a", `"`, func(f *DWFlag) (*DWFlag, error) { return f.Disable("a") })
	require.NoError(t, err)
	check(`{"\"":false}`, dw)
	rw := NewORMap[float64](func() *RWSet[string] { return new(RWSet[string]) })
	_, err = rw.Update("a", 1.5, func(s *RWSet[string]) (*RWSet[string], error) { return s.Remove("a", "x") })
	require.NoError(t, err)
	check(`{"1.5":[]}`, rw)
	counters := NewORMap[string](func() *CausalCounter { return new(CausalCounter) })
	_, err = counters.Update("a", "n", func(c *CausalCounter) (*CausalCounter, error) { return c.Add("a", -3) })
	require.NoError(t, err)
	check(`{"n":-3}`, counters)
	d := newDocument()
	check(`{}`, d)
	_, err = d.Update("a", "k", func(m *ORMap[int, *MVRegister[string]]) (*ORMap[int, *MVRegister[string]], error) {
		return m.Update("a", 7, func(r *MVRegister[string]) (*MVRegister[string], error) { return r.Set("a", "tea") })
	})
	require.NoError(t, err)
	check(`{"k":{"7":["tea"]}}`, d)
	check(`[]`, newRegister())
	check(`[]`, new(RWSet[string]))
}
