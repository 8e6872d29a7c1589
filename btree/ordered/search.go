package ordered

import (
	"cmp"
	"reflect"
)

// searcher finds a key among the first n of keys, which are in order: it returns the
// first that is not before it, and whether that is the same. A map calls it once for each
// node, so that the comparisons in it can be the processor's.
type searcher[K any] func(keys *[fanout]K, n int, key K) (i int, found bool)

// searcherFor returns the faster one for the kind of key.
func searcherFor[K cmp.Ordered]() searcher[K] {
	if reflect.TypeFor[K]().Kind() == reflect.String {
		return searchStrings[K]
	}
	return searchNumbers[K]
}

// searchNumbers counts the keys that are before the one, in every 8th place and then in
// the eight places that leaves. That is more comparisons than bisection has, but none
// decides what to load next: the processor does not guess and waits for memory only
// twice. A Get takes 40 % less time than with bisection, a Set 20 % less
// (BenchmarkGet/impl=bisect, BenchmarkSet/impl=bisect).
func searchNumbers[K cmp.Ordered](keys *[fanout]K, n int, key K) (i int, found bool) {
	if key != key { // NaN, of which there is one, before all others
		return 0, n > 0 && keys[0] != keys[0]
	}
	const run = 8
	end := min(n, fanout)
	for j := run - 1; j < end; j += run {
		i += run * before(keys[j], key)
	}
	for _, k := range keys[i:min(i+run-1, end)] {
		i += before(k, key)
	}
	return i, i < end && keys[i] == key
}

// before is 1 if a key is smaller, or NaN, and 0 otherwise, in a form in which the
// compiler makes a number of it without a branch.
func before[K cmp.Ordered](a, b K) (one int) {
	if !(a >= b) {
		one = 1
	}
	return one
}

// searchStrings bisects, with branches: the processor guesses, and so loads what it would
// need next while it still compares, which takes longer here than to guess wrong.
func searchStrings[K cmp.Ordered](keys *[fanout]K, n int, key K) (i int, found bool) {
	lo, hi := 0, n
	for lo < hi {
		i := int(uint(lo+hi) / 2)
		switch c := cmp.Compare(keys[i], key); {
		case c < 0:
			lo = i + 1
		case c > 0:
			hi = i
		default:
			return i, true
		}
	}
	return lo, false
}

// searchFunc bisects with somebody's function. It is searchStrings again, where the
// comparison is compiled into the loop.
func searchFunc[K any](cmp func(a, b K) int) searcher[K] {
	return func(keys *[fanout]K, n int, key K) (i int, found bool) {
		lo, hi := 0, n
		for lo < hi {
			i := int(uint(lo+hi) / 2)
			switch c := cmp(keys[i], key); {
			case c < 0:
				lo = i + 1
			case c > 0:
				hi = i
			default:
				return i, true
			}
		}
		return lo, false
	}
}
