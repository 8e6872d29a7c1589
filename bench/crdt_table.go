package main

import (
	"fmt"
	"strings"

	"github.com/plinth-go/plinth/bench/plot"
	"github.com/plinth-go/plinth/bench/report"
	"github.com/plinth-go/plinth/vclock"
)

// The tables of the experiment of package crdt, what is to be known of them, and what programs read.

func (r *crdtResults) sizeTable() report.Table {
	t := report.Table{
		Title:   fmt.Sprintf("Bytes of the state by number of changes, %d replicas", crdtFewReplicas),
		Columns: []report.Column{{Name: "type", Text: true}},
	}
	for _, n := range crdtChanges() {
		t.Columns = append(t.Columns, report.Column{Name: grouped(n)})
	}
	t.Columns = append(t.Columns, report.Column{Name: "delta", Note: "the median of all these changes"}, report.Column{Name: "largest delta"})
	for _, s := range r.sizes {
		cells := append([]string{s.name}, groupedAll(s.states)...)
		t.Rows = append(t.Rows, report.Row{Cells: append(cells, fmt.Sprint(s.deltas.median), fmt.Sprint(s.deltas.most))})
	}
	return t
}

func (r *crdtResults) replicaTable() report.Table {
	t := report.Table{
		Title:   fmt.Sprintf("Bytes by number of replicas, %s changes", grouped(crdtSomeChanges)),
		Columns: []report.Column{{Name: "type", Text: true}},
	}
	for _, n := range crdtReplicas() {
		t.Columns = append(t.Columns, report.Column{Name: fmt.Sprintf("state, %d", n)})
	}
	for _, n := range crdtReplicas() {
		t.Columns = append(t.Columns, report.Column{Name: fmt.Sprintf("delta, %d", n), Note: "the median, and the largest"})
	}
	for _, s := range r.sizes {
		cells := []string{s.name}
		for _, of := range s.ofReplicas {
			cells = append(cells, grouped(of.state))
		}
		for _, of := range s.ofReplicas {
			cells = append(cells, fmt.Sprintf("%s, %s", grouped(of.deltas.median), grouped(of.deltas.most)))
		}
		t.Rows = append(t.Rows, report.Row{Cells: cells})
	}
	return t
}

func (r *crdtResults) trafficTable() report.Table {
	t := report.Table{
		Title: fmt.Sprintf("On the wire while %d replicas tell each other of %d changes", trafficReplicas, 2*trafficReplicas),
		Columns: []report.Column{
			{Name: "what is sent", Text: true}, {Name: "elements"}, {Name: "state", Note: "bytes of the set"},
			{Name: "bytes", Note: fmt.Sprintf("the mean of %d rounds", trafficRounds)},
			{Name: "of a change", Note: "bytes for each change, which two others have to hear of"},
		},
	}
	for i, c := range r.traffics {
		t.Rows = append(t.Rows, report.Row{First: i > 0 && i%len(trafficSizes()) == 0, Cells: []string{
			c.way, grouped(c.elements), grouped(c.state), grouped(c.round()), plot.Number.Format(c.ofChange()),
		}})
	}
	return t
}

// ofChange is what goes over the wire for each change.
func (c trafficCell) ofChange() float64 {
	return float64(c.bytes) / (trafficRounds * trafficReplicas * 2)
}

func (r *crdtResults) churnTable() report.Table {
	t := report.Table{
		Title:   fmt.Sprintf("Bytes of sets by number of additions for each of %d elements that are left", churnSurvivors),
		Columns: []report.Column{{Name: "set", Text: true}, {Name: "what comes", Text: true}},
	}
	for _, n := range churnAdds() {
		t.Columns = append(t.Columns, report.Column{Name: grouped(n)})
	}
	t.Columns = append(t.Columns, report.Column{Name: "delta", Note: "the median, with the most of them"}, report.Column{Name: "largest delta"})
	for i, c := range r.churns {
		cells := append([]string{c.name, comesText(c.again)}, groupedAll(c.bytes)...)
		t.Rows = append(t.Rows, report.Row{
			First: i > 0 && c.again != r.churns[i-1].again,
			Cells: append(cells, fmt.Sprint(c.deltas.median), fmt.Sprint(c.deltas.most)),
		})
	}
	return t
}

func comesText(again bool) string {
	if again {
		return "the same again"
	}
	return "new ones"
}

func (r *crdtResults) awayTable() report.Table {
	t := report.Table{
		Title: fmt.Sprintf("On the wire when one comes back, a set of %s", grouped(awayElements)),
		Columns: []report.Column{
			{Name: "missed", Note: "changes"}, {Name: catchDeltas}, {Name: catchReplica}, {Name: catchBuffer}, {Name: catchFull},
			{Name: "bytes of log", Note: "of a Replica, which keeps all of the deltas"},
		},
	}
	for i, missed := range awayMissed() {
		cells := []string{grouped(missed)}
		for _, c := range []catchUp{r.away.deltas[i], r.away.replica[i], r.away.buffer[i]} {
			text := grouped(c.bytes)
			if c.state {
				text += " (full)"
			}
			cells = append(cells, text)
		}
		cells = append(cells, grouped(r.away.full[i].bytes), grouped(r.away.replica[i].log))
		t.Rows = append(t.Rows, report.Row{Cells: cells})
	}
	return t
}

// logShown are the meetings that the table looks at.
func logShown() []int {
	return []int{logLeaves, 40, 60, logForgets - 1, logForgets, logReturns - 1, logReturns + 1}
}

func (r *crdtResults) logTable() report.Table {
	t := report.Table{
		Title:   fmt.Sprintf("Deltas in the log of a server, which has at most %s, and for whom it waits", plot.Bytes.Format(logBound)),
		Columns: []report.Column{{Name: "run", Text: true}},
	}
	for _, n := range logShown() {
		t.Columns = append(t.Columns, report.Column{Name: fmt.Sprintf("meeting %d", n), Note: "deltas, and Stats.Behind"})
	}
	t.Columns = append(t.Columns, report.Column{Name: "comes back", Note: fmt.Sprintf("bytes of its session of meeting %d", logReturns)})
	for _, l := range r.logs {
		cells := []string{l.name}
		for _, n := range logShown() {
			cells = append(cells, fmt.Sprintf("%s, %s", grouped(l.deltas[n]), behindText(l.behind[n])))
		}
		t.Rows = append(t.Rows, report.Row{Cells: append(cells, grouped(l.back))})
	}
	return t
}

func behindText(behind []vclock.ID) string {
	if len(behind) == 0 {
		return "nobody"
	}
	var names []string
	for _, id := range behind {
		names = append(names, string(id))
	}
	return strings.Join(names, " and ")
}

func (r *crdtResults) notes() []string {
	return []string{
		fmt.Sprintf("Sizes are of canonical bytes, and all is counted: the same on every machine. Replicas have names of %d bytes, elements and values of %d. They take turns, two changes each, and each has heard of all before, so that nothing is concurrent: a register has one value, a flag one dot. Sets and the map get new elements until they have %d; from then on the oldest goes before a new one comes, which are two changes; a GSet only gets new ones. Values of the map are sets of one element. Flags are switched off and on. In a BoundedCounter each replica adds 3, takes 1, gives 1 to anybody, by chance from one seed, takes 1, and so on.",
			len(replicaName(0)), len(elementName(0)), crdtAlive),
		fmt.Sprintf("Traffic is that of messages, without what a connection needs itself. With full states and with Buffers, each of %d replicas sends each other one its news; an acknowledgement comes back for those of a Buffer, and nothing is lost. Sessions are of each pair, one after the other, and what two have told each other goes on with the next.",
			trafficReplicas),
		"The set with tags and tombstones is written for this, as thrifty in its form as an ORSet; the bare one is better than what most code has. The RWSet that forgets does it once, in the end, and knows that all have seen everything. A TwoPSet has no line where elements come back: they cannot.",
		fmt.Sprintf("Who is away has met both servers just before. They take an element out and put one in by turns, of %d bytes, and meet after each %d changes. The bytes are those of one session of who comes back with one of them, with both directions; of a Buffer, those of its message and the acknowledgement; of the full state, those of the set. In a log a delta takes its bytes and about 48 more, in an update %d more, which a Replica does not count when it asks whether the full state is less: so there are some changes for which it sends deltas, and they are a little more. Deltas alone are those of a Replica whose UpdateBytes is %s.",
			len(awayElement(0, 1)), awayChanges, updateCost, plot.Bytes.Format(awayParts)),
	}
}

func (r *crdtResults) results() (all []report.Result) {
	add := func(name string, metrics map[string]float64) {
		all = append(all, report.Result{Experiment: "crdt/" + name, Load: "simulation", Workers: 1, Rounds: 1, Metrics: metrics})
	}
	for _, s := range r.sizes {
		for i, n := range crdtChanges() {
			add("size/type="+s.name, map[string]float64{"replicas": crdtFewReplicas, "changes": float64(n), "bytes": float64(s.states[i])})
		}
		add("deltas/type="+s.name, map[string]float64{
			"replicas": crdtFewReplicas, "changes": float64(last(crdtChanges())),
			"delta_bytes_median": float64(s.deltas.median), "delta_bytes_max": float64(s.deltas.most),
		})
		for i, n := range crdtReplicas() {
			of := s.ofReplicas[i]
			add("replicas/type="+s.name, map[string]float64{
				"replicas": float64(n), "changes": crdtSomeChanges, "bytes": float64(of.state),
				"delta_bytes_median": float64(of.deltas.median), "delta_bytes_max": float64(of.deltas.most),
			})
		}
	}
	for _, c := range r.traffics {
		add("traffic/sent="+c.way, map[string]float64{
			"replicas": trafficReplicas, "elements": float64(c.elements), "state_bytes": float64(c.state),
			"rounds": trafficRounds, "bytes": float64(c.bytes), "bytes_per_change": c.ofChange(),
		})
	}
	for _, c := range r.churns {
		for i, n := range churnAdds() {
			add("churn/set="+c.name+"/"+strings.ReplaceAll(comesText(c.again), " ", "-"), map[string]float64{
				"elements": churnSurvivors, "additions_per_element": float64(n), "bytes": float64(c.bytes[i]),
			})
		}
	}
	for _, way := range []struct {
		name string
		all  []catchUp
	}{{catchDeltas, r.away.deltas}, {catchReplica, r.away.replica}, {catchBuffer, r.away.buffer}, {catchFull, r.away.full}} {
		for _, c := range way.all {
			add("away/by="+way.name, map[string]float64{
				"missed": float64(c.missed), "bytes": float64(c.bytes), "deltas_kept": float64(c.deltas), "log_bytes": float64(c.log), "full": truth(c.state),
			})
		}
	}
	for _, l := range r.logs {
		for i := range l.deltas {
			add("log/run="+l.name, map[string]float64{
				"meeting": float64(i), "deltas": float64(l.deltas[i]), "log_bytes": float64(l.bytes[i]), "behind": float64(len(l.behind[i])),
			})
		}
	}
	return all
}

func truth(is bool) float64 {
	if is {
		return 1
	}
	return 0
}
