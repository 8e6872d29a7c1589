package main

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"time"

	"github.com/failsafe-go/failsafe-go/ratelimiter"
	"go.uber.org/ratelimit"
	"golang.org/x/time/rate"

	ours "github.com/plinth-go/plinth/ratelimit"
)

// rateSpeed compares how many decisions limiters make.
type rateSpeed struct{}

// rateCell is one kind of decision.
type rateCell struct {
	keys       int // 1: a limiter without a key, where there is one
	denied     bool
	goroutines int
}

func (c rateCell) String() string {
	answer := "granted"
	if c.denied {
		answer = "denied"
	}
	return fmt.Sprintf("RateLimit/keys=%d/%s/goroutines=%d", c.keys, answer, c.goroutines)
}

const (
	rateDecisions = 2_000_000 // of one measurement
	rateKeys      = 1024
)

func rateCells() (cells []rateCell) {
	for _, keys := range []int{1, rateKeys} {
		for _, denied := range []bool{false, true} {
			for _, goroutines := range []int{1, 2} {
				cells = append(cells, rateCell{keys, denied, goroutines})
			}
		}
	}
	return cells
}

func rateImpls() []string {
	return []string{implPlinth, implClock, implXTime, implUber, implThrottled, implGoLimiter, implFailsafe}
}

func (rateSpeed) names() (names []string) {
	for _, c := range rateCells() {
		names = append(names, c.String())
	}
	return names
}

func (rs rateSpeed) run(ctx context.Context, s *session, chosen []int) error {
	picked, names := pick(rateCells(), chosen), pick(rs.names(), chosen)
	t := newTable("decisions/s", "%.0f", rateImpls(), true)
	err := s.mixed(ctx, names, rateImpls(), func(i int, impl string) error {
		perSecond, err := decisions(impl, picked[i], max(int(rateDecisions*s.scale), 1000))
		if perSecond > 0 {
			t.add(names[i], impl, perSecond)
		}
		return err
	})
	if err != nil {
		return err
	}
	return t.print(s.out, names)
}

// decisions measures a library, or returns 0 if it has no such limiter.
func decisions(impl string, c rateCell, n int) (float64, error) {
	var loop func(thread, n int) int
	var end func()
	var err error
	if c.keys == 1 {
		var one rateLoop
		if one, end, err = oneLimiter(impl, c.denied); one != nil {
			loop = func(_, n int) int { return one(n) }
		}
	} else {
		var byKey keyedLoop
		if byKey, end, err = keyedLimiter(impl, c.keys, c.denied); byKey != nil {
			keys := rateNames(c.keys)
			keys = append(keys, keys...)
			loop = func(thread, n int) int { // goroutines begin in different places of the round
				from := c.keys * thread / c.goroutines
				return byKey(keys[from:from+c.keys], n)
			}
		}
	}
	if err != nil {
		return 0, err
	}
	defer end()
	if loop == nil {
		return 0, nil
	}
	loop(0, c.keys) // each key is there, and where it is to be denied its only token is gone
	runtime.GC()
	return timed(c.goroutines, n, func(thread, from, to int) error {
		granted := loop(thread, to-from)
		if want := to - from; (granted == want) == c.denied || granted != 0 && granted != want {
			return errors.New("granted " + fmt.Sprint(granted) + " of " + fmt.Sprint(want))
		}
		return nil
	})
}

// rateNames makes keys as long as addresses.
func rateNames(n int) []string {
	keys := make([]string, n)
	for i := range keys {
		keys[i] = fmt.Sprintf("10.%d.%d.%d", i>>16, i>>8&255, i&255)
	}
	return keys
}

// rateMemory compares what a limiter by key takes for each key.
type rateMemory struct{}

const rateManyKeys = 1_000_000

func (rateMemory) names() []string { return []string{"RateLimitMemory/keys=1000000"} }

func (rateMemory) impls() []string {
	return []string{implPlinth, implXTime, implThrottled, implGoLimiter}
}

func (rm rateMemory) run(ctx context.Context, s *session, _ []int) error {
	t := newTable("bytes/key, without the bytes of its name", "%.0f", rm.impls(), false)
	keys := rateNames(max(int(rateManyKeys*s.scale), 1000))
	err := s.mixed(ctx, rm.names(), rm.impls(), func(_ int, impl string) error {
		before := heapInUse()
		loop, end, err := keyedLimiter(impl, len(keys), true)
		if err != nil {
			return err
		}
		defer end()
		if loop == nil {
			return nil
		}
		loop(keys, len(keys))
		t.add(rm.names()[0], impl, float64(heapInUse()-before)/float64(len(keys)))
		runtime.KeepAlive(loop)
		return nil
	})
	if err != nil {
		return err
	}
	runtime.KeepAlive(keys)
	return t.print(s.out, rm.names())
}

// rateWait compares how many turns those get who wait for each, on the real clock, of
// 1,000 a second in which nobody may save any up.
type rateWait struct{}

const (
	rateTurns   = 1000 // a second
	ratePeriod  = 2 * time.Second
	implSlack   = "plinth+slack"
	implNoSlack = "uber-slack"
	catchUp     = 2 * time.Millisecond
)

func (rateWait) waiters() []int { return []int{1, 8} }

func (rateWait) impls() []string {
	return []string{implPlinth, implSlack, implXTime, implUber, implNoSlack, implFailsafe}
}

func (rw rateWait) names() (names []string) {
	for _, n := range rw.waiters() {
		names = append(names, fmt.Sprintf("RateLimitWait/rate=%d/waiters=%d", rateTurns, n))
	}
	return names
}

func (rw rateWait) run(ctx context.Context, s *session, chosen []int) error {
	picked, names := pick(rw.waiters(), chosen), pick(rw.names(), chosen)
	t := newTable("turns/s", "%.0f", rw.impls(), false)
	err := s.mixed(ctx, names, rw.impls(), func(i int, impl string) error {
		turn := waiter(impl)
		period := time.Duration(float64(ratePeriod) * min(s.scale, 1))
		start, turns := time.Now(), make([]int, picked[i])
		_, err := timed(picked[i], picked[i], func(thread, _, _ int) error {
			for time.Since(start) < period {
				if err := turn(ctx); err != nil {
					return err
				}
				turns[thread]++
			}
			return nil
		})
		sum := 0
		for _, n := range turns {
			sum += n
		}
		t.add(names[i], impl, float64(sum)/time.Since(start).Seconds())
		return err
	})
	if err != nil {
		return err
	}
	return t.print(s.out, names)
}

// waiter returns what waits for one turn.
func waiter(impl string) func(context.Context) error {
	switch impl {
	case implXTime:
		l := rate.NewLimiter(rateTurns, 1)
		return l.Wait
	case implUber, implNoSlack:
		l := ratelimit.New(rateTurns)
		if impl == implNoSlack {
			l = ratelimit.New(rateTurns, ratelimit.WithoutSlack)
		}
		return func(context.Context) error { l.Take(); return nil }
	case implFailsafe:
		return ratelimiter.NewSmooth[any](rateTurns, time.Second).AcquirePermit
	}
	l := ours.NewTokenBucket(ours.PerSecond(rateTurns), 1)
	if impl == implSlack {
		l.SetSlack(catchUp)
	}
	return func(ctx context.Context) error { return l.Wait(ctx, 1) }
}
