package main

import (
	"fmt"
	"slices"

	"github.com/plinth-go/plinth/bench/plot"
	"github.com/plinth-go/plinth/bench/report"
)

// What the experiment of package crdt says in the report. Every number in its sentences comes from this run.

// part writes it.
func (r *crdtResults) part() report.Part {
	return report.Part{
		Title: "Data that agrees by itself, and what it weighs",
		Lead: []string{
			"Replicas change the same thing without asking each other, and are equal again as soon as all have heard of all. What does that take? Does a value grow with what is in it, with all that ever happened, or with all who ever changed something? What goes over the wire? What is left of that which was removed, and what has to be kept for one who is away for long?",
		},
		Facts:   r.facts(),
		Figures: []report.Figure{r.sizeFigure(), r.replicaFigure(), r.trafficFigure(), r.churnFigure(), r.awayFigure(), r.logFigure()},
		Tables:  []report.Table{r.sizeTable(), r.replicaTable(), r.trafficTable(), r.churnTable(), r.awayTable(), r.logTable()},
		Notes:   r.notes(),
		Results: r.results(),
	}
}

// last is that of the most changes, elements and so on.
func last(all []int) int { return all[len(all)-1] }

func (r *crdtResults) size(name string) crdtSize {
	return r.sizes[slices.IndexFunc(r.sizes, func(s crdtSize) bool { return s.name == name })]
}

// state is what a type has after so many changes.
func (r *crdtResults) state(name string, changes int) int {
	return r.size(name).states[slices.Index(crdtChanges(), changes)]
}

// shared is what a type has with so many replicas.
func (r *crdtResults) shared(name string, replicas int) replicaSize {
	return r.size(name).ofReplicas[slices.Index(crdtReplicas(), replicas)]
}

func (r *crdtResults) traffic(way string, elements int) trafficCell {
	return r.traffics[slices.IndexFunc(r.traffics, func(c trafficCell) bool { return c.way == way && c.elements == elements })]
}

func (r *crdtResults) churn(name string, again bool) churnCell {
	return r.churns[slices.IndexFunc(r.churns, func(c churnCell) bool { return c.name == name && c.again == again })]
}

func (r *crdtResults) log(name string) logRun {
	return r.logs[slices.IndexFunc(r.logs, func(l logRun) bool { return l.name == name })]
}

// missing finds who has missed so many.
func missing(all []catchUp, missed int) catchUp {
	return all[slices.IndexFunc(all, func(c catchUp) bool { return c.missed == missed })]
}

// shownMissed is what captions look at.
const shownMissed = 200

func (r *crdtResults) facts() []report.Fact {
	elements, adds, missed := last(trafficSizes()), last(churnAdds()), last(awayMissed())
	return []report.Fact{
		{
			Value: fmt.Sprintf("%s against %s", bytesOf(r.traffic(byStates, elements).round()), bytesOf(r.traffic(byBuffer, elements).round())),
			Label: fmt.Sprintf("on the wire while %d replicas tell each other of %d changes of a set of %s elements: full states, and deltas", trafficReplicas, 2*trafficReplicas, grouped(elements)),
		},
		{
			Value: fmt.Sprintf("%s against %s", bytesOf(last(r.churn(nameTombstones, false).bytes)), bytesOf(last(r.churn(nameORSet, false).bytes))),
			Label: fmt.Sprintf("of a set of %d elements, when there were %d for each that is left: with tombstones, and without", churnSurvivors, adds),
		},
		{
			Value: bytesOf(r.size(nameORSet).deltas.most),
			Label: fmt.Sprintf("the largest delta of %s changes of a set of %d", grouped(last(crdtChanges())), crdtAlive),
		},
		{
			Value: fmt.Sprintf("%s against %s", bytesOf(missing(r.away.deltas, missed).bytes), bytesOf(missing(r.away.replica, missed).bytes)),
			Label: fmt.Sprintf("for one who has missed %s changes of a set of %s: deltas alone, and what a Replica sends, which is the full state where that is less", grouped(missed), grouped(awayElements)),
		},
	}
}

func (r *crdtResults) sizeFigure() report.Figure {
	changes := crdtChanges()
	chart := plot.Lines{
		Title: "Bytes of a value of each type by number of changes",
		X:     plot.Axis{Label: fmt.Sprintf("changes, by %d replicas", crdtFewReplicas), Kind: plot.Log, Ticks: floats(changes)},
		Y:     plot.Axis{Label: "bytes of the state", Kind: plot.Log, Unit: plot.Bytes, Ticks: []float64{16, 64, 256, 1 << 10, 4 << 10, 16 << 10, 64 << 10, 256 << 10}},
	}
	for _, name := range []string{nameGSet, nameLWWSet, nameRWSet, nameTwoPSet, nameORMap, nameORSet, nameLWWRegister, nameGCounter} {
		series := seriesOf(name, changes, r.size(name).states)
		series.Dashed = name == nameTwoPSet || name == nameRWSet || name == nameORMap
		chart.Series = append(chart.Series, series)
	}
	most := last(changes)
	of := func(name string) string { return bytesOf(r.state(name, most)) }
	return report.Figure{
		Title: "What there is, or what there ever was",
		Chart: chart,
		See: fmt.Sprintf("After %s changes, %d elements are left. An ORSet has %s then, as after 1,000 changes, and a map of sets %s. A TwoPSet has %s, an RWSet %s, an LWWSet %s; a GSet, from which nothing is ever removed, has %s. A GCounter has %s, an LWWRegister %s.",
			grouped(most), crdtAlive, of(nameORSet), of(nameORMap), of(nameTwoPSet), of(nameRWSet), of(nameLWWSet), of(nameGSet), of(nameGCounter), of(nameLWWRegister)),
		Why: "A counter is a number for each replica, a register one value. A set with tombstones has all that was ever in it: somebody may come who has heard of an addition, and not of the removal. An ORSet has what is in it, and a few numbers that say what it has ever seen: whatever it has seen and does not have was removed.",
		How: r.s.again("crdt"),
	}
}

func (r *crdtResults) replicaFigure() report.Figure {
	replicas := crdtReplicas()
	chart := plot.Lines{
		Title: "Bytes of a value of each type by number of replicas",
		X:     plot.Axis{Label: "replicas that ever changed something", Kind: plot.Log, Ticks: floats(replicas)},
		Y:     plot.Axis{Label: "bytes of the state", Kind: plot.Log, Unit: plot.Bytes, Ticks: []float64{8, 32, 128, 512, 2 << 10, 8 << 10}},
	}
	for _, name := range []string{nameBounded, nameORSet, nameCausal, namePNCounter, nameMVRegister, nameGCounter, nameLWWRegister} {
		series := plot.Series{Name: name, Dashed: name == nameMVRegister || name == namePNCounter}
		for i, n := range replicas {
			series.Points = append(series.Points, plot.Point{X: float64(n), Y: float64(r.size(name).ofReplicas[i].state)})
		}
		chart.Series = append(chart.Series, series)
	}
	many := last(replicas)
	of := func(name string) string { return bytesOf(r.shared(name, many).state) }
	delta := func(name string) string { return bytesOf(r.shared(name, many).deltas.median) }
	return report.Figure{
		Title: "A place for each who ever changed something",
		Chart: chart,
		See: fmt.Sprintf("%d replicas have made %s changes. A GCounter has %s then, a PNCounter %s, a CausalCounter %s, an MVRegister %s, an EWFlag %s. An LWWRegister has %s. A BoundedCounter has %s, if all have given something to many others. The median of deltas is %s of a GCounter, %s of an ORSet, and %s of a BoundedCounter.",
			many, grouped(crdtSomeChanges), of(nameGCounter), of(namePNCounter), of(nameCausal), of(nameMVRegister), of(nameEWFlag), of(nameLWWRegister), of(nameBounded),
			delta(nameGCounter), delta(nameORSet), delta(nameBounded)),
		Why: "Each name has a place in the numbers, or in the context, for ever: nobody knows whether something will come that it has done. So a replica should be a device or a server, and not a session. An LWWRegister has the name of its last writer alone. A BoundedCounter has a number for each pair of which one has given to the other, and to spend something is to tell where it came from.",
		How: r.s.again("crdt"),
	}
}

func (r *crdtResults) trafficFigure() report.Figure {
	sizes := trafficSizes()
	chart := plot.Lines{
		Title: "Bytes on the wire by size of the set",
		X:     plot.Axis{Label: "elements of the set", Kind: plot.Log, Ticks: floats(sizes)},
		Y: plot.Axis{Label: fmt.Sprintf("bytes while %d replicas tell each other of %d changes", trafficReplicas, 2*trafficReplicas),
			Kind: plot.Log, Unit: plot.Bytes, Ticks: []float64{64, 256, 1 << 10, 4 << 10, 16 << 10, 64 << 10, 256 << 10, 1 << 20}},
	}
	for _, way := range trafficWays() {
		series := plot.Series{Name: way}
		for _, n := range sizes {
			series.Points = append(series.Points, plot.Point{X: float64(n), Y: float64(r.traffic(way, n).round())})
		}
		chart.Series = append(chart.Series, series)
	}
	few, many := sizes[0], last(sizes)
	both := func(way string) string {
		return fmt.Sprintf("%s with %d elements, and %s with %s", bytesOf(r.traffic(way, few).round()), few, bytesOf(r.traffic(way, many).round()), grouped(many))
	}
	return report.Figure{
		Title: "Full states, or what is new",
		Chart: chart,
		See: fmt.Sprintf("%d replicas take out an element and put in another one, each of them, and then they meet, each with each. If they send all that they have, it is %s. With deltas of a Buffer it is %s; with sessions, %s.",
			trafficReplicas, both(byStates), both(byBuffer), both(bySync)),
		Why: "A delta is as large as the change. Full states are safe, too, and need no memory of who has got what: but a value that is twice as large takes twice as much for each meeting. A session says on both sides who it is and what it has seen, and each delta comes by itself, with its names; so it needs no memory of the other one, and it may break anywhere. A Buffer sends one join of all that is new, and remembers a number for each peer.",
		How: r.s.again("crdt"),
	}
}

func (r *crdtResults) churnFigure() report.Figure {
	adds := churnAdds()
	chart := plot.Lines{
		Title: "Bytes of sets by how many elements there ever were for each that is left",
		X:     plot.Axis{Label: "additions for each element that is left", Kind: plot.Log, Ticks: floats(adds)},
		Y:     plot.Axis{Label: "bytes of the state", Kind: plot.Log, Unit: plot.Bytes, Ticks: []float64{2 << 10, 8 << 10, 32 << 10, 128 << 10, 512 << 10}},
	}
	for _, name := range churnNames(false) {
		series := seriesOf(name, adds, r.churn(name, false).bytes)
		series.Dashed = name == nameForgot || name == nameTombstones
		chart.Series = append(chart.Series, series)
	}
	of := func(name string, again bool) string { return bytesOf(last(r.churn(name, again).bytes)) }
	return report.Figure{
		Title: "With tombstones, and without",
		Chart: chart,
		See: fmt.Sprintf("%d elements are left, and for each of them %d others have come and gone. An ORSet has %s, and had %s when nothing had been removed. A set with tags and tombstones has %s, and %s if it keeps of what was removed the tag alone; an LWWSet %s, an RWSet %s, a TwoPSet %s. An RWSet may forget what all have seen: %s are left. If the same element comes back each time, it is %s with tags and tombstones, %s without their elements, %s in an LWWSet and %s in an RWSet.",
			churnSurvivors, last(adds)-1, of(nameORSet, false), bytesOf(r.churn(nameORSet, false).bytes[0]),
			of(nameTombstones, false), of(nameBareTombs, false), of(nameLWWSet, false), of(nameRWSet, false), of(nameTwoPSet, false), of(nameForgot, false),
			of(nameTombstones, true), of(nameBareTombs, true), of(nameLWWSet, true), of(nameRWSet, true)),
		Why: "Tags of an ORSet are dots, numbers of a replica without gaps. What was seen is known from the last number alone, and needs no tombstones. An LWWSet and an RWSet have one entry for an element, however often it comes and goes, and for each that ever was. To forget it takes somebody who knows that all have seen it: causal stability.",
		How: r.s.again("crdt"),
	}
}

// deltasOnly is a line that ends where there are no deltas any more.
func deltasOnly(name string, all []catchUp) plot.Series {
	series := plot.Series{Name: name}
	for _, c := range all {
		if !c.state {
			series.Points = append(series.Points, plot.Point{X: float64(c.missed), Y: float64(c.bytes)})
		}
	}
	return series
}

func (r *crdtResults) awayFigure() report.Figure {
	chart := plot.Lines{
		Title: "Bytes to catch up by how many changes were missed",
		X: plot.Axis{Label: "changes that one who was away has missed", Kind: plot.Log,
			Ticks: []float64{20, 60, 200, 600, 2000, 6000, 20_000}, Names: groupedAll([]int{20, 60, 200, 600, 2000, 6000, 20_000})},
		Y: plot.Axis{Label: "bytes on the wire when it comes back", Kind: plot.Log, Unit: plot.Bytes, Ticks: []float64{128, 512, 2 << 10, 8 << 10, 32 << 10, 128 << 10, 512 << 10}},
	}
	replica := seriesOf(catchReplica, awayMissed(), sent(r.away.replica))
	full := plot.Series{Name: catchFull, Dashed: true}
	for _, c := range r.away.full {
		full.Points = append(full.Points, plot.Point{X: float64(c.missed), Y: float64(c.bytes), Plain: true})
	}
	deltas := seriesOf(catchDeltas, awayMissed(), sent(r.away.deltas))
	deltas.Dashed = true // it lies on that of a Replica, as long as there are few
	chart.Series = []plot.Series{replica, full, deltasOnly(catchBuffer, r.away.buffer), deltas}
	return report.Figure{
		Title: "One comes back",
		Chart: chart,
		See:   r.awayText(),
		Why:   "Deltas grow with what has happened, also where one undoes the other; the full state does not. So a Replica sends whichever is less, if the deltas are more than 4 KiB. A Buffer joins deltas, so that names are there once and removals are a span of numbers; where its line ends, it has lost some, and sends the full state. What comes in parts goes on where a connection broke, and a state would begin anew: so one that does not fit into an update is sent only if the log has lost what is lacking, however much the deltas are. Who does not want that sets UpdateBytes to more than the state has, or LogBytes to less than the default.",
		How:   r.s.again("crdt"),
	}
}

func sent(all []catchUp) (bytes []int) {
	for _, c := range all {
		bytes = append(bytes, c.bytes)
	}
	return bytes
}

func (r *crdtResults) awayText() string {
	most, turn := last(awayMissed()), r.turn()
	deltas, replica, buffer := missing(r.away.deltas, most), missing(r.away.replica, most), missing(r.away.buffer, most)
	return fmt.Sprintf("Who has missed %d changes of a set of %s gets %s of deltas in a session, and %s of a Buffer. With %d a Replica still sends deltas, %s; with %d it is the full state, %s in all, and so with more. Deltas alone would be %s for %s changes, %s that, in updates of %s, into which the state does not fit. Who has missed more than the %s changes of a Buffer gets %s.",
		shownMissed, grouped(awayElements), bytesOf(missing(r.away.replica, shownMissed).bytes), bytesOf(missing(r.away.buffer, shownMissed).bytes),
		turn.missed-awayChanges, bytesOf(missing(r.away.replica, turn.missed-awayChanges).bytes), turn.missed, bytesOf(turn.bytes),
		bytesOf(deltas.bytes), grouped(most), ratio(float64(deltas.bytes), float64(replica.bytes)), plot.Bytes.Format(awayParts),
		grouped(buffer.deltas), bytesOf(buffer.bytes))
}

// turn is the first who gets the full state of a Replica.
func (r *crdtResults) turn() catchUp {
	return r.away.replica[slices.IndexFunc(r.away.replica, func(c catchUp) bool { return c.state })]
}

// fills is the first meeting after which the log has lost something.
func (l logRun) fills() int {
	for i := logLeaves + 1; i < len(l.deltas); i++ {
		if l.deltas[i] != l.deltas[i-1]+awayChanges {
			return i
		}
	}
	return 0
}

func (r *crdtResults) logFigure() report.Figure {
	chart := plot.Lines{
		Title: "Bytes of the log of a server after each meeting",
		X:     plot.Axis{Label: fmt.Sprintf("meetings of the servers, after %d changes each", awayChanges), Ticks: []float64{0, 20, 40, 60, 80, 100, 120, 140}},
		Y:     plot.Axis{Label: "bytes of deltas in the log", Unit: plot.Bytes, Ticks: []float64{0, 16 << 10, 32 << 10, 48 << 10, 64 << 10}},
		Spans: []plot.Span{{Name: "the phone is away", From: logLeaves, To: logReturns}},
	}
	from := map[string]int{logKept: 1, logForgot: logForgets - 1, logThere: logLeaves} // before, they are the same
	for _, name := range logNames() {
		series := plot.Series{Name: name}
		run := r.log(name)
		for i := from[name]; i <= logEnds; i++ {
			series.Points = append(series.Points, plot.Point{X: float64(i), Y: float64(run.bytes[i]), Plain: i%20 != 10})
		}
		chart.Series = append(chart.Series, series)
	}
	kept, forgot := r.log(logKept), r.log(logForgot)
	fills := kept.fills()
	return report.Figure{
		Title: "Who holds up the log",
		Chart: chart,
		See: fmt.Sprintf("As long as all take part, the log has %d deltas, %s: those that have just come. The phone leaves after meeting %d, and from then on all is kept, up to the bound: at meeting %d, when the log has %s deltas, the first have gone. Stats.Behind names the %s. Where it is forgotten, at meeting %d, the log has %s. It comes back for meeting %d, and gets %s in a session, or %s if it was forgotten, which is the full state; after that the log has %d deltas again.",
			kept.deltas[logLeaves], bytesOf(kept.bytes[logLeaves]), logLeaves, fills, grouped(kept.deltas[fills]), behindText(kept.behind[fills]), logForgets,
			count(forgot.deltas[logForgets], "delta"), logReturns, bytesOf(kept.back), bytesOf(forgot.back), kept.deltas[logEnds]),
		Why: "A delta is dropped when all members are known to have seen it: it is causally stable then, and nobody will ask for it. One who says nothing may come back at any time, or never; which of the two, nobody can know who only gets messages. So a bound ends the log, and to forget a member is for a person. Neither loses anything: who lacks what is gone gets the full state.",
		How: r.s.again("crdt"),
	}
}
