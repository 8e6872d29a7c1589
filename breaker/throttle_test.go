package breaker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"math/big"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/plinth-go/plinth/internal/seed"
)

func throttle(t testing.TB, c ThrottleConfig) *Throttle {
	t.Helper()
	x, err := NewThrottle(c)
	require.NoError(t, err)
	return x
}

func TestThrottleBadInput(t *testing.T) {
	for want, c := range map[string]ThrottleConfig{
		"K of 0.99":           {K: 0.99},
		"K of -1":             {K: -1},
		"K of NaN":            {K: math.NaN()},
		"K of +Inf":           {K: math.Inf(1)},
		"MaxReject of 1.01":   {MaxReject: 1.01},
		"MaxReject of -0.5":   {MaxReject: -0.5},
		"MaxReject of NaN":    {MaxReject: math.NaN()},
		"-1 Buckets: ":        {Buckets: -1},
		"4097 Buckets: ":      {Buckets: 4097},
		"Window of -1ns":      {Window: -1},
		"Window of 59ns":      {Window: 59},
		"Window of 4.095µs: ": {Window: 4095, Buckets: 4096},
	} {
		x, err := NewThrottle(c)
		require.Nil(t, x)
		require.ErrorContains(t, err, "breaker: NewThrottle: ")
		require.ErrorContains(t, err, want)
	}
	throttle(t, ThrottleConfig{K: 1, MaxReject: 1, Window: 60, Spare: math.MinInt})
	require.PanicsWithValue(t, "breaker: Throttle.Run: a nil function", func() {
		throttle(t, ThrottleConfig{}).Run(t.Context(), nil)
	})
}

// TestThrottleLaw compares the probability with the same in fractions, and with what one can do
// in one's head.
//
// Planted and caught: requests in place of requests+1; no bound below or above; spare that is
// added; no K; requests with the one that is asked for.
func TestThrottleLaw(t *testing.T) {
	book := throttle(t, ThrottleConfig{Spare: -1, MaxReject: 1})
	for _, c := range []struct {
		requests, accepts uint64
		want              float64
	}{{0, 0, 0}, {1, 0, 1. / 2}, {99, 0, 99. / 100}, {99, 50, 0}, {99, 49, 1. / 100}, {99, 25, 49. / 100}, {5, 100, 0}} {
		require.Equal(t, c.want, book.rejection(c.requests, c.accepts), "%+v", c)
	}
	usual := throttle(t, ThrottleConfig{})
	require.Equal(t, 0.9, usual.rejection(1000, 0))
	require.Zero(t, usual.rejection(10, 0))
	require.Equal(t, 1./12, usual.rejection(11, 0))

	for range 50 {
		require.NoError(t, throttle(t, ThrottleConfig{Spare: -1}).Allow(), "the first is never refused")
	}

	r := fixedChance()
	for range 2000 {
		c := ThrottleConfig{K: 1 + r.Float64()*3, Spare: 1 + r.IntN(20), MaxReject: 1 - r.Float64()}
		x, requests := throttle(t, c), uint64(r.Int64N(1<<r.IntN(40)))
		accepts := uint64(float64(requests) * r.Float64())
		p := new(big.Rat).Mul(new(big.Rat).SetFloat64(c.K), new(big.Rat).SetUint64(accepts))
		p.Sub(new(big.Rat).SetUint64(requests), p).Sub(p, big.NewRat(int64(c.Spare), 1))
		p.Quo(p, new(big.Rat).SetUint64(requests+1))
		want, _ := p.Float64()
		require.InDelta(t, min(max(want, 0), c.MaxReject), x.rejection(requests, accepts), 1e-12, "%+v %d %d", c, requests, accepts)
	}
}

// TestThrottleWindow compares the counts with a list of all that was, at times that come in
// order, with gaps.
//
// Planted and caught: a bucket too many, and one too few, in next; next without the bucket of
// its span; buckets that are not dropped after a gap; done that counts always.
func TestThrottleWindow(t *testing.T) {
	type event struct {
		part     int64
		accepted bool
	}
	r := fixedChance()
	for _, buckets := range []int{1, 2, 3, 10} {
		x, now, log := throttle(t, ThrottleConfig{Window: 1000, Buckets: buckets, Spare: -1}), time.Duration(0), []event(nil)
		for range 5000 {
			switch gap := r.IntN(100); {
			case gap == 0:
				now += time.Duration(r.IntN(5000))
			case gap < 30:
				now += time.Duration(r.IntN(100))
			}
			part := int64(now) / int64(1000/buckets)
			if accepted := r.IntN(2) == 0; r.IntN(2) == 0 {
				x.done(now, accepted)
				if accepted {
					log = append(log, event{part, true})
				}
			} else {
				err := x.allow(now)
				require.True(t, err == nil || err == ErrThrottled)
				log = append(log, event{part, false})
			}
			requests, accepts := uint64(0), uint64(0)
			for _, e := range log {
				switch {
				case e.part <= part-int64(buckets):
				case e.accepted:
					accepts++
				default:
					requests++
				}
			}
			s := x.stats(now)
			require.Equal(t, [2]uint64{requests, accepts}, [2]uint64{s.Requests, s.Accepts})
			require.Equal(t, x.rejection(requests, accepts), s.Rejection)
		}
		require.Equal(t, x.at(now), x.at(0), "time does not go back")
	}
}

// flow asks 100 times a second for a while, in a bubble, and returns how many were sent and how
// many of those accepted.
func flow(t *testing.T, x *Throttle, d time.Duration, accept func(sent int) bool) (sent, accepted int) {
	refusal := errors.New("overloaded")
	for range d / (10 * time.Millisecond) {
		<-time.After(10 * time.Millisecond)
		err := x.Run(t.Context(), func(context.Context) error {
			sent++
			if !accept(sent) {
				return refusal
			}
			accepted++
			return nil
		})
		require.True(t, err == nil || err == refusal || err == ErrThrottled)
	}
	return sent, accepted
}

// TestThrottleSteady asks a backend for more than it can serve. Once the window is full, it gets
// K times what it accepts, whatever is asked for; and if it accepts a part of what it gets, all or
// next to nothing, as the part is more or less than 1/K.
//
// Planted and caught: p of accepts without K; a chance that is always 0, and always 1.
func TestThrottleSteady(t *testing.T) {
	const window = 10 * time.Second
	for _, k := range []float64{1.25, 2, 4} {
		synctest.Test(t, func(t *testing.T) {
			x, start := throttle(t, ThrottleConfig{K: k, Window: window, Seed: 1}), time.Now()
			second, served := time.Duration(-1), 0
			upTo20 := func(int) bool { // in a second
				if now := time.Since(start) / time.Second; now != second {
					second, served = now, 0
				}
				served++
				return served <= 20
			}
			flow(t, x, 3*window, upTo20)
			sent, accepted := flow(t, x, 12*window, upTo20)
			require.InDelta(t, 20*120, accepted, 60) // chance does not always send as many as that in a second
			require.InDelta(t, k, float64(sent)/float64(accepted), 0.06*k)
		})
	}
	for part, want := range map[int]float64{75: 1, 40: 0.1} { // of 100; 0.1 is what MaxReject leaves
		synctest.Test(t, func(t *testing.T) {
			x := throttle(t, ThrottleConfig{Window: window, Seed: 1})
			flow(t, x, 8*window, func(sent int) bool { return sent*part%100 < part })
			sent, _ := flow(t, x, 4*window, func(sent int) bool { return sent*part%100 < part })
			require.InDelta(t, want, float64(sent)/(4*1000), 0.02)
		})
	}
}

// TestThrottleForgets what is longer ago than the window: to the nanosecond.
func TestThrottleForgets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := throttle(t, ThrottleConfig{Seed: 1})
		sent, _ := flow(t, x, time.Minute, func(int) bool { return false })
		require.Less(t, sent, 1000)
		require.Equal(t, 0.9, x.Stats().Rejection)
		require.EqualValues(t, 6000, x.Stats().Requests)
		require.EqualValues(t, 6000-sent, x.Stats().Refused)
		<-time.After(2*time.Minute - 2*time.Second - 1)
		require.Positive(t, x.Stats().Requests)
		<-time.After(2*time.Second + 1)
		require.Equal(t, ThrottleStats{Refused: uint64(6000 - sent)}, x.Stats())
		sent, _ = flow(t, x, time.Minute, func(int) bool { return true })
		require.Equal(t, 6000, sent)
	})
}

// TestThrottlePatient has calls that take half of the window, all accepted, and a K below 2: in the
// end none is refused.
func TestThrottlePatient(t *testing.T) {
	x := throttle(t, ThrottleConfig{K: 1.5, Seed: 1})
	const gap, takes = 100 * time.Millisecond, time.Minute
	last, answers := time.Duration(0), []time.Duration(nil)
	for now := time.Duration(0); now < time.Hour; now += gap {
		for len(answers) > 0 && answers[0] <= now {
			x.done(now, true)
			answers = answers[1:]
		}
		if x.allow(now) == nil {
			answers = append(answers, now+takes)
		} else {
			last = now
		}
	}
	require.Less(t, last, 30*time.Minute) // at first there are no answers
	require.Zero(t, x.stats(time.Hour).Rejection)
}

// TestThrottleRecovers says how long it takes after an outage until all is sent again. The table
// is that of the comment of Throttle.
func TestThrottleRecovers(t *testing.T) {
	const gap, window = 10 * time.Millisecond, 2 * time.Minute
	table := ""
	for _, maxReject := range []float64{1, 0.99, 0.9, 0.8, 0.5} {
		sum := time.Duration(0)
		for seed := range uint64(5) {
			x, now := throttle(t, ThrottleConfig{MaxReject: maxReject, Seed: seed + 1}), time.Duration(0)
			for ; now < 2*window; now += gap {
				_ = x.allow(now)
			}
			for ; x.stats(now).Rejection > 0; now += gap {
				if x.allow(now) == nil {
					x.done(now, true)
				}
			}
			sum += now - 2*window
		}
		table += fmt.Sprintf(" %.1f", float64(sum)/5/float64(window))
	}
	require.Equal(t, " 4.3 3.1 1.8 1.4 0.8", table)
}

// TestThrottleSeed gives the same decisions for the same seed, and others for others.
func TestThrottleSeed(t *testing.T) {
	decisions := func(seed uint64) (d [64]bool) {
		x := throttle(t, ThrottleConfig{Seed: seed, MaxReject: 0.5, Spare: -1})
		for i := range d {
			d[i] = x.allow(0) == nil
		}
		return d
	}
	require.Equal(t, decisions(7), decisions(7))
	require.NotEqual(t, decisions(7), decisions(8))
	require.NotEqual(t, decisions(0), decisions(0))
}

// TestThrottleRace lets many count at once, while parts go by. None is lost that is in the
// window, and Run may be called by all.
//
// Planted and caught: a Store in place of the CAS in at; and with -race, draw without mu.
func TestThrottleRace(t *testing.T) {
	const callers, rounds = 8, 5000
	x, refusing := throttle(t, ThrottleConfig{Window: time.Hour, Buckets: 1500}), throttle(t, ThrottleConfig{MaxReject: 0.5})
	start, wg := make(chan struct{}), sync.WaitGroup{}
	from := seed.Value(t)
	for i := range callers {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(from, uint64(i)))
			<-start
			for j := range time.Duration(rounds) {
				now := (j/4 + time.Duration(r.IntN(2))) * x.width // 1,250 parts, of which all are in the window
				_ = x.allow(now)
				x.done(now, true)
				_ = refusing.Allow()
			}
		})
	}
	close(start)
	wg.Wait()
	s := x.stats(1400 * x.width)
	require.EqualValues(t, callers*rounds, s.Requests)
	require.EqualValues(t, callers*rounds, s.Accepts)
	require.InDelta(t, callers*rounds/2, refusing.Stats().Refused, callers*rounds/20)
}

// TestThrottleSlow counts for somebody who has got a span, and adds to its bucket when others are
// in the next: it is seen in the one after that.
//
// Planted and caught: spans that copy what their buckets have counted.
func TestThrottleSlow(t *testing.T) {
	x := throttle(t, ThrottleConfig{Buckets: 3})
	s := x.at(0)
	x.at(x.width)
	s.now.requests.Add(1)
	s.now.accepts.Add(1)
	require.Zero(t, x.stats(x.width).Requests)
	require.Equal(t, ThrottleStats{Requests: 1, Accepts: 1}, x.stats(2*x.width))
	require.Zero(t, x.stats(3*x.width).Requests)
}

// TestThrottleEnds counts a call that panics, or ends its goroutine, and one that is over in time.
//
// Planted and caught: accepted that is said in a defer, or for each call.
func TestThrottleEnds(t *testing.T) {
	x, broken := throttle(t, ThrottleConfig{}), errors.New("broken")
	counts := func(requests, accepts uint64) {
		t.Helper()
		require.Equal(t, ThrottleStats{Requests: requests, Accepts: accepts}, x.Stats())
	}
	require.PanicsWithValue(t, "oh", func() {
		x.Run(t.Context(), func(context.Context) error { panic("oh") })
	})
	counts(1, 0)
	var wg sync.WaitGroup
	wg.Go(func() { x.Run(t.Context(), func(context.Context) error { runtime.Goexit(); return nil }) })
	wg.Wait()
	counts(2, 0)
	require.Same(t, broken, x.Run(t.Context(), func(context.Context) error { return broken }))
	counts(3, 0)
	for i, err := range []error{nil, context.Canceled, fmt.Errorf("get: %w", context.Canceled)} {
		require.Equal(t, err, x.Run(t.Context(), func(context.Context) error { return err }))
		counts(4+uint64(i), 1+uint64(i))
	}
	require.Error(t, x.Run(t.Context(), func(context.Context) error { return context.DeadlineExceeded }))
	counts(7, 3)
	full := bulkhead(t, 1, 0)
	_, err := full.Acquire(t.Context())
	require.NoError(t, err)
	require.Equal(t, ErrFull, Chain(x, full).Run(t.Context(), func(context.Context) error { panic("it runs") }))
	counts(8, 4) // the backend has refused nothing
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, x.Run(ended, func(context.Context) error { panic("it runs") }), context.Canceled)
	counts(8, 4)

	lenient := throttle(t, ThrottleConfig{Accepted: func(err error) bool { return err == broken }})
	require.NoError(t, lenient.Run(t.Context(), func(context.Context) error { return nil }))
	require.Same(t, broken, lenient.Run(t.Context(), func(context.Context) error { return broken }))
	require.Equal(t, ThrottleStats{Requests: 2, Accepts: 1}, lenient.Stats())
}

func TestThrottleStats(t *testing.T) {
	s := ThrottleStats{1, 2, 0.5, 4}
	text, err := json.Marshal(s)
	require.NoError(t, err)
	require.JSONEq(t, `{"requests":1,"accepts":2,"rejection":0.5,"refused":4}`, string(text))
	require.Equal(t, "[requests=1 accepts=2 rejection=0.5 refused=4]", slog.AnyValue(s).Resolve().String())
}

func TestThrottleAllocatesNothing(t *testing.T) {
	x, broken := throttle(t, ThrottleConfig{Window: time.Hour, MaxReject: 0.5}), errors.New("broken")
	f := func(context.Context) error { return broken }
	require.Zero(t, testing.AllocsPerRun(1000, func() { x.Run(t.Context(), f) }))
	require.Positive(t, x.Stats().Refused)
}
