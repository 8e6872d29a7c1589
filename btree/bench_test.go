package btree

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/plinth-go/plinth/vfs"
	"github.com/plinth-go/plinth/wal"
)

const benchEntries = 200_000

// benchKey is 16 bytes; keys with higher numbers are higher.
func benchKey(b []byte, n int) []byte {
	b = binary.BigEndian.AppendUint64(b[:0], uint64(n)*7)
	return binary.BigEndian.AppendUint64(b, uint64(n)*0x9e3779b97f4a7c15)
}

// benchStore is filled in random order, 1,000 entries a transaction.
func benchStore(b *testing.B, o Options) *DB {
	o.FS, o.Durability, o.CacheSize = vfs.NewMem(), wal.Buffered, 256<<20
	d, err := Open("db", o)
	require.NoError(b, err)
	b.Cleanup(func() { require.NoError(b, d.Close()) })
	fill(b, d, rand.New(rand.NewPCG(1, 1)).Perm(benchEntries))
	return d
}

func fill(b *testing.B, d *DB, order []int) {
	value := make([]byte, 100)
	for len(order) > 0 {
		n := min(1000, len(order))
		require.NoError(b, d.Update(func(tx *Tx) error {
			for _, i := range order[:n] {
				if err := tx.Put(benchKey(nil, i), value); err != nil {
					return err
				}
			}
			return nil
		}))
		order = order[n:]
	}
}

func BenchmarkGet(b *testing.B) {
	for _, c := range []struct {
		name    string
		missing byte
	}{{"hit", 0}, {"miss", 1}} {
		b.Run(fmt.Sprintf("impl=plinth/case=%s/n=%d", c.name, benchEntries), func(b *testing.B) {
			d := benchStore(b, Options{})
			b.RunParallel(func(pb *testing.PB) {
				rng := rand.New(rand.NewPCG(rand.Uint64(), 1))
				var key []byte
				for pb.Next() {
					key = benchKey(key, rng.IntN(benchEntries))
					key[15] ^= c.missing
					if _, err := d.Get(key); err != nil && (c.missing == 0 || !errors.Is(err, ErrNotFound)) {
						b.Error(err)
						return
					}
				}
			})
			b.ReportAllocs()
		})
	}
}

func BenchmarkScan(b *testing.B) {
	b.Run(fmt.Sprintf("impl=plinth/case=all/n=%d", benchEntries), func(b *testing.B) {
		d := benchStore(b, Options{})
		b.ReportAllocs()
		left, sum := 0, 0
		for b.Loop() { // an operation is one entry
			if left--; left > 0 {
				continue
			}
			left = benchEntries
			require.NoError(b, d.View(func(tx *Tx) error {
				for e, err := range tx.Scan(nil, nil) {
					if err != nil {
						return err
					}
					sum += int(e.Key[15]) + int(e.Value[99])
				}
				return nil
			}))
		}
		require.NotZero(b, sum)
	})
}

// BenchmarkPut fills an empty store in memory, so that the log costs nothing but its
// encoding: what is left is the tree.
func BenchmarkPut(b *testing.B) {
	for _, order := range []string{"random", "rising"} {
		for _, batch := range []int{1, 1000} {
			b.Run(fmt.Sprintf("impl=plinth/case=%s/batch=%d", order, batch), func(b *testing.B) {
				d := benchStore(b, Options{})
				rng := rand.New(rand.NewPCG(2, 2))
				value, next := make([]byte, 100), benchEntries
				var key []byte
				b.ReportAllocs()
				tx, err := d.Begin(true)
				require.NoError(b, err)
				for b.Loop() {
					i := next
					if order == "random" {
						i = rng.IntN(benchEntries)
					}
					next++
					key = benchKey(key, i)
					require.NoError(b, tx.Put(key, value))
					if tx.ops == batch {
						require.NoError(b, tx.Commit())
						tx, err = d.Begin(true)
						require.NoError(b, err)
					}
				}
				require.NoError(b, tx.Commit())
			})
		}
	}
}
