package main

import (
	"fmt"
	"slices"
	"time"

	"github.com/plinth-go/plinth/bench/plot"
	"github.com/plinth-go/plinth/bench/report"
)

// What the experiment of logical clocks says in the report. Every number in its sentences comes from this run.

// part writes it.
func (r *vclockResults) part() report.Part {
	return report.Part{
		Title: "What happened before what, when no two clocks agree",
		Lead: []string{
			"Two machines write the same thing. Whose is the newer? Their clocks differ, and so do those who ask. What may be known without clocks that agree, and what does it take: how many bytes go along with each message, how many values are kept that nobody wanted, how wrong may a clock be?",
		},
		Facts: r.facts(),
		Figures: []report.Figure{
			r.runFigure(), r.sizeFigure(), r.churnFigure(), r.siblingFigure(), r.writerFigure(), r.errorFigure(), r.wrongFigure(), r.speedFigure(),
		},
		Tables:  []report.Table{r.sizeTable(), r.churnTable(), r.siblingTable(), r.skewTable(), r.speedTable()},
		Notes:   r.notes(),
		Results: r.results(),
	}
}

// Those that facts and captions look at.
const (
	shownReplicas = 100
	shownEpsilon  = 10 * time.Millisecond
)

func (r *vclockResults) facts() []report.Fact {
	skew := r.skew(shownEpsilon)
	plain, dotted := r.sibling(byServer, 2), r.sibling(byDots, 2)
	return []report.Fact{
		{
			Value: fmt.Sprintf("%d against %d", plain.last(), dotted.last()),
			Label: fmt.Sprintf("values that a key has after %d writes of two clients, with a version vector and with dots", siblingWrites),
		},
		{
			Value: bytesOf(r.size(sizeVector, shownReplicas)),
			Label: fmt.Sprintf("of a Vector of %d replicas; as a map in JSON %s", shownReplicas, bytesOf(r.size(sizeJSON, shownReplicas))),
		},
		{
			Value: per(float64(skew.early) / float64(skew.messages)),
			Label: fmt.Sprintf("of messages come before they were sent, by clocks that are wrong by up to %s; by an HLC, nothing comes before its cause (%s)", plot.FormatDuration(shownEpsilon), count(skew.hlcWrong, "pair")),
		},
		{
			Value: ratio(r.speed(implMap, opCompare, 16, 1).takes(), r.speed(implVector, opCompare, 16, 1).takes()),
			Label: "the time of a Vector of 16 to compare maps",
		},
	}
}

func bytesOf(n int) string { return grouped(n) + " B" }

// size is what a kind of clock has for so many replicas.
func (r *vclockResults) size(name string, replicas int) int {
	i := slices.IndexFunc(r.sizes, func(l sizeLine) bool { return l.name == name })
	return r.sizes[i].bytes[slices.Index(sizeReplicas(), replicas)]
}

// churned is what a kind of clock has after so many have come.
func (r *vclockResults) churned(name string, ever int) int {
	i := slices.IndexFunc(r.churns, func(l churnLine) bool { return l.name == name })
	return r.churns[i].bytes[slices.Index(churnEver(), ever)]
}

func floats(all []int) (ticks []float64) {
	for _, n := range all {
		ticks = append(ticks, float64(n))
	}
	return ticks
}

// seriesOf draws numbers over others.
func seriesOf(name string, xs, ys []int) plot.Series {
	s := plot.Series{Name: name}
	for i, x := range xs {
		s.Points = append(s.Points, plot.Point{X: float64(x), Y: float64(ys[i])})
	}
	return s
}

func (r *vclockResults) runFigure() report.Figure {
	s := r.run
	chosen := s.diagram.Steps[s.chosen]
	before, beside, after := s.counts(s.chosen)
	return report.Figure{
		Title: "A run, seen from one event",
		Chart: s.chart(),
		See: fmt.Sprintf("%d events of %d processes; %v is one of them. %d happened before it: there is a way from them, along a line or an arrow. %d happened after it. The other %d, which are hollow, did neither: they did not know of it, nor it of them, whatever their place in the drawing.",
			len(s.diagram.Steps), len(s.diagram.Hosts), chosen.Dot(), before, after, beside),
		Why: fmt.Sprintf("Each event has a Vector, and %v is that of %v. What is in it is before; what has it inside is after. Nothing else was written down: the arrows come out of the vectors as well, so that a message which told nothing new has none.", chosen.Clock, chosen.Dot()),
		How: r.s.again("vclock"),
	}
}

func (r *vclockResults) sizeFigure() report.Figure {
	chart := plot.Lines{
		Title: "Bytes of each kind of clock by number of replicas",
		X:     plot.Axis{Label: "replicas", Kind: plot.Log, Ticks: floats(sizeReplicas())},
		Y:     plot.Axis{Label: "bytes", Kind: plot.Log, Unit: plot.Bytes, Ticks: []float64{1, 16, 256, 4 << 10, 64 << 10, 1 << 20, 16 << 20}},
	}
	for _, l := range r.sizes {
		series := seriesOf(l.name, sizeReplicas(), l.bytes)
		series.Dashed = l.name == sizeJSON || l.name == sizeMsgpack
		chart.Series = append(chart.Series, series)
	}
	const n = shownReplicas
	return report.Figure{
		Title: "What a clock takes on the wire",
		Chart: chart,
		See: fmt.Sprintf("Of %d replicas, each of which has counted some hundred events: a Vector has %s, and the same map %s in JSON and %s in MessagePack; with a gap for each replica, in a Context, %s. A Stamp has %s, as it has no names. A Matrix has %s. A Lamport clock has %s, an HLC %s, however many there are.",
			n, bytesOf(r.size(sizeVector, n)), bytesOf(r.size(sizeJSON, n)), bytesOf(r.size(sizeMsgpack, n)), bytesOf(r.size(sizeContext, n)), bytesOf(r.size(sizeStamp, n)),
			bytesOf(r.size(sizeMatrix, n)), bytesOf(r.size(sizeLamport, n)), bytesOf(r.size(sizeHLC, n))),
		Why: fmt.Sprintf("To tell what is concurrent takes a number for each replica (Charron-Bost, 1991). Names are most of a Vector: here they have %d bytes, and a number 2. A number for each pair is the square of that. One number for all is small, and has forgotten who counted what.", len(replicaName(0))),
		How: r.s.again("vclock"),
	}
}

func (r *vclockResults) churnFigure() report.Figure {
	chart := plot.Lines{
		Title: fmt.Sprintf("Bytes of each kind of clock by how many replicas there ever were, of which %d are alive", churnAlive),
		X:     plot.Axis{Label: fmt.Sprintf("replicas that there ever were, %d at a time", churnAlive), Kind: plot.Log, Ticks: floats(churnEver()), Names: groupedAll(churnEver())},
		Y:     plot.Axis{Label: "bytes", Kind: plot.Log, Unit: plot.Bytes, Ticks: []float64{1, 4, 16, 64, 256, 1 << 10, 4 << 10, 16 << 10, 64 << 10}},
	}
	for _, l := range r.churns {
		chart.Series = append(chart.Series, seriesOf(l.name, churnEver(), l.bytes))
	}
	first, last := churnEver()[0], churnEver()[len(churnEver())-1]
	was := func(name string) string {
		return fmt.Sprintf("%s, and then %s", bytesOf(r.churned(name, first)), bytesOf(r.churned(name, last)))
	}
	return report.Figure{
		Title: "Those who come and go",
		Chart: chart,
		See: fmt.Sprintf("%d replicas are alive; one leaves, and another comes, until there have been %s. A Vector has %s: it has an entry for each that ever was. A Stamp, if who leaves gives what it owns to the one with whom it is the smallest, has %s; if to anyone, %s. A DVVSet in which the replicas are clients of 3 servers has %s.",
			churnAlive, grouped(last), was(sizeVector), was(sizeNearest), was(sizeWhoever), was(sizeDotted)),
		Why: "Nobody may drop an entry of a Vector: it cannot know whether somebody will come who has not heard of it. A Stamp owns a part of an interval in place of a name, and a part that comes back leaves nothing behind; but parts that lie apart do not become one. A DVVSet names the servers, which stay, and not the clients.",
		How: r.s.again("vclock"),
	}
}

func (r *vclockResults) siblingFigure() report.Figure {
	chart := plot.Lines{
		Title: "Siblings of a key by writes of two clients who take turns at one server",
		X:     plot.Axis{Label: "writes", Ticks: []float64{1, 25, 50, 75, siblingWrites}},
		Y:     plot.Axis{Label: "values that nobody has overwritten", Ticks: []float64{0, 25, 50, 75, 100}},
	}
	for i, name := range siblingStores() {
		c := r.sibling(name, 2)
		series := plot.Series{Name: name, Dashed: name == byClient}
		for k, n := range c.after {
			series.Points = append(series.Points, plot.Point{X: float64(k + 1), Y: float64(n), Plain: k%20 != 5*i})
		}
		chart.Series = append(chart.Series, series)
	}
	plain, dotted := r.sibling(byServer, 2), r.sibling(byDots, 2)
	return report.Figure{
		Title: fmt.Sprintf("%d siblings, or %d", plain.last(), dotted.last()),
		Chart: chart,
		See: fmt.Sprintf("Two clients take turns to write, and each reads after its own write. After %d writes the key has %s if the server has an entry in a version vector, and %d with dots, or with an entry for each client. Those who read have got %s values in all, and %s with dots.",
			siblingWrites, count(plain.last(), "value"), dotted.last(), grouped(plain.read), grouped(dotted.read)),
		Why: "A write says what its client had read, which is not all that is there. So the server must keep what is there. A version vector cannot tell which of the values had been read: none is ever dropped. A dot says which write each value is, and so the client's last one goes. Entries for clients tell that too, and there is one for each of them: see the next figure.",
		How: r.s.again("vclock"),
	}
}

func (r *vclockResults) writerFigure() report.Figure {
	chart := plot.Lines{
		Title: fmt.Sprintf("Bytes of versions after %d writes by number of clients", siblingWrites),
		X:     plot.Axis{Label: "clients who take turns", Kind: plot.Log, Ticks: floats(siblingWriters())},
		Y:     plot.Axis{Label: "bytes of versions with each answer", Kind: plot.Log, Unit: plot.Bytes, Ticks: []float64{1, 16, 256, 4 << 10, 64 << 10}},
	}
	for _, name := range siblingStores() {
		series := plot.Series{Name: name, Dashed: name == byClient}
		for _, n := range siblingWriters() {
			series.Points = append(series.Points, plot.Point{X: float64(n), Y: float64(r.sibling(name, n).bytes)})
		}
		chart.Series = append(chart.Series, series)
	}
	last := siblingWriters()[len(siblingWriters())-1]
	clients, dotted, plain := r.sibling(byClient, last), r.sibling(byDots, last), r.sibling(byServer, last)
	return report.Figure{
		Title: "What it takes to tell siblings apart",
		Chart: chart,
		See: fmt.Sprintf("%d clients who take turns leave %d values with dots: one each, as each has read before it writes again. To tell them takes %s with dots, and %s with a vector for each value that has an entry for each client. One vector for all has %s, and cannot tell them: %s are kept.",
			last, dotted.last(), bytesOf(dotted.bytes), bytesOf(clients.bytes), bytesOf(plain.bytes), count(plain.last(), "value")),
		Why: "A DVVSet has one vector for all its values, with an entry for each server, and for each value the name of one write. Siblings cost bytes then, as they must; clients do not.",
		How: r.s.again("vclock"),
	}
}

func (r *vclockResults) errorFigure() report.Figure {
	chart := plot.Lines{
		Title: "How wrong the times of events are, as a part of how wrong the clocks are",
		X:     plot.Axis{Label: "clocks are wrong by up to (ε)", Kind: plot.Log, Unit: plot.Duration, Ticks: epsilonTicks()},
		Y:     plot.Axis{Label: "the time of an event is wrong by, of ε", Unit: plot.Percent, Zero: true},
	}
	lines := []struct {
		name string
		of   func(skewCell) time.Duration
	}{
		{"HLC, at most", func(c skewCell) time.Duration { return c.hlcMost }},
		{"HLC, mean", func(c skewCell) time.Duration { return c.hlcMean }},
		{"clock, mean", func(c skewCell) time.Duration { return c.wallMean }},
		{"HLC over its clock", func(c skewCell) time.Duration { return c.hlcLead }},
	}
	for _, line := range lines {
		series := plot.Series{Name: line.name}
		for _, c := range r.skews {
			series.Points = append(series.Points, plot.Point{X: float64(c.epsilon), Y: float64(line.of(c)) / float64(c.epsilon)})
		}
		chart.Series = append(chart.Series, series)
	}
	c, hour, never := r.skew(shownEpsilon), r.hour[0], r.hour[1]
	return report.Figure{
		Title: "An HLC is as wrong as the wrongest clock, and no more",
		Chart: chart,
		See: fmt.Sprintf("Clocks are wrong by up to %s. The time that an HLC gives to an event is wrong by %s at most; on the mean it is wrong by %s, that of the clock which it reads by %s, and it is ahead of that by %s. With clocks that are wrong by up to %s, but one of them by %s more, %d messages are refused, and the times of the others are wrong by %s at most; without a bound, by %s.",
			plot.FormatDuration(shownEpsilon), plot.FormatDuration(c.hlcMost), plot.FormatDuration(c.hlcMean), plot.FormatDuration(c.wallMean), plot.FormatDuration(c.hlcLead),
			plot.FormatDuration(hour.epsilon), hoursText(hour.ahead), hour.refused, plot.FormatDuration(hour.hlcMost), plot.FormatDuration(never.hlcMost)),
		Why: "An HLC never goes below its own clock, and never above the latest that any clock has shown of which it has heard: both are within ε. Where clocks differ by less than a message takes, it is its own clock; the more they differ, the more it follows the one that is furthest ahead. So a clock that is quite wrong would take all others along; MaxDrift keeps it out.",
		How: r.s.again("vclock"),
	}
}

func hoursText(d time.Duration) string { return fmt.Sprintf("%.0f h", d.Hours()) }

// epsilonTicks are the powers of ten.
func epsilonTicks() []float64 { return []float64{1e4, 1e5, 1e6, 1e7, 1e8} }

func (r *vclockResults) wrongFigure() report.Figure {
	chart := plot.Lines{
		Title: "Orders that clocks contradict, by how wrong they are",
		X:     plot.Axis{Label: "clocks are wrong by up to (ε)", Kind: plot.Log, Unit: plot.Duration, Ticks: epsilonTicks()},
		Y:     plot.Axis{Label: "of messages, or of all pairs, are the wrong way round", Unit: plot.Percent, Zero: true},
	}
	lines := []struct {
		name string
		of   func(skewCell) float64
	}{
		{"messages, by clocks", func(c skewCell) float64 { return float64(c.early) / float64(c.messages) }},
		{"pairs, by clocks", skewCell.wrong},
		{"pairs, by HLC", func(c skewCell) float64 { return float64(c.hlcWrong) / float64(c.before) }},
	}
	for _, line := range lines {
		series := plot.Series{Name: line.name}
		for _, c := range r.skews {
			series.Points = append(series.Points, plot.Point{X: float64(c.epsilon), Y: line.of(c)})
		}
		chart.Series = append(chart.Series, series)
	}
	c, wrong := r.skew(shownEpsilon), 0
	for _, cell := range slices.Concat(r.skews, r.hour) {
		wrong += cell.hlcWrong
	}
	return report.Figure{
		Title: "The last writer, by the clock",
		Chart: chart,
		See: fmt.Sprintf("There are %s pairs of events of which one happened before the other. By clocks that are wrong by up to %s, %s of them, %s, are the wrong way round, and %d of %s messages come before they were sent. By an HLC that reads the same clocks: %s, in all of these runs together.",
			grouped(c.before), plot.FormatDuration(shownEpsilon), grouped(c.wallWrong), per(c.wrong()), c.early, grouped(c.messages), count(wrong, "pair")),
		Why: fmt.Sprintf("Where the last writer wins by the clock, such a pair is a write that was made in the knowledge of another, and loses to it, and nobody is told. A message takes %s to %s here: clocks that differ by less than that do no harm to it, but one that is set back harms its own process.", plot.FormatDuration(skewNearest), plot.FormatDuration(skewFarthest)),
		How: r.s.again("vclock"),
	}
}

func (r *vclockResults) speedFigure() report.Figure {
	chart := plot.Lines{
		Title: "What it takes to compare two vectors, and to merge them, by number of entries",
		X:     plot.Axis{Label: "entries", Kind: plot.Log, Ticks: floats(clockEntries())},
		Y:     plot.Axis{Label: "a call takes", Kind: plot.Log, Unit: plot.Duration},
	}
	for _, impl := range []string{implMap, implVector} {
		for _, op := range []string{opMerge, opCompare} {
			series := plot.Series{Name: op + ", " + impl, Dashed: impl == implMap}
			for _, n := range clockEntries() {
				series.Points = append(series.Points, plot.Point{X: float64(n), Y: r.speed(impl, op, n, 1).takes()})
			}
			chart.Series = append(chart.Series, series)
		}
	}
	faster := func(op string, n int) string {
		return ratio(r.speed(implMap, op, n, 1).takes(), r.speed(implVector, op, n, 1).takes())
	}
	many := clockWorkers()[len(clockWorkers())-1]
	one := func(impl, op string, workers int) string {
		return plot.Duration.Format(r.speed(impl, op, 0, workers).takes())
	}
	return report.Figure{
		Title: "Against the map that most code has",
		Chart: chart,
		See: fmt.Sprintf("To compare two maps of 3, 16 and 256 entries takes %s, %s and %s the time of two Vectors, to merge them %s, %s and %s. To stamp an event with an HLC takes %s, of which a look at the clock is %s. To count one takes a Lamport clock %s, and a counter under a mutex %s; with %s, %s and %s of a processor's time.",
			faster(opCompare, 3), faster(opCompare, 16), faster(opCompare, 256), faster(opMerge, 3), faster(opMerge, 16), faster(opMerge, 256),
			one(implHLC, opStamp, 1), one(implTime, opStamp, 1), one(implLamport, opCount, 1), one(implLocked, opCount, 1),
			count(many, "goroutine"), one(implLamport, opCount, many), one(implLocked, opCount, many)),
		Why: "A Vector is two lists in the order of names: to compare is one pass over both, and nothing is looked up. To merge makes a list of numbers, or nothing where one of the two knows it all. An HLC is one compare-and-swap behind the clock, a Lamport clock one addition.",
		How: r.s.again("vclock"),
	}
}
