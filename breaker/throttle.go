package breaker

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"
)

// ErrThrottled says that a Throttle did not let a call go: the backend refuses too many.
var ErrThrottled error = refusal("breaker: throttled")

// Throttle refuses calls on behalf of a backend that would refuse them. To refuse a request is
// work as well: a backend that gets ten times what it can serve may do nothing else. So each
// client counts, over the last two minutes, how many requests it was asked for and how many the
// backend accepted, and refuses by itself, by chance, with the probability
//
//	            requests − K·accepts − spare
//	p = max(0,  ────────────────────────────)
//	                    requests + 1
//
// (B. Beyer and others, Site Reliability Engineering, 2016, chapter 21, Client-Side Throttling.)
// What it refuses counts as a request as well, so p follows the demand, and it sends about K
// times what the backend accepts: with K = 2, one request is refused there for each that is
// accepted, and that is how it finds out when there is room for more. There is no open and no
// closed state, and no timer: a backend that accepts half gets all that it can serve.
//
//	asked for   ████████████████████   100/s
//	sent        ██████                  30/s, K times as many as are accepted
//	accepted    ███                     15/s
//
// Two things are not in the book. At the start, requests are waiting for their answers and none
// is accepted yet: so the first few (spare) are free. And when a backend was down for a whole
// window, the book's law lets one request through in a window, and one more for each that is
// accepted, so that it takes many windows until all is well again: so p is bounded. With 100 requests a
// second and a backend that has accepted nothing for 2 windows, all is sent again after
// (TestThrottleRecovers)
//
//	MaxReject    1    0.99    0.9    0.8    0.5
//	windows    4.3  3.1     1.8    1.4    0.8
//
// Time is cut into buckets, and the window is the bucket of now and those before it. Nobody
// locks anything to count: each bucket is two atomics. Whoever comes first in a new bucket makes
// a new span, with the same buckets but the oldest, and their sums; if two do, one wins, and the
// other takes that. Somebody who is slow may add to a bucket that is not of now any more. That
// is no loss: buckets are shared by spans, not copied, so the next sum has it.
//
// Throttle is safe for concurrent use.
//
//	a call     two reads of the clock and two atomic additions; if it may be refused, a mutex for the chance
//	memory     16 bytes a bucket, and a span of 8 bytes a bucket that is made anew for each
//	bad at     few requests (less than spare in a window: it never refuses); one bad backend of many
//	           behind it (have one for each); answers that take longer than the window
type Throttle struct {
	// Immutable.
	made      time.Time
	k         float64
	spare     float64
	maxReject float64
	width     time.Duration // of a bucket
	buckets   int
	accepted  func(error) bool

	span    atomic.Pointer[span] // not nil
	refused atomic.Uint64

	mu     sync.Mutex // a rand.Rand is for one at a time
	chance *rand.Rand // guarded by mu
}

// ThrottleConfig says how a Throttle is to be. The zero ThrottleConfig is a good one. It is a plain
// value: safe for concurrent use as long as nobody changes it.
type ThrottleConfig struct {
	// K is how many requests it sends for each that is accepted: 1 or more, and 2 if it is 0. With
	// 1.1 a backend has little to refuse, but its clients learn late that it has room.
	K float64

	// Window is how long a request counts. 0 is 2 minutes. It should be longer than answers take.
	Window time.Duration

	// Buckets is into how many parts the window is cut: the oldest is forgotten at once, so it is
	// as long as Window at most, and by one part shorter at least. 0 is 60, and 4,096 the most.
	Buckets int

	// Spare is how many requests of a window are free, whatever became of them. 0 is 10, and less
	// is none.
	Spare int

	// MaxReject is the highest probability to refuse a call: more than 0, at most 1. 0 is 0.9, so
	// that a tenth of the calls finds out when a backend that was down is back.
	MaxReject float64

	// Accepted says whether the backend has accepted a call that ended with an error. It is called
	// with nil too. A wrong request is accepted: there is nothing wrong with the backend. The nil
	// func takes nil for accepted and what Classify ignores: a context.Canceled, and what a guard behind
	// it has refused, such as a Bulkhead, which is not the backend.
	Accepted func(error) bool

	// Seed of the random numbers. 0 is a random one.
	Seed uint64
}

// NewThrottle returns one that has seen no request.
func NewThrottle(c ThrottleConfig) (*Throttle, error) {
	t := &Throttle{made: time.Now(), k: c.K, maxReject: c.MaxReject, buckets: c.Buckets, accepted: c.Accepted}
	window := c.Window
	if c.K == 0 {
		t.k = 2
	}
	if c.MaxReject == 0 {
		t.maxReject = 0.9
	}
	if c.Window == 0 {
		window = 2 * time.Minute
	}
	if c.Buckets == 0 {
		t.buckets = 60
	}
	if t.spare = max(float64(c.Spare), 0); c.Spare == 0 {
		t.spare = 10
	}
	if c.Accepted == nil {
		t.accepted = func(err error) bool { return Classify(err) != Failure }
	}
	switch {
	case !(t.k >= 1) || math.IsInf(t.k, 1):
		return nil, fmt.Errorf("breaker: NewThrottle: a K of %v: want a finite number of 1 or more", c.K)
	case !(t.maxReject > 0 && t.maxReject <= 1):
		return nil, fmt.Errorf("breaker: NewThrottle: a MaxReject of %v: want more than 0, at most 1", c.MaxReject)
	case t.buckets < 1 || t.buckets > 4096:
		return nil, fmt.Errorf("breaker: NewThrottle: %d Buckets: want 1 to 4096", c.Buckets)
	case window < time.Duration(t.buckets):
		return nil, fmt.Errorf("breaker: NewThrottle: a Window of %v: want %d ns at least, one for each bucket",
			c.Window, t.buckets)
	}
	t.width = window / time.Duration(t.buckets)
	seed := c.Seed
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.chance = rand.New(rand.NewPCG(seed, 0))
	t.span.Store(&span{buckets: make([]*bucket, t.buckets), now: &bucket{}})
	return t, nil
}

// Run calls f, unless it returns ErrThrottled without that. What f returns says whether the
// backend has accepted the call. If f panics or ends its goroutine, it has not. Run does not
// begin when the context has ended. It panics if f is nil.
func (t *Throttle) Run(ctx context.Context, f func(context.Context) error) error {
	if f == nil {
		panic("breaker: Throttle.Run: a nil function")
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := t.Allow(); err != nil {
		return err
	}
	err := f(ctx) // a call that is over in another way is a request that was not accepted
	t.Done(t.accepted(err))
	return err
}

// Allow is the first half of Run, for what is not one function: it counts a request, and returns
// ErrThrottled if it is not to be sent. If it is, say Done when there is an answer.
func (t *Throttle) Allow() error { return t.allow(time.Since(t.made)) }

// Done says whether the backend has accepted a request that was allowed.
func (t *Throttle) Done(accepted bool) { t.done(time.Since(t.made), accepted) }

func (t *Throttle) allow(now time.Duration) error {
	s := t.at(now)
	p := t.rejection(s.requests+s.now.requests.Add(1)-1, s.accepts+s.now.accepts.Load())
	if p > 0 && t.draw() < p {
		t.refused.Add(1)
		return ErrThrottled
	}
	return nil
}

// done counts an accept of now, and not in the bucket of its request. Run could remember that, and
// would need no second look at the clock. Rejected: all that is in flight counts as not accepted
// then until its bucket is forgotten, so that calls that take a tenth of the window look as if a
// tenth of them was refused, always. As it is, a steady flow has as many accepts as requests, only
// later.
func (t *Throttle) done(now time.Duration, accepted bool) {
	if accepted {
		t.at(now).now.accepts.Add(1)
	}
}

// rejection returns the probability to refuse one request more. (The conversion keeps a compiler
// from a fused multiplication, which would round otherwise.)
func (t *Throttle) rejection(requests, accepts uint64) float64 {
	n := float64(requests)
	p := (n - float64(t.k*float64(accepts)) - t.spare) / (n + 1)
	return min(max(p, 0), t.maxReject)
}

// draw returns a random number from 0 to 1, without 1.
func (t *Throttle) draw() float64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.chance.Float64()
}

// bucket counts what was in a part of the window.
type bucket struct{ requests, accepts atomic.Uint64 }

// span is the window, as long as now is in one bucket. It is immutable, but for what its buckets
// count.
type span struct {
	part              int64     // now is in this part of time
	buckets           []*bucket // those before now, by part modulo their number; nil: there was nothing
	now               *bucket   // in buckets only in the next span
	requests, accepts uint64    // of buckets, when it was made
}

// at returns the span of a time. Who has read the clock before another, and comes later, gets
// the span of that.
func (t *Throttle) at(now time.Duration) *span {
	part := int64(now / t.width)
	for {
		s := t.span.Load()
		if part <= s.part {
			return s
		}
		if next := s.next(part); t.span.CompareAndSwap(s, next) {
			return next
		}
	}
}

// next returns the span of a later part. All that is too old in it is forgotten.
func (s *span) next(part int64) *span {
	n := int64(len(s.buckets))
	next := &span{part: part, buckets: make([]*bucket, n), now: &bucket{}}
	for p := max(part-n+1, 0); p <= s.part; p++ {
		b := s.buckets[p%n]
		if p == s.part {
			b = s.now
		}
		if b != nil {
			next.buckets[p%n] = b
			next.requests += b.requests.Load()
			next.accepts += b.accepts.Load()
		}
	}
	return next
}

// ThrottleStats are what a Throttle knows. It is a plain value, a copy: safe for concurrent use as
// long as nobody changes it. Its fields have names for JSON, so that expvar can publish it.
type ThrottleStats struct {
	Requests  uint64  `json:"requests"`  // in the window, with those that were refused here
	Accepts   uint64  `json:"accepts"`   // in the window, by the backend
	Rejection float64 `json:"rejection"` // the probability to refuse the next one
	Refused   uint64  `json:"refused"`   // with ErrThrottled, since it was made
}

// LogValue makes a group of it in a slog record.
func (s ThrottleStats) LogValue() slog.Value {
	return slog.GroupValue(
		slog.Uint64("requests", s.Requests),
		slog.Uint64("accepts", s.Accepts),
		slog.Float64("rejection", s.Rejection),
		slog.Uint64("refused", s.Refused),
	)
}

// Stats returns the counts. While calls go on, they are of slightly different moments.
func (t *Throttle) Stats() ThrottleStats { return t.stats(time.Since(t.made)) }

func (t *Throttle) stats(now time.Duration) ThrottleStats {
	s := t.at(now)
	requests, accepts := s.requests+s.now.requests.Load(), s.accepts+s.now.accepts.Load()
	return ThrottleStats{requests, accepts, t.rejection(requests, accepts), t.refused.Load()}
}
