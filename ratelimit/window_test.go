package ratelimit

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/plinth-go/plinth/internal/seed"
)

// asked is what a limiter is asked some milliseconds after it was made, and has to say.
type asked struct {
	at   int
	n    int64
	want Decision
}

func requireAsked(t *testing.T, l Limiter, made time.Time, all []asked) {
	for i, c := range all {
		require.Equal(t, c.want, l.TakeAt(made.Add(time.Duration(c.at)*time.Millisecond), c.n), "%d: %d at %d ms", i, c.n, c.at)
	}
}

const ms = time.Millisecond

func TestFixedWindow(t *testing.T) {
	w := NewFixedWindow(Per(10, 100*ms))
	requireAsked(t, w, w.made, []asked{
		{0, 0, Decision{OK: true, Limit: 10, Remaining: 10}},
		{90, 4, Decision{OK: true, Limit: 10, Remaining: 6, ResetAfter: 10 * ms}},
		{95, 7, Decision{Limit: 10, Remaining: 6, RetryAfter: 5 * ms, ResetAfter: 5 * ms}},
		{95, 6, Decision{OK: true, Limit: 10, ResetAfter: 5 * ms}},
		{99, 0, Decision{Limit: 10, RetryAfter: ms, ResetAfter: ms}},
		{99, 11, Decision{Limit: 10, RetryAfter: Never, ResetAfter: ms}},
		{99, -1, Decision{Limit: 10, RetryAfter: Never, ResetAfter: ms}},
		{100, 10, Decision{OK: true, Limit: 10, ResetAfter: 100 * ms}},
		{90, 1, Decision{Limit: 10, RetryAfter: 110 * ms, ResetAfter: 110 * ms}},
		{-500, 1, Decision{Limit: 10, RetryAfter: 700 * ms, ResetAfter: 700 * ms}},
		{250, 1, Decision{OK: true, Limit: 10, Remaining: 9, ResetAfter: 50 * ms}},
	})
	w.refundAt(w.made.Add(260*ms), 5)
	requireAsked(t, w, w.made, []asked{
		{260, 0, Decision{OK: true, Limit: 10, Remaining: 10}},
		{260, 3, Decision{OK: true, Limit: 10, Remaining: 7, ResetAfter: 40 * ms}},
	})
	w.refundAt(w.made.Add(300*ms), 3) // has expired
	requireAsked(t, w, w.made, []asked{{300, 10, Decision{OK: true, Limit: 10, ResetAfter: 100 * ms}}})
}

func TestSlidingLog(t *testing.T) {
	l := NewSlidingLog(Per(10, 100*ms))
	requireAsked(t, l, l.made, []asked{
		{0, 0, Decision{OK: true, Limit: 10, Remaining: 10}},
		{50, 4, Decision{OK: true, Limit: 10, Remaining: 6, ResetAfter: 100 * ms}},
		{60, 3, Decision{OK: true, Limit: 10, Remaining: 3, ResetAfter: 100 * ms}},
		{70, 4, Decision{Limit: 10, Remaining: 3, RetryAfter: 80 * ms, ResetAfter: 90 * ms}},
		{70, 8, Decision{Limit: 10, Remaining: 3, RetryAfter: 90 * ms, ResetAfter: 90 * ms}},
		{70, 3, Decision{OK: true, Limit: 10, ResetAfter: 100 * ms}},
		{149, 1, Decision{Limit: 10, RetryAfter: ms, ResetAfter: 21 * ms}},
		{150, 4, Decision{OK: true, Limit: 10, ResetAfter: 100 * ms}},
		{140, 1, Decision{Limit: 10, RetryAfter: 20 * ms, ResetAfter: 110 * ms}},
	})
	l.refundAt(l.made.Add(155*ms), 5) // all 4 of 150 ms, one of 70
	requireAsked(t, l, l.made, []asked{{155, 0, Decision{OK: true, Limit: 10, Remaining: 5, ResetAfter: 15 * ms}}})
	l.refundAt(l.made.Add(160*ms), 100) // the 3 of 60 ms have expired
	requireAsked(t, l, l.made, []asked{{160, 10, Decision{OK: true, Limit: 10, ResetAfter: 100 * ms}}})
	l.refundAt(l.made.Add(260*ms), 1)
	requireAsked(t, l, l.made, []asked{{260, 0, Decision{OK: true, Limit: 10, Remaining: 10}}})
}

func TestSlidingCounter(t *testing.T) {
	c := NewSlidingCounter(Per(10, 100*ms))
	requireAsked(t, c, c.made, []asked{
		{0, 0, Decision{OK: true, Limit: 10, Remaining: 10}},
		{99, 8, Decision{OK: true, Limit: 10, Remaining: 2, ResetAfter: 101 * ms}},
		{99, 3, Decision{Limit: 10, Remaining: 2, RetryAfter: 13500 * time.Microsecond, ResetAfter: 101 * ms}},
		{99, 10, Decision{Limit: 10, Remaining: 2, RetryAfter: 101 * ms, ResetAfter: 101 * ms}},
		{110, 0, Decision{OK: true, Limit: 10, Remaining: 2, ResetAfter: 90 * ms}}, // 8 × 0.9 are 7.2
		{125, 4, Decision{OK: true, Limit: 10, ResetAfter: 175 * ms}},              // 8 × 0.75 are 6
		{125, 1, Decision{Limit: 10, RetryAfter: 12500 * time.Microsecond, ResetAfter: 175 * ms}},
		{120, 1, Decision{Limit: 10, RetryAfter: 17500 * time.Microsecond, ResetAfter: 180 * ms}},
		{125, 7, Decision{Limit: 10, RetryAfter: 100 * ms, ResetAfter: 175 * ms}}, // in the next window: 4 × 0.75 are 3
	})
	c.refundAt(c.made.Add(125*ms), 6) // all 4 of this one, 2 of the one before: 6 × 0.75 are 4.5
	requireAsked(t, c, c.made, []asked{
		{125, 0, Decision{OK: true, Limit: 10, Remaining: 5, ResetAfter: 75 * ms}},
		{200, 10, Decision{OK: true, Limit: 10, ResetAfter: 200 * ms}},
	})
	c.refundAt(c.made.Add(400*ms), 5) // has expired
	requireAsked(t, c, c.made, []asked{{400, 0, Decision{OK: true, Limit: 10, Remaining: 10}}})
}

// TestEdge lets as many come as can just before an edge of windows, and just after it. The
// fixed window admits twice its limit within 12 ms, where 100 ms are to have no more than 10;
// no other does. It is the only one that is asked to.
func TestEdge(t *testing.T) {
	limit, made := Per(10, 100*ms), time.Time{}
	most := map[string]int64{
		"FixedWindow": 20, "SlidingLog": 10, "SlidingCounter": 10,
		"TokenBucket": 11, "LeakyBucket": 11, "GCRA": 11, "LeakyQueue": 11, // 10 at once, and 1.2 in 12 ms
	}
	for _, tr := range trials(limit, 10, 0) {
		made = tr.made
		var admitted int64
		for at := 94 * ms; at <= 106*ms; at += ms / 4 {
			for tr.l.TakeAt(made.Add(at), 1).OK {
				admitted++
			}
		}
		require.Equal(t, most[tr.name], admitted, tr.name)
	}
}

// TestEdgeOfCounter looks for the worst that a sliding counter admits in a period: it is
// more than the limit, and less than twice as much, however one tries.
func TestEdgeOfCounter(t *testing.T) {
	rng := seed.New(t)
	worst := 0
	for range 300 {
		c := NewSlidingCounter(Per(20, 1000))
		var taken []int64
		// One burst at the end of a window, then as much as there is, at the steady pace of the second.
		for ns := midday + rng.Int64N(1000); ns < midday+4000; ns += 1 + rng.Int64N(60) {
			for c.take(ns, 1).OK {
				taken = append(taken, ns)
			}
		}
		for i, from := range taken {
			in := 0
			for _, at := range taken[i:] {
				if at < from+1000 {
					in++
				}
			}
			worst = max(worst, in)
		}
	}
	require.Greater(t, worst, 20)
	require.Less(t, worst, 40)
}

// TestRing grows to the limit and not beyond, and does not allocate any more.
func TestRing(t *testing.T) {
	for _, n := range []int64{1, 3, 4, 5, 100, 1000} {
		l := NewSlidingLog(Per(n, time.Second))
		ns := int64(midday)
		for range 5 * n {
			ns += int64(time.Second)/n + 1
			require.True(t, l.take(ns, 1).OK)
			require.LessOrEqual(t, int64(len(l.ring)), n)
		}
		require.EqualValues(t, n, len(l.ring))
		require.Zero(t, testing.AllocsPerRun(100, func() {
			ns += int64(time.Second)/n + 1
			l.take(ns, 1)
			l.take(ns, n)
			l.refund(ns, 1)
		}))
	}
	l := NewSlidingLog(Per(1<<62, 1<<62))
	l.total, l.gone = math.MaxUint64-2, math.MaxUint64-2 // about to wrap
	for i := range int64(8) {
		require.Equal(t, 1<<62-5*(i+1), l.take(midday+i, 5).Remaining)
	}
	require.Equal(t, time.Duration(1<<62-8+3), l.take(midday+8, 1<<62-22).RetryAfter) // 18 of the 40 must go: 4 times 5
	l.refund(midday+8, 37)
	require.Equal(t, int64(1<<62-3), l.take(midday+8, 0).Remaining)
	require.Equal(t, 1, l.length)
}

// TestNoAllocations decides with every algorithm, and allocates nothing.
func TestNoAllocations(t *testing.T) {
	for _, tr := range trials(PerSecond(1000), 10, 0) {
		for range 20 {
			tr.l.Take(1)
		}
		require.Zero(t, testing.AllocsPerRun(100, func() {
			tr.l.Take(1)
			tr.l.Take(11)
			tr.l.Refund(1)
		}), tr.name)
	}
}
