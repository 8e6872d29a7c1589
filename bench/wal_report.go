package main

import (
	"fmt"

	"github.com/plinth-go/plinth/bench/plot"
	"github.com/plinth-go/plinth/bench/report"
	"github.com/plinth-go/plinth/wal"
)

// walPart says what the cells have shown. Every number in its sentences comes
// from them.
func walPart(cells []*walCell, s *session) report.Part {
	w := walResults{cells: cells, how: s.again("wal"), sizes: []int{0}}
	if s.input == "" {
		w.sizes = walSizes[:]
	}
	p := report.Part{
		Title: "Write-ahead log: what an fsync costs, and how writers share it",
		Lead: []string{
			"A log can promise three things when it has taken a record: that it is on the disk, that the operating system has it, or that it is in memory. The first survives a power cut and has to wait for the disk. How much slower is it, and does it have to be?",
		},
		Facts:  w.facts(),
		Tables: []report.Table{walTable(cells)},
		Notes:  w.notes(s),
	}
	for _, size := range w.sizes {
		p.Figures = append(p.Figures, w.throughput(size))
	}
	p.Figures = append(p.Figures, w.fsyncs(), w.latencyByWriters(), w.latencyByDurability(), w.amplification())
	for _, c := range cells {
		p.Results = append(p.Results, c.result(s))
	}
	return p
}

// walResults finds cells and draws them.
type walResults struct {
	cells []*walCell
	sizes []int
	how   string
}

func (w walResults) cell(d wal.Durability, writers, size int) *walCell {
	for _, c := range w.cells {
		if c.durability == d && c.writers == writers && c.size == size {
			return c
		}
	}
	panic("bench: no such cell")
}

const fewest, most = 1, 64 // writers

// ratio writes how many times as large a is as b.
func ratio(a, b float64) string { return plot.Number.Format(a/b) + "×" }

func (w walResults) facts() []report.Fact {
	size := w.sizes[0]
	one, many := w.cell(wal.Synced, fewest, size), w.cell(wal.Synced, most, size)
	flushed := w.cell(wal.Flushed, fewest, size)
	return []report.Fact{
		{Value: plot.Number.Format(one.rate()), Label: fmt.Sprintf("synced records a second from one writer (%s)", sizeName(size))},
		{Value: ratio(many.rate(), one.rate()), Label: fmt.Sprintf("as many from %d writers, who share fsyncs", most)},
		{Value: plot.Number.Format(1 / many.fsyncs()), Label: fmt.Sprintf("records per fsync, with %d writers", most)},
		{Value: ratio(flushed.rate(), one.rate()), Label: "as many from one writer who does not wait for the disk"},
	}
}

func (w walResults) throughput(size int) report.Figure {
	chart := plot.Lines{
		Title: fmt.Sprintf("Records per second by number of writers, %s", sizeName(size)),
		X:     plot.Axis{Label: "writers", Kind: plot.Log, Ticks: writerTicks()},
		Y:     plot.Axis{Label: "records per second", Kind: plot.Log},
	}
	for _, d := range walDurabilities {
		series := plot.Series{Name: d.String()}
		for _, n := range walWriters {
			r := w.cell(d, n, size).result(&session{})
			series.Points = append(series.Points, plot.Point{X: float64(n), Y: r.PerSecond, Lo: r.Slowest, Hi: r.Fastest})
		}
		chart.Series = append(chart.Series, series)
	}
	one, many := w.cell(wal.Synced, fewest, size), w.cell(wal.Synced, most, size)
	flushedOne, flushedMany := w.cell(wal.Flushed, fewest, size), w.cell(wal.Flushed, most, size)
	return report.Figure{
		Title: fmt.Sprintf("Throughput, %s records", sizeName(size)),
		Chart: chart,
		See: fmt.Sprintf("One synced writer stores %s records a second; %d of them store %s, %s as many. A single writer who only hands its records to the operating system is %s as fast as a synced one; among %d writers the factor is %s.",
			plot.Number.Format(one.rate()), most, plot.Number.Format(many.rate()), ratio(many.rate(), one.rate()),
			ratio(flushedOne.rate(), one.rate()), most, ratio(flushedMany.rate(), many.rate())),
		Why: "While one fsync is under way, the records of all other writers gather; the next fsync takes them all. The more there are, the more each fsync is worth. Without an fsync only the cost of the write itself is left to share.",
		How: w.how,
	}
}

func (w walResults) fsyncs() report.Figure {
	chart := plot.Lines{
		Title: "Fsyncs per record by number of writers, synced",
		X:     plot.Axis{Label: "writers", Kind: plot.Log, Ticks: writerTicks()},
		Y:     plot.Axis{Label: "fsyncs per record", Kind: plot.Log},
	}
	for _, size := range w.sizes {
		series := plot.Series{Name: sizeName(size)}
		for _, n := range walWriters {
			series.Points = append(series.Points, plot.Point{X: float64(n), Y: w.cell(wal.Synced, n, size).fsyncs()})
		}
		chart.Series = append(chart.Series, series)
	}
	size := w.sizes[0]
	one, many := w.cell(wal.Synced, fewest, size), w.cell(wal.Synced, most, size)
	return report.Figure{
		Title: "Group commit, counted",
		Chart: chart,
		See: fmt.Sprintf("Fsyncs per record of %s: %s with one writer, %s with %d, where each fsync makes %s records durable.",
			sizeName(size), plot.Number.Format(one.fsyncs()), plot.Number.Format(many.fsyncs()), most, plot.Number.Format(1/many.fsyncs())),
		Why: "This is counted at the file system, not timed. Flushed and buffered logs are not in the picture: they pay next to nothing, and promise less.",
		How: w.how,
	}
}

func (w walResults) latencyByWriters() report.Figure {
	size := w.sizes[0]
	var series []plot.Series
	for _, n := range walWriters {
		c := w.cell(wal.Synced, n, size)
		series = append(series, plot.Series{Name: count(n, "writer"), Points: plot.Quantiles(c.latency.Count(), c.quantile)})
	}
	one, many := w.cell(wal.Synced, fewest, size), w.cell(wal.Synced, most, size)
	return report.Figure{
		Title: fmt.Sprintf("Latency of a synced append, %s", sizeName(size)),
		Chart: plot.Percentiles("Latency distribution of synced appends by number of writers", series...),
		See: fmt.Sprintf("The median goes from %s for one writer to %s for %d, %s, while %s as much gets done. The p99 goes from %s to %s.",
			plot.Duration.Format(one.quantile(.5)), plot.Duration.Format(many.quantile(.5)), most,
			ratio(many.quantile(.5), one.quantile(.5)), ratio(many.rate(), one.rate()),
			plot.Duration.Format(one.quantile(.99)), plot.Duration.Format(many.quantile(.99))),
		Why: "A writer that arrives while an fsync is under way waits for the rest of it and then for its own. To the right the axis goes by nines: at p99.9 one append in 1,000 takes longer.",
		How: w.how,
	}
}

func (w walResults) latencyByDurability() report.Figure {
	size := w.sizes[0]
	var series []plot.Series
	for _, d := range walDurabilities {
		c := w.cell(d, fewest, size)
		series = append(series, plot.Series{Name: d.String(), Points: plot.Quantiles(c.latency.Count(), c.quantile)})
	}
	synced, flushed, buffered := w.cell(wal.Synced, fewest, size), w.cell(wal.Flushed, fewest, size), w.cell(wal.Buffered, fewest, size)
	return report.Figure{
		Title: fmt.Sprintf("Latency of one writer, %s", sizeName(size)),
		Chart: plot.Percentiles("Latency distribution of one writer by durability", series...),
		See: fmt.Sprintf("In the median an append takes %s synced, %s flushed and %s buffered. The longest took %s, %s and %s.",
			plot.Duration.Format(synced.quantile(.5)), plot.Duration.Format(flushed.quantile(.5)), plot.Duration.Format(buffered.quantile(.5)),
			plot.Duration.Format(synced.quantile(1)), plot.Duration.Format(flushed.quantile(1)), plot.Duration.Format(buffered.quantile(1))),
		Why: "Not to wait for the disk moves the wait, it does not abolish it: where the buffer is written out, or a segment ends, one append pays for many. These are the steps on the right.",
		How: w.how,
	}
}

func (w walResults) amplification() report.Figure {
	chart := plot.Bars{
		Title: "Bytes written per byte of payload, synced",
		X:     plot.Axis{Label: "bytes written per byte of payload"},
	}
	for k, size := range w.sizes {
		for _, n := range walWriters {
			chart.Bars = append(chart.Bars, plot.Bar{Name: sizeName(size) + ", " + count(n, "writer"), Value: w.cell(wal.Synced, n, size).amp(), Color: k})
		}
	}
	small, large := w.cell(wal.Synced, fewest, w.sizes[0]), w.cell(wal.Synced, fewest, w.sizes[len(w.sizes)-1])
	see := fmt.Sprintf("For each byte of a record of %s the log writes %s bytes.", sizeName(small.size), plot.Number.Format(small.amp()))
	switch {
	case small.size == 0:
		see = fmt.Sprintf("For each byte of a line, %s long in the mean, the log writes %s bytes.", plot.Bytes.Format(small.bytes()), plot.Number.Format(small.amp()))
	case small != large:
		see += fmt.Sprintf(" For %s it is %s.", sizeName(large.size), plot.Number.Format(large.amp()))
	}
	return report.Figure{
		Title: "Write amplification",
		Chart: chart,
		See:   see,
		Why:   "Each record has a header with its checksum, and padding; the longer the record, the less they weigh. Zeros written ahead of the records are not in the picture: they are written once per segment and listed in the table.",
		How:   w.how,
	}
}

func (w walResults) notes(s *session) []string {
	records := "Records are random bytes, the same in every run."
	if s.input != "" {
		records = fmt.Sprintf("Records are the lines of %s, from the beginning again when it ends.", s.input)
	}
	rounds := "Each combination was measured once: expect other numbers next time, and use -full for medians of several rounds."
	if s.profile.rounds > 1 {
		rounds = fmt.Sprintf("Each combination was measured in %d rounds of mixed order. Rates are medians, the thin vertical lines reach from the slowest round to the fastest; latencies are of all rounds together.", s.profile.rounds)
	}
	return []string{
		"The load is a closed loop: each writer waits for its record before it appends the next. That shows what so many writers get done. It does not show how long requests would wait that arrive on their own schedule: during a stall no writer sends any, so the stall counts as one slow append and not as the many that would have met it. It is seen in the maximum.",
		fmt.Sprintf("%s A combination runs for %v, or until %s of records are written, on a log of its own, after a warm-up of a tenth of that. %s", records, s.profile.cell, plot.Bytes.Format(float64(s.profile.bytes)), rounds),
		"After each round the log is opened again: its checksums are verified, its records counted, and a sample compared with what was appended.",
		"Latencies are counted in a histogram whose buckets are 0.8 % wide at most; percentiles are rounded up to a bucket's end. Maxima, bytes and fsyncs are exact.",
	}
}

func writerTicks() []float64 {
	var ticks []float64
	for _, n := range walWriters {
		ticks = append(ticks, float64(n))
	}
	return ticks
}
