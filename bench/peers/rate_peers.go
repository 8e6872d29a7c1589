package main

import (
	"context"
	"sync"
	"time"

	"github.com/failsafe-go/failsafe-go/ratelimiter"
	limiter "github.com/sethvargo/go-limiter"
	"github.com/sethvargo/go-limiter/memorystore"
	"github.com/throttled/throttled/v2"
	"github.com/throttled/throttled/v2/store/memstore"
	"go.uber.org/ratelimit"
	"golang.org/x/time/rate"

	ours "github.com/plinth-go/plinth/ratelimit"
)

const (
	implXTime     = "x/time"
	implUber      = "uber"
	implThrottled = "throttled"
	implGoLimiter = "go-limiter"
	implFailsafe  = "failsafe"
	implClock     = "clock" // a clock read and nothing else: no limiter is faster
)

// much is a burst that is never used up.
const much = 1 << 30

// rateLoop decides n times, and returns how often it said yes. Each is a loop of its own,
// so that no call through an interface is measured. It is safe for concurrent use.
type rateLoop func(n int) (granted int)

// oneLimiter returns the loop of a library on one limiter, or nil if it has no such
// thing, and what ends it.
func oneLimiter(impl string, denied bool) (loop rateLoop, end func(), err error) {
	end = func() {}
	switch impl {
	case implPlinth, implClock:
		loop = ourLimiter(impl, denied)
	case implXTime:
		l := rate.NewLimiter(1e9, much)
		if denied {
			l = rate.NewLimiter(rate.Every(time.Hour), 1)
		}
		loop = func(n int) (granted int) {
			for range n {
				if l.Allow() {
					granted++
				}
			}
			return granted
		}
	case implUber:
		if denied {
			return nil, end, nil // it cannot say no
		}
		l := ratelimit.New(1e9)
		loop = func(n int) int {
			for range n {
				l.Take()
			}
			return n
		}
	case implFailsafe:
		l := ratelimiter.NewBursty[any](much, time.Second)
		if denied {
			l = ratelimiter.NewBursty[any](1, time.Hour)
		}
		loop = func(n int) (granted int) {
			for range n {
				if l.TryAcquirePermit() {
					granted++
				}
			}
			return granted
		}
	default:
		byKey, end, err := keyedLimiter(impl, 1, denied)
		if err != nil {
			return nil, end, err
		}
		return func(n int) int { return byKey([]string{"one"}, n) }, end, nil
	}
	return loop, end, nil
}

// ourLimiter returns the loop of this module's limiter, or of a clock.
func ourLimiter(impl string, denied bool) rateLoop {
	if impl == implClock {
		start := time.Now()
		return func(n int) (granted int) {
			for range n {
				if (time.Since(start) >= 0) != denied {
					granted++
				}
			}
			return granted
		}
	}
	l := ours.NewTokenBucket(ours.PerSecond(1e9), much)
	if denied {
		l = ours.NewTokenBucket(ours.Per(1, time.Hour), 1)
	}
	return func(n int) (granted int) {
		for range n {
			if l.Allow() {
				granted++
			}
		}
		return granted
	}
}

// keyedLoop decides n times about keys in turn. It is safe for concurrent use.
type keyedLoop func(keys []string, n int) (granted int)

// keyedLimiter returns the loop of a library that has limiters by key, or the one that
// everybody writes around x/time, and what ends it.
func keyedLimiter(impl string, keys int, denied bool) (loop keyedLoop, end func(), err error) {
	end = func() {}
	switch impl {
	case implPlinth:
		loop, err = ourKeyed(keys, denied)
	case implThrottled:
		store, err := memstore.NewCtx(keys)
		if err != nil {
			return nil, end, err
		}
		quota := throttled.RateQuota{MaxRate: throttled.PerSec(1e9), MaxBurst: 1 << 30}
		if denied {
			quota = throttled.RateQuota{MaxRate: throttled.PerHour(1)}
		}
		l, err := throttled.NewGCRARateLimiterCtx(store, quota)
		if err != nil {
			return nil, end, err
		}
		l.SetMaxCASAttemptsLimit(1 << 20) // it gives up after 10 otherwise, when two goroutines come
		loop = func(keys []string, n int) (granted int) {
			for i := range n {
				if limited, _, err := l.RateLimitCtx(context.Background(), keys[i%len(keys)], 1); err == nil && !limited {
					granted++
				}
			}
			return granted
		}
	case implGoLimiter:
		config := memorystore.Config{Tokens: 1 << 62, Interval: time.Hour, InitialAlloc: keys}
		if denied {
			config.Tokens = 1
		}
		var l limiter.Store
		if l, err = memorystore.New(&config); err != nil {
			return nil, end, err
		}
		end = func() { _ = l.Close(context.Background()) }
		loop = func(keys []string, n int) (granted int) {
			for i := range n {
				if _, _, _, ok, err := l.Take(context.Background(), keys[i%len(keys)]); err == nil && ok {
					granted++
				}
			}
			return granted
		}
	case implXTime:
		m := xtimeMap{limiters: make(map[string]*rate.Limiter, keys), rate: 1e9, burst: 1 << 30}
		if denied {
			m.rate, m.burst = rate.Every(time.Hour), 1
		}
		loop = func(keys []string, n int) (granted int) {
			for i := range n {
				if m.allow(keys[i%len(keys)]) {
					granted++
				}
			}
			return granted
		}
	}
	return loop, end, err
}

// ourKeyed returns the loop of this module's limiter by key.
func ourKeyed(keys int, denied bool) (keyedLoop, error) {
	config := ours.KeyedConfig[string]{Rate: ours.PerSecond(1e9), Burst: much, MaxKeys: max(keys+keys/4, 1<<16)} // the default, and what is needed
	if denied {
		config.Rate, config.Burst = ours.Per(1, time.Hour), 1
	}
	l, err := ours.NewKeyed(config)
	if err != nil {
		return nil, err
	}
	return func(keys []string, n int) (granted int) {
		for i := range n {
			if l.Allow(keys[i%len(keys)]) {
				granted++
			}
		}
		return granted
	}, nil
}

// xtimeMap is a limiter by key as programs that use x/time have it: it grows without
// bound. It is safe for concurrent use.
type xtimeMap struct {
	rate  rate.Limit
	burst int

	mu       sync.Mutex
	limiters map[string]*rate.Limiter // guarded by mu
}

func (m *xtimeMap) allow(key string) bool {
	m.mu.Lock()
	l := m.limiters[key]
	if l == nil {
		l = rate.NewLimiter(m.rate, m.burst)
		m.limiters[key] = l
	}
	m.mu.Unlock()
	return l.Allow()
}
