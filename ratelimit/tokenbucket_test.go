package ratelimit

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestTokenBucket(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := NewTokenBucket(PerSecond(1000), 1)
		start := time.Now()
		for range 1001 {
			require.NoError(t, b.Wait(context.Background(), 1))
		}
		require.Equal(t, time.Second, time.Since(start))
		a, c, d := b.Reserve(1), b.Reserve(1), b.Reserve(1)
		require.Equal(t, []time.Duration{1e6, 2e6, 3e6}, []time.Duration{a.Delay(), c.Delay(), d.Delay()})
		require.EqualValues(t, 1, a.Cancel())
		require.Equal(t, []time.Duration{Never, 1e6, 2e6}, []time.Duration{a.Delay(), c.Delay(), d.Delay()})
		b.SetLimit(PerSecond(100), 1)
		require.Equal(t, []time.Duration{Never, 1e7, 2e7}, []time.Duration{a.Delay(), c.Delay(), d.Delay()})
	})
	b := NewTokenBucket(PerSecond(3), 2)
	now := time.Now()
	t.Log(b.TakeAt(now, 1), b.TakeAt(now, 0), b.TakeAt(now, 3), b.TakeAt(now, 2), b.TakeAt(now, -1), b.TakeAt(now.Add(time.Hour), 2))
	q := NewLeakyQueue(PerSecond(10), 3, 0)
	t.Log(q.TakeAt(now, 1), q.TakeAt(now, 1), q.TakeAt(now, 1), q.TakeAt(now, 1))
	for _, p := range []pace{newPace("", Per(1, 365*24*time.Hour), 1<<62), newPace("", PerSecond(1e9), 1<<62), newPace("", PerSecond(999_999_937), 5)} {
		t.Log(p, p.at(midday), p.at(midday+1))
	}
}
