package main

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// cacheExpiry measures the longest single Get and Set while a million entries
// expire at once: they are set as fast as possible with one time to live, and
// another goroutine's worth of calls goes on while their time comes. A cache may
// take them out in one go, bit by bit, or leave them lying, so a second table
// says how many of them still took up room at the end.
type cacheExpiry struct{}

const (
	expiryEntries = 1 << 20
	expiryTTL     = 4 * time.Second // longer than filling takes
	expiryAfter   = 2 * time.Second // that is measured after the last one's time was over
	expiryOthers  = 1 << 10         // keys that are used meanwhile
)

func (cacheExpiry) names() []string {
	return []string{
		"CacheExpiry/call=get/when=before", "CacheExpiry/call=get/when=expiring",
		"CacheExpiry/call=set/when=before", "CacheExpiry/call=set/when=expiring",
	}
}

func (ce cacheExpiry) run(ctx context.Context, s *session, chosen []int) error {
	all, names := ce.names(), pick(ce.names(), chosen)
	impls := slices.DeleteFunc(cacheImpls(), func(impl string) bool { return !expires(impl) })
	longest := newTable("longest call, µs", "%.0f", impls, false)
	left := newTable("% of entries", "%.2f", impls, false)
	entries := max(int(float64(expiryEntries)*s.scale), fewestEntries)
	const leftName = "left over"
	// One run gives all four figures.
	err := s.mixed(ctx, []string{"CacheExpiry"}, impls, func(_ int, impl string) error {
		r, err := measureExpiry(impl, entries, min(expiryTTL, time.Duration(float64(expiryTTL)*s.scale)))
		if err != nil {
			return err
		}
		for i, d := range []time.Duration{r.before.get, r.expiring.get, r.before.set, r.expiring.set} {
			longest.add(all[i], impl, float64(d)/float64(time.Microsecond))
		}
		left.add(leftName, impl, 100*float64(r.left)/float64(entries))
		return nil
	})
	if err != nil {
		return err
	}
	fmt.Fprintf(s.out, "%d entries that expire together\n\n", entries)
	if err := longest.print(s.out, names); err != nil {
		return err
	}
	fmt.Fprintln(s.out)
	return left.print(s.out, []string{leftName})
}

// pauses are the longest calls of a time.
type pauses struct{ get, set time.Duration }

type expiryResult struct {
	before, expiring pauses
	left             int // entries whose time was over, but that were still there
}

// measureExpiry fills a cache with room for twice as many, so that nothing
// leaves but by time.
func measureExpiry(impl string, entries int, ttl time.Duration) (expiryResult, error) {
	var r expiryResult
	c, err := openCache(impl, cacheConfig[uint64]{entries: 2*entries + 2*expiryOthers, ttl: ttl})
	if err != nil {
		return r, err
	}
	defer c.Close()
	start := time.Now()
	for i := range uint64(entries) {
		c.Set(number(i), i)
		if i%1024 == 0 {
			c.Settle()
		}
	}
	c.Settle()
	filled := time.Now()
	if filled.Sub(start) > ttl {
		return r, fmt.Errorf("filling took %v, longer than the entries live", filled.Sub(start))
	}
	r.before = callUntil(c, start.Add(ttl))
	r.expiring = callUntil(c, filled.Add(ttl+min(expiryAfter, ttl)))
	r.left = max(0, c.Held()-expiryOthers)
	return r, nil
}

// callUntil uses a few keys until the moment and returns the longest calls.
func callUntil(c store[uint64], end time.Time) pauses {
	var p pauses
	for i := uint64(0); ; i++ {
		key := number(1<<40 + i%expiryOthers)
		t0 := time.Now()
		c.Get(key)
		t1 := time.Now()
		c.Set(key, i)
		t2 := time.Now()
		p.get, p.set = max(p.get, t1.Sub(t0)), max(p.set, t2.Sub(t1))
		if t2.After(end) {
			return p
		}
	}
}
