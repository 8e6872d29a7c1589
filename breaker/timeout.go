package breaker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"
)

// ErrTimeout is what a TimeoutError wraps.
var ErrTimeout = errors.New("breaker: timeout")

// Timeout is a Guard that gives a call a time of its own: for a try less than the caller has, or
// for all of it, if the caller has named none.
//
// A call without a timeout takes as long as the other side likes, and holds what it needs so
// long: that is how one slow dependency stops all that use it. There are two ways to end one,
// because a function can be asked to end, and not be made to:
//
//	               f heeds its context    f ignores it
//	NewTimeout     returns when f does    returns when f does, late
//	NewAbandon     returns in time        returns in time; f goes on, and nobody waits for it
//
// The second way has its price. Run starts a goroutine, which stays until f ends; if f never
// does, neither does the goroutine. If r calls a second get stuck for s seconds, r × s of them
// are there, and a Bulkhead in front of Run counts none of them: it belongs behind it, around f.
// What f writes it may write after Run has returned (Call gives it a result of its own). The
// value of a panic in f goes to the caller, the stack does not, and after the end it is dropped. To
// heed the context is better: abandon what you cannot change.
//
// The end of time is a *TimeoutError. It says after how long, and is told from the caller's own
// deadline, which stays context.DeadlineExceeded alone. A success after the time is a success:
// the work is done.
//
//	a call     a context with a timer, 4 allocations; NewAbandon: a goroutine besides
//	memory     none of note
//	bad at     one number for calls that differ; too short, it turns slowness into an outage,
//	           because what was done for those cut off was done in vain
//
// The idea is that of Nygard: Release It!, 2007, chapter 5, "Use Timeouts".
//
// It is safe for concurrent use.
type Timeout struct {
	// Immutable.
	after   time.Duration
	abandon bool
	expired *TimeoutError // the cause of contexts that it ended

	late    atomic.Uint64 // calls that it ended
	running atomic.Int64  // goroutines
}

// TimeoutError says that a Timeout has ended a call. It wraps ErrTimeout and
// context.DeadlineExceeded, and the error that f returned, if it did. It is safe for concurrent
// use: nobody changes it.
type TimeoutError struct {
	// After is the time that there was.
	After time.Duration

	// Err is what f returned. It is nil if f was abandoned.
	Err error
}

// Error says after how long.
func (e *TimeoutError) Error() string {
	if e.Err == nil {
		return fmt.Sprintf("breaker: timeout after %v", e.After)
	}
	return fmt.Sprintf("breaker: timeout after %v: %v", e.After, e.Err)
}

// Unwrap returns what it wraps.
func (e *TimeoutError) Unwrap() []error {
	if e.Err == nil {
		return []error{ErrTimeout, context.DeadlineExceeded}
	}
	return []error{ErrTimeout, context.DeadlineExceeded, e.Err}
}

// Timeout returns true, for net.Error and those who ask as it does.
func (e *TimeoutError) Timeout() bool { return true }

// NewTimeout returns one whose Run gives f a context with a deadline, and returns when f does. It
// starts no goroutine. It returns an error if the time is not positive.
func NewTimeout(after time.Duration) (*Timeout, error) { return newTimeout("NewTimeout", after, false) }

// NewAbandon returns one whose Run returns when the time is over, whatever f does.
func NewAbandon(after time.Duration) (*Timeout, error) { return newTimeout("NewAbandon", after, true) }

func newTimeout(constructor string, after time.Duration, abandon bool) (*Timeout, error) {
	if after <= 0 {
		return nil, fmt.Errorf("breaker: %s: a time of %v: want a positive time", constructor, after)
	}
	return &Timeout{after: after, abandon: abandon, expired: &TimeoutError{After: after}}, nil
}

// Run calls f, with a context that ends when the time is over. If ctx has ended, f is not called.
func (t *Timeout) Run(ctx context.Context, f func(context.Context) error) error {
	if f == nil {
		panic("breaker: Timeout.Run: a nil function")
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	limited, cancel := context.WithTimeoutCause(ctx, t.after, t.expired)
	defer cancel()
	if t.abandon {
		return t.abandonAfter(ctx, limited, f)
	}
	return t.outcome(limited, f(limited))
}

// outcome is what the caller is told of a call that has returned.
func (t *Timeout) outcome(limited context.Context, err error) error {
	if err != nil && t.ended(limited) {
		t.late.Add(1)
		return &TimeoutError{After: t.after, Err: err}
	}
	return err
}

// ended reports whether this Timeout ended the context, and not the caller.
func (t *Timeout) ended(limited context.Context) bool {
	return context.Cause(limited) == error(t.expired)
}

// abandonAfter waits for f or for the end of its context, whatever comes first.
func (t *Timeout) abandonAfter(ctx, limited context.Context, f func(context.Context) error) error {
	ends := make(chan ending, 1)
	t.running.Add(1)
	launch(limited, func(ctx context.Context) error {
		defer t.running.Add(-1)
		return f(ctx)
	}, 0, ends)
	return t.await(ctx, limited, ends)
}

// await prefers how f ended: if the time is over as well when the caller gets to look, select takes any.
func (t *Timeout) await(ctx, limited context.Context, ends <-chan ending) error {
	select {
	case e := <-ends:
		return t.outcome(limited, e.settle())
	case <-limited.Done():
	}
	select {
	case e := <-ends:
		return t.outcome(limited, e.settle())
	default:
	}
	if t.ended(limited) {
		t.late.Add(1)
		return t.expired
	}
	return ctx.Err()
}

// TimeoutStats are what a Timeout has counted since it was made. It is a plain value, a copy: safe for
// concurrent use as long as nobody changes it. Its fields have names for JSON, so that expvar can
// publish it. It does not count calls that end in time.
type TimeoutStats struct {
	Expired uint64 `json:"expired"` // calls that ended with a *TimeoutError
	// Running is how many calls of a NewAbandon run at the moment, with those that nobody waits for any
	// more: if it grows, they do not end.
	Running int `json:"running"`
}

// LogValue makes a group of it in a slog record.
func (s TimeoutStats) LogValue() slog.Value {
	return slog.GroupValue(
		slog.Uint64("expired", s.Expired),
		slog.Int("running", s.Running),
	)
}

// Stats returns the counts, of slightly different moments.
func (t *Timeout) Stats() TimeoutStats {
	return TimeoutStats{t.late.Load(), int(t.running.Load())}
}
