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

var errDown = errors.New("connection refused")

func Example() {
	db, err := breaker.New(breaker.Config{
		Name:    "db",
		Trip:    breaker.FailureRate(0.5, 4, breaker.LastTime(10*time.Second)),
		OpenFor: time.Minute,
	})
	if err != nil {
		log.Fatal(err)
	}
	db.OnStateChange(func(c breaker.Change) { fmt.Println(c.Name, "was", c.From, "and is", c.To) })

	for range 6 {
		rows, err := breaker.Do(context.Background(), db, func(ctx context.Context) (int, error) {
			return 0, errDown
		})
		var open *breaker.OpenError
		if errors.As(err, &open) {
			fmt.Println("refused; again in less than a minute:", open.RetryAfter() < time.Minute)
			continue
		}
		fmt.Println(rows, err)
	}
	// Output:
	// 0 connection refused
	// 0 connection refused
	// 0 connection refused
	// db was closed and is open
	// 0 connection refused
	// refused; again in less than a minute: true
	// refused; again in less than a minute: true
}

// What has no result is called by Run.
func ExampleBreaker() {
	index, err := breaker.New(breaker.Config{Trip: breaker.ConsecutiveFailures(2), OpenFor: time.Minute})
	if err != nil {
		log.Fatal(err)
	}
	for range 3 {
		fmt.Println(index.Run(context.Background(), func(context.Context) error { return errDown }))
	}
	// Output:
	// connection refused
	// connection refused
	// breaker: open
}

// All of it, for a service that takes a while to get well: it is left alone for 5 s, then 10, 20 and so on
// up to a minute, and three probes must succeed.
func ExampleConfig() {
	_, err := breaker.New(breaker.Config{
		Name:         "search",
		Trip:         breaker.FailureRate(0.3, 50, breaker.LastTime(30*time.Second)),
		OpenFor:      5 * time.Second,
		MaxOpenFor:   time.Minute,
		Jitter:       0.5,
		Probes:       1,
		Successes:    3,
		ProbeTimeout: 2 * time.Second,
		Classify: func(err error) breaker.Outcome {
			if errors.Is(err, context.DeadlineExceeded) {
				return breaker.Ignore // our deadlines are short
			}
			return breaker.Classify(err)
		},
	})
	fmt.Println(err)
	// Output: <nil>
}

// The states that are set by hand, and whether calls go through in them.
func ExampleState() {
	db, err := breaker.New(breaker.Config{})
	if err != nil {
		log.Fatal(err)
	}
	for _, by := range []func(){func() {}, db.ForceOpen, db.Disable, db.Reset} {
		by()
		_, err := db.Allow()
		fmt.Println(db.State(), err)
	}
	// Output:
	// closed <nil>
	// forced-open breaker: forced-open
	// disabled <nil>
	// closed <nil>
}

// A hook can ask for how long the circuit is open, at least.
func ExampleChange() {
	db, err := breaker.New(breaker.Config{
		Name: "db", Trip: breaker.ConsecutiveFailures(1), OpenFor: time.Minute, Jitter: breaker.NoJitter,
	})
	if err != nil {
		log.Fatal(err)
	}
	db.OnStateChange(func(c breaker.Change) {
		if c.To == breaker.Open {
			fmt.Println(c.Name, "is not asked for", c.Until.Sub(c.At))
		}
	})
	_ = db.Run(context.Background(), func(context.Context) error { return errDown })
	// Output: db is not asked for 1m0s
}

// What an error says about who was called, unless Config.Classify says something else.
func ExampleOutcome() {
	for _, err := range []error{nil, errDown, context.DeadlineExceeded, context.Canceled, breaker.ErrFull} {
		fmt.Println(breaker.Classify(err), "-", err)
	}
	// Output:
	// success - <nil>
	// failure - connection refused
	// failure - context deadline exceeded
	// ignore - context canceled
	// ignore - breaker: the bulkhead is full
}

// What became of what a call says.
func ExampleVerdict() {
	db, err := breaker.New(breaker.Config{})
	if err != nil {
		log.Fatal(err)
	}
	well, _ := db.Allow()
	gone, _ := db.Allow()
	late, _ := db.Allow()
	fmt.Println(well.Done(nil))
	fmt.Println(gone.Done(context.Canceled))
	db.Reset() // the period in which the last one began is over
	fmt.Println(late.Done(nil))
	// Output:
	// counted
	// ignored
	// stale
}

// A window of the last three calls: the fourth takes the place of the first.
func ExampleCounts() {
	db, err := breaker.New(breaker.Config{Trip: breaker.FailureRate(1, 3, breaker.LastCalls(3))})
	if err != nil {
		log.Fatal(err)
	}
	for _, said := range []error{errDown, errDown, nil, nil} {
		_ = db.Run(context.Background(), func(context.Context) error { return said })
		fmt.Printf("%+v\n", db.Counts())
	}
	// Output:
	// {Calls:1 Failures:1 Slow:0}
	// {Calls:2 Failures:2 Slow:0}
	// {Calls:3 Failures:2 Slow:0}
	// {Calls:3 Failures:1 Slow:0}
}

// Three of six calls fail: that is half of those of the last minute, and a quarter of the last four.
func ExampleWindow() {
	for _, window := range []breaker.Window{breaker.LastCalls(4), breaker.LastTime(time.Minute)} {
		db, err := breaker.New(breaker.Config{Trip: breaker.FailureRate(0.5, 4, window), OpenFor: time.Minute})
		if err != nil {
			log.Fatal(err)
		}
		for _, said := range []error{errDown, errDown, nil, nil, nil, errDown} {
			_ = db.Run(context.Background(), func(context.Context) error { return said })
		}
		fmt.Println(db.State(), db.Counts().Calls)
	}
	// Output:
	// closed 4
	// open 0
}

// In two steps, where the call begins in one function and ends in another.
func ExamplePermit() {
	db, err := breaker.New(breaker.Config{Trip: breaker.ConsecutiveFailures(1), OpenFor: time.Minute})
	if err != nil {
		log.Fatal(err)
	}
	first, err := db.Allow()
	if err != nil {
		log.Fatal(err)
	}
	second, err := db.Allow()
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(first.Done(errDown), db.State())
	fmt.Println(second.Done(nil), db.State()) // it began before
	fmt.Println(second.Done(nil))
	// Output:
	// counted open
	// stale open
	// ignored
}

// An error says when it is worth to come again. Here a probe hangs, and nobody is let through until
// its time is over.
func ExampleOpenError() {
	db, err := breaker.New(breaker.Config{
		Name: "db", Trip: breaker.ConsecutiveFailures(1), OpenFor: 1, Jitter: breaker.NoJitter, ProbeTimeout: time.Hour,
	})
	if err != nil {
		log.Fatal(err)
	}
	_ = db.Run(context.Background(), func(context.Context) error { return errDown })
	for db.State() == breaker.Open { // for a nanosecond
	}
	if _, err = db.Allow(); err != nil { // and there is no Done
		log.Fatal(err)
	}
	_, err = db.Allow()
	var open *breaker.OpenError
	fmt.Println(errors.Is(err, breaker.ErrOpen), errors.As(err, &open))
	fmt.Println(open)
	fmt.Println(open.State(), open.RetryAfter().Round(time.Minute))
	// Output:
	// true true
	// breaker: "db" is half-open
	// half-open 1h0m0s
}

// Stats are for expvar and for logs.
func ExampleStats() {
	db, err := breaker.New(breaker.Config{Trip: breaker.ConsecutiveFailures(2)})
	if err != nil {
		log.Fatal(err)
	}
	_ = db.Run(context.Background(), func(context.Context) error { return errDown })
	fmt.Println(expvar.Func(func() any { return db.Stats() }))
	slog.New(untimed()).Info("breaker", "db", db.Stats())
	// Output:
	// {"state":"closed","counts":{"calls":1,"failures":1,"slow":0},"probes":0,"opened":0,"rejected":0,"ignored":0,"stale":0}
	// level=INFO msg=breaker db.state=closed db.calls=1 db.failures=1 db.slow=0 db.probes=0 db.opened=0 db.rejected=0 db.ignored=0 db.stale=0
}

// What is not found is found out well.
func ExampleClassify() {
	notFound := errors.New("not found")
	db, err := breaker.New(breaker.Config{Classify: func(err error) breaker.Outcome {
		if errors.Is(err, notFound) {
			return breaker.Success
		}
		return breaker.Classify(err)
	}})
	if err != nil {
		log.Fatal(err)
	}
	for range 100 {
		_ = db.Run(context.Background(), func(context.Context) error { return notFound })
	}
	fmt.Println(db.State(), db.Counts().Failures)
	// Output: closed 0
}

func ExampleTrip() {
	_, err := breaker.New(breaker.Config{Trip: breaker.AnyOf(
		breaker.ConsecutiveFailures(5),
		breaker.FailureRate(0.5, 20, breaker.LastCalls(100)),
		breaker.SlowRate(time.Second, 0.8, 20, breaker.LastTime(time.Minute)),
	)})
	fmt.Println(err)
	_, err = breaker.New(breaker.Config{Trip: breaker.FailureRate(0.5, 200, breaker.LastCalls(100))})
	fmt.Println(err)
	// Output:
	// <nil>
	// breaker: New: Trip: at least 200 calls of the last 100: the circuit would never open
}

// Each change is a line of the log.
func ExampleBreaker_OnStateChange() {
	db, err := breaker.New(breaker.Config{
		Name: "db", Trip: breaker.ConsecutiveFailures(1), OpenFor: time.Minute, Jitter: breaker.NoJitter,
	})
	if err != nil {
		log.Fatal(err)
	}
	logger := slog.New(untimed())
	db.OnStateChange(func(c breaker.Change) { logger.Warn("breaker", "change", c) })
	_ = db.Run(context.Background(), func(context.Context) error { return errDown })
	db.Reset()
	// Output:
	// level=WARN msg=breaker change.name=db change.from=closed change.to=open change.for=1m0s
	// level=WARN msg=breaker change.name=db change.from=open change.to=closed
}

func ExampleBreaker_ForceOpen() {
	db, err := breaker.New(breaker.Config{Name: "db"})
	if err != nil {
		log.Fatal(err)
	}
	db.ForceOpen() // maintenance
	fmt.Println(db.Run(context.Background(), func(context.Context) error { return nil }))
	db.Reset()
	fmt.Println(db.Run(context.Background(), func(context.Context) error { return nil }))
	// Output:
	// breaker: "db" is forced-open
	// <nil>
}
