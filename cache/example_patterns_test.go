package cache_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/plinth-go/plinth/cache"
)

// Cache-aside: the program asks the cache, then the database, then fills the
// cache. It is all that many programs need, and it has two holes: a hundred
// requests that miss at once all ask the database, and a value that was read
// before a change can be set after it. Loading has neither.
func Example_cacheAside() {
	users, err := cache.New(cache.Config[int, string]{MaxEntries: 1000, TTL: time.Minute})
	if err != nil {
		fmt.Println(err)
		return
	}
	database := map[int]string{7: "Ann"}

	name := func(id int) string {
		if name, ok := users.Get(id); ok {
			return name + " (from the cache)"
		}
		name := database[id]
		users.Set(id, name)
		return name
	}
	rename := func(id int, name string) {
		database[id] = name
		users.Delete(id) // not Set: two of these at once could leave the wrong one
	}

	fmt.Println(name(7))
	fmt.Println(name(7))
	rename(7, "Anna")
	fmt.Println(name(7))
	// Output:
	// Ann
	// Ann (from the cache)
	// Anna
}

// Bob wants what Ann's request is already loading, and has less patience. Only he
// gives up.
func ExampleFlight() {
	flight := cache.NewFlight[string, string](0)
	defer flight.Close()
	asked, answer := make(chan struct{}), make(chan string)
	load := func(context.Context) (string, error) {
		close(asked) // a second time would panic
		return <-answer, nil
	}

	ann := make(chan string)
	go func() {
		weather, _, _ := flight.Do(context.Background(), "weather", load)
		ann <- weather
	}()
	<-asked
	bob, cancel := context.WithTimeout(context.Background(), time.Millisecond)
	defer cancel()
	_, shared, err := flight.Do(bob, "weather", load)
	fmt.Println("Bob:", shared, err)
	answer <- "sunny"
	fmt.Println("Ann:", <-ann)
	// Output:
	// Bob: true context deadline exceeded
	// Ann: sunny
}

func ExamplePanicError() {
	flight := cache.NewFlight[string, int](0)
	defer flight.Close()
	_, _, err := flight.Do(context.Background(), "k", func(context.Context) (int, error) {
		panic("no table of users")
	})
	var p *cache.PanicError
	if errors.As(err, &p) {
		fmt.Println(p.Value, len(p.Stack) > 0)
	}
	// Output: no table of users true
}

func ExampleLoading() {
	ctx := context.Background()
	database := map[int]string{7: "Ann"}
	users, err := cache.NewLoading(
		cache.Config[int, string]{MaxEntries: 1000, TTL: time.Minute},
		cache.LoadConfig[int, string]{
			Load: func(_ context.Context, id int) (string, error) {
				name, ok := database[id]
				if !ok {
					return "", fmt.Errorf("user %d: %w", id, cache.ErrNotFound)
				}
				return name, nil
			},
			NegativeTTL: time.Second, // a key that is not there is asked for once a second
		})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer users.Close()

	fmt.Println(users.Get(ctx, 7))
	fmt.Println(users.Get(ctx, 8))

	database[7] = "Anna"
	fmt.Println(users.Get(ctx, 7))
	users.Invalidate(7)
	fmt.Println(users.Get(ctx, 7))
	// Output:
	// Ann <nil>
	//  user 8: cache: not found
	// Ann <nil>
	// Anna <nil>
}

// A page is shown under its address, but what changes are the users on it.
func ExampleLoading_InvalidateTag() {
	ctx := context.Background()
	names := map[string]string{"user 7": "Ann", "user 8": "Bob"}
	pages, err := cache.NewLoading(
		cache.Config[string, string]{MaxEntries: 1000},
		cache.LoadConfig[string, string]{
			Load: func(_ context.Context, address string) (string, error) {
				if address == "/all" {
					return "Users: " + names["user 7"] + ", " + names["user 8"], nil
				}
				return "User " + names["user 8"], nil
			},
			Tags: func(address, _ string) []string {
				if address == "/all" {
					return []string{"user 7", "user 8"}
				}
				return []string{"user 8"}
			},
		})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer pages.Close()
	show := func() {
		for _, address := range []string{"/all", "/8"} {
			page, err := pages.Get(ctx, address)
			fmt.Println(page, err)
		}
	}

	show()
	names["user 7"] = "Anna"
	pages.InvalidateTag("user 7")
	show()
	fmt.Println(pages.Stats().Loads, "loads")
	// Output:
	// Users: Ann, Bob <nil>
	// User Bob <nil>
	// Users: Anna, Bob <nil>
	// User Bob <nil>
	// 3 loads
}

// A price that is reloaded when it is 50 s old, while the old one is shown; that
// is shown for ten more seconds while the service is down; and never after that.
func ExampleLoadConfig() {
	prices, err := cache.NewLoading(
		cache.Config[string, int]{MaxEntries: 1000, TTL: time.Minute, Jitter: 0.1},
		cache.LoadConfig[string, int]{
			LoadMany: func(_ context.Context, items []string) (map[string]int, error) {
				slices.Sort(items)
				fmt.Println("asked for", strings.Join(items, ", "))
				return map[string]int{"apple": 3, "pear": 4}, nil
			},
			RefreshAfter:  50 * time.Second,
			StaleFor:      10 * time.Second,
			MaxConcurrent: 4,
			LoadTimeout:   2 * time.Second,
		})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer prices.Close()

	for range 2 {
		found, err := prices.GetMany(context.Background(), []string{"apple", "pear"})
		fmt.Println(found, err)
	}
	// Output:
	// asked for apple, pear
	// map[apple:3 pear:4] <nil>
	// map[apple:3 pear:4] <nil>
}

func ExampleLoadStats() {
	squares, err := cache.NewLoading(
		cache.Config[int, int]{MaxEntries: 100, Stats: true},
		cache.LoadConfig[int, int]{Load: func(_ context.Context, n int) (int, error) { return n * n, nil }})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer squares.Close()
	for n := range 20 {
		if _, err := squares.Get(context.Background(), n%5); err != nil {
			fmt.Println(err)
		}
	}
	stats := squares.Stats() // expvar.Publish("squares", expvar.Func(func() any { return squares.Stats() }))
	fmt.Println(stats.Loads, stats.Failures, stats.Cache.Hits)
	// Output: 5 0 15
}

// table is a backend: a database table in memory.
type table struct {
	mu   sync.Mutex
	rows map[string]int // guarded by mu
}

func (t *table) Load(_ context.Context, key string) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if n, ok := t.rows[key]; ok {
		return n, nil
	}
	return 0, cache.ErrNotFound
}

func (t *table) Store(_ context.Context, rows map[string]int) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if n, ok := rows["broken"]; ok {
		return fmt.Errorf("row %d violates a constraint", n)
	}
	maps.Copy(t.rows, rows)
	fmt.Println("stored", rows)
	return nil
}

func (t *table) Delete(_ context.Context, keys []string) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, key := range keys {
		delete(t.rows, key)
	}
	return nil
}

func ExampleBackend() {
	var b cache.Backend[string, int] = &table{rows: map[string]int{"apples": 3}}
	fmt.Println(b.Load(context.Background(), "apples"))
	fmt.Println(b.Load(context.Background(), "pears"))
	// Output:
	// 3 <nil>
	// 0 cache: not found
}

func ExampleWriteThrough() {
	ctx := context.Background()
	stock, err := cache.NewWriteThrough(&table{rows: map[string]int{}}, cache.Config[string, int]{MaxEntries: 100}, cache.LoadConfig[string, int]{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer stock.Close()
	fmt.Println(stock.Set(ctx, "apples", 3))
	fmt.Println(stock.Get(ctx, "apples"))
	fmt.Println(stock.Stats().Loads, "loads")
	// Output:
	// stored map[apples:3]
	// <nil>
	// 3 <nil>
	// 0 loads
}

func ExampleWriteAround() {
	ctx := context.Background()
	stock, err := cache.NewWriteAround(&table{rows: map[string]int{}}, cache.Config[string, int]{MaxEntries: 100}, cache.LoadConfig[string, int]{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer stock.Close()
	fmt.Println(stock.Set(ctx, "apples", 3))
	fmt.Println(stock.Get(ctx, "apples"))
	fmt.Println(stock.Stats().Loads, "load")
	// Output:
	// stored map[apples:3]
	// <nil>
	// 3 <nil>
	// 1 load
}

func ExampleWriteBack() {
	ctx := context.Background()
	counters, err := cache.NewWriteBack(&table{rows: map[string]int{}}, cache.Config[string, int]{MaxEntries: 100}, cache.LoadConfig[string, int]{},
		cache.WriteBackConfig{FlushEvery: time.Minute})
	if err != nil {
		fmt.Println(err)
		return
	}
	for n := range 1000 {
		if err := counters.Set(ctx, "views", n); err != nil {
			fmt.Println(err)
		}
	}
	fmt.Println(counters.Get(ctx, "views"))
	fmt.Println(counters.Dirty(), "dirty")
	fmt.Println(counters.Close(ctx))
	// Output:
	// 999 <nil>
	// 1 dirty
	// stored map[views:999]
	// <nil>
}

func ExampleUnstoredError() {
	ctx := context.Background()
	counters, err := cache.NewWriteBack(&table{rows: map[string]int{}}, cache.Config[string, int]{MaxEntries: 100}, cache.LoadConfig[string, int]{},
		cache.WriteBackConfig{FlushEvery: time.Minute, RetryAfter: time.Millisecond})
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := counters.Set(ctx, "broken", 7); err != nil {
		fmt.Println(err)
	}
	var unstored *cache.UnstoredError[string, int]
	if errors.As(counters.Close(ctx), &unstored) {
		fmt.Println(unstored.Values, unstored.Err)
	}
	// Output: map[broken:7] cache: store: row 7 violates a constraint
}

// A counter that may lose its last ten milliseconds in a crash, and holds up its
// callers when the database is more than 100,000 keys behind.
func ExampleWriteBackConfig() {
	counters, err := cache.NewWriteBack(&table{rows: map[string]int{}}, cache.Config[string, int]{MaxEntries: 100}, cache.LoadConfig[string, int]{},
		cache.WriteBackConfig{FlushEvery: 10 * time.Millisecond, MaxDirty: 100_000})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(counters.Close(context.Background()))
	// Output: <nil>
}
