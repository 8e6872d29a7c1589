package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"text/tabwriter"
	"time"
)

// circuitFacts says what becomes of a circuit when something goes wrong. Whatever it prints has
// happened just before: each fact is a small story that is played with each library.
type circuitFacts struct{}

const (
	factDelay = 5 * time.Millisecond // that a circuit is open
	factTries = 10                   // before a circuit is said to be stuck: each after twice the delay
	factLimit = 2 * time.Second      // before a story is said to hang
)

// circuitOpener makes a circuit that opens after circuitRow failures, for factDelay unless
// that is said.
type circuitOpener func(circuitConfig) (circuit, error)

// circuitFact is a story and how it ends.
type circuitFact struct {
	name string
	ends func(circuitOpener) (string, error)
}

func (circuitFacts) facts() []circuitFact {
	return []circuitFact{
		{"a probe panics", func(open circuitOpener) (string, error) {
			return lostProbe(open, func() { panic("lost") })
		}},
		{"a probe ends its goroutine", func(open circuitOpener) (string, error) {
			return lostProbe(open, runtime.Goexit)
		}},
		{"a probe never returns", hungProbe},
		{"a call of before succeeds during a probe", func(open circuitOpener) (string, error) {
			return lateResult(open, nil)
		}},
		{"a call of before fails during a probe", func(open circuitOpener) (string, error) {
			return lateResult(open, errCircuit)
		}},
		{"of 3 probes, when 2 of before succeed", probesAtOnce},
		{"callers cancel", cancelled},
		{"a hook asks for the state", askingHook},
	}
}

func (cf circuitFacts) names() (names []string) {
	for _, fact := range cf.facts() {
		names = append(names, "BreakerFacts/"+fact.name)
	}
	return names
}

func (cf circuitFacts) run(ctx context.Context, s *session, chosen []int) error {
	w := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(w, "what happens when\t%s\t\n", strings.Join(circuitImpls(), "\t"))
	for _, fact := range pick(cf.facts(), chosen) {
		fmt.Fprintf(w, "BreakerFacts/%s\t", fact.name)
		for _, impl := range circuitImpls() {
			if err := interrupted(ctx); err != nil {
				return err
			}
			end, err := fact.end(impl, factLimit)
			if err != nil {
				return fmt.Errorf("peers: %s by %s: %w", fact.name, impl, err)
			}
			fmt.Fprintf(w, "%s\t", end)
		}
		fmt.Fprintln(w)
	}
	return w.Flush()
}

// end plays the story with a library, and gives up after a while: a goroutine that hangs is
// left behind.
func (f circuitFact) end(impl string, limit time.Duration) (string, error) {
	type ending struct {
		text string
		err  error
	}
	ended := make(chan ending, 1)
	go func() {
		text, err := f.ends(func(c circuitConfig) (circuit, error) {
			c.rule, c.openFor = ruleRow, cmp.Or(c.openFor, factDelay)
			return openCircuit(impl, c)
		})
		ended <- ending{text, err}
	}()
	select {
	case e := <-ended:
		if errors.Is(e.err, errNotThere) {
			return "-", nil
		}
		return e.text, e.err
	case <-time.After(limit):
		return "hangs", nil
	}
}

// openAndTrip makes a circuit, begins so many calls while it is closed, which go on, and
// opens it by failures. When it returns the delay is over.
func openAndTrip(open circuitOpener, c circuitConfig, old int) (circuit, []*begun, error) {
	b, err := open(c)
	if err != nil {
		return nil, nil, err
	}
	calls, err := beginAll(b, old)
	if err != nil {
		return nil, nil, err
	}
	for range circuitRow {
		_ = b.Call(context.Background(), func(context.Context) error { return errCircuit })
	}
	if b.State() == "closed" {
		return nil, nil, fmt.Errorf("still closed after %d failures", circuitRow)
	}
	time.Sleep(2 * factDelay)
	return b, calls, nil
}

// recovered makes calls that succeed, until the circuit closes or seems to be stuck.
func recovered(b circuit) string {
	for range factTries {
		if _ = b.Call(context.Background(), func(context.Context) error { return nil }); b.State() == "closed" {
			return "recovers"
		}
		time.Sleep(2 * factDelay)
	}
	return "stuck " + b.State()
}

// lostProbe: the first probe does not come back. Does the circuit close when all is well again?
func lostProbe(open circuitOpener, lose func()) (string, error) {
	b, _, err := openAndTrip(open, circuitConfig{probes: 1}, 0)
	if err != nil {
		return "", err
	}
	ran, gone := false, make(chan struct{})
	go func() {
		defer close(gone)
		defer func() { _ = recover() }()
		_ = b.Call(context.Background(), func(context.Context) error { ran = true; lose(); return nil })
	}()
	if <-gone; !ran {
		return "", errors.New("the probe was refused")
	}
	return recovered(b), nil
}

// hungProbe: the same for one that goes on and on.
func hungProbe(open circuitOpener) (string, error) {
	b, _, err := openAndTrip(open, circuitConfig{probes: 1, probeTimeout: 4 * factDelay}, 0)
	if err != nil {
		return "", err
	}
	probes, err := beginAll(b, 1)
	if err != nil {
		return "", err
	}
	defer probes[0].finish(nil)
	return recovered(b), nil
}

// lateResult: a call that was let through by the closed circuit comes back while a probe
// runs. What is the circuit then?
func lateResult(open circuitOpener, result error) (string, error) {
	b, old, err := openAndTrip(open, circuitConfig{probes: 1}, 1)
	if err != nil {
		return "", err
	}
	probes, err := beginAll(b, 1)
	if err != nil {
		return "", err
	}
	defer probes[0].finish(nil)
	old[0].finish(result)
	return b.State(), nil
}

// probesAtOnce: three probes may run and do. When two calls of before have come back, how
// many run?
func probesAtOnce(open circuitOpener) (string, error) {
	b, old, err := openAndTrip(open, circuitConfig{probes: 3}, 2)
	if err != nil {
		return "", err
	}
	probes, err := beginAll(b, 3)
	if err != nil {
		return "", err
	}
	for _, call := range old {
		call.finish(nil)
	}
	for more := begin(b); more != nil && len(probes) < factTries; more = begin(b) {
		probes = append(probes, more)
	}
	for _, probe := range probes {
		probe.finish(nil)
	}
	return fmt.Sprintf("%d run", len(probes)), nil
}

// cancelled: callers go away, as many as failures would open the circuit.
func cancelled(open circuitOpener) (string, error) {
	b, err := open(circuitConfig{probes: 1})
	if err != nil {
		return "", err
	}
	for range circuitRow {
		ctx, cancel := context.WithCancel(context.Background())
		_ = b.Call(ctx, func(ctx context.Context) error { cancel(); return ctx.Err() })
	}
	return b.State(), nil
}

// askingHook: what is told of a change asks the circuit about it.
func askingHook(open circuitOpener) (string, error) {
	var b circuit
	answer := ""
	b, err := open(circuitConfig{openFor: time.Hour, probes: 1, onChange: func() { answer = b.State() }})
	if err != nil {
		return "", err
	}
	for range circuitRow {
		_ = b.Call(context.Background(), func(context.Context) error { return errCircuit })
	}
	return answer, nil
}

// begun is a call that runs. It is not safe for concurrent use.
type begun struct {
	end  chan error    // what it is to return
	gone chan struct{} // closed when it has
}

// begin makes a call, and returns when it runs, or nil when it has been refused.
func begin(b circuit) *begun {
	call := &begun{make(chan error), make(chan struct{})}
	runs := make(chan struct{})
	go func() {
		defer close(call.gone)
		_ = b.Call(context.Background(), func(context.Context) error { close(runs); return <-call.end })
	}()
	select {
	case <-runs:
		return call
	case <-call.gone:
		return nil
	}
}

// beginAll makes so many calls, none of which may be refused.
func beginAll(b circuit, n int) (calls []*begun, err error) {
	for i := range n {
		call := begin(b)
		if call == nil {
			return nil, fmt.Errorf("call %d of %d was refused", i+1, n)
		}
		calls = append(calls, call)
	}
	return calls, nil
}

func (b *begun) finish(result error) {
	b.end <- result
	<-b.gone
}
