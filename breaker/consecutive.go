package breaker

import (
	"fmt"
	"sync/atomic"
	"time"
)

// ConsecutiveFailures opens after n failures in a row: one success, and it counts from the
// beginning. It costs least, and needs no clock. It is for calls that succeed or fail together, such as
// those to one machine; where nine of ten calls fail, the tenth keeps the circuit closed.
func ConsecutiveFailures(n int) Trip { return consecutive(n) }

type consecutive int

func (c consecutive) check() error {
	if c < 1 {
		return fmt.Errorf("%d consecutive failures: want at least 1", int(c))
	}
	return nil
}

func (c consecutive) clocked() bool { return false }

func (c consecutive) slowAfter() time.Duration { return 0 }

func (c consecutive) watch() watcher { return &row{most: int64(c)} }

// row counts failures in a row. A success that is not the first only reads, so that calls that
// all succeed do not take the word from each other.
type row struct {
	most   int64
	failed atomic.Int64
}

func (r *row) count(o Outcome, _, _ int64) bool {
	if o == Failure {
		return r.failed.Add(1) >= r.most
	}
	if r.failed.Load() != 0 {
		r.failed.Store(0)
	}
	return false
}

func (r *row) counts(int64) Counts {
	n := r.failed.Load()
	return Counts{Calls: n, Failures: n}
}
