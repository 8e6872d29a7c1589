package lsm

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"sort"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/plinth-go/plinth/internal/seed"
	"github.com/plinth-go/plinth/lsm/sst"
	"github.com/plinth-go/plinth/vfs"
)

// row is an entry of a model, which is a sorted slice of them.
type row struct {
	key     string
	trailer sst.Trailer
	value   string
}

func compareRows(a, b row) int {
	return cmp.Or(cmp.Compare(a.key, b.key), cmp.Compare(b.trailer, a.trailer))
}

func randomKey(rng *rand.Rand) string {
	key := make([]byte, rng.IntN(12))
	for i := range key {
		key[i] = "ab\x00\xff"[rng.IntN(4)]
	}
	return string(key)
}

// TestMemtableModel compares a memtable with a sorted slice, entries in order and
// not. Planted and caught: links of a new node that are taken after it is linked, a
// path that is believed where it does not enclose, prefixes that are compared as if
// they were keys, a Prev that finds itself.
func TestMemtableModel(t *testing.T) {
	rng := seed.New(t)
	for _, n := range []int{0, 1, 2, 100, 5000} {
		m := newMemtable(1<<20, rng.Uint64())
		var rows []row
		key := ""
		for i := range n {
			switch rng.IntN(8) {
			case 0:
				key = randomKey(rng)
			case 1: // the same key again
			default:
				key += "\x00" // the next one
				if len(key) > 40 {
					key = randomKey(rng)
				}
			}
			r := row{key, sst.NewTrailer(uint64(i), sst.Kind(rng.IntN(2))), fmt.Sprint(i)}
			m.add([]byte(r.key), r.trailer, []byte(r.value))
			rows = append(rows, r)
		}
		slices.SortFunc(rows, compareRows)
		require.EqualValues(t, n, m.count.Load())
		checkMemtable(t, rng, m, rows)
	}
}

func checkMemtable(t *testing.T, rng *rand.Rand, m *memtable, rows []row) {
	it := &memIterator{m: m}
	at := 0
	for it.First(); it.Valid(); it.Next() {
		require.Equal(t, rows[at], row{string(it.Key()), it.Trailer(), string(it.Value())})
		at++
	}
	require.Equal(t, len(rows), at)
	for it.Last(); it.Valid(); it.Prev() {
		at--
		require.Equal(t, rows[at], row{string(it.Key()), it.Trailer(), string(it.Value())})
	}
	require.Zero(t, at)
	for range 500 {
		target := row{key: randomKey(rng), trailer: sst.Trailer(rng.Uint64N(uint64(256*len(rows) + 300)))}
		if len(rows) > 0 && rng.IntN(2) == 0 {
			target.key = rows[rng.IntN(len(rows))].key
		}
		i := sort.Search(len(rows), func(i int) bool { return compareRows(rows[i], target) >= 0 })
		it.SeekGE([]byte(target.key), target.trailer)
		require.Equal(t, i < len(rows), it.Valid())
		require.True(t, !it.Valid() || rows[i].value == string(it.Value()))
		it.SeekLT([]byte(target.key), target.trailer)
		require.Equal(t, i > 0, it.Valid())
		require.True(t, !it.Valid() || rows[i-1].value == string(it.Value()))

		seq := target.trailer.Seq()
		value, trailer, ok := m.get([]byte(target.key), seq)
		i = sort.Search(len(rows), func(i int) bool {
			return compareRows(rows[i], row{key: target.key, trailer: sst.Latest(seq)}) >= 0
		})
		found := i < len(rows) && rows[i].key == target.key
		require.Equal(t, found, ok)
		if found {
			require.Equal(t, rows[i], row{target.key, trailer, string(value)})
		}
	}
}

// Entries larger than a piece, and pieces that are nearly full.
func TestMemtableLargeEntries(t *testing.T) {
	m := newMemtable(8<<20, 1)
	sizes := []int{0, 1, 1 << dataBits, 1<<dataBits - 3, 3 << dataBits, 100, 1<<dataBits - 103, 7, 2 << dataBits, 1 << (dataBits - 1), 1<<(dataBits-1) + 1}
	for i, size := range sizes {
		m.add([]byte{byte(i)}, sst.NewTrailer(1, sst.Set), bytes.Repeat([]byte{byte(i)}, size))
	}
	for i, size := range sizes {
		value, _, ok := m.get([]byte{byte(i)}, 1)
		require.True(t, ok)
		require.Equal(t, bytes.Repeat([]byte{byte(i)}, size), value)
	}
}

// Entries that are nearly nothing but nodes, in one batch and after a restart. That
// was sized by the bytes of the batch once, and ran out of pieces.
func TestMemtableSmallEntries(t *testing.T) {
	o := tiny(vfs.NewMem())
	o.segmentSize = 8 << 20
	db := opened(t, o)
	var b Batch
	for i := range 1_000_000 {
		b.Delete([]byte{byte(i)})
	}
	require.NoError(t, db.Apply(&b))
	require.NoError(t, db.Close())
	db = opened(t, o)
	require.NoError(t, db.Put([]byte("x"), nil))
	require.NoError(t, db.Close())

	o.MemTableSize = maxMemTableSize + 1
	_, err := Open("db", o)
	require.ErrorContains(t, err, "MemTableSize")
}

// TestMemtableFills fills memtables of all sizes with entries of all shapes, as far as a
// writer would, some of which waste half of what they lie in: there is always a piece
// left. Planted and caught: a quarter as many pieces.
func TestMemtableFills(t *testing.T) {
	for size := int64(64); size <= 4<<20; size += size/3 + 1 {
		for _, value := range []int64{0, 1, 100, size / 16, size/8 + 1, size/4 + 1, size/2 + 1, 128<<10 + 1} {
			for seed := range uint64(3) {
				m := newMemtable(size, seed)
				body := make([]byte, value)
				change := memorySize(make([]byte, 5+value), 1)
				for i := 0; m.bytes.Load()+change <= size; i++ {
					m.add(binary.BigEndian.AppendUint32(nil, uint32(i)), sst.NewTrailer(1, sst.Set), body)
				}
				m.add([]byte("and one more, that was the first"), sst.NewTrailer(1, sst.Set), nil)
			}
		}
	}
}

// TestMemtableReaders lets readers walk and search while a writer adds: the list is
// in order at each moment, and what was there before a search began is found. With
// -race it shows that links are all that is shared. Planted and caught: a node that
// is linked before it is complete.
func TestMemtableReaders(t *testing.T) {
	m := newMemtable(16<<20, 1)
	rng := seed.New(t)
	const n = 20_000
	order := rng.Perm(n)
	key := func(i int) []byte { return binary.BigEndian.AppendUint32([]byte("key"), uint32(i)) }
	var added atomic.Int64
	var readers sync.WaitGroup
	for g := range 3 {
		local := rand.New(rand.NewPCG(uint64(g), 1))
		readers.Go(func() {
			for added.Load() < n {
				if have := int(added.Load()); have > 0 {
					i := order[local.IntN(have)]
					if v, _, ok := m.get(key(i), sst.MaxSeq); !ok || !bytes.Equal(v, key(i)) {
						t.Errorf("key %d: %q, %v", i, v, ok)
						return
					}
				}
				it := &memIterator{m: m}
				it.SeekGE(key(local.IntN(n)), 0)
				var last []byte
				for range 50 {
					if !it.Valid() {
						break
					}
					if bytes.Compare(last, it.Key()) >= 0 {
						t.Errorf("%q behind %q", it.Key(), last)
						return
					}
					last = it.Key()
					it.Next()
				}
			}
		})
	}
	for _, i := range order {
		m.add(key(i), sst.NewTrailer(uint64(i), sst.Set), key(i))
		added.Add(1)
	}
	readers.Wait()
}

// BenchmarkMemtable adds entries of 16 and 100 bytes, in order and not, and finds
// them.
func BenchmarkMemtable(b *testing.B) {
	const n = 400_000
	value := make([]byte, 100)
	rng := rand.New(rand.NewPCG(1, 1))
	for _, order := range []string{"sequential", "random"} {
		keys := make([][]byte, n)
		for i := range keys {
			keys[i] = fmt.Appendf(nil, "%08d-abcdef", i*7)
		}
		if order == "random" {
			rng.Shuffle(n, func(i, j int) { keys[i], keys[j] = keys[j], keys[i] })
		}
		var m *memtable
		b.Run(fmt.Sprintf("case=add-%s/n=%d", order, n), func(b *testing.B) {
			i := 0
			for b.Loop() {
				if i%n == 0 {
					m = newMemtable(64<<20, 1)
				}
				m.add(keys[i%n], sst.NewTrailer(uint64(i), sst.Set), value)
				i++
			}
		})
		b.Run(fmt.Sprintf("case=get-%s/n=%d", order, n), func(b *testing.B) {
			m = newMemtable(64<<20, 1)
			for i, key := range keys {
				m.add(key, sst.NewTrailer(uint64(i), sst.Set), value)
			}
			i := 0
			b.ResetTimer()
			for b.Loop() {
				if _, _, ok := m.get(keys[i%n], sst.MaxSeq); !ok {
					b.Fatal("not there")
				}
				i++
			}
		})
	}
}
