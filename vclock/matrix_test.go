package vclock

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/plinth-go/plinth/internal/form"
	"github.com/plinth-go/plinth/internal/seed"
)

func (m Matrix) invariant(t testing.TB) {
	t.Helper()
	require.Len(t, m.rows, len(m.members))
	require.True(t, slices.IsSorted(m.members))
	for i, id := range m.members {
		require.NoError(t, id.check())
		require.True(t, i == 0 || m.members[i-1] != id)
		m.rows[i].invariant(t)
	}
	m.stable.invariant(t)
	require.Equal(t, least(m.rows).String(), m.stable.String(), "stable is the least of the rows")
}

func matrixOf(t testing.TB, rows map[ID]map[ID]uint64) Matrix {
	t.Helper()
	m, err := NewMatrix(slices.Collect(maps.Keys(rows))...)
	require.NoError(t, err)
	for id, counts := range rows {
		_, err := m.Observe(id, vec(t, counts))
		require.NoError(t, err)
	}
	m.invariant(t)
	return m
}

func isNews(t testing.TB) func(bool, error) bool {
	return func(news bool, err error) bool {
		t.Helper()
		require.NoError(t, err)
		return news
	}
}

// TestMatrixModel does random things to matrices and to tables that are plain maps. The versions that were assigned
// before stay as they were. Planted and caught: an Observe and a Merge that write into the rows they have, a settle that
// looks at the wrong rows or one too few, a Merge that goes by place and not by name, a Forget that leaves the cut, a
// Join that lets in who is behind.
func TestMatrixModel(t *testing.T) {
	r := seed.New(t)
	for range 40 {
		type version struct {
			Matrix
			model map[ID]naiveVector
			text  string
		}
		versions := []version{{model: map[ID]naiveVector{}}}
		for range 40 {
			v := versions[r.IntN(len(versions))]
			m, model := v.Matrix, map[ID]naiveVector{}
			for id, row := range v.model {
				model[id] = row.clone()
			}
			stable := m.Stable()
			id, knows := nameOf(r.IntN(4)), randomVector(t, r.IntN)
			_, is := model[id]
			switch r.IntN(8) {
			case 0, 1:
				err := m.Join(id, knows)
				switch {
				case is:
					require.ErrorIs(t, err, ErrMember)
				case !knows.Descends(stable):
					require.ErrorIs(t, err, ErrStale)
				default:
					require.NoError(t, err)
					model[id] = knows.naive()
				}
			case 2:
				require.Equal(t, is, m.Forget(id))
				delete(model, id)
			case 3:
				other := versions[r.IntN(len(versions))]
				fresh := false
				for id, row := range other.model {
					if model[id] != nil {
						fresh = fresh || model[id].compare(row) == Before || model[id].compare(row) == Concurrent
						model[id].merge(row)
					}
				}
				require.Equal(t, fresh, m.Merge(other.Matrix))
			default:
				fresh, err := m.Observe(id, knows)
				if !is {
					require.ErrorIs(t, err, ErrMember)
					break
				}
				require.NoError(t, err)
				require.Equal(t, !v.model[id].vector(t).Descends(knows), fresh)
				model[id].merge(knows.naive())
			}
			m.invariant(t)
			m.same(t, model)
			require.True(t, m.Len() == 0 || m.Stable().Descends(stable), "%v, then %v", stable, m.Stable())
			versions = append(versions, version{m, model, m.String()})
		}
		for _, v := range versions[1:] {
			require.Equal(t, v.text, v.Matrix.String())
		}
	}
}

// randomVector has up to four names, or up to twelve, of which one may have a number that cannot be packed.
func randomVector(t testing.TB, intN func(int) int) Vector {
	counts := map[ID]uint64{}
	for range intN(5) {
		counts[nameOf(intN(5))] = uint64(intN(3))
	}
	if intN(2) == 0 {
		return vec(t, counts)
	}
	for i := range 12 {
		counts[nameOf(i)] = min(1, uint64(intN(10))) + uint64(intN(2))
	}
	if intN(4) == 0 {
		counts[nameOf(intN(12))] = maxHalf + 1
	}
	return vec(t, counts)
}

func (v naiveVector) clone() naiveVector {
	c := naiveVector{}
	c.merge(v)
	return c
}

func (v naiveVector) vector(t testing.TB) Vector { return vec(t, v) }

func (m Matrix) same(t testing.TB, model map[ID]naiveVector) {
	t.Helper()
	require.Equal(t, len(model), m.Len())
	for id, row := range m.All() {
		require.Equal(t, model[id].vector(t).String(), row.String())
		same, is := m.Get(id)
		require.True(t, is)
		require.Equal(t, Equal, same.Compare(row))
	}
	for i := range 5 {
		for n := range uint64(4) {
			d := Dot{nameOf(i), n}
			var behind []ID
			for id, row := range model {
				if n == 0 || row[d.ID] < n {
					behind = append(behind, id)
				}
			}
			slices.Sort(behind)
			require.Equal(t, behind, m.Behind(d))
			require.Equal(t, m.Len() > 0 && len(behind) == 0, m.Stable().Contains(d), "%v %v", m, d)
		}
	}
	_, is := m.Get("nobody")
	require.False(t, is)
	checkMatrixForms(t, m)
}

func checkMatrixForms(t testing.TB, m Matrix) {
	t.Helper()
	b, err := m.MarshalBinary()
	require.NoError(t, err)
	var n Matrix
	require.NoError(t, n.UnmarshalBinary(b))
	n.invariant(t)
	require.Equal(t, m.String(), n.String())
	again, err := n.MarshalBinary()
	require.NoError(t, err)
	require.Equal(t, b, again)
	text, err := json.Marshal(m)
	require.NoError(t, err)
	var j Matrix
	require.NoError(t, json.Unmarshal(text, &j))
	j.invariant(t)
	require.Equal(t, m.String(), j.String())
	again, err = json.Marshal(n)
	require.NoError(t, err)
	require.Equal(t, string(text), string(again))
}

// TestMatrixMergeLaws: matrices of the same two members, each of which knows up to one event of two: 16 of them,
// by ones, pairs and triples.
func TestMatrixMergeLaws(t *testing.T) {
	var all []Matrix
	for i := range uint64(16) {
		all = append(all, matrixOf(t, map[ID]map[ID]uint64{"a": {"a": i & 1, "b": i >> 1 & 1}, "b": {"a": i >> 2 & 1, "b": i >> 3}}))
	}
	merged := func(m, n Matrix) Matrix {
		m.Merge(n)
		return m
	}
	for _, m := range all {
		require.False(t, new(Matrix).Merge(m), "has no members")
		require.False(t, m.Merge(m))
		for _, n := range all {
			u := merged(m, n)
			u.invariant(t)
			require.Equal(t, u.String(), merged(n, m).String(), "commutative")
			require.Equal(t, m.String() != u.String(), m.Merge(n), "whether it is news")
			for _, x := range all {
				if merged(u, x).String() != merged(m, merged(n, x)).String() {
					t.Fatal("associative", m, n, x)
				}
			}
		}
	}
}

// TestMatrixLearns: replicas that broadcast, and take in what they receive. What one of them thinks that another
// knows is never more than it does, so what it takes for stable is known to all. Planted and caught: a
// cut that is the most.
func TestMatrixLearns(t *testing.T) {
	r := seed.New(t)
	names := []ID{nameOf(0), nameOf(1), nameOf(2), nameOf(3)}
	rose := 0
	for range 20 {
		tables := make([]Matrix, len(names))
		for i := range tables {
			tables[i], _ = NewMatrix(names...)
		}
		for range 100 {
			from, to := r.IntN(len(names)), r.IntN(len(names))
			own, _ := tables[from].Get(names[from])
			_, err := own.Tick(names[from])
			require.NoError(t, err)
			require.True(t, isNews(t)(tables[from].Observe(names[from], own)))
			if to != from {
				tables[to].Merge(tables[from])
				_, err = tables[to].Observe(names[to], own)
				require.NoError(t, err)
			}
			for _, table := range tables {
				for i, id := range names {
					thought, _ := table.Get(id)
					knows, _ := tables[i].Get(id)
					require.True(t, knows.Descends(thought))
					require.True(t, knows.Descends(table.Stable()))
				}
			}
		}
		rose += tables[0].Stable().Len()
	}
	require.Greater(t, rose, 20, "something became stable")
}

func TestMatrixMembers(t *testing.T) {
	for _, bad := range [][]ID{{""}, {"a", "a"}, {"a", ID(strings.Repeat("x", MaxID+1))}} {
		m, err := NewMatrix(bad...)
		require.Error(t, err)
		require.Zero(t, m.Len())
	}
	m := matrixOf(t, map[ID]map[ID]uint64{"a": {"a": 2}, "b": {"a": 1, "b": 1}})
	require.EqualError(t, m.Join("c", Vector{}), `vclock: behind the stable cut: c knows {}, all know {"a":1}`)
	require.EqualError(t, m.Join("a", vec(t, map[ID]uint64{"a": 9})), "vclock: bad member: a is one already")
	_, err := m.Observe("c", Vector{})
	require.EqualError(t, err, "vclock: bad member: c is none")
	require.False(t, m.Merge(matrixOf(t, map[ID]map[ID]uint64{"c": {"a": 9}})))
	require.Equal(t, 2, m.Len())
	require.True(t, m.Forget("b"))
	require.Equal(t, `{"a":2}`, m.Stable().String())
	require.True(t, m.Forget("a"))
	require.Equal(t, `{}`, m.Stable().String())
	require.Empty(t, m.Behind(Dot{"a", 1}))
}

// TestMatrixBytes are known ones, and what is not canonical. Planted and caught: replicas of which nobody knows are
// accepted, zeros become entries, only the replicas of the last row are written.
func TestMatrixBytes(t *testing.T) {
	for want, m := range map[string]Matrix{
		"300000":          {},
		"300101610" + "0": matrixOf(t, map[ID]map[ID]uint64{"a": nil}),
		"30" + "0201610162" + "0201610162" + "0302" + "00ac02": matrixOf(t, map[ID]map[ID]uint64{"a": {"a": 3, "b": 2}, "b": {"b": 300}}),
	} {
		b, err := m.MarshalBinary()
		require.NoError(t, err)
		require.Equal(t, want, hex.EncodeToString(b))
		checkMatrixForms(t, m)
	}
	for bytes, said := range map[string]string{
		"":                                  "byte 0: it ends here",
		"08":                                "byte 0: this is a Vector",
		"30":                                "byte 1: it ends in a number",
		"3001016101":                        "byte 4: 1, at most 0",
		"300000" + "00":                     "byte 3: 1 bytes after the end",
		"3002" + "0162" + "0161":            "byte 4: names out of order",
		"3001" + "0161" + "010162":          "byte 7: it ends in a row",
		"3001" + "0161" + "010162" + "00":   "byte 8: b, of which nobody knows",
		"3000" + "010162":                   "byte 5: b, of which nobody knows",
		"3001" + "0161" + "010162" + "8000": "byte 7: a number with needless bytes",
		"3001" + "0161" + "010162" + "81808080808080" + "808040": "byte 7: ",
		"3002" + "01610162" + "010162" + "01":                    "byte 10: it ends in a row",
	} {
		b, err := hex.DecodeString(bytes)
		require.NoError(t, err, bytes)
		m := matrixOf(t, map[ID]map[ID]uint64{"old": {"old": 1}})
		err = m.UnmarshalBinary(b)
		require.ErrorIs(t, err, ErrCorrupt, bytes)
		require.ErrorContains(t, err, "vclock: corrupt Matrix: "+said, bytes)
		require.Equal(t, 1, m.Len())
	}
}

func TestMatrixJSON(t *testing.T) {
	var m Matrix
	require.NoError(t, json.Unmarshal([]byte(` { "b":{}, "a" : {"x":2,"y":0}} `), &m))
	m.invariant(t)
	text, err := json.Marshal(m)
	require.NoError(t, err)
	require.Equal(t, `{"a":{"x":2},"b":{}}`, string(text))
	require.Equal(t, "        x\na       2\nb       0\nstable  0\n", m.String(), "of members, and of others")
	for text, said := range map[string]string{
		``:                    "want an object: EOF",
		`[]`:                  "want an object",
		`{"a":{},"a":{}}`:     `"a" twice`,
		`{"a":1}`:             `member "a": vclock: corrupt Vector: byte 1: want an object`,
		`{"a":{"b":-1}}`:      `member "a"`,
		`{"":{}}`:             "bad ID",
		`{"a":{}`:             "want }",
		`{"a"`:                `want a vector for "a"`,
		`{"a":{}} {}`:         "more after the end",
		`{"a":{}} ]`:          "more after the end",
		`{"a":{"a":1,"a":1}}`: `"a" twice`,
		"{\"a\xff\":{}}":      "not UTF-8",
	} {
		err := m.UnmarshalJSON([]byte(text))
		require.ErrorIs(t, err, ErrCorrupt, text)
		require.ErrorContains(t, err, said, text)
		require.Equal(t, 2, m.Len())
	}
}

func FuzzMatrix(f *testing.F) {
	for _, rows := range []map[ID]map[ID]uint64{nil, {"a": nil}, {"a": {"a": 1}}, {"a": {"a": 3, "b": 2}, "b": {"b": 300}, "c": {"d": MaxCount}}} {
		b, _ := matrixOf(f, rows).MarshalBinary()
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var m Matrix
		if m.UnmarshalBinary(b) != nil {
			require.Zero(t, m.Len())
			return
		}
		m.invariant(t)
		again, err := m.MarshalBinary()
		require.NoError(t, err)
		require.Equal(t, b, again)
		text, err := json.Marshal(m)
		require.NoError(t, err)
		var n Matrix
		require.NoError(t, json.Unmarshal(text, &n))
		require.Equal(t, m.String(), n.String())
	})
}

// FuzzMatrixJSON: what is accepted is written, and read back the same.
func FuzzMatrixJSON(f *testing.F) {
	for _, text := range []string{`{}`, `{"b":{}, "a":{"x":2,"y":0}}`, `{"a":{"a":1},"a":{}}`, `{"a":{"a":[{}]}}`} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var m, n Matrix
		if err := m.UnmarshalJSON(b); err != nil {
			require.ErrorIs(t, err, ErrCorrupt)
			require.Zero(t, m.Len())
			return
		}
		m.invariant(t)
		text, err := json.Marshal(m)
		require.NoError(t, err)
		require.NoError(t, n.UnmarshalJSON(text))
		require.Equal(t, m.String(), n.String())
	})
}

// fullMatrix has n members that know a few events of each other.
func fullMatrix(n int) Matrix {
	names, counts := make([]ID, n), map[ID]uint64{}
	for i := range n {
		names[i] = nameOf(i)
		counts[names[i]] = 1000
	}
	m, _ := NewMatrix(names...)
	v, _ := VectorOf(counts)
	for _, id := range names {
		_, _ = m.Observe(id, v)
	}
	return m
}

// TestMatrixSize: with the names once, and not once for each row.
func TestMatrixSize(t *testing.T) {
	for _, n := range []int{3, 16, 256} {
		m := fullMatrix(n)
		b, err := m.MarshalBinary()
		require.NoError(t, err)
		rows := 0
		for _, row := range m.All() {
			b, err := row.MarshalBinary()
			require.NoError(t, err)
			rows += len(b)
		}
		t.Logf("%3d members: %6d bytes, %6d as vectors", n, len(b), rows)
		require.Less(t, len(b), rows)
		var read Matrix
		require.NoError(t, read.UnmarshalBinary(b))
		require.Same(t, read.rows[0].roster, read.rows[n-1].roster)
	}
}

// TestObserveAllocates as much for many numbers that are raised at once as for one, known to the cut or new to it. Planted and
// caught: a cut that is copied for each number, a roster that is made anew for each name.
func TestObserveAllocates(t *testing.T) {
	if form.Raced() {
		t.Log("the race detector allocates")
		return
	}
	counts := map[ID]uint64{"a": 1}
	for i := range 500 {
		counts[nameOf(i)] = 1
	}
	none, err := NewMatrix("a")
	require.NoError(t, err)
	_, err = none.Observe("a", vec(t, map[ID]uint64{"a": 1}))
	require.NoError(t, err)
	once := vec(t, counts)
	some := none
	_, err = some.Observe("a", once)
	require.NoError(t, err)
	twice := once
	twice.own()
	for i := range twice.Len() {
		twice.put(i, twice.Len(), twice.at(i)+1)
	}
	require.LessOrEqual(t, testing.AllocsPerRun(10, func() { m := none; _, _ = m.Observe("a", once) }), 40.0)
	require.LessOrEqual(t, testing.AllocsPerRun(10, func() { m := some; _, _ = m.Observe("a", twice) }), 4.0)
}

// TestRowsWithGaps have lists of their own when they are read, but not all names once more, and are equal to what they were.
// Planted and caught: rows with a text.
func TestRowsWithGaps(t *testing.T) {
	m, err := NewMatrix("a", "b", "c")
	require.NoError(t, err)
	for i, id := range m.members {
		counts := map[ID]uint64{nameOf(0): 1, nameOf(1): 2, nameOf(2): 3}
		delete(counts, nameOf(i))
		_, err = m.Observe(id, vec(t, counts))
		require.NoError(t, err)
	}
	b, err := m.MarshalBinary()
	require.NoError(t, err)
	var read Matrix
	require.NoError(t, read.UnmarshalBinary(b))
	for id, row := range read.All() {
		want, _ := m.Get(id)
		require.Equal(t, Equal, row.Compare(want))
		require.Equal(t, Concurrent, row.Compare(*read.rows[(slices.Index(read.members, id)+1)%3]))
		require.Empty(t, row.roster.text)
		_, err := row.Tick("new")
		require.NoError(t, err)
		row.invariant(t)
	}
}

// TestStableCopies: what was stable once is left alone when more is, with few names and with many, and when numbers grow beyond what is
// packed. Planted and caught: numbers of the cut that are changed in place; a large one that is written into half a word.
func TestStableCopies(t *testing.T) {
	for _, n := range []int{3, 6, 12} {
		m := fullMatrix(n)
		at := growing(m.Stable(), n)
		was, text := m.Stable(), m.Stable().String()
		copied := m
		for i := range 2 * n {
			_, err := m.Observe(m.members[i%n], at(i))
			require.NoError(t, err)
		}
		require.Equal(t, text, was.String())
		require.Equal(t, text, copied.Stable().String())
		require.Equal(t, After, m.Stable().Compare(was))

		far := m.Stable()
		text, copied = far.String(), m
		dot, err := far.Advance(nameOf(1), maxHalf)
		require.NoError(t, err)
		for _, member := range m.members {
			_, err = m.Observe(member, far)
			require.NoError(t, err)
		}
		require.Equal(t, far, m.Stable())
		require.Equal(t, dot.N, m.Stable().Get(dot.ID))
		require.Equal(t, text, copied.Stable().String())
	}
}

// BenchmarkStable takes in the clock of each member in turn, each with an event more of each, and asks for
// the cut after each. The naive form keeps the rows, and looks at all of them for the cut.
func BenchmarkStable(b *testing.B) {
	for _, n := range []int{3, 16, 256} {
		b.Run(fmt.Sprintf("impl=plinth/n=%d", n), func(b *testing.B) {
			m := fullMatrix(n)
			clocks := growing(m.Stable(), n)
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				_, _ = m.Observe(m.members[i%n], clocks(i))
				if m.Stable().Len() != n {
					b.Fatal("no cut")
				}
			}
		})
		b.Run(fmt.Sprintf("impl=naive/n=%d", n), func(b *testing.B) {
			m := fullMatrix(n)
			clocks := growing(m.Stable(), n)
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				m.rows[i%n].Merge(clocks(i))
				if least(m.rows).Len() != n {
					b.Fatal("no cut")
				}
			}
		})
	}
}

// growing returns vectors that count on by one for each replica every n times.
func growing(v Vector, n int) func(i int) Vector {
	at := v
	return func(i int) Vector {
		if i%n == 0 {
			at.own()
			for j := range n {
				at.put(j, n, at.at(j)+1)
			}
		}
		return at
	}
}
