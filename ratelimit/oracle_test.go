package ratelimit

import (
	"math"
	"math/big"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// The oracles say what each algorithm has to answer, as its definition says it and without
// a thought of speed: the windows keep a list of all that was ever taken and count in it,
// the buckets count tokens in numbers that cannot overflow. None knows the word, its tat,
// or how long anything takes: what an oracle says about the future is how many events could
// happen then, and a time is right if so many can happen at it, and not a nanosecond
// earlier (requireFirst).

// oracle is one algorithm. Times are nanoseconds as since counts them.
type oracle interface {
	most() int64
	left(at uint64) int64     // how many can happen then, if nobody comes before
	take(ns, n int64)         // counts n events, which can happen
	refund(ns, n int64) int64 // how many were given back
	see(ns int64)             // somebody has asked
	counted(ns int64) uint64  // when what is taken now counts
}

// entry is events that were taken at one time, or given back.
type entry struct {
	at uint64
	n  int64
}

// windowOracle is what the windows have in common: a list of all that was taken, and the
// latest time that was seen. An earlier one counts as that.
type windowOracle struct {
	limit   Limit
	entries []entry
	seen    int64
}

func (o *windowOracle) most() int64          { return o.limit.n }
func (o *windowOracle) see(ns int64)         { o.seen = max(o.seen, ns) }
func (o *windowOracle) counted(int64) uint64 { return uint64(o.seen) }
func (o *windowOracle) take(_, n int64)      { o.entries = append(o.entries, entry{uint64(o.seen), n}) }
func (o *windowOracle) at(at uint64) uint64  { return max(at, uint64(o.seen)) }

// giveBack takes away from what was taken last, if it counts.
func (o *windowOracle) giveBack(n int64, counts func(entry) bool) (back int64) {
	n = max(n, 0)
	for i := len(o.entries) - 1; i >= 0 && counts(o.entries[i]); i-- {
		part := min(n-back, o.entries[i].n)
		o.entries[i].n -= part
		back += part
	}
	return back
}

// window returns the number of a window: that which begins when the limiter is made is 0.
func (o *windowOracle) window(at uint64) *big.Int {
	since := new(big.Int).Sub(new(big.Int).SetUint64(at), big.NewInt(midday))
	return since.Div(since, big.NewInt(int64(o.limit.d))) // rounds down
}

// sum returns how much was taken in a window.
func (o *windowOracle) sum(window *big.Int) (n int64) {
	for _, e := range o.entries {
		if o.window(e.at).Cmp(window) == 0 {
			n += e.n
		}
	}
	return n
}

type fixedOracle struct{ windowOracle }

func (o *fixedOracle) left(at uint64) int64 { return o.limit.n - o.sum(o.window(o.at(at))) }

func (o *fixedOracle) refund(_, n int64) int64 {
	now := o.window(uint64(o.seen))
	return o.giveBack(n, func(e entry) bool { return o.window(e.at).Cmp(now) == 0 })
}

type logOracle struct{ windowOracle }

func (o *logOracle) counts(e entry, at uint64) bool { return e.at+uint64(o.limit.d) > at }

func (o *logOracle) left(at uint64) int64 {
	left := o.limit.n
	for _, e := range o.entries {
		if o.counts(e, o.at(at)) {
			left -= e.n
		}
	}
	return left
}

func (o *logOracle) refund(_, n int64) int64 {
	return o.giveBack(n, func(e entry) bool { return o.counts(e, uint64(o.seen)) })
}

type counterOracle struct{ windowOracle }

func (o *counterOracle) left(at uint64) int64 {
	at = o.at(at)
	window, d := o.window(at), big.NewInt(int64(o.limit.d))
	edge := new(big.Int).Mul(window, d)
	edge.Add(edge, big.NewInt(midday)).Add(edge, d)    // of the next window
	rest := edge.Sub(edge, new(big.Int).SetUint64(at)) // of this one

	// n·d - before·rest - taken·d, in events, rounded down.
	room := new(big.Int).Mul(big.NewInt(o.limit.n-o.sum(window)), d)
	before := o.sum(new(big.Int).Sub(window, big.NewInt(1)))
	room.Sub(room, rest.Mul(rest, big.NewInt(before)))
	return room.Div(room, d).Int64()
}

func (o *counterOracle) refund(_, n int64) int64 {
	since := o.window(uint64(o.seen))
	since.Sub(since, big.NewInt(1))
	return o.giveBack(n, func(e entry) bool { return o.window(e.at).Cmp(since) >= 0 })
}

// bucketOracle is a bucket of tokens. Tokens are counted in units, at the rounded rate, as
// pace.go says.
type bucketOracle struct {
	limit    Limit
	burst    int64
	slack    time.Duration
	unit     *big.Int // of a token
	full     *big.Int
	num, den *big.Int // units in a nanosecond

	// It has had so many tokens, when so many units had come. It may have more than full
	// since, which it has not when somebody looks.
	tokens, came *big.Int
}

func newBucketOracle(limit Limit, burst int64) *bucketOracle {
	o := &bucketOracle{limit: limit, burst: burst, num: big.NewInt(1), den: big.NewInt(1), came: new(big.Int)}
	n, d := big.NewInt(limit.n), big.NewInt(int64(limit.d))
	most := new(big.Int).Div(big.NewInt(1<<62), big.NewInt(burst)) // of a unit
	interval, rest := new(big.Int).DivMod(d, n, new(big.Int))
	up := new(big.Int).Add(interval, big.NewInt(1))
	switch {
	case rest.Sign() == 0 && interval.Cmp(most) <= 0:
		o.unit = interval
	case interval.Cmp(big.NewInt(1e6)) >= 0 && up.Cmp(most) <= 0:
		o.unit = up
	default:
		if o.unit = interval; interval.Cmp(most) > 0 {
			o.unit = most
		}
		// units·n/d in a nanosecond, as a fraction of which the first 64 bits that are not 0 are kept.
		o.num.Mul(o.unit, n)
		o.den.Lsh(o.den, uint(d.BitLen()-o.num.BitLen())+64)
		o.num.Mul(o.num, o.den).Div(o.num, d)
		if o.num.BitLen() > 64 {
			o.num.Rsh(o.num, 1)
			o.den.Rsh(o.den, 1)
		}
	}
	o.full = new(big.Int).Mul(o.unit, big.NewInt(burst))
	o.tokens = new(big.Int).Set(o.full)
	return o
}

func (o *bucketOracle) most() int64             { return o.burst }
func (o *bucketOracle) see(int64)               {}
func (o *bucketOracle) counted(ns int64) uint64 { return uint64(ns) }

// clone returns one that does not hear what happens to the other.
func (o *bucketOracle) clone() *bucketOracle {
	c := *o
	c.tokens = new(big.Int).Set(o.tokens)
	return &c
}

// until returns how many units have come, and whether one has come in part.
func (o *bucketOracle) until(at uint64) (came *big.Int, part bool) {
	came = new(big.Int).SetUint64(min(at, math.MaxInt64)) // when all clocks end
	came, rest := came.Mul(came, o.num).DivMod(came, o.den, new(big.Int))
	return came, rest.Sign() > 0
}

// has returns the tokens at a time, more than full if they have not been taken for long.
func (o *bucketOracle) has(at uint64) *big.Int {
	came, _ := o.until(at)
	return came.Sub(came, o.came).Add(came, o.tokens)
}

func (o *bucketOracle) left(at uint64) int64 {
	has := o.has(at)
	if has.Cmp(o.full) > 0 {
		has = o.full
	}
	if has.Sign() < 0 {
		return 0
	}
	return new(big.Int).Div(has, o.unit).Int64()
}

func (o *bucketOracle) cost(n int64) *big.Int { return new(big.Int).Mul(o.unit, big.NewInt(n)) }

func (o *bucketOracle) take(ns, n int64) {
	came, _ := o.until(uint64(ns))
	o.tokens = o.within(o.has(uint64(ns)), ns, o.slack)
	o.tokens.Sub(o.tokens, o.cost(n))
	o.came = came
}

// within returns what a bucket has that has had so much. It is not more than full: what ran over
// is lost, and of a unit that has come in part, all. Except that who is late by no more
// than slack, rounded down, gets what ran over.
func (o *bucketOracle) within(has *big.Int, ns int64, slack time.Duration) *big.Int {
	if has.Cmp(o.full) < 0 {
		return has
	}
	lost := new(big.Int).Sub(has, o.full)
	if _, part := o.until(uint64(ns)); part {
		lost.Add(lost, big.NewInt(1))
	}
	late, _ := o.until(midday + uint64(slack))
	noon, _ := o.until(midday)
	if slack > 0 && lost.Cmp(late.Sub(late, noon)) <= 0 {
		return has
	}
	return has.Sub(has, lost)
}

func (o *bucketOracle) refund(_, n int64) int64 {
	n = min(max(n, 0), o.burst)
	o.tokens.Add(o.tokens, o.cost(n))
	if most := new(big.Int).Add(o.came, o.full); o.tokens.Cmp(most) > 0 {
		o.tokens = most // when all clocks began it was full
	}
	return n
}

// requireDecision checks a decision about n events that was made before the oracle has
// heard of them.
func requireDecision(t testing.TB, o oracle, ns, n int64, d Decision) {
	o.see(ns)
	left := o.left(uint64(ns))
	want := n > 0 && n <= left || n == 0 && left > 0
	if d.OK != want {
		require.Equal(t, want, d.OK, "%d of %d at %d: %+v", n, left, ns, d)
	}
	if want {
		require.Zero(t, d.RetryAfter, "OK, and to be tried again: %+v", d)
	} else if n < 0 || n > o.most() {
		require.Equal(t, Never, d.RetryAfter, "%d of %d", n, left)
	} else {
		requireFirst(t, ns, d.RetryAfter, "RetryAfter", func(at uint64) bool { return o.left(at) >= max(n, 1) })
	}
	if want && n > 0 {
		o.take(ns, n)
		left = o.left(uint64(ns))
	}
	if d.Remaining != left || d.Limit != o.most() {
		require.Equal(t, []int64{o.most(), left}, []int64{d.Limit, d.Remaining}, "Limit, Remaining: %+v", d)
	}
	requireFirst(t, ns, d.ResetAfter, "ResetAfter", func(at uint64) bool { return o.left(at) == o.most() })
}

// requireFirst checks that something is so after a time, and not a nanosecond earlier.
func requireFirst(t testing.TB, ns int64, after time.Duration, what string, is func(at uint64) bool) {
	at := uint64(ns) + uint64(after)
	if after < 0 || after != Never && !is(at) || after > 0 && is(at-1) {
		require.Fail(t, "not the first time", "%s %d (%v) at %d", what, after, after, ns)
	}
}
