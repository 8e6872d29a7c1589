package ordered

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"testing"
)

const benchEntries = 1 << 20

func benchInts() []int {
	rng := rand.New(rand.NewPCG(1, 1))
	keys := make([]int, benchEntries)
	for i := range keys {
		keys[i] = int(rng.Uint64() >> 1)
	}
	return keys
}

func benchStrings() []string {
	rng := rand.New(rand.NewPCG(1, 1))
	keys := make([]string, benchEntries)
	for i := range keys {
		keys[i] = fmt.Sprintf("%016x", rng.Uint64())
	}
	return keys
}

// bisecting is a map that bisects its nodes.
func bisecting[K cmp.Ordered]() *Map[K, int] { return newMap[K, int](bisect[K]) }

func byFunc[K cmp.Ordered]() *Map[K, int] { return NewFunc[K, int](cmp.Compare[K]) }

func bisectingByFunc[K cmp.Ordered]() *Map[K, int] {
	return newMap[K, int](bisectFunc(cmp.Compare[K]))
}

func BenchmarkSet(b *testing.B) {
	ints, strings := benchInts(), benchStrings()
	benchSet(b, "ordered", "ints", ints, New[int, int])
	benchSet(b, "bisect", "ints", ints, bisecting[int])
	benchSet(b, "ordered", "func", ints, byFunc[int])
	benchSet(b, "bisect", "func", ints, bisectingByFunc[int])
	benchSet(b, "ordered", "strings", strings, New[string, int])
	benchSet(b, "bisect", "strings", strings, bisecting[string])
	b.Run("impl=naive/case=ints/n=16384", func(b *testing.B) { // a million would take minutes
		for b.Loop() {
			s := newSortedSlice[int, int]()
			for i, k := range ints[:1<<14] {
				s.Set(k, i)
			}
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/(1<<14), "ns/entry")
	})
	b.Run("impl=ordered/case=ints/n=16384", func(b *testing.B) {
		for b.Loop() {
			m := New[int, int]()
			for i, k := range ints[:1<<14] {
				m.Set(k, i)
			}
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/(1<<14), "ns/entry")
	})
}

// benchSet fills maps; an operation is one Set.
func benchSet[K cmp.Ordered](b *testing.B, impl, kind string, keys []K, open func() *Map[K, int]) {
	b.Run(fmt.Sprintf("impl=%s/case=%s/n=%d", impl, kind, len(keys)), func(b *testing.B) {
		b.ReportAllocs()
		m := open()
		i := 0
		for b.Loop() {
			if i == len(keys) {
				i, m = 0, open()
			}
			m.Set(keys[i], i)
			i++
		}
	})
}

func BenchmarkGet(b *testing.B) {
	ints, strings := benchInts(), benchStrings()
	benchGet(b, "ordered", "ints", ints, New[int, int])
	benchGet(b, "bisect", "ints", ints, bisecting[int])
	benchGet(b, "ordered", "func", ints, byFunc[int])
	benchGet(b, "bisect", "func", ints, bisectingByFunc[int])
	benchGet(b, "ordered", "strings", strings, New[string, int])
	benchGet(b, "bisect", "strings", strings, bisecting[string])
	b.Run(fmt.Sprintf("impl=naive/case=ints/n=%d", len(ints)), func(b *testing.B) {
		s := newSortedSlice[int, int]()
		m := New[int, int]()
		for i, k := range ints {
			m.Set(k, i)
		}
		s.entries = pairs(m.All())
		i := 0
		for b.Loop() {
			if _, ok := s.Get(ints[i]); !ok {
				b.Fatal("not found")
			}
			i = (i + 1) % len(ints)
		}
	})
}

func benchGet[K cmp.Ordered](b *testing.B, impl, kind string, keys []K, open func() *Map[K, int]) {
	b.Run(fmt.Sprintf("impl=%s/case=%s/n=%d", impl, kind, len(keys)), func(b *testing.B) {
		m := open()
		for i, k := range keys {
			m.Set(k, i)
		}
		b.ReportAllocs()
		i := 0
		for b.Loop() {
			if _, ok := m.Get(keys[i]); !ok {
				b.Fatal("not found")
			}
			i = (i + 1) % len(keys)
		}
	})
}

// BenchmarkDelete takes entries out of a full map, in random order. The map is a clone, so
// each leaf is copied once, which is one Delete in sixty.
func BenchmarkDelete(b *testing.B) {
	ints := benchInts()
	b.Run(fmt.Sprintf("impl=ordered/case=ints/n=%d", len(ints)), func(b *testing.B) {
		full, err := Bulk(sortedEntries(ints))
		if err != nil {
			b.Fatal(err)
		}
		m := full.Clone()
		b.ReportAllocs()
		i := 0
		for b.Loop() {
			if i == len(ints) {
				i, m = 0, full.Clone()
			}
			m.Delete(ints[i])
			i++
		}
	})
}

// sortedEntries yields keys in order.
func sortedEntries(keys []int) func(yield func(int, int) bool) {
	m := New[int, int]()
	for i, k := range keys {
		m.Set(k, i)
	}
	return m.All()
}

// BenchmarkWalk: what an entry of a million takes, whose leaves lie anywhere.
func BenchmarkWalk(b *testing.B) {
	m := New[int, int]()
	for i, k := range benchInts() {
		m.Set(k, i)
	}
	for _, w := range []struct {
		impl, direction string
		walk            func(m *Map[int, int]) (sum int)
	}{
		{"ordered", "forward", sumAll},
		{"ordered", "backward", sumBackward},
		{"blind", "forward", sumBlind},
		{"stepping", "forward", sumStepping},
	} {
		b.Run(fmt.Sprintf("impl=%s/case=%s/n=%d", w.impl, w.direction, m.Len()), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				w.walk(m)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(m.Len()), "ns/entry")
		})
	}
}

// The loops are functions: into one that has a b.Loop, the compiler puts no others.

func sumAll(m *Map[int, int]) (sum int) {
	for k, v := range m.All() {
		sum += k ^ v
	}
	return sum
}

func sumBackward(m *Map[int, int]) (sum int) {
	for k, v := range m.Backward() {
		sum += k ^ v
	}
	return sum
}

// sumBlind is sumAll that touches no leaf ahead of time.
func sumBlind(m *Map[int, int]) (sum int) {
	var c cursor[int, int]
	for c.first(m, span[int]{}); c.leaf != nil; c.settle() {
		keys := c.leaf.keys[c.i:c.end]
		items := c.leaf.items[c.i:c.end][:len(keys)]
		for i, key := range keys {
			sum += key ^ items[i]
		}
		c.behind()
	}
	return sum
}

// sumStepping walks from entry to entry.
func sumStepping(m *Map[int, int]) (sum int) {
	var c cursor[int, int]
	for c.first(m, span[int]{}); c.leaf != nil; {
		c.key = c.leaf.keys[c.i]
		sum += c.key ^ c.leaf.items[c.i]
		if c.i++; c.i == c.end || c.changes != m.changes {
			c.next()
		}
	}
	return sum
}

// BenchmarkBulk: an operation is a map of a million, out of the walk over another.
func BenchmarkBulk(b *testing.B) {
	entries := sortedEntries(benchInts())
	b.Run(fmt.Sprintf("impl=ordered/case=ints/n=%d", benchEntries), func(b *testing.B) {
		for b.Loop() {
			if _, err := Bulk(entries); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/benchEntries, "ns/entry")
	})
}

// BenchmarkAt finds entries by their place, and places by their key.
func BenchmarkAt(b *testing.B) {
	ints := benchInts()
	m := New[int, int]()
	for i, k := range ints {
		m.Set(k, i)
	}
	rng := rand.New(rand.NewPCG(2, 2))
	ranks := make([]int, 1<<16)
	for i := range ranks {
		ranks[i] = rng.IntN(len(ints))
	}
	b.Run(fmt.Sprintf("impl=ordered/case=at/n=%d", m.Len()), func(b *testing.B) {
		b.ReportAllocs()
		i := 0
		for b.Loop() {
			m.At(ranks[i%len(ranks)])
			i++
		}
	})
	b.Run(fmt.Sprintf("impl=ordered/case=rank/n=%d", m.Len()), func(b *testing.B) {
		b.ReportAllocs()
		i := 0
		for b.Loop() {
			m.Rank(ints[i])
			i = (i + 1) % len(ints)
		}
	})
}

// BenchmarkScan: an operation is a walk over a hundred entries.
func BenchmarkScan(b *testing.B) {
	ints := benchInts()
	m := New[int, int]()
	for i, k := range ints {
		m.Set(k, i)
	}
	b.Run(fmt.Sprintf("impl=ordered/case=100/n=%d", m.Len()), func(b *testing.B) {
		b.ReportAllocs()
		i := 0
		for b.Loop() {
			n := 0
			for range m.From(ints[i]) {
				if n++; n == 100 {
					break
				}
			}
			i = (i + 1) % len(ints)
		}
	})
}

// BenchmarkClone: cloning, and the first change after it, which copies a path.
func BenchmarkClone(b *testing.B) {
	m := New[int, int]()
	for i, k := range benchInts() {
		m.Set(k, i)
	}
	b.Run(fmt.Sprintf("impl=ordered/case=clone/n=%d", m.Len()), func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			m.Clone()
		}
	})
	b.Run(fmt.Sprintf("impl=ordered/case=change/n=%d", m.Len()), func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			m.Clone().Set(7, 7)
		}
	})
}
