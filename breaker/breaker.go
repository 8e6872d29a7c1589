package breaker

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"
)

// Breaker is a circuit breaker: it looks at the outcomes of calls, and if too many fail it
// refuses all for a while, which spares the caller the wait and the callee the load. Then it
// lets some through as probes. It is safe for concurrent use.
//
//	          too many fail                 the delay is over
//	Closed ─────────────────▶ Open ◀──────────────────────▶ HalfOpen
//	  ▲                           a probe fails, or hangs       │
//	  └─────────────────────────────────────────────────────────┘
//	                      enough probes succeed
//
//	ForceOpen: Forced until Reset.  Disable: Disabled until Reset.  Reset: Closed.
//
// A time in one state is a period, and a call belongs to the period in which it began. When it is
// over, and its period too, then it is stale: a call that was let through by a closed circuit
// and fails a minute later says nothing about the probes that run now.
//
// Nothing happens by itself: there is no goroutine and no timer. Whoever comes first after a
// time has passed (Allow, Done of a probe, State, Stats ...) makes the change that was due. So an open
// circuit that nobody uses stays as it is, and its hooks are called when somebody comes.
//
// Concurrency. The period is one atomic pointer. While it is closed a call loads it twice, and adds to
// what its rule counts; while it is open a call loads it and reads the clock. Whatever changes the
// period, and all about probes, is under mu. Of many calls that would open the circuit, one
// finds, under mu, that its period is still the present one.
type Breaker struct {
	// Immutable.
	config  Config
	made    time.Time
	clocked bool  // the rule asks what time it is
	slow    int64 // ns of calls that are slow; 0 if the rule does not ask

	period atomic.Pointer[period]

	rejected       rejections
	ignored, stale atomic.Uint64

	mu      sync.Mutex
	chance  *rand.Rand     // guarded by mu
	opens   int            // since it was closed; guarded by mu
	opened  uint64         // in all; guarded by mu
	probeID uint64         // of the last probe; guarded by mu
	hooks   []func(Change) // guarded by mu
	news    []news         // that hooks have yet to be told, in order; guarded by mu
	telling bool           // somebody is telling the hooks; guarded by mu
}

// period is a time in one state. It is immutable, but for what it points at.
type period struct {
	state  State
	rule   watcher    // Closed
	until  int64      // Open: the ns at which probes may begin
	err    *OpenError // of who is refused in it: not Closed
	probes *probes    // HalfOpen
}

// New returns a closed one. What is wrong with the configuration is an error.
func New(c Config) (*Breaker, error) {
	return newBreaker(c, rand.Uint64())
}

func newBreaker(c Config, seed uint64) (*Breaker, error) {
	config, err := c.complete()
	if err != nil {
		return nil, fmt.Errorf("breaker: New: %w", err)
	}
	b := &Breaker{
		config:  config,
		made:    time.Now(),
		clocked: config.Trip.clocked(),
		slow:    int64(config.Trip.slowAfter()),
		chance:  rand.New(rand.NewPCG(seed, 0)),
	}
	if config.OnStateChange != nil {
		b.hooks = append(b.hooks, config.OnStateChange)
	}
	b.period.Store(&period{state: Closed, rule: config.Trip.watch()})
	return b, nil
}

// now returns the ns since the breaker was made, on the monotonic clock: if somebody sets the
// clock on the wall, nothing happens.
func (b *Breaker) now() int64 { return int64(time.Since(b.made)) }

// unread stands for a time that nobody has asked for yet: to read the clock is most of what a
// call costs, and many need no time.
const unread = -1

// read returns a time, or reads the clock if that has not been done.
func (b *Breaker) read(at int64) int64 {
	if at == unread {
		at = b.now()
	}
	return at
}

// ns is the time of a caller. It is bounded so that whatever he says, a delay can be added.
func (b *Breaker) ns(now time.Time) int64 { return min(max(int64(now.Sub(b.made)), 0), 1<<62) }

// Do calls f unless the circuit is open, in which case the error is an *OpenError, and counts
// what it returns. If ctx is done already it does not call f either, and returns the error of ctx
// (an open circuit may be quicker). If f panics, or ends its goroutine (runtime.Goexit, as
// t.FailNow does), that is a failure, and goes on.
func Do[T any](ctx context.Context, b *Breaker, f func(context.Context) (T, error)) (result T, err error) {
	if f == nil {
		panic("breaker: Do: a nil function")
	}
	// Allow would do it too. To refuse before there is a Permit and a defer is 5 % cheaper; what
	// is left is to read the clock, which is 80 % of it, and to count.
	if now := b.period.Load(); now.state == Open && b.now() < now.until {
		b.rejected.add()
		return result, now.err
	}
	if err := ctx.Err(); err != nil {
		return result, err
	}
	return call(ctx, b, f)
}

// call is Do unless it was refused at once.
func call[T any](ctx context.Context, b *Breaker, f func(context.Context) (T, error)) (result T, err error) {
	p, err := b.Allow()
	if err != nil {
		return result, err
	}
	defer p.fail() // unless it is done
	result, err = f(ctx)
	p.Done(err)
	return result, err
}

// Run is Do without a result.
func (b *Breaker) Run(ctx context.Context, f func(context.Context) error) error {
	if f == nil {
		panic("breaker: Breaker.Run: a nil function")
	}
	_, err := Do(ctx, b, func(ctx context.Context) (struct{}, error) { return struct{}{}, f(ctx) })
	return err
}

// Allow asks whether a call may be made, for who cannot use Do. If so he must say Done once, or
// else, if the circuit is half-open, the call counts as failed after ProbeTimeout.
func (b *Breaker) Allow() (Permit, error) { return b.allow(unread) }

// AllowAt is Allow for who knows what time it is, because he has read the clock anyway, or
// because his time is that of a simulation; he says DoneAt then, not Done, and asks StateAt, not State. What says no
// time goes by the clock: RetryAfter, Stats and Counts, which make sense if his times are of the clock, too, and
// the moment of a change by hand.
//
// A time before the breaker was made is that moment. If one is before another that was said already, a state
// that has begun since stays, and the call counts in the window as if it was of that time: so if a clock is set back by an
// hour, LastTime may forget nothing for an hour. Reset begins anew.
//
// What is said is believed: a circuit that opens at a time far in the future is open until then, or until Reset.
func (b *Breaker) AllowAt(now time.Time) (Permit, error) { return b.allow(b.ns(now)) }

func (b *Breaker) allow(at int64) (Permit, error) {
	now := b.period.Load()
	switch now.state {
	case Closed:
		p := Permit{breaker: b, period: now}
		if b.slow > 0 {
			p.began = b.read(at)
		}
		return p, nil
	case Disabled:
		return Permit{breaker: b, period: now}, nil
	case Forced:
		b.rejected.add()
		return Permit{}, now.err
	case Open:
		if b.read(at) < now.until {
			b.rejected.add()
			return Permit{}, now.err
		}
	}
	return b.allowProbe(at)
}

// Permit is one call that may be made. It is a small value; a copy that is done as well is
// Ignored if it is a probe's, and counted twice otherwise. It is not safe for concurrent use.
type Permit struct {
	breaker *Breaker
	period  *period
	began   int64 // ns, if the rule asks how long it took
	probe   uint64
}

// Done says how the call went, and returns what became of that: Counted, Stale or Ignored. It
// clears p, so that a second one is Ignored.
func (p *Permit) Done(err error) Verdict {
	if p.breaker == nil {
		return Ignored
	}
	return p.done(p.breaker.config.Classify(err), unread)
}

// DoneAt is Done for who knows what time it is, see AllowAt.
func (p *Permit) DoneAt(now time.Time, err error) Verdict {
	if p.breaker == nil {
		return Ignored
	}
	return p.done(p.breaker.config.Classify(err), p.breaker.ns(now))
}

// fail counts a call that has not come back.
func (p *Permit) fail() {
	if p.breaker != nil {
		p.done(Failure, unread)
	}
}

func (p *Permit) done(o Outcome, at int64) Verdict {
	b, of := p.breaker, p.period
	began, id := p.began, p.probe
	*p = Permit{}
	switch {
	case of.state == HalfOpen:
		return b.probed(of, began, id, o, at)
	case of.state == Disabled:
		return Ignored
	case o == Ignore:
		b.ignored.Add(1)
		return Ignored
	}
	if b.period.Load() != of {
		b.stale.Add(1)
		return Stale
	}
	if b.clocked {
		at = b.read(at)
	}
	if of.rule.count(o, at, at-began) {
		b.trip(of, at)
	}
	return Counted
}
