package main

import (
	"fmt"
	"runtime"
	"slices"
	"time"

	"github.com/plinth-go/plinth/bench/plot"
	"github.com/plinth-go/plinth/bench/report"
)

// part says what the experiment has shown. Every number in its sentences comes from this
// run.
func (r *ratelimitResults) part() report.Part {
	p := report.Part{
		Title: "Rate limiting: what each algorithm does with a burst, and what it costs to ask",
		Lead: []string{
			"Ten a second, says the contract. May all ten come in the same instant? Twenty, if the second is about to end? Does who was quiet for a while have something saved? Each algorithm answers differently, and all of them are asked before anything else is done.",
		},
		Facts:   r.facts(),
		Figures: []report.Figure{r.burstFigure(), r.edgeFigure(), r.crowdFigure(), r.decisionFigure(), r.memoryFigure()},
		Tables:  []report.Table{r.playedTable(), r.decisionTable()},
		Notes:   r.notes(),
	}
	for _, c := range r.cells {
		p.Results = append(p.Results, c.result())
	}
	for _, c := range r.memory {
		p.Results = append(p.Results, c.result())
	}
	return p
}

const (
	tokenBucket, leakyQueue, fixedWindow = "token bucket, GCRA", "leaky queue", "fixed window"
	aroundEdge                           = 200 * time.Millisecond
)

// of finds what an algorithm did.
func of(all []played, name string) played {
	i := slices.IndexFunc(all, func(p played) bool { return p.name == name })
	return all[i]
}

// cell finds a measurement.
func (r *ratelimitResults) cell(impl string, workers int) *decisionCell {
	i := slices.IndexFunc(r.cells, func(c *decisionCell) bool { return c.impl.name == impl && c.workers == workers })
	return r.cells[i]
}

// bytes finds what a key takes.
func (r *ratelimitResults) bytes(impl string, keys int) float64 {
	i := slices.IndexFunc(r.memory, func(c *keyCell) bool { return c.impl == impl && c.keys == keys })
	return median(r.memory[i].bytes)
}

func (r *ratelimitResults) most() int { return r.memory[len(r.memory)-1].keys }

func (r *ratelimitResults) facts() []report.Fact {
	yes, clock := r.cell("TokenBucket, yes", 1), r.cell("a clock read", 1)
	return []report.Fact{
		{Value: fmt.Sprint(of(r.burst, fixedWindow).mostWithin(aroundEdge)), Label: fmt.Sprintf("events within %v, of a fixed window that allows %d a second: its edge was in between", aroundEdge, shownRate)},
		{Value: fmt.Sprint(of(r.burst, tokenBucket).mostWithin(aroundEdge)), Label: "of a token bucket at the same arrivals"},
		{Value: plot.Duration.Format(1e9 / yes.rate()), Label: "a decision of TokenBucket, one goroutine"},
		{Value: ratio(clock.rate(), yes.rate()), Label: "the time of a clock read, which every limiter needs"},
	}
}

func (r *ratelimitResults) burstFigure() report.Figure {
	token, fixed, queue := of(r.burst, tokenBucket), of(r.burst, fixedWindow), of(r.burst, leakyQueue)
	return report.Figure{
		Title: "The same arrivals, five algorithms",
		Chart: admitted(fmt.Sprintf("Events that went, by time, at a limit of %d a second", shownRate), r.burst, 8*time.Second),
		See: fmt.Sprintf("A burst of %d comes around the end of the third second. The fixed window lets %d of it through within %v, because a new second begins in the middle; the token bucket %d. The leaky queue lets none through at once: its events go one by one, the last of them after waiting %s. Of a steady three times the rate, all let through the rate.",
			40, fixed.mostWithin(aroundEdge), aroundEdge, token.mostWithin(aroundEdge), plot.FormatDuration(queue.waited)),
		Why: "A window that is counted anew at its edge forgets what came just before. A bucket has no edges: what was taken comes back at the rate and no faster. The sliding log knows each event of the last second; the sliding counter guesses them from the count of the last window.",
		How: r.s.again("ratelimit"),
	}
}

func (r *ratelimitResults) edgeFigure() report.Figure {
	chart := plot.Bars{
		Title: fmt.Sprintf("The most that went within %v", aroundEdge),
		X:     plot.Axis{Label: "events"},
	}
	for i, p := range r.burst {
		chart.Bars = append(chart.Bars, plot.Bar{Name: p.name, Value: float64(p.mostWithin(aroundEdge)), Color: i})
	}
	return report.Figure{
		Title: "What the edge of a window lets through",
		Chart: chart,
		See: fmt.Sprintf("Within %v, the fixed window let %d through, twice its limit of %d; the leaky queue %d.", aroundEdge,
			of(r.burst, fixedWindow).mostWithin(aroundEdge), shownRate, of(r.burst, leakyQueue).mostWithin(aroundEdge)),
		Why: "A burst of ten before the edge and one of ten after it are within the limits of their windows.",
		How: r.s.again("ratelimit"),
	}
}

func (r *ratelimitResults) crowdFigure() report.Figure {
	token, queue := of(r.crowd, tokenBucket), of(r.crowd, leakyQueue)
	after := 16 * time.Second
	return report.Figure{
		Title: "A flash crowd",
		Chart: bySecond(fmt.Sprintf("Events that went, at a limit of %d a second and a burst of %d, when five times as many come from second 5 to 15", crowdRate, crowdBurst), r.crowd, 20*time.Second, 250*time.Millisecond),
		See: fmt.Sprintf("For ten seconds five times the rate arrives. By second %v the token bucket has let %d go, of which %d were saved up before; the leaky queue %d, each of which waited up to %s.",
			after.Seconds(), token.until(after), crowdBurst, queue.until(after), plot.FormatDuration(queue.waited)),
		Why: "A limiter makes the crowd no smaller. It only decides who is refused, and a queue who waits. A full queue refuses as many as a bucket, and makes all others wait as well.",
		How: r.s.again("ratelimit"),
	}
}

func (r *ratelimitResults) decisionFigure() report.Figure {
	chart := plot.Lines{
		Title: "Decisions per second by number of goroutines that share a limiter",
		X:     plot.Axis{Label: "goroutines", Kind: plot.Log},
		Y:     plot.Axis{Label: "decisions per second", Zero: true},
	}
	for _, w := range decisionWorkers() {
		chart.X.Ticks = append(chart.X.Ticks, float64(w))
	}
	for _, impl := range decisionImpls() {
		series := plot.Series{Name: impl.name, Dashed: impl.name == "a clock read"}
		for _, w := range decisionWorkers() {
			c := r.cell(impl.name, w).result()
			series.Points = append(series.Points, plot.Point{X: float64(w), Y: c.PerSecond, Lo: c.Slowest, Hi: c.Fastest})
		}
		chart.Series = append(chart.Series, series)
	}
	yes, no, naive := r.cell("TokenBucket, yes", 1), r.cell("TokenBucket, no", 1), r.cell("floats and a lock, yes", 1)
	many := slices.Max(decisionWorkers())
	return report.Figure{
		Title: "What it costs to ask",
		Chart: chart,
		See: fmt.Sprintf("One goroutine: a yes takes %s, a no %s, a bucket of floats under a lock %s. From %s, the limiter that says no decides %s as often as from one, the one that says yes %s.",
			plot.Duration.Format(1e9/yes.rate()), plot.Duration.Format(1e9/no.rate()), plot.Duration.Format(1e9/naive.rate()),
			count(many, "goroutine"), ratio(r.cell("TokenBucket, no", many).rate(), no.rate()), ratio(r.cell("TokenBucket, yes", many).rate(), yes.rate())),
		Why: "A no only reads, so that processors share the word; a yes changes it, and the word has to travel from one processor to the other. A limiter that is drowned says no most of the time.",
		How: r.s.again("ratelimit"),
	}
}

func (r *ratelimitResults) memoryFigure() report.Figure {
	chart := plot.Lines{
		Title: "Bytes for each key by number of keys",
		X:     plot.Axis{Label: "keys", Kind: plot.Log},
		Y:     plot.Axis{Label: "bytes per key", Zero: true},
	}
	for _, impl := range []string{implKeyed, implKeyMap} {
		series := plot.Series{Name: impl}
		for _, c := range r.memory {
			if c.impl == impl {
				series.Points = append(series.Points, plot.Point{X: float64(c.keys), Y: median(c.bytes)})
			}
		}
		chart.Series = append(chart.Series, series)
	}
	return report.Figure{
		Title: "A limiter for each key",
		Chart: chart,
		See: fmt.Sprintf("With %s keys of 8 bytes, Keyed takes %.0f bytes for each and a map of TokenBuckets %.0f.",
			grouped(r.most()), r.bytes(implKeyed, r.most()), r.bytes(implKeyMap, r.most())),
		Why: "Of a bucket only the word differs from key to key. And a key whose bucket is full again can be forgotten: a new one is full too. A map never forgets.",
		How: r.s.again("ratelimit"),
	}
}

func (r *ratelimitResults) playedTable() report.Table {
	t := report.Table{
		Title: fmt.Sprintf("The burst, in numbers (%d arrivals)", len(burstArrivals())),
		Columns: []report.Column{
			{Name: "algorithm", Text: true}, {Name: "went"}, {Name: "refused"},
			{Name: fmt.Sprintf("most in %v", aroundEdge)}, {Name: "most in 1 s"}, {Name: "longest wait"},
		},
	}
	for _, p := range r.burst {
		t.Rows = append(t.Rows, report.Row{Cells: []string{
			p.name, fmt.Sprint(len(p.went)), fmt.Sprint(p.refused),
			fmt.Sprint(p.mostWithin(aroundEdge)), fmt.Sprint(p.mostWithin(time.Second)), plot.FormatDuration(p.waited),
		}})
	}
	return t
}

func (r *ratelimitResults) decisionTable() report.Table {
	t := report.Table{
		Title: "Decisions (closed loop)",
		Columns: []report.Column{
			{Name: "goroutines"}, {Name: "limiter", Text: true},
			{Name: "decisions/s", Note: "of all goroutines together"},
			{Name: "each takes", Note: "of a processor's time"},
		},
	}
	for i, c := range r.cells {
		t.Rows = append(t.Rows, report.Row{First: i%len(decisionImpls()) == 0, Cells: []string{
			fmt.Sprint(c.workers), c.impl.name, plot.Number.Format(c.rate()),
			plot.Duration.Format(1e9 * float64(min(c.workers, runtime.GOMAXPROCS(0))) / c.rate()),
		}})
	}
	return t
}

func (r *ratelimitResults) notes() []string {
	return []string{
		"The arrivals are played on a clock of their own: what goes, and when, is counted and the same on every machine.",
		fmt.Sprintf("Decisions are a closed loop of %v for each limiter and number of goroutines, which all share one; Keyed goes over %s keys.", r.s.profile.cell/10, grouped(decisionKeys)),
		"Memory is what the heap has grown by after a collection, of limiters of which each has given a token.",
	}
}
