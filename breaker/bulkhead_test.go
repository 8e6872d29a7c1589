package breaker

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/plinth-go/plinth/internal/seed"
)

func bulkhead(t testing.TB, limit, queue int) *Bulkhead {
	t.Helper()
	b, err := NewBulkhead(limit, queue)
	require.NoError(t, err)
	return b
}

// invariant checks what the comment of Bulkhead says, while nobody is busy with it.
func (b *Bulkhead) invariant(t testing.TB) {
	t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.Stats()
	require.Equal(t, b.line.Len(), s.Waiting)
	require.LessOrEqual(t, s.Running, int(b.limit))
	require.LessOrEqual(t, s.Waiting, int(b.queue))
	require.True(t, s.Waiting == 0 || s.Running == int(b.limit), "%d wait while %d run", s.Waiting, s.Running)
}

func TestBulkheadBadInput(t *testing.T) {
	for _, c := range [][2]int{{0, 0}, {-1, 5}, {1, -1}, {math.MinInt, 0}, {1, math.MinInt}} {
		b, err := NewBulkhead(c[0], c[1])
		require.Nil(t, b)
		require.ErrorContains(t, err, "breaker: NewBulkhead: a ")
	}
	require.PanicsWithValue(t, "breaker: Bulkhead.Run: a nil function", func() {
		bulkhead(t, 1, 0).Run(t.Context(), nil)
	})
	Slot{}.Release()
}

// guest is somebody in a bubble who wants a place, and what became of him.
type guest struct {
	cancel context.CancelFunc
	slot   Slot
	err    error
	over   bool // Acquire has returned
}

// bulkheadModel is a Bulkhead, and the same in two slices.
type bulkheadModel struct {
	t            *testing.T
	b            *Bulkhead
	limit, queue int
	running      []*guest
	waiting      []*guest // in the order of the line
	gone         []*guest // with slots that were released
	want         BulkheadStats
}

func (m *bulkheadModel) arrive() {
	ctx, cancel := context.WithCancel(m.t.Context())
	g := &guest{cancel: cancel}
	go func() {
		g.slot, g.err = m.b.Acquire(ctx)
		g.over = true
	}()
	synctest.Wait()
	switch {
	case len(m.running) < m.limit:
		m.running = append(m.running, g)
	case len(m.waiting) < m.queue:
		m.waiting = append(m.waiting, g)
	default:
		require.True(m.t, g.over)
		require.ErrorIs(m.t, g.err, ErrFull)
		cancel()
		m.want.Refused++
	}
}

// release ends the work of one who runs, and of one who has gone for the second time.
func (m *bulkheadModel) release(r *rand.Rand) {
	if len(m.gone) > 0 {
		m.gone[r.IntN(len(m.gone))].slot.Release()
	}
	if len(m.running) == 0 {
		return
	}
	i := r.IntN(len(m.running))
	g := m.running[i]
	g.slot.Release()
	g.cancel()
	m.running, m.gone = slices.Delete(m.running, i, i+1), append(m.gone, g)
	if len(m.waiting) > 0 {
		m.running, m.waiting = append(m.running, m.waiting[0]), m.waiting[1:]
	}
}

func (m *bulkheadModel) giveUp(r *rand.Rand) {
	if len(m.waiting) == 0 {
		return
	}
	i := r.IntN(len(m.waiting))
	g := m.waiting[i]
	g.cancel()
	synctest.Wait()
	require.True(m.t, g.over, "it ends at once")
	require.ErrorIs(m.t, g.err, context.Canceled)
	m.waiting = slices.Delete(m.waiting, i, i+1)
	m.want.GaveUp++
}

func (m *bulkheadModel) check() {
	synctest.Wait()
	for _, g := range m.running {
		require.True(m.t, g.over, "somebody who should run waits")
		require.NoError(m.t, g.err)
	}
	for _, g := range m.waiting {
		require.False(m.t, g.over, "somebody who should wait runs: %v", g.err)
	}
	m.want.Running, m.want.Waiting = len(m.running), len(m.waiting)
	m.want.Peak = max(m.want.Peak, m.want.Running)
	require.Equal(m.t, m.want, m.b.Stats())
	m.b.invariant(m.t)
}

// TestBulkheadModel does what comes at random, and compares who runs and who waits with a model.
//
// Planted and caught: handOver takes the last of the line, or frees the place and does not close
// the channel, or forgets waiting-1; a queue that takes one more, or one less; Release that does
// not look at the ticket, or does not move its number on; wait that leaves its element in the
// line.
func TestBulkheadModel(t *testing.T) {
	r := seed.New(t)
	for _, c := range [][2]int{{1, 0}, {1, 1}, {1, 5}, {2, 3}, {4, 0}, {5, 8}} {
		synctest.Test(t, func(t *testing.T) {
			m := &bulkheadModel{t: t, b: bulkhead(t, c[0], c[1]), limit: c[0], queue: c[1]}
			for range 600 {
				switch p := r.IntN(10); {
				case p < 5:
					m.arrive()
				case p < 8:
					m.release(r)
				default:
					m.giveUp(r)
				}
				m.check()
			}
			for len(m.running) > 0 {
				m.release(r)
				m.check()
			}
			require.Zero(t, m.b.word.Load())
		})
	}
}

// TestBulkheadHandedAndGone gives up when the place has been handed over already: it is for the
// next, and for nobody twice. Nobody is served whose context has ended, whatever select takes.
//
// Planted and caught: wait that returns without leave, one that takes itself out of the line
// a second time (the test does not end), and one that does not look at the context.
func TestBulkheadHandedAndGone(t *testing.T) {
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for range 200 {
		b := bulkhead(t, 1, 2)
		require.NoError(t, b.enter(t.Context()))
		first, next := b.join(), b.join()
		b.leave() // to the first, whose context has ended: both can be chosen
		require.ErrorIs(t, b.wait(ended, first), context.Canceled)
		require.Equal(t, 1, b.Stats().Running)
		require.NoError(t, b.wait(t.Context(), next))
		b.leave()
		require.Zero(t, b.word.Load())
		require.Zero(t, b.line.Len())
		require.EqualValues(t, 1, b.Stats().GaveUp)
	}
}

// ownContext is one of somebody's own, which ends in its own way.
type ownContext struct {
	context.Context
	err error
}

func (c ownContext) Err() error { return c.err }

// TestBulkheadGivesUpForNothing: those who give up come in crowds. Planted and caught: an error for each.
func TestBulkheadGivesUpForNothing(t *testing.T) {
	for _, cause := range []error{context.Canceled, context.DeadlineExceeded} {
		require.ErrorIs(t, gaveUp(cause), cause)
		var kept error
		require.Zero(t, testing.AllocsPerRun(100, func() { kept = gaveUp(cause) }))
		require.Equal(t, gaveUp(cause), kept)
	}
}

// TestBulkheadPeak: it is never less than what runs, even between the two words. Planted and caught: the word of the
// peak alone.
func TestBulkheadPeak(t *testing.T) {
	b := bulkhead(t, 3, 0)
	b.word.Add(2 * running1) // who has entered, and has not come to high yet
	require.Equal(t, BulkheadStats{Running: 2, Peak: 2}, b.Stats())
}

// TestBulkheadWaitEnds: the error of a wait in line is that of the context, and a refusal. Planted and
// caught: that of the context alone, the refusal alone, the same for both ways to end.
func TestBulkheadWaitEnds(t *testing.T) {
	b := bulkhead(t, 1, 1)
	require.NoError(t, b.enter(t.Context()))
	ended, cancel := context.WithCancelCause(t.Context())
	cancel(errDown)
	late, stop := context.WithDeadline(t.Context(), time.Time{})
	defer stop()
	for want, ctx := range map[error]context.Context{
		context.Canceled: ended, context.DeadlineExceeded: late, errDown: ownContext{ended, errDown},
	} {
		err := b.wait(ctx, b.join())
		require.EqualError(t, err, "breaker: the bulkhead was full: "+want.Error())
		for _, one := range []error{context.Canceled, context.DeadlineExceeded, errDown} {
			require.Equal(t, one == want, errors.Is(err, one), "%v: %v", want, one)
		}
		require.ErrorIs(t, err, ErrFull)
		require.NotErrorIs(t, err, ErrLimited)
		require.True(t, refused(err))
		require.Equal(t, Ignore, Classify(err))
		require.False(t, retryable(err))
		require.Zero(t, b.Stats().Waiting)
	}
	var timed interface{ Timeout() bool }
	require.ErrorAs(t, b.wait(late, b.join()), &timed)
	require.True(t, timed.Timeout(), "as net.Error says it")
	err := b.wait(late, b.join())
	require.Zero(t, testing.AllocsPerRun(100, func() { _, _ = gaveUp(late.Err()), Classify(err) }))
}

// TestBulkheadHammer lets many come, wait, give up and work at the same time. There are never
// more than may, and in the end nobody is left and no place is lost.
//
// Planted and caught: join without mu; enter that lets limit+1 run.
func TestBulkheadHammer(t *testing.T) {
	const limit, queue, callers, rounds = 3, 4, 12, 1500
	b := bulkhead(t, limit, queue)
	var running, served, refused, gaveUp atomic.Int64
	work := func(r *rand.Rand) func(context.Context) error {
		return func(context.Context) error {
			if n := running.Add(1); n > limit {
				t.Errorf("%d run", n)
			}
			if r.IntN(2) == 0 {
				runtime.Gosched()
			}
			served.Add(1)
			running.Add(-1)
			return nil
		}
	}
	var wg sync.WaitGroup
	from := seed.Value(t)
	for i := range callers {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(from, uint64(i)))
			f := work(r)
			for range rounds {
				ctx, cancel := context.WithCancel(t.Context())
				if r.IntN(3) == 0 {
					go func() { runtime.Gosched(); cancel() }()
				}
				switch err := b.Run(ctx, f); {
				case errors.Is(err, context.Canceled): // first: who waited until then is ErrFull as well
					gaveUp.Add(1)
				case errors.Is(err, ErrFull):
					refused.Add(1)
				case err != nil:
					t.Error(err)
				}
				cancel()
			}
		})
	}
	wg.Wait()
	require.EqualValues(t, callers*rounds, served.Load()+refused.Load()+gaveUp.Load())
	require.Zero(t, b.word.Load(), "places that are lost")
	b.invariant(t)
	require.EqualValues(t, refused.Load(), b.Stats().Refused)
	require.LessOrEqual(t, b.Stats().Peak, limit)
}

// TestBulkheadTight lets some come and go as fast as they can, with room for all of them: no
// change of the word is lost.
//
// Planted, and caught within ten runs (-count=10) on two processors: a Store in place of the CAS
// of leave.
func TestBulkheadTight(t *testing.T) {
	const callers, rounds = 4, 200_000 // long enough that two processors are at it at once
	b := bulkhead(t, callers, 0)
	var wg sync.WaitGroup
	for range callers {
		wg.Go(func() {
			for range rounds {
				slot, err := b.Acquire(t.Context())
				if err != nil {
					t.Error(err)
					return
				}
				slot.Release()
			}
		})
	}
	wg.Wait()
	require.Zero(t, b.word.Load())
}

// TestBulkheadLooksAgain comes to the line when things have changed meanwhile.
//
// Planted and caught: join that does not look whether there is a place, or room in the line;
// handOver that says there was somebody.
func TestBulkheadLooksAgain(t *testing.T) {
	b := bulkhead(t, 1, 1)
	require.Nil(t, b.join(), "there is a place")
	require.False(t, b.handOver(), "nobody waits")
	require.NoError(t, b.enter(t.Context()))
	require.NotNil(t, b.join())
	require.Nil(t, b.join(), "there is no room")
	require.True(t, b.handOver())
	require.Equal(t, BulkheadStats{Running: 1, Peak: 1}, b.Stats())

	var none tickets
	require.False(t, none.use(ticket{}))
}

// TestBulkheadEnds does not keep the place of an f that panics or ends its goroutine.
//
// Planted and caught: Run without defer.
func TestBulkheadEnds(t *testing.T) {
	b, broken := bulkhead(t, 1, 0), errors.New("broken")
	require.PanicsWithValue(t, "oh", func() {
		b.Run(t.Context(), func(context.Context) error { panic("oh") })
	})
	require.Zero(t, b.Stats().Running)
	var wg sync.WaitGroup
	wg.Go(func() {
		b.Run(t.Context(), func(context.Context) error { runtime.Goexit(); return nil })
	})
	wg.Wait()
	require.Zero(t, b.Stats().Running)
	require.Same(t, broken, b.Run(t.Context(), func(context.Context) error { return broken }))
	require.Zero(t, b.Stats().Running)

	ended, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, b.Run(ended, func(context.Context) error { panic("it runs") }), context.Canceled)
	require.NoError(t, b.Run(t.Context(), func(ctx context.Context) error {
		require.Equal(t, t.Context(), ctx)
		require.Equal(t, ErrFull, b.Run(ctx, func(context.Context) error { panic("it runs") }))
		return nil
	}))
}

// TestSlotOnce uses copies of a Slot after the cell of its ticket is that of another.
func TestSlotOnce(t *testing.T) {
	b := bulkhead(t, 2, 0)
	var old []Slot
	for range 100 {
		a, err := b.Acquire(t.Context())
		require.NoError(t, err)
		c, err := b.Acquire(t.Context())
		require.NoError(t, err)
		for _, s := range old {
			s.Release()
		}
		require.Equal(t, 2, b.Stats().Running)
		a.Release()
		c.Release()
		old = append(old, a, c)
		require.Zero(t, b.Stats().Running)
	}
}

func TestBulkheadStats(t *testing.T) {
	s := BulkheadStats{1, 2, 3, 4, 5}
	text, err := json.Marshal(s)
	require.NoError(t, err)
	require.JSONEq(t, `{"running":1,"waiting":2,"peak":3,"refused":4,"gave_up":5}`, string(text))
	require.Equal(t, "[running=1 waiting=2 peak=3 refused=4 gave_up=5]", slog.AnyValue(s).Resolve().String())
}

func TestBulkheadAllocatesNothing(t *testing.T) {
	b, f := bulkhead(t, 1, 0), func(context.Context) error { return nil }
	ctx := t.Context()
	require.Zero(t, testing.AllocsPerRun(100, func() { b.Run(ctx, f) }))
	require.NoError(t, b.enter(ctx))
	require.Zero(t, testing.AllocsPerRun(100, func() { b.Run(ctx, f) }))
}
