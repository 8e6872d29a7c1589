package cachesim

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
)

// Series is the results of one kind of cache, a Point for each size. It is a
// plain value: safe for concurrent use as long as nobody changes it.
type Series struct {
	Name   string
	Points []Point
}

// Point is what a cache of one size has done. It is a plain value: safe for
// concurrent use as long as nobody changes it.
type Point struct {
	Size int // entries
	Result
}

// Bound is the name of the series of Belady's bound.
const Bound = "Belady"

// Curve simulates every kind of cache at every size and returns a series for
// each, in the order of makers and sizes; before them comes Belady's bound. One
// size says little: policies change places as the cache grows, so a comparison
// at a single size can be had in favour of nearly anyone.
//
// The simulations run on all processors (GOMAXPROCS) at once, and each by
// itself, so the numbers do not depend on how many there are. Curve tells
// progress, if it is not nil, how many of all are done, from the goroutine that
// called Curve. It returns when nothing runs any more: with the first error of
// a New or of a wrong value, or with the context's.
func Curve(ctx context.Context, t Trace, sizes []int, makers []Maker, progress func(done, total int)) ([]Series, error) {
	if i := slices.IndexFunc(sizes, func(n int) bool { return n < 1 }); i >= 0 {
		return nil, fmt.Errorf("cachesim: Curve: size %d of a cache, want at least 1", sizes[i])
	}
	// Those who need it first find the future of the trace out for all.
	future := sync.OnceValue(func() []int { return nextUses(t) })
	bound := func(_ context.Context, size int) (Result, error) {
		return Result{Requests: len(t), Hits: belady(future(), size)}, nil
	}
	runs := []run{}
	series := []Series{newSeries(Bound, sizes, bound, &runs)}
	for _, m := range makers {
		series = append(series, newSeries(m.Name, sizes, func(ctx context.Context, size int) (Result, error) {
			c, err := m.New(size)
			if err != nil {
				return Result{}, err
			}
			return simulate(ctx, t, c)
		}, &runs))
	}
	if err := inParallel(ctx, runs, progress); err != nil {
		return nil, err
	}
	return series, nil
}

// run is one simulation that is still to be done. It keeps its own result.
type run func(context.Context) error

// newSeries returns the series with nothing counted yet, and appends the runs
// that will fill it.
func newSeries(name string, sizes []int, do func(context.Context, int) (Result, error), runs *[]run) Series {
	s := Series{Name: name, Points: make([]Point, len(sizes))}
	for i, size := range sizes {
		p := &s.Points[i]
		*runs = append(*runs, func(ctx context.Context) (err error) {
			p.Size = size
			if p.Result, err = do(ctx, size); err != nil {
				return fmt.Errorf("%s with %d entries: %w", name, size, err)
			}
			return nil
		})
	}
	return s
}

// inParallel does all runs, or some and returns the first error. A worker that
// is done tells so through a channel with room for all: it never waits for a
// progress function that is slow, and ends even if that panics.
func inParallel(ctx context.Context, runs []run, progress func(done, total int)) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	finished := make(chan struct{}, len(runs))
	var begun atomic.Int64
	var wg sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), len(runs)) {
		wg.Go(func() {
			for i := begun.Add(1) - 1; i < int64(len(runs)) && ctx.Err() == nil; i = begun.Add(1) - 1 {
				if err := runs[i](ctx); err != nil {
					cancel(err)
					return
				}
				finished <- struct{}{}
			}
		})
	}
	go func() { wg.Wait(); close(finished) }()
	done := 0
	for range finished {
		if done++; progress != nil {
			progress(done, len(runs))
		}
	}
	return context.Cause(ctx)
}
