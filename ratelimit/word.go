package ratelimit

import (
	"sync/atomic"
	"time"
)

// A bucket in one word. It holds the time at which the bucket is full again (in units of
// its pace; the papers call it the theoretical arrival time), and that says everything:
//
//	            tat - full          now              tat
//	------------------|--------------|----------------|--------> units
//	                  |<--- room --->|<--- missing -->|
//
// What is missing fills up by itself, because now moves on. To take n events moves tat to
// the right by their cost. A bucket that has been full for a while has its tat in the
// past: taking begins at now, or it would have saved up more than full.
//
// The same picture is the level of a leaky bucket (missing is what has not leaked out
// yet), the GCRA (tat - full is when the next cell conforms) and a queue (tat is when it
// has drained). Those files differ in what they call things, and in nothing else.
//
// Concurrency. A decision is one load and, if it is yes, one compare-and-swap: of two
// that race for the last token, one finds the word changed and decides again. Each
// successful swap is a decision that was right for the word which it replaced, so that
// all of them are one sequence, in which the bound holds. A no changes nothing.
type word struct{ tat atomic.Int64 }

// closed is a tat for which every decision is no: of a word that is not in use any more.
const closed = 1<<63 - 1

// take takes n events if there is room: 1 ≤ n.
func (w *word) take(p *pace, now clock, n int64) bool {
	for {
		tat := w.tat.Load()
		after, ok := p.taken(tat, now, n)
		if !ok || w.tat.CompareAndSwap(tat, after) {
			return ok
		}
	}
}

// taken returns the tat with n more events, if there is room: 1 ≤ n.
func (p *pace) taken(tat int64, now clock, n int64) (after int64, ok bool) {
	if n > p.burst || n*p.unit > p.room(tat, now) {
		return tat, false
	}
	return p.begin(tat, now, 0) + n*p.unit, true
}

// room returns the units that a bucket has.
func (p *pace) room(tat int64, now clock) int64 {
	if tat <= now.floor {
		return p.full
	}
	return now.floor + p.full - tat
}

// begin returns where the events that come now begin to count: who is late, and not by
// more than slack, counts as if he were not.
func (p *pace) begin(tat int64, now clock, slack int64) int64 {
	if tat > now.floor || slack > 0 && now.ceil-tat <= slack {
		return tat
	}
	return now.ceil
}

// decide is take, and says more. ns is what the time was made of.
func (w *word) decide(p *pace, ns, n int64) (d Decision) {
	for {
		tat := w.tat.Load()
		d = Decision{}
		after := p.decision(&d, tat, ns, n, 0)
		if after == tat || w.tat.CompareAndSwap(tat, after) {
			return d
		}
	}
}

// decision makes a decision of the zero one, and returns the tat afterwards. It does not
// return the decision, because to copy the six words once more takes as long as to make
// them (go test -bench=Keyed ./ratelimit, the cases of Take).
func (p *pace) decision(d *Decision, tat, ns, n, slack int64) (after int64) {
	if p.unit == 0 {
		*d = unlimited(n)
		return tat
	}
	now := p.at(ns)
	if n > 0 && n <= p.burst && n*p.unit <= p.room(tat, now) {
		tat = p.begin(tat, now, slack) + n*p.unit
		d.OK = true
	}
	d.Limit = p.burst
	d.Remaining = max(p.room(tat, now), 0) / p.unit
	d.ResetAfter = p.until(tat, ns)
	if n == 0 && d.Remaining > 0 {
		d.OK = true
	}
	if !d.OK {
		d.RetryAfter = p.retry(tat, ns, n)
	}
	return tat
}

// retry returns how long it takes until there is room for n events; 0 means one.
func (p *pace) retry(tat, ns, n int64) time.Duration {
	if n < 0 || n > p.burst {
		return Never
	}
	return p.until(tat-(p.full-max(n, 1)*p.unit), ns)
}

// refund gives back n events.
func (w *word) refund(p *pace, n int64) {
	for {
		tat := w.tat.Load()
		if n <= 0 || tat == closed || w.tat.CompareAndSwap(tat, p.refunded(tat, n)) {
			return
		}
	}
}

// refunded returns the tat with n events given back: 1 ≤ n. It need not stop at full: a tat
// in the past is as good as now. If the time was rounded up when they were taken, that
// stays, for less than a unit: the tat does not say whether it was, and to round down again
// might be too much.
func (p *pace) refunded(tat, n int64) int64 { return max(tat-min(n, p.burst)*p.unit, 0) }
