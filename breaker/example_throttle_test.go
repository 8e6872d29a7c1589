package breaker_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"log/slog"

	"github.com/plinth-go/plinth/breaker"
)

// A backend serves every fifth of 10,000 requests that it could get. Of those it would refuse, most
// do not even reach it.
func ExampleThrottle() {
	overloaded := errors.New("503 Service Unavailable")
	backend, err := breaker.NewThrottle(breaker.ThrottleConfig{Seed: 1})
	if err != nil {
		log.Fatal(err)
	}
	sent, throttled := 0, 0
	for i := range 10_000 {
		err := backend.Run(context.Background(), func(context.Context) error {
			sent++
			if budget := i / 5; sent/2 > budget {
				return overloaded
			}
			return nil
		})
		if errors.Is(err, breaker.ErrThrottled) {
			throttled++
		}
	}
	fmt.Println("all sent or throttled:", sent+throttled == 10_000)
	fmt.Println("sent are about 4,000:", sent > 3500 && sent < 5500)
	// Output:
	// all sent or throttled: true
	// sent are about 4,000: true
}

// By its two steps it can be used where there is no function to call: in a proxy, say.
func ExampleThrottle_Allow() {
	backend, err := breaker.NewThrottle(breaker.ThrottleConfig{})
	if err != nil {
		log.Fatal(err)
	}
	if err := backend.Allow(); err != nil {
		log.Fatal(err) // answer 503
	}
	status := 404 // what the backend says: it is not overloaded
	backend.Done(status < 500)

	slog.New(untimed()).Info("backend", "throttle", backend.Stats())
	// Output:
	// level=INFO msg=backend throttle.requests=1 throttle.accepts=1 throttle.rejection=0 throttle.refused=0
}

// An error of the caller is no sign that the backend has too much to do.
func ExampleThrottleConfig() {
	notFound := errors.New("not found")
	backend, err := breaker.NewThrottle(breaker.ThrottleConfig{
		Accepted: func(err error) bool { return err == nil || errors.Is(err, notFound) },
	})
	if err != nil {
		log.Fatal(err)
	}
	for range 1000 {
		err := backend.Run(context.Background(), func(context.Context) error { return notFound })
		if errors.Is(err, breaker.ErrThrottled) {
			log.Fatal(err)
		}
	}
	fmt.Printf("%+v\n", backend.Stats())
	// Output: {Requests:1000 Accepts:1000 Rejection:0 Refused:0}
}

// A backend that accepted 10 of 100 requests gets about a fifth of the next: twice what it accepts.
func ExampleThrottleStats() {
	backend, err := breaker.NewThrottle(breaker.ThrottleConfig{Spare: -1, Seed: 1})
	if err != nil {
		log.Fatal(err)
	}
	for i := range 100 {
		_ = backend.Allow()
		backend.Done(i%10 == 0)
	}
	s := backend.Stats()
	fmt.Printf("%d of %d, so that %.2f of the next are refused here\n", s.Accepts, s.Requests, s.Rejection)
	// Output: 10 of 100, so that 0.79 of the next are refused here
}
