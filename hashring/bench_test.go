package hashring

import (
	"fmt"
	"iter"
	"slices"
	"testing"
)

func BenchmarkLocate(b *testing.B) {
	keys := make([]string, 1<<12)
	for i := range keys {
		keys[i] = fmt.Sprintf("user/%08d", i)
	}
	for _, n := range []int{10, 100, 1000} {
		r := ring(b, RingConfig{}, named(n)...)
		rendezvous, err := NewRendezvous(named(n)...)
		if err != nil {
			b.Fatal(err)
		}
		for name, locate := range map[string]func(string) Node{"ring": r.Locate, "rendezvous": rendezvous.Locate} {
			b.Run(fmt.Sprintf("impl=%s/n=%d", name, n), func(b *testing.B) {
				b.ReportAllocs()
				i := 0
				for b.Loop() {
					locate(keys[i%len(keys)])
					i++
				}
			})
		}
	}
}

// BenchmarkLocateN takes three nodes of a key, or all of them. The naive way begins each round of
// zones at the place of the key.
func BenchmarkLocateN(b *testing.B) {
	const n = 1000
	for _, zones := range []int{1, 3, n} {
		nodes := named(n)
		for i := range nodes {
			nodes[i].Zone = fmt.Sprint(i % zones)
		}
		r := ring(b, RingConfig{}, nodes...)
		for name, locateN := range map[string]func(string) iter.Seq[Node]{"ring": r.LocateN, "naive": r.locateNNaive} {
			for of, most := range map[string]int{"three": 3, "all": n} {
				b.Run(fmt.Sprintf("impl=%s/case=%s/zones=%d/n=%d", name, of, zones, n), func(b *testing.B) {
					b.ReportAllocs()
					for b.Loop() {
						left := most
						for range locateN("user/17") {
							if left--; left == 0 {
								break
							}
						}
					}
				})
			}
		}
	}
}

func BenchmarkBuild(b *testing.B) {
	nodes := named(1000)
	b.Run("impl=ring/n=1000", func(b *testing.B) {
		for b.Loop() {
			ring(b, RingConfig{}, nodes...)
		}
	})
	hashes := make([]uint64, 160_000)
	b.Run("impl=sort/n=1000", func(b *testing.B) {
		for b.Loop() {
			for i := range hashes {
				hashes[i] = mixed(uint64(i))
			}
			slices.Sort(hashes)
		}
	})
}
