package main

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/plinth-go/plinth/bench/load"
	"github.com/plinth-go/plinth/bench/plot"
	"github.com/plinth-go/plinth/bench/report"
	"github.com/plinth-go/plinth/breaker"
)

// What a guard costs: a call that does nothing, behind each of them, from goroutines that all
// share one. It is timed, beside the same call behind nothing, and behind the counter under a
// mutex that most people write first.

const (
	overheadBatch  = 256  // calls between two looks at the clock of the measurement
	overheadRuns   = 3    // parts of a round
	overheadCounts = 1000 // calls whose allocations are counted
	overheadRoom   = 1024 // in flight, which nobody comes near
)

// breakerOverhead is what the comparison has found.
type breakerOverhead struct {
	s     *session
	cells []*overheadCell
}

// runBreakerOverhead measures all of them.
func runBreakerOverhead(ctx context.Context, s *session) (*breakerOverhead, error) {
	r := &breakerOverhead{s: s, cells: overheadCells(s.profile)}
	err := s.rounds(ctx, len(r.cells),
		func(i int) string { return r.cells[i].name() },
		func(i int) error { return r.cells[i].round(ctx, s.profile) })
	if err != nil {
		return nil, err
	}
	return r, nil
}

// cell finds a measurement.
func (r *breakerOverhead) cell(impl string, workers int) *overheadCell {
	i := slices.IndexFunc(r.cells, func(c *overheadCell) bool { return c.impl.name == impl && c.workers == workers })
	return r.cells[i]
}

func (r *breakerOverhead) results() (all []report.Result) {
	for _, c := range r.cells {
		all = append(all, c.result())
	}
	return all
}

// overheadImpl is a guard, and what it says to each call.
type overheadImpl struct {
	name  string
	make  func(room int) (breaker.Guard, error)
	want  error // nil: it lets them through
	table bool  // and not in the figure
}

// Those that captions speak of.
const (
	overheadBare, overheadMutex, overheadOpen = "a call alone", "counter, a mutex", "Breaker, open"
	overheadRow, overheadTime                 = "Breaker, in a row", "Breaker, last time"
	overheadBulkhead, overheadAdaptive        = "Bulkhead", "Adaptive"
	overheadTimeout, overheadHedge            = "Timeout", "Hedge"
	overheadChain                             = "Chain of four"
)

// overheadImpls are all there are, as they are by default where nothing else is said. An Adaptive may
// not learn a limit here, and a Hedge has a delay: or calls that differ by chance would be refused, or made
// twice.
func overheadImpls() []overheadImpl {
	closed := func(trip breaker.Trip) func(int) (breaker.Guard, error) {
		return func(int) (breaker.Guard, error) { return breaker.New(breaker.Config{Trip: trip}) }
	}
	return []overheadImpl{
		{name: overheadBare, make: func(int) (breaker.Guard, error) { return bareCall{}, nil }},
		{name: overheadMutex, make: func(room int) (breaker.Guard, error) { return &lockedCount{room: room}, nil }},
		{name: overheadRow, make: closed(breaker.ConsecutiveFailures(5))},
		{name: "Breaker, last calls", make: closed(breaker.FailureRate(0.5, 20, breaker.LastCalls(100))), table: true},
		{name: overheadTime, make: closed(nil)},
		{name: overheadOpen, make: openBreaker, want: breaker.ErrOpen},
		{name: overheadBulkhead, make: func(room int) (breaker.Guard, error) { return breaker.NewBulkhead(room, 0) }},
		{name: overheadAdaptive, make: func(room int) (breaker.Guard, error) {
			return breaker.NewAdaptive(breaker.AdaptiveConfig{Min: room, Max: room})
		}},
		{name: "Throttle", make: func(int) (breaker.Guard, error) { return breaker.NewThrottle(breaker.ThrottleConfig{}) }},
		{name: "Retry", make: func(int) (breaker.Guard, error) { return breaker.NewRetry(breaker.RetryConfig{}) }},
		{name: overheadTimeout, make: func(int) (breaker.Guard, error) { return breaker.NewTimeout(time.Minute) }},
		{name: overheadHedge, make: func(int) (breaker.Guard, error) { return breaker.NewHedge(breaker.HedgeConfig{Delay: time.Minute}) }},
		{name: overheadChain, make: usualChain},
	}
}

// openBreaker is one that will be open for as long as anybody measures.
func openBreaker(int) (breaker.Guard, error) {
	b, err := breaker.New(breaker.Config{Trip: breaker.ConsecutiveFailures(1), OpenFor: 24 * time.Hour})
	if err == nil {
		_ = b.Run(context.Background(), func(context.Context) error { return errors.New("down") })
	}
	return b, err
}

// usualChain is what most calls to another server need.
func usualChain(room int) (breaker.Guard, error) {
	timeout, err1 := breaker.NewTimeout(time.Minute)
	retry, err2 := breaker.NewRetry(breaker.RetryConfig{})
	circuit, err3 := breaker.New(breaker.Config{})
	bulkhead, err4 := breaker.NewBulkhead(room, 0)
	if err := errors.Join(err1, err2, err3, err4); err != nil {
		return nil, err
	}
	return breaker.Chain(timeout, retry, circuit, bulkhead), nil
}

// bareCall is no guard at all. It is safe for concurrent use.
type bareCall struct{}

func (bareCall) Run(ctx context.Context, f func(context.Context) error) error { return f(ctx) }

// lockedCount is a bulkhead as most people write it first. It is safe for concurrent use.
type lockedCount struct {
	room int // immutable

	mu      sync.Mutex
	running int // guarded by mu
}

func (c *lockedCount) Run(ctx context.Context, f func(context.Context) error) error {
	if !c.enter() {
		return breaker.ErrFull
	}
	defer c.leave()
	return f(ctx)
}

func (c *lockedCount) enter() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.running == c.room {
		return false
	}
	c.running++
	return true
}

func (c *lockedCount) leave() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.running--
}

// overheadCell is a guard and a number of goroutines, and what all rounds have shown.
type overheadCell struct {
	impl    overheadImpl
	workers int

	rates   []float64
	elapsed time.Duration
	ops     uint64
	allocs  float64 // of a call
}

// overheadWorkers are numbers of goroutines.
func overheadWorkers(p profile) []int {
	if !full(p) {
		return slices.Compact([]int{1, runtime.GOMAXPROCS(0), 4 * runtime.GOMAXPROCS(0)})
	}
	var all []int
	for n := 1; n <= 4*runtime.GOMAXPROCS(0); n *= 2 {
		all = append(all, n)
	}
	return all
}

func overheadCells(p profile) (cells []*overheadCell) {
	for _, workers := range overheadWorkers(p) {
		for _, impl := range overheadImpls() {
			cells = append(cells, &overheadCell{impl: impl, workers: workers})
		}
	}
	return cells
}

func (c *overheadCell) name() string {
	return fmt.Sprintf("breaker: %s, %s", c.impl.name, count(c.workers, "goroutine"))
}

// nothing is the call. Where it is refused, it is not called.
func nothing(context.Context) error { return nil }

// round measures a cell once, for a twentieth of the time that a cell has, in a few parts whose
// median counts: what the machine does beside it for a moment is in one of them.
func (c *overheadCell) round(ctx context.Context, p profile) error {
	guard, err := c.impl.make(max(overheadRoom, c.workers))
	if err != nil {
		return err
	}
	if c.allocs, err = allocsOf(func() error { return c.check(guard.Run(ctx, nothing)) }); err != nil {
		return err
	}
	runtime.GC()
	var rates []float64
	for range overheadRuns {
		res, err := load.Closed(ctx, load.Options{Workers: c.workers, Duration: p.cell / 20 / overheadRuns}, c.worker(ctx, guard))
		if err != nil {
			return err
		}
		rates = append(rates, res.PerSecond()*overheadBatch)
		c.ops += res.Ops * overheadBatch
		c.elapsed += res.Elapsed
	}
	c.rates = append(c.rates, median(rates))
	return nil
}

// worker calls, and looks no closer at what it gets than it has to: check takes longer than
// many a guard.
func (c *overheadCell) worker(ctx context.Context, guard breaker.Guard) func(int) load.Worker[struct{}] {
	admits := c.impl.want == nil
	return func(int) load.Worker[struct{}] {
		return load.Worker[struct{}]{
			Next: func() (struct{}, error) { return struct{}{}, nil },
			Do: func(struct{}) error {
				for range overheadBatch {
					if err := guard.Run(ctx, nothing); (err == nil) != admits {
						return c.check(err)
					}
				}
				return nil
			},
		}
	}
}

// check says whether a call has ended as it should.
func (c *overheadCell) check(err error) error {
	if !errors.Is(err, c.impl.want) {
		return fmt.Errorf("a call ended with %v, not with %v", err, c.impl.want)
	}
	return nil
}

// allocsOf counts the allocations of a call, from one goroutine, and rounds them: others, of the
// program around it, are few.
func allocsOf(call func() error) (float64, error) {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range overheadCounts {
		if err := call(); err != nil {
			return 0, err
		}
	}
	runtime.ReadMemStats(&after)
	return float64((after.Mallocs - before.Mallocs + overheadCounts/2) / overheadCounts), nil
}

func (c *overheadCell) rate() float64 { return median(c.rates) }

// takes is what a call takes of the time of a processor, in nanoseconds.
func (c *overheadCell) takes() float64 {
	return 1e9 * float64(min(c.workers, runtime.GOMAXPROCS(0))) / c.rate()
}

func (c *overheadCell) result() report.Result {
	return report.Result{
		Experiment: "breaker/overhead/impl=" + c.impl.name, Load: "closed loop", Workers: c.workers,
		Rounds: len(c.rates), Ops: c.ops, Elapsed: c.elapsed,
		PerSecond: c.rate(), Slowest: slices.Min(c.rates), Fastest: slices.Max(c.rates),
		Metrics: map[string]float64{"allocs_per_call": c.allocs},
	}
}

// adds is what a guard adds to a call from one goroutine, in nanoseconds.
func (r *breakerOverhead) adds(impl string) float64 {
	return max(r.cell(impl, 1).takes()-r.cell(overheadBare, 1).takes(), 0)
}

func (r *breakerOverhead) facts() []report.Fact {
	return []report.Fact{
		{Value: plot.Duration.Format(r.adds(overheadRow)), Label: "that a closed Breaker adds to a call, one goroutine"},
		{Value: plot.Duration.Format(r.adds(overheadChain)), Label: "that Timeout, Retry, Breaker and Bulkhead add together"},
	}
}

func (r *breakerOverhead) figures() []report.Figure {
	chart := plot.Lines{
		Title: "Calls per second by number of goroutines that share a guard",
		X:     plot.Axis{Label: "goroutines", Kind: plot.Log},
		Y:     plot.Axis{Label: "calls per second, of all together", Kind: plot.Log},
	}
	workers := overheadWorkers(r.s.profile)
	for _, w := range workers {
		chart.X.Ticks = append(chart.X.Ticks, float64(w))
	}
	for _, impl := range overheadImpls() {
		if impl.table {
			continue
		}
		series := plot.Series{Name: impl.name, Dashed: impl.name == overheadBare}
		for _, w := range workers {
			c := r.cell(impl.name, w).result()
			series.Points = append(series.Points, plot.Point{X: float64(w), Y: c.PerSecond, Lo: c.Slowest, Hi: c.Fastest})
		}
		chart.Series = append(chart.Series, series)
	}
	many := slices.Max(workers)
	adds := func(impl string) string { return plot.Duration.Format(r.adds(impl)) }
	grows := func(impl string) string { return ratio(r.cell(impl, many).rate(), r.cell(impl, 1).rate()) }
	return []report.Figure{{
		Title: "What a guard adds to a call",
		Chart: chart,
		See: fmt.Sprintf("One goroutine: a closed Breaker adds %s when it counts failures in a row, and %s when it counts those of the last time; an open one takes %s to refuse. Bulkhead adds %s, a counter under a mutex %s, Adaptive %s, Timeout %s, Hedge %s, and four of them in a Chain %s. With %s that share a guard, instead of one, there are %s as many calls behind a Breaker that counts in a row, %s behind a Bulkhead, %s behind the counter under a mutex, and %s behind an Adaptive.",
			adds(overheadRow), adds(overheadTime), plot.Duration.Format(r.cell(overheadOpen, 1).takes()), adds(overheadBulkhead), adds(overheadMutex),
			adds(overheadAdaptive), adds(overheadTimeout), adds(overheadHedge), adds(overheadChain),
			count(many, "goroutine"), grows(overheadRow), grows(overheadBulkhead), grows(overheadMutex), grows(overheadAdaptive)),
		Why: "A Breaker that counts failures in a row only reads while all goes well, so that processors share what it has; what counts each call, or each that is in flight, is a word that has to travel from one processor to the next. Timeout makes a context with a timer, Hedge a goroutine besides. A call to another machine takes a thousand times as long as most of these.",
		How: r.s.again("breaker"),
	}}
}

func (r *breakerOverhead) tables() []report.Table {
	t := report.Table{
		Title: "Calls that do nothing, behind a guard (closed loop)",
		Columns: []report.Column{
			{Name: "goroutines"}, {Name: "guard", Text: true},
			{Name: "calls/s", Note: "of all goroutines together"},
			{Name: "each takes", Note: "of a processor's time, with the call and what the measurement needs"},
			{Name: "allocations", Note: "of a call, counted"},
		},
	}
	for i, c := range r.cells {
		t.Rows = append(t.Rows, report.Row{First: i > 0 && i%len(overheadImpls()) == 0, Cells: []string{
			fmt.Sprint(c.workers), c.impl.name, plot.Number.Format(c.rate()), plot.Duration.Format(c.takes()), fmt.Sprint(c.allocs),
		}})
	}
	return []report.Table{t}
}

func (r *breakerOverhead) notes() []string {
	return []string{
		fmt.Sprintf("What a guard costs is a closed loop of %v for each guard and number of goroutines, which all share one, over calls that do nothing and go well. Allocations are counted of %s calls from one goroutine. All are as they are by default, but that the limits of Bulkhead and Adaptive are %s, so that nobody is refused, Adaptive may not change it, and no Hedge makes a second try. The Chain is Timeout, Retry, Breaker (last time), Bulkhead.",
			r.s.profile.cell/20, grouped(overheadCounts), grouped(overheadRoom)),
	}
}
