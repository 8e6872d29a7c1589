package breaker_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"log/slog"
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

// How much of what goes wrong is mended by a retry, and how often there was no budget for one.
func ExampleRetryStats() {
	retry, err := breaker.NewRetry(breaker.RetryConfig{Base: 1})
	if err != nil {
		log.Fatal(err)
	}
	for range 3 {
		first := true
		_ = retry.Run(context.Background(), func(context.Context) error {
			if first {
				first = false
				return errors.New("connection reset")
			}
			return nil
		})
	}
	slog.New(untimed()).Info("users", "retry", retry.Stats())
	// Output:
	// level=INFO msg=users retry.failed=3 retry.retries=3 retry.recovered=3 retry.no_budget=0 retry.no_time=0
}
