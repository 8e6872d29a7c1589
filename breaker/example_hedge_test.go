package breaker_test

import (
	"context"
	"fmt"
	"log"
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
