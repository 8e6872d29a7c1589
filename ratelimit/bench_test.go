package ratelimit

import (
	"testing"
	"time"
)

func BenchmarkAllow(b *testing.B) {
	for _, c := range []struct {
		name  string
		limit Limit
		burst int64
	}{{"granted", PerSecond(1e9), 1 << 40}, {"denied", Per(1, time.Hour), 1}, {"granted-odd", PerSecond(999_999_937), 1 << 40}} {
		b.Run("impl=plinth/case="+c.name, func(b *testing.B) {
			t := NewTokenBucket(c.limit, c.burst)
			t.Allow()
			b.ReportAllocs()
			for b.Loop() {
				t.Allow()
			}
		})
		b.Run("impl=gcra/case="+c.name, func(b *testing.B) {
			t := NewGCRA(c.limit, c.burst)
			t.Allow()
			b.ReportAllocs()
			for b.Loop() {
				t.Allow()
			}
		})
	}
	b.Run("impl=clock", func(b *testing.B) {
		made, sum := time.Now(), time.Duration(0)
		for b.Loop() {
			sum += time.Since(made)
		}
		_ = sum
	})
}
