package ratelimit

import (
	"cmp"
	"fmt"
	"math"
	"math/big"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/plinth-go/plinth/internal/seed"
)

// lineOracle is a bucket in debt. Who reserves takes tokens that are not there, so that it
// has fewer than none, and his turn comes when it has none, of what it would have if those
// behind him had not taken theirs. So nobody needs to move when somebody leaves: his
// tokens are back, and all turns are earlier.
type lineOracle struct {
	bucketOracle
	line []*booking // in the order in which they came
}

// booking is a Reservation, and where the oracle knows it to be.
type booking struct {
	*Reservation
	is   state
	turn uint64 // as far as it is known
	used bool   // its turn has come, and is in ledger.taken
}

func newLineOracle(limit Limit, burst int64) *lineOracle {
	return &lineOracle{bucketOracle: *newBucketOracle(limit, burst)}
}

// without returns the tokens at a time, if nobody in the line from one on had taken any.
func (o *lineOracle) without(from int, at uint64) *big.Int {
	has := o.has(at)
	for _, b := range o.line[from:] {
		has.Add(has, o.cost(b.n))
	}
	return has
}

// hear is what happens whenever somebody comes: turns have come.
func (o *lineOracle) hear(ns int64) {
	for len(o.line) > 0 && o.without(1, uint64(ns)).Sign() >= 0 {
		o.line[0].is, o.line[0].turn = inTurn, min(o.line[0].turn, uint64(ns))
		o.line = o.line[1:]
	}
}

// take is by somebody for whom there is a token: the turn of all has come. Slack is for
// those who reserve.
func (o *lineOracle) take(ns, n int64) {
	o.hear(ns)
	slack := o.slack
	o.slack = 0
	o.bucketOracle.take(ns, n)
	o.slack = slack
}

// reserve checks what the bucket has reserved.
func (o *lineOracle) reserve(t testing.TB, ns int64, b *booking, patience, delay time.Duration) {
	if b.is = cancelled; b.n < 0 || b.n > o.burst {
		require.False(t, b.ok)
		require.Equal(t, Never, delay)
		return
	}
	if b.n == 0 {
		require.True(t, b.ok)
		b.is = inTurn
		return
	}
	o.hear(ns)
	after := lineOracle{bucketOracle: *o.clone()}
	after.bucketOracle.take(ns, b.n)
	full := new(big.Int).Add(after.came, o.full) // when so much has come, the bucket is full again
	if full.Sub(full, after.tokens).Cmp(big.NewInt(lastTurn)) >= 0 {
		require.False(t, b.ok)
		return
	}
	requireFirst(t, ns, delay, "delay", func(at uint64) bool { return after.has(at).Sign() >= 0 })
	if delay > patience || delay == Never {
		require.False(t, b.ok)
		return
	}
	require.True(t, b.ok)
	o.bucketOracle = after.bucketOracle
	if b.is, b.turn = inTurn, uint64(ns)+uint64(delay); delay > 0 {
		b.is = inLine
		o.line = append(o.line, b)
	}
}

func (o *lineOracle) cancel(t testing.TB, ns int64, b *booking, back int64) {
	if b.is == cancelled {
		require.Zero(t, back)
		return
	}
	require.Equal(t, b.n, back, "what was taken comes back")
	o.hear(ns)
	if b.is == inTurn {
		o.giveBack(ns, 0, b.n)
	}
	for i, other := range o.line {
		if other == b {
			o.line = append(append([]*booking(nil), o.line[:i]...), o.line[i+1:]...)
			o.tokens.Add(o.tokens, o.cost(b.n))
			o.spill(ns, i)
		}
	}
	b.is = cancelled
}

func (o *lineOracle) refund(ns, n int64) int64 {
	o.hear(ns)
	return o.giveBack(ns, 0, n)
}

func (o *lineOracle) giveBack(ns int64, from int, n int64) int64 {
	if n = min(max(n, 0), o.burst); len(o.line) == 0 {
		return o.bucketOracle.refund(ns, n)
	}
	if n > 0 {
		o.tokens.Add(o.tokens, o.cost(n))
		o.spill(ns, from)
	}
	return n
}

// spill makes sure that those in the line from one on do not come after more than full.
func (o *lineOracle) spill(ns int64, from int) {
	if from == len(o.line) {
		return
	}
	has := o.without(from, uint64(ns))
	over := new(big.Int).Set(has)
	o.tokens.Sub(o.tokens, over.Sub(over, o.within(has, ns, 0)))
}

// setLimit keeps the tokens, as many as there are, rounded down; and the line. It returns
// false and does nothing if turns would be at the end of time, for which see TestLastTurn.
func (o *lineOracle) setLimit(ns int64, limit Limit, burst int64) bool {
	o.hear(ns)
	next := newLineOracle(limit, burst)
	has := o.without(0, uint64(ns))
	if has.Cmp(o.full) > 0 {
		has = o.full
	}
	has = new(big.Int).Div(new(big.Int).Mul(has, next.unit), o.unit) // rounds down, which is away from 0 for a debt
	if has.Sign() < 0 && new(big.Int).Rem(new(big.Int).Mul(o.without(0, uint64(ns)), next.unit), o.unit).Sign() == 0 {
		has.Sub(has, big.NewInt(1)) // the rounding of a debt is not exact, and on the safe side
	}
	var part bool
	if next.came, part = next.until(uint64(ns)); has.Cmp(next.full) >= 0 {
		has.Set(next.full)
		part = part && len(o.line) > 0
	}
	if part {
		has.Sub(has, big.NewInt(1))
	}
	next.slack, next.line, next.tokens = o.slack, o.line, has
	for _, b := range o.line {
		has.Sub(has, next.cost(b.n))
	}
	if has.BitLen() > 60 {
		return false
	}
	*o = *next
	o.hear(ns)
	return true
}

// playLine takes random steps with a bucket and its oracle.
func playLine(t testing.TB, limit Limit, burst int64, slack time.Duration, data []byte) {
	b, o := NewTokenBucket(limit, burst), newLineOracle(limit, burst)
	b.SetSlack(slack)
	o.slack = slack
	tr := &trial{name: "TokenBucket", made: b.made, bound: atMost(limit, 0, burst)}
	var (
		all    []*booking
		ns     = int64(midday)
		latest = ns
		taken  []entry      // by all whose turn has come
		steady = slack == 0 // nothing else changes the guarantee: no SetLimit, no time that runs backwards
	)
	hear := func() {
		for _, who := range all {
			if o.requireDelay(t, ns, who); who.is == inTurn && !who.used {
				who.used = true
				taken = append(taken, entry{who.turn, who.n})
			}
		}
	}
	for i, s := range decode(data, limit, burst) {
		ns = move(ns, s.dt)
		steady, latest = steady && ns >= latest, max(latest, ns)
		hear()
		switch kind := data[3*i] >> 5; {
		case kind < 2:
			d := b.TakeAt(tr.time(ns), s.n)
			if requireDecision(t, o, ns, s.n, d); d.OK {
				taken = append(taken, entry{uint64(ns), s.n})
			}
		case kind < 4:
			patience := time.Duration(math.MaxInt64)
			if data[3*i]&31 == 0 {
				patience = limit.d
			}
			r, delay := b.reserve(ns, s.n, patience, nil)
			all = append(all, &booking{Reservation: r})
			o.reserve(t, ns, all[len(all)-1], patience, delay)
		case kind < 6 && len(all) > 0:
			who := all[int(data[3*i+2])%len(all)]
			if who.is == inTurn {
				taken = append(taken, entry{uint64(ns), -who.n})
			}
			o.cancel(t, ns, who, who.cancel(ns))
		case kind == 6:
			b.refund(ns, s.n)
			taken = append(taken, entry{uint64(ns), -o.refund(ns, s.n)})
		case kind == 7 && data[3*i]&3 == 0:
			x := extremes()[int(data[3*i+1])%12]
			next := &bucket{pace: newPace("", x.limit, min(x.burst, 1<<20))}
			if ns = latest; o.setLimit(ns, next.limit, next.burst) {
				b.setLimit(always(ns), next)
				steady = false
			}
		}
		hear()
	}
	if steady {
		if o.den.Cmp(o.num) != 0 { // a turn that comes within a nanosecond waits for its end
			exact := tr.bound
			tr.bound = func(events *big.Int, within uint64) bool { return exact(events, within+1) }
		}
		slices.SortStableFunc(taken, func(a, b entry) int { return cmp.Compare(a.at, b.at) })
		requireBound(t, tr, taken)
	}
}

// requireDelay checks when a turn comes.
func (o *lineOracle) requireDelay(t testing.TB, ns int64, b *booking) {
	delay := b.delay(ns)
	if o.hear(ns); b.is == cancelled {
		require.Equal(t, Never, delay)
	}
	if b.is == inTurn {
		require.Zero(t, delay)
	}
	for i, other := range o.line {
		if other == b {
			requireFirst(t, ns, delay, "Delay", func(at uint64) bool { return o.without(i+1, at).Sign() >= 0 })
			require.NotZero(t, delay)
			b.turn = uint64(ns) + uint64(delay)
		}
	}
}

// TestLine takes random steps with a bucket and its oracle.
//
// Planted: Cancel that only gives back tokens; one that moves all in the line; Reserve without
// patience.
func TestLine(t *testing.T) {
	rng := seed.New(t)
	for _, x := range extremes() {
		for round := range rounds(40) {
			data := noise(rng, 40)
			t.Run(fmt.Sprint(x.limit, " burst ", x.burst), func(t *testing.T) {
				if round%4 < 2 {
					onward(data)
				}
				playLine(t, x.limit, x.burst, time.Duration(round%2)*time.Millisecond, data)
			})
		}
	}
}

// onward makes steps that do not go back in time.
func onward(data []byte) {
	for i := 0; i < len(data); i += 3 {
		if data[i]&7 >= 4 {
			data[i] &^= 4
		}
	}
}
