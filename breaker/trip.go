package breaker

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// Trip is a rule by which a closed circuit opens. Those of this package are all there are:
// ConsecutiveFailures, FailureRate, SlowRate and AnyOf. It is immutable, and safe for concurrent
// use: each Breaker counts for itself.
type Trip interface {
	check() error
	watch() watcher           // a new one for each time that the circuit closes
	clocked() bool            // it asks what time it is
	slowAfter() time.Duration // if it asks how long calls took: which are slow; 0 if not
}

// watcher looks at outcomes for a rule. It is safe for concurrent use.
type watcher interface {
	// count takes an outcome that is no Ignore, and reports whether the circuit should open. Of
	// calls at the same time, each is told what has been counted when it looks, its own
	// included: so of those that bring it over the limit, at least one is told.
	count(o Outcome, at, took int64) bool
	counts(at int64) Counts
}

// Counts are what a rule has counted since the circuit closed, as far as its window still has it.
// It is a plain value, a copy: safe for concurrent use as long as nobody changes it.
type Counts struct {
	Calls    int64 `json:"calls"`    // successes and failures; of ConsecutiveFailures, Failures
	Failures int64 `json:"failures"` // in a row, if that is what is counted
	Slow     int64 `json:"slow"`     // if that is asked for
}

// AnyOf opens when one of its rules would. Counts are the largest of any.
func AnyOf(rules ...Trip) Trip { return anyOf(slices.Clone(rules)) }

type anyOf []Trip

func (a anyOf) check() error {
	if len(a) == 0 {
		return errors.New("AnyOf of no rule")
	}
	for i, rule := range a {
		if rule == nil {
			return fmt.Errorf("AnyOf: rule %d is nil", i)
		}
		if err := rule.check(); err != nil {
			return fmt.Errorf("AnyOf: rule %d: %w", i, err)
		}
	}
	return nil
}

func (a anyOf) clocked() bool {
	return slices.ContainsFunc(a, Trip.clocked)
}

func (a anyOf) slowAfter() (least time.Duration) {
	for _, rule := range a {
		if d := rule.slowAfter(); d > 0 && (least == 0 || d < least) {
			least = d
		}
	}
	return least
}

func (a anyOf) watch() watcher {
	all := make(watchers, len(a))
	for i, rule := range a {
		all[i] = rule.watch()
	}
	return all
}

// watchers are those of several rules.
type watchers []watcher

func (w watchers) count(o Outcome, at, took int64) bool {
	trip := false
	for _, one := range w {
		trip = one.count(o, at, took) || trip // all of them count
	}
	return trip
}

func (w watchers) counts(at int64) (most Counts) {
	for _, one := range w {
		c := one.counts(at)
		most = Counts{max(most.Calls, c.Calls), max(most.Failures, c.Failures), max(most.Slow, c.Slow)}
	}
	return most
}

// Window is what a rate is taken of: the last calls, or those of the last time. It is immutable,
// and safe for concurrent use.
type Window interface {
	check() error
	clocked() bool
	open() tally
}

// tally counts calls in a window, and how many of them were bad. It is safe for concurrent use.
type tally interface {
	add(bad bool, at int64)
	sums(at int64) (calls, bad int64)
}

// rate is a rule of how many of the calls in a window are bad: failures, or slow ones.
type rate struct {
	part   float64
	least  int64
	window Window
	slow   time.Duration // 0: failures count
}

// FailureRate opens when, of at least minCalls in a window, this part or more have failed.
func FailureRate(part float64, minCalls int, window Window) Trip {
	return rate{part: part, least: int64(minCalls), window: window}
}

func (r rate) check() error {
	switch {
	case !(r.part > 0 && r.part <= 1):
		return fmt.Errorf("a rate of %v: want above 0 and up to 1", r.part)
	case r.least < 1:
		return fmt.Errorf("at least %d calls: want 1 or more", r.least)
	case r.window == nil:
		return errors.New("no window")
	case r.slow < 0:
		return fmt.Errorf("slow after %v: want a positive time", r.slow)
	}
	if err := r.window.check(); err != nil {
		return err
	}
	if calls, ok := r.window.(lastCalls); ok && r.least > int64(calls) {
		return fmt.Errorf("at least %d calls of the last %d: the circuit would never open", r.least, calls)
	}
	return nil
}

func (r rate) clocked() bool { return r.slow > 0 || r.window.clocked() }

func (r rate) slowAfter() time.Duration { return r.slow }

func (r rate) watch() watcher { return &rated{r, r.window.open()} }

// rated counts for a rate.
type rated struct {
	rate
	tally tally
}

func (r *rated) count(o Outcome, at, took int64) bool {
	bad := o == Failure
	if r.slow > 0 {
		bad = took >= int64(r.slow)
	}
	r.tally.add(bad, at)
	if !bad {
		return false // a call that went well is no reason, even if it is the last of minCalls
	}
	calls, sum := r.tally.sums(at)
	// The quotient is rounded as the literal was: 7/25 is 0.28, but 0.28*25 is more than 7.
	return calls >= r.least && float64(sum)/float64(calls) >= r.part
}

func (r *rated) counts(at int64) Counts {
	calls, sum := r.tally.sums(at)
	if r.slow > 0 {
		return Counts{Calls: calls, Slow: sum}
	}
	return Counts{Calls: calls, Failures: sum}
}
