package breaker_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"time"

	"github.com/plinth-go/plinth/breaker"
)

func ExampleRetry() {
	retry, err := breaker.NewRetry(breaker.RetryConfig{Base: time.Millisecond})
	if err != nil {
		log.Fatal(err)
	}
	calls := 0
	err = retry.Run(context.Background(), func(ctx context.Context) error {
		if calls++; calls < 3 {
			return errors.New("connection reset")
		}
		return nil
	})
	fmt.Println(calls, "calls:", err)
	// Output: 3 calls: <nil>
}

// A request that is wrong stays wrong.
func ExampleRetryConfig() {
	errWrong := errors.New("no such column")
	retry, err := breaker.NewRetry(breaker.RetryConfig{
		Attempts:  5,
		Retryable: func(err error) bool { return !errors.Is(err, errWrong) },
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(retry.Run(context.Background(), func(context.Context) error { return errWrong }))
	// Output: no such column
}

func ExampleRetryError() {
	retry, err := breaker.NewRetry(breaker.RetryConfig{Base: time.Millisecond})
	if err != nil {
		log.Fatal(err)
	}
	errDown := errors.New("down")
	err = retry.Run(context.Background(), func(context.Context) error { return errDown })

	var tried *breaker.RetryError
	if errors.As(err, &tried) {
		fmt.Println(tried.Attempts, "attempts,", errors.Is(err, errDown), tried.Stopped)
	}
	// Output: 3 attempts, true <nil>
}
