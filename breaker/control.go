package breaker

import (
	"log/slog"
	"time"
)

// State returns the state, after the changes that were due by now.
func (b *Breaker) State() State { return b.stateAt(unread) }

// StateAt is State for who knows what time it is, see AllowAt.
func (b *Breaker) StateAt(now time.Time) State { return b.stateAt(b.ns(now)) }

func (b *Breaker) stateAt(at int64) State {
	now := b.period.Load()
	switch now.state {
	case Open:
		if b.read(at) < now.until {
			return Open
		}
	case HalfOpen:
	default:
		return now.state
	}
	b.mu.Lock()
	defer b.unlock()
	b.settle(b.read(at))
	return b.period.Load().state
}

// Reset closes the circuit, and forgets all that has been counted for its rule. It ends
// ForceOpen and Disable.
func (b *Breaker) Reset() { b.set(Closed) }

// ForceOpen refuses all calls until Reset or Disable.
func (b *Breaker) ForceOpen() { b.set(Forced) }

// Disable lets all calls through and counts none, until Reset or ForceOpen.
func (b *Breaker) Disable() { b.set(Disabled) }

// set changes the state by hand. A circuit that is forced open, or disabled, stays in its period.
func (b *Breaker) set(state State) {
	b.mu.Lock()
	defer b.unlock()
	at := b.now()
	b.settle(at)
	if state == Closed || b.period.Load().state != state {
		b.enter(state, at)
	}
}

// OnStateChange lets a hook know of each change from now on, in order, and one after the other. It is
// called by a goroutine whose call has made a change, under no lock; it may use the Breaker. While
// it runs, others that make changes leave them to it and do not wait; if it never returns, they pile up.
// A Reset of a closed circuit is a change too, from Closed to Closed. If a hook panics, that goes on to the
// caller of whatever made the change, and the others are told by who makes the next one.
func (b *Breaker) OnStateChange(hook func(Change)) {
	if hook == nil {
		panic("breaker: Breaker.OnStateChange: a nil function")
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.hooks = append(b.hooks, hook)
}

// news is a change that a hook has not been told of.
type news struct {
	hook   func(Change)
	change Change
}

// unlock unlocks mu, and tells the hooks what has changed, unless somebody else is telling them
// already: he will find it.
func (b *Breaker) unlock() {
	defer b.mu.Unlock()
	if b.telling {
		return
	}
	b.telling = true
	defer func() { b.telling = false }() // also if a hook panics: what is left, the next one tells
	for len(b.news) > 0 {
		one := b.news[0]
		b.news = b.news[1:]
		b.tell(one)
	}
	b.news = nil
}

// tell calls a hook without the lock.
func (b *Breaker) tell(one news) {
	b.mu.Unlock()
	defer b.mu.Lock()
	one.hook(one.change)
}

// Counts returns what the rule has counted since the circuit closed. If it is not closed there
// is nothing.
func (b *Breaker) Counts() Counts {
	now := b.period.Load()
	if now.state != Closed {
		return Counts{}
	}
	return now.rule.counts(b.now())
}

// Stats are what a Breaker is and has counted since it was made. It is a plain value, a copy: safe
// for concurrent use as long as nobody changes it. Its fields have names for JSON, so that
// expvar can publish it.
type Stats struct {
	State    string    `json:"state"`
	Until    time.Time `json:"until,omitzero"` // when an open one lets probes through
	Counts   Counts    `json:"counts"`
	Probes   int       `json:"probes"`   // that run now
	Opened   uint64    `json:"opened"`   // how often
	Rejected uint64    `json:"rejected"` // calls that were refused
	Ignored  uint64    `json:"ignored"`  // outcomes that said nothing
	Stale    uint64    `json:"stale"`    // outcomes of a period that was over
}

// Stats returns the counts, after the changes that were due by now.
func (b *Breaker) Stats() Stats {
	b.mu.Lock()
	defer b.unlock()
	at := b.now()
	b.settle(at)
	now := b.period.Load()
	s := Stats{
		State: now.state.String(), Opened: b.opened,
		Rejected: b.rejected.sum(), Ignored: b.ignored.Load(), Stale: b.stale.Load(),
	}
	switch now.state {
	case Closed:
		s.Counts = now.rule.counts(at)
	case Open:
		s.Until = b.made.Add(time.Duration(now.until))
	case HalfOpen:
		s.Probes = len(now.probes.running)
	}
	return s
}

// LogValue makes a group of it in a slog record.
func (s Stats) LogValue() slog.Value {
	return slog.GroupValue(
		slog.String("state", s.State),
		slog.Int64("calls", s.Counts.Calls),
		slog.Int64("failures", s.Counts.Failures),
		slog.Int64("slow", s.Counts.Slow),
		slog.Int("probes", s.Probes),
		slog.Uint64("opened", s.Opened),
		slog.Uint64("rejected", s.Rejected),
		slog.Uint64("ignored", s.Ignored),
		slog.Uint64("stale", s.Stale),
	)
}
