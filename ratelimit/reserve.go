package ratelimit

import (
	"context"
	"fmt"
	"math"
	"math/bits"
	"slices"
	"time"
)

// The line of a TokenBucket. Who reserves tokens that are not there yet takes them all the
// same: tat moves that far into the future, nobody else gets any, and when the bucket
// would have had them it is his turn. The next one begins where he ends, so turns come in
// the order of reservations, which is fair.
//
// Who leaves before his turn must not leave a hole, and it is not enough to give back his
// tokens: the turns of those behind him were set with him in front, and whoever came next
// would get a turn twice, beyond what the bucket may give. So all behind him move up, as if
// he had never been there (TokenBucket.moveUp); it is for this that the line exists.
//
// While anybody is in the line there are no tokens: tat is that of the last one, and
// nobody but who holds mu changes it, until his turn has come. If tat is another one, then
// the turn of all has come, by the clock of somebody whose time is later.

// Reservation is n tokens of a TokenBucket from some time on. It is safe for concurrent
// use.
type Reservation struct {
	// Immutable.
	t  *TokenBucket
	n  int64
	ok bool

	begin int64         // the bucket's tat without this one; guarded by t.mu
	tat   int64         // and with it; guarded by t.mu
	state state         // guarded by t.mu
	moved chan struct{} // told when the turn comes earlier, or later; nil if nobody waits
}

// state is where a Reservation is.
type state byte

const (
	inLine state = iota
	inTurn
	cancelled
)

// Reserve takes n tokens now, which may be used after Delay. It is not OK, and takes
// none, if n is negative or above the burst, or a turn would be beyond the end of time. A
// turn comes at a whole nanosecond, so that within W there may be as many as in one more.
func (t *TokenBucket) Reserve(n int64) *Reservation {
	r, _ := t.reserve(sinceNow(t.made), n, math.MaxInt64, nil)
	return r
}

// Wait takes n tokens and waits for its turn. Turns come in the order of calls. It returns
// ErrTooMany if n is negative or above the burst, and context.DeadlineExceeded if the turn
// would come after the context's deadline; both at once. When the context ends it returns
// its error, and has taken nothing.
func (t *TokenBucket) Wait(ctx context.Context, n int64) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	patience := time.Duration(math.MaxInt64)
	if deadline, ok := ctx.Deadline(); ok {
		patience = time.Until(deadline)
	}
	r, delay := t.reserve(sinceNow(t.made), n, patience, make(chan struct{}, 1))
	switch {
	case r.ok && delay == 0:
		return nil
	case r.ok:
		return r.wait(ctx, delay)
	case delay > patience && r.tat != 0: // he would have had a turn, be it at the end of time
		return fmt.Errorf("ratelimit: the turn would be in %v: %w", delay, context.DeadlineExceeded)
	}
	_, burst := t.Limit()
	return fmt.Errorf("%w: %d, and the burst is %d", ErrTooMany, n, burst)
}

func (r *Reservation) wait(ctx context.Context, delay time.Duration) error {
	timer := time.NewTimer(delay)
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
		case <-r.moved:
		case <-ctx.Done():
			r.Cancel()
			return ctx.Err()
		}
		if delay = r.Delay(); delay == 0 {
			return nil
		}
		timer.Reset(delay)
	}
}

// SetSlack lets Reserve and Wait catch up. A timer wakes a goroutine up to a millisecond
// late: if it always comes back for its next token that late, and the bucket can save
// none up meanwhile because its burst is small, it gets less than the rate. With slack, who
// comes late by less counts as if on time. Then at most burst + rate × (W + slack) events are
// admitted within a time W. None is the default. It panics if slack is negative.
func (t *TokenBucket) SetSlack(slack time.Duration) {
	if slack < 0 {
		panic(fmt.Sprintf("ratelimit: SetSlack: %v", slack))
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.slack = slack
}

// reserve is Reserve for somebody who waits no longer than patience: delay is how long it
// would be.
func (t *TokenBucket) reserve(ns, n int64, patience time.Duration, moved chan struct{}) (r *Reservation, delay time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	b := t.bucket.Load() // nobody closes it meanwhile
	r = &Reservation{t: t, n: n, moved: moved, state: inTurn}
	if n < 0 || n > b.burst {
		return r, Never
	}
	if r.ok = true; b.unit == 0 || n == 0 {
		return r, 0
	}
	now, slack := b.at(ns), b.units(t.slack)
	for {
		tat := b.tat.Load()
		t.prune(&b.pace, tat, ns)
		r.begin = b.begin(tat, now, slack)
		r.tat = b.after(r.begin, n)
		if delay = b.until(r.tat-b.full, ns); delay > patience || delay == Never || r.tat == lastTurn {
			r.ok = false
			return r, delay
		}
		if b.tat.CompareAndSwap(tat, r.tat) {
			break
		}
	}
	if delay > 0 {
		r.state = inLine
		t.line = append(t.line, r)
	}
	return r, delay
}

// lastTurn is the end of time.
const lastTurn = closed - 1

// after returns the tat with n more events, or lastTurn.
func (p *pace) after(tat, n int64) int64 {
	hi, cost := bits.Mul64(uint64(n), uint64(p.unit))
	if hi > 0 || cost > uint64(lastTurn-tat) {
		return lastTurn
	}
	return tat + int64(cost)
}

// prune takes those whose turn has come out of the line, when the bucket has this tat. The
// caller holds mu.
func (t *TokenBucket) prune(p *pace, tat, ns int64) {
	n, all := 0, p.unit == 0 || len(t.line) > 0 && tat != t.line[len(t.line)-1].tat
	for n < len(t.line) && (all || p.until(t.line[n].tat-p.full, ns) == 0) {
		t.line[n].state = inTurn
		n++
	}
	t.line = slices.Delete(t.line, 0, n)
}

// OK reports whether there is a reservation at all.
func (r *Reservation) OK() bool { return r.ok }

// Delay returns how long it is until the turn comes, 0 if it has. It may become shorter when
// somebody in front leaves, and change with SetLimit. It is Never if the Reservation is not
// OK or was cancelled.
func (r *Reservation) Delay() time.Duration { return r.delay(sinceNow(r.t.made)) }

func (r *Reservation) delay(ns int64) time.Duration {
	r.t.mu.Lock()
	defer r.t.mu.Unlock()
	b := r.t.bucket.Load()
	r.t.prune(&b.pace, b.tat.Load(), ns)
	switch {
	case !r.ok || r.state == cancelled:
		return Never
	case r.state == inTurn:
		return 0
	}
	return b.until(r.tat-b.full, ns)
}

// Cancel gives the tokens back and returns how many: all that were taken, and none the
// second time. Who stands behind in the line moves up. After the turn has come they are
// given back as by Refund.
func (r *Reservation) Cancel() int64 { return r.cancel(sinceNow(r.t.made)) }

func (r *Reservation) cancel(ns int64) int64 {
	t := r.t
	t.mu.Lock()
	defer t.mu.Unlock()
	if !r.ok || r.state == cancelled {
		return 0
	}
	b := t.bucket.Load()
	t.prune(&b.pace, b.tat.Load(), ns)
	r.state = cancelled
	at := slices.Index(t.line, r)
	if at < 0 {
		t.giveBack(b, ns, r.n)
		return r.n
	}
	if !t.moveUp(b, at+1, r.begin, ns) {
		b.refund(&b.pace, r.n)
	}
	t.line = slices.Delete(t.line, at, at+1)
	return r.n
}

// moveUp lets those in the line from one on begin earlier, and so the bucket. It does
// nothing and returns false if meanwhile the turn of all has come, and of somebody behind
// them. The caller holds mu.
func (t *TokenBucket) moveUp(b *bucket, from int, begin, ns int64) bool {
	moved := t.line[from:]
	if len(moved) > 0 {
		begin = b.begin(begin, b.at(ns), 0)
	}
	end := begin
	for _, r := range moved {
		end = b.after(end, r.n)
	}
	if last := t.line[len(t.line)-1]; !b.tat.CompareAndSwap(last.tat, end) {
		return false
	}
	for _, r := range moved {
		begin = r.move(&b.pace, begin)
	}
	return true
}

// move lets a reservation begin at another time, and returns when it ends. The caller
// holds t.mu.
func (r *Reservation) move(p *pace, begin int64) int64 {
	r.begin, r.tat = begin, p.after(begin, r.n)
	r.tell()
	return r.tat
}

// tell wakes who waits, because his turn is at another time. The caller holds mu.
func (r *Reservation) tell() {
	select {
	case r.moved <- struct{}{}:
	default: // he has been told, or nobody waits
	}
}

// Refund gives back n tokens (see Limiter). Those in the line move up.
func (t *TokenBucket) Refund(n int64) { t.refund(sinceNow(t.made), n) }

func (t *TokenBucket) refundAt(now time.Time, n int64) { t.refund(since(t.made, now), n) }

func (t *TokenBucket) refund(ns, n int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	b := t.bucket.Load()
	t.prune(&b.pace, b.tat.Load(), ns)
	t.giveBack(b, ns, max(n, 0))
}

// giveBack gives back n events. The caller holds mu.
func (t *TokenBucket) giveBack(b *bucket, ns, n int64) {
	if n == 0 || len(t.line) > 0 && t.moveUp(b, 0, t.line[0].begin-min(n, b.burst)*b.unit, ns) {
		return
	}
	b.refund(&b.pace, n)
}

// convert returns the tat of a bucket that has the tokens of another one of another pace.
func (p *pace) convert(tat int64, old *pace, ns int64) int64 {
	now := p.at(ns)
	if p.unit == 0 || old.unit == 0 {
		return now.floor
	}
	have, missing := old.room(tat, old.at(ns)), p.full
	if have >= 0 {
		missing -= min(rescale(have, p.unit, old.unit), p.full)
	} else {
		missing += min(rescale(-have, p.unit, old.unit)+1, maxUnits-1)
	}
	if missing == 0 {
		return now.floor
	}
	return now.ceil + min(missing, lastTurn-now.ceil)
}

// rescale returns units of one size in units of another, rounded down, or more than
// maxUnits.
func rescale(units, size, old int64) int64 {
	hi, lo := bits.Mul64(uint64(units), uint64(size))
	if hi >= uint64(old) {
		return maxUnits
	}
	q, _ := bits.Div64(hi, lo, uint64(old))
	return int64(min(q, maxUnits))
}
