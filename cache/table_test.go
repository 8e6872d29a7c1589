package cache

import (
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// A table that was given up for a larger one still answers readers, and lets no
// writer believe that it has stored something. Planted bugs that it catches: a
// writer that does not look for frozen, a growth that leaves the items as they
// are.
func TestOldTableIsFrozen(t *testing.T) {
	ForEveryKind(t, oldTableIsFrozen[int], oldTableIsFrozen[*int], oldTableIsFrozen[Pair])
}

func oldTableIsFrozen[V any](t *testing.T, kind Kind[V]) {
	c := made(t, Config[uint64, V]{MaxEntries: 1 << 16, Shards: 1})
	for k := range uint64(startEntries) {
		c.Set(k, kind.Of(1))
	}
	old := c.parts.Load().shards[0].table.Load()
	c.Set(startEntries, kind.Of(1))
	require.NotSame(t, old, c.parts.Load().shards[0].table.Load(), "it has grown")
	for k := range uint64(startEntries) {
		hash := uint32(c.hash(k))
		pointer, it := old.seek(k, hash)
		require.Equal(t, 1, kind.Number(it.value))
		if c.word == whole {
			require.False(t, newItem(k, kind.Of(2)).replace(pointer, it))
		} else {
			_, ok := it.overwrite(c.word, kind.Of(2))
			require.False(t, ok)
		}
		v, ok := c.Get(k)
		require.True(t, ok)
		require.Equal(t, 1, kind.Number(v))
	}
}

// Two goroutines set a key again and again, without the lock where they can, and
// two delete it: every value that was stored comes out once. Planted bugs that
// it catches: a Delete that reports the value that it has seen instead of the one
// that it took.
func TestDeleteAgainstSet(t *testing.T) {
	ForEveryKind(t, deleteAgainstSet[int], deleteAgainstSet[*int], deleteAgainstSet[Pair])
}

func deleteAgainstSet[V any](t *testing.T, kind Kind[V]) {
	const values = 100000
	var seen [2 * values]int32
	var mu sync.Mutex
	c := made(t, Config[int, V]{MaxEntries: 10, OnEvict: func(_ int, v V, _ Reason) {
		mu.Lock()
		seen[kind.Number(v)]++
		mu.Unlock()
	}})
	var writers sync.WaitGroup
	for g := range 2 {
		writers.Go(func() {
			for i := range values {
				c.Set(1, kind.Of(g*values+i))
			}
		})
		writers.Go(func() {
			for range 2 * values {
				c.Delete(1)
			}
		})
	}
	writers.Wait()
	c.Clear()
	for v, n := range seen {
		require.EqualValues(t, 1, n, "value %d", v)
	}
}
