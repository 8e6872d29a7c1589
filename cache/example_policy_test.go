package cache_test

import (
	"fmt"
	"hash/fnv"

	"github.com/plinth-go/plinth/cache"
)

// ask asks for keys, one letter each, stores those that miss, and returns how
// many hit.
func ask(c cache.Policy[string, int], letters string) (hits int) {
	for _, letter := range letters {
		key := string(letter)
		if _, ok := c.Get(key); ok {
			hits++
		} else {
			c.Set(key, 1)
		}
	}
	return hits
}

// held returns what a cache holds.
func held(c cache.Policy[string, int]) (keys string) {
	for key := range c.All() {
		keys += key
	}
	return keys
}

func letterHash(key string) uint64 {
	h := fnv.New64a()
	h.Write([]byte(key))
	return h.Sum64()
}

// The same load under two policies: a and b are wanted all the time, the other
// keys once.
func ExamplePolicy() {
	load := "abababcdefabghijabklmnab"
	for _, c := range []cache.Policy[string, int]{
		cache.NewLRU[string, int](4),
		cache.NewSieve[string, int](4),
	} {
		fmt.Printf("%T: %d hits, holds %s\n", c, ask(c, load), held(c))
	}
	// Output:
	// *cache.LRU[string,int]: 4 hits, holds banm
	// *cache.Sieve[string,int]: 10 hits, holds nmba
}

// A FIFO with more room can have fewer hits: Belady's anomaly.
func ExampleFIFO() {
	load := "abcdabeabcde"
	fmt.Println("room for 3:", ask(cache.NewFIFO[string, int](3), load), "hits")
	fmt.Println("room for 4:", ask(cache.NewFIFO[string, int](4), load), "hits")
	// Output:
	// room for 3: 3 hits
	// room for 4: 2 hits
}

// What was used has a second chance, but only one.
func ExampleClock() {
	c := cache.NewClock[string, int](3)
	ask(c, "abca") // a was used again
	for _, key := range []string{"d", "e", "f"} {
		evicted, _ := c.Set(key, 1)
		fmt.Println(key, "comes,", evicted, "goes")
	}
	// Output:
	// d comes, b goes
	// e comes, c goes
	// f comes, a goes
}

func ExampleLRU() {
	c := cache.NewLRU[string, int](3)
	ask(c, "abca") // a was used last, b not for the longest time
	evicted, _ := c.Set("d", 1)
	fmt.Println(evicted, "goes,", held(c), "stay")

	ask(c, "wxyz") // a scan of keys that nobody wants again
	fmt.Println("after a scan:", held(c))
	// Output:
	// b goes, dac stay
	// after a scan: zyx
}

// Counts resist a scan. They also resist what is new, for ever.
func ExampleLFU() {
	c := cache.NewLFU[string, int](3)
	ask(c, "aaaabbbc")
	ask(c, "wxyz")
	fmt.Println("after a scan:", held(c))

	fmt.Println("hits of a new load:", ask(c, "cdcdcdcdcdcd"), "of 12")
	// Output:
	// after a scan: abz
	// hits of a new load: 0 of 12
}

// A key is kept if it comes back after it has left the first queue. What comes
// once passes by, and so does what is used only in a burst.
func ExampleTwoQueue() {
	c := cache.NewTwoQueue[string, int](4)
	ask(c, "abcdeab") // a and b were evicted and have come back
	ask(c, "uuuuvvvvwwwwxyz")
	fmt.Println("after a scan:", held(c))
	// Output:
	// after a scan: bazy
}

// ARC keeps what was seen twice, and learns from the ghosts of what it has
// evicted how much room the new keys need.
func ExampleARC() {
	c := cache.NewARC[string, int](4)
	ask(c, "aabb") // seen twice
	ask(c, "uvwxyz")
	fmt.Println("after a scan:", held(c))

	// Then each key comes twice, with two others in between: too late for what is
	// left of the room, until ARC has learnt to take it from a and b.
	fmt.Println("hits at first:", ask(c, "cdecfdgehfig"), "of 5")
	fmt.Println("hits later:   ", ask(c, "jhkiljmknlom"), "of 6")
	fmt.Println("after a change:", held(c))
	// Output:
	// after a scan: bazy
	// hits at first: 3 of 5
	// hits later:    6 of 6
	// after a change: mlon
}

// The hand sifts out what was not used. Survivors stay where they are.
func ExampleSieve() {
	c := cache.NewSieve[string, int](4)
	ask(c, "abcdac") // a and c are used again
	fmt.Println("before:      ", held(c))
	ask(c, "wxyz")
	fmt.Println("after a scan:", held(c))
	// Output:
	// before:       dcba
	// after a scan: zyca
}

// What is asked for once leaves fast, however much of it comes.
func ExampleS3FIFO() {
	c := cache.NewS3FIFO[string, int](10)
	ask(c, "aaabbbcccdddeee")
	ask(c, "fghijklmnopqrstuvwxyz")
	fmt.Println("after a scan:", held(c))
	// Output:
	// after a scan: edcbazyxwv
}

// A newcomer must have been seen more often than the victim, which LRU never
// asks.
func ExampleWTinyLFU() {
	load := "abcdefghij"
	for range 5 {
		load += load // a loop over ten keys, again and again
	}
	fmt.Println("LRU:     ", ask(cache.NewLRU[string, int](9), load), "hits of", len(load))
	fmt.Println("WTinyLFU:", ask(cache.NewWTinyLFU[string, int](9, letterHash), load), "hits of", len(load))
	// Output:
	// LRU:      0 hits of 320
	// WTinyLFU: 248 hits of 320
}

// Steered finds out by itself whether frequency or recency counts.
func ExampleSteered() {
	number := func(key int) uint64 { return uint64(key) * 0x9e3779b97f4a7c15 }
	for _, c := range []cache.Policy[int, int]{
		cache.NewLRU[int, int](400),
		cache.NewWTinyLFU[int, int](400, number),
		cache.NewSteered[int, int](400, number),
	} {
		loop, recent := 0, 0
		ask := func(key int) int {
			if _, ok := c.Get(key); ok {
				return 1
			}
			c.Set(key, key)
			return 0
		}
		for i := range 20000 {
			loop += ask(i % 500) // does not fit
		}
		for i := range 20000 {
			ask(1000 + i)
			recent += ask(1000 + i - min(i, 60)) // each key again after 60 others
		}
		fmt.Printf("%T: %d of 20000 in a loop, %d of 20000 by recency\n", c, loop, recent)
	}
	// Output:
	// *cache.LRU[int,int]: 0 of 20000 in a loop, 20000 of 20000 by recency
	// *cache.WTinyLFU[int,int]: 15444 of 20000 in a loop, 132 of 20000 by recency
	// *cache.Steered[int,int]: 13792 of 20000 in a loop, 19768 of 20000 by recency
}
