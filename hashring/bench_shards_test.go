package hashring

import (
	"fmt"
	"testing"
)

func BenchmarkLocateShards(b *testing.B) {
	keys := make([]string, 1<<12)
	for i := range keys {
		keys[i] = fmt.Sprintf("user/%08d", i)
	}
	for _, n := range []int{10, 100, 1000} {
		l, err := NewShards(named(n)...)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(fmt.Sprintf("impl=shards/n=%d", n), func(b *testing.B) {
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				l.Locate(keys[i%len(keys)])
				i++
			}
		})
	}
}
