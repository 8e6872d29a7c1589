package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cenk/backoff"
	"github.com/failsafe-go/failsafe-go"
	"github.com/failsafe-go/failsafe-go/circuitbreaker"
	rubyist "github.com/rubyist/circuitbreaker"
	"github.com/sony/gobreaker/v2"

	ours "github.com/plinth-go/plinth/breaker"
)

const (
	implGobreaker = "gobreaker"
	implRubyist   = "rubyist"
)

const (
	ruleRow   = "row"   // failures one after the other
	ruleCalls = "calls" // part of the last calls
	ruleTime  = "time"  // part of the calls of the last seconds

	circuitRow    = 5 // failures that open a circuit, if they are counted in a row
	circuitRate   = 0.5
	circuitLeast  = 20 // calls before a rate over time says anything
	circuitCalls  = 100
	circuitWindow = 10 * time.Second // in ten buckets
)

// circuitConfig is what a circuit of any library is made of.
type circuitConfig struct {
	rule    string
	openFor time.Duration
	probes  int // that run at a time, and succeed before it closes

	probeTimeout time.Duration // 0: as it is by default; only ours has one
	onChange     func()        // called at every change of state, where it can be
}

// errNotThere is for what a library does not have.
var errNotThere = errors.New("peers: the library has no such thing")

func openOurs(c circuitConfig) (*ours.Breaker, error) {
	config := ours.Config{
		Trip:    ours.ConsecutiveFailures(circuitRow),
		OpenFor: c.openFor, MaxOpenFor: c.openFor, Jitter: ours.NoJitter,
		Probes: c.probes, ProbeTimeout: c.probeTimeout,
	}
	switch c.rule {
	case ruleCalls:
		config.Trip = ours.FailureRate(circuitRate, circuitCalls, ours.LastCalls(circuitCalls))
	case ruleTime:
		config.Trip = ours.FailureRate(circuitRate, circuitLeast, ours.LastTime(circuitWindow))
	}
	b, err := ours.New(config)
	if err == nil && c.onChange != nil {
		b.OnStateChange(func(ours.Change) { c.onChange() })
	}
	return b, err
}

// gobreakerSettings has no rule for the last calls: what it counts without buckets it
// forgets all at once.
func gobreakerSettings(c circuitConfig) (gobreaker.Settings, error) {
	s := gobreaker.Settings{
		MaxRequests: uint32(c.probes), Timeout: c.openFor,
		ReadyToTrip: func(n gobreaker.Counts) bool { return n.ConsecutiveFailures >= circuitRow },
	}
	switch c.rule {
	case ruleCalls:
		return s, errNotThere
	case ruleTime:
		s.Interval, s.BucketPeriod = circuitWindow, circuitWindow/10
		s.ReadyToTrip = func(n gobreaker.Counts) bool {
			return n.Requests >= circuitLeast && float64(n.TotalFailures) >= circuitRate*float64(n.Requests)
		}
	}
	if c.onChange != nil {
		s.OnStateChange = func(string, gobreaker.State, gobreaker.State) { c.onChange() }
	}
	return s, nil
}

// openFailsafe makes a circuit of what failsafe counts: those of the last so many calls that
// failed, or the rate of ten slices of a time.
func openFailsafe(c circuitConfig) circuitbreaker.CircuitBreaker[int] {
	b := circuitbreaker.NewBuilder[int]().WithDelay(c.openFor).WithSuccessThreshold(uint(c.probes))
	switch c.rule {
	case ruleRow:
		b = b.WithFailureThreshold(circuitRow)
	case ruleCalls:
		b = b.WithFailureThresholdRatio(circuitRate*circuitCalls, circuitCalls)
	case ruleTime:
		b = b.WithFailureRateThreshold(circuitRate, circuitLeast, circuitWindow)
	}
	if c.onChange != nil {
		b = b.OnStateChanged(func(circuitbreaker.StateChangedEvent) { c.onChange() })
	}
	return b.Build()
}

// openRubyist makes a circuit of rubyist's, which always counts in ten buckets of a second.
// It lets one probe through, then the next after a longer delay. It tells nobody that its state
// has changed but sends it over a channel.
func openRubyist(c circuitConfig) (*rubyist.Breaker, error) {
	if c.rule == ruleCalls || c.probes > 1 || c.onChange != nil {
		return nil, errNotThere
	}
	delay := backoff.NewExponentialBackOff()
	delay.InitialInterval, delay.MaxInterval, delay.MaxElapsedTime = c.openFor, max(c.openFor, delay.MaxInterval), 0
	delay.RandomizationFactor = 0
	delay.Reset()
	options := rubyist.Options{BackOff: delay, ShouldTrip: rubyist.ConsecutiveTripFunc(circuitRow)}
	if c.rule == ruleTime {
		options.ShouldTrip = rubyist.RateTripFunc(circuitRate, circuitLeast)
		options.WindowTime, options.WindowBuckets = circuitWindow, 10
	}
	return rubyist.NewBreakerWithOptions(&options), nil
}

// circuitLoop makes n calls that do nothing but return 1 and fail, which may be nil, and
// returns the sum of what came back without an error, and how many came back with one. Each is
// a loop of its own, so that no call through an interface is measured. It is safe for
// concurrent use.
type circuitLoop func(n int, fail error) (sum, failed int)

// callLoop returns the loop of calls by a function that a circuit guards.
func callLoop(impl string, c circuitConfig) (circuitLoop, error) {
	switch impl {
	case implPlinth:
		b, err := openOurs(c)
		return func(n int, fail error) (sum, failed int) {
			ctx, work := context.Background(), func(context.Context) (int, error) { return 1, fail }
			for range n {
				if one, err := ours.Do(ctx, b, work); err == nil {
					sum += one
				} else {
					failed++
				}
			}
			return sum, failed
		}, err
	case implGobreaker:
		s, err := gobreakerSettings(c)
		b := gobreaker.NewCircuitBreaker[int](s)
		return func(n int, fail error) (sum, failed int) {
			work := func() (int, error) { return 1, fail }
			for range n {
				if one, err := b.Execute(work); err == nil {
					sum += one
				} else {
					failed++
				}
			}
			return sum, failed
		}, err
	case implFailsafe:
		b := failsafe.With[int](openFailsafe(c))
		return func(n int, fail error) (sum, failed int) {
			work := func() (int, error) { return 1, fail }
			for range n {
				if one, err := b.Get(work); err == nil {
					sum += one
				} else {
					failed++
				}
			}
			return sum, failed
		}, nil
	case implRubyist:
		b, err := openRubyist(c)
		return func(n int, fail error) (sum, failed int) {
			one := 0
			work := func() error { one = 1; return fail }
			for range n {
				if err := b.Call(work, 0); err == nil {
					sum += one
				} else {
					failed++
				}
			}
			return sum, failed
		}, err
	}
	return nil, fmt.Errorf("peers: no circuit breaker is called %q", impl)
}

// permitLoop returns the loop of calls in two steps: one asks, and says later how it went.
func permitLoop(impl string, c circuitConfig) (circuitLoop, error) {
	switch impl {
	case implPlinth:
		b, err := openOurs(c)
		return func(n int, fail error) (sum, failed int) {
			for range n {
				p, err := b.Allow()
				if err == nil && p.Done(fail) == ours.Counted && fail == nil {
					sum++
				} else {
					failed++
				}
			}
			return sum, failed
		}, err
	case implGobreaker:
		s, err := gobreakerSettings(c)
		b := gobreaker.NewTwoStepCircuitBreaker[int](s)
		return func(n int, fail error) (sum, failed int) {
			for range n {
				done, err := b.Allow()
				if err == nil {
					done(fail)
				}
				if err == nil && fail == nil {
					sum++
				} else {
					failed++
				}
			}
			return sum, failed
		}, err
	case implFailsafe:
		b := openFailsafe(c)
		return func(n int, fail error) (sum, failed int) {
			for range n {
				ok := b.TryAcquirePermit()
				if ok {
					b.RecordError(fail)
				}
				if ok && fail == nil {
					sum++
				} else {
					failed++
				}
			}
			return sum, failed
		}, nil
	case implRubyist:
		b, err := openRubyist(c)
		return func(n int, fail error) (sum, failed int) {
			for range n {
				switch ok := b.Ready(); {
				case ok && fail == nil:
					b.Success()
					sum++
				case ok:
					b.Fail()
					failed++
				default:
					failed++
				}
			}
			return sum, failed
		}, err
	}
	return nil, fmt.Errorf("peers: no circuit breaker is called %q", impl)
}

// circuit is a circuit breaker of any library, for what is not measured. It is safe for
// concurrent use.
type circuit interface {
	Call(ctx context.Context, f func(context.Context) error) error
	State() string
}

func openCircuit(impl string, c circuitConfig) (circuit, error) {
	switch impl {
	case implPlinth:
		b, err := openOurs(c)
		return ourCircuit{b}, err
	case implGobreaker:
		s, err := gobreakerSettings(c)
		return gobreakerCircuit{gobreaker.NewCircuitBreaker[int](s)}, err
	case implFailsafe:
		b := openFailsafe(c)
		return failsafeCircuit{b, failsafe.With[int](b)}, nil
	case implRubyist:
		b, err := openRubyist(c)
		return rubyistCircuit{b}, err
	}
	return nil, fmt.Errorf("peers: no circuit breaker is called %q", impl)
}

type ourCircuit struct{ *ours.Breaker }

func (c ourCircuit) Call(ctx context.Context, f func(context.Context) error) error {
	return c.Run(ctx, f)
}

func (c ourCircuit) State() string { return c.Breaker.State().String() }

type gobreakerCircuit struct{ *gobreaker.CircuitBreaker[int] }

func (c gobreakerCircuit) Call(ctx context.Context, f func(context.Context) error) error {
	_, err := c.Execute(func() (int, error) { return 0, f(ctx) })
	return err
}

func (c gobreakerCircuit) State() string { return c.CircuitBreaker.State().String() }

type failsafeCircuit struct {
	circuitbreaker.CircuitBreaker[int]
	executor failsafe.Executor[int]
}

func (c failsafeCircuit) Call(ctx context.Context, f func(context.Context) error) error {
	return c.executor.WithContext(ctx).RunWithExecution(func(e failsafe.Execution[int]) error { return f(e.Context()) })
}

func (c failsafeCircuit) State() string { return c.CircuitBreaker.State().String() }

// rubyistCircuit is half-open only while it answers whether a call may be made.
type rubyistCircuit struct{ *rubyist.Breaker }

func (c rubyistCircuit) Call(ctx context.Context, f func(context.Context) error) error {
	return c.CallContext(ctx, func() error { return f(ctx) }, 0)
}

func (c rubyistCircuit) State() string {
	if c.Tripped() {
		return "open"
	}
	return "closed"
}
