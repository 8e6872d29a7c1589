package breaker_test

import (
	"context"
	"errors"
	"expvar"
	"fmt"
	"log"
	"log/slog"
	"time"

	"github.com/plinth-go/plinth/breaker"
)

// A server refuses the second of two calls: it has enough to do, and the limit falls.
func ExampleAdaptive() {
	overloaded := errors.New("503 Service Unavailable")
	server, err := breaker.NewAdaptive(breaker.AdaptiveConfig{Law: breaker.AIMD{Backoff: 0.5}, Initial: 4})
	if err != nil {
		log.Fatal(err)
	}
	for _, answer := range []error{nil, overloaded} {
		err := server.Run(context.Background(), func(context.Context) error { return answer })
		fmt.Println(err, "limit:", server.Limit())
	}
	// Output:
	// <nil> limit: 4
	// 503 Service Unavailable limit: 2
}

// By its two steps it can be used where there is no function to call.
func ExampleTurn() {
	server, err := breaker.NewAdaptive(breaker.AdaptiveConfig{Max: 1})
	if err != nil {
		log.Fatal(err)
	}
	turn, err := server.Allow()
	if err != nil {
		log.Fatal(err)
	}
	defer turn.Cancel() // harmless after Done

	_, err = server.Allow()
	fmt.Println(err)

	turn.Done(true)
	slog.New(untimed()).Info("server", "adaptive", server.Stats())
	// Output:
	// breaker: the concurrency limit is reached
	// level=INFO msg=server adaptive.limit=1 adaptive.running=0 adaptive.refused=1
}

// Calls that take longer than a quarter of a second count as failed.
func ExampleAIMD() {
	server, err := breaker.NewAdaptive(breaker.AdaptiveConfig{
		Law: breaker.AIMD{Slow: 250 * time.Millisecond}, Min: 5, Max: 200,
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(server.Limit())
	// Output: 20
}

// A server of which a call takes a minute needs longer windows.
func ExampleGradient() {
	server, err := breaker.NewAdaptive(breaker.AdaptiveConfig{
		Law: breaker.Gradient{Window: 5 * time.Minute, Queue: 2}, Initial: 8,
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(server.Limit())

	_, err = breaker.NewAdaptive(breaker.AdaptiveConfig{Law: breaker.Gradient{Smoothing: 20}})
	fmt.Println(err)
	// Output:
	// 8
	// breaker: NewAdaptive: a Gradient with a Smoothing of 20: want more than 0, at most 1
}

// A server that is new may begin with few calls, and shall never have more than 50.
func ExampleAdaptiveConfig() {
	notFound := errors.New("not found")
	server, err := breaker.NewAdaptive(breaker.AdaptiveConfig{
		Initial: 10,
		Max:     50,
		Law:     breaker.AIMD{Backoff: 0.5},
		Failed:  func(err error) bool { return !errors.Is(err, notFound) },
	})
	if err != nil {
		log.Fatal(err)
	}
	for _, err := range []error{notFound, errDown} {
		_ = server.Run(context.Background(), func(context.Context) error { return err })
		fmt.Println(server.Limit())
	}
	// Output:
	// 10
	// 5
}

// Stats are for expvar and for logs.
func ExampleAdaptiveStats() {
	server, err := breaker.NewAdaptive(breaker.AdaptiveConfig{Max: 2})
	if err != nil {
		log.Fatal(err)
	}
	for range 3 {
		_, _ = server.Allow() // two run, and the third is refused
	}
	fmt.Println(expvar.Func(func() any { return server.Stats() }))
	// Output: {"limit":2,"running":2,"refused":1}
}

// A Law looks for the limit. Neither has seen a call yet, so that both are where they begin.
func ExampleLaw() {
	for _, law := range []breaker.Law{
		breaker.AIMD{Slow: time.Second}, // until something fails, or is slow
		breaker.Gradient{},              // until it takes longer than usual
	} {
		server, err := breaker.NewAdaptive(breaker.AdaptiveConfig{Law: law})
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%T %d\n", law, server.Limit())
	}
	// Output:
	// breaker.AIMD 20
	// breaker.Gradient 20
}
