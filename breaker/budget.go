package breaker

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
)

// ErrBudget is why a Retry gave up before it had made all its attempts (see RetryError). It is no
// refusal, as there has been a call.
var ErrBudget = errors.New("breaker: the retry budget is used up")

// Budget bounds what retries add to the load of a dependency, for all callers together.
//
// Three attempts look harmless, because most calls need one. When the dependency fails they
// all need three, so that it has three times the load at the very moment at which it can bear
// least; three layers that do so make it 27 times. A budget counts calls, not failures: each
// first try earns a part of a token, and each retry costs one.
//
//	first try:  + Percent       +--------------------+
//	                      ----> | at most 100 Burst  | ---->  retry: - 100, or there is none
//	                            +--------------------+
//
// While few fail, all are retried. When all fail, there is one retry for ten calls, and what
// the bucket held. Callers share a Budget to be bounded together: a Budget belongs to
// what is called (a service, not a method of it).
//
// The law, at every moment, exactly, and whatever is concurrent:
//
//	100 × retries ≤ Percent × first tries + 100 × Burst
//
// Finagle's RetryBudget, Envoy's retry budgets (a share of the requests in flight), and gRPC's
// retryThrottling (gRFC A6: failures cost, successes earn) are of this kind. The 10 percent are
// those of Beyer and others: Site Reliability Engineering, 2016, chapters 21 and 22. There is no
// clock here, so nothing is forgotten, and there is no least number of retries a second.
//
//	Earn, Spend   one load, and one compare-and-swap if the word changes; Spend counts besides;
//	              no allocation
//	memory        56 bytes, and 2 KiB once it has said no to two at the same time
//	bad at        few calls: who calls once a minute earns a retry in ten minutes; clients that
//	              come and go, because each begins with Burst
//
// It is safe for concurrent use. The zero Budget gives no retries.
//
// Concurrency. All is in one word, in hundredths of a token. Each compare-and-swap adds what
// was earned, or takes what there is, so that all of them are one sequence, in which the law
// holds after every step. Earn comes before the try, so it holds in between, too.
type Budget struct {
	earn, full int64 // immutable, in hundredths of a token
	unlimited  bool  // immutable

	tokens  atomic.Int64  // in hundredths
	spent   atomic.Uint64 // whole ones
	refused rejections
}

// tokenCost is what a retry costs, so that a percent is a whole number.
const tokenCost = 100

// BudgetConfig says how much a Budget gives. It is not safe for concurrent use while it is
// changed; a Budget has what it needs.
type BudgetConfig struct {
	// Percent is how many retries there may be for 100 first tries. 0: 10. Negative: none
	// besides Burst. At most 10,000.
	Percent int

	// Burst is how many retries are saved up at most. As many are there at first. 0: 10.
	// At most 10^9.
	Burst int
}

// NewBudget returns a full one, or an error if the configuration is impossible.
func NewBudget(config BudgetConfig) (*Budget, error) {
	percent, burst := max(cmp.Or(config.Percent, 10), 0), cmp.Or(config.Burst, 10)
	switch {
	case percent > 100*100:
		return nil, fmt.Errorf("breaker: NewBudget: a Percent of %d: want at most 10000", percent)
	case burst < 0 || burst > 1e9:
		return nil, fmt.Errorf("breaker: NewBudget: a Burst of %d: want 1 to 10^9", burst)
	}
	b := &Budget{earn: int64(percent), full: int64(burst) * tokenCost}
	b.tokens.Store(b.full)
	return b, nil
}

// NoBudget returns a Budget that never says no: for tests, and for calls that are so rare
// that nobody feels their retries. It is what a Retry is dangerous with.
func NoBudget() *Budget { return &Budget{unlimited: true} }

// Earn is called before each first try.
func (b *Budget) Earn() {
	for {
		old := b.tokens.Load()
		after := min(old+b.earn, b.full)
		if after == old || b.tokens.CompareAndSwap(old, after) {
			return
		}
	}
}

// Spend is called before each retry, which must not be made if it returns false. What is
// spent does not come back if the retry is not made after all, or succeeds.
func (b *Budget) Spend() bool {
	if b.unlimited {
		b.spent.Add(1)
		return true
	}
	for {
		old := b.tokens.Load()
		if old < tokenCost {
			b.refused.add()
			return false
		}
		if b.tokens.CompareAndSwap(old, old-tokenCost) {
			b.spent.Add(1)
			return true
		}
	}
}

// BudgetStats are what a Budget has, and what it has counted since it was made. It is a plain value, a
// copy: safe for concurrent use as long as nobody changes it. Its fields have names for JSON, so that
// expvar can publish it. What was earned is not counted: a full Budget is not written to.
type BudgetStats struct {
	Tokens  float64 `json:"tokens"`  // at the moment; a retry costs one. 0 for NoBudget, which needs none
	Spent   uint64  `json:"spent"`   // tokens
	Refused uint64  `json:"refused"` // retries that there was no token for
}

// LogValue makes a group of it in a slog record.
func (s BudgetStats) LogValue() slog.Value {
	return slog.GroupValue(
		slog.Float64("tokens", s.Tokens),
		slog.Uint64("spent", s.Spent),
		slog.Uint64("refused", s.Refused),
	)
}

// Stats returns the counts, of slightly different moments.
func (b *Budget) Stats() BudgetStats {
	return BudgetStats{float64(b.tokens.Load()) / tokenCost, b.spent.Load(), b.refused.sum()}
}
