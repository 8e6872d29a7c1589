package breaker_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"os"
	"sync"

	"github.com/plinth-go/plinth/breaker"
)

// Of five reports that are asked for at once, two run, one waits, and two are refused.
func ExampleBulkhead() {
	reports, err := breaker.NewBulkhead(2, 1)
	if err != nil {
		log.Fatal(err)
	}
	var wg sync.WaitGroup
	finish, refused := make(chan struct{}), make(chan error, 5)
	for range 5 {
		wg.Go(func() {
			err := reports.Run(context.Background(), func(context.Context) error {
				<-finish
				return nil
			})
			if errors.Is(err, breaker.ErrFull) {
				refused <- err
			}
		})
	}
	fmt.Println(<-refused)
	fmt.Println(<-refused)
	close(finish)
	wg.Wait()
	fmt.Println("at most", reports.Stats().Peak, "at a time")
	// Output:
	// breaker: the bulkhead is full
	// breaker: the bulkhead is full
	// at most 2 at a time
}

func ExampleSlot() {
	uploads, err := breaker.NewBulkhead(1, 0)
	if err != nil {
		log.Fatal(err)
	}
	slot, err := uploads.Acquire(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	_, err = uploads.Acquire(context.Background())
	fmt.Println(err)

	slot.Release()
	slot.Release() // harmless: so an early one and a deferred one go together
	fmt.Println("running:", uploads.Stats().Running)
	// Output:
	// breaker: the bulkhead is full
	// running: 0
}

func ExampleBulkheadStats() {
	uploads, err := breaker.NewBulkhead(1, 0)
	if err != nil {
		log.Fatal(err)
	}
	nothing := func(context.Context) error { return nil }
	err = uploads.Run(context.Background(), func(ctx context.Context) error {
		return uploads.Run(ctx, nothing) // there is no place for both
	})
	fmt.Println(err)
	slog.New(untimed()).Info("uploads", "bulkhead", uploads.Stats())
	// Output:
	// breaker: the bulkhead is full
	// level=INFO msg=uploads bulkhead.running=0 bulkhead.waiting=0 bulkhead.peak=1 bulkhead.refused=1 bulkhead.gave_up=0
}

// untimed writes records without their time.
func untimed() slog.Handler {
	return slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{
		ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey {
				return slog.Attr{}
			}
			return a
		},
	})
}
