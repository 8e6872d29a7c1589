package lsm

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/plinth-go/plinth/wal"
)

const benchEntries = 1 << 20

func benchOptions(c Compression) Options {
	return Options{Durability: wal.Buffered, MemTableSize: 64 << 20, BlockCacheSize: 64 << 20, Compression: c}
}

// filled returns a store of keys of 16 bytes with values of 100, of which half
// compresses, put in random order and settled.
func filled(b *testing.B, c Compression) *DB {
	db, err := Open(b.TempDir(), benchOptions(c))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = db.Close() })
	rng := rand.New(rand.NewPCG(1, 1))
	value := make([]byte, 100)
	for _, i := range rng.Perm(benchEntries) {
		if err := db.Put(benchKey(i), benchValue(rng, value)); err != nil {
			b.Fatal(err)
		}
	}
	if err := db.Compact(b.Context(), nil, nil); err != nil {
		b.Fatal(err)
	}
	return db
}

func benchKey(i int) []byte { return fmt.Appendf(nil, "%016d", i*7) }

func benchValue(rng *rand.Rand, value []byte) []byte {
	for i := range 50 {
		value[i] = byte(rng.Uint32())
	}
	return value
}

// BenchmarkPut puts entries without waiting for the disk, in order and not.
func BenchmarkPut(b *testing.B) {
	for _, order := range []string{"sequential", "random"} {
		b.Run(fmt.Sprintf("case=%s/durability=buffered", order), func(b *testing.B) {
			db, err := Open(b.TempDir(), benchOptions(NoCompression))
			if err != nil {
				b.Fatal(err)
			}
			rng := rand.New(rand.NewPCG(1, 1))
			value := benchValue(rng, make([]byte, 100))
			key := make([]byte, 16)
			b.SetBytes(116)
			b.ReportAllocs()
			i := uint64(0)
			for b.Loop() {
				n := i
				if order == "random" {
					n = rng.Uint64() % benchEntries
				}
				if err := db.Put(fmt.Appendf(key[:0], "%016d", n), value); err != nil {
					b.Fatal(err)
				}
				i++
			}
			_, all := db.Metrics().WriteAmplification()
			b.ReportMetric(all, "write-amp")
			_ = db.Close()
		})
	}
}

// BenchmarkGet gets random keys of a settled store.
func BenchmarkGet(b *testing.B) {
	for _, c := range []Compression{NoCompression, S2} {
		db := filled(b, c)
		keys := make([][]byte, 1<<18)
		rng := rand.New(rand.NewPCG(2, 2))
		for i := range keys {
			keys[i] = benchKey(rng.IntN(benchEntries))
		}
		b.Run(fmt.Sprintf("case=present/compression=%v/n=%d", c, benchEntries), func(b *testing.B) {
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				if _, err := db.Get(keys[i%len(keys)]); err != nil {
					b.Fatal(err)
				}
				i++
			}
		})
		b.Run(fmt.Sprintf("case=parallel/compression=%v/n=%d", c, benchEntries), func(b *testing.B) {
			b.RunParallel(func(pb *testing.PB) {
				i := rand.IntN(len(keys))
				for pb.Next() {
					if _, err := db.Get(keys[i%len(keys)]); err != nil {
						b.Fatal(err)
					}
					i++
				}
			})
		})
	}
}

// BenchmarkScan reads a settled store in order.
func BenchmarkScan(b *testing.B) {
	db := filled(b, NoCompression)
	b.Run(fmt.Sprintf("case=forward/n=%d", benchEntries), func(b *testing.B) {
		it := db.NewIterator(IterOptions{})
		b.ReportAllocs()
		for b.Loop() {
			if it.Valid() {
				it.Next()
			} else {
				it.First()
			}
		}
	})
}
