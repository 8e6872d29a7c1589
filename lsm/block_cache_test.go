package lsm

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/plinth-go/plinth/internal/form"
	"github.com/plinth-go/plinth/lsm/sst"
	"github.com/plinth-go/plinth/vfs"
)

// TestBlockCacheWants: a cache that is given what it wants finds nearly as much as one that
// is given all that it did not have, and is given a tenth of that at most. Planted and
// caught: places that remember one block in thirty-two, none that remember any.
func TestBlockCacheWants(t *testing.T) {
	const blocks, all, reads = 10_000, 80_000, 400_000
	block := new(sst.Block)
	run := func(next func() sst.BlockID, choosy bool) (found, given int) {
		c, err := newBlockCache(int64(blocks*block.Size()), 0)
		require.NoError(t, err)
		for i := range 2 * reads {
			if i == reads { // it is full
				found, given = 0, 0
			}
			id := next()
			if _, ok := c.Get(id); ok {
				found++
			} else if !choosy || c.Wants(id) {
				c.Set(id, block)
				given++
			}
		}
		require.InDelta(t, blocks*block.Size(), c.cost(), float64(blocks*block.Size()/100))
		return found, given
	}
	skews := []float64{0, 1.01, 1.1, 1.3}
	if form.Raced() {
		skews = skews[2:3] // one goroutine: there is nothing for it to find
	}
	for _, skew := range skews {
		seeded := func() func() sst.BlockID {
			rng := rand.New(rand.NewPCG(1, 1))
			if skew == 0 {
				return func() sst.BlockID { return sst.BlockID(rng.IntN(all)) }
			}
			names := rng.Perm(all)
			zipf := rand.NewZipf(rng, skew, 1, all-1)
			return func() sst.BlockID { return sst.BlockID(names[zipf.Uint64()]) }
		}
		found, given := run(seeded(), false)
		foundOf, givenOf := run(seeded(), true)
		t.Logf("skew %.2f: %.2f %% found, %d given; of what it wants %.2f %%, %d", skew,
			100*float64(found)/reads, given, 100*float64(foundOf)/reads, givenOf)
		require.Greater(t, foundOf, found-reads*6/1000)
		require.Less(t, givenOf, given/10)
	}
}

// TestBlockCacheSizes: what a user may ask for, a cache without bounds and one of nothing.
func TestBlockCacheSizes(t *testing.T) {
	for _, size := range []int64{1, 100, 1 << 40, math.MaxInt64} {
		for _, blockSize := range []int64{1, 2 << 10, math.MaxInt64 - blockOverhead} {
			c, err := newBlockCache(size, blockSize)
			require.NoError(t, err)
			c.Wants(7)
			c.Set(7, new(sst.Block))
			_, ok := c.Get(7)
			require.Equal(t, size >= 100, ok)
		}
	}
	c, err := newBlockCache(0, 2<<10)
	require.NoError(t, err)
	require.Nil(t, c)
	c.forget(nil)
}

// TestCacheForgetsTables: blocks of tables that have been merged leave the cache, which
// has room for others then. Planted and caught: tables that are not forgotten, room that
// is not given back.
func TestCacheForgetsTables(t *testing.T) {
	db, err := Open("db", Options{FS: vfs.NewMem(), MemTableSize: 32 << 10, TableSize: 16 << 10, BlockCacheSize: 1 << 20})
	require.NoError(t, err)
	defer db.Close()
	fill := func() {
		for i := range 3000 {
			require.NoError(t, db.Put(fmt.Appendf(nil, "%06d", i), make([]byte, 100)))
		}
		require.NoError(t, db.Compact(context.Background(), nil, nil))
	}
	fill()
	for i := range 3000 {
		_, err := db.Get(fmt.Appendf(nil, "%06d", i))
		require.NoError(t, err)
	}
	require.Greater(t, db.blocks.cost(), int64(100<<10))
	fill()
	require.Zero(t, db.blocks.cost())
	require.EqualValues(t, 1<<20, db.blocks[0].room.Load())
}
