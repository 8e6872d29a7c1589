package ratelimit

import (
	"fmt"
	"math"
	"math/big"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/plinth-go/plinth/internal/form"
	"github.com/plinth-go/plinth/internal/seed"
)

// trial is one limiter with its oracle and its guarantee.
type trial struct {
	name  string
	l     Limiter
	o     oracle
	limit Limit
	made  time.Time

	// bound says whether so many events may be within a time.
	bound func(events *big.Int, within uint64) bool
}

func (tr *trial) time(ns int64) time.Time { return tr.made.Add(time.Duration(ns - midday)) }

// atMost returns the bound n·(a + W/d) + b.
func atMost(limit Limit, a, b int64) func(*big.Int, uint64) bool {
	n, d := big.NewInt(limit.n), big.NewInt(int64(limit.d))
	ad, b2, w, e := new(big.Int).Mul(big.NewInt(a), d), big.NewInt(b), new(big.Int), new(big.Int)
	return func(events *big.Int, within uint64) bool {
		e.Sub(events, b2).Mul(e, d)
		w.SetUint64(within).Add(w, ad).Mul(w, n)
		return e.Cmp(w) <= 0
	}
}

// trials returns one for every algorithm that decides alone; slack is the queue's.
func trials(limit Limit, burst int64, slack time.Duration) []*trial {
	bucket, leaky, gcra := NewTokenBucket(limit, burst), NewLeakyBucket(limit, burst), NewGCRA(limit, burst)
	queue := NewLeakyQueue(limit, burst, slack)
	fixed, log, counter := NewFixedWindow(limit), NewSlidingLog(limit), NewSlidingCounter(limit)
	inQueue := newBucketOracle(limit, burst)
	inQueue.slack = slack
	window := windowOracle{limit: limit}
	ofBucket := atMost(limit, 0, burst)
	return []*trial{
		{"TokenBucket", bucket, newBucketOracle(limit, burst), limit, bucket.made, ofBucket},
		{"LeakyBucket", leaky, newBucketOracle(limit, burst), limit, leaky.gcra.made, ofBucket},
		{"GCRA", gcra, newBucketOracle(limit, burst), limit, gcra.made, ofBucket},
		{"LeakyQueue", queue, inQueue, limit, queue.made, nil}, // of when they go: see play
		{"FixedWindow", fixed, &fixedOracle{window}, limit, fixed.made, atMost(limit, 2, 0)},
		{"SlidingLog", log, &logOracle{window}, limit, log.made, func(events *big.Int, within uint64) bool {
			return within >= uint64(limit.d) || events.Cmp(big.NewInt(limit.n)) <= 0
		}},
		{"SlidingCounter", counter, &counterOracle{window}, limit, counter.made, atMost(limit, 1, 0)},
	}
}

// step is what somebody does to a limiter, some time after the one before, or before it.
type step struct {
	dt, n  int64
	refund bool
}

// play takes the steps, and checks every decision, and the guarantee from each event to
// each later one.
func (tr *trial) play(t testing.TB, steps []step) {
	ns := int64(midday)
	var taken []entry
	for _, s := range steps {
		ns = move(ns, s.dt)
		if s.refund {
			refundAt(tr.l, tr.time(ns), s.n)
			if s.n > 0 {
				tr.o.see(ns)
				taken = append(taken, entry{tr.o.counted(ns), -tr.o.refund(ns, s.n)})
			}
			continue
		}
		idle, bucket := tr.o.(*bucketOracle)
		if bucket {
			idle = idle.clone()
		}
		d := tr.l.TakeAt(tr.time(ns), s.n)
		requireDecision(t, tr.o, ns, s.n, d)
		if !d.OK || s.n == 0 {
			require.Zero(t, d.Delay)
			continue
		}
		if _, queue := tr.l.(*LeakyQueue); queue {
			requireFirst(t, ns, d.Delay, "Delay", func(at uint64) bool { return idle.left(at) == idle.burst })
		} else if d.Delay != 0 {
			require.Zero(t, d.Delay)
		}
		taken = append(taken, entry{tr.o.counted(ns) + uint64(d.Delay), s.n})
	}
	if tr.bound == nil {
		requireShape(t, tr, taken)
	} else {
		requireBound(t, tr, taken)
	}
}

// move returns ns some time later, or earlier, in the time that there is.
func move(ns, dt int64) int64 {
	if dt > 0 {
		return int64(min(uint64(ns)+uint64(dt), 2*midday-2))
	}
	return max(ns+dt, 0)
}

// requireBound checks the guarantee between all that were taken.
func requireBound(t testing.TB, tr *trial, taken []entry) {
	sum := new(big.Int)
	for i, from := range taken {
		sum.SetInt64(0)
		lo, hi := from.at, from.at
		for _, e := range taken[i:] {
			lo, hi = min(lo, e.at), max(hi, e.at)
			sum.Add(sum, big.NewInt(e.n))
			if from.n > 0 && e.n > 0 && !tr.bound(sum, hi-lo) {
				require.Fail(t, "too many", "%v: %v events in %v: %v", tr.name, sum, time.Duration(hi-lo), taken)
			}
		}
	}
}

// requireShape checks that from the first of some events to the first of others there is
// the time that those before need at the rate, less the slack. If that is no whole number of
// nanoseconds, it is rounded down: the first of them may have waited for a whole one.
func requireShape(t testing.TB, tr *trial, goes []entry) {
	o := tr.o.(*bucketOracle)
	sum, slack := new(big.Int), int64(o.slack)
	if o.den.Cmp(o.num) != 0 {
		slack++
	}
	bound := atMost(tr.limit, 0, 0)
	for i, from := range goes {
		sum.SetInt64(0)
		for _, e := range goes[i:] {
			if e.n < 0 || e.at >= math.MaxInt64 {
				break // those who have been told when they go, or that they never do
			}
			if w := int64(e.at-from.at) + slack; sum.Sign() > 0 && (w < 0 || !bound(sum, uint64(w))) {
				require.Fail(t, "too fast", "%v events in %v and slack %v: %v", sum, int64(e.at-from.at), slack, goes)
			}
			sum.Add(sum, big.NewInt(e.n))
		}
	}
}

// extremes are the limits that the tests use, with a burst.
func extremes() []struct {
	limit Limit
	burst int64
} {
	const year = 365 * 24 * time.Hour
	return []struct {
		limit Limit
		burst int64
	}{
		{PerSecond(10), 3}, {PerSecond(1000), 1}, {PerSecond(7000), 100}, {PerSecond(3), 2}, {PerSecond(3e8), 10},
		{Per(10, 100*time.Millisecond), 10}, {Per(7, 10), 3}, {Per(1, 1), 1}, {Per(5, 7), 1 << 60},
		{Per(1, year), 1}, {Per(1, year), 1 << 62}, {Per(1, time.Hour), 1 << 60},
		{PerSecond(1e9), 5}, {PerSecond(1e9), 1 << 62},
		{PerSecond(999_999_937), 7}, {PerSecond(999_999_937), 1 << 62},
		{Per(1<<62, 1<<62), 1}, {Per(1<<62, math.MaxInt64), 2}, {Per(1, math.MaxInt64), 1 << 40}, {Per(3, math.MaxInt64), 4},
		{Per(math.MaxInt64, math.MaxInt64), 1 << 62}, {Per(1<<62-1, 200*year), 1<<62 - 1},
	}
}

// decode makes steps for a limit of bytes: three of them say what to do. Times and numbers are
// around those at which something happens.
func decode(data []byte, limit Limit, most int64) (steps []step) {
	interval := int64(limit.d)/limit.n + 1
	for ; len(data) >= 3; data = data[3:] {
		a, b, c := data[0], int64(data[1]), int64(data[2])
		s := step{refund: a >= 192}
		switch a & 7 {
		case 1:
			s.dt = b
		case 2:
			s.dt = scale(interval, b, 16)
		case 3:
			s.dt = scale(int64(limit.d), b, 128)
		case 4:
			s.dt = -b
		case 5:
			s.dt = -scale(interval, b, 16)
		case 6:
			s.dt = scale(int64(limit.d), b, 1)
		case 7:
			s.dt = (b - 64) << 54
		}
		switch a >> 3 & 7 {
		case 0, 1:
			s.n = c % 8
		case 2:
			s.n = c
		case 3:
			s.n = most - c%4
		case 4:
			s.n = most
		case 5:
			s.n = min(most, math.MaxInt64-1) + 1
		case 6:
			s.n = -c
		case 7:
			s.n = most / (c%8 + 1)
		}
		steps = append(steps, s)
	}
	return steps
}

// scale returns x·num/den, or the largest number.
func scale(x, num, den int64) int64 {
	p := new(big.Int).Mul(big.NewInt(x), big.NewInt(num))
	if p.Div(p, big.NewInt(den)); !p.IsInt64() {
		return math.MaxInt64
	}
	return p.Int64()
}

// noise returns random bytes for decode.
func noise(rng *rand.Rand, steps int) []byte {
	data := make([]byte, 3*steps)
	for i := range data {
		data[i] = byte(rng.Uint32())
	}
	return data
}

// rounds returns how often a random test is repeated: ten times as often in its long form.
func rounds(n int) int {
	if form.Long() {
		return 10 * n
	}
	return n
}

// TestDecisions plays random steps through every algorithm, beside its oracle.
//
// Planted, each caught by it: a clock that is only rounded down; a speed rounded up; a time
// rounded down; a refund that rounds down; Take with slack; a window before that is
// forgotten, or weighed rounded down; an event that counts a nanosecond longer; a window that
// goes back in time; an earlier time that is not taken for the latest; a refund of what was
// taken first; a time that is longer than a Duration.
func TestDecisions(t *testing.T) {
	rng := seed.New(t)
	for _, x := range extremes() {
		t.Run(fmt.Sprint(x.limit, " burst ", x.burst), func(t *testing.T) {
			for round := range rounds(20) {
				for _, tr := range trials(x.limit, x.burst, time.Duration(round%2)*time.Millisecond) {
					data := noise(rng, 40)
					t.Run(tr.name, func(t *testing.T) { tr.play(t, decode(data, x.limit, tr.o.most())) })
				}
			}
		})
	}
}
