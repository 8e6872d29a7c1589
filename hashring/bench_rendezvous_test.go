package hashring

import (
	"fmt"
	"testing"
)

// BenchmarkRendezvous is about what two halves side by side are worth.
func BenchmarkRendezvous(b *testing.B) {
	for _, n := range []int{10, 100, 1000, 10000} {
		r := rendezvous(b, named(n)...)
		benchHashes(b, "rendezvous", n, func(h uint64) int { return highest(h, r.factors) })
		benchHashes(b, "naive", n, func(h uint64) int { return naiveHighest(h, r.factors) })
	}
}

// BenchmarkWeightedRendezvous is about what it is worth to ask few for a logarithm.
func BenchmarkWeightedRendezvous(b *testing.B) {
	for _, n := range []int{10, 100, 1000, 10000} {
		r := weighted(b, unequal(n)...)
		benchHashes(b, "weighted", n, func(h uint64) int { return winner(h, r.contenders) })
		benchHashes(b, "naive", n, func(h uint64) int { return allLogarithms(h, r.contenders) })
	}
}

// allLogarithms is the plain form of winner.
func allLogarithms(h uint64, contenders []contender) int {
	best := nobody
	for i := range contenders {
		best.meet(i, &contenders[i], score(h, contenders[i].factor))
	}
	return best.index
}

func benchHashes(b *testing.B, impl string, n int, locate func(uint64) int) {
	var hashes []uint64
	for _, key := range userKeys() {
		hashes = append(hashes, Hash(key))
	}
	b.Run(fmt.Sprintf("impl=%s/n=%d", impl, n), func(b *testing.B) {
		b.ReportAllocs()
		i, sum := 0, 0
		for b.Loop() {
			sum += locate(hashes[i%len(hashes)])
			i++
		}
		if sum < 0 {
			b.Fatal(sum)
		}
	})
}
