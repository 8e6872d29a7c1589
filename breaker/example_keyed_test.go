package breaker_test

import (
	"context"
	"fmt"
	"log"
	"time"

	"github.com/plinth-go/plinth/breaker"
)

// One shard is down, and the others do not suffer from it.
func ExampleKeyed() {
	shards, err := breaker.NewKeyed(breaker.KeyedConfig[int]{
		Make: func(shard int) breaker.Config {
			return breaker.Config{Name: fmt.Sprint("shard ", shard), Trip: breaker.ConsecutiveFailures(2), OpenFor: time.Minute}
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	query := func(shard int) (string, error) {
		b, err := shards.Get(shard)
		if err != nil {
			return "", err // no room, which is not so with a few shards
		}
		return breaker.Do(context.Background(), b, func(context.Context) (string, error) {
			if shard == 2 {
				return "", errDown
			}
			return "rows", nil
		})
	}
	for range 3 {
		for shard := range 3 {
			fmt.Println(query(shard))
		}
	}
	// Output:
	// rows <nil>
	// rows <nil>
	//  connection refused
	// rows <nil>
	// rows <nil>
	//  connection refused
	// rows <nil>
	// rows <nil>
	//  breaker: "shard 2" is open
}

// A crowd passes through, and what is open is not forgotten.
func ExampleKeyedStats() {
	tenants, err := breaker.NewKeyed(breaker.KeyedConfig[string]{MaxKeys: 100, ForgetAfter: time.Hour})
	if err != nil {
		log.Fatal(err)
	}
	first, err := tenants.Get("acme")
	if err != nil {
		log.Fatal(err)
	}
	first.ForceOpen()
	for i := range 10_000 {
		if _, err := tenants.Get(fmt.Sprint("tenant-", i)); err != nil {
			log.Fatal(err)
		}
	}
	fmt.Printf("%+v\n", tenants.Stats())
	for tenant, b := range tenants.All() {
		if b.State() != breaker.Closed {
			fmt.Println(tenant, "is", b.State())
		}
	}
	// Output:
	// {Keys:100 Evicted:9901 Refused:0}
	// acme is forced-open
}

// A mistake in what is configured for one key is found when it comes.
func ExampleKeyedConfig() {
	hosts, err := breaker.NewKeyed(breaker.KeyedConfig[string]{
		MaxKeys: 1000,
		Make: func(host string) breaker.Config {
			if host == "slow.example.com" {
				return breaker.Config{Name: host, Trip: breaker.SlowRate(5*time.Second, 2, 20, breaker.LastCalls(100))}
			}
			return breaker.Config{Name: host}
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	_, err = hosts.Get("slow.example.com")
	fmt.Println(err)
	// Output:
	// breaker: Keyed: Make of "slow.example.com": breaker: New: Trip: a rate of 2: want above 0 and up to 1
}

// A hook that Make gives to all breakers hears of each of them, also of those behind a Transport.
func ExampleKeyedConfig_hook() {
	hosts, err := breaker.NewKeyed(breaker.KeyedConfig[string]{Make: func(host string) breaker.Config {
		return breaker.Config{
			Name: host, Trip: breaker.ConsecutiveFailures(1),
			OnStateChange: func(c breaker.Change) { fmt.Println(c.Name, "was", c.From, "and is", c.To) },
		}
	}})
	if err != nil {
		log.Fatal(err)
	}
	_ = hosts.Run(context.Background(), "a.example.com", func(context.Context) error { return errDown })
	_ = hosts.Run(context.Background(), "b.example.com", func(context.Context) error { return nil })
	// Output:
	// a.example.com was closed and is open
}

// By its key, each call finds the breaker of its own host.
func ExampleDoKey() {
	hosts, err := breaker.NewKeyed(breaker.KeyedConfig[string]{Make: func(host string) breaker.Config {
		return breaker.Config{Name: host, Trip: breaker.ConsecutiveFailures(1), OpenFor: time.Minute}
	}})
	if err != nil {
		log.Fatal(err)
	}
	for _, host := range []string{"a.example.com", "b.example.com", "a.example.com", "b.example.com"} {
		n, err := breaker.DoKey(context.Background(), hosts, host, func(context.Context) (int, error) {
			if host == "a.example.com" {
				return 0, errDown
			}
			return 42, nil
		})
		fmt.Println(n, err)
	}
	// Output:
	// 0 connection refused
	// 42 <nil>
	// 0 breaker: "a.example.com" is open
	// 42 <nil>
}
