package breaker

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"
)

// ErrNoTime is why a Retry gave up when the caller's deadline left no time for the next try
// (see RetryError).
var ErrNoTime = errors.New("breaker: no time for another try")

// Retry is a Guard that calls again when a call has failed, if that makes sense, if there is
// time, and if the budget allows it. What it calls must be idempotent.
//
// Before a try it waits, because what failed just now fails again just now, and longer each
// time. It waits at random, or all whom one outage hit would come back together:
//
//	failed at once      |||||||||
//	backoff alone                  |||||||||                 |||||||||
//	with full jitter      |  ||   | | |  |  |    |   |   |  |    |   |    |
//
// The wait before try n+1 is random from 0 to min(Cap, Base × 2^(n-1)): "full jitter" in Marc
// Brooker: Exponential Backoff and Jitter, AWS Architecture Blog, 2015, where it does least work
// of those compared. If the error has a method RetryAfter() time.Duration, that is waited
// besides: never less than what was asked for, and still not all together. Except for a circuit that is
// half-open: it knows when its probe is overdue at the latest, which may be in 10 seconds, but most
// are over in the time of a call, and it costs nobody anything to be refused again. So that is
// waited for as any other error is.
//
// It stops at once, and not after a wait, when the error is final (Retryable), when it asks for
// more than Patience, when the next try could not begin before the deadline of ctx, and
// when the Budget is used up. The budget is asked last, and only before a wait that begins.
//
//	a call     that succeeds: one Earn, no allocation. A retry: a lock for the random
//	           number, a timer
//	memory     144 bytes, and 56 for a Budget of its own
//	bad at     what is not idempotent; overload without a budget; layers of it (each
//	           multiplies the others: retry at one layer); a caller who needs an answer
//	           soon, whom a Hedge serves better
//
// It is safe for concurrent use. It starts no goroutine.
type Retry struct {
	config RetryConfig // immutable

	failed, retries, recovered, noBudget, noTime atomic.Uint64 // see RetryStats

	mu   sync.Mutex
	rand *rand.Rand // guarded by mu
}

// RetryConfig says how a Retry behaves. Retryable is called for many calls at once. It is not
// safe for concurrent use while it is changed; a Retry has a copy.
type RetryConfig struct {
	// Attempts is how often f is called at most, the first time included. 0: 3. 1: it is
	// never called again.
	Attempts int

	// Base is the longest wait before the first retry, and doubles for each after that.
	// 0: 50 milliseconds.
	Base time.Duration

	// Cap bounds the doubling. 0: 2 seconds.
	Cap time.Duration

	// Patience is the longest RetryAfter of an error that is waited for. One that asks for
	// more is final; but a circuit that is half-open does not ask. 0: Cap.
	Patience time.Duration

	// Budget is shared with whoever calls the same dependency. nil: one of its own, with
	// the defaults of BudgetConfig. NoBudget(): none.
	Budget *Budget

	// Retryable reports whether an error may be gone the next time. It is not asked when
	// the caller's ctx has ended, which is final.
	//
	// nil: all are, but two kinds. A *RetryError: further in it was tried often enough, and
	// two layers of three make nine. A refusal of this package that does not say when to
	// come again, such as ErrFull, or that a circuit is forced open: it is there so that
	// there is less load; and ErrBudget. A refusal that does say, such as any other OpenError,
	// is retried if Patience allows. So is a context error while the caller's ctx is alive: it
	// was a shorter one's, such as that of a Timeout further in.
	Retryable func(error) bool

	// Seed of the jitter. 0: a random one, so that not all clients come back together.
	Seed uint64
}

// RetryError says how often f was called in vain. Errors.Is and errors.As go through to the
// last error of f, and to why there was no other try. It is safe for concurrent use: nobody
// changes it.
type RetryError struct {
	// Attempts is how often f was called.
	Attempts int

	// Err is what it returned the last time.
	Err error

	// Stopped is ErrBudget, ErrNoTime, or the error of the ctx that ended during a wait. It
	// is nil if all attempts were made, or if Err is final.
	Stopped error
}

// Error says all three.
func (e *RetryError) Error() string {
	times := fmt.Sprint(e.Attempts, " tries")
	if e.Attempts == 1 {
		times = "1 try"
	}
	if e.Stopped == nil {
		return fmt.Sprintf("breaker: gave up after %s: %v", times, e.Err)
	}
	return fmt.Sprintf("breaker: gave up after %s: %v (%v)", times, e.Err, e.Stopped)
}

// Unwrap returns Err, and Stopped if there is one.
func (e *RetryError) Unwrap() []error {
	if e.Stopped == nil {
		return []error{e.Err}
	}
	return []error{e.Err, e.Stopped}
}

// NewRetry returns one, or an error if the configuration is impossible.
func NewRetry(config RetryConfig) (*Retry, error) {
	c := config
	c.Attempts = cmp.Or(c.Attempts, 3)
	c.Base = cmp.Or(c.Base, 50*time.Millisecond)
	c.Cap = cmp.Or(c.Cap, 2*time.Second)
	c.Patience = cmp.Or(c.Patience, c.Cap)
	c.Seed = cmp.Or(c.Seed, rand.Uint64())
	if c.Retryable == nil {
		c.Retryable = retryable
	}
	if err := c.check(); err != nil {
		return nil, fmt.Errorf("breaker: NewRetry: %w", err)
	}
	if c.Budget == nil {
		c.Budget, _ = NewBudget(BudgetConfig{}) // the defaults are possible
	}
	return &Retry{config: c, rand: rand.New(rand.NewPCG(c.Seed, 0))}, nil
}

func (c *RetryConfig) check() error {
	const longest = 365 * 24 * time.Hour // so that two of them can be added
	switch {
	case c.Attempts < 0:
		return fmt.Errorf("%d Attempts: want 1 or more", c.Attempts)
	case c.Base < 0:
		return fmt.Errorf("a Base of %v: want a positive time", c.Base)
	case c.Cap < c.Base || c.Cap > longest:
		return fmt.Errorf("a Cap of %v: want %v, the Base, to a year", c.Cap, c.Base)
	case c.Patience < 0 || c.Patience > longest:
		return fmt.Errorf("a Patience of %v: want at most a year", c.Patience)
	}
	return nil
}

// retryable is the default of Retryable.
func retryable(err error) bool {
	var tried *RetryError
	if errors.As(err, &tried) {
		return false
	}
	_, told := retryAfter(err)
	return told || !refused(err) && !errors.Is(err, ErrBudget)
}

// retryAfter returns how long an error asks to be left alone at least, if it does.
func retryAfter(err error) (after time.Duration, told bool) {
	var says interface{ RetryAfter() time.Duration }
	if !errors.As(err, &says) {
		return 0, false
	}
	if open, ok := says.(*OpenError); ok {
		switch open.State() {
		case Forced:
			return 0, false // nobody knows
		case HalfOpen:
			return 0, true // as soon as its probe is over, and at the latest then
		}
	}
	return max(says.RetryAfter(), 0), true
}

// Run calls f until it returns nil, with ctx itself, and in the caller's goroutine. An error
// after which there may be no other try is returned as it is if the first try had it; all
// others are a *RetryError. If ctx has ended, f is not called.
func (r *Retry) Run(ctx context.Context, f func(context.Context) error) error {
	if f == nil {
		panic("breaker: Retry.Run: a nil function")
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	r.config.Budget.Earn()
	err := f(ctx)
	if err == nil {
		return nil
	}
	return r.retry(ctx, f, err)
}

// retry is Run after a first try that has failed.
func (r *Retry) retry(ctx context.Context, f func(context.Context) error, err error) error {
	r.failed.Add(1)
	for attempt := 1; ; attempt++ {
		wait, again := r.again(ctx, attempt, err)
		if !again && attempt == 1 {
			return err
		}
		if !again {
			return &RetryError{Attempts: attempt, Err: err}
		}
		if stopped := r.pause(ctx, wait); stopped != nil {
			return &RetryError{Attempts: attempt, Err: err, Stopped: stopped}
		}
		r.retries.Add(1)
		if err = f(ctx); err == nil {
			r.recovered.Add(1)
			return nil
		}
	}
}

// again reports whether another try makes sense, and after how long.
func (r *Retry) again(ctx context.Context, attempt int, err error) (wait time.Duration, again bool) {
	if attempt >= r.config.Attempts || ctx.Err() != nil {
		return 0, false
	}
	after, _ := retryAfter(err)
	if after > r.config.Patience || !r.config.Retryable(err) {
		return 0, false
	}
	return after + r.jitter(r.config.backoff(attempt)), true
}

// backoff is the longest wait after an attempt. Cap is halved to see whether Base may be
// doubled, because that does not wrap: after 63 times it is 0, which is less than any Base.
func (c *RetryConfig) backoff(attempt int) time.Duration {
	shift := attempt - 1
	if c.Base > c.Cap>>shift {
		return c.Cap
	}
	return c.Base << shift
}

func (r *Retry) jitter(longest time.Duration) time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	return time.Duration(r.rand.Int64N(int64(longest) + 1))
}

// pause pays for a retry and waits for its time, or returns why there will be none. The
// token is spent before the wait, because nobody should wait for a no.
func (r *Retry) pause(ctx context.Context, wait time.Duration) error {
	if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) <= wait {
		r.noTime.Add(1)
		return ErrNoTime
	}
	if !r.config.Budget.Spend() {
		r.noBudget.Add(1)
		return ErrBudget
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
	return ctx.Err()
}

// RetryStats are what a Retry has counted since it was made. It is a plain value, a copy: safe for
// concurrent use as long as nobody changes it. Its fields have names for JSON, so that expvar can
// publish it.
//
// It does not count calls that succeed at once. They write to nothing that is shared, and a number that
// all processors add to would cost about as much as all else that a Retry does for them.
type RetryStats struct {
	Failed    uint64 `json:"failed"`    // calls whose first try failed
	Retries   uint64 `json:"retries"`   // tries besides the first
	Recovered uint64 `json:"recovered"` // calls that succeeded after that
	NoBudget  uint64 `json:"no_budget"` // calls given up with ErrBudget
	NoTime    uint64 `json:"no_time"`   // calls given up with ErrNoTime
}

// LogValue makes a group of it in a slog record.
func (s RetryStats) LogValue() slog.Value {
	return slog.GroupValue(
		slog.Uint64("failed", s.Failed),
		slog.Uint64("retries", s.Retries),
		slog.Uint64("recovered", s.Recovered),
		slog.Uint64("no_budget", s.NoBudget),
		slog.Uint64("no_time", s.NoTime),
	)
}

// Stats returns the counts, of slightly different moments.
func (r *Retry) Stats() RetryStats {
	return RetryStats{
		Failed: r.failed.Load(), Retries: r.retries.Load(), Recovered: r.recovered.Load(),
		NoBudget: r.noBudget.Load(), NoTime: r.noTime.Load(),
	}
}
