package cachesim

import (
	"container/heap"
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/plinth-go/plinth/cache"
	"github.com/plinth-go/plinth/internal/seed"
)

// mostHits tries every choice of a victim and returns the hits of the best.
// held are the keys in the cache.
func mostHits(t Trace, held []uint64, capacity int) int {
	if len(t) == 0 {
		return 0
	}
	key := t[0]
	switch {
	case slices.Contains(held, key):
		return 1 + mostHits(t[1:], held, capacity)
	case len(held) < capacity:
		return mostHits(t[1:], append(slices.Clone(held), key), capacity)
	}
	best := 0
	for i := range held {
		after := slices.Clone(held)
		after[i] = key
		best = max(best, mostHits(t[1:], after, capacity))
	}
	return best
}

// allTraces yields every trace of a length over so many keys.
func allTraces(length, keys int, yield func(Trace)) {
	t := make(Trace, length)
	for {
		yield(t)
		i := 0
		for ; i < length; i++ {
			if t[i]++; t[i] < uint64(keys) {
				break
			}
			t[i] = 0
		}
		if i == length {
			return
		}
	}
}

// TestBeladyIsTheBest compares it with every possible way to evict, for every
// trace of 8 requests for 4 keys. Seen to fail with the nearest next use for a
// victim, with a useless key kept, and with a useless key forgotten to be
// counted out.
func TestBeladyIsTheBest(t *testing.T) {
	length := 8
	if testing.Short() {
		length = 6
	}
	allTraces(length, 4, func(trace Trace) {
		for capacity := 1; capacity <= 4; capacity++ {
			if want, got := mostHits(trace, nil, capacity), Belady(trace, capacity); want != got {
				t.Fatalf("%v with %d entries: %d hits, want %d", trace, capacity, got, want)
			}
		}
	})
}

// TestBeladyIsLikeTheNaiveOne on traces long enough for several levels of the
// set of places.
func TestBeladyIsLikeTheNaiveOne(t *testing.T) {
	rnd := seed.New(t)
	for range 30 {
		trace := make(Trace, 1+rnd.IntN(20_000))
		keys := 1 + rnd.Uint64N(3000)
		for i := range trace {
			trace[i] = rnd.Uint64N(keys) * rnd.Uint64N(keys) / keys
		}
		capacity := 1 + rnd.IntN(2*int(keys))
		require.Equal(t, naiveBelady(trace, nextUses(trace), capacity), Belady(trace, capacity))
	}
	require.Equal(t, 0, Belady(nil, 1))
	require.Equal(t, 99_999, Belady(make(Trace, 100_000), 1), "one key")
}

// naiveBelady is the plain way: the keys in a map, their next uses in a heap,
// and what is outdated in the heap skipped.
func naiveBelady(t Trace, next []int, capacity int) (hits int) {
	due := make(map[uint64]int) // of the keys in the cache
	var farthest byNext
	for i, key := range t {
		if _, ok := due[key]; ok {
			hits++
		} else if len(due) == capacity {
			for {
				v := heap.Pop(&farthest).(use)
				if n, ok := due[v.key]; ok && n == v.next {
					delete(due, v.key)
					break
				}
			}
		}
		due[key] = next[i]
		heap.Push(&farthest, use{key, next[i]})
	}
	return hits
}

type use struct {
	key  uint64
	next int
}

type byNext []use

func (h byNext) Len() int           { return len(h) }
func (h byNext) Less(i, j int) bool { return h[i].next > h[j].next }
func (h byNext) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *byNext) Push(x any)        { *h = append(*h, x.(use)) }
func (h *byNext) Pop() any {
	old := *h
	x := old[len(old)-1]
	*h = old[:len(old)-1]
	return x
}

// TestPlaces against a map.
func TestPlaces(t *testing.T) {
	rnd := seed.New(t)
	for _, bound := range []int{1, 63, 64, 65, 4096, 4097, 300_000} {
		p, model := newPlaces(bound), map[int]bool{}
		for range 3000 {
			i := rnd.IntN(bound)
			if rnd.IntN(2) == 0 {
				p.add(i)
				model[i] = true
			} else {
				require.Equal(t, model[i], p.remove(i))
				delete(model, i)
			}
			last := -1
			for j := range model {
				last = max(last, j)
			}
			if last >= 0 && len(model) < 200 {
				require.Equal(t, last, p.last())
			}
		}
	}
}

// TestRecencyIsLRU: the one pass finds for every size what the textbook does.
// Seen to fail with a distance that leaves the key itself out, and with the old
// mark of a key left in place.
func TestRecencyIsLRU(t *testing.T) {
	rnd := seed.New(t)
	for range 20 {
		trace := make(Trace, 1+rnd.IntN(3000))
		keys := 1 + rnd.Uint64N(100)
		for i := range trace {
			trace[i] = rnd.Uint64N(keys) * rnd.Uint64N(keys) / keys
		}
		recency := NewRecency(trace)
		for size := 1; size <= int(keys)+2; size++ {
			got, err := Simulate(trace, Textbook(cache.NewLRU[uint64, uint64](size)))
			require.NoError(t, err)
			require.Equal(t, recency.Hits(size), got.Hits, "%d entries", size)
		}
	}
	require.Equal(t, 0, NewRecency(nil).Hits(5))
}

func TestBadCapacity(t *testing.T) {
	require.PanicsWithValue(t, "cachesim: Belady: capacity must be at least 1", func() { Belady(Trace{1}, 0) })
	require.PanicsWithValue(t, "cachesim: Recency.Hits: capacity must be at least 1", func() { NewRecency(Trace{1}).Hits(0) })
}

// BenchmarkBelady leaves out finding the next uses, which both ways need.
func BenchmarkBelady(b *testing.B) {
	for _, n := range []int{100_000, 1_000_000} {
		trace := Synthetic{Requests: n}.Trace()
		next := nextUses(trace)
		want := naiveBelady(trace, next, n/100)
		b.Run(fmt.Sprintf("impl=places/case=synthetic/n=%d", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if belady(next, n/100) != want {
					b.Fatal("another number of hits")
				}
			}
		})
		b.Run(fmt.Sprintf("impl=naive/case=synthetic/n=%d", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if naiveBelady(trace, next, n/100) != want {
					b.Fatal("another number of hits")
				}
			}
		})
	}
}
