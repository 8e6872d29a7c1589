package breaker

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"
)

// naiveBreaker is what fits on a slide: a mutex around everything, failures in a row.
type naiveBreaker struct {
	mu       sync.Mutex
	failures int
	until    time.Time
}

func (n *naiveBreaker) run(ctx context.Context, f func(context.Context) (int, error)) (int, error) {
	n.mu.Lock()
	open := time.Now().Before(n.until)
	n.mu.Unlock()
	if open {
		return 0, ErrOpen
	}
	result, err := f(ctx)
	n.mu.Lock()
	defer n.mu.Unlock()
	if err == nil {
		n.failures = 0
	} else if n.failures++; n.failures == 5 {
		n.until = time.Now().Add(time.Minute)
	}
	return result, err
}

// BenchmarkDo is a call that does nothing, by rule, from one goroutine and from all processors,
// and one that is refused.
func BenchmarkDo(b *testing.B) {
	ctx := context.Background()
	work := func(context.Context) (int, error) { return 1, nil }
	run := func(name string, do func()) {
		b.Run(name+"/goroutines=1", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				do()
			}
		})
		b.Run(name+"/goroutines=all", func(b *testing.B) {
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					do()
				}
			})
		})
	}
	for _, c := range []struct {
		name string
		trip Trip
	}{
		{"row", ConsecutiveFailures(5)},
		{"calls", FailureRate(0.5, 20, LastCalls(100))},
		{"time", FailureRate(0.5, 20, LastTime(10*time.Second))},
		{"slow", SlowRate(time.Second, 0.5, 20, LastTime(10*time.Second))},
	} {
		br := must(b, Config{Trip: c.trip})
		run(fmt.Sprintf("impl=plinth/case=%s", c.name), func() { _, _ = Do(ctx, br, work) })
	}
	open := must(b, Config{OpenFor: time.Hour, MaxOpenFor: time.Hour})
	open.trip(open.period.Load(), unread)
	run("impl=plinth/case=refused", func() { _, _ = Do(ctx, open, work) })
	naive := &naiveBreaker{}
	run("impl=naive/case=row", func() { _, _ = naive.run(ctx, work) })
	refused := &naiveBreaker{until: time.Now().Add(time.Hour)}
	run("impl=naive/case=refused", func() { _, _ = refused.run(ctx, work) })
	made := time.Now()
	run("impl=clock/case=none", func() { _ = time.Since(made) })
}
