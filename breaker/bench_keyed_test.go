package breaker

import (
	"context"
	"fmt"
	"sync"
	"testing"
)

// BenchmarkGet is the lookup of keys that are known, all of them or a few again and again, in a sync.Map
// too, which needs no lock but looks at more memory; and of new ones: half of them, when there is one to
// forget, and all, when there is no room.
func BenchmarkGet(b *testing.B) {
	const n = 8192
	keys := make([]string, 2*n)
	for i := range keys {
		keys[i] = fmt.Sprintf("host-%d.example.com", i)
	}
	k := mustKeyed(b, KeyedConfig[string]{MaxKeys: n})
	numbers := mustKeyed(b, KeyedConfig[int]{MaxKeys: n})
	naive := &naiveKeyed{breakers: map[int]*Breaker{}}
	var noLock sync.Map
	for i := range n {
		k.must(b, keys[i])
		numbers.must(b, i)
		_, _ = naive.get(i)
		noLock.Store(keys[i], k.entries[keys[i]])
	}
	run := func(name string, get func(i int)) {
		b.Run(fmt.Sprintf("%s/n=%d/goroutines=1", name, n), func(b *testing.B) {
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				get(i)
			}
		})
		b.Run(fmt.Sprintf("%s/n=%d/goroutines=all", name, n), func(b *testing.B) {
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for i := 0; pb.Next(); i++ {
					get(i)
				}
			})
		})
	}
	run("impl=plinth/case=known-string", func(i int) { _, _ = k.Get(keys[i%n]) })
	run("impl=plinth/case=known-int", func(i int) { _, _ = numbers.Get(i % n) })
	few := func(i int) string { return keys[i%8] }
	load := func(key string) {
		if e, ok := noLock.Load(key); ok {
			e.(*entry[string]).get()
		}
	}
	run("impl=plinth/case=known-few", func(i int) { _, _ = k.Get(few(i)) })
	run("impl=syncmap/case=known-few", func(i int) { load(few(i)) })
	run("impl=syncmap/case=known-string", func(i int) { load(keys[i%n]) })
	run("impl=naive/case=known-int", func(i int) { _, _ = naive.get(i % n) })
	run("impl=plinth/case=new", func(i int) { _, _ = k.Get(keys[i%(2*n)]) })
	for _, open := range k.All() {
		open.ForceOpen()
	}
	missing := [...]string{"one", "two", "three", "four"}
	run("impl=plinth/case=no-room", func(i int) { _, _ = k.Get(missing[i%4]) })
}

// BenchmarkDoKey is a call of nothing for a key that is known, and what it is without a key: what is
// between the two is the lookup.
func BenchmarkDoKey(b *testing.B) {
	k := mustKeyed(b, KeyedConfig[string]{Make: func(string) Config { return Config{Trip: ConsecutiveFailures(5)} }})
	ctx, f := b.Context(), func(context.Context) (int, error) { return 3, nil }
	one := k.must(b, "host-1.example.com")
	b.Run("impl=key", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_, _ = DoKey(ctx, k, "host-1.example.com", f)
		}
	})
	b.Run("impl=breaker", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_, _ = Do(ctx, one, f)
		}
	})
}

// BenchmarkFind is what the hand does for a new key, in the worst case: 64 looks.
func BenchmarkFind(b *testing.B) {
	for _, n := range []int{64, 1024, 16_384} {
		k := mustKeyed(b, KeyedConfig[int]{MaxKeys: n})
		for i := range n {
			k.must(b, i).ForceOpen()
		}
		b.Run(fmt.Sprintf("impl=plinth/case=none/n=%d", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				k.find(k.ring[0].since)
			}
		})
		for i := range n {
			k.must(b, i).Reset()
			p, _ := k.must(b, i).Allow()
			p.Done(errDown)
		}
		b.Run(fmt.Sprintf("impl=plinth/case=all-failing/n=%d", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				k.find(k.ring[n-1].since)
			}
		})
	}
}
