package breaker

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Hedge is a Guard that asks a second time when the first answer takes longer than usual, and
// takes the answer that comes first. What it calls must be idempotent.
//
// A call is slow now and then for reasons that have nothing to do with it: a collection of
// garbage, a queue, a disk. If one in twenty takes a second, so does a page that needs
// twenty of them. Another try will hardly be as unlucky:
//
//	try 1   |---------------------------------------x   cancelled
//	        |<-- Delay -->|
//	try 2                 |------|  the answer
//
// When Delay is the 95th percentile of the latencies, only one call in twenty is made twice.
// A try that fails starts the next one at once. The first success ends all: the context that
// the tries have is cancelled. If all fail, the error is that of the first try, which is what
// the caller would have got without a Hedge.
//
// Run does not wait for the losers: they end when f heeds its context, and what they return is
// dropped. So f may run after Run has returned, and its tries run at the same time: they must not
// write to anything that they share (Call gives each a result of its own).
//
// A panic in a try, or a runtime.Goexit, ends Run in the same way, in the caller's goroutine: the
// value of a panic is the same, the stack is not. That of a loser after the end is dropped.
//
// Dean, Barroso: The Tail at Scale, Communications of the ACM, 2013, where hedging a read of
// 1,000 keys after 10 ms takes the 99.9th percentile from 1,800 to 74 ms for 2 % more requests.
//
//	a call     a goroutine for each try, a timer, a context, and 8 allocations for one try
//	memory     1 KiB
//	bad at     what is not idempotent, or so short that a goroutine is felt; slowness that is
//	           overload, or the same for every try (a slow query): there a hedge is
//	           only load, and the budget stops it
//
// It is safe for concurrent use. Each Run starts a goroutine for each try, which ends when f
// does.
type Hedge struct {
	config    HedgeConfig // immutable
	latencies latencies

	calls, hedges, won, noBudget atomic.Uint64 // see HedgeStats
}

// HedgeConfig says how a Hedge behaves. Retryable is called for many calls at once. It is not
// safe for concurrent use while it is changed; a Hedge has a copy.
type HedgeConfig struct {
	// Delay is how long a try may take before the next one is started. 0: the Quantile of the
	// latencies seen.
	Delay time.Duration

	// Quantile is the share of first tries that need no hedge, of those seen lately: 128 of
	// them at most, and none is hedged before 16 were seen. 0: 0.95. With a Delay it must
	// be 0.
	Quantile float64

	// Max is how many tries there are for a call at most, and so how many at once. 0: 2. 1: no
	// hedges. At most 100.
	Max int

	// Budget bounds the tries besides the first. nil: one of its own, with the defaults of
	// BudgetConfig. NoBudget(): none. One that is shared with a Retry in the same Chain earns
	// at both, so that its Percent counts twice.
	Budget *Budget

	// Retryable reports whether a failure starts the next try. If not, no more are started,
	// but those under way may still succeed. nil: that of RetryConfig.
	Retryable func(error) bool
}

// NewHedge returns one, or an error if the configuration is impossible.
func NewHedge(config HedgeConfig) (*Hedge, error) {
	c := config
	switch {
	case c.Delay < 0:
		return nil, fmt.Errorf("breaker: NewHedge: a Delay of %v: want a positive time", c.Delay)
	case c.Delay > 0 && c.Quantile != 0:
		return nil, errors.New("breaker: NewHedge: a Delay and a Quantile: want one of them")
	case c.Quantile != 0 && !(c.Quantile > 0 && c.Quantile < 1): // or no number
		return nil, fmt.Errorf("breaker: NewHedge: a Quantile of %v: want one between 0 and 1", c.Quantile)
	case c.Max < 0 || c.Max > 100:
		return nil, fmt.Errorf("breaker: NewHedge: a Max of %d: want 1 to 100", c.Max)
	}
	c.Max = cmp.Or(c.Max, 2)
	if c.Budget == nil {
		c.Budget, _ = NewBudget(BudgetConfig{}) // the defaults are possible
	}
	if c.Retryable == nil {
		c.Retryable = retryable
	}
	h := &Hedge{config: c}
	h.latencies.quantile = cmp.Or(c.Quantile, 0.95)
	h.latencies.delay.Store(int64(cmp.Or(c.Delay, unknownDelay)))
	return h, nil
}

// unknownDelay is that of a Hedge that has not seen enough.
const unknownDelay time.Duration = math.MaxInt64

// Delay returns after how long a try is hedged now, and whether that is known yet.
func (h *Hedge) Delay() (d time.Duration, known bool) {
	d = time.Duration(h.latencies.delay.Load())
	return d, d != unknownDelay
}

// Run calls f until a try returns nil. If ctx ends it returns at once, with the error of ctx; if
// ctx has ended, f is not called.
func (h *Hedge) Run(ctx context.Context, f func(context.Context) error) error {
	if f == nil {
		panic("breaker: Hedge.Run: a nil function")
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	h.calls.Add(1)
	h.config.Budget.Earn()
	tries, cancel := context.WithCancel(ctx)
	defer cancel()
	r := race{Hedge: h, f: f, ends: make(chan ending, h.config.Max), delay: time.Duration(h.latencies.delay.Load())}
	r.begin = time.Now()
	r.timer = time.NewTimer(r.delay)
	defer r.timer.Stop()
	r.start(tries)
	for r.running > 0 {
		select {
		case <-r.timer.C:
			r.another(tries)
		case e := <-r.ends:
			if err := r.end(tries, &e); err == nil {
				return nil
			}
		case <-ctx.Done():
			r.learn(false)
			return ctx.Err()
		}
	}
	return r.failed
}

// race is the tries of one call. It is for one goroutine.
type race struct {
	*Hedge
	f     func(context.Context) error
	ends  chan ending // has room for all
	begin time.Time
	delay time.Duration
	timer *time.Timer

	started, running int
	final            bool  // no more are started
	firstEnded       bool  // the first try
	failed           error // of the first try
}

func (r *race) start(ctx context.Context) {
	launch(ctx, r.f, r.started, r.ends)
	r.started++
	r.running++
	r.timer.Reset(r.delay)
}

// another starts a try, if one more may be. The budget is asked last, because it costs something.
func (r *race) another(ctx context.Context) {
	if r.final || r.started >= r.config.Max || ctx.Err() != nil {
		return
	}
	if !r.config.Budget.Spend() {
		r.noBudget.Add(1)
		return
	}
	r.hedges.Add(1)
	r.start(ctx)
}

// end takes note of how a try ended, and returns its error.
func (r *race) end(ctx context.Context, e *ending) error {
	r.running--
	err := e.settle()
	if e.number == 0 {
		r.firstEnded, r.failed = true, err
	}
	switch {
	case err == nil:
		if e.number > 0 {
			r.won.Add(1)
		}
		r.learn(e.number == 0)
	case !r.config.Retryable(err):
		r.final = true
	default:
		r.another(ctx)
	}
	return err
}

// learn takes the latency of the first try, if it succeeded. If it is still under way, what is
// known is that it takes longer than until now. As that is longer than the delay, it stands on
// the right side of the quantile, and that is all that counts; to leave it out would mean to
// learn from fast calls alone. One that was cut before the delay says nothing, nor does one that
// failed: refusals are fast.
func (r *race) learn(succeeded bool) {
	took := time.Since(r.begin)
	if r.config.Delay == 0 && (succeeded || !r.firstEnded && took >= r.delay) {
		r.latencies.add(took)
	}
}

// HedgeStats are what a Hedge has counted since it was made. It is a plain value, a copy: safe for
// concurrent use as long as nobody changes it. Its fields have names for JSON, so that expvar can
// publish it. If few of the Hedges have Won, they are load and little else.
type HedgeStats struct {
	Delay    time.Duration `json:"delay_ns"`  // as Hedge.Delay returns it, in ns; 0: not known yet
	Calls    uint64        `json:"calls"`     // that were made
	Hedges   uint64        `json:"hedges"`    // tries besides the first
	Won      uint64        `json:"won"`       // calls whose answer is that of such a one
	NoBudget uint64        `json:"no_budget"` // tries that the Budget refused
}

// LogValue makes a group of it in a slog record.
func (s HedgeStats) LogValue() slog.Value {
	return slog.GroupValue(
		slog.Duration("delay", s.Delay),
		slog.Uint64("calls", s.Calls),
		slog.Uint64("hedges", s.Hedges),
		slog.Uint64("won", s.Won),
		slog.Uint64("no_budget", s.NoBudget),
	)
}

// Stats returns the counts, of slightly different moments.
func (h *Hedge) Stats() HedgeStats {
	s := HedgeStats{Calls: h.calls.Load(), Hedges: h.hedges.Load(), Won: h.won.Load(), NoBudget: h.noBudget.Load()}
	if d, known := h.Delay(); known {
		s.Delay = d
	}
	return s
}

// latencies are the last ones, and a quantile of them, which is computed anew every 16th time.
// They are safe for concurrent use. The plain way is good enough: for each call it is a small
// part of what the goroutine and the timer take (go test -run=^$ -bench='Learn|Guard' ./breaker).
type latencies struct {
	quantile float64 // immutable
	delay    atomic.Int64

	mu   sync.Mutex
	last [128]time.Duration // guarded by mu
	seen int                // guarded by mu
}

func (l *latencies) add(d time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.last[l.seen%len(l.last)] = d
	l.seen++
	if l.seen%16 != 0 {
		return
	}
	sorted := l.last
	n := min(l.seen, len(sorted))
	slices.Sort(sorted[:n])
	rank := math.Ceil(l.quantile * float64(n)) // from 1: a share of quantile is not above it
	l.delay.Store(int64(sorted[int(rank)-1]))
}
