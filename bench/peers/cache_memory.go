package main

import (
	"context"
	"fmt"
	"runtime"
)

// cacheMemory measures what an entry costs in memory: the heap in use with a
// full cache, less that before, divided by the entries that it really holds. A
// key of the string kind has 16 bytes of its own, which count where the cache
// keeps it. What a policy remembers about keys that it does not hold counts
// too, so twice as many keys are set as there is room for.
type cacheMemory struct{}

// memoryCell is a kind of key and a size.
type memoryCell struct {
	keys    string
	entries int
}

func (c memoryCell) String() string {
	return fmt.Sprintf("CacheMemory/keys=%s/entries=%d", c.keys, c.entries)
}

func memoryCells() []memoryCell {
	return []memoryCell{{"uint64", 32 << 10}, {"uint64", 1 << 20}, {"string", 32 << 10}, {"string", 1 << 20}}
}

func (cacheMemory) names() []string {
	var names []string
	for _, c := range memoryCells() {
		names = append(names, c.String())
	}
	return names
}

func (cm cacheMemory) run(ctx context.Context, s *session, chosen []int) error {
	picked, names := pick(memoryCells(), chosen), pick(cm.names(), chosen)
	results := newTable("bytes/entry", "%.0f", cacheImpls(), false)
	err := s.mixed(ctx, names, cacheImpls(), func(i int, impl string) error {
		c := picked[i]
		entries := max(int(float64(c.entries)*s.scale), fewestEntries)
		measured := func() (float64, error) { return measureMemory(impl, entries, number) }
		if c.keys == "string" {
			measured = func() (float64, error) { return measureMemory(impl, entries, text) }
		}
		bytes, err := measured()
		results.add(names[i], impl, bytes)
		return err
	})
	if err != nil {
		return err
	}
	return results.print(s.out, names)
}

func measureMemory[K keyType](impl string, entries int, key func(uint64) K) (float64, error) {
	before := heapInUse()
	c, err := openCache(impl, cacheConfig[K]{entries: entries})
	if err != nil {
		return 0, err
	}
	defer c.Close()
	for i := range uint64(2 * entries) {
		c.Set(key(i), i)
		if i%1024 == 0 {
			c.Settle() // or buffers that are full would drop what fills the cache
		}
	}
	c.Settle()
	after := heapInUse()
	held := c.Held()
	if held == 0 {
		return 0, fmt.Errorf("%d entries were set, none is held", 2*entries)
	}
	return float64(after-before) / float64(held), nil
}

// heapInUse collects garbage first: twice, as what has a finalizer or lies in a
// sync.Pool survives the first time.
func heapInUse() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// cacheAllocs counts allocations, those of a cache's own goroutines included.
type cacheAllocs struct{}

func (cacheAllocs) names() []string {
	return []string{
		"CacheAllocs/keys=uint64/call=get-hit", "CacheAllocs/keys=uint64/call=get-miss",
		"CacheAllocs/keys=uint64/call=set-new", "CacheAllocs/keys=uint64/call=set-again",
	}
}

func (ca cacheAllocs) run(ctx context.Context, s *session, chosen []int) error {
	names := pick(ca.names(), chosen)
	results := newTable("allocations/call", "%.2f", cacheImpls(), false)
	err := s.mixed(ctx, names, cacheImpls(), func(i int, impl string) error {
		allocs, err := measureAllocs(impl, chosen[i])
		results.add(names[i], impl, allocs)
		return err
	})
	if err != nil {
		return err
	}
	return results.print(s.out, names)
}

const (
	allocEntries = 32 << 10
	allocCalls   = 64 << 10
)

// measureAllocs makes the calls of the kind with the given place in
// cacheAllocs.names on a full cache.
func measureAllocs(impl string, kind int) (float64, error) {
	c, err := openCache(impl, cacheConfig[uint64]{entries: allocEntries})
	if err != nil {
		return 0, err
	}
	defer c.Close()
	present := fillAndFind(c)
	if len(present) == 0 {
		return 0, fmt.Errorf("of %d entries none is found again", 2*allocEntries)
	}
	calls := [...]func(i int){
		func(i int) { c.Get(present[i%len(present)]) },
		func(i int) { c.Get(number(1<<40 + uint64(i))) },
		func(i int) { c.Set(number(1<<41+uint64(i)), 1) },
		func(i int) { c.Set(present[i%len(present)], 1) },
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for i := range allocCalls {
		calls[kind](i)
	}
	c.Settle()
	runtime.ReadMemStats(&after)
	return float64(after.Mallocs-before.Mallocs) / allocCalls, nil
}

// fillAndFind fills a cache and returns keys that are in it.
func fillAndFind(c store[uint64]) []uint64 {
	for i := range uint64(2 * allocEntries) {
		c.Set(number(i), i)
		if i%1024 == 0 {
			c.Settle()
		}
	}
	c.Settle()
	var present []uint64
	for i := range uint64(2 * allocEntries) {
		if _, ok := c.Get(number(i)); ok {
			present = append(present, number(i))
		}
	}
	return present
}
