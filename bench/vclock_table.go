package main

import (
	"fmt"
	"slices"

	"github.com/plinth-go/plinth/bench/plot"
	"github.com/plinth-go/plinth/bench/report"
)

// The tables of the experiment of logical clocks, what is to be known of them, and what programs read.

func (r *vclockResults) sizeTable() report.Table {
	t := report.Table{Title: "Bytes, by number of replicas", Columns: []report.Column{{Name: "clock", Text: true}}}
	for _, n := range sizeReplicas() {
		t.Columns = append(t.Columns, report.Column{Name: grouped(n)})
	}
	for _, l := range r.sizes {
		t.Rows = append(t.Rows, report.Row{Cells: append([]string{l.name}, groupedAll(l.bytes)...)})
	}
	return t
}

func (r *vclockResults) churnTable() report.Table {
	t := report.Table{
		Title:   fmt.Sprintf("Bytes, by how many replicas there ever were, %d at a time", churnAlive),
		Columns: []report.Column{{Name: "clock", Text: true}},
	}
	for _, n := range churnEver() {
		t.Columns = append(t.Columns, report.Column{Name: grouped(n)})
	}
	for _, l := range r.churns {
		t.Rows = append(t.Rows, report.Row{Cells: append([]string{l.name}, groupedAll(l.bytes)...)})
	}
	return t
}

func groupedAll(all []int) (cells []string) {
	for _, n := range all {
		cells = append(cells, grouped(n))
	}
	return cells
}

func (r *vclockResults) siblingTable() report.Table {
	t := report.Table{
		Title: fmt.Sprintf("Values of one key after %d writes at one server", siblingWrites),
		Columns: []report.Column{
			{Name: "versions", Text: true}, {Name: "clients", Note: "who take turns, and read after each write of their own"},
			{Name: "siblings", Note: "values that nobody has overwritten, in the end"},
			{Name: "at most"}, {Name: "read", Note: "values in all answers together"},
			{Name: "bytes", Note: "of versions with the last answer, without the values"},
		},
	}
	for i, c := range r.siblings {
		t.Rows = append(t.Rows, report.Row{First: i > 0 && i%len(siblingWriters()) == 0, Cells: []string{
			c.store, fmt.Sprint(c.writers), fmt.Sprint(c.last()), fmt.Sprint(c.most), grouped(c.read), grouped(c.bytes),
		}})
	}
	return t
}

func (r *vclockResults) skewTable() report.Table {
	t := report.Table{
		Title: fmt.Sprintf("Clocks that are wrong (%d processes, %v)", skewProcesses, skewLasts),
		Columns: []report.Column{
			{Name: "ε", Note: "clocks are wrong by up to that"}, {Name: "events"},
			{Name: "refused", Note: "messages that an HLC has refused, as they are too far ahead"},
			{Name: "clock, mean", Note: "by how much the time of an event is wrong, by the clock of its process"},
			{Name: "HLC, mean", Note: "the same, by the HLC"}, {Name: "HLC, at most"},
			{Name: "ahead", Note: "by how much the HLC is ahead of the clock that it reads, on the mean"},
			{Name: "Logical", Note: "the largest"},
			{Name: "before", Note: "pairs of events of which one happened before the other"},
			{Name: "clock contradicts", Note: "of these pairs: the one that was first has the later time"},
			{Name: "HLC contradicts", Note: "the same, or it is not earlier"},
			{Name: "too early", Note: "messages that, by the clocks, came before they were sent"},
		},
	}
	for i, c := range slices.Concat(r.skews, r.hour) {
		epsilon := plot.FormatDuration(c.epsilon)
		switch i - len(r.skews) {
		case 0:
			epsilon += ", one " + hoursText(c.ahead) + " ahead"
		case 1:
			epsilon += ", the same, no bound"
		}
		t.Rows = append(t.Rows, report.Row{First: i == len(r.skews), Cells: []string{
			epsilon, grouped(c.events), fmt.Sprint(c.refused), plot.FormatDuration(c.wallMean), plot.FormatDuration(c.hlcMean), plot.FormatDuration(c.hlcMost),
			plot.FormatDuration(c.hlcLead), fmt.Sprint(c.logical), grouped(c.before), grouped(c.wallWrong), fmt.Sprint(c.hlcWrong), fmt.Sprintf("%d of %d", c.early, c.messages),
		}})
	}
	return t
}

func (r *vclockResults) speedTable() report.Table {
	t := report.Table{
		Title: "What clocks take, in time (closed loop)",
		Columns: []report.Column{
			{Name: "what", Text: true}, {Name: "of", Text: true}, {Name: "entries"}, {Name: "goroutines"},
			{Name: "calls/s", Note: "of all goroutines together"},
			{Name: "each takes", Note: "of a processor's time, with what the measurement needs"},
			{Name: "allocations", Note: "of a call, counted"},
		},
	}
	for i, c := range r.speeds {
		entries := "–"
		if c.entries > 0 {
			entries = fmt.Sprint(c.entries)
		}
		t.Rows = append(t.Rows, report.Row{First: i > 0 && (r.speeds[i-1].entries != c.entries || r.speeds[i-1].workers != c.workers), Cells: []string{
			c.op, c.impl, entries, fmt.Sprint(c.workers), plot.Number.Format(median(c.rates)), plot.Duration.Format(c.takes()), fmt.Sprint(c.allocs),
		}})
	}
	return t
}

func (r *vclockResults) notes() []string {
	return []string{
		fmt.Sprintf("Sizes are of canonical bytes, of clocks that know all events. Each replica has counted 200 to 299 events, and has a name of %d bytes. A Lamport clock has no form of its own, and is a number here. The Context lacks one event of each replica and has the next one; the stamps have come from forks that halve what there is; in the Matrix, each replica has counted up to 5 events that the others have not heard of. MessagePack is computed, not written.", len(replicaName(0))),
		"Those who come and go are chosen by chance, from one seed, and in each turn each who is alive hears from another and counts an event. The DVVSet is measured with its values, which are numbers. Siblings are those of one server: with more of them, a DVVSet has an entry for each, and each may hold what it has not heard of from the others. Clients that never read leave all that they write, with dots too.",
		fmt.Sprintf("Clocks that are wrong are a simulation on a clock of its own, from one seed, the same on every machine. %d processes do something every %s on the mean, and every other time send a message that takes %s to %s. Their clocks drift by up to %d millionths, and every %s on the mean are set to a time that is wrong by up to ε; the HLCs read them. A pair is contradicted by a clock if what happened before has the later time, not the same.",
			skewProcesses, plot.FormatDuration(skewActs), plot.FormatDuration(skewNearest), plot.FormatDuration(skewFarthest), skewPPM, plot.FormatDuration(skewSet)),
		fmt.Sprintf("Times are of a closed loop of %v for each, in %d parts whose median counts. Vectors that are compared or merged have lists of names of their own, as if they had come from elsewhere; each knows something that the other does not. What is merged is a new value, for others may have the old one.", r.s.profile.cell/30, clockRuns),
	}
}

func (r *vclockResults) results() (all []report.Result) {
	add := func(name string, metrics map[string]float64) {
		all = append(all, report.Result{Experiment: "vclock/counted/" + name, Load: "simulation", Workers: 1, Rounds: 1, Metrics: metrics})
	}
	for _, l := range r.sizes {
		for i, n := range sizeReplicas() {
			add("size/clock="+l.name, map[string]float64{"replicas": float64(n), "bytes": float64(l.bytes[i])})
		}
	}
	for _, l := range r.churns {
		for i, n := range churnEver() {
			add("churn/clock="+l.name, map[string]float64{"replicas": churnAlive, "replicas_ever": float64(n), "bytes": float64(l.bytes[i])})
		}
	}
	for _, c := range r.siblings {
		add("siblings/versions="+c.store, map[string]float64{
			"clients": float64(c.writers), "writes": siblingWrites, "siblings": float64(c.last()), "siblings_at_most": float64(c.most),
			"values_read": float64(c.read), "bytes": float64(c.bytes),
		})
	}
	for _, c := range slices.Concat(r.skews, r.hour) {
		add("skew", map[string]float64{
			"epsilon_ns": float64(c.epsilon), "one_is_ahead_ns": float64(c.ahead), "max_drift_ns": float64(c.maxDrift),
			"events": float64(c.events), "messages": float64(c.messages), "refused": float64(c.refused),
			"pairs_before": float64(c.before), "clock_contradicts": float64(c.wallWrong), "hlc_contradicts": float64(c.hlcWrong),
			"messages_before_sent": float64(c.early), "clock_error_mean_ns": float64(c.wallMean), "clock_error_max_ns": float64(c.wallMost),
			"hlc_error_mean_ns": float64(c.hlcMean), "hlc_error_max_ns": float64(c.hlcMost), "hlc_lead_mean_ns": float64(c.hlcLead), "logical_max": float64(c.logical),
		})
	}
	for _, c := range r.speeds {
		all = append(all, c.result())
	}
	return all
}
