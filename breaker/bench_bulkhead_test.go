package breaker

import (
	"context"
	"sync"
	"testing"
)

// naiveBulkhead is what most programs have: a channel with room for as many as may run. It has
// no bound for those who wait.
type naiveBulkhead chan struct{}

func (b naiveBulkhead) Run(ctx context.Context, f func(context.Context) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case b <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-b }()
	return f(ctx)
}

// mutexBulkhead counts under a mutex, and refuses when it is full.
type mutexBulkhead struct {
	mu             sync.Mutex
	running, limit int
}

func (b *mutexBulkhead) Run(ctx context.Context, f func(context.Context) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	b.mu.Lock()
	if b.running == b.limit {
		b.mu.Unlock()
		return ErrFull
	}
	b.running++
	b.mu.Unlock()
	defer func() { b.mu.Lock(); b.running--; b.mu.Unlock() }()
	return f(ctx)
}

// slotBulkhead is a Bulkhead by its two steps.
type slotBulkhead struct{ *Bulkhead }

func (b slotBulkhead) Run(ctx context.Context, f func(context.Context) error) error {
	slot, err := b.Acquire(ctx)
	if err != nil {
		return err
	}
	defer slot.Release()
	return f(ctx)
}

// BenchmarkBulkhead is a call of nothing: with room, alone and from all processors; when it is
// full and refuses; and through one place, where all the others wait in line (impl=mutex has
// none).
func BenchmarkBulkhead(b *testing.B) {
	nothing := func(context.Context) error { return nil }
	type guard interface {
		Run(context.Context, func(context.Context) error) error
	}
	impls := func(limit, queue int) map[string]guard {
		plain := bulkhead(b, limit, queue)
		return map[string]guard{
			"plinth": plain, "slot": slotBulkhead{plain},
			"naive": make(naiveBulkhead, limit), "mutex": &mutexBulkhead{limit: limit},
		}
	}
	ctx := context.Background()
	for _, name := range []string{"plinth", "slot", "naive", "mutex"} {
		b.Run("impl="+name+"/case=room", func(b *testing.B) {
			g := impls(100, 0)[name]
			b.ReportAllocs()
			for b.Loop() {
				g.Run(ctx, nothing)
			}
		})
		b.Run("impl="+name+"/case=parallel", func(b *testing.B) {
			g := impls(100, 0)[name]
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					g.Run(ctx, nothing)
				}
			})
		})
		if name != "mutex" {
			b.Run("impl="+name+"/case=line", func(b *testing.B) {
				g := impls(1, 1000)[name]
				b.ReportAllocs()
				b.SetParallelism(8)
				b.RunParallel(func(pb *testing.PB) {
					for pb.Next() {
						g.Run(ctx, nothing)
					}
				})
			})
		}
		if name != "naive" {
			b.Run("impl="+name+"/case=full", func(b *testing.B) {
				g := impls(1, 0)[name]
				b.ReportAllocs()
				g.Run(ctx, func(context.Context) error {
					for b.Loop() {
						g.Run(ctx, nothing)
					}
					return nil
				})
			})
		}
	}
}
