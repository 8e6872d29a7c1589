package sst

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"sort"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/plinth-go/plinth/internal/seed"
	"github.com/plinth-go/plinth/vfs"
)

// row is an entry of the model, which is a sorted slice of them.
type row struct {
	key     string
	trailer Trailer
	value   string
}

func compareRows(a, b row) int {
	return Compare([]byte(a.key), a.trailer, []byte(b.key), b.trailer)
}

// randomRows makes entries of keys that are alike: short ones, one the beginning
// of the other, with several versions.
func randomRows(rng *rand.Rand, n int) []row {
	rows := make([]row, 0, n)
	for i := range n {
		length := rng.IntN(10)
		if rng.IntN(20) == 0 {
			length += 200
		}
		key := make([]byte, length)
		for j := range key {
			key[j] = "aab\x00\xff"[rng.IntN(5)]
		}
		rows = append(rows, row{
			key:     string(key),
			trailer: NewTrailer(uint64(i), Kind(rng.IntN(2))),
			value:   string(bytes.Repeat([]byte{byte(i)}, rng.IntN(40)*rng.IntN(8))),
		})
	}
	slices.SortFunc(rows, compareRows)
	return rows
}

// tableOf writes the rows to a file and opens it.
func tableOf(t testing.TB, rows []row, o WriterOptions, c Cache) *Table {
	f := fileOf(t, rows, o)
	table, err := Open(f, Options{Number: o.Number, Cache: c})
	require.NoError(t, err)
	return table
}

func fileOf(t testing.TB, rows []row, o WriterOptions) vfs.File {
	f, err := vfs.NewMem().Open("1.table", vfs.Create, "test")
	require.NoError(t, err)
	w := NewWriter(f, o)
	for _, r := range rows {
		require.NoError(t, w.Add([]byte(r.key), r.trailer, []byte(r.value)))
	}
	p, err := w.Finish()
	require.NoError(t, err)
	require.EqualValues(t, len(rows), p.Entries)
	return f
}

// mapCache is a Cache that forgets nothing.
type mapCache map[BlockID]*Block

func (c mapCache) Get(id BlockID) (*Block, bool) { b, ok := c[id]; return b, ok }
func (c mapCache) Set(id BlockID, b *Block)      { c[id] = b }

// TestTableModel compares everything that a table answers with a slice, for all
// kinds of options. Planted and caught: a find that does not begin anew at a
// restart, one that returns the older of two versions, a Get that does not go on
// to the next block, an index that searches for the separator behind, a Prev that
// stays in its block.
func TestTableModel(t *testing.T) {
	rng := seed.New(t)
	for _, n := range []int{0, 1, 2, 15, 16, 17, 33, 700} {
		for _, size := range []int{1, 100, 700, 4096} {
			for _, c := range []Compression{None, S2} {
				rows := randomRows(rng, n)
				o := WriterOptions{Number: rng.Uint64N(1 << 32), BlockSize: size, Compression: c, BloomBitsPerKey: float64(rng.IntN(3)) * 5}
				var cache Cache
				if rng.IntN(2) == 0 {
					cache = mapCache{}
				}
				table := tableOf(t, rows, o, cache)
				require.NoError(t, table.Verify())
				checkProperties(t, table.Properties(), rows)
				checkGets(t, rng, table, rows)
				checkWalks(t, rng, table, rows)
			}
		}
	}
}

func checkProperties(t *testing.T, p Properties, rows []row) {
	want := Properties{}
	keys := map[string]bool{}
	for i, r := range rows {
		want.Entries++
		want.KeyBytes += uint64(len(r.key))
		want.ValueBytes += uint64(len(r.value))
		if r.trailer.Kind() == Delete {
			want.Deletes++
		}
		keys[r.key] = true
		if i == 0 {
			want.MinSeq = r.trailer.Seq()
		}
		want.MinSeq, want.MaxSeq = min(want.MinSeq, r.trailer.Seq()), max(want.MaxSeq, r.trailer.Seq())
	}
	want.Keys = uint64(len(keys))
	if len(rows) > 0 {
		require.Equal(t, rows[0].key, string(p.Smallest))
		require.Equal(t, rows[len(rows)-1].key, string(p.Largest))
	}
	p.Smallest, p.Largest, p.Sum = nil, nil, 0
	require.Equal(t, want, p)
}

// probes are keys that are there, their neighbours, and others.
func probes(rng *rand.Rand, rows []row) []string {
	keys := []string{"", "zzz", "\xff\xff"}
	for range 100 {
		if len(rows) > 0 {
			k := rows[rng.IntN(len(rows))].key
			keys = append(keys, k, k+"\x00", k+"b", k[:len(k)/2])
		}
	}
	return keys
}

func checkGets(t *testing.T, rng *rand.Rand, table *Table, rows []row) {
	for _, key := range probes(rng, rows) {
		seq := rng.Uint64N(uint64(len(rows)) + 2)
		if rng.IntN(4) == 0 {
			seq = MaxSeq
		}
		value, trailer, ok, err := table.Get([]byte(key), seq)
		require.NoError(t, err)
		i := sort.Search(len(rows), func(i int) bool {
			return compareRows(rows[i], row{key: key, trailer: Latest(seq)}) >= 0
		})
		found := i < len(rows) && rows[i].key == key
		require.Equal(t, found, ok, "%q as of %d", key, seq)
		if found {
			require.Equal(t, rows[i], row{key, trailer, string(value)})
			require.True(t, table.MayContain(HashKey([]byte(key))))
		}
	}
}

func checkWalks(t *testing.T, rng *rand.Rand, table *Table, rows []row) {
	it := table.NewIterator()
	at := -1 // in rows
	check := func() {
		require.NoError(t, it.Err())
		inside := at >= 0 && at < len(rows)
		require.Equal(t, inside, it.Valid())
		if inside {
			require.Equal(t, rows[at], row{string(it.Key()), it.Trailer(), string(it.Value())})
		}
	}
	at = 0
	for it.First(); it.Valid(); it.Next() {
		check()
		at++
	}
	require.Equal(t, len(rows), at)
	at = len(rows) - 1
	for it.Last(); it.Valid(); it.Prev() {
		check()
		at--
	}
	require.Equal(t, -1, at)
	for _, key := range probes(rng, rows) {
		target := row{key: key, trailer: Trailer(rng.Uint64N(uint64(len(rows)*256 + 300)))}
		i := sort.Search(len(rows), func(i int) bool { return compareRows(rows[i], target) >= 0 })
		if rng.IntN(2) == 0 {
			it.SeekGE([]byte(target.key), target.trailer)
			at = i
		} else {
			it.SeekLT([]byte(target.key), target.trailer)
			at = i - 1
		}
		check()
		for range rng.IntN(40) {
			if !it.Valid() {
				break
			}
			if rng.IntN(2) == 0 {
				it.Next()
				at++
			} else {
				it.Prev()
				at--
			}
			check()
		}
	}
}

// FuzzTable lets the fuzzer choose the entries, as keys and versions, and the size
// of blocks.
func FuzzTable(f *testing.F) {
	f.Add([]byte("a\x00ab\x00abc\x00b\x00"), byte(20))
	f.Add([]byte("k1k2k3k4k5k6k7k8k9\x00\x00\x00aaaaaaaaaaaaaaaaaa"), byte(1))
	f.Fuzz(func(t *testing.T, input []byte, size byte) {
		var rows []row
		for i, key := range bytes.Split(input[:min(len(input), 2000)], []byte{0}) {
			rows = append(rows, row{string(key), NewTrailer(uint64(i), Kind(i%2)), fmt.Sprint(i)})
		}
		slices.SortFunc(rows, compareRows)
		table := tableOf(t, rows, WriterOptions{BlockSize: int(size), Compression: Compression(size % 2), BloomBitsPerKey: 10}, nil)
		require.NoError(t, table.Verify())
		rng := rand.New(rand.NewPCG(uint64(size), 1))
		checkGets(t, rng, table, rows)
		checkWalks(t, rng, table, rows)
	})
}
