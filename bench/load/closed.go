package load

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/plinth-go/plinth/bench/hist"
)

// Options say how many workers there are and when they stop: at the first
// limit reached. Without any limit they run until the context is done or
// Next returns ErrDone. It is a plain value: safe for concurrent use.
type Options struct {
	Workers  int           // 0 means 1
	Duration time.Duration // no operation but a worker's first begins later than this after the start; 0 means no limit
	Ops      uint64        // operations of all workers together; 0 means no limit
}

// Worker is one caller in the loop. A Worker is not safe for concurrent use
// and needs not be: Closed uses each from one goroutine.
type Worker[T any] struct {
	Next func() (T, error) // makes the next input, untimed; ErrDone ends the whole run
	Do   func(T) error     // the timed operation
}

// ErrDone is what Next returns when there is nothing left to do. It is not an
// error of the run.
var ErrDone = errors.New("load: nothing left to do")

// Result is what a closed loop has measured. It is not safe for concurrent
// use while its histogram is changed, which this package never does.
type Result struct {
	Ops     uint64          // operations that succeeded
	Elapsed time.Duration   // from the start to the end of the last operation
	Latency *hist.Histogram // of the same operations
}

// PerSecond returns the throughput in operations per second.
func (r Result) PerSecond() float64 {
	if r.Elapsed <= 0 {
		return 0
	}
	return float64(r.Ops) / r.Elapsed.Seconds()
}

// Closed runs workers in a closed loop until a limit of o is reached, the
// context is done, or an operation fails. It calls worker once for each of
// them, one after the other, before any starts. With an error it returns what
// was measured until then too.
func Closed[T any](ctx context.Context, o Options, worker func(i int) Worker[T]) (Result, error) {
	r := run[T]{options: o, start: make(chan struct{})}
	defer context.AfterFunc(ctx, func() { r.fail(context.Cause(ctx)) })()

	hists := make([]hist.Histogram, max(o.Workers, 1))
	var wg sync.WaitGroup
	for i := range hists {
		w := worker(i)
		wg.Go(func() {
			<-r.start
			if err := r.loop(w, &hists[i]); err != nil && !errors.Is(err, ErrDone) {
				r.fail(fmt.Errorf("load: worker %d: %w", i, err))
			}
		})
	}
	r.begin = time.Now()
	close(r.start)
	wg.Wait()
	if ctx.Err() != nil { // AfterFunc may only be about to say so
		r.fail(context.Cause(ctx))
	}

	res := Result{Elapsed: time.Since(r.begin), Latency: new(hist.Histogram)}
	for i := range hists {
		res.Latency.Merge(&hists[i])
	}
	res.Ops = res.Latency.Count()
	r.mu.Lock()
	defer r.mu.Unlock()
	return res, r.err
}

// run is what the workers of one run share.
type run[T any] struct {
	options Options       // immutable
	start   chan struct{} // closed when all begin
	begin   time.Time     // immutable once start is closed

	claimed atomic.Uint64 // operations begun, counted only where they are limited
	stopped atomic.Bool

	mu  sync.Mutex
	err error // the first; guarded by mu
}

// loop is one worker's life.
func (r *run[T]) loop(w Worker[T], h *hist.Histogram) error {
	for first := true; !r.stopped.Load(); first = false {
		if r.options.Ops > 0 && r.claimed.Add(1) > r.options.Ops {
			return nil
		}
		in, err := w.Next()
		if err != nil {
			r.stopped.Store(true)
			return err
		}
		began := time.Now()
		// The first is done in any case: or where the machine is busy elsewhere for so long,
		// nothing would be measured.
		if r.options.Duration > 0 && !first && began.Sub(r.begin) >= r.options.Duration {
			return nil
		}
		if err := w.Do(in); err != nil {
			return err
		}
		h.Record(time.Since(began))
	}
	return nil
}

// fail keeps the first error and stops everybody.
func (r *run[T]) fail(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err == nil {
		r.err = err
	}
	r.stopped.Store(true)
}
