package hashring

import (
	"fmt"
	"testing"
)

func BenchmarkLocateKetama(b *testing.B) {
	keys := make([]string, 1<<12)
	for i := range keys {
		keys[i] = fmt.Sprintf("user/%08d", i)
	}
	for _, n := range []int{10, 100, 1000, 10_000} {
		r := ketama(b, named(n)...)
		b.Run(fmt.Sprintf("impl=ketama/n=%d", n), func(b *testing.B) {
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				r.Locate(keys[i%len(keys)])
				i++
			}
		})
	}
}

func BenchmarkBuildKetama(b *testing.B) {
	for _, n := range []int{10, 100, 1000, 10_000} {
		nodes := named(n)
		b.Run(fmt.Sprintf("impl=ketama/n=%d", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				ketama(b, nodes...)
			}
		})
	}
}
