package crdt

import (
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/plinth-go/plinth/vclock"
)

// naiveSet is the observed-remove set of Shapiro and others (2011) in the form that most code has: each addition has a tag
// of its own, a removal makes tombstones of the tags that it has seen, and a merge is the union of both. An
// element is there if it has a tag that is no tombstone. Nothing ever says that one of them is not needed any more. Its
// mutators return deltas too.
type naiveSet[E ~string] struct {
	last map[vclock.ID]uint64
	adds map[E]map[vclock.Dot]struct{}
	gone map[vclock.Dot]struct{}
}

func newNaiveSet[E ~string]() *naiveSet[E] {
	return &naiveSet[E]{map[vclock.ID]uint64{}, map[E]map[vclock.Dot]struct{}{}, map[vclock.Dot]struct{}{}}
}

func (s *naiveSet[E]) put(e E, tag vclock.Dot) {
	tags := s.adds[e]
	if tags == nil {
		tags = map[vclock.Dot]struct{}{}
		s.adds[e] = tags
	}
	tags[tag] = struct{}{}
}

func (s *naiveSet[E]) Add(id vclock.ID, e E) *naiveSet[E] {
	s.last[id]++
	tag := vclock.Dot{ID: id, N: s.last[id]}
	s.put(e, tag)
	delta := newNaiveSet[E]()
	delta.put(e, tag)
	return delta
}

func (s *naiveSet[E]) Remove(e E) *naiveSet[E] {
	delta := newNaiveSet[E]()
	for tag := range s.adds[e] {
		s.gone[tag] = struct{}{}
		delta.gone[tag] = struct{}{}
	}
	return delta
}

func (s *naiveSet[E]) Has(e E) bool {
	for tag := range s.adds[e] {
		if _, is := s.gone[tag]; !is {
			return true
		}
	}
	return false
}

func (s *naiveSet[E]) Merge(other *naiveSet[E]) {
	for e, tags := range other.adds {
		for tag := range tags {
			s.put(e, tag)
		}
	}
	for tag := range other.gone {
		s.gone[tag] = struct{}{}
	}
}

func (s *naiveSet[E]) Clone() *naiveSet[E] {
	clone := &naiveSet[E]{maps.Clone(s.last), make(map[E]map[vclock.Dot]struct{}, len(s.adds)), maps.Clone(s.gone)}
	for e, tags := range s.adds {
		clone.adds[e] = maps.Clone(tags)
	}
	return clone
}

// AppendBinary is as thrifty as that of ORSet: a tag is a place in a list of names, and a number.
func (s *naiveSet[E]) AppendBinary(b []byte) []byte {
	names := slices.Sorted(maps.Keys(s.last))
	b = binary.AppendUvarint(b, uint64(len(names)))
	for _, id := range names {
		b = append(binary.AppendUvarint(b, uint64(len(id))), id...)
	}
	tags := func(all map[vclock.Dot]struct{}) {
		b = binary.AppendUvarint(b, uint64(len(all)))
		for _, d := range slices.SortedFunc(maps.Keys(all), compareDots) {
			b = appendDot(b, d, names)
		}
	}
	b = binary.AppendUvarint(b, uint64(len(s.adds)))
	for _, e := range slices.Sorted(maps.Keys(s.adds)) {
		b = append(binary.AppendUvarint(b, uint64(len(e))), e...)
		tags(s.adds[e])
	}
	tags(s.gone)
	return b
}

func someElements(n int) []string {
	all := make([]string, n)
	for i := range all {
		all[i] = fmt.Sprintf("element-%05d", i)
	}
	return all
}

const benchSize = 10_000

// benchSets returns sets of elements, each added by one of three replicas in turn.
func benchSets(all []string) (*ORSet[string], *naiveSet[string]) {
	s, naive := new(ORSet[string]), newNaiveSet[string]()
	for i, e := range all {
		id := vclock.ID(fmt.Sprint("replica-", i%3))
		_, _ = s.Add(id, e)
		naive.Add(id, e)
	}
	return s, naive
}

// versus runs the same work on both forms; each run begins with a set of its own.
func versus(b *testing.B, name string, set *ORSet[string], do func(*ORSet[string]), naive *naiveSet[string], doNaive func(*naiveSet[string])) {
	run(b, "impl=naive/"+name, naive, doNaive)
	run(b, "impl=dots/"+name, set, do)
}

func run[T interface{ Clone() T }](b *testing.B, name string, from T, do func(T)) {
	b.Run(fmt.Sprintf("%s/n=%d", name, benchSize), func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			b.StopTimer()
			s := from.Clone()
			b.StartTimer()
			do(s)
		}
	})
}

// BenchmarkORSetChange: 10,000 additions to an empty set, and 10,000 removals, until it is empty again; each with
// its delta.
func BenchmarkORSetChange(b *testing.B) {
	all := someElements(benchSize)
	set, naive := benchSets(all)
	deltas, deltasNaive := make([]*ORSet[string], benchSize), make([]*naiveSet[string], benchSize)
	versus(b, "case=add", new(ORSet[string]), func(s *ORSet[string]) {
		for i, e := range all {
			deltas[i], _ = s.Add("replica-1", e)
		}
	}, newNaiveSet[string](), func(s *naiveSet[string]) {
		for i, e := range all {
			deltasNaive[i] = s.Add("replica-1", e)
		}
	})
	versus(b, "case=remove", set, func(s *ORSet[string]) {
		for i, e := range all {
			deltas[i] = s.Remove(e)
		}
	}, naive, func(s *naiveSet[string]) {
		for i, e := range all {
			deltasNaive[i] = s.Remove(e)
		}
	})
}

// BenchmarkORSetMerge merges full states of 10,000 elements: of equal sets; of sets each of which has 1 % that the
// other one has not, and has removed 1 % that the other one has; and of sets that have nothing in common.
func BenchmarkORSetMerge(b *testing.B) {
	all := someElements(2 * benchSize)
	set, naive := benchSets(all[:benchSize])
	mine, mineNaive := set.Clone(), naive.Clone()
	theirs, theirsNaive := set.Clone(), naive.Clone()
	for i := range benchSize / 100 {
		_, _ = mine.Add("mine", all[benchSize+i])
		mineNaive.Add("mine", all[benchSize+i])
		_, _ = theirs.Add("theirs", all[benchSize*3/2+i])
		theirsNaive.Add("theirs", all[benchSize*3/2+i])
		mine.Remove(all[i])
		mineNaive.Remove(all[i])
		theirs.Remove(all[benchSize/2+i])
		theirsNaive.Remove(all[benchSize/2+i])
	}
	other, otherNaive := new(ORSet[string]), newNaiveSet[string]()
	for _, e := range all[benchSize:] {
		_, _ = other.Add("theirs", e)
		otherNaive.Add("theirs", e)
	}
	merge := func(name string, a, b2 *ORSet[string], naive, naive2 *naiveSet[string]) {
		versus(b, "case="+name, a, func(s *ORSet[string]) { s.Merge(b2) }, naive, func(s *naiveSet[string]) { s.Merge(naive2) })
	}
	merge("equal", set, set.Clone(), naive, naive.Clone())
	merge("apart", mine, theirs, mineNaive, theirsNaive)
	merge("disjoint", set, other, naive, otherNaive)
}

// BenchmarkORSetMergeDeltas merges deltas: 10,000 of additions into an empty set, and 10,000 of removals into
// a set of all of them, that are found by their dots.
func BenchmarkORSetMergeDeltas(b *testing.B) {
	all := someElements(benchSize)
	set, naive := benchSets(all)
	from, fromNaive := new(ORSet[string]), newNaiveSet[string]()
	var adds, removes []*ORSet[string]
	var addsNaive, removesNaive []*naiveSet[string]
	for i, e := range all {
		id := vclock.ID(fmt.Sprint("replica-", i%3))
		delta, _ := from.Add(id, e)
		adds, addsNaive = append(adds, delta), append(addsNaive, fromNaive.Add(id, e))
	}
	for _, e := range all {
		removes, removesNaive = append(removes, from.Remove(e)), append(removesNaive, fromNaive.Remove(e))
	}
	mergeAll := func(name string, s *ORSet[string], deltas []*ORSet[string], naive *naiveSet[string], deltasNaive []*naiveSet[string]) {
		versus(b, "case="+name, s, func(s *ORSet[string]) {
			for _, delta := range deltas {
				s.Merge(delta)
			}
		}, naive, func(s *naiveSet[string]) {
			for _, delta := range deltasNaive {
				s.Merge(delta)
			}
		})
	}
	mergeAll("add", new(ORSet[string]), adds, newNaiveSet[string](), addsNaive)
	mergeAll("remove", set, removes, naive, removesNaive)
}

// TestORSetSize: after churn of 100 additions and 99 removals for each element that is left, the state takes no more than a
// twentieth of the bytes of the naive form; and the delta of an addition of 13 bytes takes less than 64, whatever the size
// of the set.
func TestORSetSize(t *testing.T) {
	s, naive := new(ORSet[string]), newNaiveSet[string]()
	for i, e := range someElements(200) {
		id := vclock.ID(fmt.Sprint("replica-", i%3))
		for n := range 100 {
			_, _ = s.Add(id, e)
			naive.Add(id, e)
			if n < 99 {
				s.Remove(e)
				naive.Remove(e)
			}
		}
		require.True(t, s.Has(e) && naive.Has(e))
	}
	b, size := len(bytesOf(t, s)), len(naive.AppendBinary(nil))
	t.Logf("200 elements, each added 100 times: %d bytes, with tombstones %d", b, size)
	require.Equal(t, [2]int{3_619, 121_677}, [2]int{b, size})
	require.LessOrEqual(t, 20*b, size)

	large := new(ORSet[string])
	largest := 0
	for _, e := range someElements(benchSize) {
		delta, _ := large.Add("replica-1", e)
		largest = max(largest, len(bytesOf(t, delta)))
	}
	require.Equal(t, 33, largest)
	require.Less(t, largest, 64)
}
