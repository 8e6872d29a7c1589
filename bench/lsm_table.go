package main

import (
	"fmt"
	"slices"

	"github.com/plinth-go/plinth/bench/plot"
	"github.com/plinth-go/plinth/bench/report"
	"github.com/plinth-go/plinth/lsm"
)

// The numbers of the experiment as tables for a reader, and as results for a program.

// countedTable has a row for each store.
func countedTable(cells []*countedLSM) report.Table {
	t := report.Table{
		Title: "Amplification (counted; in brackets what the model says)",
		Columns: []report.Column{
			{Name: "growth", Note: "how many times larger each level is than the one above"},
			{Name: "filter", Note: "bits for each key; 0 for none"},
			{Name: "blocks", Text: true, Note: "of tables, compressed or not"},
			{Name: "written", Note: "bytes of tables written for each byte put, flushes and compactions"},
			{Name: "(model)"},
			{Name: "with log", Note: "the log's bytes besides, with framing"},
			{Name: "space", Note: "bytes of tables for each byte of keys and values that are alive, the mean of the samples"},
			{Name: "(model)"},
			{Name: "peak", Note: "the most that it ever was, also while a compaction was running"},
			{Name: "(model)"},
			{Name: "blocks/Get", Note: "read from the disk, without a cache, if the key is there"},
			{Name: "(model)"},
			{Name: "absent", Note: "the same, if it is not"},
			{Name: "(model)"},
		},
	}
	for i, c := range cells {
		p := c.model().predict()
		mean, peak := c.space()
		found, absent := c.reads()
		row := report.Row{First: i == len(lsmGrowths), Cells: []string{fmt.Sprint(c.growth), fmt.Sprint(c.bits), compressionName(c.compression)}}
		add := func(measured, model float64) {
			row.Cells = append(row.Cells, plot.Number.Format(measured), "("+plot.Number.Format(model)+")")
		}
		tables, all := c.writes()
		add(tables, p.writes)
		row.Cells = append(row.Cells, plot.Number.Format(all))
		add(mean, p.space)
		add(peak, p.peak)
		add(found, p.found)
		add(absent, p.absent)
		t.Rows = append(t.Rows, row)
	}
	return t
}

// result is the same for programs. There is no time: what it takes to count says
// nothing about the store.
func (c *countedLSM) result() report.Result {
	tables, all := c.writes()
	mean, peak := c.space()
	found, absent := c.reads()
	return report.Result{
		Experiment: fmt.Sprintf("lsm/counted/growth=%d/bits=%v/compressed=%v", c.growth, c.bits, c.compression == lsm.S2),
		Load:       "settled", Workers: 1, Rounds: 1, RecordBytes: lsmUserBytes, Ops: uint64(c.end().puts),
		Metrics: map[string]float64{
			"entries": float64(c.entries), "write_amp": tables, "write_amp_with_log": all,
			"space_amp": mean, "space_amp_peak": peak, "blocks_per_get": found, "blocks_per_absent_get": absent,
		},
	}
}

// latencyColumns are the percentiles of both tables.
func latencyColumns() []report.Column {
	return []report.Column{
		{Name: "p50", Note: "half took no longer"},
		{Name: "p99", Note: "1 in 100 took longer"},
		{Name: "p99.9", Note: "1 in 1,000 took longer"},
		{Name: "max", Note: "the longest of all"},
	}
}

func latencies(quantile func(float64) float64) (cells []string) {
	for _, q := range []float64{0.5, 0.99, 0.999, 1} {
		cells = append(cells, plot.Duration.Format(quantile(q)))
	}
	return cells
}

// putTable has a row for each durability and number of writers.
func putTable(cells []*timedLSM) report.Table {
	t := report.Table{Title: "Puts (closed loop)", Columns: []report.Column{
		{Name: "durability", Text: true, Note: "what an entry has survived when Put returns: synced a power cut, flushed a crash of the process, buffered neither"},
		{Name: "writers", Note: "goroutines, each of which waits for its own Put"},
		{Name: "puts/s", Note: "of all writers together"},
	}}
	t.Columns = append(append(t.Columns, latencyColumns()...),
		report.Column{Name: "fsyncs/put", Note: "of the log, tables, manifest and directories"},
		report.Column{Name: "waiting", Note: "part of the time that a writer waited for flushes and compactions to catch up"})
	for i, c := range cells {
		row := report.Row{First: i > 0 && c.writers != cells[i-1].writers, Cells: []string{
			c.durability.String(), fmt.Sprint(c.writers), plot.Number.Format(c.rate())}}
		row.Cells = append(append(row.Cells, latencies(c.quantile)...), perRecord(c.fsyncs()), plot.Percent.Format(c.waiting()))
		t.Rows = append(t.Rows, row)
	}
	return t
}

// getTable has two rows for each store.
func getTable(cells []*readLSM) report.Table {
	t := report.Table{Title: "Gets (closed loop, one reader, no block cache)", Columns: []report.Column{
		{Name: "filter", Note: "bits for each key; 0 for none"},
		{Name: "key", Text: true, Note: "whether it is in the store"},
		{Name: "gets/s"},
	}}
	t.Columns = append(append(t.Columns, latencyColumns()...), report.Column{Name: "blocks/Get", Note: "read from files"})
	for i, c := range cells {
		add := func(key string, g *timedGets, first bool) {
			row := report.Row{First: first, Cells: []string{fmt.Sprint(c.bits), key, plot.Number.Format(g.rate())}}
			row.Cells = append(append(row.Cells, latencies(g.quantile)...), plot.Number.Format(g.perGet()))
			t.Rows = append(t.Rows, row)
		}
		add("there", &c.found, i > 0)
		add("absent", &c.absent, false)
	}
	return t
}

// result is the same for programs.
func (c *timedLSM) result() report.Result {
	return report.Result{
		Experiment: "lsm/put", Load: "closed loop", Durability: c.durability.String(), Workers: c.writers, RecordBytes: lsmUserBytes,
		Rounds: len(c.rates), Ops: c.puts.Count(), Elapsed: c.elapsed, PerSecond: c.rate(), Slowest: slices.Min(c.rates), Fastest: slices.Max(c.rates),
		Metrics: map[string]float64{"fsyncs_per_put": c.fsyncs(), "waiting": c.waiting()},
		Latency: &c.puts,
	}
}

func (c *readLSM) results() []report.Result {
	return []report.Result{
		c.found.result(fmt.Sprintf("lsm/get/key=there/bits=%v", c.bits)), c.absent.result(fmt.Sprintf("lsm/get/key=absent/bits=%v", c.bits)),
	}
}

func (g *timedGets) result(name string) report.Result {
	return report.Result{
		Experiment: name, Load: "closed loop", Workers: 1, RecordBytes: lsmUserBytes, Rounds: len(g.rates), Ops: g.latency.Count(), Elapsed: g.elapsed,
		PerSecond: g.rate(), Slowest: slices.Min(g.rates), Fastest: slices.Max(g.rates),
		Metrics: map[string]float64{"blocks_per_get": g.perGet()}, Latency: &g.latency,
	}
}
