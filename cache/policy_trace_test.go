package cache

import (
	"bufio"
	"compress/gzip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// textbooks are constructors of all textbooks, by name.
func textbooks() map[string]func(capacity int) Policy[uint64, uint64] {
	return map[string]func(int) Policy[uint64, uint64]{
		"fifo":     func(n int) Policy[uint64, uint64] { return NewFIFO[uint64, uint64](n) },
		"clock":    func(n int) Policy[uint64, uint64] { return NewClock[uint64, uint64](n) },
		"lru":      func(n int) Policy[uint64, uint64] { return NewLRU[uint64, uint64](n) },
		"lfu":      func(n int) Policy[uint64, uint64] { return NewLFU[uint64, uint64](n) },
		"twoqueue": func(n int) Policy[uint64, uint64] { return NewTwoQueue[uint64, uint64](n) },
		"arc":      func(n int) Policy[uint64, uint64] { return NewARC[uint64, uint64](n) },
		"sieve":    func(n int) Policy[uint64, uint64] { return NewSieve[uint64, uint64](n) },
		"s3fifo":   func(n int) Policy[uint64, uint64] { return NewS3FIFO[uint64, uint64](n) },
		"wtinylfu": func(n int) Policy[uint64, uint64] { return NewWTinyLFU[uint64, uint64](n, spread) },
		"steered":  func(n int) Policy[uint64, uint64] { return NewSteered[uint64, uint64](n, spread) },
	}
}

// textbookNames in the order of their lessons.
func textbookNames() []string {
	return []string{"fifo", "clock", "lru", "lfu", "twoqueue", "arc", "sieve", "s3fifo", "wtinylfu", "steered"}
}

// spread is a hash function that is the same everywhere: the finalizer of
// SplitMix64.
func spread(key uint64) uint64 {
	key += 0x9e3779b97f4a7c15
	key = (key ^ key>>30) * 0xbf58476d1ce4e5b9
	key = (key ^ key>>27) * 0x94d049bb133111eb
	return key ^ key>>31
}

// trace reads the keys of a recording in PLINTH_DATA, or skips. A line of one
// column is a key; in one of more columns the first is a block and the second
// the number of blocks.
func trace(t *testing.T, name string) []uint64 {
	t.Helper()
	dir := os.Getenv("PLINTH_DATA")
	if dir == "" {
		t.Skip("PLINTH_DATA names no directory of recordings")
	}
	f, err := os.Open(filepath.Join(dir, "cache-traces", name))
	require.NoError(t, err)
	defer f.Close()
	z, err := gzip.NewReader(f)
	require.NoError(t, err)
	var keys []uint64
	lines := bufio.NewScanner(z)
	for lines.Scan() {
		columns := strings.Fields(lines.Text())
		if len(columns) == 0 || columns[0] == "*" {
			continue
		}
		start, err := strconv.ParseUint(columns[0], 10, 64)
		require.NoError(t, err)
		count := uint64(1)
		if len(columns) > 1 {
			count, err = strconv.ParseUint(columns[1], 10, 64)
			require.NoError(t, err)
		}
		for i := range count {
			keys = append(keys, start+i)
		}
	}
	require.NoError(t, lines.Err())
	return keys
}

// replay reads the keys through the cache and returns the hits.
func replay(c Policy[uint64, uint64], keys []uint64) int {
	hits := 0
	for _, key := range keys {
		if _, ok := c.Get(key); ok {
			hits++
		} else {
			c.Set(key, key)
		}
	}
	return hits
}

// TestPolicyTraces compares hits with golden numbers on recordings of real
// loads. Those of FIFO, LRU, LFU, TwoQueue, Sieve and S3FIFO are, to two decimals
// of a percent, what other implementations of the same papers get; the hits of LRU
// follow from its definition alone: 32.83, 42.47 and 58.65 % on oltp.
//
// ARC is where implementations differ: with integer steps of p instead of real
// ones it has 21.46, 30.61, 39.06 and 46.17 % on oltp. The paper's are real.
//
// Any change of a policy shows here. Planted and caught: S3FIFO that promotes
// after one use, a TwoQueue that counts hits in its first queue, an LFU that
// breaks ties the other way, a Sieve whose hand starts again at the back, a
// Steered without its gate.
func TestPolicyTraces(t *testing.T) {
	for _, c := range goldenHits() {
		t.Run(c.trace, func(t *testing.T) {
			keys := trace(t, c.trace)
			for i, policy := range textbookNames() {
				var hits []int
				for _, size := range c.sizes {
					hits = append(hits, replay(textbooks()[policy](size), keys))
				}
				require.Equal(t, c.hits[i], hits, policy)
			}
		})
	}
}

type golden struct {
	trace string
	sizes []int
	hits  [][]int // a row for each policy, in the order of textbookNames
}

func goldenHits() []golden {
	return []golden{
		{"oltp.arc.gz", []int{250, 500, 1000, 2000, 8000}, [][]int{
			{137660, 188627, 260805, 342227, 502779}, // fifo
			{154325, 220084, 304172, 393338, 537746}, // clock
			{150591, 214325, 300122, 388235, 536130}, // lru
			{54701, 86123, 126458, 165940, 295238},   // lfu
			{207032, 304184, 370463, 425172, 552994}, // twoqueue
			{194093, 278461, 356015, 421200, 543006}, // arc
			{107987, 188454, 297626, 376497, 526913}, // sieve
			{198429, 298376, 373337, 429773, 552798}, // s3fifo
			{211202, 270589, 328825, 382115, 519634}, // wtinylfu
			{206775, 296817, 369380, 426546, 551054}, // steered
		}},
		{"2_pools.lirs.gz", []int{200, 450, 1000}, [][]int{
			{30076, 41520, 49957}, // fifo
			{40542, 51209, 54453}, // clock
			{36794, 50274, 54415}, // lru
			{50344, 51598, 54361}, // lfu
			{50216, 51472, 54243}, // twoqueue
			{50365, 51617, 54333}, // arc
			{50344, 51600, 54361}, // sieve
			{50319, 51645, 54386}, // s3fifo
			{50381, 51738, 54465}, // wtinylfu
			{50367, 51707, 54353}, // steered
		}},
		{"loop.lirs.gz", []int{250, 500, 750, 1000}, [][]int{
			{0, 0, 0, 0},                     // fifo
			{0, 0, 0, 0},                     // clock
			{0, 0, 0, 0},                     // lru
			{0, 0, 0, 0},                     // lfu
			{0, 0, 296423, 491908},           // twoqueue
			{0, 0, 0, 0},                     // arc
			{0, 0, 0, 0},                     // sieve
			{0, 0, 294738, 453108},           // s3fifo
			{121963, 242400, 334350, 466290}, // wtinylfu
			{123231, 246105, 369081, 491411}, // steered
		}},
		{"sprite.lirs.gz", []int{100, 500, 1000, 2000}, [][]int{
			{29885, 98632, 116903, 123217},  // fifo
			{29334, 104980, 121004, 125069}, // clock
			{28917, 104922, 121452, 125255}, // lru
			{8669, 34322, 82063, 107422},    // lfu
			{37962, 104758, 120105, 123723}, // twoqueue
			{34385, 103673, 120201, 125152}, // arc
			{33310, 97273, 116537, 123168},  // sieve
			{39072, 105684, 119742, 124589}, // s3fifo
			{42493, 98893, 111982, 120920},  // wtinylfu
			{42281, 104983, 120111, 124529}, // steered
		}},
	}
}
