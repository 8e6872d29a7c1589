package breaker_test

import (
	"context"
	"fmt"
	"log"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/plinth-go/plinth/breaker"
)

func ExampleHedge() {
	hedge, err := breaker.NewHedge(breaker.HedgeConfig{Delay: time.Millisecond})
	if err != nil {
		log.Fatal(err)
	}
	var replicas atomic.Int64
	answer, err := breaker.Call(context.Background(), hedge, func(ctx context.Context) (string, error) {
		replica := replicas.Add(1)
		if replica == 1 { // it collects garbage
			<-ctx.Done()
			return "", ctx.Err()
		}
		return fmt.Sprint("the answer of replica ", replica), nil
	})
	fmt.Println(answer, err)
	// Output: the answer of replica 2 <nil>
}

// By default it hedges what takes longer than 95 of 100 calls did, once it has seen some.
func ExampleHedge_Delay() {
	hedge, err := breaker.NewHedge(breaker.HedgeConfig{})
	if err != nil {
		log.Fatal(err)
	}
	_, known := hedge.Delay()
	fmt.Println(known)
	for range 16 {
		if err := hedge.Run(context.Background(), func(context.Context) error { return nil }); err != nil {
			log.Fatal(err)
		}
	}
	_, known = hedge.Delay()
	fmt.Println(known)
	// Output:
	// false
	// true
}

// Three replicas are asked at most, each 20 ms after the last.
func ExampleHedgeConfig() {
	hedge, err := breaker.NewHedge(breaker.HedgeConfig{Delay: 20 * time.Millisecond, Max: 3})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(hedge.Delay())

	_, err = breaker.NewHedge(breaker.HedgeConfig{Quantile: 99})
	fmt.Println(err)
	// Output:
	// 20ms true
	// breaker: NewHedge: a Quantile of 99: want one between 0 and 1
}

// The first replica fails, and so the second is asked before the delay is over.
func ExampleHedgeStats() {
	hedge, err := breaker.NewHedge(breaker.HedgeConfig{Delay: time.Hour})
	if err != nil {
		log.Fatal(err)
	}
	var replicas atomic.Int64
	err = hedge.Run(context.Background(), func(context.Context) error {
		if replicas.Add(1) == 1 {
			return errDown
		}
		return nil
	})
	fmt.Println(err)
	slog.New(untimed()).Info("cache", "hedge", hedge.Stats())
	// Output:
	// <nil>
	// level=INFO msg=cache hedge.delay=1h0m0s hedge.calls=1 hedge.hedges=1 hedge.won=1 hedge.no_budget=0
}
