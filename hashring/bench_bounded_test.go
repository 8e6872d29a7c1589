package hashring

import (
	"fmt"
	"sync/atomic"
	"testing"
)

// BenchmarkAcquire is an Acquire and its Release, with 10 leases a node that are out besides:
// for many keys of which most have room at their first node; for one key, whose nodes are all
// full but the last; and for many keys by several goroutines. impl=locate is what a Ring takes
// without any bound.
func BenchmarkAcquire(b *testing.B) {
	keys := userKeys()
	for _, n := range []int{10, 100, 1000} {
		r := ring(b, RingConfig{}, named(n)...)
		b.Run(fmt.Sprintf("impl=locate/case=spread/n=%d", n), func(b *testing.B) {
			benchKeys(b, keys, func(key string) { r.Locate(key) })
		})
		b.Run(fmt.Sprintf("impl=bounded/case=spread/n=%d", n), func(b *testing.B) {
			benchBounded(b, r, keys, benchKeys)
		})
		b.Run(fmt.Sprintf("impl=bounded/case=hot/n=%d", n), func(b *testing.B) {
			benchBounded(b, r, keys[:1], benchKeys)
		})
		b.Run(fmt.Sprintf("impl=locate/case=parallel/n=%d", n), func(b *testing.B) {
			benchParallel(b, keys, func(key string) { r.Locate(key) })
		})
		b.Run(fmt.Sprintf("impl=bounded/case=parallel/n=%d", n), func(b *testing.B) {
			benchBounded(b, r, keys, benchParallel)
		})
	}
}

func benchBounded(b *testing.B, r *Ring, keys []string, run func(*testing.B, []string, func(string))) {
	x := bounded(b, r, 0.25)
	for i := range 10 * r.Len() {
		if _, err := x.Acquire(keys[i%len(keys)]); err != nil {
			b.Fatal(err)
		}
	}
	before := x.Stats()
	run(b, keys, func(key string) {
		lease, err := x.Acquire(key)
		if err != nil {
			b.Error(err)
		}
		lease.Release()
	})
	after := x.Stats()
	b.ReportMetric(float64(after.Spilled-before.Spilled)/float64(after.Acquired-before.Acquired), "spill-ratio")
}

func benchParallel(b *testing.B, keys []string, do func(key string)) {
	b.ReportAllocs()
	var started atomic.Int64
	b.RunParallel(func(pb *testing.PB) {
		i := int(started.Add(1)) * 1000
		for pb.Next() {
			do(keys[i%len(keys)])
			i++
		}
	})
}
