package main

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync/atomic"
	"time"
)

// circuitSpeed compares how many calls that do nothing pass through a circuit, or are
// refused by it. It is a value.
type circuitSpeed struct {
	name  string
	impls []string
	open  func(impl string, c circuitConfig) (circuitLoop, error)
}

func breakerCalls() circuitSpeed {
	open := func(impl string, c circuitConfig) (circuitLoop, error) {
		if impl == implClock {
			return clockLoop(), nil
		}
		return callLoop(impl, c)
	}
	return circuitSpeed{"Breaker", []string{implPlinth, implClock, implGobreaker, implFailsafe, implRubyist}, open}
}

func breakerPermits() circuitSpeed {
	return circuitSpeed{"BreakerPermit", circuitImpls(), permitLoop}
}

func circuitImpls() []string { return []string{implPlinth, implGobreaker, implFailsafe, implRubyist} }

// clockLoop only reads a clock, as whatever counts by time must do. Once something has failed
// it says of its calls that they were refused.
func clockLoop() circuitLoop {
	start := time.Now()
	var open atomic.Bool
	return func(n int, fail error) (sum, failed int) {
		if fail != nil {
			open.Store(true)
		}
		for range n {
			if time.Since(start) >= 0 {
				sum++
			}
		}
		if open.Load() {
			return 0, sum
		}
		return sum, 0
	}
}

// circuitCell is one kind of call.
type circuitCell struct {
	rule       string
	refused    bool
	goroutines int
}

const circuitPeriod = 200 * time.Millisecond // that a measurement takes, about

func circuitCells() (cells []circuitCell) {
	for _, rule := range []string{ruleRow, ruleCalls, ruleTime} {
		cells = append(cells, circuitCell{rule, false, 1}, circuitCell{rule, false, 2})
	}
	return append(cells, circuitCell{ruleRow, true, 1}, circuitCell{ruleRow, true, 2})
}

func (cs circuitSpeed) names() (names []string) {
	for _, c := range circuitCells() {
		state := "closed"
		if c.refused {
			state = "open"
		}
		names = append(names, fmt.Sprintf("%s/rule=%s/state=%s/goroutines=%d", cs.name, c.rule, state, c.goroutines))
	}
	return names
}

func (cs circuitSpeed) run(ctx context.Context, s *session, chosen []int) error {
	picked, names := pick(circuitCells(), chosen), pick(cs.names(), chosen)
	t := newTable("calls/s", "%.0f", cs.impls, true)
	err := s.mixed(ctx, names, cs.impls, func(i int, impl string) error {
		loop, err := cs.open(impl, circuitConfig{rule: picked[i].rule, openFor: time.Hour, probes: 1})
		if errors.Is(err, errNotThere) {
			return nil
		} else if err != nil {
			return err
		}
		perSecond, err := circuitCallsPerSecond(loop, picked[i], s.scale)
		t.add(names[i], impl, perSecond)
		return err
	})
	if err != nil {
		return err
	}
	return t.print(s.out, names)
}

var errCircuit = errors.New("peers: a call that fails")

// circuitCallsPerSecond measures a loop: first how long a few calls take, then as many as fit.
func circuitCallsPerSecond(loop circuitLoop, c circuitCell, scale float64) (float64, error) {
	if c.refused {
		loop(circuitRow, errCircuit)
	}
	const few = 10_000
	start := time.Now()
	loop(few, nil)
	n := max(int(few*circuitPeriod.Seconds()*scale/time.Since(start).Seconds()), few)
	runtime.GC()
	return timed(c.goroutines, n*c.goroutines, func(_, from, to int) error {
		sum, failed := loop(to-from, nil)
		want := to - from
		if c.refused && failed == want || !c.refused && sum == want {
			return nil
		}
		return fmt.Errorf("of %d calls %d passed and %d failed", want, sum, failed)
	})
}

// circuitAllocs counts what calls allocate, by a rule over time.
type circuitAllocs struct{}

// circuitForm is a way to make a call, and what the circuit does.
type circuitForm struct {
	permit, refused bool
}

func circuitForms() []circuitForm {
	return []circuitForm{{false, false}, {false, true}, {true, false}, {true, true}}
}

func (f circuitForm) String() string {
	form, state := "call", "closed"
	if f.permit {
		form = "permit"
	}
	if f.refused {
		state = "open"
	}
	return fmt.Sprintf("BreakerAllocs/form=%s/rule=time/state=%s", form, state)
}

func (circuitAllocs) names() (names []string) {
	for _, f := range circuitForms() {
		names = append(names, f.String())
	}
	return names
}

func (ca circuitAllocs) run(ctx context.Context, s *session, chosen []int) error {
	forms, names := pick(circuitForms(), chosen), pick(ca.names(), chosen)
	t := newTable("allocations/call", "%.2f", circuitImpls(), false)
	err := s.mixed(ctx, names, circuitImpls(), func(i int, impl string) error {
		allocs, err := forms[i].allocations(impl)
		t.add(names[i], impl, allocs)
		return err
	})
	if err != nil {
		return err
	}
	return t.print(s.out, names)
}

// allocations counts those of a call.
func (f circuitForm) allocations(impl string) (float64, error) {
	open := callLoop
	if f.permit {
		open = permitLoop
	}
	loop, err := open(impl, circuitConfig{rule: ruleTime, openFor: time.Hour, probes: 1})
	if err != nil {
		return 0, err
	}
	if f.refused {
		loop(circuitLeast, errCircuit)
	}
	const calls = 10_000
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, failed := loop(calls, nil)
	runtime.ReadMemStats(&after)
	if f.refused != (failed > 0) {
		return 0, fmt.Errorf("%d calls of %d failed", failed, calls)
	}
	return float64(after.Mallocs-before.Mallocs) / calls, nil
}
