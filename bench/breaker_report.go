package main

import (
	"fmt"
	"time"

	"github.com/plinth-go/plinth/bench/plot"
	"github.com/plinth-go/plinth/bench/report"
	"github.com/plinth-go/plinth/breaker"
)

// What the storm says in the report. Every number in its sentences comes from this run.

func (r *breakerStorm) facts() []report.Fact {
	plain, budget, held := r.slow(stormPlain), r.slow(stormBudget), r.slow(stormHeld)
	return []report.Fact{
		{Value: twoDigits(plain.mean((*stormCounts).eachInOutage)), Label: fmt.Sprintf("tries at the server for each request while it is %s, with up to %d of them", itIsSlow().name, stormTries)},
		{Value: per(plain.mean((*stormCounts).partAfterAMinute)), Label: "of the requests are answered a minute after the outage, then"},
		{Value: twoDigits(budget.mean((*stormCounts).eachInOutage)), Label: fmt.Sprintf("tries for each, with a budget; all is well %s after the outage", budget.backText())},
		{Value: per(held.mean((*stormCounts).partInOutage)), Label: fmt.Sprintf("of the requests are answered in the outage with a bulkhead, about what the server can do; with retries alone %s", per(plain.mean((*stormCounts).partInOutage)))},
	}
}

func (r *breakerStorm) slow(client string) *stormCell  { return r.cell(client, itIsSlow()) }
func (r *breakerStorm) fails(client string) *stormCell { return r.cell(client, itFails()) }

func twoDigits(n float64) string { return fmt.Sprintf("%.2f", n) }

// waitText writes no time as what it is to who waits.
func waitText(d time.Duration) string {
	if d == 0 {
		return "at once"
	}
	return plot.FormatDuration(d)
}

func outageText() string { return plot.FormatDuration(stormTo - stormFrom) }

// backText is how long after the outage all is well, from the shortest to the longest of its runs.
func (c *stormCell) backText() string {
	least, most := stormNever, time.Duration(0)
	for _, n := range c.runs {
		least, most = min(least, n.back()), max(most, n.back())
	}
	switch {
	case least == stormNever:
		return "never"
	case most == stormNever:
		return waitText(least) + " or never"
	case least == most:
		return waitText(least)
	}
	return waitText(least) + " to " + plot.FormatDuration(most)
}

func (r *breakerStorm) figures() []report.Figure {
	return []report.Figure{r.loadFigure(), r.answerFigure(), r.callerFigure(), r.sweepFigure(), r.stateFigure(), r.failingFigure()}
}

// What is drawn over time: before it nothing happens, and after it nothing new.
const (
	shownFrom = 10 * time.Second
	shownTo   = 70 * time.Second
)

// stormChart draws something of each second, for each way to ask.
func (r *breakerStorm) stormChart(t stormTrouble, title, label string, of func(*stormCounts) *perSecond) plot.Lines {
	chart := plot.Lines{
		Title: title,
		X:     plot.Axis{Label: "seconds", Ticks: []float64{10, 20, 30, 40, 50, 60, 70}},
		Y:     plot.Axis{Label: label, Zero: true},
		Spans: []plot.Span{{Name: "outage", From: stormFrom.Seconds(), To: stormTo.Seconds()}},
	}
	for i, c := range stormClients() {
		chart.Series = append(chart.Series, secondsOf(c.name, i, of(r.cell(c.name, t).first())))
	}
	return chart
}

// secondsOf puts what was counted in a second at its middle. Lines that lie upon each other are told
// apart by their markers, which come in turn.
func secondsOf(name string, number int, counts *perSecond) plot.Series {
	const every, apart = 12, 2
	series := plot.Series{Name: name}
	for i := int(shownFrom / time.Second); i < int(shownTo/time.Second); i++ {
		series.Points = append(series.Points, plot.Point{
			X: float64(i) + 0.5, Y: float64(counts[i]), Plain: i%every != number*apart,
		})
	}
	return series
}

func sentOf(n *stormCounts) *perSecond     { return &n.sent }
func answeredOf(n *stormCounts) *perSecond { return &n.answered }

func (r *breakerStorm) loadFigure() report.Figure {
	chart := r.stormChart(itIsSlow(), fmt.Sprintf("Tries at the server in each second; from second %.0f to %.0f it is %s", stormFrom.Seconds(), stormTo.Seconds(), itIsSlow().name),
		"tries at the server in each second", sentOf)
	chart.Series = append(chart.Series, capacityLine(itIsSlow()))
	storming := r.slow(stormPlain).mean(func(n *stormCounts) float64 {
		return float64(n.sent.sum(stormMinute, stormEnd)) / (stormEnd - stormMinute).Seconds()
	})
	in := func(client string) string { return twoDigits(r.slow(client).mean((*stormCounts).eachInOutage)) }
	return report.Figure{
		Title: "The storm",
		Chart: chart,
		See: fmt.Sprintf("%d requests come in a second, and the server can do %d. For %s it is %s. With up to %d tries, each with a timeout of %s, it gets %s for each request, and a minute after the outage it still gets %.0f a second, %s of what it can do. With a budget it gets %s for each, with a breaker %s, with a bulkhead %s.",
			stormLoad, stormCapacity, outageText(), itIsSlow().name, stormTries, plot.FormatDuration(stormTimeout), in(stormPlain),
			storming, per(storming/float64(stormCapacity)),
			in(stormBudget), in(stormBreaker), in(stormHeld)),
		Why: "Who gets no answer asks again. What was asked before is still in the server's line, and is worked on for nobody. So the line is longer than anybody's patience when the outage is over, all tries go on failing, and all are made three times: it is its own cause. Only less load ends it.",
		How: r.s.again("breaker"),
	}
}

// capacityLine is what the server can do.
func capacityLine(t stormTrouble) plot.Series {
	well := float64(stormCapacity)
	bad := well / float64(t.slower)
	series := plot.Series{Name: "the server can do", Dashed: true}
	for _, p := range []struct {
		at   time.Duration
		rate float64
	}{{shownFrom, well}, {stormFrom, well}, {stormFrom, bad}, {stormTo, bad}, {stormTo, well}, {shownTo, well}} {
		series.Points = append(series.Points, plot.Point{X: p.at.Seconds(), Y: p.rate, Plain: true})
	}
	return series
}

func (r *breakerStorm) answerFigure() report.Figure {
	others := 0.0
	for _, client := range []string{stormOnce, stormPlain, stormBudget, stormBreaker} {
		others = max(others, r.slow(client).mean((*stormCounts).partInOutage))
	}
	part := func(client string, of func(*stormCounts) float64) string { return per(r.slow(client).mean(of)) }
	return report.Figure{
		Title: "Who gets an answer",
		Chart: r.stormChart(itIsSlow(), "Answers that came in time, in each second", "answers in time, in each second", answeredOf),
		See: fmt.Sprintf("With one try all is well %s after the outage, when the line has been worked off. With retries: %s; a minute later %s of the requests are answered. With a budget %s, with a breaker %s, with a bulkhead %s. In the outage, with a bulkhead %s of the requests are answered, with all others %s or less.",
			r.slow(stormOnce).backText(), r.slow(stormPlain).backText(), part(stormPlain, (*stormCounts).partAfterAMinute),
			r.slow(stormBudget).backText(), r.slow(stormBreaker).backText(), r.slow(stormHeld).backText(),
			part(stormHeld, (*stormCounts).partInOutage), per(others)),
		Why: fmt.Sprintf("A budget makes no line shorter: it lets the server work off its own. A breaker keeps the load away until a probe comes back. A bulkhead of %d never lets the line grow, so that what the slow server can do is done for somebody, and no call fails that the breaker would see: all of them together are the bulkhead here, and one line with it.", stormBulkhead),
		How: r.s.again("breaker"),
	}
}

func (r *breakerStorm) callerFigure() report.Figure {
	chart := r.stormChart(itIsSlow(), "The most callers that waited at a time, in each second", "callers that wait, at most in each second", func(n *stormCounts) *perSecond { return &n.callers })
	chart.Y = plot.Axis{Label: chart.Y.Label, Kind: plot.Log, Ticks: []float64{1, 10, 100, 1000}}
	crowd := func(client string) float64 { return r.slow(client).mean((*stormCounts).crowd) }
	wait := func(client string) string { return plot.FormatDuration(r.slow(client).first().wait(0.99)) }
	return report.Figure{
		Title: "Who waits",
		Chart: chart,
		See: fmt.Sprintf("When all is well, no more than %.0f callers wait at a time. From the outage on it is up to %.0f with one try, %.0f with retries, %.0f with a breaker until it opens, and %.0f with a bulkhead. Of those who come in the outage, 99 of 100 know after %s with retries, after %s with a breaker, and after %s with a bulkhead.",
			r.slow(stormOnce).mean((*stormCounts).crowdBefore), crowd(stormOnce), crowd(stormPlain), crowd(stormBreaker), crowd(stormHeld), wait(stormPlain), wait(stormBreaker), wait(stormHeld)),
		Why: "Each caller that waits holds a goroutine, memory and a connection: that is what takes a program down with its server. A refusal costs nothing, and who is refused can do something else. (It becomes less in the outage because the line of the server is full, which refuses as well.)",
		How: r.s.again("breaker"),
	}
}

func (r *breakerStorm) sweepFigure() report.Figure {
	chart := plot.Lines{
		Title: fmt.Sprintf("Requests that are answered, a minute after %s in which the server was %s, by load", outageText(), itIsSlow().name),
		X:     plot.Axis{Label: "requests, as a part of what the server can do", Unit: plot.Percent, Zero: true},
		Y:     plot.Axis{Label: "answered, a minute after the outage", Unit: plot.Percent, Zero: true},
		Spans: []plot.Span{{Name: fmt.Sprintf("%d tries for each are more than it can do", stormTries), From: 1.0 / stormTries, To: 1}},
	}
	loads := stormLoads(r.s.profile)
	highest := map[string]string{}
	for _, client := range stormClients()[:4] {
		series := plot.Series{Name: client.name}
		for _, load := range loads {
			c := findStorm(r.sweep, client.name, itIsSlow(), load*stormCapacity/100)
			y := c.mean((*stormCounts).partAfterAMinute)
			series.Points = append(series.Points, plot.Point{X: float64(load) / 100, Y: y})
			if y > 0.9 {
				highest[client.name] = per(float64(load) / 100)
			}
		}
		chart.Series = append(chart.Series, series)
	}
	return report.Figure{
		Title: "How much load a system can take, and come back",
		Chart: chart,
		See: fmt.Sprintf("After the same outage, the highest load of those played that comes back within a minute is %s with up to %d tries, %s with a budget, and %s with a breaker.",
			highest[stormPlain], stormTries, highest[stormBudget], highest[stormBreaker]),
		Why: fmt.Sprintf("A storm feeds itself if the server can not do all tries of all requests: with %d tries, from a load of 1/%d on; with a budget, from 1/1.1, or 91 %%, on. Below, the line is worked off, and quickly if there is much room. A server that runs at two thirds of what it can do is well, and has no way back: nothing in its graphs tells.", stormTries, stormTries),
		How: r.s.again("breaker"),
	}
}

// stateFigure draws the states of two circuits, one above the other.
func (r *breakerStorm) stateFigure() report.Figure {
	const above = 3.5
	names := []string{breaker.Closed.String(), breaker.HalfOpen.String(), breaker.Open.String()}
	chart := plot.Lines{
		Title: "The states of the circuit, in a server that is slow and in one that answers with errors",
		X:     plot.Axis{Label: "seconds", Ticks: []float64{18, 20, 22, 24, 26, 28, 30, 32, 34, 36, 38}},
		Y:     plot.Axis{Label: "the state of the circuit", Ticks: []float64{above, above + 1, above + 2, 0, 1, 2}, Names: append(names, names...)},
		Spans: []plot.Span{{Name: "outage", From: stormFrom.Seconds(), To: stormTo.Seconds()}},
	}
	slow, fails := r.slow(stormBreaker).first(), r.fails(stormBreaker).first()
	chart.Series = []plot.Series{
		stateLine("slow", slow.states, above), stateLine("errors", fails.states, 0),
	}
	return report.Figure{
		Title: "What the circuit does",
		Chart: chart,
		See: fmt.Sprintf("The server is slow: the circuit opens %s after that began, and closes %s after it has ended. The server answers with errors: it opens after %s, and closes %s after that has ended. It opens %d and %d times, each time for longer.",
			plot.FormatDuration(slow.opened()-stormFrom), plot.FormatDuration(slow.closed()-stormTo),
			plot.FormatDuration(fails.opened()-stormFrom), plot.FormatDuration(fails.closed()-stormTo),
			slow.opens(), fails.opens()),
		Why: "Errors are seen at once, what is slow only when the timeout of the first calls is over: in between all callers have begun to wait. The line of the server that they have left is what the probes meet next. A circuit that has been open often looks rarely: the price is that it learns late that all is well.",
		How: r.s.again("breaker"),
	}
}

// stateLine steps from state to state, over the time that is drawn.
func stateLine(name string, states []stormState, above float64) plot.Series {
	level := map[breaker.State]float64{breaker.Closed: above, breaker.HalfOpen: above + 1, breaker.Open: above + 2}
	series := plot.Series{Name: name}
	add := func(at time.Duration, y float64) {
		series.Points = append(series.Points, plot.Point{X: at.Seconds(), Y: y, Plain: true})
	}
	now := above
	add(stormFrom-2*time.Second, now)
	for _, s := range states {
		add(s.at, now)
		now = level[s.state]
		add(s.at, now)
	}
	add(stormTo+8*time.Second, now)
	return series
}

func (r *breakerStorm) failingFigure() report.Figure {
	in := func(client string) string { return twoDigits(r.fails(client).mean((*stormCounts).eachInOutage)) }
	tries := func(client string) string {
		return fmt.Sprintf("%.0f", r.fails(client).mean(func(n *stormCounts) float64 { return float64(n.sent.sum(stormFrom, stormTo)) }))
	}
	return report.Figure{
		Title: "A server that fails at once",
		Chart: r.stormChart(itFails(), fmt.Sprintf("Tries at the server in each second; from second %.0f to %.0f it answers with errors", stormFrom.Seconds(), stormTo.Seconds()),
			"tries at the server in each second", sentOf),
		See: fmt.Sprintf("The same, but for %s the server answers each with an error after %s. It gets %s tries for each request with retries, %s with a bulkhead too, %s with a budget; with a breaker %s tries in all, in place of %s. When it is over, all is well %s, but with a breaker after %s.",
			outageText(), plot.FormatDuration(itFails().fails), in(stormPlain), in(stormHeld), in(stormBudget), tries(stormBreaker), tries(stormPlain),
			r.fails(stormPlain).backText(), r.fails(stormBreaker).backText()),
		Why: "An error that is quick leaves no line, and nothing goes on after the outage. It takes no place either, so that a bulkhead has nothing to refuse. Each guard is for one way to fail: the bulkhead for what is slow, the breaker for what is down, the budget for all that is tried again.",
		How: r.s.again("breaker"),
	}
}

func (r *breakerStorm) tables() []report.Table {
	t := report.Table{
		Title: fmt.Sprintf("The storm, in numbers (%d requests a second, of %d that the server can do)", stormLoad, stormCapacity),
		Columns: []report.Column{
			{Name: "the server", Text: true}, {Name: "who asks", Text: true},
			{Name: "tries", Note: "at the server for each request, in the outage"},
			{Name: "answered in it", Note: "part of the requests in the outage that got an answer in time"},
			{Name: "a minute later", Note: "the same, from a minute after the outage on"},
			{Name: "back after", Note: "from the end of the outage, in whole seconds: from then on nine tenths of those who come in a second are answered, or more"},
			{Name: "refused", Note: "requests that a guard has refused"},
			{Name: "for nobody", Note: "part of the tries that the server worked on when nobody waited any more"},
			{Name: "callers", Note: "that waited at a time, at most"},
			{Name: "p50 wait", Note: "of those who came in the outage, until they knew"},
			{Name: "p99 wait"},
		},
	}
	for i, c := range r.cells {
		wait := func(part float64) string { return waitText(c.first().wait(part)) }
		t.Rows = append(t.Rows, report.Row{First: i%len(stormClients()) == 0, Cells: []string{
			c.trouble.name, c.client.name, twoDigits(c.mean((*stormCounts).eachInOutage)),
			percent(c.mean((*stormCounts).partInOutage)), percent(c.mean((*stormCounts).partAfterAMinute)), c.backText(),
			grouped(int(c.mean(func(n *stormCounts) float64 { return float64(n.ends[stormRefused]) }))),
			percent(c.mean((*stormCounts).wasted)), fmt.Sprintf("%.0f", c.mean((*stormCounts).crowd)), wait(0.5), wait(0.99),
		}})
	}
	return []report.Table{t}
}

func (r *breakerStorm) notes() []string {
	rounds := len(r.cells[0].runs)
	return []string{
		fmt.Sprintf("A simulation on a clock of its own: the same on every machine. %d workers take %s for a request, on the mean, and up to %s wait in their line. Requests come at random, for %.0f s. The guards are those of package breaker, as they are by default: a budget of 10 %%, a circuit that opens when half of the last 100 calls have failed (without jitter, and counted by calls, so that nothing depends on the clock), a bulkhead of %d, no line before it. What they refuse is final.",
			stormWorkers, plot.FormatDuration(stormTakes), grouped(stormLine), stormEnd.Seconds(), stormBulkhead),
		fmt.Sprintf("What is drawn over time is of one seed, and so are waits and states; the other numbers are means of %s, a seed each. TestStormSeeds holds more of them to what is said here.", count(rounds, "run")),
		"The server does not know that a caller has gone. One that is told, and drops what is too late, is cured on its own side; so is one whose line is shorter than callers wait.",
	}
}
