package ratelimit

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Limit is a rate: so many events in so long. The zero Limit is none and is refused by
// whatever takes one. A Limit is a value and is safe for concurrent use.
type Limit struct {
	n int64 // -1: any number
	d time.Duration
}

// Unlimited is the Limit that admits everything.
var Unlimited = Limit{n: -1}

// Per returns the limit of n events in d, such as Per(100, time.Minute). It panics unless
// both are positive and there is at most one event in a nanosecond.
func Per(n int64, d time.Duration) Limit {
	l := Limit{n, d}
	if err := l.finite(); err != nil {
		panic("ratelimit: " + err.Error())
	}
	return l
}

// PerSecond is Per(n, time.Second).
func PerSecond(n int64) Limit { return Per(n, time.Second) }

// ParseLimit reads what String writes: "100/1s", "5/1m30s", "1/h" (the 1 of a unit may be
// left out), "unlimited".
func ParseLimit(s string) (Limit, error) {
	if s == "unlimited" {
		return Unlimited, nil
	}
	events, period, found := strings.Cut(s, "/")
	if !found {
		return Limit{}, fmt.Errorf("ratelimit: limit %q: want EVENTS/DURATION, such as 100/1s", s)
	}
	n, err := strconv.ParseInt(events, 10, 64)
	if err != nil {
		return Limit{}, fmt.Errorf("ratelimit: limit %q: %q is not a number of events", s, events)
	}
	if period != "" && strings.IndexAny(period, "0123456789.+-") != 0 {
		period = "1" + period
	}
	d, err := time.ParseDuration(period)
	if err != nil {
		return Limit{}, fmt.Errorf("ratelimit: limit %q: %q is not a duration", s, period)
	}
	l := Limit{n, d}
	if err := l.finite(); err != nil {
		return Limit{}, fmt.Errorf("ratelimit: limit %q: %w", s, err)
	}
	return l, nil
}

func (l Limit) check() error {
	switch {
	case l == Unlimited:
		return nil
	case l == Limit{}:
		return fmt.Errorf("no limit given: use Per, PerSecond or Unlimited")
	}
	return l.finite()
}

// finite is check for numbers that somebody else has written: that -1 in no time is how a
// Limit says Unlimited must not be of use to him.
func (l Limit) finite() error {
	switch {
	case l.n <= 0:
		return fmt.Errorf("%d events: want at least 1", l.n)
	case l.d <= 0:
		return fmt.Errorf("in %v: want a positive time", l.d)
	case l.n > int64(l.d):
		return fmt.Errorf("%d events in %v: more than one in a nanosecond", l.n, l.d)
	}
	return nil
}

// Events returns how many there may be in a Period; math.MaxInt64 if Unlimited.
func (l Limit) Events() int64 {
	if l == Unlimited {
		return math.MaxInt64
	}
	return l.n
}

// Period returns the time in which there may be so many Events; 0 if Unlimited.
func (l Limit) Period() time.Duration { return l.d }

// String returns what ParseLimit reads, such as "100/1s".
func (l Limit) String() string {
	if l == Unlimited {
		return "unlimited"
	}
	return fmt.Sprintf("%d/%v", l.n, l.d)
}

// MarshalText is String, for configurations.
func (l Limit) MarshalText() ([]byte, error) { return []byte(l.String()), nil }

// UnmarshalText is ParseLimit, for configurations.
func (l *Limit) UnmarshalText(text []byte) error {
	parsed, err := ParseLimit(string(text))
	if err == nil {
		*l = parsed
	}
	return err
}
