package vclock

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/plinth-go/plinth/internal/form"
	"github.com/plinth-go/plinth/internal/seed"
)

func vec(t testing.TB, counts map[ID]uint64) Vector {
	t.Helper()
	v, err := VectorOf(counts)
	require.NoError(t, err)
	v.invariant(t)
	return v
}

func (v Vector) invariant(t testing.TB) {
	t.Helper()
	if len(v.counts()) <= fewWords {
		require.Nil(t, v.many)
		for _, n := range v.few[len(v.counts()):] {
			require.Zero(t, n)
		}
	} else {
		require.Zero(t, v.few)
	}
	require.Equal(t, tally{v.roster, v.plain()}.vector(), v)
	if v.roster != nil && v.roster.text != "" {
		require.Equal(t, rosterOf(v.roster.ids), v.roster)
	}
	before := ID("")
	for i, id := range v.roster.names() {
		require.NoError(t, id.check())
		require.Less(t, before, id)
		require.NotZero(t, v.at(i))
		require.LessOrEqual(t, v.at(i), uint64(MaxCount))
		before = id
	}
}

// TestVectorLaws: all vectors of three replicas that have counted to two, 27 of them, by
// ones, pairs and triples, beside a naive form. Planted and caught: Merge that takes the smaller, that forgets what
// only one has; a Compare that stops at the shorter one; a Meet that keeps what only one has.
func TestVectorLaws(t *testing.T) {
	var all []Vector
	for i := range 27 {
		all = append(all, vec(t, map[ID]uint64{"a": uint64(i % 3), "b": uint64(i / 3 % 3), "c": uint64(i / 9)}))
	}
	merged := func(v, w Vector) Vector {
		v.Merge(w)
		return v
	}
	ok := func(ok bool, what string, vectors ...Vector) {
		if !ok {
			t.Fatal(what, vectors)
		}
	}
	for _, v := range all {
		require.Equal(t, Equal, v.Compare(v))
		require.False(t, new(Vector).Merge(Vector{}))
		for _, w := range all {
			order := v.naive().compare(w.naive())
			require.Equal(t, order, v.Compare(w), "%v %v", v, w)
			require.Equal(t, order.Reverse(), w.Compare(v))
			require.Equal(t, order == Equal || order == After, v.Descends(w))

			want := v.naive()
			want.merge(w.naive())
			u := v
			require.Equal(t, order == Before || order == Concurrent, u.Merge(w))
			u.invariant(t)
			require.Equal(t, map[ID]uint64(want), maps.Collect(u.All()))
			require.Equal(t, Equal, u.Compare(merged(w, v)), "commutative")
			require.True(t, u.Descends(v) && u.Descends(w))

			m := v.Meet(w)
			m.invariant(t)
			require.Equal(t, Equal, m.Compare(w.Meet(v)))
			require.True(t, v.Descends(m) && w.Descends(m))
			for _, x := range all {
				ok(merged(u, x).Compare(merged(v, merged(w, x))) == Equal, "associative", v, w, x)
				ok(x.Descends(u) == (x.Descends(v) && x.Descends(w)), "least upper bound", v, w, x)
				ok(m.Descends(x) == (v.Descends(x) && w.Descends(x)), "greatest lower bound", v, w, x)
				ok(!v.Descends(w) || !w.Descends(x) || v.Descends(x), "transitive", v, w, x)
				ok(!v.Descends(w) || merged(v, x).Descends(merged(w, x)), "monotone", v, w, x)
			}
		}
	}
}

// TestVectorCopies: what is done to a vector leaves its copies alone, and what it was made of. Planted and
// caught: a Tick that counts in place, a Merge that writes into its own numbers, a Forget that moves names; of packed
// numbers, too.
func TestVectorCopies(t *testing.T) {
	r := seed.New(t)
	for round := range 300 {
		names := []int{4, 12}[round%2]
		first, _ := pairOf(names - 3)
		versions, texts := []Vector{first}, []string{first.String()}
		for range 30 {
			v := versions[r.IntN(len(versions))]
			switch w := versions[r.IntN(len(versions))]; r.IntN(4) {
			case 0:
				v.Merge(w)
			case 1:
				v = v.Meet(w)
			case 2:
				v.Forget(nameOf(r.IntN(names)))
			default:
				d, err := v.Advance(nameOf(r.IntN(names)), []uint64{1, 1, 1, 1, maxHalf}[r.IntN(5)])
				require.NoError(t, err)
				require.Equal(t, d.N, v.Get(d.ID))
				require.True(t, v.Contains(d))
				require.False(t, v.Contains(Dot{d.ID, d.N + 1}))
			}
			v.invariant(t)
			versions, texts = append(versions, v), append(texts, v.String())
		}
		for i, v := range versions {
			require.Equal(t, texts[i], v.String())
		}
	}
}

func TestVectorTicksToTheEnd(t *testing.T) {
	v := vec(t, map[ID]uint64{"a": MaxCount - 1, "b": MaxCount})
	_, err := v.Tick("a")
	require.NoError(t, err)
	for _, id := range []ID{"a", "b"} {
		before := v
		_, err = v.Tick(id)
		require.ErrorIs(t, err, ErrExhausted)
		require.EqualError(t, err, fmt.Sprintf("vclock: counter exhausted: %v at 4611686018427387904 and 1 more, at most 4611686018427387904", id))
		_, err = v.Advance(id, math.MaxUint64)
		require.ErrorIs(t, err, ErrExhausted)
		require.Equal(t, before, v)
	}
	for _, n := range []uint64{MaxCount + 1, math.MaxUint64} {
		_, err = VectorOf(map[ID]uint64{"a": n})
		require.ErrorIs(t, err, ErrExhausted)
	}
	_, err = v.Advance("c", MaxCount+1)
	require.ErrorIs(t, err, ErrExhausted)
	d, err := v.Advance("c", 0)
	require.NoError(t, err)
	require.Zero(t, d)
	require.Zero(t, v.Get("c"))
	w := v
	d, err = w.Advance("c", 7)
	require.NoError(t, err)
	require.Equal(t, Dot{"c", 7}, d)
	d, err = w.Advance("c", 0)
	require.NoError(t, err)
	require.Equal(t, Dot{"c", 7}, d)
	require.EqualValues(t, 7, w.Get("c"))
	require.Zero(t, v.Get("c"))
	require.False(t, v.Contains(Dot{"a", math.MaxUint64}))
	require.False(t, v.Contains(Dot{"a", 0}))
	for id, said := range map[ID]string{
		"":                               "empty",
		ID(strings.Repeat("x", MaxID+1)): "256 bytes, at most 255",
		"\xff":                           `"\xff" is not UTF-8`,
	} {
		_, err := v.Tick(id)
		require.ErrorIs(t, err, ErrID)
		require.ErrorContains(t, err, said)
		_, err = VectorOf(map[ID]uint64{id: 1})
		require.ErrorIs(t, err, ErrID)
	}
	_, err = v.Tick(ID(strings.Repeat("x", MaxID)))
	require.NoError(t, err)
}

// TestVectorBytes are known ones, and what is not canonical. Planted and caught: no check of the longest
// prefix, of the order, of zeros, of needless bytes, of what comes after the end.
func TestVectorBytes(t *testing.T) {
	long := strings.Repeat("N", 40)
	for want, v := range map[string]Vector{
		"0800":                     {},
		"080286938d5d21016132ac02": vec(t, map[ID]uint64{"node-1": 1, "node-12": 300}),
		"0802" + "28" + hex.EncodeToString([]byte(long)) + "7f" + "f11961" + "808001": vec(t, map[ID]uint64{ID(long): 127, ID(long + "a"): 1 << 14}),
		"080101618080808080808080" + "40":                                             vec(t, map[ID]uint64{"a": MaxCount}),
	} {
		b, err := v.MarshalBinary()
		require.NoError(t, err)
		require.Equal(t, want, hex.EncodeToString(b))
		var w Vector
		require.NoError(t, w.UnmarshalBinary(b))
		require.Equal(t, Equal, v.Compare(w))
		w.invariant(t)
	}
	for bytes, said := range map[string]string{
		"":                                  "byte 0: it ends here",
		"10":                                "byte 0: this is a Context",
		"09":                                "byte 0: version 1 of its form: want 0",
		"0c00":                              "byte 0: version 4 of its form: want 0",
		"08":                                "byte 1: it ends in a number",
		"0801":                              "byte 1: 1, at most 0",
		"080101":                            "byte 1: 1, at most 0",
		"08010161":                          "byte 4: it ends in a number",
		"0801f1006101":                      "byte 2: a name of 49 bytes with packing 3",
		"0801034142":                        "byte 3: 3 bytes, but 2 are left",
		"0801016180":                        "byte 5: it ends in a number",
		"0801016100":                        "byte 5: a number of 0 for a",
		"08010161818000":                    "byte 4: a number with needless bytes",
		"0801016181808080808080" + "8040":   "byte 4: 4611686018427387905, at most 4611686018427387904",
		"080101618180808080808080" + "8002": "byte 4: a number of more than 64 bits",
		"080101610100":                      "byte 5: 1 bytes after the end",
		"08020161010161" + "01":             "byte 5: names out of order",
		"08020162010161" + "01":             "byte 5: names out of order",
		"080201610102616201":                "byte 5: a name that is written otherwise",
		"080201610121" + "6201":             "byte 5: a name of 3 bytes that shares 2, and the one before has 1",
		"08010001" + "01":                   "byte 2: vclock: bad ID: it is empty",
		"080101ff01":                        "byte 2: vclock: bad ID: \"\\xff\" is not UTF-8",
		"0801" + "3fc101" + strings.Repeat("61", 256) + "01": "byte 2: a name of 256 bytes, at most 255",
		"0801" + "3f8002" + "6101":                           "byte 3: 256, at most 255",
	} {
		b, err := hex.DecodeString(bytes)
		require.NoError(t, err, bytes)
		v := vec(t, map[ID]uint64{"old": 1})
		err = v.UnmarshalBinary(b)
		require.ErrorIs(t, err, ErrCorrupt, bytes)
		require.ErrorContains(t, err, "vclock: corrupt Vector: "+said, bytes)
		require.Equal(t, `{"old":1}`, v.String())
	}
}

// TestVectorsShareNames that are the same: what is read into a variable that has them, and what is merged. Planted and
// caught: a list with more names than were read, one that is written to, a merge that keeps two lists.
func TestVectorsShareNames(t *testing.T) {
	for _, n := range []int{3, 6, 12} {
		v, other := pairOf(n)
		list, copied, text := v.roster, v, v.String()
		read := func(w Vector) {
			b, err := w.MarshalBinary()
			require.NoError(t, err)
			require.NoError(t, v.UnmarshalBinary(b))
			require.Equal(t, w.String(), v.String())
			v.invariant(t)
		}
		read(other.foreign())
		require.Same(t, list, v.roster)
		b, err := v.MarshalBinary()
		require.NoError(t, err)
		if !form.Raced() {
			require.LessOrEqual(t, testing.AllocsPerRun(100, func() { _ = v.UnmarshalBinary(b) }), 2.0, "numbers, and a Decoder")
		}
		less := other
		require.True(t, less.Forget(nameOf(n-1)))
		read(less)
		_, err = v.Tick("z")
		require.NoError(t, err)
		_, err = other.Tick("z")
		require.NoError(t, err)
		_, err = other.Tick("between")
		require.NoError(t, err)
		read(other)
		read(Vector{})
		read(vec(t, map[ID]uint64{nameOf(1): 5}))
		require.Equal(t, text, copied.String())
	}
	for _, n := range []int{3, 6, 12} {
		v, w := pairOf(n)
		w = w.foreign()
		require.True(t, v.Merge(w))
		require.Same(t, w.roster, v.roster)
		less := vec(t, map[ID]uint64{nameOf(1): 5000})
		require.True(t, v.Merge(less))
		require.Same(t, w.roster, v.roster, "it has all names")
		_, err := less.Tick(nameOf(2))
		require.NoError(t, err)
		_, err = w.Tick(nameOf(0))
		require.NoError(t, err)
		require.True(t, less.Merge(w))
		require.Same(t, w.roster, less.roster, "the other one has")
		require.Same(t, w.roster, w.Meet(v).roster, "both have")
	}
}

// TestVectorModel: vectors of up to twelve replicas, with numbers in the variable or not, and packed or not, beside maps. What
// was copied on the way is the same at the end. Planted and caught: numbers that are not copied before they are changed, a
// limit that is one off on either side, a number in the variable after the last name, a roster without its new name or with
// its text elsewhere.
func TestVectorModel(t *testing.T) {
	r := seed.New(t)
	for round := range 300 {
		names := []int{4, 8, 12}[round%3]
		var vs [3]Vector
		var models [3]naiveVector
		for i := range models {
			models[i] = naiveVector{}
		}
		type copied struct {
			v     Vector
			model naiveVector
		}
		var copies []copied
		for range 60 {
			i, j := r.IntN(3), r.IntN(3)
			id, by := nameOf(r.IntN(names)), []uint64{3, 3, 3, 3, 3, 3, 3, maxHalf}[r.IntN(8)]
			switch v := &vs[i]; r.IntN(9) {
			case 0, 1, 2:
				_, err := v.Advance(id, by)
				require.NoError(t, err)
				models[i][id] += by
			case 3:
				news := models[i].compare(models[j]) == Before || models[i].compare(models[j]) == Concurrent
				require.Equal(t, news, v.Merge(vs[j]))
				models[i].merge(models[j])
			case 4:
				other := vs[j].foreign()
				v.Merge(other)
				models[i].merge(models[j])
			case 5:
				require.Equal(t, models[i][id] > 0, v.Forget(id))
				delete(models[i], id)
			case 6:
				*v, models[i] = vs[j], maps.Clone(models[j])
			case 7:
				*v = v.Meet(vs[j])
				models[i] = models[i].meet(models[j])
			case 8:
				b, err := vs[j].MarshalBinary()
				require.NoError(t, err)
				require.NoError(t, v.UnmarshalBinary(b))
				models[i] = maps.Clone(models[j])
			}
			vs[i].invariant(t)
			require.Equal(t, models[i], vs[i].naive())
			require.Equal(t, models[i].compare(models[j]), vs[i].Compare(vs[j]), "%v and %v", vs[i], vs[j])
			require.Equal(t, models[i].compare(models[j]), vs[i].foreign().Compare(vs[j]))
			copies = append(copies, copied{vs[i], maps.Clone(models[i])})
		}
		for _, c := range copies {
			c.v.invariant(t)
			require.Equal(t, c.model, c.v.naive(), "a copy")
		}
	}
}

func (v naiveVector) meet(w naiveVector) naiveVector {
	both := naiveVector{}
	for id, n := range v {
		if m := min(n, w[id]); m > 0 {
			both[id] = m
		}
	}
	return both
}

// TestRosterText: there is one text for each list of names, however they begin, and what has none is compared as what has one.
// Planted and caught: names without their lengths, lengths in half a byte; a name that comes to a list without a text, and
// brings a text of itself alone.
func TestRosterText(t *testing.T) {
	long := ID(strings.Repeat("x", MaxID))
	lists := [][]ID{
		nil, {"a"}, {"a", "b"}, {"ab"}, {"a", "bc"}, {"ab", "c"}, {"a", "b", "c"}, {"abc"}, {"\x01a"}, {"\x01", "\x01a"},
		{long}, {long[:15], long}, {long[:16]}, {long[:16], long}, {long[:239]}, {long[:128]},
	}
	for i, a := range lists {
		for j, b := range lists {
			require.Equal(t, i == j, rosterOf(a).same(rosterOf(b)), "%q and %q", a, b)
		}
		r := rosterOf(a)
		for at, id := range a {
			require.Equal(t, r, r.without(at).with(at, id))
			less := r.part(r.without(at).names())
			require.True(t, less == nil || less.text == "")
			require.Equal(t, r, less.with(at, id))
		}
		untold := rosterOf(append(slices.Clone(a), "~")).part(a)
		require.True(t, untold.same(r) && r.same(untold) && untold.same(untold))
		require.Equal(t, i == 1, untold.same(rosterOf([]ID{"a"})))
	}
}

// TestVectorPacksAgain: a vector has half words again when its large numbers are gone, by Meet or by Forget. Planted and caught: a
// Meet that leaves the words it has.
func TestVectorPacksAgain(t *testing.T) {
	for n := 5; n <= 12; n++ {
		v, w := pairOf(n)
		small := v.Meet(w)
		_, err := v.Advance(nameOf(0), maxHalf)
		require.NoError(t, err)
		_, err = w.Advance(nameOf(1), maxHalf)
		require.NoError(t, err)
		require.Len(t, v.many, n)
		require.Equal(t, small, v.Meet(w))
		require.True(t, v.Forget(nameOf(0)) && small.Forget(nameOf(0)))
		require.Equal(t, small, v.Meet(small))
		v.invariant(t)
		require.Len(t, v.counts(), wordsOf(n-1))
	}
}

// TestVectorAllocates: a vector of few replicas has its numbers in the variable, and otherwise they are allocated once: by
// Merge, by Tick, and to be read, beside the decoder; if large ones are read, once more. Planted and caught: a limit of three
// words; numbers that are not packed; large ones that never fit, and are copied for each; a Merge of packed and plain ones,
// name by name.
func TestVectorAllocates(t *testing.T) {
	if form.Raced() {
		t.Log("the race detector allocates")
		return
	}
	for n := 2; n <= 20; n++ {
		first := nameOf(0)
		for _, from := range []uint64{1000, maxHalf + 1} {
			v, w := pairFrom(from, n)
			far, limit := w.foreign(), 8
			if from > maxHalf {
				limit = 4
			}
			want := 0.0
			if n > limit {
				want = 1
			}
			require.Equal(t, want, testing.AllocsPerRun(100, func() { u := v; u.Merge(w) }), n)
			require.Equal(t, want, testing.AllocsPerRun(100, func() { u := v; u.Merge(far) }), n)
			require.Equal(t, want, testing.AllocsPerRun(100, func() { u := v; _, _ = u.Tick(first) }), n)
			b, err := v.MarshalBinary()
			require.NoError(t, err)
			u := v
			if from > maxHalf && n > 8 {
				want = 2
			}
			require.Equal(t, 1+want, testing.AllocsPerRun(100, func() { _ = u.UnmarshalBinary(b) }), n)
		}
		v, w := pairOf(n)
		_, err := w.Advance(nameOf(n-2), maxHalf)
		require.NoError(t, err)
		want := 0.0
		if n > 4 {
			want = 1
		}
		require.Equal(t, want, testing.AllocsPerRun(100, func() { u := v; u.Merge(w) }), n)
		require.Equal(t, want, testing.AllocsPerRun(100, func() { u := w; u.Merge(v) }), n)
	}
}

func FuzzVector(f *testing.F) {
	for _, v := range []map[ID]uint64{{}, {"a": 1}, {"node-1": 1, "node-12": 300}, {"a": MaxCount, "ab": 2, "b": 3}, {
		"a": 1, "b": 2, "c": 3, "d": 4, "e": maxHalf, "f": 6, "g": 7, "h": 8, "i": 9}, {"a": 1, "b": 2, "c": 3, "d": 4, "e": maxHalf + 1}} {
		w, _ := VectorOf(v)
		b, _ := w.MarshalBinary()
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var v Vector
		if v.UnmarshalBinary(b) != nil {
			require.Zero(t, v.Len())
			return
		}
		v.invariant(t)
		again, err := v.MarshalBinary()
		require.NoError(t, err)
		require.Equal(t, b, again)
		text, err := json.Marshal(v)
		require.NoError(t, err)
		var w Vector
		require.NoError(t, json.Unmarshal(text, &w))
		require.Equal(t, Equal, v.Compare(w))
		require.NoError(t, w.UnmarshalText([]byte(v.String())))
		require.Equal(t, Equal, v.Compare(w))
	})
}

// FuzzVectorText: what is accepted is written, and read back the same.
func FuzzVectorText(f *testing.F) {
	for _, text := range []string{`{}`, ` {"a":0, "b":7}`, `{"é\"":4611686018427387904}`, `{"a":1,"a":1}`, "{\"\xff\":1}"} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var v, w Vector
		if err := v.UnmarshalText(b); err != nil {
			require.ErrorIs(t, err, ErrCorrupt)
			require.Zero(t, v.Len())
			return
		}
		v.invariant(t)
		require.NoError(t, w.UnmarshalText([]byte(v.String())))
		require.Equal(t, v, w)
	})
}

func TestVectorJSON(t *testing.T) {
	v := vec(t, map[ID]uint64{"b": MaxCount, `a"<é`: 1})
	b, err := json.Marshal(v)
	require.NoError(t, err)
	require.Equal(t, `{"a\"\u003cé":1,"b":4611686018427387904}`, string(b))
	var w Vector
	require.NoError(t, json.Unmarshal(b, &w))
	require.Equal(t, v, w)
	require.NoError(t, w.UnmarshalText([]byte(v.String())))
	require.Equal(t, v, w)
	require.NoError(t, json.Unmarshal([]byte(` { "z" : 0, "b":2 } `), &w))
	require.Equal(t, `{"b":2}`, w.String())
	for text, said := range map[string]string{
		`[]`:                         "want an object",
		`{"a":1,"a":1}`:              `"a" twice`,
		`{"a":-1}`:                   `"a": -1 is no whole number`,
		`{"a":1.5}`:                  `"a": 1.5 is no whole number`,
		`{"a":18446744073709551616}`: "no whole number of 64 bits",
		`{"a":4611686018427387905}`:  "exhausted",
		`{"a":"1"}`:                  `want a number for "a"`,
		`{"a":{}}`:                   `want a number for "a"`,
		`{"":1}`:                     "bad ID",
		`{"a":1`:                     "EOF",
		`{"a":1} {}`:                 "more after the end",
		"{\"a\xff\":1}":              "not UTF-8",
		``:                           "want an object: EOF",
	} {
		err := w.UnmarshalJSON([]byte(text))
		require.ErrorIs(t, err, ErrCorrupt, text)
		require.ErrorContains(t, err, said, text)
		require.Equal(t, `{"b":2}`, w.String())
	}
}

// TestVectorSize: half of JSON, and no more than MessagePack, for names that differ at their end. Of random names most of
// each byte is news, however it is written: then it is still less than JSON, and at most a byte for each name more than MessagePack.
func TestVectorSize(t *testing.T) {
	r := seed.New(t)
	random := func(int) ID { return ID(fmt.Sprintf("%016x", r.Uint64())) }
	for _, n := range []int{3, 16, 256} {
		size, text, pack := vectorSizes(t, r, n, nameOf)
		t.Logf("%3d replicas: %4d bytes, %4d as MessagePack, %4d as JSON", n, size, pack, text)
		require.LessOrEqual(t, 2*size, text)
		require.LessOrEqual(t, size, pack)
		size, text, pack = vectorSizes(t, r, n, random)
		t.Logf("%3d of random names: %4d bytes, %4d as MessagePack, %4d as JSON", n, size, pack, text)
		require.LessOrEqual(t, 2*size, text)
		require.LessOrEqual(t, size, pack)
	}
}

// vectorSizes are those of a vector in bytes, as JSON, and as MessagePack, which is written by its rules here: a
// header of 1, 3 or 5 bytes, a name with a header of 1 or 2, a number of 1, 2, 3, 5 or 9.
func vectorSizes(t *testing.T, r *rand.Rand, n int, name func(int) ID) (size, text, pack int) {
	t.Helper()
	counts := map[ID]uint64{}
	pack = 3
	if n < 16 {
		pack = 1
	}
	for i := range n {
		id, count := name(i), 1+r.Uint64N(100_000)
		require.Less(t, len(id), 32)
		counts[id] = count
		pack += 1 + len(id)
		switch {
		case count < 1<<7:
			pack++
		case count < 1<<8:
			pack += 2
		case count < 1<<16:
			pack += 3
		default:
			pack += 5
		}
	}
	b, err := vec(t, counts).MarshalBinary()
	require.NoError(t, err)
	asJSON, err := json.Marshal(counts)
	require.NoError(t, err)
	return len(b), len(asJSON), pack
}

func TestCompareDoesNotAllocate(t *testing.T) {
	for _, n := range []int{3, 16, 256} {
		v, w := pairOf(n)
		far, large := w.foreign(), w
		_, err := large.Advance(nameOf(n-2), maxHalf)
		require.NoError(t, err)
		require.Zero(t, testing.AllocsPerRun(100, func() {
			if v.Compare(large) != Concurrent || large.Compare(v) != Concurrent || large.Compare(large) != Equal {
				panic("not concurrent")
			}
			if v.Compare(w) != Concurrent || v.Compare(far) != Concurrent || v.Descends(w) {
				panic("not concurrent")
			}
			u := v
			u.Merge(v)
			u = Vector{}
			u.Merge(v) // which knows it all
		}))
	}
}

// TestVectorReadsLess: what is read into a vector that has more names holds on to none of these. Planted and caught: the
// beginning of the list that is there.
func TestVectorReadsLess(t *testing.T) {
	for _, less := range []map[ID]uint64{{"a": 1}, {"a": 1, "b": 1}, {}} {
		v := vec(t, map[ID]uint64{"a": 1, "b": 2, "c": 3})
		names := v.roster
		b, err := vec(t, less).MarshalBinary()
		require.NoError(t, err)
		require.NoError(t, v.UnmarshalBinary(b))
		require.Equal(t, Equal, v.Compare(vec(t, less)))
		if v.Len() > 0 {
			require.NotSame(t, names, v.roster)
		}
	}
}
