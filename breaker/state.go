package breaker

import (
	"fmt"
	"log/slog"
	"time"
)

// State is what a Breaker does with calls. It is a value and is safe for concurrent use.
type State uint8

// The states. A circuit that is closed lets the current through.
const (
	Closed   State = iota // calls go through, and their outcomes are counted
	Open                  // calls are refused, until a delay is over
	HalfOpen              // some calls go through, as probes
	Forced                // open until Reset, by ForceOpen
	Disabled              // calls go through and are not counted until Reset, by Disable
)

// String returns the state as logs and dashboards name it.
func (s State) String() string {
	switch s {
	case Closed:
		return "closed"
	case Open:
		return "open"
	case HalfOpen:
		return "half-open"
	case Forced:
		return "forced-open"
	case Disabled:
		return "disabled"
	}
	return fmt.Sprintf("State(%d)", uint8(s))
}

// Change is a change of a breaker's state. It is a value and is safe for concurrent use.
type Change struct {
	Name     string // of the breaker
	From, To State
	At       time.Time
	Until    time.Time // when an open breaker lets probes through; zero otherwise
}

// LogValue makes a group of it in a slog record.
func (c Change) LogValue() slog.Value {
	all := []slog.Attr{slog.String("name", c.Name), slog.String("from", c.From.String()), slog.String("to", c.To.String())}
	if !c.Until.IsZero() {
		all = append(all, slog.Duration("for", c.Until.Sub(c.At)))
	}
	return slog.GroupValue(all...)
}

// Outcome is what a call says about the health of what was called. It is a value and is safe
// for concurrent use.
type Outcome uint8

// The outcomes.
const (
	Success Outcome = iota
	Failure
	Ignore // says nothing, such as that the caller has gone away
)

// String returns the outcome in a word.
func (o Outcome) String() string {
	switch o {
	case Success:
		return "success"
	case Failure:
		return "failure"
	case Ignore:
		return "ignore"
	}
	return fmt.Sprintf("Outcome(%d)", uint8(o))
}

// Verdict is what became of an outcome. It is a value and is safe for concurrent use.
type Verdict uint8

// The verdicts.
const (
	Ignored Verdict = iota // there was nothing to count: Ignore, a second Done, a Disabled breaker
	Counted
	Stale // the state in which the call began is over
)

// String returns the verdict in a word.
func (v Verdict) String() string {
	switch v {
	case Ignored:
		return "ignored"
	case Counted:
		return "counted"
	case Stale:
		return "stale"
	}
	return fmt.Sprintf("Verdict(%d)", uint8(v))
}

// ErrOpen is what every refusal of a Breaker is, by errors.Is.
var ErrOpen error = refusal("breaker: open")

// OpenError is the refusal of a Breaker: the same value for all calls that are refused in one
// period of being open. It is immutable, and safe for concurrent use.
type OpenError struct {
	breaker *Breaker
	period  *period
}

// Error says which breaker is in which state.
func (e *OpenError) Error() string {
	if e.breaker.config.Name == "" {
		return "breaker: " + e.period.state.String()
	}
	return fmt.Sprintf("breaker: %q is %v", e.breaker.config.Name, e.period.state)
}

// Unwrap returns ErrOpen.
func (e *OpenError) Unwrap() error { return ErrOpen }

// State returns why: Open, Forced, or HalfOpen with as many probes as may be.
func (e *OpenError) State() State { return e.period.state }

// RetryAfter returns how long it takes until another call may be let through, as far as that is
// known. If the circuit is open, that is when it lets probes through, and not before. If it is half-open, it
// is when the first of its probes is overdue, at the latest: as soon as one is done there may be room. It
// shrinks as time goes by, and is 0 when that time has come, when the state has changed for another
// reason, or if nothing is known because the circuit was forced open.
func (e *OpenError) RetryAfter() time.Duration {
	b, until := e.breaker, e.period.until
	if b.period.Load() != e.period {
		return 0
	}
	if e.period.state == HalfOpen {
		b.mu.Lock()
		until, _ = e.period.probes.firstOverdue()
		b.mu.Unlock()
	}
	return time.Duration(max(until-b.now(), 0))
}
