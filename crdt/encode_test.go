package crdt

import (
	"cmp"
	"encoding/hex"
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/plinth-go/plinth/vclock"
)

// knownBytes looks at states whose bytes are known.
func knownBytes[T state[T]](t *testing.T, zero func() T, known map[string]T) {
	t.Helper()
	for want, s := range known {
		require.Equal(t, want, hex.EncodeToString([]byte(bytesOf(t, s))), "%v", s)
		read := zero()
		b, _ := hex.DecodeString(want)
		require.NoError(t, read.UnmarshalBinary(b))
		require.Equal(t, vclock.Equal, s.Compare(read))
	}
}

// refused looks at bytes that are no state, and at what is said of them. The state stays as it was.
func refused[T state[T]](t *testing.T, what string, old func() T, refused map[string]string) {
	t.Helper()
	for text, said := range refused {
		b, err := hex.DecodeString(text)
		require.NoError(t, err, text)
		s := old()
		err = s.UnmarshalBinary(b)
		require.ErrorIs(t, err, ErrCorrupt, text)
		require.EqualError(t, err, "crdt: corrupt "+what+": "+said, text)
		require.Equal(t, bytesOf(t, old()), bytesOf(t, s), text)
	}
}

func gcounter(t testing.TB, added map[vclock.ID]uint64) *GCounter {
	c := new(GCounter)
	for id, n := range added {
		_, err := c.Add(id, n)
		require.NoError(t, err)
	}
	return c
}

func pncounter(t testing.TB, up, down map[vclock.ID]uint64) *PNCounter {
	return &PNCounter{*gcounter(t, up), *gcounter(t, down)}
}

// orset has elements with their dots, and has seen more.
func orset[E cmp.Ordered](t testing.TB, there map[E][]vclock.Dot, seen ...vclock.Span) *ORSet[E] {
	for _, ds := range there {
		for _, d := range ds {
			seen = append(seen, vclock.Span{ID: d.ID, From: d.N, To: d.N})
		}
	}
	c, err := vclock.ContextOf(seen...)
	require.NoError(t, err)
	s := &ORSet[E]{shared: shared{&c}}
	for e, ds := range there {
		s.store.add(e, dotsOf(ds...))
	}
	return s
}

func TestGCounterBytes(t *testing.T) {
	zero := func() *GCounter { return new(GCounter) }
	knownBytes(t, zero, map[string]*GCounter{
		"0800":                            {},
		"08020161020162ac02":              gcounter(t, map[vclock.ID]uint64{"a": 2, "b": 300}),
		"080101618080808080808080" + "40": gcounter(t, map[vclock.ID]uint64{"a": vclock.MaxCount}),
	})
	refused(t, "GCounter", func() *GCounter { return gcounter(t, map[vclock.ID]uint64{"old": 1}) }, map[string]string{
		"":                                "byte 0: it ends here",
		"10":                              "byte 0: this is a form of PNCounter",
		"00":                              "byte 0: this is a form of unknown type 0",
		"f8":                              "byte 0: this is a form of unknown type 31",
		"0900":                            "byte 0: version 1 of its form: want 0",
		"08":                              "byte 1: it ends in a number",
		"0801":                            "byte 1: 1, at most 0",
		"08010161":                        "byte 4: it ends in a number",
		"0801016100":                      "byte 5: a number of 0 for a",
		"08010161818000":                  "byte 4: a number with needless bytes",
		"0801016181808080808080" + "8040": "byte 4: 4611686018427387905, at most 4611686018427387904",
		"08020162010161" + "01":           "byte 5: names out of order",
		"080000":                          "byte 2: 1 bytes after the end",
	})
}

func TestPNCounterBytes(t *testing.T) {
	zero := func() *PNCounter { return new(PNCounter) }
	knownBytes(t, zero, map[string]*PNCounter{
		"100000":                 {},
		"10" + "01016102" + "00": pncounter(t, map[vclock.ID]uint64{"a": 2}, nil),
		"10" + "00" + "01016202": pncounter(t, nil, map[vclock.ID]uint64{"b": 2}),
		"10" + "01016102" + "020161010162ac02": pncounter(t, map[vclock.ID]uint64{"a": 2},
			map[vclock.ID]uint64{"a": 1, "b": 300}),
	})
	refused(t, "PNCounter", func() *PNCounter { return pncounter(t, map[vclock.ID]uint64{"old": 1}, nil) }, map[string]string{
		"":                    "byte 0: it ends here",
		"0800":                "byte 0: this is a form of GCounter",
		"170000":              "byte 0: version 7 of its form: want 0",
		"1000":                "byte 2: it ends in a number",
		"10000101610001":      "byte 6: a number of 0 for a",
		"10000000":            "byte 3: 1 bytes after the end",
		"1001016102" + "0101": "byte 5: 1, at most 0",
	})
}

func TestORSetBytes(t *testing.T) {
	dot := func(id vclock.ID, n uint64) vclock.Dot { return vclock.Dot{ID: id, N: n} }
	zero := func() *ORSet[string] { return new(ORSet[string]) }
	known := map[string]*ORSet[string]{
		"58" + "0000" + "00": {},
		// a:1-2 are known; nothing is there.
		"58" + "01016102" + "00" + "00": orset[string](t, nil, vclock.Span{ID: "a", From: 1, To: 2}),
		// a:1 and b:5; milk of a:1 and b:5, and "" of b:7.
		"58" + "01016101" + "01016202" + "0300" + "0000" + "02" + "00" + "01" + "0107" + "046d696c6b" + "02" + "0001" + "0105": orset(t,
			map[string][]vclock.Dot{"milk": {dot("a", 1), dot("b", 5)}, "": {dot("b", 7)}}),
	}
	knownBytes(t, zero, known)
	old := func() *ORSet[string] { return orset(t, map[string][]vclock.Dot{"old": {dot("old", 1)}}) }
	ab := "58" + "01016103" + "00" // a:1-3
	refused(t, "ORSet", old, map[string]string{
		"":                                      "byte 0: it ends here",
		"0800":                                  "byte 0: this is a form of GCounter",
		"59":                                    "byte 0: version 1 of its form: want 0",
		"580000":                                "byte 3: it ends in a number",
		ab:                                      "byte 6: it ends in a number",
		ab + "01":                               "byte 6: 1, at most 0",
		ab + "01" + "0170":                      "byte 6: 1, at most 0",
		ab + "01" + "01700000":                  "byte 10: 0 dots, at least 1",
		ab + "01" + "0170010101":                "byte 12: name 1 of 1",
		ab + "01" + "0170010000":                "byte 12: a:0, which the context does not have",
		ab + "01" + "0170010004":                "byte 12: a:4, which the context does not have",
		ab + "01" + "01700100":                  "byte 11: it ends in a number",
		ab + "01" + "0570010001":                "byte 8: 5 bytes, but 4 are left",
		ab + "01" + "01700100" + "0100":         "byte 12: 1 bytes after the end",
		ab + "01" + "017002" + "0002" + "0001":  "byte 14: a:1 after a:2",
		ab + "01" + "017002" + "0001" + "0001":  "byte 14: a:1 after a:1",
		ab + "02" + "0171010001" + "0170010002": "byte 14: p after q",
		ab + "02" + "0170010001" + "0170010002": "byte 14: p after p",
		ab + "02" + "0170010001" + "0171010001": "byte 17: a:1 is at two places",
		ab + "02" + "017002" + "0001" + "0002" + "0171010002": "byte 19: a:2 is at two places",
	})
}

// fuzzDecoder looks whether what is read is canonical, and whether the laws hold for it and states that are good.
func fuzzDecoder[T state[T]](f *testing.F, zero func() T, invariant func(*testing.T, T), good ...T) {
	for _, s := range good {
		f.Add([]byte(bytesOf(f, s)))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		s, l := zero(), laws[T]{zero: zero, invariant: invariant}
		if err := s.UnmarshalBinary(b); err != nil {
			require.ErrorIs(t, err, ErrCorrupt)
			require.Equal(t, bytesOf(t, zero()), bytesOf(t, s))
			return
		}
		require.Equal(t, string(b), bytesOf(t, s))
		states := append([]T{zero(), s}, good...)
		for _, a := range states {
			l.look(t, a)
			l.look(t, Join(a, s))
			for _, c := range states {
				require.Equal(t, bytesOf(t, Join(Join(a, s), c)), bytesOf(t, Join(a, Join(s, c))), "%v, %v, %v", a, s, c)
			}
		}
		l.pairs(t, states)
	})
}

func FuzzGCounter(f *testing.F) {
	fuzzDecoder(f, func() *GCounter { return new(GCounter) }, nil,
		gcounter(f, map[vclock.ID]uint64{"a": 2, "b": 300}), gcounter(f, map[vclock.ID]uint64{"ab": vclock.MaxCount}))
}

func FuzzPNCounter(f *testing.F) {
	fuzzDecoder(f, func() *PNCounter { return new(PNCounter) }, nil,
		pncounter(f, map[vclock.ID]uint64{"a": 2}, map[vclock.ID]uint64{"a": 1, "b": 300}),
		pncounter(f, nil, map[vclock.ID]uint64{"b": 1}))
}

func FuzzORSet(f *testing.F) {
	dot := func(id vclock.ID, n uint64) vclock.Dot { return vclock.Dot{ID: id, N: n} }
	many := new(ORSet[string])
	for _, e := range someElements(12) {
		_, _ = many.Add("a", e)
	}
	fuzzDecoder(f, func() *ORSet[string] { return new(ORSet[string]) },
		func(t *testing.T, s *ORSet[string]) { s.invariant(t) },
		orset(f, map[string][]vclock.Dot{"milk": {dot("a", 1), dot("b", 5)}, "": {dot("b", 7)}}),
		orset(f, map[string][]vclock.Dot{"eggs": {dot("a", 2)}}, vclock.Span{ID: "a", From: 1, To: 2}),
		orset[string](f, nil, vclock.Span{ID: "a", From: 1, To: 1}), many)
}

type (
	someName  string
	someInt8  int8
	someByte  byte
	someFloat float32
)

// elementBytes looks whether elements have known bytes, are read again, and stand in one set in their order.
func elementBytes[E cmp.Ordered](t *testing.T, json string, known ...any) {
	t.Helper()
	s := new(ORSet[E])
	var all []E
	for i := 0; i < len(known); i += 2 {
		e, want := known[i].(E), known[i+1].(string)
		b := elements[E]{}.append(nil, e)
		require.Equal(t, want, hex.EncodeToString(b), "%v", e)
		d := vclock.NewDecoder(ErrCorrupt, "element", b)
		require.Equal(t, e, elements[E]{}.parse(d))
		require.NoError(t, d.End())
		_, err := s.Add("a", e)
		require.NoError(t, err)
		all = append(all, e)
	}
	require.Equal(t, all, slices.Collect(s.All()))
	got, err := s.MarshalJSON()
	require.NoError(t, err)
	require.Equal(t, json, string(got))
	var read ORSet[E]
	require.NoError(t, read.UnmarshalBinary([]byte(bytesOf(t, s))))
	require.Equal(t, s.String(), read.String())
}

func noElement[E cmp.Ordered](t *testing.T, text, said string) {
	t.Helper()
	b, err := hex.DecodeString(text)
	require.NoError(t, err)
	d := vclock.NewDecoder(ErrCorrupt, "element", b)
	_ = elements[E]{}.parse(d)
	require.ErrorContains(t, d.End(), said)
}

// TestElements has each kind, and types made of them.
func TestElements(t *testing.T) {
	elementBytes[string](t, `["","ab","\ufffd"]`, "", "00", "ab", "026162", "\x80", "0180")
	elementBytes[int](t, `[-1,0,1,64]`, -1, "01", 0, "00", 1, "02", 64, "8001")
	elementBytes[int64](t, `[-9223372036854775808,9223372036854775807]`,
		int64(math.MinInt64), "ffffffffffffffffff01", int64(math.MaxInt64), "feffffffffffffffff01")
	elementBytes[uint64](t, `[0,18446744073709551615]`, uint64(0), "00", uint64(math.MaxUint64), "ffffffffffffffffff01")
	elementBytes[float64](t, `[-1.5,0,1e+300]`, -1.5, "bff8000000000000", 0.0, "0000000000000000", 1e300, "7e37e43c8800759c")
	elementBytes[float32](t, `[0.1,2]`, float32(0.1), "3fb99999a0000000", float32(2), "4000000000000000")
	elementBytes[someName](t, `["x"]`, someName("x"), "0178")
	elementBytes[someInt8](t, `[-128,127]`, someInt8(-128), "ff01", someInt8(127), "fe01")
	elementBytes[someByte](t, `[0,1,255]`, someByte(0), "00", someByte(1), "01", someByte(255), "ff01")
	elementBytes[uint8](t, `[7]`, uint8(7), "07")
	elementBytes[someFloat](t, `[0.5]`, someFloat(0.5), "3fe0000000000000")
	elementBytes[uintptr](t, `[5]`, uintptr(5), "05")

	noElement[string](t, "", "byte 0: it ends in a number")
	noElement[string](t, "0261", "byte 1: 2 bytes, but 1 are left")
	noElement[someInt8](t, "8002", "byte 2: 128 is no crdt.someInt8")
	noElement[someInt8](t, "8102", "byte 2: -129 is no crdt.someInt8")
	noElement[uint8](t, "8002", "byte 2: 256 is no uint8")
	noElement[int](t, "8000", "byte 0: a number with needless bytes")
	noElement[float64](t, "00000000000000", "byte 0: 8 bytes, but 7 are left")
	noElement[float64](t, "8000000000000000", "byte 8: -0 is no float64 in its canonical form")
	noElement[float64](t, "7ff8000000000001", "byte 8: NaN is no float64 in its canonical form")
	noElement[float32](t, "3fb999999999999a", "byte 8: 0.1 is no float32 in its canonical form")
	noElement[float32](t, "7e37e43c8800759c", "byte 8: 1e+300 is no float32 in its canonical form")
}

// TestFloats: what is not equal to itself is refused, and there is one zero. Planted and caught: an element that is kept as it
// comes, so that equal sets print different things.
func TestFloats(t *testing.T) {
	var a, b ORSet[float64]
	_, err := a.Add("a", math.NaN())
	require.EqualError(t, err, "crdt: ORSet: not a number, which is not equal to itself")
	require.Equal(t, "58000000", hex.EncodeToString([]byte(bytesOf(t, &a))))
	delta, err := a.Add("a", math.Copysign(0, -1))
	require.NoError(t, err)
	require.NoError(t, b.UnmarshalBinary([]byte(bytesOf(t, &a))))
	require.Equal(t, "[0]", b.String())
	require.Equal(t, "[0]", a.String())
	require.Equal(t, "[0]", delta.String())
	require.True(t, a.Has(math.Copysign(0, -1)))
	_, err = a.Add("a", math.Inf(1))
	require.NoError(t, err)
	_, err = a.MarshalJSON()
	require.ErrorContains(t, err, "crdt: ORSet: json: unsupported value: +Inf")
	require.Equal(t, 0, a.Remove(0).Len())
	require.Equal(t, "[+Inf]", a.String())
}
