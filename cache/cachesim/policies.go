package cachesim

import "github.com/plinth-go/plinth/cache"

// Maker makes caches of one kind. It is a plain value: safe for concurrent use
// as long as nobody changes it; Curve calls New from several goroutines.
type Maker struct {
	Name string
	New  func(capacity int) (Cache, error) // capacity is at least 1
}

// Policies returns a Maker for each policy of package cache, in the order in
// which they were invented, and last one for cache.Cache itself. Hash functions
// and seeds are fixed, so a simulation gives the same numbers in every run.
func Policies() []Maker {
	return []Maker{
		textbook("FIFO", cache.NewFIFO[uint64, uint64]),
		textbook("CLOCK", cache.NewClock[uint64, uint64]),
		textbook("LRU", cache.NewLRU[uint64, uint64]),
		textbook("LFU", cache.NewLFU[uint64, uint64]),
		textbook("2Q", cache.NewTwoQueue[uint64, uint64]),
		textbook("ARC", cache.NewARC[uint64, uint64]),
		textbook("W-TinyLFU", hashed(cache.NewWTinyLFU[uint64, uint64])),
		textbook("S3-FIFO", cache.NewS3FIFO[uint64, uint64]),
		textbook("SIEVE", cache.NewSieve[uint64, uint64]),
		textbook("Steered", hashed(cache.NewSteered[uint64, uint64])),
		{Name: "Cache", New: newConcurrent},
	}
}

// Textbook makes a cache.Policy a Cache, whose Set does not tell what had to
// go. The result is as safe as the policy: not safe for concurrent use.
func Textbook(p cache.Policy[uint64, uint64]) Cache { return unreported{p} }

type unreported struct {
	cache.Policy[uint64, uint64]
}

func (u unreported) Set(key, value uint64) { u.Policy.Set(key, value) }

// textbook wraps a constructor. P is a pointer to the policy's own type, which
// a function type cannot be converted from.
func textbook[P cache.Policy[uint64, uint64]](name string, construct func(int) P) Maker {
	return Maker{name, func(capacity int) (Cache, error) { return Textbook(construct(capacity)), nil }}
}

// hashed gives a policy that needs a hash function one that is the same in
// every run.
func hashed[P any](construct func(int, func(uint64) uint64) P) func(int) P {
	return func(capacity int) P { return construct(capacity, spread) }
}

// newConcurrent returns the cache that programs use. From 2,048 entries on it
// has several shards, as it has there: what they cost in hits is counted too.
func newConcurrent(capacity int) (Cache, error) {
	return cache.New(cache.Config[uint64, uint64]{MaxEntries: capacity, Hash: spread, Seed: 1})
}

// spread makes a hash of a key: every bit of the key changes half of those of
// the hash (the finalizer of SplitMix64: Steele, Lea and Flood, 2014). The
// addition keeps 0 from being its own hash.
func spread(key uint64) uint64 {
	key += 0x9e3779b97f4a7c15
	key = (key ^ key>>30) * 0xbf58476d1ce4e5b9
	key = (key ^ key>>27) * 0x94d049bb133111eb
	return key ^ key>>31
}
