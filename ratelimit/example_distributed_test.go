package ratelimit_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"sync"
	"time"

	"github.com/plinth-go/plinth/ratelimit"
)

// Two machines have one limit together.
func ExampleDistributed() {
	store := ratelimit.NewMemoryStore(100_000) // or one that is on the network
	config := ratelimit.DistributedConfig{Rate: ratelimit.Per(6, time.Hour), Burst: 3, Timeout: 10 * time.Second}
	east, err := ratelimit.NewDistributed(store, config)
	if err != nil {
		log.Fatal(err)
	}
	west, err := ratelimit.NewDistributed(store, config)
	if err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()
	for _, machine := range []*ratelimit.Distributed{east, west, east, west} {
		decision, err := machine.Take(ctx, "alice", 1)
		if err != nil {
			log.Print(err) // and go by decision.OK, which is as the configuration wants it
		}
		fmt.Println(decision.OK, decision.Remaining, decision.RetryAfter.Round(time.Minute))
	}
	// Output:
	// true 2 0s
	// true 1 0s
	// true 0 0s
	// false 0 10m0s
}

// countingStore is a Store that counts how often another one is asked.
type countingStore struct {
	ratelimit.Store
	trips int
}

func (c *countingStore) Update(ctx context.Context, key string, period, tolerance, cost int64) (tat, now int64, ok bool, err error) {
	c.trips++
	return c.Store.Update(ctx, key, period, tolerance, cost)
}

// A hundred events at a time are taken from the store, and handed out without it.
func ExampleDistributedConfig() {
	store := &countingStore{Store: ratelimit.NewMemoryStore(100_000)}
	limiter, err := ratelimit.NewDistributed(store, ratelimit.DistributedConfig{
		Rate: ratelimit.Per(1, time.Hour), Burst: 1000,
		Lease: 100, LeaseTime: time.Minute, Timeout: 10 * time.Second,
	})
	if err != nil {
		log.Fatal(err)
	}
	granted := 0
	for range 5000 {
		if ok, _ := limiter.Allow(context.Background(), "alice"); ok {
			granted++
		}
	}
	fmt.Println(granted, "granted with", store.trips, "round trips")
	// Output: 1000 granted with 10 round trips
}

// A store that is down lets everybody through here.
func ExampleFailMode() {
	down := &brokenStore{}
	limiter, err := ratelimit.NewDistributed(down, ratelimit.DistributedConfig{
		Rate: ratelimit.PerSecond(10), Burst: 10, Fail: ratelimit.FailOpen,
	})
	if err != nil {
		log.Fatal(err)
	}
	ok, err := limiter.Allow(context.Background(), "alice")
	fmt.Println(ok, errors.Is(err, ratelimit.ErrStore))
	// Output: true true
}

type brokenStore struct{}

func (*brokenStore) Update(context.Context, string, int64, int64, int64) (tat, now int64, ok bool, err error) {
	return 0, 0, false, errors.New("connection refused")
}

// tableStore is a Store as short as can be: one that never forgets.
type tableStore struct {
	mu   sync.Mutex
	made time.Time
	tats map[string]int64
}

func (s *tableStore) Update(ctx context.Context, key string, period, tolerance, cost int64) (tat, now int64, ok bool, err error) {
	if err := ctx.Err(); err != nil {
		return 0, 0, false, err
	}
	if period < 1 || tolerance < period || tolerance > 1<<62 {
		return 0, 0, false, errors.New("table: impossible limit")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	now = int64(time.Since(s.made))
	tat, most := s.tats[key], tolerance/period
	begin := max(tat, now)
	room := now - begin + tolerance
	switch {
	case cost == 0:
		return tat, now, period <= room, nil
	case cost > most || cost > 0 && cost*period > room:
		return tat, now, false, nil
	}
	s.tats[key] = max(begin+max(cost, -most)*period, 0)
	return s.tats[key], now, true, nil
}

// Package storetest tells whether a store of your own is one.
func ExampleStore() {
	var store ratelimit.Store = &tableStore{made: time.Now(), tats: map[string]int64{}}
	for range 3 {
		_, _, ok, err := store.Update(context.Background(), "alice", int64(time.Minute), 2*int64(time.Minute), 1)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(ok)
	}
	// Output:
	// true
	// true
	// false
}

// A key that somebody makes up does not push out another one that is in use.
func ExampleMemoryStore() {
	store := ratelimit.NewMemoryStore(1000)
	take := func(key string) bool {
		_, _, ok, err := store.Update(context.Background(), key, int64(time.Hour), 5*int64(time.Hour), 5)
		if err != nil {
			log.Fatal(err)
		}
		return ok
	}
	fmt.Println(take("alice"))
	for i := range 10_000 {
		take(fmt.Sprint("made up ", i))
	}
	fmt.Println(take("alice"), store.Len())
	// Output:
	// true
	// false 1000
}
