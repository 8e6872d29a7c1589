package cache_test

import (
	"encoding/json"
	"fmt"
	"log"
	"time"

	"github.com/plinth-go/plinth/cache"
)

func ExampleCache() {
	c, err := cache.New(cache.Config[string, int]{MaxEntries: 10_000, TTL: time.Hour})
	if err != nil {
		log.Fatal(err)
	}
	c.Set("visits", 1)
	if n, ok := c.Get("visits"); ok {
		fmt.Println("visits:", n)
	}

	// Count atomically: the function runs again if somebody else was faster.
	c.Compute("visits", func(n int, _ bool) (int, cache.Op) { return n + 1, cache.Store })
	fmt.Println(c.Delete("visits"))
	// Output:
	// visits: 1
	// 2 true
}

// Bytes are bounded instead of entries, and what leaves is reported.
func ExampleConfig() {
	c, err := cache.New(cache.Config[string, string]{
		MaxCost: 10,
		Cost:    func(_, page string) int64 { return int64(len(page)) },
		OnEvict: func(name, page string, why cache.Reason) { fmt.Println(name, "left:", why) },
	})
	if err != nil {
		log.Fatal(err)
	}
	c.Set("a", "12345")
	c.Set("b", "12345")
	c.Set("c", "123456789") // needs the room of both
	c.Set("d", "12345678901")
	fmt.Println(c.Len(), c.Cost())
	// Unordered output:
	// a left: capacity
	// b left: capacity
	// d left: capacity
	// 1 9
}

func ExampleReason() {
	c, err := cache.New(cache.Config[string, int]{
		MaxEntries: 100,
		OnEvict:    func(_ string, v int, why cache.Reason) { fmt.Println(v, why) },
	})
	if err != nil {
		log.Fatal(err)
	}
	c.Set("k", 1)
	c.Set("k", 2)
	c.Delete("k")
	c.SetTTL("k", 3, -time.Second) // its time was over before it came
	// Output:
	// 1 replaced
	// 2 deleted
	// 3 expired
}

func ExampleOp() {
	c, err := cache.New(cache.Config[string, int]{MaxEntries: 100})
	if err != nil {
		log.Fatal(err)
	}
	c.Set("stock", 1)
	sell := func(n int, ok bool) (int, cache.Op) {
		switch {
		case !ok:
			return 0, cache.Keep
		case n == 1:
			return 0, cache.Remove
		}
		return n - 1, cache.Store
	}
	c.Compute("stock", sell)
	_, ok := c.Compute("stock", sell)
	fmt.Println("in stock:", ok)
	// Output: in stock: false
}

func ExampleStats() {
	c, err := cache.New(cache.Config[int, int]{MaxEntries: 100, Stats: true})
	if err != nil {
		log.Fatal(err)
	}
	for i := range 150 {
		c.GetOrSet(i, i)
	}
	c.Get(149)
	s := c.Stats()
	fmt.Printf("%.3f\n", s.HitRatio())
	text, err := json.Marshal(s) // as expvar.Func would
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(string(text))
	// Output:
	// 0.007
	// {"hits":1,"misses":150,"replaced":0,"added":150,"evicted":50,"expired":0,"deleted":0,"entries":100,"cost":100}
}

func ExampleSketch() {
	s := cache.NewSketch(1000)
	for range 5 {
		s.Add(12345, 1)
	}
	fmt.Println(s.Estimate(12345), s.Estimate(54321))
	// Output: 5 0
}
