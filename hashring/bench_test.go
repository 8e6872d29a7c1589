package hashring

import (
	"fmt"
	"iter"
	"slices"
	"testing"
)

// userKeys are keys of benchmarks, as many as fit into the cache of a processor.
func userKeys() []string {
	keys := make([]string, 1<<12)
	for i := range keys {
		keys[i] = fmt.Sprintf("user/%08d", i)
	}
	return keys
}

// benchKeys does something with one key after the other.
func benchKeys(b *testing.B, keys []string, do func(key string)) {
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		do(keys[i%len(keys)])
		i++
	}
}

// algorithm is one to compare with others.
type algorithm struct {
	impl   string
	nodes  func(n int) []Node
	make   func(t testing.TB, nodes []Node) Locator
	first3 func(l Locator, key string) // LocateN; nil if there is none
}

// algorithms are all of them that have nodes, with the defaults (multiprobe5 has 5 probes).
// Those that know weights have nodes that weigh 1 to 4, but for rings, which would be larger
// for it.
func algorithms() []algorithm {
	return []algorithm{
		{
			impl: "modulo", nodes: named,
			make: func(t testing.TB, nodes []Node) Locator { return modulo(t, nodes...) },
		},
		{
			impl: "shards", nodes: named,
			make: func(t testing.TB, nodes []Node) Locator { return shards(t, nodes...) },
		},
		{
			impl: "ring", nodes: named,
			make:   func(t testing.TB, nodes []Node) Locator { return ring(t, RingConfig{}, nodes...) },
			first3: func(l Locator, key string) { first3(l.(*Ring).LocateN(key)) },
		},
		{
			impl: "ketama", nodes: named,
			make:   func(t testing.TB, nodes []Node) Locator { return ketama(t, nodes...) },
			first3: func(l Locator, key string) { first3(l.(*Ring).LocateN(key)) },
		},
		{
			impl: "rendezvous", nodes: named,
			make:   func(t testing.TB, nodes []Node) Locator { return rendezvous(t, nodes...) },
			first3: func(l Locator, key string) { first3(l.(*Rendezvous).LocateN(key)) },
		},
		{
			impl: "weighted", nodes: unequal,
			make:   func(t testing.TB, nodes []Node) Locator { return weighted(t, nodes...) },
			first3: func(l Locator, key string) { first3(l.(*WeightedRendezvous).LocateN(key)) },
		},
		{
			impl: "skeleton", nodes: unequal,
			make: func(t testing.TB, nodes []Node) Locator { return skeleton(t, 0, nodes...) },
		},
		{
			impl: "maglev", nodes: unequal,
			make:   func(t testing.TB, nodes []Node) Locator { return maglev(t, 0, nodes...) },
			first3: func(l Locator, key string) { first3(l.(*Maglev).LocateN(key)) },
		},
		{
			impl: "multiprobe", nodes: named,
			make:   func(t testing.TB, nodes []Node) Locator { return multiprobe(t, 0, nodes...) },
			first3: func(l Locator, key string) { first3(l.(*MultiProbe).LocateN(key)) },
		},
		{
			impl: "multiprobe5", nodes: named,
			make:   func(t testing.TB, nodes []Node) Locator { return multiprobe(t, 5, nodes...) },
			first3: func(l Locator, key string) { first3(l.(*MultiProbe).LocateN(key)) },
		},
		{
			impl: "anchor", nodes: named,
			make: func(t testing.TB, nodes []Node) Locator { return anchor(t, 0, nodes...) },
		},
	}
}

// unequal are nodes that weigh 1, 2, 3 and 4.
func unequal(n int) []Node {
	nodes := named(n)
	for i := range nodes {
		nodes[i].Weight = 1 + i%4
	}
	return nodes
}

// bench runs a benchmark with 10 to 10,000 nodes.
func (a algorithm) bench(b *testing.B, run func(b *testing.B, nodes []Node)) {
	for _, n := range []int{10, 100, 1000, 10_000} {
		b.Run(fmt.Sprintf("impl=%s/n=%d", a.impl, n), func(b *testing.B) { run(b, a.nodes(n)) })
	}
}

// BenchmarkLocate hashes a key and finds its node.
func BenchmarkLocate(b *testing.B) {
	keys := userKeys()
	for _, a := range algorithms() {
		a.bench(b, func(b *testing.B, nodes []Node) {
			l := a.make(b, nodes)
			benchKeys(b, keys, func(key string) { l.Locate(key) })
		})
	}
}

// BenchmarkLocateN finds three replicas. Of more than 2048 nodes, who has had a turn is not on
// the stack.
func BenchmarkLocateN(b *testing.B) {
	keys := userKeys()
	for _, a := range algorithms() {
		if a.first3 == nil {
			continue
		}
		a.bench(b, func(b *testing.B, nodes []Node) {
			l := a.make(b, nodes)
			benchKeys(b, keys, func(key string) { a.first3(l, key) })
		})
	}
}

// first3 is what most callers do with what LocateN returns. That does not escape if the type
// it is of is known, and not a Sequencer, of which the compiler cannot know what it does.
func first3(nodes iter.Seq[Node]) {
	n := 0
	for range nodes {
		if n++; n == 3 {
			break
		}
	}
}

// BenchmarkZones takes three nodes of a key, or all of them. The naive way begins each round of
// zones at the place of the key.
func BenchmarkZones(b *testing.B) {
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

// BenchmarkBuild makes one of its nodes. impl=sort is what a ring cannot do without: its
// hashes, sorted.
func BenchmarkBuild(b *testing.B) {
	for _, a := range algorithms() {
		a.bench(b, func(b *testing.B, nodes []Node) {
			b.ReportAllocs()
			for b.Loop() {
				a.make(b, nodes)
			}
		})
	}
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

// BenchmarkWith adds a node to a ring, or builds one with it anew.
func BenchmarkWith(b *testing.B) {
	for _, n := range []int{100, 1000} {
		nodes := named(n + 1)
		before := ring(b, RingConfig{}, nodes[:n]...)
		b.Run(fmt.Sprintf("impl=ring/n=%d", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_, _ = before.With(nodes[n])
			}
		})
		b.Run(fmt.Sprintf("impl=naive/n=%d", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				ring(b, RingConfig{}, nodes...)
			}
		})
	}
}
