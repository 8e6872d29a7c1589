package hashring

import (
	"fmt"
	"testing"
)

// BenchmarkLocateRange locates keys among n partitions. The naive way asks one split after the other.
func BenchmarkLocateRange(b *testing.B) {
	keys := make([]string, 1<<12)
	for i := range keys {
		keys[i] = fmt.Sprintf("user/%08d", uint32(i)*2654435761%100_000_000)
	}
	for _, n := range []int{10, 1000} {
		splits := make([]string, n-1)
		for i := range splits {
			splits[i] = fmt.Sprintf("user/%08d", (i+1)*(100_000_000/n))
		}
		r, err := NewRange(splits...)
		if err != nil {
			b.Fatal(err)
		}
		for name, locate := range map[string]func(string) Node{
			"range": r.Locate,
			"naive": func(key string) Node {
				i := 0
				for i < len(splits) && splits[i] <= key {
					i++
				}
				return r.owners[i]
			},
		} {
			b.Run(fmt.Sprintf("impl=%s/n=%d", name, n), func(b *testing.B) {
				benchKeys(b, keys, func(key string) { locate(key) })
			})
		}
	}
}
