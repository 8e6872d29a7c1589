package breaker_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"time"

	"github.com/plinth-go/plinth/breaker"
)

func ExampleChain() {
	whole, err := breaker.NewTimeout(time.Minute)
	if err != nil {
		log.Fatal(err)
	}
	retry, err := breaker.NewRetry(breaker.RetryConfig{Base: time.Millisecond})
	if err != nil {
		log.Fatal(err)
	}
	try, err := breaker.NewTimeout(20 * time.Second)
	if err != nil {
		log.Fatal(err)
	}
	guard := breaker.Chain(whole, retry, try) // the first is outermost

	calls := 0
	answer, err := breaker.Call(context.Background(), guard, func(ctx context.Context) (string, error) {
		if calls++; calls == 1 {
			return "", errors.New("connection reset")
		}
		return "an answer", nil
	})
	fmt.Println(answer, err, "after", calls, "calls")
	// Output: an answer <nil> after 2 calls
}

// logged is a Guard of one's own: anything with a Run.
type logged struct{ name string }

func (l logged) Run(ctx context.Context, f func(context.Context) error) error {
	err := f(ctx)
	fmt.Println(l.name, err)
	return err
}

func ExampleGuard() {
	retry, err := breaker.NewRetry(breaker.RetryConfig{Attempts: 2, Base: time.Millisecond})
	if err != nil {
		log.Fatal(err)
	}
	guard := breaker.Chain(logged{"call:"}, retry, logged{"try:"})
	_ = guard.Run(context.Background(), func(context.Context) error { return errors.New("down") })
	// Output:
	// try: down
	// try: down
	// call: breaker: gave up after 2 tries: down
}

func ExampleCall() {
	timeout, err := breaker.NewTimeout(time.Second)
	if err != nil {
		log.Fatal(err)
	}
	n, err := breaker.Call(context.Background(), timeout, func(context.Context) (int, error) { return 42, nil })
	fmt.Println(n, err)
	// Output: 42 <nil>
}
