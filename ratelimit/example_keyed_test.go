package ratelimit_test

import (
	"fmt"
	"slices"
	"time"

	"github.com/plinth-go/plinth/ratelimit"
)

// Ten requests a minute for each client, 20 at once, and what is known about at most 100,000
// of them.
func ExampleKeyed() {
	clients, err := ratelimit.NewKeyed(ratelimit.KeyedConfig[string]{
		Rate:    ratelimit.Per(10, time.Minute),
		Burst:   20,
		MaxKeys: 100_000,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	for range 20 {
		clients.Allow("192.0.2.1")
	}
	fmt.Println(clients.Allow("192.0.2.1"), clients.Allow("192.0.2.2"))
	d := clients.Take("192.0.2.3", 5)
	fmt.Println(d.OK, d.Remaining, "of", d.Limit, "left, full in", d.ResetAfter)
	// Output:
	// false true
	// true 15 of 20 left, full in 30s
}

// Plans with limits of their own. What cannot be is an error.
func ExampleKeyedConfig() {
	plans := map[string]int64{"alice": 100}
	config := ratelimit.KeyedConfig[string]{
		Rate:  ratelimit.Per(1, time.Minute),
		Burst: 5,
		Quota: func(user string) (ratelimit.Limit, int64) {
			if burst, ok := plans[user]; ok {
				return ratelimit.PerSecond(burst), burst
			}
			return ratelimit.Limit{}, 0 // Rate and Burst
		},
	}
	k, err := ratelimit.NewKeyed(config)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(k.Take("alice", 0).Limit, k.Take("bob", 0).Limit)

	config.MaxKeys = -1
	_, err = ratelimit.NewKeyed(config)
	fmt.Println(err)
	// Output:
	// 100 5
	// ratelimit: KeyedConfig: MaxKeys is -1: want 1 to 1073741824, or 0 for 65536
}

// When there is no room for more keys, those that are new share one bucket.
func ExampleWhenFull() {
	k, err := ratelimit.NewKeyed(ratelimit.KeyedConfig[string]{
		Rate:     ratelimit.Per(1, time.Hour),
		Burst:    5,
		MaxKeys:  1,
		WhenFull: ratelimit.ShareOverflow,
		// For all of them together:
		OverflowRate:  ratelimit.Per(10, time.Hour),
		OverflowBurst: 2,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, user := range []string{"alice", "bob", "carol", "dave", "alice"} {
		fmt.Println(user, k.Allow(user))
	}
	// Output:
	// alice true
	// bob true
	// carol true
	// dave false
	// alice true
}

// Two parts of a KeyedStats tell whether MaxKeys is too small.
func ExampleKeyedStats() {
	k, err := ratelimit.NewKeyed(ratelimit.KeyedConfig[int]{Rate: ratelimit.Per(1, time.Hour), Burst: 1, MaxKeys: 2})
	if err != nil {
		fmt.Println(err)
		return
	}
	for user := range 5 {
		k.Allow(user)
	}
	fmt.Println(k.Stats().Keys, "keys,", k.Stats().NoRoom, "without room")
	// Output:
	// 2 keys, 3 without room
}

// The keys that are remembered, in the middle of an incident: who has nothing left?
func ExampleKeyed_All() {
	k, err := ratelimit.NewKeyed(ratelimit.KeyedConfig[string]{Rate: ratelimit.Per(1, time.Hour), Burst: 2})
	if err != nil {
		fmt.Println(err)
		return
	}
	k.Take("alice", 2)
	k.Take("bob", 1)
	k.Take("eve", 2)
	var over []string
	for key, d := range k.All() {
		if d.Remaining == 0 {
			over = append(over, key)
		}
	}
	slices.Sort(over)
	fmt.Println(over)
	k.Reset("alice")
	fmt.Println(k.Allow("alice"))
	// Output:
	// [alice eve]
	// true
}

// A key with a quota of its own, and the limit of all others, changed while it is in use.
func ExampleKeyed_SetQuota() {
	k, err := ratelimit.NewKeyed(ratelimit.KeyedConfig[string]{Rate: ratelimit.Per(1, time.Hour), Burst: 10})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(k.SetQuota("alice", ratelimit.Per(1, time.Hour), 5))
	fmt.Println(k.SetLimit(ratelimit.Per(1, time.Hour), 1))
	fmt.Println(k.Take("alice", 0).Remaining, k.Take("bob", 0).Remaining)
	fmt.Println(k.SetQuota("bob", ratelimit.Per(1, time.Hour), 0))
	// Output:
	// <nil>
	// <nil>
	// 5 1
	// ratelimit: SetQuota of bob: burst or capacity of 0: want 1 to 2^62
}

// One key as a Limiter, beside a limit for all together.
func ExampleKeyed_Limiter() {
	k, err := ratelimit.NewKeyed(ratelimit.KeyedConfig[string]{Rate: ratelimit.Per(1, time.Hour), Burst: 2})
	if err != nil {
		fmt.Println(err)
		return
	}
	total := ratelimit.NewTokenBucket(ratelimit.Per(1, time.Hour), 3)
	for _, user := range []string{"alice", "alice", "alice", "bob", "eve"} {
		fmt.Println(user, ratelimit.All(k.Limiter(user), total).Take(1).OK)
	}
	// Output:
	// alice true
	// alice true
	// alice false
	// bob true
	// eve false
}
