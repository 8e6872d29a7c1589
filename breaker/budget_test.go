package breaker

import (
	"fmt"
	"math"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/plinth-go/plinth/internal/form"
	"github.com/plinth-go/plinth/internal/seed"
	"github.com/stretchr/testify/require"
)

func TestBudgetByDefault(t *testing.T) {
	b, err := NewBudget(BudgetConfig{})
	require.NoError(t, err)
	for range 1000 {
		b.Earn() // it is full
	}
	for range 10 {
		require.True(t, b.Spend())
	}
	require.False(t, b.Spend())
	for range 9 {
		b.Earn()
	}
	require.False(t, b.Spend(), "nine tenths")
	b.Earn()
	require.True(t, b.Spend())
	require.False(t, b.Spend())
}

// TestBudgetIsExact compares it with fractions of tokens, counted one by one. Planted and caught:
// a full that is one too many, a retry for a part of a token, Earn that fills beyond full.
func TestBudgetIsExact(t *testing.T) {
	r := seed.New(t)
	for _, c := range []struct{ percent, burst, earns int }{
		{0, 0, 10}, {10, 3, 10}, {1, 1, 1}, {20, 5, 20}, {33, 2, 33},
		{100, 1, 100}, {250, 4, 250}, {10000, 1e9, 10000}, {-1, 7, 0},
	} {
		b, err := NewBudget(BudgetConfig{Percent: c.percent, Burst: c.burst})
		require.NoError(t, err)
		full := c.burst * 100
		if c.burst == 0 {
			full = 10 * 100
		}
		have, firsts, retries := full, 0, 0
		for range 2000 {
			if r.IntN(3) > 0 {
				b.Earn()
				firsts++
				have = min(have+c.earns, full)
				continue
			}
			want := have >= 100
			require.Equal(t, want, b.Spend(), "%+v", c)
			if want {
				have -= 100
				retries++
			}
			require.LessOrEqual(t, 100*retries, c.earns*firsts+full)
		}
	}
}

// TestBudgetHammered holds the law at every moment while eight earn and spend what they can,
// and counts at the end: nothing is lost, and nothing is made. Planted and caught: Store
// in place of the compare-and-swap of Earn.
func TestBudgetHammered(t *testing.T) {
	const percent, burst, workers, each = 30, 50_000, 8, 4000
	b, err := NewBudget(BudgetConfig{Percent: percent, Burst: burst})
	require.NoError(t, err)
	for range burst {
		require.True(t, b.Spend())
	}
	var firsts, retries atomic.Int64
	law := func() {
		made := retries.Load() // before firsts, which only grows
		if 100*made > percent*firsts.Load() {
			t.Error("more retries than the law allows")
		}
	}
	var all sync.WaitGroup
	for range workers {
		all.Go(func() {
			for range each {
				firsts.Add(1)
				b.Earn()
				if b.Spend() {
					retries.Add(1)
				}
				law()
			}
		})
	}
	all.Wait()
	require.EqualValues(t, percent*workers*each, 100*retries.Load()+b.tokens.Load())
	require.Less(t, b.tokens.Load(), int64(workers*tokenCost))
}

// TestBudgetLosesNothing lets eight earn, and nothing else, and then eight spend, as fast as they
// can, so that their steps meet. Planted and caught: Store in place of the compare-and-swap of
// Spend; an Earn that does not try again.
func TestBudgetLosesNothing(t *testing.T) {
	const workers = 8
	each := 500_000
	if form.Raced() {
		each /= 10
	}
	b, err := NewBudget(BudgetConfig{Percent: 100, Burst: workers * each})
	require.NoError(t, err)
	b.tokens.Store(0)
	var all sync.WaitGroup
	for range workers {
		all.Go(func() {
			for range each {
				b.Earn()
			}
		})
	}
	all.Wait()
	require.EqualValues(t, workers*each*tokenCost, b.tokens.Load())
	var spent atomic.Int64
	for range workers {
		all.Go(func() {
			n := int64(0)
			for b.Spend() {
				n++
			}
			spent.Add(n)
		})
	}
	all.Wait()
	require.EqualValues(t, workers*each, spent.Load())
}

func TestBudgetWithoutLimits(t *testing.T) {
	b := NoBudget()
	for range 10_000 {
		require.True(t, b.Spend())
	}
	b.Earn()
	require.True(t, b.Spend())
	var zero Budget
	zero.Earn()
	require.False(t, zero.Spend(), "the zero Budget gives none")
}

func TestBudgetRefusesTheImpossible(t *testing.T) {
	for _, c := range []BudgetConfig{{Percent: 10_001}, {Percent: math.MaxInt32},
		{Burst: -1}, {Burst: 1e9 + 1}, {Burst: math.MinInt32}} {
		_, err := NewBudget(c)
		require.ErrorContains(t, err, "breaker: NewBudget: a ", "%+v", c)
	}
	_, err := NewBudget(BudgetConfig{Percent: 10_001})
	require.ErrorContains(t, err, fmt.Sprint(10_001))
}

func TestBudgetAllocatesNothing(t *testing.T) {
	b, _ := NewBudget(BudgetConfig{})
	require.Zero(t, testing.AllocsPerRun(100, func() { b.Earn(); b.Spend() }))
}
