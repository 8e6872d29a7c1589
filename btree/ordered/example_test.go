package ordered_test

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/plinth-go/plinth/btree/ordered"
)

func Example() {
	m := ordered.New[string, int]()
	for i, name := range strings.Fields("fig apple date cherry banana") {
		m.Set(name, i)
	}
	for name, i := range m.Scan("b", "e") {
		fmt.Println(name, i)
	}
	third, _, _ := m.At(2)
	rank, there := m.Rank("coconut")
	fmt.Println(third, rank, there) // cherry 3 false
	// Output:
	// banana 4
	// cherry 3
	// date 2
	// cherry 3 false
}

// The loop may change the map that it walks over.
func ExampleMap() {
	expires := ordered.New[int, string]() // by the time
	expires.Set(1030, "session b")
	expires.Set(1010, "session a")
	expires.Set(1200, "session c")
	const now = 1100
	for at, what := range expires.All() {
		if at > now {
			break
		}
		expires.Delete(at)
		fmt.Println("gone:", what)
	}
	fmt.Println("left:", expires.Len())
	// Output:
	// gone: session a
	// gone: session b
	// left: 1
}

// A clone is there at once, and stays as it is, whatever happens to the map.
func ExampleMap_Clone() {
	prices := ordered.New[string, int]()
	prices.Set("tea", 3)
	yesterday := prices.Clone()
	prices.Set("tea", 4)
	prices.Set("milk", 1)
	old, _ := yesterday.Get("tea")
	now, _ := prices.Get("tea")
	fmt.Println(old, now, yesterday.Len(), prices.Len())
	// Output:
	// 3 4 1 2
}

// What is in order already needs no searching.
func ExampleBulk() {
	squares := func(yield func(int, int) bool) {
		for i := range 1000 {
			if !yield(i, i*i) {
				return
			}
		}
	}
	m, err := ordered.Bulk(squares)
	if err != nil {
		panic(err)
	}
	last, square, _ := m.Max()
	fmt.Println(m.Len(), last, square)

	_, err = ordered.Bulk(maps.All(map[int]int{7: 1}))
	fmt.Println(err)
	_, err = ordered.BulkSet(slices.Values([]int{1, 3, 2}))
	fmt.Println(err, errors.Is(err, ordered.ErrOrder))
	// Output:
	// 1000 999 998001
	// <nil>
	// ordered: keys out of order: entry 2 (from 0): 2 is not after 3 true
}

// Backward in time: the last entries before a key.
func ExampleMap_Before() {
	log := ordered.New[int, string]()
	for i, line := range strings.Fields("boot mount login edit logout") {
		log.Set(10*i, line)
	}
	for at, line := range log.Before(35) {
		fmt.Println(at, line)
		if at <= 20 {
			break
		}
	}
	// Output:
	// 30 edit
	// 20 login
}

func ExampleSet() {
	s := ordered.NewSetFunc(func(a, b string) int {
		return strings.Compare(strings.ToLower(a), strings.ToLower(b))
	})
	fmt.Println(s.Add("Oslo"), s.Add("bern"), s.Add("OSLO"))
	fmt.Println(slices.Collect(s.All()), s.Has("BERN"))
	// Output:
	// true true false
	// [bern Oslo] true
}
