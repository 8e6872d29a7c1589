package hashring

import (
	"fmt"
	"testing"
)

func BenchmarkLocateMaglev(b *testing.B) {
	keys := make([]string, 1<<12)
	for i := range keys {
		keys[i] = fmt.Sprintf("user/%08d", i)
	}
	for _, n := range []int{10, 100, 1000, 10_000} {
		m := maglev(b, 0, named(n)...)
		b.Run(fmt.Sprintf("impl=maglev/n=%d", n), func(b *testing.B) {
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				m.Locate(keys[i%len(keys)])
				i++
			}
		})
	}
}

func BenchmarkBuildMaglev(b *testing.B) {
	for _, size := range []int{65_537, 655_373} {
		for _, n := range []int{10, 100, 1000, 10_000} {
			nodes := named(n)
			b.Run(fmt.Sprintf("impl=maglev/size=%d/n=%d", size, n), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					maglev(b, size, nodes...)
				}
			})
		}
	}
	uneven := named(10_000)
	uneven[0].Weight = maxWeight
	b.Run("impl=maglev/case=uneven/size=65537/n=10000", func(b *testing.B) {
		for b.Loop() {
			maglev(b, 65_537, uneven...)
		}
	})
}
