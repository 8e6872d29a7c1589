package cachesim_test

import (
	"context"
	"fmt"
	"log"
	"strings"

	"github.com/plinth-go/plinth/cache"
	"github.com/plinth-go/plinth/cache/cachesim"
)

// How good could any cache be, and how good is this one?
func Example() {
	trace := cachesim.Synthetic{Requests: 100_000, Keys: 10_000}.Trace() // or cachesim.Open
	c, err := cache.New(cache.Config[uint64, uint64]{
		MaxEntries: 1000,
		Hash:       func(key uint64) uint64 { return key },
		Seed:       1,
	})
	if err != nil {
		log.Fatal(err)
	}
	got, err := cachesim.Simulate(trace, c)
	if err != nil {
		log.Fatal(err)
	}
	best := cachesim.Belady(trace, 1000)
	fmt.Println(got.Hits > best/2, got.Hits <= best)
	// Output: true true
}

func ExampleRead() {
	trace, err := cachesim.Read(strings.NewReader("10 3 0 1\n11 1 0 2\n"), cachesim.ARC)
	fmt.Println(trace, err)
	_, err = cachesim.Read(strings.NewReader("10 3 0 1\n11\n"), cachesim.ARC)
	fmt.Println(err)
	// Output:
	// [10 11 12 11] <nil>
	// cachesim: bad trace: line 2: 1 words, want 4: start count ignored request
}

func ExampleTrace() {
	trace := cachesim.Trace{1, 2, 1, 3}
	fmt.Println(len(trace), trace.Unique())
	// Output: 4 3
}

func ExampleBelady() {
	trace := cachesim.Trace{1, 2, 3, 1, 2, 3, 1, 2, 3} // a loop
	fmt.Println(cachesim.Belady(trace, 2), cachesim.NewRecency(trace).Hits(2))
	// Output: 3 0
}

func ExampleRecency() {
	recency := cachesim.NewRecency(cachesim.Trace{1, 2, 3, 1, 1})
	for size := 1; size <= 3; size++ {
		fmt.Println(size, recency.Hits(size))
	}
	// Output:
	// 1 1
	// 2 1
	// 3 2
}

// forgetful is a cache of one key: anything with Get and Set can be simulated.
type forgetful struct{ key, value uint64 }

func (f *forgetful) Get(key uint64) (uint64, bool) { return f.value, f.key == key }
func (f *forgetful) Set(key, value uint64)         { f.key, f.value = key, value }

func ExampleCache() {
	got, err := cachesim.Simulate(cachesim.Trace{5, 5, 6, 5}, &forgetful{})
	fmt.Println(got, err)
	// Output: {4 1} <nil>
}

func ExampleResult() {
	got := cachesim.Result{Requests: 8, Hits: 2}
	fmt.Printf("%.0f %%\n", 100*got.Ratio())
	// Output: 25 %
}

func ExampleCurve() {
	trace := cachesim.Trace{1, 2, 3, 1, 2, 3, 1, 2, 3}
	lru := cachesim.Policies()[2]
	series, err := cachesim.Curve(context.Background(), trace, []int{2, 3}, []cachesim.Maker{lru}, nil)
	if err != nil {
		log.Fatal(err)
	}
	for _, s := range series {
		for _, p := range s.Points {
			fmt.Println(s.Name, p.Size, p.Hits)
		}
	}
	// Output:
	// Belady 2 3
	// Belady 3 6
	// LRU 2 0
	// LRU 3 6
}

func ExampleMaker() {
	one := cachesim.Maker{Name: "one key", New: func(int) (cachesim.Cache, error) { return &forgetful{}, nil }}
	series, err := cachesim.Curve(context.Background(), cachesim.Trace{5, 5, 6, 5}, []int{2}, []cachesim.Maker{one}, nil)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(series[1].Name, series[1].Points[0].Ratio())
	// Output: one key 0.25
}

func ExampleSeries() {
	s := cachesim.Series{Name: "LRU", Points: []cachesim.Point{{Size: 100, Result: cachesim.Result{Requests: 10, Hits: 7}}}}
	fmt.Println(s.Name, s.Points[0].Size, s.Points[0].Ratio())
	// Output: LRU 100 0.7
}

func ExamplePoint() {
	p := cachesim.Point{Size: 100, Result: cachesim.Result{Requests: 10, Hits: 7}}
	fmt.Println(p.Size, p.Ratio())
	// Output: 100 0.7
}

func ExampleSynthetic() {
	trace := cachesim.Synthetic{Requests: 10_000, Seed: 7}.Trace()
	fmt.Println(len(trace))
	// Output: 10000
}
