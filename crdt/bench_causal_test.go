package crdt

import (
	"fmt"
	"strings"
	"testing"
)

// BenchmarkUpdate changes one value of a map of n sets: of the map itself as it is, and with a copy of the value, which
// would be the way to take back what an f has done that fails. case is how many elements the set has.
func BenchmarkUpdate(b *testing.B) {
	for _, size := range []int{1, 1000} {
		m := mapOfSets(b, 100, size)
		add := func(s *ORSet[string]) (*ORSet[string], error) { return s.Add("a", "e0") }
		b.Run(fmt.Sprintf("impl=inplace/case=%d/n=100", size), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := m.Update("a", "k50", add); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(fmt.Sprintf("impl=copy/case=%d/n=100", size), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				s, _ := m.Get("k50")
				if _, err := add(s); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkMergeMap merges a delta of one key, and a full state that has nothing new, into a map of n sets.
func BenchmarkMergeMap(b *testing.B) {
	for _, n := range []int{100, 10_000} {
		m := mapOfSets(b, n, 1)
		other := m.Clone()
		delta, err := other.Update("b", "k50", func(s *ORSet[string]) (*ORSet[string], error) { return s.Add("b", "e1") })
		if err != nil {
			b.Fatal(err)
		}
		b.Run(fmt.Sprintf("impl=delta/n=%d", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				m.Merge(delta)
			}
		})
		b.Run(fmt.Sprintf("impl=full/n=%d", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				m.Merge(other)
			}
		})
	}
}

func mapOfSets(b *testing.B, keys, size int) *ORMap[string, *ORSet[string]] {
	m := newSets()
	for k := range keys {
		for e := range size {
			_, err := m.Update("a", fmt.Sprint("k", k), func(s *ORSet[string]) (*ORSet[string], error) {
				return s.Add("a", fmt.Sprint("e", e))
			})
			if err != nil {
				b.Fatal(err)
			}
		}
	}
	return m
}

// BenchmarkMergeRWSet merges a delta of one element into a set of n.
func BenchmarkMergeRWSet(b *testing.B) {
	for _, n := range []int{100, 10_000} {
		var s RWSet[int]
		for e := range n {
			if _, err := s.Add("a", e); err != nil {
				b.Fatal(err)
			}
		}
		delta, err := s.Clone().Remove("b", n/2)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(fmt.Sprintf("impl=delta/n=%d", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				s.Merge(delta)
			}
		})
	}
}

// BenchmarkCausalSet sets a register, a flag and a counter, and merges the delta.
func BenchmarkCausalSet(b *testing.B) {
	type reg = *MVRegister[string]
	benchmarkSet(b, newRegister(), func(r reg) (reg, error) { return r.Set("a", "tea") })
	benchmarkSet(b, new(EWFlag), func(f *EWFlag) (*EWFlag, error) { return f.Enable("a") })
	benchmarkSet(b, new(DWFlag), func(f *DWFlag) (*DWFlag, error) { return f.Enable("a") })
	benchmarkSet(b, new(CausalCounter), func(c *CausalCounter) (*CausalCounter, error) { return c.Add("a", 1) })
}

func benchmarkSet[T Lattice[T]](b *testing.B, s T, change func(T) (T, error)) {
	other := s.Clone()
	name, _, _ := strings.Cut(strings.TrimPrefix(fmt.Sprintf("%T", s), "*crdt."), "[")
	b.Run("impl="+name, func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			delta, err := change(s)
			if err != nil {
				b.Fatal(err)
			}
			other.Merge(delta)
		}
	})
}
