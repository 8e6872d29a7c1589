package ratelimit

import (
	"testing"
	"time"
)

// BenchmarkAllow is one decision. In impl=clock nothing is decided: the time is all that it
// takes to know what time it is.
func BenchmarkAllow(b *testing.B) {
	for _, c := range []struct {
		name  string
		limit Limit
		burst int64
	}{{"granted", PerSecond(1e9), 1 << 40}, {"denied", Per(1, time.Hour), 1}, {"granted-odd", PerSecond(999_999_937), 1 << 40}} {
		for _, impl := range []struct {
			name string
			l    interface{ Allow() bool }
		}{
			{"plinth", NewTokenBucket(c.limit, c.burst)},
			{"gcra", NewGCRA(c.limit, c.burst)},
			{"naive", newNaiveBucket(c.limit, c.burst, time.Now())},
		} {
			b.Run("impl="+impl.name+"/case="+c.name, func(b *testing.B) {
				impl.l.Allow()
				b.ReportAllocs()
				for b.Loop() {
					impl.l.Allow()
				}
			})
		}
	}
	b.Run("impl=clock", func(b *testing.B) {
		made, sum := time.Now(), time.Duration(0)
		for b.Loop() {
			sum += time.Since(made)
		}
		_ = sum
	})
}

// BenchmarkTake is one decision of every algorithm, with all that it says: of each second
// 10,000 are granted, and the rest is refused.
func BenchmarkTake(b *testing.B) {
	for _, c := range []struct {
		name string
		n    int64
	}{{"mostly-denied", 10_000}, {"granted", 1e9}} {
		for _, tr := range trials(PerSecond(c.n), c.n, 0) {
			if tr.name == "SlidingLog" && c.n == 1e9 {
				continue // it would remember them all
			}
			b.Run("impl="+tr.name+"/case="+c.name, func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					tr.l.Take(1)
				}
			})
		}
	}
}
