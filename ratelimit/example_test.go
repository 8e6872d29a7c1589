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

	hourly := ratelimit.NewTokenBucket(ratelimit.Per(100, time.Hour), 20)
	hourly.Take(20)
	d := hourly.Take(15)
	fmt.Println(d.OK, d.Limit, "try again in", d.RetryAfter.Round(time.Minute))
	// Output:
	// at least 20: true and far from 1000: true
	// false 20 try again in 9m0s
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

func ExampleReservation() {
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

func ExampleMulti() {
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

func ExampleLimit() {
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

func ExampleLimiter() {
	// Whatever decides about events: a function that takes any of them.
	admit := func(l ratelimit.Limiter, events int) (granted int) {
		now := time.Now()
		for range events {
			if l.TakeAt(now, 1).OK {
				granted++
			}
		}
		return granted
	}
	fmt.Println(admit(ratelimit.NewTokenBucket(ratelimit.PerSecond(10), 5), 100))
	fmt.Println(admit(ratelimit.NewSlidingLog(ratelimit.PerSecond(10)), 100))
	// Output:
	// 5
	// 10
}

func ExampleFixedWindow() {
	window := ratelimit.NewFixedWindow(ratelimit.Per(10, time.Minute))
	start := time.Now()
	granted := 0
	for range 100 { // in the last second of a minute, and in the first one of the next
		if window.TakeAt(start.Add(59*time.Second), 1).OK {
			granted++
		}
	}
	for range 100 {
		if window.TakeAt(start.Add(61*time.Second), 1).OK {
			granted++
		}
	}
	fmt.Println(granted, "within two seconds")
	// Output: 20 within two seconds
}

func ExampleSlidingLog() {
	passwords := ratelimit.NewSlidingLog(ratelimit.Per(3, time.Hour))
	start := time.Now()
	for _, minutes := range []time.Duration{0, 10, 20, 30, 60, 61} {
		d := passwords.TakeAt(start.Add(minutes*time.Minute), 1)
		fmt.Println(d.OK, d.RetryAfter)
	}
	// Output:
	// true 0s
	// true 0s
	// true 0s
	// false 30m0s
	// true 0s
	// false 9m0s
}

func ExampleSlidingCounter() {
	window := ratelimit.NewSlidingCounter(ratelimit.Per(10, time.Minute))
	start := time.Now()
	window.TakeAt(start.Add(30*time.Second), 10)
	// A quarter of the next minute has passed: three quarters of the ten still count.
	d := window.TakeAt(start.Add(75*time.Second), 1)
	fmt.Println(d.OK, d.Remaining, "left")
	// Output: true 1 left
}
