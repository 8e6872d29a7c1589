package ratelimit

import (
	"fmt"
	"math"
	"math/bits"
	"time"
)

// A bucket counts neither events nor nanoseconds but units of its own, so that all of its
// arithmetic is on whole numbers and exact:
//
//	an event costs      unit units
//	a full bucket has   burst × unit
//	a nanosecond gives  speed units, at most one
//
// If the time from one event to the next is a whole number of nanoseconds, or there are
// at most 1,000 events a second, a unit is a nanosecond, and an event costs that time,
// rounded up. That makes the rate at most a millionth too low, and never too high:
//
//	100/1s     unit 10,000,000    speed 1
//	3/1s       unit 333,333,334   speed 1: 3 in 1.000000002 s
//
// Otherwise an event costs that time rounded down, and speed is that much less than 1, as
// a fraction with 64 bits, rounded down: too low by less than 2⁻⁶³ of it.
//
//	7000/1s    unit 142,857       speed 0.999999
//
// If a burst would be more than 2⁶² units, there are so many fewer of them:
//
//	1/1h, burst 2⁶⁰    unit 4     speed 0.0000000000011
//
// With a speed below 1 the units that have come until now may not be a whole number. What
// a bucket has to give is rounded down then, and where it begins to count is rounded up
// (clock.floor, clock.ceil): so it never admits more than burst + rate × W events within a
// time W, not even by the rounding.

// pace is a Limit and a burst in units. It is immutable, and safe for concurrent use.
type pace struct {
	unit  int64 // that an event costs; 0: Unlimited
	full  int64 // that a full bucket has
	burst int64

	// speed is how many units a nanosecond gives, times 2^(64+shift); 0 means one.
	speed uint64
	shift uint8

	limit Limit
}

const (
	maxUnits = 1 << 62 // of a burst, and of the clock
	exactly  = 1e6     // nanoseconds from event to event, from which on rounding them up is less than a millionth
	midday   = 1 << 61 // what the clock shows when a limiter is made: 73 years
)

// newPace panics if limit or burst are impossible: what calls it has constants.
func newPace(what string, limit Limit, burst int64) pace {
	p, err := makePace(limit, burst)
	if err != nil {
		panic(fmt.Sprintf("ratelimit: %s: %v", what, err))
	}
	return p
}

func makePace(limit Limit, burst int64) (pace, error) {
	if err := limit.check(); err != nil {
		return pace{}, err
	}
	if burst < 1 || burst > maxUnits {
		return pace{}, fmt.Errorf("burst or capacity of %d: want 1 to 2^62", burst)
	}
	if limit == Unlimited {
		return pace{burst: burst, limit: limit}, nil
	}
	n, d := uint64(limit.n), uint64(limit.d)
	unit, most := d/n, uint64(maxUnits/burst)
	p := pace{burst: burst, limit: limit}
	switch {
	case d%n == 0 && unit <= most:
		p.unit = int64(unit)
	case unit >= exactly && unit < most:
		p.unit = int64(unit + 1)
	default:
		p.unit = int64(min(unit, most))
		gain := uint64(p.unit) * n // units in d nanoseconds, fewer than those
		for gain<<1 < d {
			gain <<= 1
			p.shift++
		}
		p.speed, _ = bits.Div64(gain, 0, d)
	}
	p.full = burst * p.unit
	return p, nil
}

// clock is what time it is for a bucket: how many units have come since long ago,
// rounded down and up.
type clock struct{ floor, ceil int64 }

// since returns the nanoseconds that at counts from: those since a limiter was made,
// which may be negative. They end so early that no burst which is taken then has a tat
// of closed.
func since(made, now time.Time) int64 {
	return midday + min(max(int64(now.Sub(made)), -midday), midday-2)
}

// at tells the time, of what since or sinceNow has returned.
func (p *pace) at(ns int64) clock {
	if p.speed == 0 {
		return clock{ns, ns}
	}
	hi, lo := bits.Mul64(uint64(ns), p.speed)
	c := clock{int64(hi >> p.shift), int64(hi >> p.shift)}
	if lo != 0 || hi&(1<<p.shift-1) != 0 {
		c.ceil++
	}
	return c
}

// units returns how many come in a time.
func (p *pace) units(d time.Duration) int64 {
	return p.at(midday+min(int64(d), midday-1)).floor - p.at(midday).floor
}

// sinceNow is since for a limiter that was made on the monotonic clock.
func sinceNow(made time.Time) int64 { return midday + int64(time.Since(made)) }

// until returns how long it takes from ns on until the clock's floor shows so many
// units: 0 if it does, Never if there is no such time.
func (p *pace) until(units, ns int64) time.Duration {
	if units <= 0 {
		return 0
	}
	at := uint64(units)
	if p.speed != 0 {
		hi := at << p.shift
		if hi>>p.shift != at || hi >= p.speed {
			return Never
		}
		q, rest := bits.Div64(hi, 0, p.speed)
		at = q
		if rest > 0 {
			at++
		}
	}
	switch {
	case at > math.MaxInt64:
		return Never
	case int64(at) <= ns:
		return 0
	}
	return time.Duration(int64(at) - ns)
}
