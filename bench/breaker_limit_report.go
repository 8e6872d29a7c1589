package main

import (
	"fmt"
	"time"

	"github.com/plinth-go/plinth/bench/plot"
	"github.com/plinth-go/plinth/bench/report"
)

// limitSettled is when after a change all limits have had the time to follow.
const limitSettled = 30 * time.Second

// possible is how many answers in a second the server can give, or are asked for if that is less.
func (r *breakerLimits) possible(now time.Duration) float64 {
	if now >= limitStep && now < limitBack {
		return limitWorkers / limitSlow.Seconds()
	}
	return 1 / limitEvery.Seconds()
}

// part is how much of what was possible was answered in time, from one time to another between which
// the server did not change.
func (r *breakerLimits) part(name string, from, to time.Duration) float64 {
	return r.of(name).goodput(from, to) / r.possible(from)
}

func (r *breakerLimits) facts() []report.Fact {
	return []report.Fact{
		{Value: per(r.part(limitFixed(limitRight), limitStep+limitSettled, limitBack)), Label: fmt.Sprintf(
			"of what a slow server can do is of use, with a limit of %d that was right before it became slow", limitRight)},
		{Value: per(r.part(limitAIMD, limitStep+limitSettled, limitBack)), Label: "with AIMD, which looks for the limit by itself"},
		{Value: r.recovery(limitFixed(limitRight)), Label: "from when the server is fast again until the fixed limit is of use again: so long it answers callers who have gone"},
	}
}

// recovery writes how long it took until all was as good as before.
func (r *breakerLimits) recovery(name string) string {
	switch took := r.of(name).recovered(); took {
	case 0:
		return "at once"
	case limitEnd - limitBack:
		return "never"
	default:
		return plot.FormatDuration(took)
	}
}

func (r *breakerLimits) figures() []report.Figure {
	return []report.Figure{r.goodputFigure(), r.limitFigure(), r.latencyFigure()}
}

// limitLine draws something of each second.
func (r *breakerLimits) limitLine(name string, y func(limitSecond) float64) plot.Series {
	series := plot.Series{Name: name}
	for i, s := range r.of(name).shown() {
		series.Points = append(series.Points, plot.Point{X: float64(i) + 0.5, Y: y(s), Plain: i%15 != 7})
	}
	return series
}

// limitTime is the axis that all have.
func limitTime() plot.Axis {
	return plot.Axis{Label: "seconds; the server is slow from 30 to 90", Zero: true, Ticks: []float64{0, 15, 30, 45, 60, 75, 90, 105, 120, 135, 150}}
}

func (r *breakerLimits) goodputFigure() report.Figure {
	chart := plot.Lines{
		Title: "Answers in time by time, while a server takes four times as long for a minute",
		X:     limitTime(),
		Y:     plot.Axis{Label: fmt.Sprintf("answers within %s, per second", plot.FormatDuration(limitDeadline)), Zero: true},
	}
	for _, name := range []string{limitFixed(limitKnee), limitAIMD, limitGradient, limitFixed(limitLow), limitFixed(limitRight), limitNone} {
		chart.Series = append(chart.Series, r.limitLine(name, func(s limitSecond) float64 { return float64(s.good) }))
	}
	gave := func(name string) string { return fmt.Sprintf("%.0f", r.of(name).goodput(limitStep, limitBack)) }
	return report.Figure{
		Title: "A server becomes slow",
		Chart: chart,
		See: fmt.Sprintf("Of the %.0f answers that the slow server can give in a second, so many come in time: with a limit of %d, which was right before, %s; with none, %s; with %d, at the knee, %s; with AIMD %s, with Gradient %s; with %d, half of the knee, %s. And when the server is fast again, all is as good as before after: with %d, %s; with none, %s; with AIMD, %s; with Gradient, %s.",
			r.possible(limitStep), limitRight, gave(limitFixed(limitRight)), gave(limitNone), limitKnee, gave(limitFixed(limitKnee)),
			gave(limitAIMD), gave(limitGradient), limitLow, gave(limitFixed(limitLow)),
			limitRight, r.recovery(limitFixed(limitRight)), r.recovery(limitNone), r.recovery(limitAIMD), r.recovery(limitGradient)),
		Why: fmt.Sprintf("A limit is a wait: %d in flight is %s while the work is %s, and %s when it is %s, which nobody waits for. And what was given up is still in the queue when the server is fast again. The knee has not moved, because there are as many workers as before: a fixed limit there is best, if you know how many they are, today and after the next release.",
			limitRight, waits(limitRight, limitFast), plot.FormatDuration(limitFast), waits(limitRight, limitSlow), plot.FormatDuration(limitSlow)),
		How: r.s.again("breaker"),
	}
}

// waits writes how long a request takes among so many, by Little's law.
func waits(inFlight int, work time.Duration) string {
	return plot.FormatDuration(time.Duration(inFlight) * work / limitWorkers)
}

func (r *breakerLimits) limitFigure() report.Figure {
	chart := plot.Lines{
		Title: "Limits by time",
		X:     limitTime(),
		Y:     plot.Axis{Label: "limit of requests in flight", Kind: plot.Log, Ticks: []float64{5, 10, 20, 50, 100, 200}},
	}
	for _, name := range []string{limitFixed(limitKnee), limitAIMD, limitGradient, limitAIMDSlow, limitFixed(limitRight)} {
		series := r.limitLine(name, limitSecond.limit)
		series.Dashed = name == limitFixed(limitRight) || name == limitFixed(limitKnee)
		chart.Series = append(chart.Series, series)
	}
	at := func(name string, now time.Duration) string { // of the ten seconds before
		return fmt.Sprintf("%.0f", r.of(name).between(now-10*time.Second, now).limit())
	}
	return report.Figure{
		Title: "Where the limits go",
		Chart: chart,
		See: fmt.Sprintf("Before the release AIMD is at %s and Gradient at %s: nothing goes wrong there, and they do not go beyond twice of what is ever in use. AIMD comes at once to %s, where callers just begin to give up. Gradient takes seconds, in which all answers are late, goes down to %.0f, far below the knee, and finds out there: it is at %s in the end. AIMD with a Slow of %s goes to %s, and stays there.",
			at(limitAIMD, limitStep), at(limitGradient, limitStep), at(limitAIMD, limitBack), r.least(limitGradient), at(limitGradient, limitBack),
			plot.FormatDuration(limitDeadline/2), at(limitAIMDSlow, limitBack)),
		Why: fmt.Sprintf("Gradient takes a call that is slower than usual for one that waits. That all of them are slow now it sees only when it makes room, each half minute, and it had done so just before the release. A Slow of %s was five times the work; now a fourth of all work takes longer by itself, and each time it seems that there is too much. A number that was right once can be wrong inside of what adapts, too.", plot.FormatDuration(limitDeadline/2)),
		How: r.s.again("breaker"),
	}
}

// least is the lowest limit of a second while the server was slow.
func (r *breakerLimits) least(name string) float64 {
	least := float64(limitRight)
	for now := limitStep; now < limitBack; now += time.Second {
		least = min(least, r.of(name).second(now).limit())
	}
	return least
}

func (r *breakerLimits) latencyFigure() report.Figure {
	chart := plot.Lines{
		Title: "Time until an answer by time",
		X:     limitTime(),
		Y:     plot.Axis{Label: "mean time until an answer, in time or not", Kind: plot.Log, Unit: plot.Duration, Ticks: []float64{1e7, 1e8, 1e9, 1e10, 1e11}},
	}
	line := func(name string) plot.Series {
		return r.limitLine(name, func(s limitSecond) float64 { return float64(s.latency()) })
	}
	deadline := plot.Series{Name: "callers wait", Dashed: true}
	for _, at := range []time.Duration{0, limitEnd} {
		deadline.Points = append(deadline.Points, plot.Point{X: at.Seconds(), Y: float64(limitDeadline), Plain: true})
	}
	chart.Series = []plot.Series{ // each in the colour that it has in the other figures
		line(limitFixed(limitKnee)), line(limitAIMD), line(limitGradient), deadline, line(limitFixed(limitRight)), line(limitNone),
	}
	took := func(name string) string {
		return plot.FormatDuration(r.of(name).between(limitStep+limitSettled, limitBack).latency().Round(time.Millisecond))
	}
	return report.Figure{
		Title: "How long an answer takes",
		Chart: chart,
		See: fmt.Sprintf("In the second half of the slow minute an answer takes %s without a limit, %s with %d, %s with AIMD, %s with Gradient and %s with %d, of which the work is %s.",
			took(limitNone), took(limitFixed(limitRight)), limitRight, took(limitAIMD), took(limitGradient), took(limitFixed(limitKnee)), limitKnee, plot.FormatDuration(limitSlow)),
		Why: "AIMD sees calls that fail, and so it fills the queue until some do: answers take nearly as long as callers wait. Gradient sees the queue itself and keeps it short.",
		How: r.s.again("breaker"),
	}
}

func (r *breakerLimits) tables() []report.Table {
	t := report.Table{
		Title: "A limit, and a server that is slow for a minute",
		Columns: []report.Column{
			{Name: "limit", Text: true},
			{Name: "before", Note: "answers in time per second, in the half minute before the release"},
			{Name: "slow, at first", Note: "in its first half minute"},
			{Name: "slow, then", Note: "in its second half minute"},
			{Name: "after", Note: "in the minute after it was taken back"},
			{Name: "well again", Note: "from when the server is fast again until it is as good as before"},
			{Name: "refused", Note: "in percent of all requests"},
			{Name: "late", Note: "answers for callers who had gone, in percent of all requests"},
			{Name: "left", Note: "requests in the server at the end"},
		},
	}
	for i, run := range r.runs {
		all, goodput := run.between(0, limitEnd), func(from, to time.Duration) string { return fmt.Sprintf("%.0f", run.goodput(from, to)) }
		t.Rows = append(t.Rows, report.Row{First: i > 0 && i%4 == 0, Cells: []string{
			run.name, goodput(0, limitStep), goodput(limitStep, limitStep+limitSettled), goodput(limitStep+limitSettled, limitBack),
			goodput(limitBack, limitEnd), r.recovery(run.name),
			percent(float64(all.refused) / float64(all.arrived)), percent(float64(all.late) / float64(all.arrived)), grouped(run.left),
		}})
	}
	return []report.Table{t}
}

func (r *breakerLimits) notes() []string {
	return []string{
		fmt.Sprintf("Limits are played on a time of their own, and counted: all get the same requests, at random times, %.0f in a second on the mean, each with work of %s on the mean, or %s while the server is slow, from half of that to one and a half. The server has %d workers and a queue without an end; callers wait for %s. A caller who is refused does not come again.",
			r.possible(0), plot.FormatDuration(limitFast), plot.FormatDuration(limitSlow), limitWorkers, plot.FormatDuration(limitDeadline)),
		"Who gives up is a failure for an Adaptive, and his place is free; the server does what he wanted all the same. If it knew, because a cancellation gets through to it, nothing would be done for nobody, and the fixed limit that is too high would cost less.",
		"AIMD and Gradient are as they are by default, but for what their names say. The release comes at about the worst moment for Gradient, just after it has looked how long a call takes when there is room.",
	}
}
