package breaker

import "time"

// Probes are the calls that a half-open circuit lets through, so many at a time. Each holds a slot
// until it is done or its time is over.
//
//	a probe                 then
//	succeeds                its slot is free; if that makes Successes, the circuit closes
//	fails, or was slow      the circuit opens, for twice as long as the last time
//	is to be ignored        its slot is free
//	has not returned        the same as if it had failed when its time was over
//	returns after all that  it is stale
//	is done a second time   it is in no slot: ignored
//
// So a half-open circuit cannot stay so with all of its slots taken, be it because a call hangs,
// because somebody forgot to say Done, or because he has gone in a way that runs no code.
type probes struct { // guarded by the Breaker's mu
	running   []probe // never more than Config.Probes
	succeeded int
}

// probe is a call that runs.
type probe struct {
	id      uint64 // of all probes of a Breaker, which begin with 1
	overdue int64  // the ns at which its time is over
}

// firstOverdue returns when the first of those that run is overdue.
func (p *probes) firstOverdue() (at int64, any bool) {
	for i, one := range p.running {
		if i == 0 || one.overdue < at {
			at = one.overdue
		}
	}
	return at, len(p.running) > 0
}

// take frees the slot of a probe, and reports whether it was in one.
func (p *probes) take(id uint64) bool {
	for i, one := range p.running {
		if one.id == id {
			last := len(p.running) - 1
			p.running[i] = p.running[last]
			p.running = p.running[:last]
			return true
		}
	}
	return false
}

// allowProbe is Allow when the delay of an open circuit is over, or the circuit is half-open.
// The hooks are told of what was due before a probe takes its slot: their time is not the call's, which
// would be slow, or overdue, each time that a hook is, and the circuit would never close.
// So the clock is read again, if it is the clock that counts.
func (b *Breaker) allowProbe(said int64) (Permit, error) {
	for {
		b.mu.Lock()
		at := b.read(said)
		b.settle(at)
		if len(b.news) == 0 || b.telling {
			return b.admit(at)
		}
		b.unlock()
	}
}

// admit takes a slot, if there is one. The caller has mu, which it unlocks.
func (b *Breaker) admit(at int64) (Permit, error) {
	defer b.mu.Unlock()
	now := b.period.Load()
	switch now.state {
	case Closed, Disabled: // meanwhile
		return Permit{breaker: b, period: now, began: at}, nil
	case HalfOpen:
		if len(now.probes.running) < b.config.Probes {
			b.probeID++
			now.probes.running = append(now.probes.running, probe{b.probeID, at + int64(b.config.ProbeTimeout)})
			return Permit{breaker: b, period: now, began: at, probe: b.probeID}, nil
		}
	}
	b.rejected.add()
	return Permit{}, now.err
}

// probed is done for a probe.
func (b *Breaker) probed(of *period, began int64, id uint64, o Outcome, at int64) Verdict {
	b.mu.Lock()
	defer b.unlock()
	at = b.read(at)
	b.settle(at)
	if b.period.Load() != of {
		b.stale.Add(1)
		return Stale
	}
	if !of.probes.take(id) {
		return Ignored
	}
	if b.slow > 0 && at-began >= b.slow && o == Success {
		o = Failure
	}
	switch o {
	case Success:
		if of.probes.succeeded++; of.probes.succeeded >= b.config.Successes {
			b.enter(Closed, at)
		}
	case Failure:
		b.enter(Open, at)
	default:
		b.ignored.Add(1)
		return Ignored
	}
	return Counted
}

// settle makes the changes that have been due at some time: from open to half-open, and back if
// a probe has been overdue. It ends, as a circuit that has just become half-open has no probes.
func (b *Breaker) settle(at int64) {
	for {
		now := b.period.Load()
		switch now.state {
		case Open:
			if at < now.until {
				return
			}
			b.enter(HalfOpen, now.until)
		case HalfOpen:
			overdue, any := now.probes.firstOverdue()
			if !any || at < overdue {
				return
			}
			b.enter(Open, overdue)
		default:
			return
		}
	}
}

// trip opens a circuit, unless its period is over: somebody else was faster.
func (b *Breaker) trip(of *period, at int64) {
	b.mu.Lock()
	defer b.unlock()
	if b.period.Load() == of {
		b.enter(Open, b.read(at))
	}
}

// enter begins a period at some time. The caller has mu, and calls unlock.
func (b *Breaker) enter(state State, at int64) {
	before, next := b.period.Load(), &period{state: state}
	switch state {
	case Closed:
		next.rule = b.config.Trip.watch()
		b.opens = 0
	case Open:
		next.until = at + b.delay(b.opens)
		b.opens++
		b.opened++
	case HalfOpen:
		next.probes = &probes{}
	}
	if state != Closed && state != Disabled {
		next.err = &OpenError{breaker: b, period: next}
	}
	b.period.Store(next)
	c := Change{Name: b.config.Name, From: before.state, To: state, At: b.made.Add(time.Duration(at))}
	if state == Open {
		c.Until = b.made.Add(time.Duration(next.until))
	}
	for _, hook := range b.hooks {
		b.news = append(b.news, news{hook, c})
	}
}

// delay returns for how long a circuit is open that has been open so often since it was closed.
func (b *Breaker) delay(opens int) int64 {
	d := int64(b.config.OpenFor)
	for ; opens > 0 && d < int64(b.config.MaxOpenFor); opens-- {
		d *= 2 // up to maxDelay, so it does not wrap
	}
	d = min(d, int64(b.config.MaxOpenFor))
	if b.config.Jitter > 0 {
		d -= int64(b.config.Jitter * b.chance.Float64() * float64(d))
	}
	return d
}
