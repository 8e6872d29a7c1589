package ratelimit

import (
	"math"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// TestTokenBucket shows what a decision says, at times that are easy to follow.
func TestTokenBucket(t *testing.T) {
	b := NewTokenBucket(PerSecond(10), 3)
	at := func(ms int) time.Time { return b.made.Add(time.Duration(ms) * time.Millisecond) }
	for _, c := range []struct {
		at   int
		n    int64
		want Decision
	}{
		{0, 0, Decision{OK: true, Limit: 3, Remaining: 3}},
		{0, 2, Decision{OK: true, Limit: 3, Remaining: 1, ResetAfter: 200 * ms}},
		{0, 2, Decision{Limit: 3, Remaining: 1, RetryAfter: 100 * ms, ResetAfter: 200 * ms}},
		{50, 1, Decision{OK: true, Limit: 3, Remaining: 0, ResetAfter: 250 * ms}},
		{50, 0, Decision{Limit: 3, RetryAfter: 50 * ms, ResetAfter: 250 * ms}},
		{99, 1, Decision{Limit: 3, RetryAfter: 1 * ms, ResetAfter: 201 * ms}},
		{100, 1, Decision{OK: true, Limit: 3, ResetAfter: 300 * ms}},
		{100, -1, Decision{Limit: 3, RetryAfter: Never, ResetAfter: 300 * ms}},
		{100, 4, Decision{Limit: 3, RetryAfter: Never, ResetAfter: 300 * ms}},
		{90, 1, Decision{Limit: 3, RetryAfter: 110 * ms, ResetAfter: 310 * ms}},
		{5000, 3, Decision{OK: true, Limit: 3, ResetAfter: 300 * ms}},
	} {
		require.Equal(t, c.want, b.TakeAt(at(c.at), c.n), "%d at %d ms", c.n, c.at)
	}
	require.False(t, b.AllowN(-1))
	require.True(t, b.AllowN(0))
	limit, burst := b.Limit()
	require.Equal(t, PerSecond(10), limit)
	require.EqualValues(t, 3, burst)
}

// TestUnlimited asks what has no limit, and gets one later.
func TestUnlimited(t *testing.T) {
	b := NewTokenBucket(Unlimited, 1)
	for _, l := range []Limiter{
		b, NewLeakyBucket(Unlimited, 1), NewGCRA(Unlimited, 1), NewLeakyQueue(Unlimited, 1, time.Second),
		NewFixedWindow(Unlimited), NewSlidingLog(Unlimited), NewSlidingCounter(Unlimited),
	} {
		all := Decision{OK: true, Limit: math.MaxInt64, Remaining: math.MaxInt64}
		for _, n := range []int64{0, 1, math.MaxInt64} {
			require.Equal(t, all, l.Take(n))
		}
		require.Equal(t, Decision{Limit: math.MaxInt64, Remaining: math.MaxInt64, RetryAfter: Never}, l.Take(-1))
		l.Refund(5)
	}
	require.NoError(t, b.Wait(t.Context(), 1))
	b.SetLimit(Per(1, time.Hour), 2)
	require.True(t, b.AllowN(2))
	require.False(t, b.Allow())
	r := b.Reserve(2)
	require.NotZero(t, r.Delay())
	b.SetLimit(Unlimited, 1)
	require.Zero(t, r.Delay())
	require.EqualValues(t, 2, r.Cancel())
	require.True(t, b.Allow())
}

// TestEndOfTime takes a whole burst at the last time that there is. Its tat was that of a
// closed bucket: Take waited for the next one for ever.
func TestEndOfTime(t *testing.T) {
	b := NewTokenBucket(PerSecond(1e9), 1<<62)
	end := b.made.Add(math.MaxInt64)
	require.True(t, b.TakeAt(end, 1<<62).OK)
	require.Equal(t, Decision{Limit: 1 << 62, RetryAfter: 1, ResetAfter: 1 << 62}, b.TakeAt(end, 1))
	b.Refund(1 << 62)
	require.True(t, b.TakeAt(end, 1<<62).OK)
}

// TestReserveNever reserves what would come after the end of time.
func TestReserveNever(t *testing.T) {
	for _, b := range []*TokenBucket{NewTokenBucket(Per(1, math.MaxInt64), 1), NewTokenBucket(Per(1, 365*24*time.Hour), 1<<62)} {
		_, burst := b.Limit()
		require.True(t, b.AllowN(burst))
		r := b.Reserve(min(burst, 1000))
		require.False(t, r.OK())
		require.Equal(t, Never, r.Delay())
		require.EqualValues(t, 0, r.Cancel())
		require.ErrorIs(t, b.Wait(t.Context(), 1<<20), ErrTooMany)
	}
}

// TestRefundOfPart gives back an event when a unit has come in part. With a tat that was
// rounded down then, the bucket was full before its time: by a quarter of an hour here, as
// a unit is as long.
func TestRefundOfPart(t *testing.T) {
	b := NewGCRA(Per(1, time.Hour), 1<<60)
	require.EqualValues(t, 4, b.pace.unit)
	part := int64(midday)
	for now := b.pace.at(part); now.ceil == now.floor; now = b.pace.at(part) {
		part++
	}
	missing := b.pace.at(part).ceil // of a bucket that is full when this unit has come
	b.word.tat.Store(missing)
	now := b.made.Add(time.Duration(part - midday))
	require.Equal(t, int64(1<<60-1), b.TakeAt(now, 0).Remaining)
	require.True(t, b.TakeAt(now, 1).OK)
	b.Refund(1)
	require.Equal(t, int64(1<<60-1), b.TakeAt(now, 0).Remaining)
}

// TestIdleQueue is one in which nobody waits, when a unit has come in part. He who comes
// had to wait for the rest of it.
func TestIdleQueue(t *testing.T) {
	q := NewLeakyQueue(PerSecond(7000), 10, 0)
	for i := range 100 {
		d := q.TakeAt(q.made.Add(time.Duration(i)*time.Second+time.Duration(i)), 1)
		require.True(t, d.OK)
		require.Zero(t, d.Delay)
	}
}

// TestTakenBehindLine takes a token by a clock that is ahead of the others: all in the line
// have had their turn by it. To move up in a line that was not there any more, or to
// change the limit, forgot what was taken.
func TestTakenBehindLine(t *testing.T) {
	for name, forget := range map[string]func(b *TokenBucket, r *Reservation){
		"Cancel": func(b *TokenBucket, r *Reservation) {
			b.reserve(midday, 1, Never, nil)
			r.cancel(midday)
		},
		"SetLimit": func(b *TokenBucket, r *Reservation) {
			b.setLimit(always(midday), &bucket{pace: newPace("", PerSecond(10), 2)})
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := NewTokenBucket(PerSecond(10), 2)
			ahead := b.made.Add(10 * time.Second)
			b.take(midday, 2)
			r, delay := b.reserve(midday, 1, Never, nil)
			require.Equal(t, 100*time.Millisecond, delay)
			require.True(t, b.TakeAt(ahead, 2).OK)
			forget(b, r)
			require.LessOrEqual(t, b.TakeAt(ahead, 0).Remaining, int64(1), "what is cancelled comes back")
		})
	}
}

// TestCancelInTurn cancels after the turn, with others in the line: they move up, as by
// Refund. Else whoever came next went before them.
func TestCancelInTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := NewTokenBucket(PerSecond(10), 2)
		a, c, d := b.Reserve(2), b.Reserve(1), b.Reserve(2)
		require.Equal(t, []time.Duration{0, 1e8, 3e8}, []time.Duration{a.Delay(), c.Delay(), d.Delay()})
		require.EqualValues(t, 2, a.Cancel())
		require.Equal(t, []time.Duration{Never, 0, 1e8}, []time.Duration{a.Delay(), c.Delay(), d.Delay()})
		require.False(t, b.Allow())
		require.EqualValues(t, 0, a.Cancel())
	})
}

// TestLastTurn makes turns so late that they are at the end of time. When one of them
// was cancelled the sum wrapped, and there were tokens.
func TestLastTurn(t *testing.T) {
	b := NewTokenBucket(PerSecond(1e9), 1<<40)
	require.True(t, b.take(midday, 1<<40).OK)
	var line []*Reservation
	for range 3 {
		r, delay := b.reserve(midday, 1<<40, Never, nil)
		require.True(t, r.OK())
		require.NotZero(t, delay)
		line = append(line, r)
	}
	b.setLimit(always(midday), &bucket{pace: newPace("", Per(1, 365*24*time.Hour), 1)})
	for _, r := range line {
		require.Equal(t, time.Duration(lastTurn-b.bucket.Load().full-midday), r.delay(midday))
	}
	for _, i := range []int{1, 0, 2} {
		require.Equal(t, int64(1<<40), line[i].cancel(midday))
		require.False(t, b.take(midday, 1).OK)
	}
	year := int64(365 * 24 * time.Hour)
	require.False(t, b.take(midday+year-1, 1).OK, "it was empty")
	require.True(t, b.take(midday+year, 1).OK)
}

// always is a clock that stands.
func always(ns int64) func() int64 { return func() int64 { return ns } }

// TestSetLimitNoDebt: the clock of a change is read when nobody can take any more. Planted and
// caught: one that is read before.
func TestSetLimitNoDebt(t *testing.T) {
	b := NewTokenBucket(PerSecond(1), 1)
	old := b.bucket.Load()
	b.setLimit(func() int64 {
		require.EqualValues(t, int64(closed), old.tat.Load())
		return sinceNow(b.made)
	}, &bucket{pace: newPace("", Per(1, time.Hour), 1)})
}
