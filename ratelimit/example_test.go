package ratelimit_test

import (
	"context"
	"fmt"
	"log"
	"time"

	"github.com/plinth-go/plinth/ratelimit"
)

func Example() {
	limiter := ratelimit.NewTokenBucket(ratelimit.PerSecond(100), 20)

	granted := 0
	for range 1000 { // all at once
		if limiter.Allow() {
			granted++
		}
	}
	fmt.Println("at least 20:", granted >= 20, "and far from 1000:", granted < 100)

	d := limiter.Take(15)
	fmt.Println(d.OK, d.Limit, "try again in about 150 ms:", d.RetryAfter > 100*time.Millisecond)
	// Output:
	// at least 20: true and far from 1000: true
	// false 20 try again in about 150 ms: true
}

func ExampleTokenBucket_Wait() {
	limiter := ratelimit.NewTokenBucket(ratelimit.PerSecond(1000), 1)
	start := time.Now()
	for range 11 { // the first goes at once, ten wait
		if err := limiter.Wait(context.Background(), 1); err != nil {
			log.Fatal(err)
		}
	}
	fmt.Println(time.Since(start) >= 10*time.Millisecond)
	// Output: true
}

func ExampleTokenBucket_Reserve() {
	limiter := ratelimit.NewTokenBucket(ratelimit.Per(1, time.Hour), 1)
	now, later := limiter.Reserve(1), limiter.Reserve(1)
	fmt.Println(now.Delay(), later.Delay().Round(time.Minute))
	fmt.Println(later.Cancel(), "given back")
	// Output:
	// 0s 1h0m0s
	// 1 given back
}

func ExampleGCRA() {
	cells := ratelimit.NewGCRA(ratelimit.Per(1, time.Second), 2)
	start := time.Now()
	for _, after := range []time.Duration{0, 0, 0, time.Second, time.Second} {
		fmt.Print(cells.TakeAt(start.Add(after), 1).OK, " ")
	}
	// Output: true true false true false
}

func ExampleLeakyBucket() {
	bucket := ratelimit.NewLeakyBucket(ratelimit.Per(1, time.Hour), 3)
	bucket.Take(2)
	fmt.Println(bucket.Level(), bucket.Take(2).OK, bucket.Take(1).OK)
	// Output: 2 false true
}

func ExampleLeakyQueue() {
	queue := ratelimit.NewLeakyQueue(ratelimit.PerSecond(10), 3, 0)
	now := time.Now()
	for range 4 {
		d := queue.TakeAt(now, 1)
		fmt.Println(d.OK, d.Delay)
	}
	// Output:
	// true 0s
	// true 100ms
	// true 200ms
	// false 0s
}

func ExampleAll() {
	limiter := ratelimit.All(
		ratelimit.NewTokenBucket(ratelimit.PerSecond(10), 10),
		ratelimit.NewTokenBucket(ratelimit.Per(15, time.Hour), 15),
	)
	start := time.Now()
	fmt.Println(limiter.TakeAt(start, 10).OK)
	d := limiter.TakeAt(start.Add(time.Second), 10) // the first would say yes
	fmt.Println(d.OK, d.Limit, d.Remaining)
	// Output:
	// true
	// false 15 5
}

func ExampleParseLimit() {
	limit, err := ratelimit.ParseLimit("100/m")
	fmt.Println(limit, err)
	_, err = ratelimit.ParseLimit("many/s")
	fmt.Println(err)
	// Output:
	// 100/1m0s <nil>
	// ratelimit: limit "many/s": "many" is not a number of events
}

func ExampleDecision() {
	limiter := ratelimit.NewTokenBucket(ratelimit.PerSecond(2), 4)
	now := time.Now()
	limiter.TakeAt(now, 3)
	d := limiter.TakeAt(now, 2)
	fmt.Println(d.OK, d.Remaining, "of", d.Limit, "left, again in", d.RetryAfter, "and full in", d.ResetAfter)
	// Output: false 1 of 4 left, again in 500ms and full in 1.5s
}
