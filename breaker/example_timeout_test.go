package breaker_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"time"

	"github.com/plinth-go/plinth/breaker"
)

func ExampleTimeout() {
	timeout, err := breaker.NewTimeout(time.Millisecond)
	if err != nil {
		log.Fatal(err)
	}
	err = timeout.Run(context.Background(), func(ctx context.Context) error {
		<-ctx.Done() // as whatever takes a context does
		return ctx.Err()
	})
	fmt.Println(err)
	fmt.Println(errors.Is(err, breaker.ErrTimeout), errors.Is(err, context.DeadlineExceeded))
	// Output:
	// breaker: timeout after 1ms: context deadline exceeded
	// true true
}

// A function that does not heed its context is left behind.
func ExampleNewAbandon() {
	timeout, err := breaker.NewAbandon(time.Millisecond)
	if err != nil {
		log.Fatal(err)
	}
	end := make(chan struct{})
	fmt.Println(timeout.Run(context.Background(), func(context.Context) error {
		<-end
		return nil
	}))
	close(end) // if nothing does, its goroutine stays
	// Output: breaker: timeout after 1ms
}

func ExampleTimeoutError() {
	timeout, err := breaker.NewTimeout(time.Millisecond)
	if err != nil {
		log.Fatal(err)
	}
	err = timeout.Run(context.Background(), func(ctx context.Context) error {
		<-ctx.Done()
		return errors.New("half of it is done")
	})
	var late *breaker.TimeoutError
	if errors.As(err, &late) {
		fmt.Println(late.After, late.Err)
	}
	// Output: 1ms half of it is done
}

// What is left behind is still there.
func ExampleTimeoutStats() {
	timeout, err := breaker.NewAbandon(time.Millisecond)
	if err != nil {
		log.Fatal(err)
	}
	end := make(chan struct{})
	for range 3 {
		_ = timeout.Run(context.Background(), func(context.Context) error {
			<-end
			return nil
		})
	}
	fmt.Printf("%+v\n", timeout.Stats())
	close(end)
	// Output: {Expired:3 Running:3}
}
