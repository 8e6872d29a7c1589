package ratelimit

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// The tests of this file run in a bubble, in which time goes on only when everybody waits:
// what has to happen at once takes no time at all, and the rest exactly as long as it should.
// A bubble in which a goroutine stays behind makes its test fail.

// pass lets time pass, in a bubble.
func pass(d time.Duration) { <-time.After(d) }

// crew is goroutines that wait, and what became of them.
type crew struct {
	start time.Time
	wg    sync.WaitGroup
	mu    sync.Mutex
	done  []string // guarded by mu: who, when, and with which error
}

// send lets somebody wait, and returns when he stands in the line.
func (c *crew) send(name string, wait func() error) {
	c.wg.Add(1)
	go func() {
		defer c.wg.Done()
		err := wait()
		c.mu.Lock()
		defer c.mu.Unlock()
		said := fmt.Sprint(name, " ", time.Since(c.start))
		for _, known := range []error{context.Canceled, context.DeadlineExceeded, ErrTooMany, ErrQueueFull} {
			if errors.Is(err, known) {
				said += fmt.Sprint(" ", known)
			}
		}
		c.done = append(c.done, said)
	}()
	synctest.Wait()
}

// requireDone waits for all, and expects that they were done in this order.
func (c *crew) requireDone(t *testing.T, want ...string) {
	c.wg.Wait()
	require.Equal(t, want, c.done)
}

func requireNoLine(t *testing.T, b *TokenBucket) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.prune(&b.bucket.Load().pace, b.bucket.Load().tat.Load(), sinceNow(b.made))
	require.Empty(t, b.line)
}

// TestWaitDelivers takes 1,000 a second for ten seconds, with a burst of one: who waits,
// whether alone or one of eight, gets all of them, to the nanosecond.
func TestWaitDelivers(t *testing.T) {
	for _, waiters := range []int{1, 8} {
		synctest.Test(t, func(t *testing.T) {
			b, q := NewTokenBucket(PerSecond(1000), 1), NewLeakyQueue(PerSecond(1000), 9, 0)
			for _, wait := range []func(context.Context, int64) error{b.Wait, q.Wait} {
				c := crew{start: time.Now()}
				for range waiters {
					c.send("", func() error {
						for range 10_000 / waiters {
							if err := wait(t.Context(), 1); err != nil {
								return err
							}
						}
						return nil
					})
				}
				c.wg.Wait()
				require.Equal(t, 9999*ms, time.Since(c.start))
				for _, said := range c.done {
					require.NotContains(t, said, "queue")
				}
			}
			requireNoLine(t, b)
		})
	}
}

// TestWaitFair sends some who want more and some who want less: the turns come in the
// order in which they came. Nobody takes a token before them.
func TestWaitFair(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := NewTokenBucket(PerSecond(10), 5)
		require.True(t, b.AllowN(5))
		c := crew{start: time.Now()}
		for _, n := range []int64{5, 1, 3, 1, 0} {
			c.send(fmt.Sprint(n), func() error { return b.Wait(t.Context(), n) })
			require.False(t, b.Allow())
		}
		pass(550 * ms)
		require.False(t, b.Allow())
		c.requireDone(t, "0 0s", "5 500ms", "1 600ms", "3 900ms", "1 1s")
		requireNoLine(t, b)
		require.False(t, b.Allow())
		pass(100 * ms)
		require.True(t, b.Allow())
	})
}

// TestWaitAtOnce is refused, without waiting, and takes nothing.
func TestWaitAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, q := NewTokenBucket(PerSecond(10), 5), NewLeakyQueue(PerSecond(10), 5, 0)
		require.True(t, b.AllowN(5))
		require.True(t, q.Take(5).OK)
		start := time.Now()
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		soon, cancel := context.WithTimeout(t.Context(), 100*ms-1)
		defer cancel()
		for _, wait := range []func(context.Context, int64) error{b.Wait, q.Wait} {
			require.ErrorIs(t, wait(ended, 1), context.Canceled)
			require.ErrorIs(t, wait(ended, 0), context.Canceled)
			require.ErrorIs(t, wait(t.Context(), 6), ErrTooMany)
			require.ErrorIs(t, wait(t.Context(), -1), ErrTooMany)
			require.NoError(t, wait(t.Context(), 0))
		}
		require.ErrorIs(t, b.Wait(soon, 1), context.DeadlineExceeded)
		require.ErrorIs(t, q.Wait(soon, 1), ErrQueueFull)
		require.Zero(t, time.Since(start))
		q.Refund(1)
		require.ErrorIs(t, q.Wait(soon, 1), context.DeadlineExceeded)
		require.Zero(t, time.Since(start))
		require.EqualValues(t, 1, q.Take(0).Remaining)
		require.Equal(t, 100*ms, b.Take(1).RetryAfter)
		requireNoLine(t, b)
		in, cancel := context.WithTimeout(t.Context(), 100*ms)
		defer cancel()
		require.NoError(t, b.Wait(in, 1), "just in time")
	})
}

// TestWaitLate has a deadline before a turn that is beyond the end of time: that is not an
// impossible number.
func TestWaitLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := NewTokenBucket(Per(1, 365*24*time.Hour), 1<<40)
		require.True(t, b.AllowN(1<<40))
		soon, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		require.ErrorIs(t, b.Wait(soon, 1<<40), context.DeadlineExceeded)
		require.ErrorIs(t, b.Wait(soon, 1<<40+1), ErrTooMany)
	})
}

// TestWaitLeave lets some leave the line: those behind move up, at once if it is
// their turn by then, and what they had taken is there for others.
//
// Planted: Cancel that gives back tokens and moves nobody; one that moves all in the line;
// one that tells nobody of it.
func TestWaitLeave(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := NewTokenBucket(PerSecond(10), 5)
		require.True(t, b.AllowN(5))
		c := crew{start: time.Now()}
		leave := map[string]context.CancelFunc{}
		for _, name := range []string{"a", "b", "c", "d", "e"} {
			ctx, cancel := context.WithCancel(t.Context())
			leave[name] = cancel
			c.send(name, func() error { return b.Wait(ctx, 2) })
		}
		pass(250 * ms) // a has had its turn at 200 ms
		leave["c"]()
		synctest.Wait()
		pass(100 * ms)
		leave["b"]() // d would have had its turn at 600 ms; now it is at 400
		pass(ms)
		leave["e"]()
		leave["a"]()
		synctest.Wait()
		require.Equal(t, Decision{Limit: 5, RetryAfter: 149 * ms, ResetAfter: 549 * ms}, b.Take(1))
		c.requireDone(t, "a 200ms", "c 250ms context canceled", "b 350ms context canceled", "e 351ms context canceled", "d 400ms")
		requireNoLine(t, b)
	})
}

// TestWaitSetLimit changes the limit while some wait.
func TestWaitSetLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := NewTokenBucket(PerSecond(10), 2)
		require.True(t, b.AllowN(2))
		c := crew{start: time.Now()}
		for _, name := range []string{"a", "b", "c", "d", "e", "f"} {
			c.send(name, func() error { return b.Wait(t.Context(), 1) })
		}
		pass(150 * ms) // a was at 100 ms, and half of the next token is there
		b.SetLimit(PerSecond(1), 1)
		pass(600 * ms) // b was at 650 ms, and a tenth of the next token is there
		b.SetLimit(PerSecond(100), 5)
		c.wg.Wait()
		require.Equal(t, []string{"a 100ms", "b 650ms", "c 759ms", "d 769ms", "e 779ms", "f 789ms"}, c.done)
		b.SetLimit(Per(1, time.Hour), 5)
		d := crew{start: time.Now()}
		d.send("g", func() error { return b.Wait(t.Context(), 5) })
		b.SetLimit(Unlimited, 1)
		d.requireDone(t, "g 0s")
		requireNoLine(t, b)
	})
}

// TestWaitRefund gives back what somebody in front does not need: all move up.
func TestWaitRefund(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := NewTokenBucket(PerSecond(10), 2)
		require.True(t, b.AllowN(2))
		c := crew{start: time.Now()}
		for _, name := range []string{"a", "b", "c"} {
			c.send(name, func() error { return b.Wait(t.Context(), 1) })
		}
		b.Refund(1)
		synctest.Wait()
		pass(50 * ms)
		b.Refund(1)
		c.requireDone(t, "a 0s", "b 50ms", "c 100ms")
	})
}

// TestSlack comes half a millisecond late for every other turn, as if a timer had been.
// Without slack so much is lost, with it nothing.
func TestSlack(t *testing.T) {
	for slack, want := range map[time.Duration]time.Duration{0: 1250 * ms, ms: 1000 * ms} {
		synctest.Test(t, func(t *testing.T) {
			b, q := NewTokenBucket(PerSecond(1000), 1), NewLeakyQueue(PerSecond(1000), 2, slack)
			b.SetSlack(slack)
			for _, wait := range []func(context.Context, int64) error{b.Wait, q.Wait} {
				start := time.Now()
				for range 500 {
					require.NoError(t, wait(t.Context(), 1))
					require.NoError(t, wait(t.Context(), 1))
					pass(ms + ms/2)
				}
				require.InDelta(t, want, time.Since(start), float64(ms))
			}
		})
	}
}

// TestQueueLeave leaves a LeakyQueue: as the last, without a trace; else with a gap.
func TestQueueLeave(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := NewLeakyQueue(PerSecond(10), 4, 0)
		c := crew{start: time.Now()}
		leave := map[string]context.CancelFunc{}
		for _, name := range []string{"a", "b", "c", "d", "e"} {
			ctx, cancel := context.WithCancel(t.Context())
			leave[name] = cancel
			c.send(name, func() error { return q.Wait(ctx, 1) })
		}
		leave["b"]()
		synctest.Wait()
		leave["d"]()
		synctest.Wait()
		c.send("f", func() error { return q.Wait(t.Context(), 1) })
		c.requireDone(t, "a 0s", "e 0s "+ErrQueueFull.Error(), "b 0s context canceled", "d 0s context canceled", "c 200ms", "f 300ms")
	})
}
