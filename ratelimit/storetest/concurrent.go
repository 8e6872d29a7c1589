package storetest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/plinth-go/plinth/ratelimit"
)

const callers = 8

// together calls f in a goroutine for each caller, at once, and returns all that they return.
func together(f func(caller int) ([]step, error)) ([]step, error) {
	var wg sync.WaitGroup
	var mu sync.Mutex
	var all []step
	var errs []error
	start := make(chan struct{})
	for caller := range callers {
		wg.Go(func() {
			<-start
			some, err := f(caller)
			mu.Lock()
			defer mu.Unlock()
			all = append(all, some...)
			errs = append(errs, err)
		})
	}
	close(start)
	wg.Wait()
	return all, errors.Join(errs...)
}

// step is an update and its answer.
type step struct {
	update
	answer
}

// checkConcurrent lets callers take from one key, first of a bucket that does not fill up
// meanwhile, of which they must get all and no more, then of one that does.
func checkConcurrent(ctx context.Context, s ratelimit.Store) error {
	for _, period := range []int64{hour, int64(100 * time.Microsecond), 1000} {
		u := update{key: fmt.Sprint("period ", period), period: period, tolerance: 100 * period}
		all, err := together(func(caller int) (mine []step, err error) {
			r := rand.New(rand.NewPCG(uint64(caller), 3))
			last := int64(0)
			// A store that is fast has a race only if there are many of them.
			for i, began := 0, time.Now(); i < 40 || i < 10_000 && time.Since(began) < 10*time.Millisecond; i++ {
				u := u
				u.cost = 1
				if period != hour {
					u.cost = 1 + r.Int64N(20)
				}
				a, err := ask(ctx, s, u)
				if err != nil {
					return nil, err
				}
				if a.now < last {
					return nil, fmt.Errorf("%v: now went back from %d to %d (S1)", u, last, a.now)
				}
				last = a.now
				mine = append(mine, step{u, a})
			}
			return mine, nil
		})
		if err != nil {
			return err
		}
		granted, err := checkHistory(all)
		if err != nil {
			return err
		}
		if period == hour && granted != 100 {
			return fmt.Errorf("%d callers took %d events of a bucket with 100", callers, granted)
		}
	}
	return nil
}

// checkConcurrentKeys gives each caller keys of his own: to each it is as if he were alone.
func checkConcurrentKeys(ctx context.Context, s ratelimit.Store) error {
	_, err := together(func(caller int) ([]step, error) {
		o, r := newOracle(s), rand.New(rand.NewPCG(uint64(caller), 4))
		for i, began := 0, time.Now(); i < 20 || i < 5000 && time.Since(began) < 5*time.Millisecond; i++ {
			u := update{fmt.Sprint("of ", caller, ": ", r.IntN(3)), hour, 100 * hour, r.Int64N(8) - 3}
			if _, err := o.compare(ctx, u); err != nil {
				return nil, err
			}
			for range r.IntN(3) { // in step, each might see only what he did himself
				runtime.Gosched()
			}
		}
		return nil, nil
	})
	return err
}

// checkHistory returns an error if the steps of a key, with costs above 0, cannot have
// been taken one after the other. The order of those that were granted is that of their tat.
func checkHistory(all []step) (granted int64, err error) {
	slices.SortFunc(all, func(a, b step) int { return cmp.Compare(a.tat, b.tat) })
	was := map[int64]bool{}
	tat := int64(0)
	for _, s := range all {
		if !s.ok {
			continue
		}
		begin := max(tat, s.now)
		if s.tat != begin+s.cost*s.period || s.tat > s.now+s.tolerance {
			return 0, fmt.Errorf("%v at %d was granted, and tat is %d: not one step from any other, of which the last before is %d", s.update, s.now, s.tat, tat)
		}
		tat = s.tat
		was[tat] = true
		granted += s.cost
	}
	for _, s := range all {
		if s.ok {
			continue
		}
		if !was[s.tat] && s.tat > s.now {
			return 0, fmt.Errorf("%v at %d was refused, and tat is %d, which it never was", s.update, s.now, s.tat)
		}
		if s.cost*s.period <= s.now-max(s.tat, s.now)+s.tolerance {
			return 0, fmt.Errorf("%v at %d was refused with a tat of %d, where it fits", s.update, s.now, s.tat)
		}
	}
	return granted, nil
}

// checkConcurrentGiveBack lets callers take events and give them back, so that in the end as
// many are missing as in the beginning, each time.
func checkConcurrentGiveBack(ctx context.Context, s ratelimit.Store) error {
	u := update{"key", hour, 1000 * hour, 500}
	first, err := ask(ctx, s, u)
	if err != nil {
		return err
	}
	for round := range 5 {
		_, err := together(func(caller int) ([]step, error) {
			r := rand.New(rand.NewPCG(uint64(caller), uint64(round)))
			return nil, takeAndGiveBack(ctx, s, u, r)
		})
		if err != nil {
			return err
		}
		u.cost = 0
		last, err := ask(ctx, s, u)
		if err != nil {
			return err
		}
		if last.tat != first.tat {
			return fmt.Errorf("all was given back, and tat is %d, %d before", last.tat, first.tat)
		}
	}
	return nil
}

// takeAndGiveBack takes some and gives some back, at random, and never has more than 20.
func takeAndGiveBack(ctx context.Context, s ratelimit.Store, u update, r *rand.Rand) error {
	held := int64(0)
	for i, began := 0, time.Now(); i < 20 || i < 5000 && time.Since(began) < 2*time.Millisecond; i++ {
		u.cost = min(r.Int64N(held+5)-held, 20-held)
		a, err := ask(ctx, s, u)
		if err != nil {
			return err
		}
		if !a.ok {
			return fmt.Errorf("%v was refused, when there was room", u)
		}
		held += u.cost
	}
	u.cost = -held
	_, err := ask(ctx, s, u)
	return err
}

// checkConcurrentCancel ends contexts during the calls: of one that returns an error, whatever
// error, nobody knows whether it was done, but it was done or it was not, and all others count.
func checkConcurrentCancel(ctx context.Context, s ratelimit.Store) error {
	u := update{"key", hour, 1 << 20 * hour, 1}
	first, err := ask(ctx, s, u)
	if err != nil {
		return err
	}
	failed := make([]int64, callers)
	all, err := together(func(caller int) (mine []step, err error) {
		for i := range 40 {
			ctx, cancel := context.WithCancel(ctx)
			ended := make(chan struct{})
			go func() {
				defer close(ended)
				for range i { // some sooner, some later
					runtime.Gosched()
				}
				cancel()
			}()
			a, err := ask(ctx, s, u)
			<-ended
			switch {
			case err == nil && !a.ok:
				return nil, fmt.Errorf("%v was refused", u)
			case err == nil:
				mine = append(mine, step{u, a})
			case errors.Is(err, errAnswer):
				return nil, err
			default:
				failed[caller]++
			}
		}
		return mine, nil
	})
	if err != nil {
		return err
	}
	u.cost = 0
	last, err := ask(ctx, s, u)
	if err != nil {
		return err
	}
	unknown := int64(0)
	for _, n := range failed {
		unknown += n
	}
	got, least := (last.tat-first.tat)/hour, int64(len(all))
	if got < least || got > least+unknown || (last.tat-first.tat)%hour != 0 {
		return fmt.Errorf("%d events were granted, of %d more nobody knows, and %d are counted", least, unknown, got)
	}
	return nil
}
