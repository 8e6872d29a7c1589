package hashring

import (
	"fmt"
	"testing"
)

func BenchmarkLocateMultiProbe(b *testing.B) {
	keys := make([]string, 1<<12)
	for i := range keys {
		keys[i] = fmt.Sprintf("user/%08d", i)
	}
	for _, k := range []int{5, 21} {
		for _, n := range []int{10, 100, 1000, 10_000} {
			m := multiprobe(b, k, named(n)...)
			b.Run(fmt.Sprintf("impl=multiprobe/k=%d/n=%d", k, n), func(b *testing.B) {
				b.ReportAllocs()
				i := 0
				for b.Loop() {
					m.Locate(keys[i%len(keys)])
					i++
				}
			})
		}
	}
}

func BenchmarkLocateNMultiProbe(b *testing.B) {
	m := multiprobe(b, 0, named(1000)...)
	b.Run("impl=multiprobe/case=first3/n=1000", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			n := 0
			for range m.LocateN("user/17") {
				if n++; n == 3 {
					break
				}
			}
		}
	})
}

func BenchmarkBuildMultiProbe(b *testing.B) {
	for _, n := range []int{10, 100, 1000, 10_000} {
		nodes := named(n)
		b.Run(fmt.Sprintf("impl=multiprobe/n=%d", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				multiprobe(b, 0, nodes...)
			}
		})
	}
}
