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
		return searchFunc(cmp.Compare[K])
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

// searchFunc walks in long steps, then in short ones, and branches at each comparison. Of
// bisection's comparisons, each decides where the next one is, and the processor, which
// does not wait but guesses, is wrong every second time. Here it is right to guess that the
// walk goes on, but for the last step of each length, and while a comparison waits for
// memory, it has already asked for what the next ones need. That takes 22 comparisons in a
// map of a million, bisection 19; but a Get takes 15 % less time, and one of a string, for
// which each comparison waits, 20 % (BenchmarkGet/impl=bisect).
func searchFunc[K any](cmp func(a, b K) int) searcher[K] {
	return func(keys *[fanout]K, n int, key K) (i int, found bool) {
		for _, step := range [...]int{8, 2, 1} { // keys before i are less, from n on more
			for i+step <= n {
				c := cmp(keys[i+step-1], key)
				if c == 0 {
					return i + step - 1, true
				}
				if c > 0 {
					n = i + step - 1
					break
				}
				i += step
			}
		}
		return i, false
	}
}
