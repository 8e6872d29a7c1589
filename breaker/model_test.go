package breaker

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/plinth-go/plinth/internal/form"
	"github.com/plinth-go/plinth/internal/seed"
)

// model is what a Breaker must do, written down as in a lecture: time is a number, everything due
// happens at once, and nothing is fast.
type model struct {
	failures         int // in a row that open it
	openFor, maxFor  time.Duration
	slots, successes int
	probeTimeout     time.Duration
	now              time.Duration
	state            State
	period           int // how many there have been
	row              int // failures
	until            time.Duration
	opens            int
	running          []modelPermit
	succeeded        int
	probes           int // in all
	changes          []Change
	opened           uint64
	rejected, stale  uint64
	ignored          uint64
}

// modelPermit is a call that runs.
type modelPermit struct {
	period  int
	state   State
	probe   int
	overdue time.Duration
}

func (m *model) enter(s State, at time.Duration) {
	c := Change{From: m.state, To: s, At: time.Time{}.Add(at)}
	m.period++
	m.row, m.succeeded, m.running = 0, 0, nil
	if s == Closed {
		m.opens = 0
	}
	if s == Open {
		d := m.openFor
		for range m.opens {
			d *= 2
		}
		m.until = at + min(d, m.maxFor)
		c.Until = time.Time{}.Add(m.until)
		m.opens++
		m.opened++
	}
	m.state = s
	m.changes = append(m.changes, c)
}

func (m *model) settle() {
	for {
		switch {
		case m.state == Open && m.now >= m.until:
			m.enter(HalfOpen, m.until)
			continue
		case m.state == HalfOpen:
			if first, ok := m.first(); ok && m.now >= first {
				m.enter(Open, first)
				continue
			}
		}
		return
	}
}

// first returns when the first probe is overdue.
func (m *model) first() (time.Duration, bool) {
	if len(m.running) == 0 {
		return 0, false
	}
	return slices.MinFunc(m.running, func(a, b modelPermit) int { return int(a.overdue - b.overdue) }).overdue, true
}

func (m *model) allow() (modelPermit, bool) {
	m.settle()
	p := modelPermit{period: m.period, state: m.state}
	switch m.state {
	case Open, Forced:
		m.rejected++
		return p, false
	case HalfOpen:
		if len(m.running) == m.slots {
			m.rejected++
			return p, false
		}
		m.probes++
		p.probe, p.overdue = m.probes, m.now+m.probeTimeout
		m.running = append(m.running, p)
	}
	return p, true
}

func (m *model) done(p modelPermit, o Outcome) Verdict {
	if p.state == HalfOpen {
		m.settle()
	}
	switch {
	case p.state == Disabled:
		return Ignored
	case p.state == Closed && o == Ignore:
		m.ignored++
		return Ignored
	case p.period != m.period:
		m.stale++
		return Stale
	}
	if p.state == HalfOpen {
		i := slices.Index(m.running, p)
		if i < 0 {
			return Ignored
		}
		m.running = slices.Delete(m.running, i, i+1)
	}
	switch {
	case o == Ignore:
		m.ignored++
		return Ignored
	case o == Failure && p.state == HalfOpen:
		m.enter(Open, m.now)
	case o == Failure:
		if m.row++; m.row == m.failures {
			m.enter(Open, m.now)
		}
	case p.state == HalfOpen:
		if m.succeeded++; m.succeeded == m.successes {
			m.enter(Closed, m.now)
		}
	default:
		m.row = 0
	}
	return Counted
}

func (m *model) set(s State) {
	m.settle()
	if s == Closed || m.state != s {
		m.enter(s, m.now)
	}
}

// pair is a Breaker and its model, and the calls that run, the oldest first.
type pair struct {
	t       testing.TB
	b       *Breaker
	m       *model
	permits []Permit
	models  []modelPermit
	changes []Change
	checks  int
}

func newPair(t testing.TB, failures, slots, successes int) *pair {
	b, err := New(Config{
		Trip: ConsecutiveFailures(failures), OpenFor: 8, MaxOpenFor: 20, Jitter: NoJitter,
		Probes: slots, Successes: successes, ProbeTimeout: 15,
	})
	require.NoError(t, err)
	p := &pair{t: t, b: b, m: &model{
		failures: failures, openFor: 8, maxFor: 20, slots: slots, successes: successes, probeTimeout: 15,
	}}
	b.OnStateChange(func(c Change) {
		c.At = time.Time{}.Add(c.At.Sub(b.made))
		if !c.Until.IsZero() {
			c.Until = time.Time{}.Add(c.Until.Sub(b.made))
		}
		p.changes = append(p.changes, c)
	})
	return p
}

// moves are what can happen. A move that is not possible now, such as the end of a call when none
// runs, is none.
func moves() map[byte]func(*pair) {
	return map[byte]func(*pair){
		'a': (*pair).admit,
		's': func(p *pair) { p.finish(0, nil, Success) },
		'f': func(p *pair) { p.finish(0, errDown, Failure) },
		'i': func(p *pair) { p.finish(0, context.Canceled, Ignore) },
		'F': func(p *pair) { p.finish(len(p.permits)-1, errDown, Failure) },
		'c': (*pair).copied,
		'p': (*pair).panics,
		't': func(p *pair) { p.wait(5) },
		'T': func(p *pair) { p.wait(20) },
		'R': func(p *pair) { p.b.Reset(); p.m.set(Closed) },
		'O': func(p *pair) { p.b.ForceOpen(); p.m.set(Forced) },
		'D': func(p *pair) { p.b.Disable(); p.m.set(Disabled) },
	}
}

func (p *pair) admit() {
	permit, err := p.b.Allow()
	want, ok := p.m.allow()
	if p.ok((err == nil) == ok, "Allow: %v, want %v", err, ok); ok {
		p.permits, p.models = append(p.permits, permit), append(p.models, want)
		return
	}
	p.refused(err)
}

// refused checks the error of a call that was refused.
func (p *pair) refused(err error) {
	var open *OpenError
	p.ok(errors.Is(err, ErrOpen) && errors.As(err, &open), "refused by %v", err)
	wait := time.Duration(0)
	switch p.m.state {
	case Open:
		wait = p.m.until - p.m.now
	case HalfOpen:
		first, _ := p.m.first()
		wait = first - p.m.now
	}
	p.ok(open.State() == p.m.state, "refused as %v, not %v", open.State(), p.m.state)
	p.ok(open.RetryAfter() == wait, "RetryAfter %v, not %v", open.RetryAfter(), wait)
}

func (p *pair) finish(i int, err error, o Outcome) {
	if i < 0 || i >= len(p.permits) {
		return
	}
	permit := p.permits[i]
	got, want := permit.Done(err), p.m.done(p.models[i], o)
	p.ok(got == want, "Done: %v, want %v", got, want)
	p.ok(permit.Done(err) == Ignored, "a second Done")
	p.permits, p.models = slices.Delete(p.permits, i, i+1), slices.Delete(p.models, i, i+1)
}

// copied ends the oldest call and then a copy of its permit, if it is a probe.
func (p *pair) copied() {
	if len(p.permits) == 0 || p.models[0].state != HalfOpen {
		return
	}
	permit, model := p.permits[0], p.models[0]
	p.finish(0, nil, Success)
	got, want := permit.Done(nil), p.m.done(model, Success)
	p.ok(got == want && got != Counted, "Done of a copy: %v, want %v", got, want)
}

// panics makes a call that panics.
func (p *pair) panics() {
	defer func() {
		r := recover()
		want, ok := p.m.allow()
		if p.ok((r != nil) == ok, "panicked: %v", r); ok {
			p.m.done(want, Failure)
		}
	}()
	_ = p.b.Run(context.Background(), func(context.Context) error { panic("down") })
}

func (p *pair) wait(d time.Duration) {
	<-time.After(d)
	p.m.now += d
}

// check looks at all there is to see. Whether State or Stats makes what is due, by turns, is all the same.
func (p *pair) check() {
	m := p.m
	p.m.settle()
	if p.checks++; p.checks%2 == 0 {
		p.ok(p.b.State() == m.state, "state %v, want %v", p.b.State(), m.state)
	}
	s := p.b.Stats()
	p.ok(s.State == m.state.String() && p.b.State() == m.state, "%v and state %v, want %v", s, p.b.State(), m.state)
	p.ok(s.Probes == len(m.running) && s.Probes <= m.slots, "%d probes, want %d", s.Probes, len(m.running))
	p.ok(s.Rejected == m.rejected && s.Stale == m.stale && s.Ignored == m.ignored && s.Opened == m.opened, "%+v, want %+v", s, m)
	p.ok(s.Counts.Failures == int64(m.row) && p.b.Counts() == s.Counts, "%+v, want %+v", s, m)
	p.ok(s.Until.IsZero() == (m.state != Open), "%+v", s)
	p.ok(slices.Equal(p.changes, m.changes), "changes %v, want %v", p.changes, m.changes)
}

// free lets time pass, and asks for calls that succeed: whatever has happened, the circuit closes.
func (p *pair) free() {
	if p.m.state == Forced || p.m.state == Disabled {
		p.b.Reset()
	}
	<-time.After(100)
	for range p.m.successes {
		permit, err := p.b.Allow()
		p.ok(err == nil, "stuck: %v", err)
		permit.Done(nil)
	}
	p.ok(p.b.State() == Closed, "stuck: %v", p.b.State())
}

func (p *pair) ok(ok bool, format string, args ...any) {
	if !ok {
		p.t.Helper()
		require.FailNow(p.t, fmt.Sprintf(format, args...))
	}
}

// playMoves makes moves, checks after each or only at the end, and sees that nothing is stuck.
func playMoves(t testing.TB, failures, slots, successes int, sequence []byte, checkAll bool) {
	all := moves()
	p := newPair(t, failures, slots, successes)
	p.checks = len(sequence)
	defer func() {
		if t.Failed() {
			t.Logf("%d failures, %d slots, %d successes: %q", failures, slots, successes, sequence)
		}
	}()
	for _, move := range sequence {
		all[move](p)
		if checkAll {
			p.check()
		}
	}
	p.check()
	p.free()
}

// TestModel plays all sequences of moves up to some length, from the beginning and from a half-open
// circuit.
func TestModel(t *testing.T) {
	letters := []byte("asfiFcptTROD")
	length := 3
	if form.Long() {
		length = 4
	}
	synctest.Test(t, func(t *testing.T) {
		n := 0
		var extend func(sequence []byte, left int, do func([]byte))
		extend = func(sequence []byte, left int, do func([]byte)) {
			if left == 0 {
				n++
				do(sequence)
				return
			}
			for _, letter := range letters {
				extend(append(sequence, letter), left-1, do)
			}
		}
		for _, c := range [][3]int{{1, 1, 1}, {2, 2, 2}, {1, 2, 1}, {1, 1, 2}} {
			for _, start := range []string{"", "afT", "afTa", "aafTa", "afTaa"} {
				if c[0] == 2 {
					start = "a" + start // two failures
				}
				extend([]byte(start), length, func(s []byte) { playMoves(t, c[0], c[1], c[2], s, false) })
			}
		}
		t.Logf("%d sequences", n)
	})
}

// TestModelLong plays long sequences, by chance.
func TestModelLong(t *testing.T) {
	rng, n := seed.New(t), 300
	if form.Long() {
		n = 10_000
	}
	letters := []byte("aaaasssffiFcptTROD")
	synctest.Test(t, func(t *testing.T) {
		for range n {
			sequence := make([]byte, 60)
			for i := range sequence {
				sequence[i] = letters[rng.IntN(len(letters))]
			}
			playMoves(t, 1+rng.IntN(3), 1+rng.IntN(3), 1+rng.IntN(3), sequence, true)
		}
	})
}

// FuzzBreaker lets the fuzzer choose the moves.
func FuzzBreaker(f *testing.F) {
	f.Add(byte(0), []byte("afTasaT"))
	f.Add(byte(7), []byte("aafFTaacRaDOp"))
	letters := []byte("asfiFcptTROD")
	f.Fuzz(func(t *testing.T, config byte, sequence []byte) {
		sequence = slices.Clone(sequence[:min(len(sequence), 200)])
		for i, b := range sequence {
			if !slices.Contains(letters, b) {
				sequence[i] = letters[int(b)%len(letters)]
			}
		}
		synctest.Test(t, func(t *testing.T) {
			playMoves(t, 1+int(config)%3, 1+int(config)/3%3, 1+int(config)/9%3, sequence, true)
		})
	})
}

// TestGoexit: a call that ends its goroutine, as FailNow of a test does, has failed.
func TestGoexit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := must(t, Config{Trip: ConsecutiveFailures(1), OpenFor: 1, Jitter: NoJitter})
		exit := func() {
			done := make(chan struct{})
			go func() {
				defer close(done)
				_, _ = Do(t.Context(), b, func(context.Context) (int, error) {
					runtime.Goexit()
					return 0, nil
				})
			}()
			<-done
		}
		exit()
		require.Equal(t, Open, b.State())
		<-time.After(1)
		require.Equal(t, HalfOpen, b.State())
		exit()
		require.Equal(t, Open, b.State(), "its slot is free, and it has failed")
		<-time.After(2)
		got, err := Do(t.Context(), b, func(context.Context) (int, error) { return 7, nil })
		require.NoError(t, err)
		require.Equal(t, 7, got)
		require.Equal(t, Closed, b.State())
	})
}

func must(t testing.TB, c Config) *Breaker {
	t.Helper()
	b, err := New(c)
	require.NoError(t, err)
	return b
}
