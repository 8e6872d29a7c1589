package storetest

import (
	"context"
	"errors"
	"fmt"
	"math/big"

	"github.com/plinth-go/plinth/ratelimit"
)

// update is what a store is told.
type update struct {
	key                     string
	period, tolerance, cost int64
}

func (u update) String() string {
	key := u.key
	if len(key) > 20 {
		key = key[:20] + "…"
	}
	return fmt.Sprintf("Update(%q, %d, %d, %d)", key, u.period, u.tolerance, u.cost)
}

// answer is what it says.
type answer struct {
	tat, now int64
	ok       bool
}

// errAnswer says that a store has said what no store may, with or without an error of its
// own: where an error is expected, this one is not it.
var errAnswer = errors.New("not an answer")

// ask does an update. An error says which.
func ask(ctx context.Context, s ratelimit.Store, u update) (answer, error) {
	tat, now, ok, err := s.Update(ctx, u.key, u.period, u.tolerance, u.cost)
	switch {
	case err != nil && ok:
		return answer{}, fmt.Errorf("%w: %v is ok and has an error (S4): %v", errAnswer, u, err)
	case err != nil:
		return answer{}, fmt.Errorf("%v: %w", u, err)
	case now < 0 || now >= maxTime || tat < 0:
		return answer{}, fmt.Errorf("%w: %v: tat %d at %d, want tat ≥ 0 and 0 ≤ now < 2^62 (S3)", errAnswer, u, tat, now)
	}
	return answer{tat, now, ok}, nil
}

const maxTime = 1 << 62

// oracle is a store that has all the time it wants, and numbers without a limit. It is not
// safe for concurrent use.
type oracle struct {
	store ratelimit.Store
	tats  map[string]*big.Int
	nows  map[string]int64
}

func newOracle(s ratelimit.Store) *oracle {
	return &oracle{store: s, tats: map[string]*big.Int{}, nows: map[string]int64{}}
}

// compare does an update in the store and compares the answer with its own.
func (o *oracle) compare(ctx context.Context, u update) (answer, error) {
	a, err := ask(ctx, o.store, u)
	if err != nil {
		return a, err
	}
	if last, ok := o.nows[u.key]; ok && a.now < last {
		return a, fmt.Errorf("%v: now went back from %d to %d (S1)", u, last, a.now)
	}
	o.nows[u.key] = a.now
	want, ok := o.step(u, a.now)
	if got := max(a.tat, a.now); a.ok != ok || want.Cmp(big.NewInt(got)) != 0 {
		return a, fmt.Errorf("%v at %d: tat %d and ok %v, want %v and %v", u, a.now, a.tat, a.ok, want, ok)
	}
	return a, nil
}

// step returns tat, or now if that is later: a full bucket is full.
func (o *oracle) step(u update, at int64) (tat *big.Int, ok bool) {
	now := big.NewInt(at)
	tat = o.tats[u.key]
	if tat == nil || tat.Cmp(now) < 0 {
		tat = now
	}
	units := new(big.Int).Mul(big.NewInt(u.cost), big.NewInt(u.period))
	room := new(big.Int).Add(now, big.NewInt(u.tolerance))
	room.Sub(room, tat)
	switch {
	case u.cost == 0:
		ok = room.Cmp(big.NewInt(u.period)) >= 0
	case u.cost > 0:
		if ok = room.Cmp(units) >= 0; ok {
			tat = new(big.Int).Add(tat, units)
		}
	default:
		most := big.NewInt(-u.tolerance / u.period * u.period)
		if units.Cmp(most) < 0 {
			units = most
		}
		tat, ok = new(big.Int).Add(tat, units), true
	}
	o.tats[u.key] = tat
	if tat.Cmp(now) < 0 {
		tat = now
	}
	return tat, ok
}
