package cache_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/plinth-go/plinth/cache"
)

func TestExpiryIsExact(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCache(t, cache.Config[string, int]{MaxEntries: 10, TTL: time.Minute})
		c.Set("a", 1)
		c.SetTTL("b", 2, time.Hour)
		c.SetTTL("c", 3, cache.Forever)
		wait(time.Minute - 1)
		_, ok := c.Get("a")
		require.True(t, ok, "a nanosecond before")
		wait(1)
		_, ok = c.Get("a")
		require.False(t, ok, "at the moment")
		_, ok = c.Peek("a")
		require.False(t, ok)
		for k := range c.All() {
			require.NotEqual(t, "a", k)
		}
		wait(2 * time.Millisecond) // the wheel's tick
		require.Equal(t, 2, c.Len(), "Len agrees with Get")
		wait(10 * 365 * 24 * time.Hour)
		require.Equal(t, 1, c.Len())
	})
}

func TestIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCache(t, cache.Config[string, int]{MaxEntries: 10, TTL: time.Hour, IdleTTL: time.Minute})
		c.Set("a", 1)
		for range 59 {
			wait(50 * time.Second)
			_, ok := c.Get("a")
			require.True(t, ok)
			c.Peek("a")
		}
		wait(time.Minute - 1)
		_, ok := c.Peek("a")
		require.True(t, ok)
		wait(1)
		_, ok = c.Get("a")
		require.False(t, ok, "idle for a minute")
		c.Set("b", 1)
		for range 71 {
			wait(50 * time.Second)
			c.Get("b")
		}
		wait(50 * time.Second)
		_, ok = c.Get("b")
		require.False(t, ok, "the hour is over, however busy")
	})
}

// One Set takes out a bounded number of entries, and by and by all.
func TestOneSetExpiresFew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		expired := 0
		c := newCache(t, cache.Config[int, int]{MaxEntries: 1000, OnEvict: func(_, _ int, r cache.Reason) {
			require.Equal(t, cache.Expired, r)
			expired++
		}})
		for i := range 500 {
			c.SetTTL(i, i, time.Second)
		}
		wait(time.Minute)
		for i := range 200 {
			before := expired
			c.Set(1000+i, i)
			require.LessOrEqual(t, expired-before, 8)
		}
		require.Equal(t, 500, expired)
		require.Equal(t, 200, c.Len())
	})
}

func TestRemoveExpired(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCache(t, cache.Config[int, int]{MaxEntries: 10000, TTL: time.Second, Jitter: 0.5})
		for i := range 5000 {
			c.Set(i, i)
		}
		wait(time.Second / 2)
		require.Zero(t, c.RemoveExpired())
		wait(time.Second / 4)
		half := c.RemoveExpired()
		require.InDelta(t, 2500, half, 300, "jitter spreads them")
		wait(time.Second)
		require.Equal(t, 5000-half, c.RemoveExpired())
	})
}

// wait lets time pass in the bubble of a synctest.
func wait(d time.Duration) { <-time.After(d) }
