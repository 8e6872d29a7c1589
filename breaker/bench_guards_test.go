package breaker

import (
	"context"
	"errors"
	"testing"
	"time"
)

// BenchmarkSpend is what a budget costs, alone and when all cores want it. In case=full the word
// stays as it is, which is how it is when nothing fails.
func BenchmarkSpend(b *testing.B) {
	budget, _ := NewBudget(BudgetConfig{})
	b.Run("impl=budget/case=earn-full", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			budget.Earn()
		}
	})
	b.Run("impl=budget/case=earn-full-parallel", func(b *testing.B) {
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				budget.Earn()
			}
		})
	})
	even, _ := NewBudget(BudgetConfig{Percent: 100})
	b.Run("impl=budget/case=earn-spend", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			even.Earn()
			even.Spend()
		}
	})
	b.Run("impl=budget/case=earn-spend-parallel", func(b *testing.B) {
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				even.Earn()
				even.Spend()
			}
		})
	})
	b.Run("impl=budget/case=refused", func(b *testing.B) {
		b.ReportAllocs()
		for none := new(Budget); b.Loop(); {
			none.Spend()
		}
	})
}

// BenchmarkGuard is what a guard adds to a call that does nothing.
func BenchmarkGuard(b *testing.B) {
	succeed := func(context.Context) error { return nil }
	broken := errors.New("broken")
	fail := func(context.Context) error { return broken }
	retry, _ := NewRetry(RetryConfig{})
	broke, _ := NewRetry(RetryConfig{Budget: new(Budget)})
	again, _ := NewRetry(RetryConfig{Attempts: 2, Base: 1, Cap: 1, Budget: NoBudget()})
	final, _ := NewRetry(RetryConfig{Retryable: func(error) bool { return false }})
	hedge, _ := NewHedge(HedgeConfig{Delay: time.Minute})
	learning, _ := NewHedge(HedgeConfig{})
	timeout, _ := NewTimeout(time.Minute)
	abandon, _ := NewAbandon(time.Minute)
	for _, c := range []struct {
		name  string
		guard Guard
		f     func(context.Context) error
	}{
		{"impl=chain/case=none", Chain(), succeed},
		{"impl=chain/case=one", Chain(retry), succeed},
		{"impl=chain/case=three", Chain(Chain(), retry, Chain()), succeed},
		{"impl=retry/case=success", retry, succeed},
		{"impl=retry/case=final", final, fail},
		{"impl=retry/case=no-budget-left", broke, fail},
		{"impl=retry/case=one-retry", again, fail},
		{"impl=hedge/case=fixed-delay", hedge, succeed},
		{"impl=hedge/case=quantile", learning, succeed},
		{"impl=timeout/case=cooperative", timeout, succeed},
		{"impl=timeout/case=abandon", abandon, succeed},
	} {
		b.Run(c.name, func(b *testing.B) {
			ctx := b.Context()
			b.ReportAllocs()
			for b.Loop() {
				_ = c.guard.Run(ctx, c.f)
			}
		})
	}
	b.Run("impl=call/case=chain-of-none", func(b *testing.B) {
		ctx, none := b.Context(), Chain()
		three := func(context.Context) (int, error) { return 3, nil }
		b.ReportAllocs()
		for b.Loop() {
			_, _ = Call(ctx, none, three)
		}
	})
}

// BenchmarkLearn is one latency more. Every 16th of them sorts 128, so it is what is paid for that,
// and for a lock.
func BenchmarkLearn(b *testing.B) {
	b.Run("impl=sorted", func(b *testing.B) {
		l, d := latencies{quantile: 0.95}, time.Duration(1)
		b.ReportAllocs()
		for b.Loop() {
			d = d * 48271 % (1<<31 - 1)
			l.add(d)
		}
	})
}
