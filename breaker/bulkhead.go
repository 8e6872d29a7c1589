package breaker

import (
	"container/list"
	"context"
	"fmt"
	"log/slog"
	"math"
	"sync"
	"sync/atomic"
)

// ErrFull says that a Bulkhead has no room: as many calls run as may, and as many wait. It is also
// what the end of a context is in which a call waited in line, and found no room until then.
var ErrFull error = refusal("breaker: the bulkhead is full")

// Bulkhead lets no more than so many calls run at a time. A ship has bulkheads so that a leak
// floods one compartment, and not the ship: with one Bulkhead for each backend, a backend that
// hangs gets hold of its own share of the goroutines, connections and memory, and the others
// work on. (M. Nygard, Release It!, 2007.)
//
//	          limit 3, queue 4
//
//	Run ──┬─▶ [ f ][ f ][ f ] ───────▶
//	      │          ▲ the first of those who wait, when one of them is over
//	      ├─▶ ( 4 )( 3 )( 2 )( 1 )
//	      └─▶ ErrFull
//
// Who waits until his context ends was refused too, only later: nobody was called. Such an error is both
// ErrFull and that of the context, by errors.Is. So a Breaker in front does not count it: that a line
// is long says nothing about who would have been called.
//
// What waits is bounded as well. A queue that is always full does not make anything faster: it
// adds its length to each wait, until those who are served have given up long ago. So a short
// queue is for short crowds, and none at all (queue 0) is often best.
//
// Who comes first is served first, and nobody can get ahead: as long as somebody waits, who ends
// does not free his place, but hands it to the first of those who wait.
//
// All that the fast path needs is in one word: how many run, and how many wait. Nobody waits
// while there is room, which is the invariant
//
//	waiting > 0   only if   running = limit
//
// because who begins to wait does so in one CAS that sees both numbers. So:
//
//	                  nobody waits              somebody waits
//	comes             CAS: running+1, or        mu: waiting+1, to the end of the line; or ErrFull
//	                  if all run, to the right
//	ends              CAS: running-1            mu: waiting-1, the first of the line runs
//	gives up          -                         mu: waiting-1, out of the line; or, if he has
//	                                            been handed a place meanwhile, he ends
//
// The waiting half and the line change together, and only under the mutex. (A call of nothing takes
// 24 ns so, 37 with a mutex for all of it, and 64 with a channel. When two processors do nothing
// else, it is 91, 37 and 65: the word goes to and fro between them four times, where a mutex lets
// one of them go on. BenchmarkBulkhead, impl=plinth, mutex, naive.)
//
// Bulkhead is safe for concurrent use.
//
//	a call     two CAS; a mutex and two allocations more if it waits
//	memory     about 140 bytes, and 150 for each who waits
//	bad at     knowing the right limit (an Adaptive looks for it); calls of very different weight;
//	           a few goroutines that need two places each: they can wait for each other forever
type Bulkhead struct {
	// Immutable.
	limit, queue uint32

	word    atomic.Uint64 // running<<32 | waiting
	peak    atomic.Uint32 // of running
	refused atomic.Uint64
	gaveUp  atomic.Uint64
	tickets tickets

	mu   sync.Mutex
	line list.List // guarded by mu: a chan struct{} of each who waits, closed when he may run
}

const running1 = 1 << 32 // one more that runs, in the word of a Bulkhead

// NewBulkhead returns one that lets limit calls run at a time, and queue more wait. The limit is
// at least 1, the queue can be 0, and both are less than 1<<31.
func NewBulkhead(limit, queue int) (*Bulkhead, error) {
	if limit < 1 || limit > math.MaxInt32 {
		return nil, fmt.Errorf("breaker: NewBulkhead: a limit of %d: want 1 to %d", limit, math.MaxInt32)
	}
	if queue < 0 || queue > math.MaxInt32 {
		return nil, fmt.Errorf("breaker: NewBulkhead: a queue of %d: want 0 to %d", queue, math.MaxInt32)
	}
	return &Bulkhead{limit: uint32(limit), queue: uint32(queue)}, nil
}

// Run calls f when there is a place for it, and returns what it returns. If there is none and
// the queue is full it returns ErrFull, and if the context has ended its error. When it ends before it
// is the turn of f, the error is both of them, by errors.Is. In each case Run returns at once, without
// calling f. The place is free again when f returns, panics or ends its goroutine. Run panics if
// f is nil.
func (b *Bulkhead) Run(ctx context.Context, f func(context.Context) error) error {
	if f == nil {
		panic("breaker: Bulkhead.Run: a nil function")
	}
	if err := b.enter(ctx); err != nil {
		return err
	}
	defer b.leave()
	return f(ctx)
}

// Acquire is the first half of Run, for what is not one function. Release the Slot when the
// work is over: a place that is not given back is lost.
func (b *Bulkhead) Acquire(ctx context.Context) (Slot, error) {
	if err := b.enter(ctx); err != nil {
		return Slot{}, err
	}
	return Slot{b, b.tickets.issue()}, nil
}

// Slot is a place in a Bulkhead. It is a small value, which can be copied, and is safe for
// concurrent use. The zero Slot is no place.
type Slot struct {
	bulkhead *Bulkhead
	ticket   ticket
}

// Release gives the place back. It counts once, however often it is called, and on whichever
// copy.
func (s Slot) Release() {
	if s.bulkhead != nil && s.bulkhead.tickets.use(s.ticket) {
		s.bulkhead.leave()
	}
}

// enter takes a place.
func (b *Bulkhead) enter(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	for {
		word := b.word.Load()
		switch running, waiting := uint32(word>>32), uint32(word); {
		case running < b.limit:
			if b.word.CompareAndSwap(word, word+running1) {
				b.high(running + 1)
				return nil
			}
		case waiting < b.queue:
			if turn := b.join(); turn != nil {
				return b.wait(ctx, turn)
			}
		default:
			b.refused.Add(1)
			return ErrFull
		}
	}
}

// high keeps the peak. It is rarely more than a load.
func (b *Bulkhead) high(running uint32) {
	for {
		peak := b.peak.Load()
		if running <= peak || b.peak.CompareAndSwap(peak, running) {
			return
		}
	}
}

// join goes to the end of the line. It returns nil if things have changed: there is a place, or
// no room in the line.
func (b *Bulkhead) join() *list.Element {
	b.mu.Lock()
	defer b.mu.Unlock()
	for {
		word := b.word.Load()
		if uint32(word>>32) < b.limit || uint32(word) >= b.queue {
			return nil
		}
		// Who ends meanwhile makes it fail, or finds somebody who waits, and then needs mu.
		if b.word.CompareAndSwap(word, word+1) {
			return b.line.PushBack(make(chan struct{}))
		}
	}
}

func (b *Bulkhead) wait(ctx context.Context, turn *list.Element) error {
	ready := turn.Value.(chan struct{})
	select {
	case <-ready:
		if ctx.Err() == nil { // of two that can go on, select takes any
			return nil
		}
	case <-ctx.Done():
	}
	b.gaveUp.Add(1)
	b.mu.Lock()
	select {
	case <-ready: // it has been handed over since
		b.mu.Unlock()
		b.leave()
	default:
		b.line.Remove(turn)
		b.word.Add(^uint64(0)) // waiting-1
		b.mu.Unlock()
	}
	return gaveUp(ctx.Err())
}

// waitError is ErrFull, and the error of a context that ended while a call waited in line.
type waitError struct{ cause error }

func (e *waitError) Error() string { return "breaker: the bulkhead was full: " + e.cause.Error() }

func (e *waitError) Unwrap() error { return e.cause }

// Is does without an Unwrap() []error, which would allocate each time that somebody asks.
func (e *waitError) Is(target error) bool { return target == ErrFull || target == errRefusal }

// What a context can end with, in one value each: to give up allocates nothing.
var (
	errWaitCanceled error = &waitError{context.Canceled}
	errWaitExceeded error = &waitError{context.DeadlineExceeded}
)

func gaveUp(cause error) error {
	switch cause {
	case context.Canceled:
		return errWaitCanceled
	case context.DeadlineExceeded:
		return errWaitExceeded
	}
	return &waitError{cause} // of somebody's own Context
}

// leave gives a place back.
func (b *Bulkhead) leave() {
	for {
		word := b.word.Load()
		if uint32(word) > 0 {
			if b.handOver() {
				return
			}
		} else if b.word.CompareAndSwap(word, word-running1) {
			return
		}
	}
}

// handOver gives the caller's place to the first of the line. It reports whether there is one.
func (b *Bulkhead) handOver() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	first := b.line.Front()
	if first == nil {
		return false // he has just given up
	}
	close(b.line.Remove(first).(chan struct{}))
	b.word.Add(^uint64(0)) // waiting-1, and as many run as before
	return true
}

// BulkheadStats are what a Bulkhead has counted since it was made. It is a plain value, a copy:
// safe for concurrent use as long as nobody changes it. Its fields have names for JSON, so that
// expvar can publish it.
type BulkheadStats struct {
	Running int    `json:"running"` // at the moment
	Waiting int    `json:"waiting"` // at the moment
	Peak    int    `json:"peak"`    // the most that ever ran at a time
	Refused uint64 `json:"refused"` // with ErrFull, at once
	GaveUp  uint64 `json:"gave_up"` // whose context ended while they waited
}

// LogValue makes a group of it in a slog record.
func (s BulkheadStats) LogValue() slog.Value {
	return slog.GroupValue(
		slog.Int("running", s.Running),
		slog.Int("waiting", s.Waiting),
		slog.Int("peak", s.Peak),
		slog.Uint64("refused", s.Refused),
		slog.Uint64("gave_up", s.GaveUp),
	)
}

// Stats returns the counts. Running and Waiting are of one moment, the others of moments close
// to it.
func (b *Bulkhead) Stats() BulkheadStats {
	word := b.word.Load()
	running := uint32(word >> 32)
	return BulkheadStats{
		Running: int(running), Waiting: int(uint32(word)), Peak: int(max(b.peak.Load(), running)),
		Refused: b.refused.Load(), GaveUp: b.gaveUp.Load(),
	}
}
