package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// cacheSpeed measures how many Gets and Sets a second several goroutines get
// through, on a full cache. Keys are drawn by Zipf's law from 32 times as many
// as there is room for, in advance and for each goroutine others.
//
// Speed alone is easy: a cache that drops what it is given is fast. So a second
// table has how many reads hit, how many Sets the cache says that it dropped,
// and how many entries it held.
type cacheSpeed struct{}

// speedCell is one mix of reads and writes.
type speedCell struct {
	keys   string // uint64 or string
	writes string // 0%, 25% or 100% of the operations, or misses: a Set after each Get that missed
}

func (c speedCell) String() string {
	return fmt.Sprintf("CacheSpeed/keys=%s/writes=%s", c.keys, c.writes)
}

const (
	speedEntries = 32 << 10
	speedKeys    = 1 << 20 // different ones
	speedSkew    = 1.01
	speedStream  = 1 << 20                 // keys drawn in advance for a goroutine, a power of two; then they come again
	speedTime    = 1500 * time.Millisecond // a few garbage collections, which take a part of it

	writesNever  = "0%"
	writesFourth = "25%"
	writesAlways = "100%"
	writesMisses = "misses"
)

func speedCells() []speedCell {
	var cells []speedCell
	for _, keys := range []string{"uint64", "string"} {
		for _, writes := range []string{writesNever, writesFourth, writesAlways, writesMisses} {
			cells = append(cells, speedCell{keys, writes})
		}
	}
	return cells
}

func (cacheSpeed) names() []string {
	var names []string
	for _, c := range speedCells() {
		names = append(names, c.String())
	}
	return names
}

func (cs cacheSpeed) run(ctx context.Context, s *session, chosen []int) error {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(s.procs))
	picked, names := pick(speedCells(), chosen), pick(cs.names(), chosen)
	rates := newTable("operations/s", "%.0f", cacheImpls(), true)
	hits := newTable("hits, %", "%.2f", cacheImpls(), false)
	dropped := newTable("dropped, %", "%.2f", []string{implRistretto}, false)
	held := newTable("held, % of the size", "%.2f", cacheImpls(), false)
	numbers, texts := newStreams(s.procs, number), newStreams(s.procs, text)
	d := time.Duration(float64(speedTime) * s.scale)
	err := s.mixed(ctx, names, cacheImpls(), func(i int, impl string) error {
		c := picked[i]
		var r speedResult
		var err error
		if c.keys == "string" {
			r, err = measureSpeed(impl, c.writes, texts, d)
		} else {
			r, err = measureSpeed(impl, c.writes, numbers, d)
		}
		if err != nil {
			return err
		}
		rates.add(names[i], impl, r.rate)
		if r.gets > 0 {
			hits.add(names[i], impl, 100*float64(r.hits)/float64(r.gets))
		}
		if r.sets > 0 && impl == implRistretto {
			dropped.add(names[i], impl, 100*float64(r.dropped)/float64(r.sets))
		}
		held.add(names[i], impl, 100*float64(r.held)/speedEntries)
		return nil
	})
	if err != nil {
		return err
	}
	fmt.Fprintf(s.out, "%d goroutines on %d processors, room for %d entries, %d keys (Zipf %v)\n\n",
		s.procs, s.procs, speedEntries, speedKeys, speedSkew)
	for i, t := range []*table{rates, hits, dropped, held} {
		if i > 0 {
			fmt.Fprintln(s.out)
		}
		if err := t.print(s.out, names); err != nil {
			return err
		}
	}
	return nil
}

// number and text make the key with a number, of 8 and of 16 bytes.
func number(i uint64) uint64 { return i * 0x9e3779b97f4a7c15 } // not in a row, as real ones are not

func text(i uint64) string {
	var b [16]byte
	binary.BigEndian.PutUint64(b[:], i)
	binary.BigEndian.PutUint64(b[8:], number(i))
	return string(b[:])
}

// newStreams draws keys for each of so many goroutines. A text is made anew
// each time: comparing a string with itself would be quicker than real life.
func newStreams[K keyType](goroutines int, key func(uint64) K) [][]K {
	streams := make([][]K, goroutines)
	for g := range streams {
		zipf := rand.NewZipf(rand.New(rand.NewPCG(uint64(g), 1)), speedSkew, 1, speedKeys-1)
		for range speedStream {
			streams[g] = append(streams[g], key(zipf.Uint64()))
		}
	}
	return streams
}

// speedResult is what one run did, in all goroutines.
type speedResult struct {
	rate                      float64 // operations a second
	gets, hits, sets, dropped int
	held                      int
}

// measureSpeed fills a cache by reading through it, and then lets one goroutine
// for each stream work for the time d.
func measureSpeed[K keyType](impl, writes string, streams [][]K, d time.Duration) (speedResult, error) {
	c, err := openCache(impl, cacheConfig[K]{entries: speedEntries})
	if err != nil {
		return speedResult{}, err
	}
	defer c.Close()
	for _, keys := range streams {
		w := worker[K]{cache: c, keys: keys}
		for range len(keys) / speedBlock {
			w.readThrough()
		}
	}
	c.Settle()
	runtime.GC()
	workers := make([]worker[K], len(streams))
	var group sync.WaitGroup
	var stop atomic.Bool
	start := time.Now()
	for i := range workers {
		group.Go(func() { workers[i] = newWorker(c, streams[i], i, writes, &stop) })
	}
	time.Sleep(d)
	stop.Store(true)
	group.Wait()
	took := time.Since(start)
	r := speedResult{held: c.Held()}
	for _, w := range workers {
		r.gets, r.hits = r.gets+w.gets, r.hits+w.hits
		r.sets, r.dropped = r.sets+w.sets, r.dropped+w.dropped
	}
	// A read with its Set after a miss is one operation.
	operations := r.gets + r.sets
	if writes == writesMisses {
		operations = r.gets
	}
	r.rate = float64(operations) / took.Seconds()
	return r, nil
}

// speedBlock is how many operations go between two looks at the clock.
const speedBlock = 1024

// worker is one goroutine's part of the work. Not safe for concurrent use.
type worker[K keyType] struct {
	cache                     store[K]
	keys                      []K
	at                        int
	gets, hits, sets, dropped int
}

// newWorker works until it is told to stop. It counts in a variable of its own
// goroutine, so that no two write to one cache line.
func newWorker[K keyType](c store[K], keys []K, i int, writes string, stop *atomic.Bool) worker[K] {
	w := worker[K]{cache: c, keys: keys, at: i * len(keys) / 3} // not in step with the filling
	for !stop.Load() {
		switch writes {
		case writesMisses:
			w.readThrough()
		case writesAlways:
			w.mixed(1)
		case writesFourth:
			w.mixed(4)
		default:
			w.mixed(speedBlock * 2) // beyond the block: never
		}
	}
	return w
}

func (w *worker[K]) next() (K, uint64) {
	w.at++
	return w.keys[w.at&(len(w.keys)-1)], uint64(w.at)
}

// readThrough does a block of Gets, each with a Set where it missed.
func (w *worker[K]) readThrough() {
	for range speedBlock {
		key, value := w.next()
		w.gets++
		if _, ok := w.cache.Get(key); ok {
			w.hits++
			continue
		}
		w.set(key, value)
	}
}

// mixed does a block in which every so many-th operation is a Set.
func (w *worker[K]) mixed(every int) {
	for i := 1; i <= speedBlock; i++ {
		key, value := w.next()
		if i&(every-1) == 0 {
			w.set(key, value)
			continue
		}
		w.gets++
		if _, ok := w.cache.Get(key); ok {
			w.hits++
		}
	}
}

func (w *worker[K]) set(key K, value uint64) {
	w.sets++
	if !w.cache.Set(key, value) {
		w.dropped++
	}
}
