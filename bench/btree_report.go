package main

import (
	"fmt"

	"github.com/plinth-go/plinth/bench/plot"
	"github.com/plinth-go/plinth/bench/report"
)

// part says what the experiment has shown. Every number in its sentences comes from
// this run.
func (r *btreeResults) part() report.Part {
	p := report.Part{
		Title: "B+tree, LSM tree and bbolt: the same work, and where each wins",
		Lead: []string{
			"A B+tree has one place for each key: it is read in one go and changed by the page. An LSM tree appends, and looks in several places. A B+tree that copies its pages on each commit, as bbolt does, needs no log and pays in pages. Before you look: for 10,000 puts in one commit, which of them writes the least?",
		},
		Facts:   r.facts(),
		Figures: []report.Figure{r.where(), r.byBatch(), r.byInterval(), r.byPageSize(), r.byFill(), r.latency(workPut), r.latency(workScan)},
		Tables:  append([]report.Table{r.countedTable(), r.treeTable()}, r.timedTables()...),
		Notes:   r.notes(),
		Results: r.results(),
	}
	return p
}

func (r *btreeResults) facts() []report.Fact {
	tree, none, merge := r.counted[logged], r.counted[copied], r.counted[merging]
	return []report.Fact{
		{Value: ratio(none.random[0].amp(), tree.random[0].amp()), Label: "as many bytes are written for single random puts by a B+tree without a log"},
		{Value: ratio(tree.random[0].amp(), merge.random[0].amp()), Label: "as many by a B+tree with one as by an LSM tree"},
		{Value: ratio(merge.short.readPerOp(), tree.short.readPerOp()), Label: "as many are read for a scan of 100 by an LSM tree as by a B+tree"},
		{Value: ratio(r.timed[bolt].quantile(workPut, .5), r.timed[logged].quantile(workPut, .5)), Label: "as long takes a single put in bbolt as in a B+tree with a log, in the median"},
	}
}

// scanAmp is how many bytes a short scan reads for each that it returns.
func (c *countedEngine) scanAmp() float64 { return c.short.readPerOp() / (shortScan * lsmUserBytes) }

func (r *btreeResults) where() report.Figure {
	chart := plot.Lines{
		Title: "Bytes written for each byte put, and bytes read for each byte scanned, by store",
		X:     plot.Axis{Label: "bytes written for each byte put, at random, in commits of one (left is better)", Kind: plot.Log, Ticks: []float64{5, 10, 20, 50, 100, 200, 300}},
		Y:     plot.Axis{Label: "bytes read for each byte scanned, 100 entries at a time (low is better)", Zero: true},
	}
	for _, c := range r.counted {
		chart.Series = append(chart.Series, plot.Series{Name: c.design.name, Points: []plot.Point{{X: c.random[0].amp(), Y: c.scanAmp()}}})
	}
	tree, merge, b := r.counted[logged], r.counted[merging], r.counted[bolt]
	return report.Figure{
		Title: "Where each wins",
		Chart: chart,
		See: fmt.Sprintf("For each byte put the LSM tree writes %s, the B+tree %s and bbolt %s. For each byte of a scan the LSM tree reads %s, the B+tree %s and bbolt %s.",
			plot.Number.Format(merge.random[0].amp()), plot.Number.Format(tree.random[0].amp()), plot.Number.Format(b.random[0].amp()),
			plot.Number.Format(merge.scanAmp()), plot.Number.Format(tree.scanAmp()), plot.Number.Format(b.scanAmp())),
		Why: "Nobody is in the corner. Who never changes in place what he has written writes little, and has to look in each of his levels for the next key. Who keeps each key in one place reads little, and writes a page for each that changes; without a log, each time and with all the pages above it.",
		How: r.s.again("btree"),
	}
}

func (r *btreeResults) byBatch() report.Figure {
	chart := plot.Lines{
		Title: "Bytes written for each byte put, by the size of commits",
		X:     plot.Axis{Label: "random puts in a commit", Kind: plot.Log},
		Y:     plot.Axis{Label: "bytes written for each byte put", Kind: plot.Log},
	}
	for _, batch := range btreeBatches {
		chart.X.Ticks = append(chart.X.Ticks, float64(batch))
	}
	for _, c := range r.counted {
		s := plot.Series{Name: c.design.name}
		for k, batch := range btreeBatches {
			s.Points = append(s.Points, plot.Point{X: float64(batch), Y: c.random[k].amp()})
		}
		chart.Series = append(chart.Series, s)
	}
	last := len(btreeBatches) - 1
	tree, none := r.counted[logged], r.counted[copied]
	return report.Figure{
		Title: "With a log, or a copy for each commit",
		Chart: chart,
		See: fmt.Sprintf("In commits of one the B+tree writes %s bytes for each with a log and %s without; in commits of %s it is %s and %s. A commit of one waits for %s fsyncs with a log, checkpoints included, and for %s without.",
			plot.Number.Format(tree.random[0].amp()), plot.Number.Format(none.random[0].amp()), grouped(btreeBatches[last]),
			plot.Number.Format(tree.random[last].amp()), plot.Number.Format(none.random[last].amp()),
			plot.Number.Format(tree.random[0].syncsPerOp()), plot.Number.Format(none.random[0].syncsPerOp())),
		Why: "A log writes everything once more, which is little beside a path of pages for each put, and much when a commit changes most pages anyway. In between the two are alike: a commit that changes more pages than there is memory for is followed by a checkpoint, log or not. So load in large commits, and for small ones have a log.",
		How: r.s.again("btree"),
	}
}

func (r *btreeResults) byInterval() report.Figure {
	chart := plot.Lines{
		Title: "Bytes written for each byte put, and space, by the length of the log",
		X:     plot.Axis{Label: "length of the log at which a checkpoint begins, as a part of the entries' bytes", Kind: plot.Log, Unit: plot.Percent, Ticks: treeIntervals[:]},
		Y:     plot.Axis{Label: "bytes for each byte put, or each byte alive", Kind: plot.Log},
	}
	written, space, model := plot.Series{Name: "written"}, plot.Series{Name: "space, peak"}, plot.Series{Name: "model, written", Dashed: true}
	for _, c := range r.intervals {
		written.Points = append(written.Points, plot.Point{X: c.interval, Y: c.first.amp()})
		space.Points = append(space.Points, plot.Point{X: c.interval, Y: c.peak})
	}
	m, last := r.intervals[0].model(), treeIntervals[len(treeIntervals)-1]
	for x := treeIntervals[0]; x <= last*1.001; x *= 1.18920711500272 { // four between two powers of 2
		_, all := m.writes(x)
		model.Points = append(model.Points, plot.Point{X: x, Y: all, Plain: true})
	}
	chart.Series = []plot.Series{written, model, space}
	short, long := r.intervals[0], r.intervals[len(r.intervals)-1]
	return report.Figure{
		Title: "The interval between checkpoints, and its model",
		Chart: chart,
		See: fmt.Sprintf("With a log of %s of the entries' bytes each byte put is written %s times, with one of %s %s times; file and log take %s and %s bytes for each that is alive.",
			plot.Percent.Format(short.interval), plot.Number.Format(short.first.amp()), plot.Percent.Format(long.interval), plot.Number.Format(long.first.amp()),
			plot.Number.Format(short.peak), plot.Number.Format(long.peak)),
		Why: "A checkpoint writes each page that has changed once, however often. The rarer they are, the more puts share a page, until all pages are written and only the log is left. What that costs is memory for the changed pages, room for the log and for two trees, and time to open after a crash.",
		How: r.s.again("btree"),
	}
}
