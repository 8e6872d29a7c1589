package hashring

import (
	"fmt"
	"testing"

	"github.com/plinth-go/plinth/internal/seed"
)

// BenchmarkLocateAnchor locates with n nodes, of a capacity of as many and ten times as many,
// besides the twice as many of BenchmarkLocate; and of ten times as many of which all but n have
// gone at random, whose order is no more that of the numbers.
func BenchmarkLocateAnchor(b *testing.B) {
	keys := userKeys()
	for _, n := range []int{10, 100, 1000} {
		for _, c := range []struct {
			name string
			a    *Anchor
		}{
			{"capacity=n", anchor(b, n, named(n)...)},
			{"capacity=10n", anchor(b, 10*n, named(n)...)},
			{"thinned=10n", thinned(b, seed.New(b), 10*n, n)},
		} {
			b.Run(fmt.Sprintf("impl=anchor/case=%s/n=%d", c.name, n), func(b *testing.B) {
				benchKeys(b, keys, func(key string) { c.a.Locate(key) })
			})
		}
	}
}

// BenchmarkChangeAnchor copies all.
func BenchmarkChangeAnchor(b *testing.B) {
	for _, n := range []int{100, 10_000} {
		a := anchor(b, 2*n, named(n)...)
		b.Run(fmt.Sprintf("impl=anchor/n=%d", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := a.Without("node-7"); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
