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
	c, err := New(Config[uint64, int]{MaxEntries: 1 << 16, Shards: 1})
	require.NoError(t, err)
	for k := range uint64(startEntries) {
		c.Set(k, 1)
	}
	old := c.parts.Load().shards[0].table.Load()
	c.Set(startEntries, 1)
	require.NotSame(t, old, c.parts.Load().shards[0].table.Load(), "it has grown")
	for k := range uint64(startEntries) {
		hash := uint32(c.hash(k))
		require.Equal(t, 1, old.find(k, hash).value)
		require.False(t, newItem(k, 2).replace(old.seek(k, hash)))
		v, ok := c.Get(k)
		require.True(t, ok)
		require.Equal(t, 1, v)
	}
}

// Two goroutines set a key again and again, without the lock where they can, and
// two delete it: every value that was stored comes out once. Planted bugs that
// it catches: a Delete that reports the value that it has seen instead of the one
// that it took.
func TestDeleteAgainstSet(t *testing.T) {
	const values = 100000
	var seen [2 * values]int32
	var mu sync.Mutex
	c, err := New(Config[int, int]{MaxEntries: 10, OnEvict: func(_, v int, _ Reason) {
		mu.Lock()
		seen[v]++
		mu.Unlock()
	}})
	require.NoError(t, err)
	var writers sync.WaitGroup
	for g := range 2 {
		writers.Go(func() {
			for i := range values {
				c.Set(1, g*values+i)
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
