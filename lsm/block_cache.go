package lsm

import (
	"math/bits"
	"sync/atomic"

	"github.com/plinth-go/plinth/cache"
	"github.com/plinth-go/plinth/lsm/sst"
)

// blockCache keeps blocks of tables in memory. It is several caches, each with its part
// of the bytes: one that is bounded by bytes takes a lock when something comes in, and
// readers who miss should not meet there. Two readers who missed half of the time were
// 12 % faster with it (BenchmarkGet/case=parallel).
//
// As soon as the cache is full, a block comes in only when it is missed twice in a while.
// Most that are missed once are not asked for again soon; each of them would take fresh
// memory, and the place of another. Nearly as many are found as if all came in, with a
// fraction of the work (TestBlockCacheWants). It is safe for concurrent use.
type blockCache []blockCachePart

type blockCachePart struct {
	blocks *cache.Cache[sst.BlockID, *sst.Block]
	most   int64           // bytes that it may hold
	missed []atomic.Uint64 // 1 more than the block missed last, of those that share the place
	room   atomic.Int64    // bytes that are free, roughly: as long as there are some, it wants all
}

// blockOverhead is what a block takes in a cache beside its bytes, roughly.
const blockOverhead = 64

// newBlockCache returns one of so many bytes, for blocks of about blockSize; nil if the
// bytes are not positive.
func newBlockCache(size, blockSize int64) (blockCache, error) {
	if size <= 0 {
		return nil, nil
	}
	const enough = 2 << 20 // bytes of a part: less, and its share of the blocks is left to chance
	parts := min(max(size/enough, 1), 16)
	b := make(blockCache, parts)
	for i := range b {
		blocks, err := cache.New(cache.Config[sst.BlockID, *sst.Block]{
			MaxCost: max(size/parts, 1),
			Cost:    func(_ sst.BlockID, b *sst.Block) int64 { return int64(b.Size()) },
			Hash:    func(id sst.BlockID) uint64 { return uint64(id) },
		})
		if err != nil {
			return nil, err
		}
		// With a place for each block that the cache holds it would find up to 0.5 % more, and
		// be given twice as many, each of which costs more than a read that the operating
		// system answers from memory.
		places := min(max(size/parts/(blockSize+blockOverhead)/4, 1), 1<<16)
		b[i].blocks, b[i].most, b[i].missed = blocks, size/parts, make([]atomic.Uint64, places)
		b[i].room.Store(size / parts)
	}
	return b, nil
}

// part returns the one that a block belongs to. Blocks that lie side by side are in
// different ones.
func (b blockCache) part(id sst.BlockID) *blockCachePart { return &b[uint64(id)%uint64(len(b))] }

func (b blockCache) Get(id sst.BlockID) (*sst.Block, bool) { return b.part(id).blocks.Get(id) }

func (b blockCache) Set(id sst.BlockID, block *sst.Block) {
	p, size := b.part(id), int64(block.Size())
	if size > p.most {
		return
	}
	if p.room.Load() > 0 {
		p.room.Add(-size)
	}
	p.blocks.Set(id, block)
}

// forget takes out the blocks of a table that nobody reads any more, which makes room for
// those of the tables that have come in its place.
func (b blockCache) forget(t *sst.Table) {
	if b == nil {
		return
	}
	for id := range t.Blocks() {
		p := b.part(id)
		if block, ok := p.blocks.Delete(id); ok {
			p.room.Add(int64(block.Size()))
		}
	}
}

// Wants reports whether a block that was missed should come in, and remembers it.
func (b blockCache) Wants(id sst.BlockID) bool {
	p := b.part(id)
	if p.room.Load() > 0 {
		return true
	}
	place, _ := bits.Mul64(uint64(id)*0x9e3779b97f4a7c15, uint64(len(p.missed)))
	return p.missed[place].Swap(uint64(id)+1) == uint64(id)+1
}

// cost returns the bytes in the cache.
func (b blockCache) cost() (n int64) {
	for i := range b {
		n += b[i].blocks.Cost()
	}
	return n
}
