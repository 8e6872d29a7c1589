package hashring

import (
	"fmt"
	"slices"
	"testing"
)

// BenchmarkPlan plans one node more. The naive way asks both rings about the last hash of
// every arc of either.
func BenchmarkPlan(b *testing.B) {
	for _, n := range []int{10, 1000} {
		nodes := named(n + 1)
		before, after := ring(b, RingConfig{}, nodes[:n]...), ring(b, RingConfig{}, nodes...)
		b.Run(fmt.Sprintf("impl=merge/n=%d", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				before.Plan(after)
			}
		})
		b.Run(fmt.Sprintf("impl=naive/n=%d", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				places := slices.Concat(before.hashes, after.hashes)
				slices.Sort(places)
				for _, h := range slices.Compact(places) {
					_ = before.LocateHash(h).Name == after.LocateHash(h).Name
				}
			}
		})
	}
}
