package storetest

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/plinth-go/plinth/ratelimit"
)

const hour = int64(time.Hour)

// checkSequence makes random updates of a few keys, the same ones each time.
func checkSequence(ctx context.Context, s ratelimit.Store) error {
	o, r := newOracle(s), rand.New(rand.NewPCG(1, 2))
	periods := []int64{1, 7, 1000, 33_333, int64(time.Millisecond), hour}
	bursts := []int64{1, 2, 10, 1000}
	for i := range 600 {
		u := update{key: fmt.Sprint("key ", r.IntN(5)), period: periods[r.IntN(len(periods))]}
		if i%3 > 0 { // most are of one limit for each key
			u.period = periods[3+int(u.key[4]-'0')%3]
		}
		burst := bursts[r.IntN(len(bursts))]
		u.tolerance = burst*u.period + r.Int64N(u.period)
		u.cost = r.Int64N(2*burst+2) - burst/2
		if _, err := o.compare(ctx, u); err != nil {
			return fmt.Errorf("update %d: %w", i, err)
		}
	}
	return nil
}

// checkTime takes all there is and asks until there is something again, several times. That
// finds what is forgotten too early. A store which is so slow that there is always something
// again when the next update comes gets a longer period.
func checkTime(ctx context.Context, s ratelimit.Store) error {
	o := newOracle(s)
	if err := checkClock(ctx, o); err != nil {
		return err
	}
	for i, period := range []int64{1_700_000, 300_000, 2_999_999, 1_000_001} {
		u := update{fmt.Sprint("key ", i%2), period, 3 * period, 1}
		for granted, refused, since := 0, 0, time.Now(); refused < 3; {
			a, err := o.compare(ctx, u)
			switch {
			case err != nil:
				return err
			case u.cost == 1 && a.ok:
				since = time.Now()
				if granted++; granted%6 == 0 {
					u.period *= 3
					u.tolerance *= 3
				}
			case u.cost == 1: // and now only ask, which must keep nothing alive
				u.cost, granted, since = 0, 0, time.Now()
				refused++
			case a.ok:
				u.cost = 1
			case time.Since(since) > 20*time.Second+10*time.Duration(u.period):
				return fmt.Errorf("%v is refused for %v", u, time.Since(since))
			}
		}
	}
	return nil
}

// checkClock asks for ten milliseconds, in which the store's clock must go on by about as
// many nanoseconds.
func checkClock(ctx context.Context, o *oracle) error {
	u := update{"clock", 1, 1, 0}
	start := time.Now()
	first, err := o.compare(ctx, u)
	answered := time.Now()
	for err == nil && time.Since(answered) < 10*time.Millisecond {
		_, err = o.compare(ctx, u)
	}
	if err != nil {
		return err
	}
	least := time.Since(answered)
	last, err := o.compare(ctx, u)
	if err != nil {
		return err
	}
	if passed := time.Duration(last.now - first.now); passed < least/2 || passed > 2*time.Since(start) {
		return fmt.Errorf("in %v the clock went on by %d, want nanoseconds", least, passed)
	}
	return nil
}

// checkMemory uses up hundreds of keys, and asks whether all are remembered.
func checkMemory(ctx context.Context, s ratelimit.Store) error {
	o := newOracle(s)
	for range 2 {
		for i := range 500 {
			if _, err := o.compare(ctx, update{fmt.Sprint("user:", i), hour, 2 * hour, 2}); err != nil {
				return err
			}
		}
	}
	return nil
}

// checkKeys uses keys that somebody might take for something else, or for one another.
func checkKeys(ctx context.Context, s ratelimit.Store) error {
	long := strings.Repeat("k", 4096)
	keys := []string{
		"", " ", "a", "A", "a ", " a", "a\x00", "\x00", "\x00\x00", "a/b", "a//b", "a:b", "a\nb", "a\r\nb", "*", "a*", "%00", "..", "../a",
		"é", "e\u0301", "ключ", "\xff\xfe", "\xff", "\ufffd", "0", "00", "null", long, long + "x", "x" + long,
	}
	o := newOracle(s)
	for i := range 3 * len(keys) {
		if _, err := o.compare(ctx, update{keys[i%len(keys)], hour, 2 * hour, 2 - int64(i/len(keys))}); err != nil {
			return err
		}
	}
	return nil
}

// checkGiveBack gives back what was taken, more than that, and what never was.
func checkGiveBack(ctx context.Context, s ratelimit.Store) error {
	o := newOracle(s)
	for _, cost := range []int64{-1, 10, -3, 4, 3, -10, 11, 10, -100, 10, -9, 9, 1, -1, 1, -5, -6, 11, 10, 0, -1, 0} {
		if _, err := o.compare(ctx, update{"key", hour, 10 * hour, cost}); err != nil {
			return err
		}
	}
	return nil
}

// checkExtremes uses the largest numbers that there are, and products that wrap to small
// ones.
func checkExtremes(ctx context.Context, s ratelimit.Store) error {
	o := newOracle(s)
	for _, u := range []update{
		{period: 1, tolerance: maxTime}, {period: 3, tolerance: maxTime}, {period: maxTime, tolerance: maxTime},
		{period: maxTime - 1, tolerance: maxTime}, {period: 1 << 32, tolerance: maxTime}, {period: 1 << 61, tolerance: maxTime - 1},
		{period: 1, tolerance: 1}, {period: math.MaxInt32, tolerance: 5 * math.MaxInt32},
	} {
		u.key = fmt.Sprint(u.period, " of ", u.tolerance)
		most := u.tolerance / u.period
		wraps := math.MaxInt64/u.period + 1
		for _, cost := range []int64{
			math.MaxInt64, most + 1, most, 1, 0, math.MinInt64, wraps, 2 * (wraps / 2), 4, 1 << 31, 1 << 32, 1 << 62,
			most, -most, -wraps, most/2 + 1, math.MinInt64 + 1, 1, -1, most, 0,
		} {
			u.cost = cost
			if _, err := o.compare(ctx, u); err != nil {
				return err
			}
		}
		// Another limit, of which the same tat is far too late.
		if _, err := o.compare(ctx, update{u.key, 1, 10, 1}); err != nil {
			return err
		}
	}
	return nil
}

// checkArguments makes impossible updates, which must change nothing.
func checkArguments(ctx context.Context, s ratelimit.Store) error {
	o := newOracle(s)
	u := update{"key", hour, 10 * hour, 5}
	for _, wrong := range []update{
		{"key", 0, 10 * hour, 1}, {"key", -1, 10 * hour, 1}, {"key", math.MinInt64, hour, 1}, {"key", hour, 0, 1}, {"key", hour, hour - 1, 1},
		{"key", 1, 0, 0}, {"key", hour, -hour, 1}, {"key", -hour, -hour, 1}, {"key", 1, maxTime + 1, 1}, {"key", 1, math.MaxInt64, 1},
		{"key", hour, math.MinInt64, -1},
	} {
		if _, err := o.compare(ctx, u); err != nil {
			return err
		}
		u.cost = 0
		switch _, err := ask(ctx, s, wrong); {
		case err == nil:
			return fmt.Errorf("%v has no error", wrong)
		case errors.Is(err, errAnswer):
			return err
		}
	}
	_, err := o.compare(ctx, u)
	return err
}

// checkCancelled calls with a context that has ended, which must change nothing.
func checkCancelled(ctx context.Context, s ratelimit.Store) error {
	o := newOracle(s)
	ended, cancel := context.WithCancel(ctx)
	cancel()
	late, cancel := context.WithDeadline(ctx, time.Now().Add(-time.Second))
	defer cancel()
	for range 3 {
		if _, err := o.compare(ctx, update{"key", hour, 10 * hour, 2}); err != nil {
			return err
		}
		for _, cost := range []int64{0, 3, -1} {
			for _, c := range []context.Context{ended, late} {
				if _, err := ask(c, s, update{"key", hour, 10 * hour, cost}); !errors.Is(err, c.Err()) {
					return fmt.Errorf("a context has ended, and the error is %v, want %v", err, c.Err())
				}
			}
		}
	}
	_, err := o.compare(ctx, update{"key", hour, 10 * hour, 0})
	return err
}
