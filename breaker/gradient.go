package breaker

import (
	"errors"
	"fmt"
	"time"
)

// Gradient watches how long calls take. If they take longer than usual, some of them wait in the
// server. That is the idea of TCP Vegas (L. Brakmo, S. O'Malley, L. Peterson, 1994), which sees a
// queue before anything is lost; the formulas are those of Gradient2 of Netflix' concurrency-limits
// (E. Landau, W. Thurston, T. Bozarth, Performance Under Load, 2018). At the end of each Window
//
//	short     the mean time of the calls in it that went well
//	long      = long + 2/(Long+1) · (short - long)                what is usual
//	gradient  = long/short · the part of them that went well,     between ½ and 1
//	limit     = (1-Smoothing) · limit + Smoothing · (gradient · limit + Queue)
//
// It ends where gradient·limit + Queue is the limit. Above the knee, short is limit/X_max, by
// Little's law, and if long is R₀ it follows
//
//	limit = X_max·R₀ + Queue
//
// the knee, and a few that wait, so that the server never has nothing to do. If half of the limit
// was never in use in a window, the limit stays as it is. When long is more than twice short,
// what was usual was a bad time: it shrinks by a tenth besides.
//
// But is long R₀? What a client sees, when it always wants more than there is, is R₀ and the wait
// for the Queue that it has itself put there. It gets used to that: long creeps up, the limit
// follows, which puts more there. So, as BBR does for the same reason (N. Cardwell and others,
// 2016), it makes room now and then: each Drain windows the limit is half of what it was for one
// window, and the mean time of the calls that began in it is the new long. If half the limit was
// below the knee, that is R₀. Else it is less than it was, and the next time is better. A server
// that has become slower is understood in the same way: half as many calls still take long.
//
//	limit   ───────────┐ ┌───────────┐ ┌─────
//	                   └─┘           └─┘        here it looks how long a call takes
//
// It is a value, and safe for concurrent use.
//
//	a call     a few additions
//	memory     about 150 bytes
//	bad at     times that vary much by themselves, so that a mean of a Window does not say much; few
//	           calls; and it refuses up to half of the calls in one window of Drain
type Gradient struct {
	// Queue is how many calls may wait in the server. 0 is 4. The more the times vary, the more it
	// takes to keep the server busy.
	Queue int

	// Smoothing is how much of a change is made at once: more than 0, at most 1. 0 is 0.2. In a
	// window the limit falls by half of that at most.
	Smoothing float64

	// Window is the time between changes. 0 is a second. A window is longer if there were no ten
	// calls in it.
	Window time.Duration

	// Long is of how many windows long is the mean, about. 0 is 600.
	Long int

	// Drain is the number of windows from one look to the next: 2 or more. 0 is 30, and less is
	// never.
	Drain int
}

const enoughCalls = 10 // calls in a window to learn from

type gradient struct {
	Gradient
	bounds
	limit float64
	long  float64 // ns; 0: not known yet
	seen  int     // windows in long, up to Long

	// Of the window.
	began    time.Duration
	left     int // windows to the next drain; 0: it is one
	sum      float64
	ok, bad  int
	inFlight int // the most
}

func (l Gradient) start(b bounds) (law, error) {
	set := func(n *int, usual int) {
		if *n == 0 {
			*n = usual
		}
	}
	set(&l.Queue, 4)
	set(&l.Long, 600)
	set(&l.Drain, 30)
	if l.Smoothing == 0 {
		l.Smoothing = 0.2
	}
	if l.Window == 0 {
		l.Window = time.Second
	}
	switch {
	case l.Queue < 0:
		return nil, fmt.Errorf("a Gradient with a Queue of %d: want 0 or more", l.Queue)
	case !(l.Smoothing > 0 && l.Smoothing <= 1):
		return nil, fmt.Errorf("a Gradient with a Smoothing of %v: want more than 0, at most 1", l.Smoothing)
	case l.Window < 0:
		return nil, fmt.Errorf("a Gradient with a Window of %v: want 0 or more", l.Window)
	case l.Long < 1:
		return nil, fmt.Errorf("a Gradient with a Long of %d: want 1 or more", l.Long)
	case l.Drain == 1:
		return nil, errors.New("a Gradient with a Drain of 1: want 2 or more, or less than 0")
	}
	return &gradient{Gradient: l, bounds: b, limit: b.initial, left: l.Drain}, nil
}

func (l *gradient) update(c sample) float64 {
	if l.left == 0 && c.now-c.rtt < l.began {
		return l.now() // it says how long a call took before
	}
	l.inFlight = max(l.inFlight, c.inFlight)
	if c.ok {
		l.ok++
		l.sum += float64(c.rtt)
	} else {
		l.bad++
	}
	if c.now-l.began >= l.Window && l.ok+l.bad >= enoughCalls {
		l.learn()
		l.next(c.now)
	}
	return l.now()
}

// now returns the limit of the window.
func (l *gradient) now() float64 {
	if l.left == 0 {
		return l.clamp(l.limit / 2)
	}
	return l.limit
}

// learn is the end of a window.
func (l *gradient) learn() {
	short, part := l.sum/float64(max(l.ok, 1)), float64(l.ok)/float64(l.ok+l.bad)
	if short > 0 {
		l.usual(short)
	}
	if l.left == 0 || !used(l.inFlight, l.limit) {
		return
	}
	gradient := part
	if short > 0 {
		gradient *= min(l.long/short, 1)
	}
	wanted := max(gradient, 0.5)*l.limit + float64(l.Queue)
	l.limit = l.clamp((1-l.Smoothing)*l.limit + l.Smoothing*wanted)
}

// usual takes the time of a window into what is usual.
func (l *gradient) usual(short float64) {
	l.seen = min(l.seen+1, l.Long)
	if l.left == 0 {
		l.long = short
		return
	}
	l.long += 2 / float64(l.seen+1) * (short - l.long) // the first is long itself
	if l.long > 2*short {
		l.long *= 0.9
	}
}

// next begins a window.
func (l *gradient) next(now time.Duration) {
	switch {
	case l.left > 0:
		l.left--
	case l.left == 0:
		l.left = l.Drain
	}
	l.began, l.sum, l.ok, l.bad, l.inFlight = now, 0, 0, 0, 0
}
