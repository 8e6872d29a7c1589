package breaker

import (
	"context"
	"encoding/json"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// TestStatsHaveNames: each number has a name of its own, for expvar and for logs. Planted and caught: two
// of them in the place of each other.
func TestStatsHaveNames(t *testing.T) {
	for _, c := range []struct {
		stats      slog.LogValuer
		json, text string
	}{
		{BudgetStats{1.5, 2, 3}, `{"tokens":1.5,"spent":2,"refused":3}`, "[tokens=1.5 spent=2 refused=3]"},
		{RetryStats{1, 2, 3, 4, 5}, `{"failed":1,"retries":2,"recovered":3,"no_budget":4,"no_time":5}`,
			"[failed=1 retries=2 recovered=3 no_budget=4 no_time=5]"},
		{HedgeStats{1, 2, 3, 4, 5}, `{"delay_ns":1,"calls":2,"hedges":3,"won":4,"no_budget":5}`,
			"[delay=1ns calls=2 hedges=3 won=4 no_budget=5]"},
		{TimeoutStats{1, 2}, `{"expired":1,"running":2}`, "[expired=1 running=2]"},
	} {
		text, err := json.Marshal(c.stats)
		require.NoError(t, err)
		require.JSONEq(t, c.json, string(text))
		require.Equal(t, c.text, slog.AnyValue(c.stats).Resolve().String())
	}
}

// TestBudgetStats. Planted and caught: spent that is not counted with NoBudget, what was refused
// counted as spent.
func TestBudgetStats(t *testing.T) {
	b, err := NewBudget(BudgetConfig{Percent: 25, Burst: 2})
	require.NoError(t, err)
	require.Equal(t, BudgetStats{Tokens: 2}, b.Stats())
	require.True(t, b.Spend())
	b.Earn()
	require.Equal(t, BudgetStats{Tokens: 1.25, Spent: 1}, b.Stats())
	require.True(t, b.Spend())
	require.False(t, b.Spend())
	require.False(t, b.Spend())
	require.Equal(t, BudgetStats{Tokens: 0.25, Spent: 2, Refused: 2}, b.Stats())

	unlimited := NoBudget()
	unlimited.Earn()
	require.True(t, unlimited.Spend())
	require.Equal(t, BudgetStats{Spent: 1}, unlimited.Stats())
	zero := new(Budget)
	require.False(t, zero.Spend())
	require.Equal(t, BudgetStats{Refused: 1}, zero.Stats())
}

// TestRetryStats plays each end of a call. Planted and caught: retries counted before the wait, a first
// success that has recovered, failures counted for each try.
func TestRetryStats(t *testing.T) {
	for said, c := range map[string]struct {
		config RetryConfig
		time   time.Duration // that there is; 0: as much as you like
		fails  int
		with   error
		want   RetryStats
	}{
		"it succeeds":         {RetryConfig{}, 0, 0, nil, RetryStats{}},
		"it was not called":   {RetryConfig{}, -1, 1, errDown, RetryStats{}},
		"the second succeeds": {RetryConfig{}, 0, 1, errDown, RetryStats{Failed: 1, Retries: 1, Recovered: 1}},
		"the third succeeds":  {RetryConfig{}, 0, 2, errDown, RetryStats{Failed: 1, Retries: 2, Recovered: 1}},
		"none succeeds":       {RetryConfig{}, 0, 9, errDown, RetryStats{Failed: 1, Retries: 2}},
		"it is final":         {RetryConfig{}, 0, 1, ErrFull, RetryStats{Failed: 1}},
		"there is no budget":  {RetryConfig{Budget: new(Budget)}, 0, 9, errDown, RetryStats{Failed: 1, NoBudget: 1}},
		"there is no time":    {RetryConfig{}, time.Second, 9, &askError{time.Second}, RetryStats{Failed: 1, NoTime: 1}},
	} {
		synctest.Test(t, func(t *testing.T) {
			r, ctx, cancel := newRetry(t, c.config), t.Context(), func() {}
			if c.time != 0 {
				ctx, cancel = context.WithTimeout(ctx, c.time)
			}
			defer cancel()
			f, _ := failing(c.fails, c.with)
			_ = r.Run(ctx, f)
			require.Equal(t, c.want, r.Stats(), said)
			require.NoError(t, r.Run(t.Context(), func(context.Context) error { return nil }))
			require.Equal(t, c.want, r.Stats(), said)
		})
	}
	synctest.Test(t, func(t *testing.T) {
		r := newRetry(t, RetryConfig{})
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		f, _ := failing(9, &askError{2 * time.Second})
		require.ErrorIs(t, r.Run(ctx, f), context.Canceled)
		require.Equal(t, RetryStats{Failed: 1}, r.Stats(), "the caller has gone while it waited")
	})
}

// TestHedgeStats plays each end of a call. Planted and caught: a win of the first try, hedges that there was
// no budget for, a win for each success.
func TestHedgeStats(t *testing.T) {
	const ms = time.Millisecond
	for said, c := range map[string]struct {
		budget *Budget
		tries  []scripted
		want   HedgeStats
	}{
		"the first is fast":    {nil, []scripted{{9 * ms, nil}}, HedgeStats{}},
		"the second wins":      {nil, []scripted{{99 * ms, nil}, {5 * ms, nil}}, HedgeStats{Hedges: 1, Won: 1}},
		"the first wins":       {nil, []scripted{{11 * ms, nil}, {5 * ms, nil}}, HedgeStats{Hedges: 1}},
		"the third wins":       {nil, []scripted{{3 * ms, errDown}, {2 * ms, errDown}, {5 * ms, nil}}, HedgeStats{Hedges: 2, Won: 1}},
		"all fail":             {nil, []scripted{{3 * ms, errDown}, {2 * ms, errDown}, {5 * ms, errDown}}, HedgeStats{Hedges: 2}},
		"there is no budget":   {new(Budget), []scripted{{11 * ms, nil}}, HedgeStats{NoBudget: 1}},
		"a final error is one": {nil, []scripted{{3 * ms, ErrFull}}, HedgeStats{}},
	} {
		synctest.Test(t, func(t *testing.T) {
			h := newHedge(t, HedgeConfig{Delay: 10 * ms, Max: 3, Budget: c.budget})
			_ = h.Run(t.Context(), play(c.tries...).run)
			c.want.Calls, c.want.Delay = 1, 10*ms
			require.Equal(t, c.want, h.Stats(), said)
			<-time.After(time.Second)
			require.Equal(t, c.want, h.Stats(), said)
		})
	}
	h := newHedge(t, HedgeConfig{})
	require.Equal(t, HedgeStats{}, h.Stats(), "not known yet")
	h.latencies.delay.Store(7)
	require.Equal(t, HedgeStats{Delay: 7}, h.Stats())
}

// TestTimeoutStats: who is left behind runs until he ends, in whatever way. Planted and caught: a call
// whose caller has gone counted as expired, one that is no longer counted when nobody waits for it, one
// that is counted for ever when it panics.
func TestTimeoutStats(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cooperative, err := NewTimeout(time.Second)
		require.NoError(t, err)
		abandon, err := NewAbandon(time.Second)
		require.NoError(t, err)
		for _, g := range []*Timeout{cooperative, abandon} {
			require.NoError(t, g.Run(t.Context(), patient(0, nil, true)))
			require.Equal(t, errDown, g.Run(t.Context(), patient(0, errDown, true)))
			ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
			require.Equal(t, context.DeadlineExceeded, g.Run(ctx, patient(time.Minute, nil, true)))
			cancel()
			synctest.Wait()
			require.Equal(t, TimeoutStats{}, g.Stats())
			require.ErrorIs(t, g.Run(t.Context(), patient(time.Minute, nil, true)), ErrTimeout)
			synctest.Wait()
			require.Equal(t, TimeoutStats{Expired: 1}, g.Stats())
		}
		require.NoError(t, cooperative.Run(t.Context(), patient(2*time.Second, nil, false)), "late, and well")
		require.EqualValues(t, 1, cooperative.Stats().Expired)

		require.Equal(t, "panicked: oh", outcomes(t.Context(), abandon, func(context.Context) error { panic("oh") }))
		require.Zero(t, abandon.Stats().Running)
		for range 3 {
			require.ErrorIs(t, abandon.Run(t.Context(), patient(time.Minute, nil, false)), ErrTimeout)
		}
		require.Equal(t, TimeoutStats{Expired: 4, Running: 3}, abandon.Stats())
		<-time.After(time.Minute)
		require.Equal(t, TimeoutStats{Expired: 4}, abandon.Stats())
	})
}
