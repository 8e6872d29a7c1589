package breaker

import (
	"context"
	"testing"
)

// BenchmarkAdaptive is a call of nothing, with room, alone and from all processors, and when it
// is refused. impl=bulkhead has a limit, and does not look for it.
func BenchmarkAdaptive(b *testing.B) {
	nothing := func(context.Context) error { return nil }
	type guard interface {
		Run(context.Context, func(context.Context) error) error
	}
	for _, impl := range []struct {
		name string
		make func(limit int) guard
	}{
		{"aimd", func(n int) guard { return adaptive(b, AdaptiveConfig{Law: AIMD{}, Min: n, Max: n}) }},
		{"gradient", func(n int) guard { return adaptive(b, AdaptiveConfig{Law: Gradient{}, Min: n, Max: n}) }},
		{"bulkhead", func(n int) guard { return bulkhead(b, n, 0) }},
	} {
		ctx := context.Background()
		b.Run("impl="+impl.name+"/case=room", func(b *testing.B) {
			g := impl.make(100)
			b.ReportAllocs()
			for b.Loop() {
				g.Run(ctx, nothing)
			}
		})
		b.Run("impl="+impl.name+"/case=parallel", func(b *testing.B) {
			g := impl.make(100)
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					g.Run(ctx, nothing)
				}
			})
		})
		b.Run("impl="+impl.name+"/case=full", func(b *testing.B) {
			g := impl.make(1)
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
