package breaker

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"
)

// Config says what a Breaker does. The zero Config is a good one; every zero field means what its
// comment says. It is a plain value: it is safe for concurrent use as long as nobody changes it.
type Config struct {
	Name string // in errors and changes

	// Trip decides when the circuit opens: FailureRate(0.5, 20, LastTime(10*time.Second)).
	Trip Trip

	// OpenFor is how long the circuit stays open at first: 1 s. Each time that the probes fail it
	// is twice as long, up to MaxOpenFor, which is 60 s, or OpenFor if that is more.
	OpenFor, MaxOpenFor time.Duration
	// Jitter takes up to this part off each delay, by chance, so that many clients do not come
	// back together: 0.2. NoJitter is none.
	Jitter float64

	// Probes is how many calls go through at a time when the circuit is half-open: 1. At most 65,536.
	Probes int
	// Successes is how many of those must succeed for it to close: Probes. If one fails it opens
	// again.
	Successes int
	// ProbeTimeout is when a probe that has not returned counts as failed: 10 s. Its call is not
	// interrupted; what it says later is stale.
	ProbeTimeout time.Duration

	// Classify says what an error means: Classify, the function.
	Classify func(error) Outcome

	// OnStateChange is the first hook, see Breaker.OnStateChange: none. It is for breakers that a Keyed makes, as
	// whoever asks for one of those does not know whether it is new.
	OnStateChange func(Change)
}

// NoJitter is a Jitter of none.
const NoJitter = -1

const (
	defaultOpenFor      = time.Second
	defaultMaxOpenFor   = 60 * time.Second
	defaultJitter       = 0.2
	defaultProbeTimeout = 10 * time.Second
	defaultRate         = 0.5
	defaultLeast        = 20
	defaultWindow       = 10 * time.Second
	maxProbes           = 1 << 16
	maxDelay            = 1 << 61 // ns, 73 years
)

// Classify is what a Breaker makes of an error unless it is told otherwise: nil is Success, a
// cancellation by the caller (context.Canceled) is to Ignore, and so is a refusal of another
// guard of this package, which has not called anybody; all else is Failure, also a deadline
// that is exceeded, and a *TimeoutError whatever its call made of that. A *RetryError is what its Err is,
// whatever stopped the Retry, and whoever has wrapped it.
func Classify(err error) Outcome {
	for inner := err; inner != nil; inner = errors.Unwrap(inner) { // errors.As would allocate
		if tried, ok := inner.(*RetryError); ok {
			return Classify(tried.Err)
		}
	}
	switch {
	case err == nil:
		return Success
	case refused(err), errors.Is(err, context.Canceled) && !errors.Is(err, ErrTimeout):
		return Ignore
	}
	return Failure
}

// complete returns the configuration with all defaults, or the first mistake.
func (c Config) complete() (Config, error) {
	if c.Trip == nil {
		c.Trip = FailureRate(defaultRate, defaultLeast, LastTime(defaultWindow))
	}
	c.OpenFor = cmp.Or(c.OpenFor, defaultOpenFor)
	c.MaxOpenFor = cmp.Or(c.MaxOpenFor, max(defaultMaxOpenFor, c.OpenFor))
	c.Jitter = cmp.Or(c.Jitter, defaultJitter)
	c.Probes = cmp.Or(c.Probes, 1)
	c.Successes = cmp.Or(c.Successes, c.Probes)
	c.ProbeTimeout = cmp.Or(c.ProbeTimeout, defaultProbeTimeout)
	if c.Classify == nil {
		c.Classify = Classify
	}
	switch {
	case c.OpenFor < 0 || c.OpenFor > maxDelay:
		return c, fmt.Errorf("an OpenFor of %v: want a positive time of up to %v", c.OpenFor, time.Duration(maxDelay))
	case c.MaxOpenFor < c.OpenFor || c.MaxOpenFor > maxDelay:
		return c, fmt.Errorf("a MaxOpenFor of %v: want %v, the OpenFor, to %v", c.MaxOpenFor, c.OpenFor, time.Duration(maxDelay))
	case c.Jitter != NoJitter && !(c.Jitter > 0 && c.Jitter <= 1):
		return c, fmt.Errorf("a Jitter of %v: want above 0 and up to 1, or NoJitter", c.Jitter)
	case c.Probes < 0 || c.Probes > maxProbes:
		return c, fmt.Errorf("%d Probes: want 1 to %d", c.Probes, maxProbes)
	case c.Successes < 0:
		return c, fmt.Errorf("%d Successes: want at least 1", c.Successes)
	case c.ProbeTimeout < 0 || c.ProbeTimeout > maxDelay:
		return c, fmt.Errorf("a ProbeTimeout of %v: want a positive time of up to %v", c.ProbeTimeout, time.Duration(maxDelay))
	}
	if err := c.Trip.check(); err != nil {
		return c, fmt.Errorf("Trip: %w", err)
	}
	return c, nil
}
