package hashring

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/plinth-go/plinth/internal/seed"
)

// rangeModel is a Range as a list of splits and, for each of some sample keys, its node.
type rangeModel struct {
	samples []string // sorted
	splits  map[string]bool
	owner   map[string]Node
}

// newRangeModel has all words of up to three letters of "abc" as keys: many of them next to each
// other, with nothing in between.
func newRangeModel() *rangeModel {
	m := &rangeModel{samples: []string{""}, splits: map[string]bool{}, owner: map[string]Node{}}
	for i := 0; len(m.samples) < 1+3+9+27; i++ {
		for _, letter := range "abc" {
			m.samples = append(m.samples, m.samples[i]+string(letter))
		}
	}
	slices.Sort(m.samples)
	return m
}

// span returns the partition of a key, by asking each split.
func (m *rangeModel) span(key string) Span {
	s := Span{}
	for at := range m.splits {
		if at <= key && at > s.Lo {
			s.Lo = at
		}
		if at > key && (s.Hi == "" || at < s.Hi) {
			s.Hi = at
		}
	}
	return s
}

func (m *rangeModel) assign(s Span, n Node) {
	for key, owner := range m.owner {
		if owner.Name == n.Name {
			m.owner[key] = n
		}
	}
	for _, key := range m.samples {
		if s.Contains(key) {
			m.owner[key] = n
		}
	}
}

// step splits, merges or assigns at random, and returns the Range after that; the same one if
// that is an error, as it should be.
func (m *rangeModel) step(t testing.TB, rng *rand.Rand, r *Range) *Range {
	key := m.samples[rng.IntN(len(m.samples))]
	switch rng.IntN(3) {
	case 0:
		next, err := r.Split(key)
		if key == "" || m.splits[key] {
			require.ErrorIs(t, err, ErrSplit)
			return r
		}
		require.NoError(t, err)
		m.splits[key] = true
		return next
	case 1:
		next, err := r.Merge(key)
		if !m.splits[key] {
			require.ErrorIs(t, err, ErrSplit)
			return r
		}
		require.NoError(t, err)
		left := m.owner[m.samples[slices.Index(m.samples, key)-1]]
		delete(m.splits, key)
		for _, sample := range m.samples {
			if m.span(key).Contains(sample) {
				m.owner[sample] = left
			}
		}
		return next
	default:
		n := named(4)[rng.IntN(4)]
		n.Zone = fmt.Sprint(rng.IntN(9))
		next, err := r.Assign(key, n)
		require.NoError(t, err)
		m.assign(m.span(key), n)
		return next
	}
}

// TestRangeAgainstModel splits, merges and assigns at random, and looks at every sample key
// after each step; every few steps, at what has moved since the last time.
//
// Planted and caught: a key that is a split left of it; the owner of the right one kept by
// Merge; Insert into the splits of the Range that is split; a Scan that goes on at hi; a Scan
// that leaves out the partition in which lo is; an old zone kept in other partitions; plans
// that go on in both when only one ends, that are not joined, that stop before the end.
func TestRangeAgainstModel(t *testing.T) {
	rng := seed.New(t)
	m, r := newRangeModel(), &Range{}
	last, lastOwner := r, map[string]Node{}
	for range 800 {
		before, was := r, fmt.Sprint(r)
		r = m.step(t, rng, r)
		require.Equal(t, was, fmt.Sprint(before), "the old one is as it was")
		checkRange(t, m, r)
		lo, hi := m.samples[rng.IntN(len(m.samples))], m.samples[rng.IntN(len(m.samples))]
		checkScan(t, m, r, lo, hi)
		checkScan(t, m, r, lo, lo+"a")
		if rng.IntN(5) == 0 {
			checkRangePlan(t, m, last, r, lastOwner)
			last, lastOwner = r, maps.Clone(m.owner)
		}
	}
}

// FuzzRange lets the fuzzer choose the steps, and looks at what has come of them.
func FuzzRange(f *testing.F) {
	f.Add([]byte("split, merge and assign, whatever that is in numbers"))
	f.Fuzz(func(t *testing.T, data []byte) {
		rng := seed.Of(data)
		m, r := newRangeModel(), &Range{}
		for range min(len(data)/8, 30) {
			r = m.step(t, rng, r)
		}
		was, owner := r, maps.Clone(m.owner)
		for range min(len(data)/8, 5) {
			r = m.step(t, rng, r)
		}
		checkRange(t, m, r)
		checkRangePlan(t, m, was, r, owner)
	})
}

func checkRange(t *testing.T, m *rangeModel, r *Range) {
	t.Helper()
	names := map[string]Node{}
	for _, key := range m.samples {
		require.Equal(t, m.owner[key], r.Locate(key), key)
		require.Equal(t, Partition{m.span(key), m.owner[key]}, r.Find(key), key)
		names[m.owner[key].Name] = m.owner[key]
	}
	delete(names, "")
	var nodes []string
	for n := range r.Nodes() {
		require.Equal(t, names[n.Name], n)
		nodes = append(nodes, n.Name)
	}
	require.True(t, slices.IsSorted(nodes))
	require.Len(t, nodes, len(names))
	require.Equal(t, len(m.splits)+1, r.Len())
	hi := ""
	for p := range r.All() {
		require.Equal(t, hi, p.Lo, "no gap")
		require.Equal(t, r.Find(p.Lo), p)
		hi = p.Hi
	}
	require.Equal(t, "", hi, "up to the end")
}

// checkScan compares with the partitions of all samples in between.
func checkScan(t *testing.T, m *rangeModel, r *Range, lo, hi string) {
	t.Helper()
	var want []Partition
	for _, key := range m.samples {
		if (Span{lo, hi}).Contains(key) && !slices.Contains(want, r.Find(key)) {
			want = append(want, r.Find(key))
		}
	}
	require.Equal(t, want, slices.Collect(r.Scan(lo, hi)), "%q to %q", lo, hi)
	for p := range r.Scan(lo, hi) {
		require.Equal(t, want[0], p)
		break
	}
}

func checkRangePlan(t *testing.T, m *rangeModel, before, after *Range, was map[string]Node) {
	t.Helper()
	plan := before.Plan(after)
	for i, p := range plan {
		require.Equal(t, allHashes(), p.Hashes)
		require.True(t, p.Keys.Contains(p.Keys.Lo), "not empty")
		if i > 0 {
			last := plan[i-1]
			require.NotEmpty(t, last.Keys.Hi)
			require.LessOrEqual(t, last.Keys.Hi, p.Keys.Lo, "in order")
			require.False(t, last.From == p.From && last.To == p.To && last.Keys.Hi == p.Keys.Lo, "joined")
		}
	}
	for _, key := range m.samples {
		i := slices.IndexFunc(plan, func(p Transfer) bool { return p.Keys.Contains(key) })
		if was[key].Name == m.owner[key].Name {
			require.Negative(t, i, "%q stays", key)
			continue
		}
		require.GreaterOrEqual(t, i, 0, "%q moves", key)
		require.Equal(t, was[key], plan[i].From)
		require.Equal(t, m.owner[key], plan[i].To)
	}
	require.Empty(t, after.Plan(after))
}

// TestRange: splits in any order, the zero Range, and an end that is not a key.
func TestRange(t *testing.T) {
	r, err := NewRange("t", "f", "n")
	require.NoError(t, err)
	var spans []Span
	for p := range r.All() {
		require.Zero(t, p.Node)
		spans = append(spans, p.Span)
	}
	require.Equal(t, []Span{{"", "f"}, {"f", "n"}, {"n", "t"}, {"t", ""}}, spans)
	require.Equal(t, Span{"t", ""}, r.Find("\xff\xff").Span)
	require.Equal(t, Span{"", "f"}, r.Find("").Span)
	require.Empty(t, slices.Collect(r.Nodes()))
	require.Empty(t, slices.Collect(r.Scan("n", "f")))

	var zero Range
	require.Equal(t, 1, zero.Len())
	require.Equal(t, []Partition{{}}, slices.Collect(zero.All()))
	require.Zero(t, zero.Locate("key"))
	a := named(1)[0]
	one, err := zero.Assign("key", a)
	require.NoError(t, err)
	require.Equal(t, a, one.Locate("any"))
	require.Zero(t, zero.Locate("any"))
	require.Equal(t, []Transfer{{To: a, Hashes: allHashes()}}, zero.Plan(one))
	require.Equal(t, []Transfer{{From: a, Hashes: allHashes()}}, one.Plan(r))
	require.Zero(t, testing.AllocsPerRun(100, func() { r.Locate("key") }))
}

// TestRangeKeepsNothing: what is passed in stays as it was, and is not kept. Planted and caught:
// splits sorted in place; splits kept.
func TestRangeKeepsNothing(t *testing.T) {
	splits := []string{"t", "f", "n"}
	_, err := NewRange(splits...)
	require.NoError(t, err)
	require.Equal(t, []string{"t", "f", "n"}, splits)
	slices.Sort(splits)
	r, err := NewRange(splits...)
	require.NoError(t, err)
	clear(splits)
	require.Equal(t, Span{"f", "n"}, r.Find("g").Span)
}

func TestRangeBadInput(t *testing.T) {
	r, err := NewRange("m")
	require.NoError(t, err)
	for says, do := range map[string]func() (*Range, error){
		`"b" is there twice`:       func() (*Range, error) { return NewRange("b", "a", "b") },
		`no keys before ""`:        func() (*Range, error) { return NewRange("a", "") },
		`there are no keys before`: func() (*Range, error) { return r.Split("") },
		`"m" is a split already`:   func() (*Range, error) { return r.Split("m") },
		`"n" is not a split`:       func() (*Range, error) { return r.Merge("n") },
		`"" is not a split`:        func() (*Range, error) { return r.Merge("") },
	} {
		got, err := do()
		require.ErrorIs(t, err, ErrSplit)
		require.ErrorContains(t, err, says)
		require.Nil(t, got)
	}
	_, err = r.Assign("key", Node{Name: "a"})
	require.ErrorIs(t, err, ErrNode)
	_, err = r.Assign("key", Node{})
	require.ErrorIs(t, err, ErrNode)
}
