package breaker

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"testing"
	"time"
)

// naiveThrottle is the same under a mutex, with a window of two halves in which all is
// forgotten at once.
type naiveThrottle struct {
	mu                sync.Mutex
	since             time.Time
	requests, accepts float64
}

func (n *naiveThrottle) Run(ctx context.Context, f func(context.Context) error) error {
	n.mu.Lock()
	if now := time.Now(); now.Sub(n.since) > 2*time.Minute {
		n.since, n.requests, n.accepts = now, 0, 0
	}
	p := (n.requests - 2*n.accepts - 10) / (n.requests + 1)
	n.requests++
	refused := p > 0 && rand.Float64() < min(p, 0.9)
	n.mu.Unlock()
	if refused {
		return ErrThrottled
	}
	err := f(ctx)
	if err == nil {
		n.mu.Lock()
		n.accepts++
		n.mu.Unlock()
	}
	return err
}

// BenchmarkThrottle is a call of nothing, alone and from all processors: by a backend that
// accepts all, and by one that accepts nothing, so that 9 of 10 calls are refused here. (The naive
// one reads the clock once for a call, and the other twice.)
func BenchmarkThrottle(b *testing.B) {
	overloaded := errors.New("overloaded")
	for _, c := range []struct {
		name string
		f    func(context.Context) error
	}{
		{"accepts", func(context.Context) error { return nil }},
		{"refuses", func(context.Context) error { return overloaded }},
	} {
		for _, name := range []string{"plinth", "naive"} {
			impl := func() interface {
				Run(context.Context, func(context.Context) error) error
			} {
				if name == "naive" {
					return &naiveThrottle{since: time.Now()}
				}
				return throttle(b, ThrottleConfig{})
			}
			ctx := context.Background()
			b.Run("impl="+name+"/case="+c.name, func(b *testing.B) {
				g := impl()
				b.ReportAllocs()
				for b.Loop() {
					g.Run(ctx, c.f)
				}
			})
			b.Run("impl="+name+"/case="+c.name+"-parallel", func(b *testing.B) {
				g := impl()
				b.ReportAllocs()
				b.RunParallel(func(pb *testing.PB) {
					for pb.Next() {
						g.Run(ctx, c.f)
					}
				})
			})
		}
	}
}

// BenchmarkThrottleSpan is what one call in each part of the window pays for all others.
func BenchmarkThrottleSpan(b *testing.B) {
	x, now := throttle(b, ThrottleConfig{}), time.Duration(0)
	b.ReportAllocs()
	for b.Loop() {
		x.at(now)
		now += x.width
	}
}
