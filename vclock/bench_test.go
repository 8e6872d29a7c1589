package vclock

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"testing"
)

// naiveVector is the form that most code has.
type naiveVector map[ID]uint64

func (v naiveVector) compare(w naiveVector) Ordering {
	more, less := false, false
	for id, n := range v {
		m := w[id]
		more, less = more || n > m, less || n < m
	}
	for id, m := range w {
		n := v[id]
		more, less = more || n > m, less || n < m
	}
	return ordering(more, less)
}

func (v naiveVector) merge(w naiveVector) {
	for id, n := range w {
		v[id] = max(v[id], n)
	}
}

func nameOf(i int) ID { return ID(fmt.Sprintf("node-%03d", i)) }

// pairOf has two vectors of n replicas, of which each knows something that the other does not. They have one
// list of names, as those of one process do that came from each other.
func pairOf(n int) (a, b Vector) { return pairFrom(1000, n) }

func pairFrom(first uint64, n int) (a, b Vector) {
	counts := map[ID]uint64{}
	for i := range n {
		counts[nameOf(i)] = first + uint64(i)
	}
	a, _ = VectorOf(counts)
	b = a
	_, _ = a.Tick(nameOf(n - 1))
	_, _ = b.Tick(nameOf(n - 2))
	return a, b
}

func (v Vector) naive() naiveVector { return maps.Collect(v.All()) }

// foreign is v with names of its own, as if it had come over the wire.
func (v Vector) foreign() (w Vector) {
	b, _ := v.MarshalBinary()
	_ = w.UnmarshalBinary(b)
	return w
}

func BenchmarkCompare(b *testing.B) {
	for _, n := range []int{3, 16, 256} {
		v, w := pairOf(n)
		far := w.foreign()
		large, larger := pairFrom(maxHalf+1, n)
		listed := tally{&roster{ids: far.roster.ids}, far.plain()}.vector()
		x, y := v.naive(), w.naive()
		run := func(impl, names string, f func() Ordering) {
			b.Run(fmt.Sprintf("impl=%s/names=%s/n=%d", impl, names, n), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if f() != Concurrent {
						b.Fatal("not concurrent")
					}
				}
			})
		}
		run("plinth", "shared", func() Ordering { return v.Compare(w) })
		run("plinth", "own", func() Ordering { return v.Compare(far) })
		mixed := w
		_, _ = mixed.Advance(nameOf(n-2), maxHalf)
		run("plinth", "shared-large", func() Ordering { return large.Compare(larger) }) // a word for each number
		run("plinth", "shared-mixed", func() Ordering { return v.Compare(mixed) })      // half a word, and a word
		run("listed", "own", func() Ordering { return v.Compare(listed) })              // name by name
		run("naive", "shared", func() Ordering { return x.compare(y) })
	}
}

// BenchmarkDiffer looks for what each of two lists of numbers has more of; the naive form compares them.
func BenchmarkDiffer(b *testing.B) {
	for _, n := range []int{16, 256} {
		v, w := pairOf(n)
		run := func(impl, kind string, mine, theirs numbers, f func(mine, theirs numbers) (more, less bool)) {
			b.Run(fmt.Sprintf("impl=%s/case=%s/n=%d", impl, kind, n), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if more, less := f(mine, theirs); !more || !less {
						b.Fatal("no difference")
					}
				}
			})
		}
		run("plinth", "packed", v.counts(), w.counts(), packedDiffer)
		run("plinth", "plain", v.plain(), w.plain(), plainDiffer)
		run("naive", "plain", v.plain(), w.plain(), naiveDiffer)
	}
}

func naiveDiffer(mine, theirs numbers) (more, less bool) {
	for i, n := range mine {
		more = more || n > theirs[i]
		less = less || n < theirs[i]
	}
	return more, less
}

// BenchmarkMerge makes the union of two vectors each time anew. The naive form clones a map,
// as a value that others have must be left alone; case=union-in-place does not, so that from the second time on it merges
// what it knows, as case=known.
func BenchmarkMerge(b *testing.B) {
	for _, n := range []int{3, 16, 256} {
		v, w := pairOf(n)
		far := w.foreign()
		large, larger := pairFrom(maxHalf+1, n)
		x, y := v.naive(), w.naive()
		run := func(impl, kind string, f func()) {
			b.Run(fmt.Sprintf("impl=%s/case=%s/n=%d", impl, kind, n), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					f()
				}
			})
		}
		run("plinth", "union", func() { u := v; u.Merge(w) })
		run("plinth", "union-own", func() { u := v; u.Merge(far) })
		mixed := w
		_, _ = mixed.Advance(nameOf(n-2), maxHalf)
		run("plinth", "union-large", func() { u := large; u.Merge(larger) }) // a word for each number
		run("plinth", "union-mixed", func() { u := v; u.Merge(mixed) })      // half a word, and a word
		run("plinth", "known", func() { u := v; u.Merge(v) })
		run("naive", "union", func() { u := maps.Clone(x); u.merge(y) })
		run("naive", "union-in-place", func() { x.merge(y) })
	}
}

// BenchmarkHex writes and reads what is not shared of UUIDs, by the pair and digit by digit.
func BenchmarkHex(b *testing.B) {
	id := randomUUID(rand.New(rand.NewPCG(1, 2)))
	packed := appendHex(nil, id, 0)
	var room [MaxID]byte
	run := func(impl, kind string, f func() int, want int) {
		b.Run(fmt.Sprintf("impl=%s/case=%s", impl, kind), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if f() != want {
					b.Fatal("other bytes")
				}
			}
		})
	}
	run("plinth", "write", func() int { return len(appendHex(room[:0], id, 0)) }, len(packed))
	run("naive", "write", func() int { return len(naiveAppendHex(room[:0], id, 0)) }, len(packed))
	run("plinth", "read", func() int { return len(parseHex(room[:0], packed, len(id))) }, len(id))
	run("naive", "read", func() int { return len(naiveParseHex(room[:0], packed, len(id))) }, len(id))
}
