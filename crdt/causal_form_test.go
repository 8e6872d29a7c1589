package crdt

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/plinth-go/plinth/vclock"
)

// must returns a state that was changed, for a table.
func must[T any](t *testing.T, zero T, change func(T) (T, error)) T {
	t.Helper()
	_, err := change(zero)
	require.NoError(t, err)
	return zero
}

// sameForm checks that a state has known bytes, which are read again.
func sameForm[T state[T]](t *testing.T, want string, s, read T) {
	t.Helper()
	b := bytesOf(t, s)
	require.Equal(t, strings.ReplaceAll(want, " ", ""), hex.EncodeToString([]byte(b)))
	require.NoError(t, read.UnmarshalBinary([]byte(b)))
	require.Equal(t, vclock.Equal, s.Compare(read))
}

// refuses checks that bytes are refused, and for what; and that what is in the state stays.
func refuses[T state[T]](t *testing.T, s T, bad map[string]string) {
	t.Helper()
	before := bytesOf(t, s)
	for text, said := range bad {
		b, err := hex.DecodeString(strings.ReplaceAll(text, " ", ""))
		require.NoError(t, err, text)
		err = s.UnmarshalBinary(b)
		require.ErrorIs(t, err, ErrCorrupt, text)
		require.ErrorContains(t, err, said, text)
		require.Equal(t, before, bytesOf(t, s), text)
	}
}

// TestCausalForms: known bytes of each type, those that stand above its AppendBinary, and what is not canonical. Planted
// and caught: no check of the order of dots, of values and keys; of dots for and against; of keys with nothing; of dots
// under two keys, or only of dots at neighbouring places; a name that
// counts for each of its gaps.
func TestCausalForms(t *testing.T) {
	r := must(t, newRegister(), func(r *MVRegister[string]) (*MVRegister[string], error) { return r.Set("a", "tea") })
	sameForm(t, "28 01016101 00 01 0001 03746561", r, newRegister())
	sameForm(t, "28 00 00 00", newRegister(), r.Clone())
	refuses(t, r, map[string]string{
		"":                                      "crdt: corrupt MVRegister: byte 0: it ends here",
		"30":                                    "this is a form of EWFlag",
		"f8":                                    "this is a form of unknown type 31",
		"29":                                    "version 1 of its form: want 0",
		"28 01016101 00 01 0001 0374656121":     "1 bytes after the end",
		"28 01016101 00 01 0001 037465":         "a value: 3 bytes, but 2 are left",
		"28 01016101 00 01 0001 83006162":       "a value: a number with needless bytes",
		"28 01016101 00 01 0002 03746561":       "a:2, which the context does not have",
		"28 01016101 00 01 0101 03746561":       "name 1 of 1",
		"28 01016101 00 01 0000 03746561":       "a:0, which the context does not have",
		"28 01016102 00 02 0002 0131 0001 0131": "a:1 after a:2",
		"28 01016102 00 02 0001 0131 0001 0131": "a:1 after a:1",
		"28 01016102 00 ff01 0001 0131 0001 0131":     "255, at most",
		"28 01016102 00 02 0001 0131 8100 01 0131":    "a number with needless bytes",
		"28 0101618180808080808080" + "40 00 01 0001": "at most",
	})

	ew := must(t, new(EWFlag), func(f *EWFlag) (*EWFlag, error) { return f.Enable("a") })
	sameForm(t, "30 01016101 00 01 0001", ew, new(EWFlag))
	gaps, err := vclock.ContextOf(vclock.Span{ID: "a", From: 1, To: 1}, vclock.Span{ID: "a", From: 3, To: 3},
		vclock.Span{ID: "b", From: 1, To: 1})
	require.NoError(t, err)
	sameForm(t, "30 02 016101 016201 01 016101 0000 01 0101", // of two names b is the second, whatever gaps a has
		&EWFlag{shared{&gaps}, dotsOf(vclock.Dot{ID: "b", N: 1})}, new(EWFlag))
	refuses(t, ew, map[string]string{
		"30 01016102 00 02 0002 0001": "a:1 after a:2",
		"30 01016101 00 01 0002":      "a:2, which the context does not have",
		"30 01016101 00":              "it ends in a number",
	})

	dw := must(t, new(DWFlag), func(f *DWFlag) (*DWFlag, error) { return f.Disable("a") })
	sameForm(t, "38 01016101 00 00 01 0001", dw, new(DWFlag))
	refuses(t, dw, map[string]string{
		"38 01016101 00 01 0001 01 0001": "a:1 is at two places",
		"38 01016102 00 00 02 0002 0001": "a:1 after a:2",
		"38 01016101 00 01 0001":         "it ends in a number",
	})

	c := must(t, new(CausalCounter), func(c *CausalCounter) (*CausalCounter, error) { return c.Add("a", 2) })
	sameForm(t, "80 01016101 00 01 0001 04", c, new(CausalCounter))
	refuses(t, c, map[string]string{
		"80 01016101 00 01 0001 8400":                 "a number with needless bytes",
		"80 01016101 00 01 0001 ffffffffffffffffff02": "a number of more than 64 bits",
		"80 01016101 00 01 0003 04":                   "a:3, which the context does not have",
		"80 01016102 00 02 0002 04 0001 04":           "a:1 after a:2",
	})

	rw := must(t, new(RWSet[string]), func(s *RWSet[string]) (*RWSet[string], error) { return s.Remove("a", "eve") })
	sameForm(t, "60 01016101 00 01 03657665 00 01 0001", rw, new(RWSet[string]))
	refuses(t, rw, map[string]string{
		"60 01016103 00 01 03657665 00 00":                           "no dots of eve",
		"60 01016101 00 01 03657665 01 0001 01 0001":                 "a:1 is at two places",
		"60 01016102 00 02 0162 01 0001 00 0161 01 0002 00":          "a after b",
		"60 01016102 00 02 0161 01 0001 00 0161 01 0002 00":          "a after a",
		"60 01016102 00 02 0161 01 0001 00 0162 01 0001 00":          "a:1 is at two places",
		"60 01016102 00 ffffff7f 0161 01 0001 00 0162 01 0002 00 00": "at most",
	})

	flags := func() *ORMap[string, *EWFlag] { return NewORMap[string](func() *EWFlag { return new(EWFlag) }) }
	m := must(t, flags(), func(m *ORMap[string, *EWFlag]) (*ORMap[string, *EWFlag], error) {
		return m.Update("a", "fig", func(f *EWFlag) (*EWFlag, error) { return f.Enable("a") })
	})
	sameForm(t, "68 01016101 00 01 03666967 01 0001", m, flags())
	refuses(t, m, map[string]string{
		"68 01016101 00 01 03666967 00":                   "nothing under fig",
		"68 01016102 00 02 0162 01 0001 0161 01 0002":     "a after b",
		"68 01016102 00 02 0161 01 0001 0161 01 0002":     "a after a",
		"68 01016102 00 02 0161 01 0001 0162 01 0001":     "a:1 is at two places",
		"68 01016102 00 02 0161 01 0001 0162 01 0003":     "a:3, which the context does not have",
		"68 01016102 00 ffff7f 0161 01 0001 0162 01 0002": "at most",
	})
	nested := NewORMap[string](flags)
	refuses(t, nested, map[string]string{
		"68 01016102 00 02 0161 01 0178 01 0001 0162 01 0178 01 0001":              "a:1 is at two places",
		"68 01016102 00 01 0161 02 0178 01 0001 0179 01 0001":                      "a:1 is at two places",
		"68 01016102 00 01 0161 00 00":                                             "nothing under a",
		"68 01016102 00 02 0161 02 0178 01 0001 0179 01 0002 0162 01 0178 01 0001": "a:1 is at two places",
	})
}

// TestKindNames: what is said of bytes has the name of the type. Planted and caught: a name of another one.
func TestKindNames(t *testing.T) {
	for _, s := range []interface{ UnmarshalBinary([]byte) error }{
		new(GCounter), new(PNCounter), new(BoundedCounter), newText(), newRegister(), new(EWFlag), new(DWFlag), new(GSet[int]),
		new(TwoPSet[int]), new(LWWSet[int]), new(ORSet[int]), new(RWSet[int]), newSets(), new(CausalCounter),
	} {
		name, _, _ := strings.Cut(strings.TrimPrefix(fmt.Sprintf("%T", s), "*crdt."), "[")
		require.EqualError(t, s.UnmarshalBinary(nil), "crdt: corrupt "+name+": byte 0: it ends here")
	}
}

// TestCausalErrors: what fails changes nothing.
func TestCausalErrors(t *testing.T) {
	full := func(c interface{ within(*vclock.Context) }) {
		all, err := vclock.ContextOf(vclock.Span{ID: "a", From: 1, To: vclock.MaxCount})
		require.NoError(t, err)
		c.within(&all)
	}
	var ew EWFlag
	var dw DWFlag
	var c CausalCounter
	var rw RWSet[string]
	r := newRegister()
	for id, want := range map[vclock.ID]error{"": vclock.ErrID, "a": vclock.ErrExhausted} {
		full(&ew)
		full(&dw)
		full(&c)
		full(&rw)
		full(r)
		_, err := ew.Enable(id)
		require.ErrorIs(t, err, want)
		_, err = dw.Enable(id)
		require.ErrorIs(t, err, want)
		_, err = dw.Disable(id)
		require.ErrorIs(t, err, want)
		_, err = c.Add(id, 1)
		require.ErrorIs(t, err, want)
		_, err = rw.Add(id, "x")
		require.ErrorIs(t, err, want)
		_, err = rw.Remove(id, "x")
		require.ErrorIs(t, err, want)
		_, err = r.Set(id, "x")
		require.ErrorIs(t, err, want)
	}
	require.False(t, ew.alive() || dw.alive() || c.alive() || rw.alive() || r.alive())

	nan := math.NaN()
	floats := new(RWSet[float64])
	_, err := floats.Add("a", nan)
	require.ErrorContains(t, err, "not a number")
	m := NewORMap[float64](func() *EWFlag { return new(EWFlag) })
	_, err = m.Update("a", nan, func(f *EWFlag) (*EWFlag, error) { return f.Enable("a") })
	require.ErrorContains(t, err, "not a number")
	require.Equal(t, vclock.Equal, floats.Compare(new(RWSet[float64])))
	require.Zero(t, m.Len())
	_, err = floats.Add("a", math.Copysign(0, -1))
	require.NoError(t, err)
	_, err = m.Update("a", math.Copysign(0, -1), func(f *EWFlag) (*EWFlag, error) { return f.Enable("a") })
	require.NoError(t, err)
	require.Equal(t, "[0] map[0:true]", floats.String()+" "+m.String(), "there is one zero")

	picky := NewMVRegister[string](pickyCodec{})
	before := bytesOf(t, picky)
	_, err = picky.Set("a", "bad")
	require.ErrorIs(t, err, errPicky)
	require.Equal(t, before, bytesOf(t, picky))
}

// TestCodecOfOthers: a value that another codec has let in is an error when it is written, and says where. Planted and
// caught: an error that is dropped, so that a list has fewer values than it says.
func TestCodecOfOthers(t *testing.T) {
	picky := func() *MVRegister[string] { return NewMVRegister[string](pickyCodec{}) }
	r := picky()
	bad := must(t, newRegister(), func(r *MVRegister[string]) (*MVRegister[string], error) { return r.Set("a", "bad") })
	require.True(t, r.Merge(bad))
	_, err := r.AppendBinary(nil)
	require.ErrorIs(t, err, errPicky)
	require.EqualError(t, err, "crdt: MVRegister: a value: not this one")

	m, other := NewORMap[string](picky), NewORMap[string](newRegister)
	_, err = other.Update("a", "k", func(r *MVRegister[string]) (*MVRegister[string], error) { return r.Set("a", "bad") })
	require.NoError(t, err)
	require.True(t, m.Merge(other))
	_, err = m.AppendBinary(nil)
	require.ErrorIs(t, err, errPicky)
	require.EqualError(t, err, "crdt: ORMap: under k: crdt: MVRegister: a value: not this one")
}

var errPicky = errors.New("not this one")

// pickyCodec does not write everything.
type pickyCodec struct{ vclock.StringCodec }

func (c pickyCodec) Append(b []byte, v string) ([]byte, error) {
	if v == "bad" {
		return nil, errPicky
	}
	return c.StringCodec.Append(b, v)
}

// TestCausalCounterAtItsEnds. Planted and caught: a sum that wraps, of one replica or of all.
func TestCausalCounterAtItsEnds(t *testing.T) {
	var c CausalCounter
	add := func(id vclock.ID, n int64) error { _, err := c.Add(id, n); return err }
	require.NoError(t, add("a", math.MaxInt64))
	before := bytesOf(t, &c)
	require.ErrorIs(t, add("a", 1), vclock.ErrExhausted)
	require.Equal(t, before, bytesOf(t, &c))
	require.NoError(t, add("a", 0))
	require.NoError(t, add("b", 1))
	require.EqualValues(t, int64(math.MaxInt64), c.Value())
	require.NoError(t, add("c", math.MinInt64))
	require.Zero(t, c.Value())
	require.ErrorIs(t, add("c", -1), vclock.ErrExhausted)
	require.NoError(t, add("d", math.MinInt64))
	require.NoError(t, add("e", -1))
	require.EqualValues(t, int64(math.MinInt64), c.Value())
	require.NoError(t, add("c", math.MaxInt64))
	require.NoError(t, add("d", math.MaxInt64))
	require.EqualValues(t, int64(math.MaxInt64-2), c.Value())
}

// TestCausalCounterGap: of a replica only the last number counts, also while the delta that replaces the one before it is
// still on its way. Planted and caught: a Value that adds up all of them.
func TestCausalCounterGap(t *testing.T) {
	var a, b CausalCounter
	var deltas []*CausalCounter
	for range 3 {
		delta, err := a.Add("a", 5)
		require.NoError(t, err)
		deltas = append(deltas, delta)
	}
	b.Merge(deltas[0])
	b.Merge(deltas[2])
	require.EqualValues(t, 15, b.Value())
	b.Merge(deltas[1])
	require.Equal(t, bytesOf(t, &a), bytesOf(t, &b))
}

// TestDotsGivenTwice: a replica that was restored from a copy, and has kept its name, gives its dots again. What it sets
// is lost or wins, but for all in the same way. Planted and caught: no look at the values, in Merge or in Compare.
func TestDotsGivenTwice(t *testing.T) {
	set := func(v string) *MVRegister[string] {
		return must(t, newRegister(), func(r *MVRegister[string]) (*MVRegister[string], error) { return r.Set("a", v) })
	}
	one, other := set("tea"), set("pie")
	require.Equal(t, vclock.After, one.Compare(other))
	require.Equal(t, vclock.Before, other.Compare(one))
	require.False(t, Join(one).Merge(other))
	require.Equal(t, "[tea]", Join(other, one).String())
}

// TestRWSetForget: what is stable is forgotten, everywhere, and nothing else is. Planted and caught: one that asks for
// the last of several removals, one that forgets what is there, a Compare that looks at additions alone.
func TestRWSetForget(t *testing.T) {
	var a, b RWSet[string]
	change := func(s *RWSet[string], f func(vclock.ID, string) (*RWSet[string], error), id vclock.ID, e string) {
		_, err := f(id, e)
		require.NoError(t, err)
		s.invariant(t)
	}
	change(&a, a.Add, "a", "stays")
	change(&a, a.Remove, "a", "gone")
	change(&b, b.Remove, "b", "gone")
	change(&b, b.Remove, "b", "unstable")
	a.Merge(&b)
	require.Equal(t, 2, a.Removed())
	var stable vclock.Vector
	_, err := stable.Advance("a", 2)
	require.NoError(t, err)
	require.Equal(t, vclock.Equal, a.Forget(stable).Compare(new(RWSet[string])))
	var other vclock.Vector
	_, err = other.Advance("b", 1)
	require.NoError(t, err)
	require.Equal(t, vclock.Equal, a.Forget(other).Compare(new(RWSet[string])))
	stable.Merge(other)
	before := a.Clone()
	delta := a.Forget(stable)
	a.invariant(t)
	require.Equal(t, 1, a.Removed())
	require.Equal(t, "[stays]", a.String())
	require.Less(t, len(bytesOf(t, &a)), len(bytesOf(t, before)))
	require.Equal(t, vclock.After, a.Compare(before), "what is forgotten is a removal as any other")
	require.Equal(t, vclock.Before, before.Compare(&a))
	before.Merge(delta)
	require.Equal(t, bytesOf(t, &a), bytesOf(t, before))
	b.Merge(delta)
	require.Equal(t, 1, b.Removed(), "also where it was not asked for")
	a.Merge(&b)
	require.Equal(t, 1, a.Removed(), "and it does not come back")
	change(&b, b.Add, "b", "gone")
	a.Merge(&b)
	require.Equal(t, "[gone stays]", a.String())
}

// TestCausalMemory: a decoder takes memory in proportion to its input, whatever the input claims: as many things as there is
// just room for, or more than that. Planted and caught: a list of elements whose number nobody compares with what is left; a
// list that is made for as many large values as are claimed.
func TestCausalMemory(t *testing.T) {
	for name, test := range map[string]struct {
		k      kind
		decode func([]byte) error
		before []byte // the count
		after  []byte
	}{
		"MVRegister":       {k: kindMVRegister, decode: newRegister().UnmarshalBinary},
		"of large values":  {k: kindMVRegister, decode: NewMVRegister[[4096]byte](pageCodec{}).UnmarshalBinary, after: []byte{0, 1}},
		"EWFlag":           {k: kindEWFlag, decode: new(EWFlag).UnmarshalBinary},
		"DWFlag":           {k: kindDWFlag, decode: new(DWFlag).UnmarshalBinary},
		"against":          {k: kindDWFlag, decode: new(DWFlag).UnmarshalBinary, before: []byte{0}},
		"CausalCounter":    {k: kindCausalCounter, decode: new(CausalCounter).UnmarshalBinary},
		"ORSet":            {k: kindORSet, decode: new(ORSet[string]).UnmarshalBinary},
		"dots of one":      {k: kindORSet, decode: new(ORSet[string]).UnmarshalBinary, before: []byte{1, 0}},
		"RWSet":            {k: kindRWSet, decode: new(RWSet[string]).UnmarshalBinary},
		"ORMap":            {k: kindORMap, decode: newSets().UnmarshalBinary},
		"a set in a map":   {k: kindORMap, decode: newSets().UnmarshalBinary, before: []byte{1, 0}},
		"a map in a map":   {k: kindORMap, decode: newDocument().UnmarshalBinary, before: []byte{1, 0}},
		"a register in it": {k: kindORMap, decode: newDocument().UnmarshalBinary, before: []byte{1, 0, 1, 0}},
	} {
		head := append([]byte{test.k.form(), 1, 1, 'a', 1, 0}, test.before...)
		for _, claimed := range []uint64{1 << 12, 1 << 14, 1 << 15, 1 << 20} {
			b := append(binary.AppendUvarint(head, claimed), test.after...)
			b = append(b, make([]byte, 1<<16)...)
			n := allocated(func() { require.ErrorIs(t, test.decode(b), ErrCorrupt) })
			require.Less(t, n, uint64(64*len(b)), "%s: %d are claimed", name, claimed)
		}
	}
}

// pageCodec writes large values in few bytes.
type pageCodec struct{}

func (pageCodec) Append(b []byte, v [4096]byte) ([]byte, error) { return append(b, v[0]), nil }

func (pageCodec) Parse(b []byte) (v [4096]byte, rest []byte, err error) {
	if len(b) == 0 {
		return v, nil, errors.New("it ends here")
	}
	v[0] = b[0]
	return v, b[1:], nil
}

// TestNestedMemory: maps in maps take much memory for few bytes each, but no more than the like of these.
func TestNestedMemory(t *testing.T) {
	type flags = *ORMap[int, *EWFlag]
	newFlags := func() flags { return NewORMap[int](func() *EWFlag { return new(EWFlag) }) }
	m := NewORMap[int](newFlags)
	for k := range 2000 {
		_, err := m.Update("a", k, func(v flags) (flags, error) {
			return v.Update("a", 0, func(f *EWFlag) (*EWFlag, error) { return f.Enable("a") })
		})
		require.NoError(t, err)
	}
	b, read := []byte(bytesOf(t, m)), NewORMap[int](newFlags)
	perByte := allocated(func() { require.NoError(t, read.UnmarshalBinary(b)) }) / uint64(len(b))
	t.Logf("%d bytes for each of %d", perByte, len(b))
	require.Less(t, perByte, uint64(80))
}

// allocated returns how many bytes f allocates.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}
