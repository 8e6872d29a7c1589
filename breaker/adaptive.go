package breaker

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"sync"
	"sync/atomic"
	"time"
)

// ErrLimited says that as many calls run as an Adaptive lets run at the moment.
var ErrLimited error = refusal("breaker: the concurrency limit is reached")

// Adaptive is a Bulkhead without a queue that looks for the right limit by itself. There is one.
// By Little's law (J. D. C. Little, 1961) a server that answers X calls a second, each in time R,
// has X·R of them at a time. With few, each takes as long as the work takes, R₀, and more of them
// means more answers. From the knee on, which is at X_max·R₀, the server has all that it can do:
// whatever comes besides only waits, and makes all the others wait.
//
//	answers/s          ┌─────────────      time of one            ╱
//	X_max           ╱                                           ╱
//	             ╱                                            ╱
//	          ╱                            R₀  ──────────────╯
//	       ╱           knee                                  knee
//	     └─────────────┴──── in flight       └───────────────┴──── in flight
//
// No one knows X_max or R₀, and both change with each release of the server. A client sees how
// long its own calls take. That is the problem of TCP, which has to find how many packets fit into
// a path that it knows nothing about; and the two Laws here are its two answers: wait until
// something is lost (AIMD), or until it takes longer (Gradient).
//
// A limit that nobody comes close to says nothing: that all went well with 5 in flight is no
// reason to let 500 go. So a Law does not let the limit grow unless half of it was in use.
//
// Adaptive is safe for concurrent use.
//
//	a call     two reads of the clock, two atomic changes, and a mutex for a few additions
//	memory     about 200 bytes
//	bad at     few calls (there is nothing to learn from); calls of very different kinds (have one
//	           for each kind); more than one client of a server, who are not equally polite
type Adaptive struct {
	// Immutable.
	made   time.Time
	failed func(error) bool

	inFlight atomic.Int64
	limit    atomic.Int64 // stored under mu
	refused  atomic.Uint64
	tickets  tickets

	mu   sync.Mutex
	law  law           // guarded by mu
	last time.Duration // that the law was told; guarded by mu
	said time.Duration // when that was, by whose clock it is; guarded by mu
}

// AdaptiveConfig says how an Adaptive is to be. The zero AdaptiveConfig is a good one. It is a plain
// value: safe for concurrent use as long as nobody changes it.
type AdaptiveConfig struct {
	// Law is how it learns: an AIMD or a Gradient. nil is Gradient{}.
	Law Law

	// Min and Max are the bounds of the limit. 0 is 1, and 1,000.
	Min, Max int

	// Initial is the limit to begin with. 0 is 20, or the bound that is closest to it.
	Initial int

	// Failed says whether a call that ended with an error is a sign that the server has too much
	// to do: a wrong request is not. It is not called with nil, nor with what Classify ignores,
	// such as a context.Canceled, of which nothing is learned. The nil func takes all errors
	// for one.
	Failed func(error) bool
}

// Law is how an Adaptive finds its limit: AIMD or Gradient. It is a value, and safe for
// concurrent use.
type Law interface{ start(bounds) (law, error) }

// law is a Law with what it has learned. It is not safe for concurrent use.
type law interface {
	// update learns from a call that is over, and returns the limit from now on. Calls come in the
	// order of their ends.
	update(sample) float64
}

// sample is a call that is over.
type sample struct {
	now      time.Duration // when it was over, since the Adaptive was made
	rtt      time.Duration // how long it took
	inFlight int           // when it began, with itself
	ok       bool
}

// bounds are of a limit.
type bounds struct{ min, max, initial float64 }

func (b bounds) clamp(limit float64) float64 { return min(max(limit, b.min), b.max) }

// used reports whether enough of a limit is in use to know that it is not too high.
func used(inFlight int, limit float64) bool { return 2*float64(inFlight) >= limit }

// NewAdaptive returns one that has learned nothing yet.
func NewAdaptive(c AdaptiveConfig) (*Adaptive, error) {
	a := &Adaptive{made: time.Now(), failed: c.Failed}
	b, err := c.bounds()
	if err != nil {
		return nil, fmt.Errorf("breaker: NewAdaptive: %w", err)
	}
	if c.Law == nil {
		c.Law = Gradient{}
	}
	if c.Failed == nil {
		a.failed = func(error) bool { return true }
	}
	if a.law, err = c.Law.start(b); err != nil {
		return nil, fmt.Errorf("breaker: NewAdaptive: %w", err)
	}
	a.limit.Store(int64(b.initial))
	return a, nil
}

func (c AdaptiveConfig) bounds() (bounds, error) {
	if c.Min == 0 {
		c.Min = 1
	}
	if c.Max == 0 {
		c.Max = max(1000, c.Min)
	}
	if c.Min < 1 || c.Max < c.Min || c.Max > math.MaxInt32 {
		return bounds{}, fmt.Errorf("a Min of %d and a Max of %d: want 1 to %d, in this order", c.Min, c.Max, math.MaxInt32)
	}
	if c.Initial == 0 {
		c.Initial = min(max(20, c.Min), c.Max)
	}
	if c.Initial < c.Min || c.Initial > c.Max {
		return bounds{}, fmt.Errorf("an Initial of %d: want %d to %d", c.Initial, c.Min, c.Max)
	}
	return bounds{float64(c.Min), float64(c.Max), float64(c.Initial)}, nil
}

// Run calls f, unless it returns ErrLimited without that, and learns from how long it took and
// what it returns. If f panics or ends its goroutine, its place is free again and nothing is
// learned. Run does not begin when the context has ended. It panics if f is nil.
func (a *Adaptive) Run(ctx context.Context, f func(context.Context) error) error {
	if f == nil {
		panic("breaker: Adaptive.Run: a nil function")
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	inFlight, err := a.begin()
	if err != nil {
		return err
	}
	start, said := time.Since(a.made), nothing
	defer func() { a.end(start, inFlight, said) }()
	err = f(ctx)
	switch {
	case err == nil:
		said = well
	case Classify(err) == Ignore:
	case a.failed(err):
		said = badly
	default:
		said = well
	}
	return err
}

// Allow is the first half of Run, for what is not one function. Say Done or Cancel of the Turn when
// the call is over: a place that is not given back is lost.
func (a *Adaptive) Allow() (Turn, error) {
	inFlight, err := a.begin()
	if err != nil {
		return Turn{}, err
	}
	return Turn{a, a.tickets.issue(), time.Since(a.made), inFlight}, nil
}

// AllowAt is Allow for who knows what time it is, because he has read the clock anyway, or
// because his time is that of a simulation; he says DoneAt then, and not Done. A time before the Adaptive was
// made is that moment. One that is up to a second before another that was said already counts as that:
// calls that end together may say so in any order. Further back it is of a clock that has been set
// back, and what has been learned goes on from there.
func (a *Adaptive) AllowAt(now time.Time) (Turn, error) {
	inFlight, err := a.begin()
	if err != nil {
		return Turn{}, err
	}
	return Turn{a, a.tickets.issue(), a.since(now), inFlight}, nil
}

// since is the time of a caller. It is bounded, so that no difference of two wraps.
func (a *Adaptive) since(now time.Time) time.Duration { return min(max(now.Sub(a.made), 0), maxDelay) }

// Limit returns how many calls may run at a time at the moment.
func (a *Adaptive) Limit() int { return int(a.limit.Load()) }

// Turn is a call that an Adaptive has let go. It is a small value, which can be copied, and is
// safe for concurrent use. The first Done or Cancel counts, of whichever copy. The zero Turn is
// no call.
type Turn struct {
	adaptive *Adaptive
	ticket   ticket
	start    time.Duration
	inFlight int
}

// Done says that the call is over, and whether it went well.
func (t Turn) Done(ok bool) {
	if ok {
		t.over(well)
	} else {
		t.over(badly)
	}
}

// DoneAt is Done for who knows what time it is, see AllowAt.
func (t Turn) DoneAt(now time.Time, ok bool) {
	if t.adaptive == nil || !t.adaptive.tickets.use(t.ticket) {
		return
	}
	said := badly
	if ok {
		said = well
	}
	t.adaptive.endAt(t.adaptive.since(now), t.start, t.inFlight, said)
}

// Cancel says that the call is over, and that there is nothing to learn from it.
func (t Turn) Cancel() { t.over(nothing) }

func (t Turn) over(said lesson) {
	if t.adaptive != nil && t.adaptive.tickets.use(t.ticket) {
		t.adaptive.end(t.start, t.inFlight, said)
	}
}

// lesson is what there is to learn from a call.
type lesson uint8

const (
	nothing lesson = iota
	well
	badly
)

// begin returns how many calls run with this one.
func (a *Adaptive) begin() (int, error) {
	for {
		n := a.inFlight.Load()
		if n >= a.limit.Load() {
			a.refused.Add(1)
			return 0, ErrLimited
		}
		if a.inFlight.CompareAndSwap(n, n+1) {
			return int(n) + 1, nil
		}
	}
}

func (a *Adaptive) end(start time.Duration, inFlight int, said lesson) {
	a.inFlight.Add(-1)
	if said == nothing {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.learn(time.Since(a.made), start, inFlight, said) // read under mu: so they are in order
}

func (a *Adaptive) endAt(now, start time.Duration, inFlight int, said lesson) {
	a.inFlight.Add(-1)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.learn(now, start, inFlight, said)
}

// mostLate is how long before another time one may be that is said after it.
const mostLate = time.Second

// learn tells the law a time that never goes back, because it compares each with the last: it stands still
// for who is late, and goes on with a clock that has been set back. (If it stood still until that is where it was, an
// AIMD would take all failures for those of before its last decrease, and a Gradient's window would not end.)
// The caller has mu.
func (a *Adaptive) learn(now, start time.Duration, inFlight int, said lesson) {
	switch passed := now - a.said; {
	case passed > 0:
		a.said, a.last = now, a.last+passed
	case passed < -mostLate:
		a.said = now
	}
	a.limit.Store(int64(a.law.update(sample{a.last, max(now-start, 0), inFlight, said == well})))
}

// AdaptiveStats are what an Adaptive knows. It is a plain value, a copy: safe for concurrent use as
// long as nobody changes it. Its fields have names for JSON, so that expvar can publish it.
type AdaptiveStats struct {
	Limit   int    `json:"limit"`   // at the moment
	Running int    `json:"running"` // at the moment; more than Limit if that has fallen
	Refused uint64 `json:"refused"` // with ErrLimited, since it was made
}

// LogValue makes a group of it in a slog record.
func (s AdaptiveStats) LogValue() slog.Value {
	return slog.GroupValue(
		slog.Int("limit", s.Limit),
		slog.Int("running", s.Running),
		slog.Uint64("refused", s.Refused),
	)
}

// Stats returns the counts, of slightly different moments.
func (a *Adaptive) Stats() AdaptiveStats {
	return AdaptiveStats{a.Limit(), int(a.inFlight.Load()), a.refused.Load()}
}
