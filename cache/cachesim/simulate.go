package cachesim

import (
	"context"
	"fmt"
)

// Cache is what can be simulated. A *cache.Cache is one as it is; Textbook makes
// one of a cache.Policy, and a few lines make one of any other library. A Cache
// is not safe for concurrent use, as far as this package goes: a simulation is
// one goroutine that asks for one key after the other.
type Cache interface {
	Get(key uint64) (value uint64, ok bool)
	Set(key, value uint64)
}

// Result is what one simulation has counted. It is a plain value: safe for
// concurrent use as long as nobody changes it.
type Result struct{ Requests, Hits int }

// Ratio returns the hits as a part of the requests, 0 without any.
func (r Result) Ratio() float64 {
	if r.Requests == 0 {
		return 0
	}
	return float64(r.Hits) / float64(r.Requests)
}

// Simulate asks a cache for each key of a trace, and sets the key whenever it
// was not there: what a program does that keeps results of something slow. The
// cache is warm or cold as it comes; a cold one's first misses count, so that
// the results of two policies and of Belady are about the same requests.
//
// Each value belongs to its key, and each one that is found is checked. A cache
// that answers with another key's value fails: its hits are worth nothing.
func Simulate(t Trace, c Cache) (Result, error) {
	return simulate(context.Background(), t, c)
}

// betweenLooks is the number of requests, some milliseconds, between two looks
// at whether somebody has lost interest.
const betweenLooks = 1 << 14

func simulate(ctx context.Context, t Trace, c Cache) (Result, error) {
	var r Result
	for i, key := range t {
		if i%betweenLooks == 0 && ctx.Err() != nil {
			return r, context.Cause(ctx)
		}
		r.Requests++
		value, ok := c.Get(key)
		if !ok {
			c.Set(key, valueOf(key))
			continue
		}
		if value != valueOf(key) {
			return r, fmt.Errorf("cachesim: request %d: the cache returned %d for key %d, whose value is %d", i, value, key, valueOf(key))
		}
		r.Hits++
	}
	return r, nil
}

// valueOf is another number for each key, and none is its own value: a cache
// that mixes up keys and values is noticed too.
func valueOf(key uint64) uint64 { return ^key }
