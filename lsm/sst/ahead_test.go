package sst

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/plinth-go/plinth/vfs"
)

// someBlocks is a cache that keeps what it was given by hand.
type someBlocks map[BlockID]*Block

func (s someBlocks) Get(id BlockID) (*Block, bool) { b, ok := s[id]; return b, ok }
func (s someBlocks) Set(BlockID, *Block)           {}

// TestReadAhead walks over a table of some hundred blocks, from places here and there,
// some of the blocks in a cache: it finds every entry, and reads more at once the longer
// it walks. Planted and caught: a piece that is taken to hold a block that it does not,
// reads that do not grow.
func TestReadAhead(t *testing.T) {
	counter := vfs.NewCounter(vfs.NewMem())
	f, err := counter.Open("1.table", vfs.Create, "test")
	require.NoError(t, err)
	w := NewWriter(f, WriterOptions{Compression: S2})
	const n = 10_000
	key := func(i int) []byte { return fmt.Appendf(nil, "%06d", i) }
	value := func(i int) []byte {
		return fmt.Appendf(nil, "%x%x", uint64(i)*0x9e3779b97f4a7c15, uint64(i)*0xd1342543de82ef95)
	}
	for i := range n {
		require.NoError(t, w.Add(key(i), NewTrailer(1, Set), value(i)))
	}
	_, err = w.Finish()
	require.NoError(t, err)
	cached := someBlocks{}
	table, err := Open(f, Options{Cache: cached})
	require.NoError(t, err)
	blocks := len(table.index.blocks)
	require.Greater(t, blocks, 200)

	reads := func(from, entries int) uint64 {
		before := counter.Counts().Total().Reads
		it := table.NewIterator()
		i := from
		for it.SeekGE(key(from), NewTrailer(1, Set)); it.Valid() && i < from+entries; it.Next() {
			require.Equal(t, key(i), it.Key())
			require.Equal(t, value(i), it.Value())
			i++
		}
		require.NoError(t, it.Err())
		require.Equal(t, min(n, from+entries), i)
		return uint64(counter.Counts().Total().Reads - before)
	}
	whole := reads(0, n)
	t.Logf("%d blocks, %d reads", blocks, whole)
	require.Less(t, whole, uint64(12)) // 1 block, 16, 32, 64 KiB and then 128 KiB each
	require.LessOrEqual(t, reads(5000, 100), uint64(3))

	rng := rand.New(rand.NewPCG(1, 1))
	for range 50 {
		clear(cached)
		for i := range blocks {
			if rng.IntN(3) == 0 {
				cached[blockID(0, i)], err = table.readBlock(i)
				require.NoError(t, err)
			}
		}
		reads(rng.IntN(n), rng.IntN(2000))
	}
}

// TestClosedIterators: the memory of iterators that are closed goes to others, and none
// sees what another one reads. Planted and caught: memory that is given away when the walk
// begins anew.
func TestClosedIterators(t *testing.T) {
	rows := randomRows(rand.New(rand.NewPCG(9, 9)), 2000)
	for _, c := range []Compression{None, S2} {
		table := tableOf(t, rows, WriterOptions{BlockSize: 200, Compression: c}, nil)
		type walk struct {
			it *Iterator
			at int
		}
		rng := rand.New(rand.NewPCG(1, 1))
		walks := make([]walk, 6)
		for range 20_000 {
			w := &walks[rng.IntN(len(walks))]
			switch {
			case w.it == nil:
				w.it = table.NewIterator()
				fallthrough
			case !w.it.Valid() || rng.IntN(50) == 0:
				w.at = rng.IntN(len(rows))
				w.it.SeekGE([]byte(rows[w.at].key), rows[w.at].trailer)
			case rng.IntN(100) == 0:
				w.it.Close()
				w.it = nil
				continue
			default:
				w.it.Next()
				w.at++
			}
			if w.at < len(rows) {
				require.Equal(t, rows[w.at], row{string(w.it.Key()), w.it.Trailer(), string(w.it.Value())})
			}
			for _, w := range walks {
				if w.it != nil && w.it.Valid() {
					require.Equal(t, rows[w.at].value, string(w.it.Value()))
				}
			}
		}
	}
}
