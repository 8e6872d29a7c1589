package cache

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"weak"

	"github.com/stretchr/testify/require"

	"github.com/plinth-go/plinth/internal/seed"
)

// keysOfPolicy returns the keys in the order of All, joined.
func keysOfPolicy(c Policy[string, int]) string {
	var keys []string
	for key := range c.All() {
		keys = append(keys, key)
	}
	return strings.Join(keys, " ")
}

// access does what most callers do for each key of a list, and returns what was
// evicted, joined.
func access(c Policy[string, int], list string) string {
	var gone []string
	for key := range strings.FieldsSeq(list) {
		if _, ok := c.Get(key); !ok {
			if evicted, ok := c.Set(key, 1); ok {
				gone = append(gone, evicted)
			}
		}
	}
	return strings.Join(gone, " ")
}

// TestClockSecondChance plays the drawing in clock.go.
func TestClockSecondChance(t *testing.T) {
	c := NewClock[string, int](4)
	access(c, "z b c d")
	require.Equal(t, "z", access(c, "a"), "z was not used, and a takes its slot")
	access(c, "b d")
	require.Equal(t, "c", access(c, "e"), "b was used, so c goes")
	require.Equal(t, "e b a d", keysOfPolicy(c))
	require.Equal(t, "a b", access(c, "f g"), "d had a second chance, b has had its own")
}

// TestLFUCounts plays the drawing in lfu.go.
func TestLFUCounts(t *testing.T) {
	c := NewLFU[string, int](6)
	require.Empty(t, access(c, "a b d e c f a a a a a a b d"))
	require.Equal(t, "a d b f c e", keysOfPolicy(c))
	require.Equal(t, "e", access(c, "g"), "of those used once, e is longest unused")
	require.Equal(t, "c f b", access(c, "g g h h h i i i j j j"), "b has fewer uses than those that came later")
	require.Equal(t, "a j i h g d", keysOfPolicy(c))
	require.True(t, c.Delete("a"))
	require.Equal(t, 3, c.counts.back().ahead().entry.uses, "nobody else has seven uses")
}

// TestTwoQueueCorrelated shows what the full 2Q is about: uses in a burst are
// one use, and only a key that comes back later is kept.
func TestTwoQueueCorrelated(t *testing.T) {
	c := NewTwoQueue[string, int](4) // one in the first queue is safe, two ghosts
	access(c, "a a a a a b c d")
	require.Equal(t, "d c b a", keysOfPolicy(c))
	require.Equal(t, "a", access(c, "e"), "many uses in a burst do not help")
	require.Equal(t, "b", access(c, "a"), "but its ghost does")
	require.Equal(t, "a e d c", keysOfPolicy(c))
	require.Equal(t, "c d e f g h", access(c, "f g h i j k"), "a scan passes by")
	require.Equal(t, "a k j i", keysOfPolicy(c))
	require.Equal(t, "i", access(c, "f"), "whose ghost is forgotten, because there are two")
	require.Equal(t, "a f k j", keysOfPolicy(c))
}

// TestARCLearns follows p through the four cases of figure 4.
func TestARCLearns(t *testing.T) {
	c := NewARC[string, int](4)
	access(c, "a b a b c d")
	require.Equal(t, "b a d c", keysOfPolicy(c))
	require.Equal(t, "c", access(c, "e"), "p is 0, so what was seen once makes room")
	require.Zero(t, c.p)
	require.Equal(t, "d", access(c, "c"), "seen twice now")
	require.Equal(t, 1.0, c.p, "c would have been a hit if T1 had been longer by one")
	require.Equal(t, "c b a e", keysOfPolicy(c))
	require.Equal(t, "a", access(c, "d"), "T1 is as long as p wants it, so T2 makes room")
	require.Equal(t, 2.0, c.p)
	require.Equal(t, "b", access(c, "f"))
	require.Equal(t, "c", access(c, "g"))
	require.Equal(t, "d g f e", keysOfPolicy(c))
	require.Equal(t, "e", access(c, "a"), "a ghost of T2 moves p back, so T1 makes room")
	require.Equal(t, 1.0, c.p)

	scan := NewARC[int, int](100)
	for i := range 100 {
		scan.Set(i%50, i) // twice
	}
	for i := range 10000 {
		scan.Set(1000+i, i)
	}
	for i := range 50 {
		_, ok := scan.Get(i)
		require.True(t, ok, "a scan has evicted what was seen twice")
	}
}

// TestSieveHand plays the drawing in sieve.go.
func TestSieveHand(t *testing.T) {
	c := NewSieve[string, int](7)
	access(c, "a b c d e f g a b d")
	require.Equal(t, "g f e d c b a", keysOfPolicy(c))
	require.Equal(t, "c", access(c, "h"))
	require.Equal(t, "h g f e d b a", keysOfPolicy(c), "nobody has moved")
	require.Equal(t, "e f", access(c, "i j"), "the hand goes on where it was, and d pays")
	access(c, "g h i j")
	require.Equal(t, "a", access(c, "k"), "the hand has met used ones up to the front, and begins again")
	require.Equal(t, "k j i h g d b", keysOfPolicy(c))

	require.Equal(t, "b", c.hand.entry.key)
	require.True(t, c.Delete("b"))
	require.Equal(t, "d", c.hand.entry.key, "the hand has moved on")
}

// TestS3FIFOQueues follows keys through the three queues.
func TestS3FIFOQueues(t *testing.T) {
	c := NewS3FIFO[string, int](10) // one in small, nine ghosts
	access(c, "a a a b b c d e f g h i j")
	require.Equal(t, "j i h g f e d c b a", keysOfPolicy(c))
	require.Equal(t, "b", access(c, "k"), "a was used twice and moves to main, b only once")
	require.Equal(t, "a k j i h g f e d c", keysOfPolicy(c))
	require.Equal(t, "c", access(c, "b"), "its ghost takes it to main")
	require.Equal(t, "b a k j i h g f e d", keysOfPolicy(c))
	require.Equal(t, "d e f g h i j k", access(c, "l m n o p q r s"), "a scan passes by")
	require.Equal(t, "b a s r q p o n m l", keysOfPolicy(c))
}

// TestWTinyLFUDuel shows that a key is let in for its past, or not at all.
func TestWTinyLFUDuel(t *testing.T) {
	c := NewWTinyLFU[string, int](4, hashOf) // one in the window
	access(c, "a b c d")
	access(c, "a a b b c")
	require.Equal(t, "c b a d", keysOfPolicy(c))
	require.Equal(t, "d e d e d e", access(c, "e d e d e d"), "a was seen three times, d and e are not even as good at first, then only as good")
	require.Equal(t, "a", access(c, "e"), "d was seen four times and takes the place of a")
	require.Equal(t, "c b d e", keysOfPolicy(c))
}

// hashOf is a hash of strings that is the same everywhere.
func hashOf(s string) uint64 {
	h := uint64(0)
	for _, b := range []byte(s) {
		h = spread(h ^ uint64(b))
	}
	return h
}

// TestSteeredBorder shows what moves the target of the window: entries that
// come back soon after they have left it widen it, entries that come back to
// main narrow it. Planted and caught: a step in the wrong direction, ghosts that
// are kept in the wrong queue.
func TestSteeredBorder(t *testing.T) {
	c := NewSteered[uint64, uint64](400, spread)
	require.Equal(t, 20.0, c.target, "5 %")
	for i := range uint64(20000) {
		replay(c, []uint64{i, i - min(i, 60)}) // each key again after 60 others, and never more
	}
	require.InDelta(t, 120, c.target, 2, "twice 60: from then on none of them is lost")

	// Then a hot set that main cannot hold beside such a window, between keys
	// that come only once.
	for round := range uint64(100) {
		for i := range uint64(350) {
			replay(c, []uint64{1<<30 + i, 1<<40 + round*1000 + i})
		}
	}
	require.Less(t, c.target, 50.0, "now the hot set fits beside it")
	require.LessOrEqual(t, float64(c.window.len), c.target, "and the window has ceded what it had in excess")
}

// TestSteeredLuck counts the duels that a frequent loser wins by chance. Planted
// and caught: no chance at all, a chance for everybody.
func TestSteeredLuck(t *testing.T) {
	c := NewSteered[uint64, uint64](1000, spread)
	replay(c, []uint64{1, 2})
	victim, loser := c.entries[1], c.entries[2]
	c.sketch.Add(spread(1), 14)
	wins := func() (n int) {
		for range 12800 {
			if c.wins(loser, victim) {
				n++
			}
		}
		return n
	}
	c.sketch.Add(spread(2), 4)
	require.Zero(t, wins(), "seen five times")
	c.sketch.Add(spread(2), 1)
	require.Equal(t, 118, wins(), "seen six times: one in 128, about 100")
}

// TestPolicyTable measures the table in policy.go with caches of 100: how many
// of a hot set of 70 keys are left after a scan of 1000 others, and how many hits
// 2000 uses of 80 other keys have when the load has moved on to them.
func TestPolicyTable(t *testing.T) {
	var hot, scan, moved []uint64
	for i := range uint64(2000) {
		hot = append(hot, spread(i)%70)
		scan = append(scan, 10000+i)
		moved = append(moved, 500+spread(i)%80)
	}
	got := map[string][2]int{}
	for _, name := range textbookNames() {
		c := textbooks()[name](100)
		replay(c, hot)
		replay(c, scan[:60]) // for TwoQueue: so that the hot ones leave its first queue …
		replay(c, hot)       // … and come back to its main one
		replay(c, scan[1000:])
		left := 0
		for key := range c.All() {
			if key < 70 {
				left++
			}
		}
		got[name] = [2]int{left, replay(c, moved)}
	}
	require.Equal(t, map[string][2]int{
		"fifo":     {0, 1920},
		"clock":    {0, 1920},
		"lru":      {0, 1920},
		"lfu":      {70, 732},
		"twoqueue": {70, 1865},
		"arc":      {70, 1892},
		"sieve":    {70, 1724},
		"s3fifo":   {70, 1782},
		"wtinylfu": {70, 1701},
		"steered":  {70, 1845},
	}, got)
}

// TestLRUStack checks the stack property: a larger LRU holds all that a smaller
// one holds. Planted and caught: a Get that does not count.
func TestLRUStack(t *testing.T) {
	rng := seed.New(t)
	var caches []*LRU[uint64, uint64]
	for size := range 20 {
		caches = append(caches, NewLRU[uint64, uint64](size+1))
	}
	for range 5000 {
		key, before := rng.Uint64N(30), false
		for _, c := range caches {
			_, hit := c.Get(key)
			require.True(t, hit || !before, "a larger cache misses what a smaller one has")
			before = hit
			if !hit {
				c.Set(key, 0)
			}
		}
	}
}

// TestPolicyEdges is about what each policy must do alike: caches of one, two
// and three, present keys, absent keys, loops that end early.
func TestPolicyEdges(t *testing.T) {
	for _, name := range textbookNames() {
		t.Run(name, func(t *testing.T) {
			for _, capacity := range []int{1, 2, 3} {
				c := textbooks()[name](capacity)
				for i := range uint64(50) {
					_, evicted := c.Set(i, i)
					require.Equal(t, i >= uint64(capacity), evicted)
					_, evicted = c.Set(i, i+1)
					require.False(t, evicted, "a present key needs no room")
					v, ok := c.Get(i)
					require.True(t, ok, "what was set must be there")
					require.Equal(t, i+1, v)
				}
				require.Equal(t, capacity, c.Len())
				require.False(t, c.Delete(1000))
				for range c.All() {
					break
				}
				require.True(t, c.Delete(49))
				require.False(t, c.Delete(49))
				_, ok := c.Get(49)
				require.False(t, ok)
				var rest []uint64
				for key := range c.All() {
					rest = append(rest, key)
				}
				for _, key := range rest {
					require.True(t, c.Delete(key))
				}
				require.Zero(t, c.Len())
				c.Set(7, 7)
				require.Equal(t, 1, c.Len())
			}
		})
	}
}

func TestPolicyPanics(t *testing.T) {
	names := []string{"FIFO", "Clock", "LRU", "LFU", "TwoQueue", "ARC", "Sieve", "S3FIFO", "WTinyLFU", "Steered"}
	for i, name := range textbookNames() {
		for _, capacity := range []int{0, -3} {
			want := fmt.Sprintf("cache: New%s: capacity %d, want at least 1", names[i], capacity)
			require.PanicsWithValue(t, want, func() { textbooks()[name](capacity) })
		}
	}
}

// TestPolicyLetsGo demands that nothing evicted, deleted or replaced stays
// reachable. Planted and caught: ghosts that keep their value, a Clock that
// leaves a deleted entry in its slot.
func TestPolicyLetsGo(t *testing.T) {
	type value struct{ _ [4]int }
	for name, c := range map[string]Policy[string, *value]{
		"fifo":     NewFIFO[string, *value](20),
		"clock":    NewClock[string, *value](20),
		"lru":      NewLRU[string, *value](20),
		"lfu":      NewLFU[string, *value](20),
		"twoqueue": NewTwoQueue[string, *value](20),
		"arc":      NewARC[string, *value](20),
		"sieve":    NewSieve[string, *value](20),
		"s3fifo":   NewS3FIFO[string, *value](20),
		"wtinylfu": NewWTinyLFU[string, *value](20, hashOf),
		"steered":  NewSteered[string, *value](20, hashOf),
	} {
		t.Run(name, func(t *testing.T) {
			var made []weak.Pointer[value]
			for i := range 500 {
				v := &value{}
				made = append(made, weak.Make(v))
				c.Set(fmt.Sprint("key ", i*i%61), v)
				c.Get(fmt.Sprint("key ", i%5))
				if i%9 == 8 {
					c.Delete(fmt.Sprint("key ", (i-1)*(i-1)%61))
				}
			}
			runtime.GC()
			held := 0
			for _, p := range made {
				if p.Value() != nil {
					held++
				}
			}
			require.Equal(t, c.Len(), held)
			runtime.KeepAlive(c)
		})
	}
}
