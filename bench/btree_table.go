package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/plinth-go/plinth/bench/plot"
	"github.com/plinth-go/plinth/bench/report"
	"github.com/plinth-go/plinth/wal"
)

// The numbers of the experiment as tables for a reader, and as results for a program.

func batchName(n int) string { return count(n, "put") }

// engineColumns has a column of words, and one for each store.
func engineColumns(first report.Column) []report.Column {
	first.Text = true
	columns := []report.Column{first}
	for _, d := range designs() {
		columns = append(columns, report.Column{Name: d.name})
	}
	return columns
}

// countedRows has a row for each kind of work, and a column for each store.
func (r *btreeResults) countedTable() report.Table {
	t := report.Table{Title: "What each asks of the disk (counted)", Columns: engineColumns(report.Column{Name: "work", Note: "and what is counted of it"})}
	add := func(first bool, name string, value func(*countedEngine) float64) {
		row := report.Row{First: first, Cells: []string{name}}
		for _, c := range r.counted {
			row.Cells = append(row.Cells, plot.Number.Format(value(c)))
		}
		t.Rows = append(t.Rows, row)
	}
	for k, batch := range btreeBatches {
		add(k == 0, "random, commits of "+batchName(batch)+": written per byte", func(c *countedEngine) float64 { return c.random[k].amp() })
	}
	for k, batch := range btreeBatches {
		add(k == 0, "in order, commits of "+batchName(batch)+": written per byte", func(c *countedEngine) float64 { return c.ordered[k].amp() })
	}
	for k, batch := range btreeBatches {
		add(k == 0, "random, commits of "+batchName(batch)+": fsyncs per commit", func(c *countedEngine) float64 { return c.random[k].syncsPerOp() })
	}
	add(true, "Get, there: KiB read", func(c *countedEngine) float64 { return c.seen(c.found.readPerOp()) / 1024 })
	add(false, "Get, absent: KiB read", func(c *countedEngine) float64 { return c.seen(c.absent.readPerOp()) / 1024 })
	add(false, "scan of 100: KiB read", func(c *countedEngine) float64 { return c.short.readPerOp() / 1024 })
	add(false, "scan of all: read per byte", func(c *countedEngine) float64 { return c.all.readPerOp() / c.live() })
	for k, percent := range btreeMixes {
		add(k == 0, fmt.Sprintf("%d %% single puts, else Gets: KiB written per operation", percent), func(c *countedEngine) float64 { return float64(c.mixed[k].written) / float64(c.mixed[k].ops) / 1024 })
		add(false, fmt.Sprintf("%d %% single puts, else Gets: KiB read per operation", percent), func(c *countedEngine) float64 { return c.seen(c.mixed[k].readPerOp()) / 1024 })
	}
	add(true, "overwritten at random: space per byte", func(c *countedEngine) float64 { return c.randomSpace })
	add(false, "put in order: space per byte", func(c *countedEngine) float64 { return c.orderedSpace })
	return t
}

// treeTable has a row for each knob of the B+tree.
func (r *btreeResults) treeTable() report.Table {
	t := report.Table{Title: "Knobs of the B+tree (counted; single puts)", Columns: []report.Column{
		{Name: "pages", Note: "bytes of one"},
		{Name: "fill", Text: true, Note: "how full pages are left when keys come in order; – where they come at random"},
		{Name: "log", Note: "its length before a checkpoint, as a part of the entries' bytes"},
		{Name: "written", Note: "bytes for each byte put: overwrites at random, or keys in order"},
		{Name: "(model)", Note: "for overwrites at random"},
		{Name: "space", Note: "bytes of the file for each byte of keys and values"},
		{Name: "peak", Note: "of file and log together, at the most"},
		{Name: "inserts", Note: "after the keys in order a fifth as many at random: bytes written for each byte put"},
		{Name: "then space", Note: "after those"},
		{Name: "levels", Note: "of pages, which a Get goes through"},
	}}
	for _, cells := range [][]*treeCell{r.pages, r.fills, r.intervals} {
		for i, c := range cells {
			fill, model, inserts, late := "–", "", "", ""
			if _, all := c.model().writes(c.interval); c.fill == 0 {
				model = "(" + plot.Number.Format(all) + ")"
			} else {
				fill, inserts, late = plot.Percent.Format(c.fill), plot.Number.Format(c.then.amp()), plot.Number.Format(c.late)
			}
			t.Rows = append(t.Rows, report.Row{First: i == 0, Cells: []string{
				plot.Bytes.Format(float64(c.pageSize)), fill, plot.Percent.Format(c.interval), plot.Number.Format(c.first.amp()), model,
				plot.Number.Format(c.space), plot.Number.Format(c.peak), inserts, late, fmt.Sprint(c.height)}})
		}
	}
	return t
}

// timedTables have a row for each kind of work.
func (r *btreeResults) timedTables() []report.Table {
	rate := report.Table{Title: "Entries a second (synced, closed loop, one caller)", Columns: engineColumns(report.Column{Name: "work", Note: "and, of puts, how many there are in a commit"})}
	times := report.Table{Title: "How long one takes, p50 / p99", Columns: engineColumns(report.Column{Name: "operation", Note: "a commit, a Get or a scan"})}
	for k, w := range timedWorks {
		first := k > 0 && w.batch > 0 && (timedWorks[k-1].batch == 0 || w.ordered != timedWorks[k-1].ordered || w.puts == 100 && timedWorks[k-1].puts < 100)
		rates, quantiles := report.Row{First: first, Cells: []string{w.name}}, report.Row{First: first, Cells: []string{w.name}}
		for _, c := range r.timed {
			rates.Cells = append(rates.Cells, plot.Number.Format(c.entryRate(k)))
			quantiles.Cells = append(quantiles.Cells, plot.Duration.Format(c.quantile(k, .5))+" / "+plot.Duration.Format(c.quantile(k, .99)))
		}
		rate.Rows, times.Rows = append(rate.Rows, rates), append(times.Rows, quantiles)
	}
	return []report.Table{rate, times}
}

// results are the same for programs.
func (r *btreeResults) results() (all []report.Result) {
	for _, c := range r.counted {
		metrics := map[string]float64{
			"entries": float64(c.entries), "space_amp_random": c.randomSpace, "space_amp_ordered": c.orderedSpace,
			"scan_bytes_read": c.short.readPerOp(), "scan_reads": c.short.readsPerOp(),
		}
		for k, batch := range btreeBatches {
			metrics[fmt.Sprintf("write_amp_random_%d", batch)] = c.random[k].amp()
			metrics[fmt.Sprintf("write_amp_ordered_%d", batch)] = c.ordered[k].amp()
			metrics[fmt.Sprintf("fsyncs_per_commit_random_%d", batch)] = c.random[k].syncsPerOp()
		}
		if c.readsSeen() {
			metrics["get_bytes_read"], metrics["absent_bytes_read"] = c.found.readPerOp(), c.absent.readPerOp()
		}
		all = append(all, report.Result{Experiment: "btree/counted/store=" + c.design.name, Load: "settled", Workers: 1, Rounds: 1,
			RecordBytes: lsmUserBytes, Ops: uint64(c.random[0].puts), Metrics: metrics})
	}
	for _, cells := range [][]*treeCell{r.pages, r.fills, r.intervals} {
		for _, c := range cells {
			all = append(all, report.Result{
				Experiment: fmt.Sprintf("btree/counted/page=%d/fill=%v/log=%v", c.pageSize, c.fill, c.interval), Load: "settled", Workers: 1, Rounds: 1,
				RecordBytes: lsmUserBytes, Ops: uint64(c.first.puts),
				Metrics: map[string]float64{"write_amp": c.first.amp(), "space_amp": c.space, "space_amp_peak": c.peak, "levels": float64(c.height)},
			})
		}
	}
	for _, c := range r.timed {
		for k, w := range timedWorks {
			ops := &c.works[k]
			all = append(all, report.Result{
				Experiment: "btree/timed/store=" + c.design.name + "/work=" + strings.ReplaceAll(w.name, " ", "_"), Load: "closed loop",
				Durability: wal.Synced.String(), Workers: 1, RecordBytes: lsmUserBytes, Rounds: len(ops.rates), Ops: ops.latency.Count(),
				Elapsed: ops.elapsed, PerSecond: c.rate(k), Slowest: slices.Min(ops.rates), Fastest: slices.Max(ops.rates), Latency: &ops.latency,
			})
		}
	}
	return all
}
