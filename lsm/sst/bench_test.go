package sst

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/plinth-go/plinth/cache"
	"github.com/plinth-go/plinth/vfs"
)

const benchEntries = 1 << 20

// benchTable is a table of keys of 16 bytes with values of 100, of which half
// compresses, in a file of the operating system.
func benchTable(b *testing.B, c Compression) (*Table, *cache.Cache[BlockID, *Block]) {
	f, err := vfs.OS().Open(b.TempDir()+"/1.table", vfs.Create, "bench")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = f.Close() })
	w := NewWriter(f, WriterOptions{Compression: c, BloomBitsPerKey: 10})
	rng := rand.New(rand.NewPCG(1, 1))
	value := make([]byte, 100)
	for i := range benchEntries {
		for j := range 50 {
			value[j] = byte(rng.Uint32())
		}
		if err := w.Add(benchKey(i), NewTrailer(uint64(i), Set), value); err != nil {
			b.Fatal(err)
		}
	}
	if _, err := w.Finish(); err != nil {
		b.Fatal(err)
	}
	blocks, err := cache.New(cache.Config[BlockID, *Block]{
		MaxCost: 256 << 20,
		Shards:  16,
		Hash:    func(id BlockID) uint64 { return uint64(id) },
		Cost:    func(_ BlockID, b *Block) int64 { return int64(b.Size()) },
	})
	if err != nil {
		b.Fatal(err)
	}
	table, err := Open(f, Options{Cache: blocks})
	if err != nil {
		b.Fatal(err)
	}
	return table, blocks
}

func benchKey(i int) []byte {
	return fmt.Appendf(nil, "%016d", i*7)
}

// BenchmarkGet reads keys by chance, all blocks in the cache or none.
func BenchmarkGet(b *testing.B) {
	keys := make([][]byte, 1<<16)
	rng := rand.New(rand.NewPCG(2, 2))
	for i := range keys {
		keys[i] = benchKey(rng.IntN(benchEntries))
	}
	for _, c := range []Compression{None, S2} {
		table, _ := benchTable(b, c)
		for _, cached := range []bool{true, false} {
			b.Run(fmt.Sprintf("case=present/compression=%v/cached=%v/n=%d", c, cached, benchEntries), func(b *testing.B) {
				t := *table
				if !cached {
					t.options.Cache = nil
				}
				i := 0
				b.ReportAllocs()
				for b.Loop() {
					if _, _, ok, err := t.Get(keys[i%len(keys)], MaxSeq); !ok || err != nil {
						b.Fatal(ok, err)
					}
					i++
				}
			})
		}
		b.Run(fmt.Sprintf("case=missing/compression=%v/n=%d", c, benchEntries), func(b *testing.B) {
			i, passed := 0, 0
			for b.Loop() {
				binary.BigEndian.PutUint32(keys[i%len(keys)][12:], uint32(i))
				if table.MayContain(HashKey(keys[i%len(keys)])) {
					passed++
				}
				i++
			}
			b.ReportMetric(100*float64(passed)/float64(b.N), "%passed")
			for i := range keys {
				keys[i] = benchKey(rng.IntN(benchEntries))
			}
		})
	}
}

// BenchmarkWalk reads all entries in order.
func BenchmarkWalk(b *testing.B) {
	table, _ := benchTable(b, None)
	for _, direction := range []string{"forward", "backward"} {
		b.Run(fmt.Sprintf("case=%s/n=%d", direction, benchEntries), func(b *testing.B) {
			it := table.NewIterator()
			b.ReportAllocs()
			step := func() {
				switch {
				case direction == "forward" && it.Valid():
					it.Next()
				case direction == "forward":
					it.First()
				case it.Valid():
					it.Prev()
				default:
					it.Last()
				}
			}
			for b.Loop() {
				step()
			}
		})
	}
}

// BenchmarkWrite writes entries in order.
func BenchmarkWrite(b *testing.B) {
	keys := make([][]byte, 1<<16)
	for i := range keys {
		keys[i] = benchKey(i)
	}
	for _, c := range []Compression{None, S2} {
		b.Run(fmt.Sprintf("case=%v/n=%d", c, len(keys)), func(b *testing.B) {
			value := make([]byte, 100)
			b.SetBytes(116)
			var w *Writer
			i := 0
			for b.Loop() {
				if i%len(keys) == 0 {
					f, _ := vfs.NewMem().Open("x", vfs.Create, "bench")
					w = NewWriter(f, WriterOptions{Compression: c, BloomBitsPerKey: 10})
				}
				binary.LittleEndian.PutUint64(value, uint64(i)*0x9e3779b97f4a7c15)
				if err := w.Add(keys[i%len(keys)], NewTrailer(uint64(i), Set), value); err != nil {
					b.Fatal(err)
				}
				i++
			}
		})
	}
}
