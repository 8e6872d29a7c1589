package ratelimit

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/plinth-go/plinth/internal/seed"
)

// playMulti takes steps with limiters of all kinds as one, beside an oracle of each: it must
// be as if one asked all, and took from all only if all agree.
func playMulti(t testing.TB, data []byte) {
	bucket, gcra := NewTokenBucket(PerSecond(10), 20), NewGCRA(PerSecond(7000), 30)
	queue, fixed := NewLeakyQueue(PerSecond(30), 25, 0), NewFixedWindow(Per(40, 3*time.Second))
	log, counter := NewSlidingLog(Per(50, 5*time.Second)), NewSlidingCounter(Per(60, 7*time.Second))
	for _, made := range []*time.Time{&gcra.made, &queue.made, &fixed.made, &log.made, &counter.made} {
		*made = bucket.made
	}
	m := All(bucket, gcra, queue, fixed, log, counter)
	inQueue := newBucketOracle(PerSecond(30), 25)
	oracles := []oracle{
		newBucketOracle(PerSecond(10), 20), newBucketOracle(PerSecond(7000), 30), inQueue,
		&fixedOracle{windowOracle{limit: fixed.limit}}, &logOracle{windowOracle{limit: log.limit}}, &counterOracle{windowOracle{limit: counter.limit}},
	}
	tr := &trial{made: bucket.made}
	ns := int64(midday)
	for _, s := range decode(data, PerSecond(10), 20) {
		ns = move(ns, s.dt)
		if s.refund {
			m.refundAt(tr.time(ns), s.n)
			for _, o := range oracles {
				if s.n > 0 {
					o.see(ns)
					o.refund(ns, s.n)
				}
			}
			continue
		}
		idle := inQueue.clone()
		d := m.TakeAt(tr.time(ns), s.n)
		requireAll(t, oracles, inQueue, ns, s.n, d)
		if d.OK && s.n > 0 {
			requireFirst(t, ns, d.Delay, "Delay", func(at uint64) bool { return idle.left(at) == idle.burst })
		} else {
			require.Zero(t, d.Delay)
		}
	}
}

// requireAll checks the decision of a Multi, and lets the oracles know what has been taken:
// that of the queue nothing, if it has been left.
func requireAll(t testing.TB, oracles []oracle, queue *bucketOracle, ns, n int64, d Decision) {
	before := queue.clone()
	can, impossible := true, n < 0
	for _, o := range oracles {
		o.see(ns)
		can = can && o.left(uint64(ns)) >= max(n, 1) && n >= 0
		impossible = impossible || n > o.most()
	}
	require.Equal(t, can, d.OK)
	switch {
	case can:
		require.Zero(t, d.RetryAfter)
	case impossible:
		require.Equal(t, Never, d.RetryAfter)
	default:
		requireFirst(t, ns, d.RetryAfter, "RetryAfter", func(at uint64) bool {
			for _, o := range oracles {
				if o.left(at) < max(n, 1) {
					return false
				}
			}
			return true
		})
	}
	says, least := false, d.Remaining
	for _, o := range oracles {
		granted := n > 0 && n <= o.left(uint64(ns))
		if granted {
			o.take(ns, n)
		}
		left := o.left(uint64(ns))
		least = min(least, left)
		if left == d.Remaining && o.most() == d.Limit {
			at := uint64(ns) + uint64(d.ResetAfter)
			says = says || o.left(at) == o.most() && (d.ResetAfter == 0 || o.left(at-1) < o.most())
		}
		if granted && !can && o == oracle(queue) {
			*queue = *before
		} else if granted && !can {
			o.refund(ns, n)
		}
	}
	require.True(t, says, "none of them says so: %+v", d)
	if can {
		require.Equal(t, least, d.Remaining, "what has least left")
	}
}

// TestMulti takes random steps. Planted: the refund left out, or made to all and not only
// to those which had granted.
func TestMulti(t *testing.T) {
	rng := seed.New(t)
	for range rounds(300) {
		playMulti(t, noise(rng, 40))
	}
}

// TestMultiRefused is refused by one of two, again and again: the other does not change.
func TestMultiRefused(t *testing.T) {
	for name, other := range map[string]Limiter{
		"TokenBucket": NewTokenBucket(PerSecond(7), 5), "LeakyBucket": NewLeakyBucket(PerSecond(7), 5), "GCRA": NewGCRA(PerSecond(7), 5),
		"LeakyQueue": NewLeakyQueue(PerSecond(7), 5, 0), "FixedWindow": NewFixedWindow(PerSecond(5)),
		"SlidingLog": NewSlidingLog(PerSecond(5)), "SlidingCounter": NewSlidingCounter(PerSecond(5)), "Multi": All(NewGCRA(PerSecond(7), 5)),
	} {
		now := time.Now()
		one := NewTokenBucket(Per(1, time.Hour), 1)
		m := All(other, one)
		require.True(t, m.TakeAt(now, 1).OK)
		before := other.TakeAt(now, 0)
		for range 100 {
			require.Equal(t, one.TakeAt(now, 1), m.TakeAt(now, 1), name)
		}
		require.Equal(t, before, other.TakeAt(now, 0), name)
		m.refundAt(now, 1)
		require.True(t, m.TakeAt(now, 1).OK, name)
	}
}

// slow is a Limiter that does something before it answers.
type slow struct {
	Limiter
	first func()
}

func (a slow) Take(n int64) Decision                  { a.first(); return a.Limiter.Take(n) }
func (a slow) TakeAt(now time.Time, n int64) Decision { a.first(); return a.Limiter.TakeAt(now, n) }

// TestMultiQueue lets somebody enter a LeakyQueue behind one that is refused by the limiter
// after it. He has been told when he goes, and nobody else may go then. Planted: a turn
// that is given back by Refund; a Multi in a Multi that does so.
func TestMultiQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, nested := range []bool{false, true} {
			for _, behind := range []int{1, 2, 0} {
				q, none := NewLeakyQueue(PerSecond(7000), 10, 0), NewGCRA(Per(1, time.Hour), 1)
				require.True(t, none.Allow())
				goes := map[time.Duration]bool{}
				enter := func() {
					d := q.Take(1)
					require.True(t, d.OK)
					require.False(t, goes[d.Delay], "two go at once")
					goes[d.Delay] = true
				}
				var first Limiter = q
				if nested {
					first = All(q)
				}
				m := All(first, slow{none, func() {
					for range behind {
						enter()
					}
				}})
				require.False(t, m.Take(1).OK)
				require.False(t, m.TakeAt(time.Now(), 1).OK)
				enter()
				enter()
				require.Equal(t, behind == 0, len(goes) == 2)
				if behind == 0 {
					require.True(t, goes[0], "a turn that nobody is behind comes back")
				}
			}
		}
	})
}
