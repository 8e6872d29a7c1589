package breaker

import (
	"fmt"
	"sync/atomic"
)

// LastCalls is a window of the last n calls: it needs no clock, and forgets nothing while there
// are none.
func LastCalls(n int) Window { return lastCalls(n) }

type lastCalls int

const mostCalls = 1 << 20

func (n lastCalls) check() error {
	if n < 1 || n > mostCalls {
		return fmt.Errorf("a window of the last %d calls: want 1 to %d", int(n), mostCalls)
	}
	return nil
}

func (n lastCalls) clocked() bool { return false }

func (n lastCalls) open() tally { return &callRing{ring: make([]atomic.Uint32, n)} }

// callRing has the outcomes of the last calls in a ring, and counts the bad ones as they come and
// as others come in their places:
//
//	next ─────────┐
//	  · x · · x · ▼ · x ·       3 bad; the next one takes the place of a good one
//
// Who swaps an outcome for another one counts the difference, so that the sum is that of the
// ring whenever nobody is just between the two, no matter in which order calls get there.
type callRing struct {
	next atomic.Uint64 // how many there have been
	bad  atomic.Int64
	ring []atomic.Uint32 // 1 is bad
}

func (r *callRing) add(bad bool, _ int64) {
	code := uint32(0)
	if bad {
		code = 1
	}
	place := &r.ring[(r.next.Add(1)-1)%uint64(len(r.ring))]
	if before := place.Swap(code); before != code {
		r.bad.Add(int64(code) - int64(before))
	}
}

func (r *callRing) sums(int64) (calls, bad int64) {
	return int64(min(r.next.Load(), uint64(len(r.ring)))), r.bad.Load()
}
