package vclock

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"iter"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/plinth-go/plinth/internal/form"
	"github.com/plinth-go/plinth/internal/seed"
)

// cloud is the naive form of a context: each dot by itself.
type cloud map[Dot]struct{}

func (c cloud) merge(d cloud) (grew bool) {
	for dot := range d {
		_, is := c[dot]
		grew = grew || !is
		c[dot] = struct{}{}
	}
	return grew
}

// cloudOf checks that no dot comes twice, and that all are in order.
func cloudOf(t testing.TB, spans iter.Seq[Span]) cloud {
	t.Helper()
	c, last := cloud{}, Dot{}
	for s := range spans {
		require.NoError(t, s.check())
		for n := s.From; n <= s.To; n++ {
			d := Dot{s.ID, n}
			require.Negative(t, last.order(d))
			c[d], last = struct{}{}, d
		}
	}
	return c
}

func (c *Context) invariant(t testing.TB) {
	t.Helper()
	require.Len(t, c.base.counts, c.base.roster.len(), "not plain")
	c.base.vector().invariant(t)
	id, end := ID(""), uint64(0)
	for _, s := range c.beyond {
		require.NoError(t, s.check())
		require.LessOrEqual(t, id, s.ID)
		if s.ID != id {
			id, end = s.ID, c.base.get(s.ID)
		}
		require.Greater(t, s.From, end+1, "%v in %v", s, c)
		end = s.To
	}
}

// ctx reads one from its text.
func ctx(t testing.TB, text string) (c Context) {
	t.Helper()
	require.NoError(t, c.UnmarshalText([]byte(text)))
	c.invariant(t)
	return c
}

// dots is a set of dots of two replicas, of which each has counted to so many.
type dots struct{ n, set int }

func (s dots) each(yield func(Dot, bool)) {
	for i := range 2 * s.n {
		yield(Dot{[]ID{"a", "b"}[i/s.n], uint64(i%s.n + 1)}, s.set>>i&1 == 1)
	}
}

func (s dots) context(t testing.TB) (c Context) {
	s.each(func(d Dot, is bool) {
		if is {
			isNew, err := c.Add(d)
			require.True(t, isNew)
			require.NoError(t, err)
		}
	})
	c.invariant(t)
	var spans []Span
	for d := range c.All() {
		for n := d.From; n <= d.To; n++ {
			spans = append(spans, Span{d.ID, n, n})
		}
	}
	slices.Reverse(spans)
	text := fmt.Sprint(spans)
	whole, err := ContextOf(spans...)
	require.NoError(t, err)
	whole.invariant(t)
	require.True(t, same(&whole, &c), "%v: %v", spans, whole)
	require.Equal(t, text, fmt.Sprint(spans), "what was given is left alone")
	return c
}

// same reports whether two are the same in all. As there is one form of each set of dots, that is whether they know the same.
func same(c, d *Context) bool {
	return c.base.roster.same(d.base.roster) && slices.Equal(c.base.counts, d.base.counts) &&
		slices.Equal(c.beyond, d.beyond)
}

// TestContextPairs: all sets of dots of two replicas that have counted to four, 256 of them, and their pairs (half of
// them, or all in the long form), beside sets of bits. Planted and caught: spans that touch and stay two, to the
// left, to the right and at the base; a gap of one that is taken for none; what the base has reached left where it
// was; a base of the other taken as it is; spans or numbers shared with a clone; a Compare of bases alone; a Minus of
// one too many.
func TestContextPairs(t *testing.T) {
	const n = 4
	var all []Context
	for set := range 1 << (2 * n) {
		c := dots{n, set}.context(t)
		dots{n, set}.each(func(d Dot, is bool) { require.Equal(t, is, c.Contains(d)) })
		require.False(t, c.Contains(Dot{"a", n + 1}) || c.Contains(Dot{"0", 1}) || c.Contains(Dot{"a", 0}))
		require.Equal(t, set == 0 || len(c.beyond) == 0, c.Contiguous())
		all = append(all, c)
	}
	check := func(ok bool, what string, x, y int) {
		if !ok {
			t.Fatalf("%s: %v and %v", what, all[x], all[y])
		}
	}
	step := 2
	switch {
	case form.Raced():
		step = 7
	case form.Long():
		step = 1
	}
	for x, c := range all {
		for y := x % step; y < len(all); y += step {
			d := all[y]
			order := ordering(x&^y != 0, y&^x != 0)
			check(c.Compare(d) == order, "Compare", x, y)
			check(c.Descends(d) == (y&^x == 0), "Descends", x, y)
			one, both := c.Clone(), c.Clone()
			check(one.mergeFew(d) == (y&^x != 0) && both.mergeMany(d) == (y&^x != 0), "Merge grew", x, y)
			check(same(&one, &all[x|y]), "mergeFew", x, y)
			check(same(&both, &all[x|y]), "mergeMany", x, y)
			met := c.Meet(d)
			check(same(&met, &all[x&y]), "Meet", x, y)
			diff, err := ContextOf(slices.Collect(c.Minus(d))...)
			check(err == nil && same(&diff, &all[x&^y]), "Minus", x, y)
		}
	}
	for set, c := range all {
		again := dots{n, set}.context(t)
		check(same(&c, &again), "left alone", set, set)
	}
}

// TestContextLaws: triples of sets of dots of two replicas that have counted to three, some or all of them.
func TestContextLaws(t *testing.T) {
	const n = 3
	step := 3
	switch {
	case form.Raced():
		step = 7
	case form.Long():
		step = 1
	}
	var all []Context
	for set := range 1 << (2 * n) {
		all = append(all, dots{n, set}.context(t))
	}
	merged := func(c, d Context) Context {
		u := c.Clone()
		u.Merge(d)
		return u
	}
	check := func(ok bool, what string, contexts ...Context) {
		if !ok {
			t.Fatal(what, contexts)
		}
	}
	for _, c := range all {
		for j := 0; j < len(all); j += step {
			d := all[j]
			u, m := merged(c, d), c.Meet(d)
			for k := 0; k < len(all); k += step {
				x := all[k]
				check(x.Descends(u) == (x.Descends(c) && x.Descends(d)), "least upper bound", c, d, x)
				check(m.Descends(x) == (c.Descends(x) && d.Descends(x)), "greatest lower bound", c, d, x)
				check(!c.Descends(d) || !d.Descends(x) || c.Descends(x), "transitive", c, d, x)
			}
			x := all[(j*7+int(u.Base().Get("a")))%len(all)]
			check(merged(u, x).Compare(merged(c, merged(d, x))) == Equal, "associative", c, d, x)
		}
	}
}

// TestContextOperations does anything to contexts of four replicas, beside sets of dots. What has been cloned stays
// as it was. Planted and caught: a Next that fills a gap, or is after the first span and not the last.
func TestContextOperations(t *testing.T) {
	r := seed.New(t)
	rounds := 60
	if form.Long() {
		rounds = 600
	}
	for range rounds {
		contexts, clouds := []Context{{}}, []cloud{{}}
		for range 40 {
			i, j := r.IntN(len(contexts)), r.IntN(len(contexts))
			c, want := contexts[i].Clone(), cloudOf(t, contexts[i].All())
			operate(t, r, &c, want, contexts[j], clouds[j])
			c.invariant(t)
			require.Equal(t, want, cloudOf(t, c.All()))
			contexts, clouds = append(contexts, c), append(clouds, want)
		}
		for i, c := range contexts {
			require.Equal(t, clouds[i], cloudOf(t, c.All()))
		}
	}
}

func operate(t *testing.T, r *rand.Rand, c *Context, want cloud, other Context, theirs cloud) {
	id := nameOf(r.IntN(4))
	switch op := r.IntN(8); op {
	case 0, 1, 2:
		d := Dot{id, 1 + r.Uint64N(30)}
		_, had := want[d]
		isNew, err := c.Add(d)
		require.NoError(t, err)
		require.Equal(t, !had, isNew)
		want[d] = struct{}{}
	case 3, 4:
		from := 1 + r.Uint64N(30)
		s := Span{id, from, from + r.Uint64N(4)}
		isNew, err := c.AddSpan(s)
		require.NoError(t, err)
		require.Equal(t, want.merge(cloudOf(t, slices.Values([]Span{s}))), isNew)
	case 5:
		largest := uint64(0)
		for d := range want {
			if d.ID == id {
				largest = max(largest, d.N)
			}
		}
		d, err := c.Next(id)
		require.NoError(t, err)
		require.Equal(t, Dot{id, largest + 1}, d)
		want[d] = struct{}{}
	case 6:
		require.Equal(t, want.merge(theirs), c.Merge(other))
	default:
		base := other.Base()
		missing := cloudOf(t, c.Missing(base))
		for d := range want {
			_, is := missing[d]
			require.Equal(t, !base.Contains(d), is)
		}
		for d := range theirs {
			require.Equal(t, mapHas(want, d), c.Contains(d))
		}
	}
}

func mapHas(c cloud, d Dot) bool {
	_, is := c[d]
	return is
}

// TestContextMergesMany takes the pass over both, with what closes gaps.
func TestContextMergesMany(t *testing.T) {
	r := seed.New(t)
	for range 100 {
		var c, d Context
		x, y := cloud{}, cloud{}
		for range 120 {
			dot := Dot{nameOf(r.IntN(6)), 1 + r.Uint64N(40)}
			if r.IntN(2) == 0 {
				_, _ = c.Add(dot)
				x[dot] = struct{}{}
			} else {
				_, _ = d.Add(dot)
				y[dot] = struct{}{}
			}
		}
		before := d.String()
		require.Greater(t, len(d.base.counts)+len(d.beyond), fewSpans)
		require.Equal(t, x.merge(y), c.Merge(d))
		c.invariant(t)
		require.Equal(t, x, cloudOf(t, c.All()))
		require.False(t, c.Merge(d))
		_, _ = c.AddSpan(Span{nameOf(0), 1, 100})
		require.Equal(t, before, d.String(), "nothing is kept of what was merged")
	}
}

func TestFind(t *testing.T) {
	names := []ID{}
	for i := range 20 {
		for k := range 43 {
			id := ID(fmt.Sprintf("%02d", k))
			at, is := find(names, id)
			wantAt, want := slices.BinarySearch(names, id)
			require.Equal(t, want, is, "%v in %v", id, names)
			require.Equal(t, wantAt, at, "%v in %v", id, names)
		}
		names = append(names, ID(fmt.Sprintf("%02d", 2*i+1)))
	}
}

// TestContextGivesCopies of its numbers away, and takes them, whether a Vector has them in the variable or not, and packed or
// not; and what it is read from and compared with may be packed. Planted and caught: a Base, a Clone or a Context of a
// Vector that shares them; a Context that is read, or Missing, with numbers that are packed.
func TestContextGivesCopies(t *testing.T) {
	for n := range 20 {
		v, w := pairFrom([]uint64{1000, maxHalf + 1}[n%2], 2+n/2)
		before := v.String()
		require.Equal(t, []Span{{nameOf(n / 2), w.Get(nameOf(n / 2)), w.Get(nameOf(n / 2))}}, slices.Collect(w.Context().Missing(v)))
		c := v.Context()
		clone, base := c.Clone(), c.Base()
		for id := range v.All() {
			_, err := c.Next(id)
			require.NoError(t, err)
		}
		require.Equal(t, before, v.String())
		require.Equal(t, before, base.String())
		require.Equal(t, before, clone.Base().String())
		require.Equal(t, Before, v.Compare(c.Base()))
		c.invariant(t)
		var read Context
		b, err := clone.MarshalBinary()
		require.NoError(t, err)
		require.NoError(t, read.UnmarshalBinary(b))
		require.Equal(t, clone, read)
	}
}

// TestContextNamesAreImmutable: a union has room for more names than it has, and those who share its names must not
// see one that comes later. Planted and caught: names that are inserted in place.
func TestContextNamesAreImmutable(t *testing.T) {
	var c, d Context
	for i := range 20 {
		into := []*Context{&c, &d}[i%2]
		_, _ = into.Add(Dot{nameOf(i % 15), 1})
	}
	require.True(t, c.mergeMany(d))
	require.Greater(t, cap(c.base.roster.ids), len(c.base.roster.ids))
	clone, base := c.Clone(), c.Base()
	before := clone.String()
	_, _ = c.Add(Dot{"a", 1})
	_, _ = c.Add(Dot{"z", 1})
	require.Equal(t, before, clone.String())
	clone.invariant(t)
	base.invariant(t)
}

func TestContextCloses(t *testing.T) {
	c := ctx(t, `{"a":"1-3,5-6,9"}`)
	require.False(t, c.Contiguous())
	require.Equal(t, `{"a":3}`, c.Base().String())
	_, err := c.Add(Dot{"a", 8})
	require.NoError(t, err)
	require.Equal(t, `{"a":"1-3,5-6,8-9"}`, c.String())
	_, err = c.Add(Dot{"a", 4})
	require.NoError(t, err)
	require.Equal(t, `{"a":"1-6,8-9"}`, c.String())
	d, err := c.Next("a")
	require.NoError(t, err)
	require.Equal(t, "a:10", d.String())
	base, clone := c.Base(), c.Clone()
	isNew, err := c.AddSpan(Span{"a", 2, 12})
	require.NoError(t, err)
	require.True(t, isNew)
	require.True(t, c.Contiguous())
	require.Equal(t, `{"a":12}`, c.Base().String())
	require.Equal(t, `{"a":6}`, base.String())
	require.Equal(t, `{"a":"1-6,8-10"}`, clone.String())
	v := vec(t, map[ID]uint64{"a": 2})
	require.True(t, v.Context().Contains(Dot{"a", 2}), "of what has no name")
	c = v.Context()
	_, err = c.Next("a")
	require.NoError(t, err)
	require.Equal(t, `{"a":2}`, v.String())
}

// TestContextStopsRanging: who has seen enough of a range gets no more.
func TestContextStopsRanging(t *testing.T) {
	c, d := ctx(t, `{"a":"1-9,12,14", "b":"1-3"}`), ctx(t, `{"a":"2,4"}`)
	for name, spans := range map[string]iter.Seq[Span]{"All": c.All(), "Minus": c.Minus(d), "Missing": c.Missing(d.Base())} {
		for enough := range 3 {
			n := 0
			for range spans {
				if n++; n > enough {
					break
				}
			}
			require.Equal(t, enough+1, n, name)
		}
	}
	require.Equal(t, "[a:1 a:3 a:5-9 a:12 a:14 b:1-3]", fmt.Sprint(slices.Collect(c.Minus(d))))
	require.Equal(t, `"two words":7-8`, Span{"two words", 7, 8}.String())
}

func TestContextRefuses(t *testing.T) {
	c := ctx(t, `{"a":"1-4611686018427387903", "b":"4611686018427387904", "c":"3-4611686018427387903"}`)
	before := c.String()
	refused := func(err, want error, said string) {
		t.Helper()
		require.ErrorIs(t, err, want)
		require.ErrorContains(t, err, said)
		require.Equal(t, before, c.String())
	}
	_, err := c.Next("b")
	refused(err, ErrExhausted, "b at 4611686018427387905")
	_, err = c.Next("")
	refused(err, ErrID, "empty")
	for _, d := range []Dot{{"a", MaxCount + 1}, {"z", math.MaxUint64}} {
		_, err = c.Add(d)
		refused(err, ErrExhausted, "at most 4611686018427387904")
		require.False(t, c.Contains(d))
	}
	_, err = c.Add(Dot{"a", 0})
	refused(err, ErrCorrupt, "a:0: want numbers from 1 on")
	_, err = c.Add(Dot{})
	refused(err, ErrID, "empty")
	_, err = c.AddSpan(Span{"a", 5, 4})
	refused(err, ErrCorrupt, "a:5-4: want numbers from 1 on, the smaller first")
	_, err = ContextOf(Span{"a", 1, 1}, Span{"b", 1, MaxCount + 1})
	refused(err, ErrExhausted, "b at")
	for _, id := range []ID{"a", "c"} {
		d, err := c.Next(id)
		require.NoError(t, err)
		require.Equal(t, Dot{id, MaxCount}, d)
		_, err = c.Next(id)
		require.ErrorIs(t, err, ErrExhausted)
	}
	require.Equal(t, `{"a":"1-4611686018427387904", "b":"4611686018427387904", "c":"3-4611686018427387904"}`, c.String())
}

// TestContextBytes are known ones, and what is not canonical. Planted and caught: spans counted from the base each
// time, an empty list, names in any order, a number past the end, a receiver that has changed.
func TestContextBytes(t *testing.T) {
	for want, text := range map[string]string{
		"1000" + "00":       `{}`,
		"1001016103" + "00": `{"a":"1-3"}`,
		"1001016103" + "02" + "016102" + "0001" + "0100" + "016201" + "0000": `{"a":"1-3,5-6,9", "b":"2"}`,
		"1000" + "01" + "016101" + "feffffffffffffff3f" + "00":               `{"a":"4611686018427387904"}`,
		"1000" + "02" + "42" + "ab01" + "0000" + "216301" + "0100":           `{"ab":"2", "abc":"3"}`,
	} {
		c := ctx(t, text)
		b, err := c.MarshalBinary()
		require.NoError(t, err)
		require.Equal(t, want, hex.EncodeToString(b), text)
		var d Context
		require.NoError(t, d.UnmarshalBinary(b))
		require.Equal(t, Equal, c.Compare(d))
		d.invariant(t)
	}
	for bytes, said := range map[string]string{
		"08":                                     "byte 0: this is a Vector",
		"11":                                     "byte 0: version 1 of its form",
		"1000":                                   "byte 2: it ends in a number",
		"10000000":                               "byte 3: 1 bytes after the end",
		"1000" + "01":                            "byte 2: 1, at most 0",
		"1000" + "01" + "016100" + "0000":        "byte 6: no spans of a",
		"1000" + "01" + "016102" + "0000":        "byte 5: 2, at most 1",
		"1000" + "01" + "016101" + "8000" + "00": "byte 6: a number with needless bytes",
		"1000" + "01" + "016101" + "ffffffffffffffff3f" + "00":       "a at 4611686018427387905, at most",
		"1000" + "01" + "016101" + "fdffffffffffffff3f" + "02":       "a at 4611686018427387905, at most",
		"1000" + "02" + "016201" + "0000" + "016101" + "0000":        "byte 8: names out of order",
		"1000" + "02" + "016101" + "0000" + "016101" + "0000":        "byte 8: names out of order",
		"1001016180808080808080" + "8040" + "01" + "016101" + "0000": "a at 4611686018427387906, at most",
	} {
		b, err := hex.DecodeString(bytes)
		require.NoError(t, err, bytes)
		c := ctx(t, `{"old":"1,3"}`)
		err = c.UnmarshalBinary(b)
		require.ErrorIs(t, err, ErrCorrupt, bytes)
		require.ErrorContains(t, err, said, bytes)
		require.Equal(t, `{"old":"1,3"}`, c.String())
	}
}

func FuzzContext(f *testing.F) {
	for _, text := range []string{
		`{}`, `{"a":"1"}`, `{"a":"1-3,5-6,9", "b":"2"}`, `{"a":"1-4611686018427387902,4611686018427387904"}`,
	} {
		b, _ := ctx(f, text).MarshalBinary()
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var c Context
		if c.UnmarshalBinary(b) != nil {
			require.True(t, len(c.base.counts) == 0 && c.Contiguous())
			return
		}
		c.invariant(t)
		again, err := c.MarshalBinary()
		require.NoError(t, err)
		require.Equal(t, b, again)
		text, err := json.Marshal(c)
		require.NoError(t, err)
		d := c.Clone()
		require.NoError(t, d.UnmarshalJSON(text))
		require.Equal(t, Equal, c.Compare(d))
		require.False(t, d.Merge(c) || d.mergeMany(c))
	})
}

func FuzzContextText(f *testing.F) {
	for _, text := range []string{`{}`, `{"a":"1-3, 5"}`, `{"a":"9,1-3,2-7","":"1"}`, `{"é\"":"18446744073709551615"}`} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var c, d Context
		if err := c.UnmarshalText(b); err != nil {
			require.ErrorIs(t, err, ErrCorrupt)
			return
		}
		c.invariant(t)
		require.NoError(t, d.UnmarshalText([]byte(c.String())))
		require.Equal(t, c.String(), d.String())
	})
}

// FuzzContextOperations lets the bytes choose what is done.
func FuzzContextOperations(f *testing.F) {
	f.Add([]byte("any bytes will do"))
	f.Fuzz(func(t *testing.T, b []byte) {
		r := seed.Of(b)
		var c, d Context
		x, y := cloud{}, cloud{}
		for range min(len(b), 60) {
			operate(t, r, &c, x, d, y)
			c.invariant(t)
			require.Equal(t, x, cloudOf(t, c.All()))
			c, d, x, y = d, c, y, x
		}
	})
}

func TestContextJSON(t *testing.T) {
	c := ctx(t, ` { "b" : "7-9,2,3-5,4-6" , "a\"<é":"1" } `)
	require.Equal(t, `{"a\"\u003cé":"1", "b":"2-9"}`, c.String())
	b, err := json.Marshal(map[string]any{"c": c})
	require.NoError(t, err)
	require.Equal(t, `{"c":{"a\"\u003cé":"1","b":"2-9"}}`, string(b))
	b, err = c.MarshalText()
	require.NoError(t, err)
	require.Equal(t, c.String(), string(b))
	for text, said := range map[string]string{
		``:                              "want an object: EOF",
		`null`:                          "want an object",
		`{"a":"1","a":"2"}`:             `"a" twice`,
		`{"a":1}`:                       `want spans in a string for "a"`,
		`{"a":""}`:                      `"" is no number`,
		`{"a":"1-2-3"}`:                 `"1-2-3" is no number`,
		`{"a":"1,"}`:                    `"" is no number`,
		`{"a":"-1"}`:                    `"-1" is no number`,
		`{"a":"1, 3"}`:                  `" 3" is no number`,
		`{"a":"0"}`:                     "a:0: want numbers from 1 on",
		`{"a":"3-2"}`:                   "the smaller first",
		`{"a":"1-4611686018427387905"}`: "exhausted",
		`{"":"1"}`:                      "bad ID",
		`{"a":"1"`:                      "EOF",
		`{"a":"1"} {}`:                  "more after the end",
		"{\"a\xff\":\"1\"}":             "not UTF-8",
	} {
		err := c.UnmarshalJSON([]byte(text))
		require.ErrorIs(t, err, ErrCorrupt, text)
		require.ErrorContains(t, err, said, text)
		require.Equal(t, `{"a\"\u003cé":"1", "b":"2-9"}`, c.String())
	}
}

// TestContextOf takes spans in any order, of which some are parts of others. Planted and caught: a base that is set to
// the end of each span that touches it.
func TestContextOf(t *testing.T) {
	for want, spans := range map[string][]Span{
		`{}`:                   nil,
		`{"a":"1-9"}`:          {{"a", 2, 3}, {"a", 1, 9}, {"a", 4, 4}},
		`{"a":"3-9", "b":"1"}`: {{"b", 1, 1}, {"a", 5, 6}, {"a", 3, 9}, {"a", 9, 9}},
	} {
		c, err := ContextOf(spans...)
		require.NoError(t, err)
		c.invariant(t)
		require.Equal(t, want, c.String())
	}
}

// TestContextAllocates: nothing where it is asked, and nothing for what comes in order.
func TestContextAllocates(t *testing.T) {
	c := ctx(t, `{"a":"1-3,5-6,9", "b":"1-2", "c":"2"}`)
	d := ctx(t, `{"a":"1-4,9", "b":"1-3"}`)
	require.Zero(t, testing.AllocsPerRun(100, func() {
		if c.Contains(Dot{"a", 4}) || !c.Contains(Dot{"a", 6}) || c.Compare(d) != Concurrent || c.Descends(d) {
			panic("wrong")
		}
		if _, err := c.Next("b"); err != nil {
			panic(err)
		}
		if isNew, err := c.Add(Dot{"c", c.beyond[2].To + 1}); !isNew || err != nil {
			panic(err)
		}
		c.Merge(c)
		d.Merge(Context{base: c.base})
	}))
}
