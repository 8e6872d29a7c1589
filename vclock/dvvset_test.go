package vclock

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/plinth-go/plinth/internal/form"
	"github.com/plinth-go/plinth/internal/seed"
)

func (s DVVSet[V]) invariant(t testing.TB) {
	t.Helper()
	s.context.invariant(t)
	before := Dot{}
	for dot := range s.All() {
		require.Negative(t, before.order(dot))
		require.True(t, s.context.Contains(dot))
		before = dot
	}
}

// entry is how the Erlang code writes what one server wrote: its number, and the values, the newest first.
type entry[V any] struct {
	id     ID
	n      uint64
	values []V
}

func en[V any](id ID, n uint64, values ...V) entry[V] { return entry[V]{id, n, values} }

func setOf[V any](t testing.TB, entries ...entry[V]) (s DVVSet[V]) {
	t.Helper()
	counts := map[ID]uint64{}
	for _, e := range entries {
		counts[e.id] = e.n
		for i, v := range slices.Backward(e.values) {
			s.siblings = append(s.siblings, sibling[V]{Dot{e.id, e.n - uint64(i)}, v})
		}
	}
	s.context = vec(t, counts)
	s.invariant(t)
	return s
}

func written[V any](t testing.TB, s DVVSet[V], ctx Vector, server ID, v V) DVVSet[V] {
	t.Helper()
	require.NoError(t, s.Put(ctx, server, v))
	s.invariant(t)
	return s
}

func mergedSets[V any](s, o DVVSet[V]) DVVSet[V] {
	s.Merge(o)
	return s
}

// TestDVVSetKnown are the tests that Gonçalves and Almeida publish with their Erlang code (Dotted-Version-Vectors,
// dvvset.erl, 2013), under their names. Two things are other here: a write always is one of a server that has what it
// knows itself, and the values without a dot, which are not here, have those of a server z.
func TestDVVSetKnown(t *testing.T) {
	var none DVVSet[string]
	v1 := written(t, none, Vector{}, "a", "v1")
	is := func(want string, s fmt.Stringer) {
		t.Helper()
		require.Equal(t, want, s.String())
	}
	t.Run("join", func(t *testing.T) {
		is(`{}`, none.Context())
		is(`{"a":1}`, v1.Context())
		is(`{"a":1, "b":1}`, written(t, v1, v1.Context(), "b", "v2").Context())
	})
	t.Run("update", func(t *testing.T) {
		a1 := written(t, v1, v1.Context(), "a", "v2")
		is(`{"a":1} [a:1=v1]`, v1)
		is(`{"a":2} [a:2=v2]`, a1)
		is(`{"a":2, "b":1} [b:1=v3]`, written(t, a1, a1.Context(), "b", "v3"))
		is(`{"a":2, "b":1} [a:2=v2 b:1=v4]`, written(t, a1, v1.Context(), "b", "v4"))
		is(`{"a":3} [a:2=v2 a:3=v5]`, written(t, a1, v1.Context(), "a", "v5"))
	})
	t.Run("sync", func(t *testing.T) {
		x, y := setOf(t, en[string]("x", 1)), written(t, none, Vector{}, "b", "v2")
		a1 := written(t, v1, v1.Context(), "a", "v2")
		a3, a4 := written(t, none, a1.Context(), "b", "v3"), written(t, none, a1.Context(), "c", "v3")
		both := func(want string, s, o DVVSet[string]) {
			t.Helper()
			is(want, mergedSets(s, o))
			is(want, mergedSets(o, s))
		}
		both(`{"a":2} [a:2=v2]`, setOf(t, en[string]("a", 1)), setOf(t, en("a", 2, "v2", "v1")))
		both(`{"a":2} [a:2=v2]`, v1, a1)
		both(`{"a":2, "b":1, "c":1} [b:1=v3 c:1=v3]`, a3, a4)
		both(`{"a":1, "x":1} [a:1=v1]`, x, v1)
		both(`{"a":1, "b":1} [a:1=v1 b:1=v2]`, v1, y)
		last := a4
		last.LWW(func(a, b string) bool { return a > b })
		both(last.String(), a4, last)
	})
	t.Run("sync_update", func(t *testing.T) {
		a1 := written(t, v1, Vector{}, "a", "v2")
		is(`{"a":2} [a:1=v1 a:2=v2]`, a1)
		is(`{"a":3} [a:2=v2 a:3=v3]`, written(t, a1, v1.Context(), "a", "v3"))
	})
	t.Run("event", func(t *testing.T) {
		is(`{"a":2} [a:1=v1 a:2=v2]`, written(t, v1, Vector{}, "a", "v2"))
		is(`{"a":1, "b":1} [a:1=v1 b:1=v2]`, written(t, v1, Vector{}, "b", "v2"))
	})
	t.Run("less", func(t *testing.T) {
		a := written(t, none, Vector{}, "[a]", "v1")
		b, b2 := written(t, a, a.Context(), "a", "v2"), written(t, a, a.Context(), "b", "v2")
		b3 := written(t, a, a.Context(), "z", "v2")
		c := written(t, a, b.Context(), "c", "v3")
		d := written(t, b2, c.Context(), "d", "v4")
		for _, pair := range [][2]DVVSet[string]{{a, b}, {a, c}, {b, c}, {b, d}, {b2, d}, {a, d}} {
			require.Equal(t, Before, pair[0].Compare(pair[1]))
			require.Equal(t, After, pair[1].Compare(pair[0]))
		}
		for _, pair := range [][2]DVVSet[string]{{b2, c}, {b, b2}, {b3, d}} {
			require.Equal(t, Concurrent, pair[0].Compare(pair[1]))
			require.Equal(t, Concurrent, pair[1].Compare(pair[0]))
		}
		require.Equal(t, Equal, a.Compare(a))
		require.Equal(t, Equal, c.Compare(c))
	})
	t.Run("equal", func(t *testing.T) {
		a := setOf(t, en("a", 4, "v5", "v0"), en[string]("b", 0), en("c", 1, "v3"))
		b := setOf(t, en("a", 4, "v555", "v0"), en[string]("b", 0), en("c", 1, "v3"))
		c := setOf(t, en("a", 4, "v5", "v0"), en[string]("b", 0))
		require.Equal(t, []Ordering{Equal, Equal, After, After},
			[]Ordering{a.Compare(b), b.Compare(a), a.Compare(c), b.Compare(c)})
	})
	t.Run("size, values", func(t *testing.T) {
		s := setOf(t, en("a", 4, "v0", "v5"), en[string]("b", 0), en("c", 1, "v3"), en("z", 2, "v4", "v1"))
		require.Equal(t, 5, s.Len())
		require.Equal(t, []string{"v5", "v0", "v3", "v1", "v4"}, s.Values())
		require.Equal(t, 1, v1.Len())
	})
	t.Run("lww", func(t *testing.T) {
		last := func(s DVVSet[int]) string {
			s.LWW(func(a, b int) bool { return a < b })
			s.invariant(t)
			return s.String()
		}
		require.Equal(t, `{"a":4, "b":1, "c":1} [a:4=5]`, last(setOf(t, en("a", 4, 5, 2), en[int]("b", 1), en("c", 1, 3))))
		require.Equal(t, `{"a":4, "b":1, "c":1, "z":2} [z:2=10]`,
			last(setOf(t, en("a", 4, 5, 2), en[int]("b", 1), en("c", 1, 3), en("z", 2, 10, 0))))
		require.Equal(t, `{"a":4, "b":1, "z":1} [a:4=5]`, last(setOf(t, en("a", 4, 5, 2), en("b", 1, 1), en("z", 1, 3))))
		type timed struct{ v, at int }
		s := setOf(t, en("a", 4, timed{5, 1002345}, timed{7, 1002340}), en("b", 1, timed{4, 1001340}),
			en("z", 1, timed{2, 1001140}))
		s.LWW(func(a, b timed) bool { return a.at < b.at })
		require.Equal(t, `{"a":4, "b":1, "z":1} [a:4={5 1002345}]`, s.String())
	})
	t.Run("reconcile", func(t *testing.T) {
		sum := func(l []int) (n int) {
			for _, v := range l {
				n += v
			}
			return n
		}
		x := setOf(t, en("a", 4, 5, 2), en[int]("b", 1), en("c", 1, 3))
		y := setOf(t, en("a", 4, 5, 2), en[int]("b", 1), en("c", 1, 3), en("z", 2, 10, 0))
		for _, c := range []struct {
			s    DVVSet[int]
			f    func([]int) int
			want string
		}{
			{x, sum, `{"a":5, "b":1, "c":1} [a:5=10]`},
			{y, sum, `{"a":5, "b":1, "c":1, "z":2} [a:5=20]`},
			{x, slices.Min[[]int], `{"a":5, "b":1, "c":1} [a:5=2]`},
			{y, slices.Min[[]int], `{"a":5, "b":1, "c":1, "z":2} [a:5=0]`},
		} {
			require.NoError(t, c.s.Reconcile("a", c.f))
			require.Equal(t, c.want, c.s.String())
			require.NoError(t, c.s.Reconcile("a", func([]int) int { panic("one value is no conflict") }))
			require.Equal(t, c.want, c.s.String())
		}
	})
}

// vvSiblings is the naive form of a DVVSet: one version vector for all values.
type vvSiblings struct {
	context naiveVector
	values  []int
}

func (s *vvSiblings) put(ctx naiveVector, server ID, v int) {
	if order := ctx.compare(s.context); order == Equal || order == After {
		s.values = nil
	}
	s.context.merge(ctx)
	s.context[server]++
	s.values = append(s.values, v)
}

// TestDVVSetSiblings are the two scenarios that Gonçalves and Almeida show with Riak (Dotted-Version-Vectors,
// README): 101 writes by two clients who take turns, and do not wait for each other. With a version vector each is
// kept, 101 siblings; with dots two.
func TestDVVSetSiblings(t *testing.T) {
	for name, blind := range map[string]bool{
		"a client who reads, and one who never does": true,
		"two clients who read what is there":         false,
	} {
		dotted, plain := DVVSet[int]{}, vvSiblings{context: naiveVector{}}
		var dottedRead [2]Vector
		plainRead := [2]naiveVector{{}, {}}
		most := 0
		for i := range 101 {
			who := i % 2
			require.NoError(t, dotted.Put(dottedRead[who], "a", i+1))
			plain.put(plainRead[who], "a", i+1)
			if who == 0 || !blind {
				dottedRead[who] = dotted.Context()
				plainRead[who] = naiveVector{"a": plain.context["a"]}
			}
			most = max(most, dotted.Len())
		}
		t.Logf("%s, 101 writes: %d siblings with a version vector, %d with dots", name, len(plain.values), dotted.Len())
		require.Len(t, plain.values, 101, name)
		require.Equal(t, []int{100, 101}, dotted.Values(), name)
		require.Equal(t, map[bool]int{true: 3, false: 2}[blind], most, name)
	}
}

// TestDVVSetReconcileIsKept: while one server reconciles, another takes a write that knows of nothing. What comes of
// both has what was reconciled. In dvvset.erl it has only the write, as the vector of the first is the smaller one.
func TestDVVSetReconcileIsKept(t *testing.T) {
	two := setOf(t, en("a", 2, "v2", "v1"))
	a, b := two, written(t, two, Vector{}, "b", "v3")
	require.NoError(t, a.Reconcile("a", func(v []string) string { return strings.Join(v, "+") }))
	require.Equal(t, `{"a":3, "b":1} [a:3=v1+v2 b:1=v3]`, mergedSets(a, b).String())
	require.Equal(t, `{"a":3, "b":1} [a:3=v1+v2 b:1=v3]`, mergedSets(b, a).String())
}

// clientWrite is a write as one who sees everything knows it: which writes its client had read.
type clientWrite struct {
	dot Dot
	saw map[int]bool
}

// TestDVVSetModel: clients read at any server and write at any other, and servers tell each other of what they have,
// in any order. The values of a server are those writes that it has heard of and that no write it has heard of had
// seen. Planted and caught: a Put that overwrites all or nothing, or forgets what its client has read; a Merge that
// keeps what was overwritten, brings it back, or forgets the context.
func TestDVVSetModel(t *testing.T) {
	r := seed.New(t)
	rounds := 200
	if form.Long() {
		rounds = 5000
	}
	for range rounds {
		const servers, clients = 3, 4
		var events []clientWrite
		var sets [servers]DVVSet[int]
		var heard [servers]map[int]bool
		var ctxs [clients]Vector
		var read [clients]map[int]bool
		for i := range servers {
			heard[i] = map[int]bool{}
		}
		for range 40 {
			i, c := r.IntN(servers), r.IntN(clients)
			switch r.IntN(4) {
			case 0:
				ctxs[c], read[c] = sets[i].Context(), cloneSet(heard[i])
			case 1:
				j := r.IntN(servers)
				had := len(heard[i])
				union := cloneSet(heard[i])
				addAll(union, heard[j])
				grew := sets[i].Merge(sets[j])
				require.True(t, grew || len(union) == had)
				heard[i] = union
			default:
				if ctxs[c].Get(nameOf(i)) > sets[i].Context().Get(nameOf(i)) {
					t.Fatal("a client knows more of a server than the server")
				}
				w := len(events)
				require.NoError(t, sets[i].Put(ctxs[c], nameOf(i), w))
				events = append(events, clientWrite{Dot{nameOf(i), sets[i].Context().Get(nameOf(i))}, cloneSet(read[c])})
				heard[i][w] = true
				addAll(heard[i], read[c])
			}
			sets[i].invariant(t)
			require.Equal(t, siblingsOf(events, heard[i]), slices.Sorted(slices.Values(sets[i].Values())))
		}
	}
}

func siblingsOf(events []clientWrite, heard map[int]bool) (values []int) {
	for v := range events {
		is := heard[v]
		for w := range heard {
			is = is && !events[w].saw[v]
		}
		if is {
			values = append(values, v)
		}
	}
	return values
}

func cloneSet(set map[int]bool) map[int]bool {
	c := map[int]bool{}
	addAll(c, set)
	return c
}

func addAll(set, more map[int]bool) {
	for i := range more {
		set[i] = true
	}
}

// TestDVVSetLaws does all that two servers can do in four steps: writes that know nothing, what this server has, or
// what the other has; merging; and LWW. Each set that comes is held against pairs of those before it. Planted and
// caught: a Merge that does nothing where the context is known, and a Compare of contexts alone, which both overlook
// LWW; a Put and an LWW that write into what copies have.
func TestDVVSetLaws(t *testing.T) {
	check := func(ok bool, what string, sets ...DVVSet[int]) {
		if !ok {
			t.Fatal(what, sets)
		}
	}
	names := []ID{"a", "b"}
	steps := 4
	if form.Raced() {
		steps = 3
	}
	runs := 0
	var run func(now [2]DVVSet[int], past []DVVSet[int], left int)
	laws := func(s DVVSet[int], past []DVVSet[int]) {
		for _, o := range past {
			u := s
			grew := u.Merge(o)
			order := s.Compare(o)
			check(grew == (order == Before || order == Concurrent), "Merge grew", s, o)
			check(order.Reverse() == o.Compare(s), "Reverse", s, o)
			check(fmt.Sprint(u) == fmt.Sprint(mergedSets(o, s)), "commutative", s, o)
			check(grew || fmt.Sprint(u) == fmt.Sprint(s), "unchanged", s, o)
			check(order != Equal || fmt.Sprint(o) == fmt.Sprint(s), "equal", s, o)
			for _, x := range past {
				check(mergedSets(u, x).Compare(mergedSets(s, mergedSets(o, x))) == Equal, "associative", s, o, x)
				above := func(y DVVSet[int]) bool { return x.Compare(y) == After || x.Compare(y) == Equal }
				check(above(u) == (above(s) && above(o)), "least upper bound", s, o, x)
			}
		}
	}
	run = func(now [2]DVVSet[int], past []DVVSet[int], left int) {
		runs++
		if left == 0 {
			return
		}
		for op := range 10 {
			i := op % 2
			s := now[i]
			switch op / 2 {
			case 0, 1, 2:
				ctx := []Vector{{}, now[i].Context(), now[1-i].Context()}[op/2]
				if s.Put(ctx, names[i], runs) != nil {
					check(false, "Put", s)
				}
			case 3:
				s.Merge(now[1-i])
			case 4:
				s.LWW(func(a, b int) bool { return a < b })
			}
			laws(s, past)
			next := now
			next[i] = s
			run(next, append(slices.Clip(past), s), left-1)
		}
	}
	run([2]DVVSet[int]{}, []DVVSet[int]{{}}, steps)
	want := 1
	for range steps {
		want = 1 + 10*want
	}
	require.Equal(t, want, runs)
}

// TestDVVSetLastStays: whoever drops what where, the greatest value is there in the end, if nobody overwrites any.
// Values are equal by threes, so that the greatest dot decides. Planted and caught: the first of equals.
func TestDVVSetLastStays(t *testing.T) {
	r := seed.New(t)
	for range 300 {
		var sets [3]DVVSet[int]
		var greatest sibling[int]
		for range 30 {
			i := r.IntN(3)
			switch r.IntN(3) {
			case 0:
				v := r.IntN(30)
				require.NoError(t, sets[i].Put(Vector{}, nameOf(i), v))
				dot := Dot{nameOf(i), sets[i].context.Get(nameOf(i))}
				if last := greatest.value / 3; v/3 > last || v/3 == last && dot.order(greatest.dot) > 0 {
					greatest = sibling[int]{dot, v}
				}
			case 1:
				sets[i].Merge(sets[r.IntN(3)])
			default:
				sets[i].LWW(func(a, b int) bool { return a/3 < b/3 })
				require.LessOrEqual(t, sets[i].Len(), 1)
			}
		}
		s := sets[r.IntN(3)]
		for i := range sets {
			s.Merge(sets[i])
		}
		s.LWW(func(a, b int) bool { return a/3 < b/3 })
		require.Equal(t, greatest, append(s.siblings, sibling[int]{})[0])
	}
}

// TestDVVSetCopies: what is done to a set leaves its copies alone, and what is given out.
func TestDVVSetCopies(t *testing.T) {
	r := seed.New(t)
	for range 100 {
		versions, texts := []DVVSet[int]{{}}, []string{"{} []"}
		for i := range 30 {
			at := r.IntN(3)
			s, o := versions[r.IntN(len(versions))], versions[r.IntN(len(versions))]
			switch r.IntN(4) {
			case 0:
				s.Merge(o)
			case 1:
				s.LWW(func(a, b int) bool { return a < b })
			case 2:
				if s.Put(o.Context(), nameOf(at), i) != nil {
					require.Equal(t, After, o.Context().Meet(vec(t, map[ID]uint64{nameOf(at): MaxCount})).Compare(
						s.Context().Meet(vec(t, map[ID]uint64{nameOf(at): MaxCount}))))
				}
			default:
				require.NoError(t, s.Put(Vector{}, nameOf(at), i))
			}
			slices.Reverse(s.Values())
			versions, texts = append(versions, s), append(texts, s.String())
		}
		for i, s := range versions {
			require.Equal(t, texts[i], s.String())
		}
	}
}

func TestDVVSetRefuses(t *testing.T) {
	s := setOf(t, en("a", 3, "v3"), en("b", MaxCount, "w"))
	before := s.String()
	refused := func(err, want error, said string) {
		t.Helper()
		require.ErrorIs(t, err, want)
		require.ErrorContains(t, err, said)
		require.Equal(t, before, s.String())
	}
	refused(s.Put(vec(t, map[ID]uint64{"a": 4}), "a", "x"), ErrBehind,
		"vclock: server is behind itself: a is told of its event 4, and is at 3")
	refused(s.Put(vec(t, map[ID]uint64{"new": 1}), "new", "x"), ErrBehind, "new is told of its event 1, and is at 0")
	refused(s.Put(s.Context(), "b", "x"), ErrExhausted, "b at 4611686018427387904 and 1 more")
	refused(s.Put(s.Context(), "", "x"), ErrID, "empty")
	refused(s.Put(vec(t, map[ID]uint64{"a": 3, "c": 7}), "b", "x"), ErrExhausted, "b at") // and c is not known now
	refused(s.Reconcile("b", func([]string) string { return "" }), ErrExhausted, "b at")
	require.PanicsWithValue(t, "vclock: LWW without an order", func() { s.LWW(nil) })
	require.PanicsWithValue(t, "vclock: Reconcile without a function", func() { _ = s.Reconcile("a", nil) })
	require.NoError(t, s.Put(vec(t, map[ID]uint64{"c": 7}), "a", "x"), "read at c, which has not come here yet")
	require.Equal(t, `{"a":4, "b":4611686018427387904, "c":7} [a:3=v3 a:4=x b:4611686018427387904=w]`, s.String())
	for range s.All() {
		break
	}
}

// TestDVVSetBytes are known ones, and what is not canonical. Planted and caught: a dot twice, in any order, or below
// 1.
func TestDVVSetBytes(t *testing.T) {
	for want, s := range map[string]DVVSet[string]{
		"180000": {},
		"1801016103" + "02" + "00010179" + "0000027a7a": setOf(t, en("a", 3, "zz", "y")),
		"1802016101016202" + "01" + "010000":            setOf(t, en[string]("a", 1), en("b", 2, "")),
	} {
		b, err := s.Encode(nil, StringCodec{})
		require.NoError(t, err)
		require.Equal(t, want, hex.EncodeToString(b))
		var o DVVSet[string]
		require.NoError(t, o.Decode(b, StringCodec{}))
		require.Equal(t, s.String(), o.String())
		o.invariant(t)
	}
	for bytes, said := range map[string]string{
		"08":                           "byte 0: this is a Vector",
		"1800":                         "byte 2: it ends in a number",
		"18000000":                     "byte 3: 1 bytes after the end",
		"180001":                       "byte 2: 1, at most 0",
		"1800010000":                   "byte 3: a value, and nothing in the context",
		"1801016103" + "01" + "010000": "byte 6: 1, at most 0",
		"1801016103" + "01" + "000300": "byte 7: 3, at most 2",
		"1801016103" + "02" + "000000" + "000100":       "byte 11: a:2 after a:3",
		"1801016103" + "02" + "000000" + "000000":       "byte 11: a:3 after a:3",
		"1802016101016202" + "02" + "010000" + "000000": "byte 14: a:1 after b:2",
		"1801016103" + "01" + "000001":                  "byte 8: a value: 1 bytes, but 0 are left",
		"1801016103" + "01" + "00008000":                "byte 8: a value: a number with needless bytes",
		"1801016103" + "01" + "000000" + "00":           "byte 9: 1 bytes after the end",
	} {
		b, err := hex.DecodeString(bytes)
		require.NoError(t, err, bytes)
		s := setOf(t, en("old", 1, "v"))
		err = s.Decode(b, StringCodec{})
		require.ErrorIs(t, err, ErrCorrupt, bytes)
		require.ErrorContains(t, err, said, bytes)
		require.Equal(t, `{"old":1} [old:1=v]`, s.String())
	}
	_, err := setOf(t, en("a", 1, 1)).Encode(nil, badCodec{})
	require.EqualError(t, err, "vclock: DVVSet: the value of a:1: cannot")
}

func FuzzDVVSet(f *testing.F) {
	for _, s := range []DVVSet[string]{
		{},
		setOf(f, en("a", 3, "zz", "y"), en("b", MaxCount, "")),
		setOf(f, en[string]("node-1", 300), en("node-12", 1, "x")),
	} {
		b, _ := s.Encode(nil, StringCodec{})
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var s DVVSet[string]
		if s.Decode(b, StringCodec{}) != nil {
			require.Zero(t, s.Len()+s.context.Len())
			return
		}
		s.invariant(t)
		again, err := s.Encode(nil, StringCodec{})
		require.NoError(t, err)
		require.Equal(t, b, again)
		o := s
		require.False(t, o.Merge(s))
		o = DVVSet[string]{}
		o.Merge(s)
		require.Equal(t, Equal, o.Compare(s))
	})
}

func FuzzDVVSetJSON(f *testing.F) {
	for _, text := range []string{
		`{"context":{},"siblings":[]}`,
		`{"context":{"a":3},"siblings":[{"id":"a","n":3,"value":1},{"id":"a","n":2}]}`,
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var s, o DVVSet[int]
		if s.UnmarshalJSON(b) != nil {
			require.Zero(t, s.Len()+s.context.Len())
			return
		}
		s.invariant(t)
		text, err := json.Marshal(s)
		require.NoError(t, err)
		require.NoError(t, o.UnmarshalJSON(text))
		require.Equal(t, s.String(), o.String())
	})
}

// TestDVVSetManyServers: the context has many names, with their numbers in the variable, or packed, or neither. Planted and
// caught: a sibling whose dot is counted from another number than that of its name, when it is written and when it is
// read; one that is checked by another number.
func TestDVVSetManyServers(t *testing.T) {
	for n := 2; n <= 12; n++ {
		for _, first := range []uint64{3, maxHalf - 4, maxHalf + 1} {
			v, _ := pairFrom(first, n)
			s := DVVSet[string]{context: v}
			for id, count := range v.All() {
				s.siblings = append(s.siblings, sibling[string]{Dot{id, count - 2}, "older"}, sibling[string]{Dot{id, count}, "newer"})
			}
			b, err := s.Encode(nil, StringCodec{})
			require.NoError(t, err)
			var again DVVSet[string]
			require.NoError(t, again.Decode(b, StringCodec{}))
			require.Equal(t, s, again)
			at := len(v.AppendTo(nil)) + 2 // a form before it, and the number of siblings after
			for i := range 2 * n {
				require.Equal(t, []byte{byte(i / 2), byte(2 - i%2*2)}, b[at:at+2], "%d of %v", i, s)
				at += 2 + 1 + len("older")
			}
			require.Len(t, b, at)
			if first == 3 {
				b[len(v.AppendTo(nil))+3] = 3 // below the 3 of the first name: its dot 0
				require.ErrorIs(t, again.Decode(b, StringCodec{}), ErrCorrupt)
			}
		}
	}
}

func TestDVVSetJSON(t *testing.T) {
	s := setOf(t, en("a", 3, "zz", "y"), en[string]("b", 1))
	b, err := json.Marshal(s)
	require.NoError(t, err)
	require.Equal(t, `{"context":{"a":3,"b":1},"siblings":[`+
		`{"id":"a","n":2,"value":"y"},{"id":"a","n":3,"value":"zz"}]}`, string(b))
	var o DVVSet[string]
	require.NoError(t, json.Unmarshal(b, &o))
	require.Equal(t, s, o)
	require.NoError(t, json.Unmarshal([]byte(
		`{"siblings":[{"id":"b","n":1},{"id":"a","n":1,"value":"x"}],"context":{"b":1,"a":1}}`), &o))
	require.Equal(t, `{"a":1, "b":1} [a:1=x b:1=]`, o.String())
	_, err = json.Marshal(setOf(t, en("a", 1, func() {})))
	require.Error(t, err)
	for text, said := range map[string]string{
		``:                                      "EOF",
		`null`:                                  "want an object",
		`{"context":{"a":1}}`:                   "want an object with context and siblings",
		`{"siblings":[]}`:                       "want an object with context and siblings",
		`{"context":null,"siblings":[]}`:        "want an object with context and siblings",
		`{"context":{},"siblings":[]} 1`:        "more after the end",
		`{"context":{},"Siblings":[]}`:          `unknown field "Siblings"`,
		`{"context":{},"siblings":[],"more":1}`: `unknown field "more"`,
		`{"context":{"a":0.5},"siblings":[]}`:   "no whole number",
		`{"context":{"a":1},"siblings":[{"id":"a","n":1,"extra":1}]}`:                   `unknown field "extra"`,
		`{"context":{"a":1},"siblings":[{"id":"a","n":1,"value":"x"}],"siblings":[{}]}`: `"siblings" twice`,
		`{"context":{"a":1},"siblings":[{"id":"a","n":2}]}`:                             `a value of a:2, which {"a":1} does not know`,
		`{"context":{"a":1},"siblings":[{"id":"a","n":0}]}`:                             "a value of a:0",
		`{"context":{"a":1},"siblings":[{"id":"a","n":1},{"id":"a","n":1}]}`:            "two values of a:1",
		`{"context":{"a":1},"siblings":[{"id":"a","n":1,"value":5}]}`:                   "cannot unmarshal number",
	} {
		err := o.UnmarshalJSON([]byte(text))
		require.ErrorIs(t, err, ErrCorrupt, text)
		require.ErrorContains(t, err, said, text)
		require.Equal(t, `{"a":1, "b":1} [a:1=x b:1=]`, o.String())
	}
}

var errCannot = errors.New("cannot")
