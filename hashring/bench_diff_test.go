package hashring

import (
	"slices"
	"testing"
)

func BenchmarkDiff(b *testing.B) {
	keys := userKeys()[:1000]
	nodes := named(101)
	before, after := ring(b, RingConfig{}, nodes[:100]...), ring(b, RingConfig{}, nodes...)
	b.Run("impl=ring/n=100", func(b *testing.B) { // for 1000 keys
		b.ReportAllocs()
		for b.Loop() {
			for range Diff(before, after, slices.Values(keys)) {
			}
		}
	})
}
