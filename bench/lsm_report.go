package main

import (
	"fmt"

	"github.com/plinth-go/plinth/bench/plot"
	"github.com/plinth-go/plinth/bench/report"
	"github.com/plinth-go/plinth/lsm"
	"github.com/plinth-go/plinth/wal"
)

// part says what the experiment has shown. Every number in its sentences comes from
// this run.
func (r *lsmResults) part() report.Part {
	p := report.Part{
		Title: "Log-structured merge tree: what it writes, keeps and reads, and how long that takes",
		Lead: []string{
			"A store that never changes anything in place writes each entry again and again, keeps for a while what was overwritten, and looks for a key in several places. How much of each is one decision: how many times larger each level is than the one above. Before you look: if levels are 20 times larger instead of 10, does the store write more or less, and does it take more space or less?",
		},
		Facts:   r.facts(),
		Figures: []report.Figure{r.writesByGrowth(), r.spaceByGrowth(), r.writesByTime(), r.readsByFilter()},
		Tables:  []report.Table{countedTable(r.counted), putTable(r.timed), getTable(r.read)},
		Notes:   r.notes(),
	}
	for _, n := range timedWriters {
		p.Figures = append(p.Figures, r.putLatency(n))
	}
	p.Figures = append(p.Figures, r.getLatency())
	for _, c := range r.counted {
		p.Results = append(p.Results, c.result())
	}
	for _, c := range r.timed {
		p.Results = append(p.Results, c.result())
	}
	for _, c := range r.read {
		p.Results = append(p.Results, c.results()...)
	}
	return p
}

// design returns the store of a design that was counted.
func (r *lsmResults) design(growth int, bits float64) *countedLSM {
	for _, c := range r.counted {
		if c.growth == growth && c.bits == bits && c.compression == lsm.NoCompression {
			return c
		}
	}
	panic("bench: no such design")
}

// cell returns a measurement of time.
func (r *lsmResults) cell(d wal.Durability, writers int) *timedLSM {
	for _, c := range r.timed {
		if c.durability == d && c.writers == writers {
			return c
		}
	}
	panic("bench: no such cell")
}

func (r *lsmResults) facts() []report.Fact {
	c := r.design(lsmGrowth, lsmBits)
	tables, _ := c.writes()
	mean, _ := c.space()
	_, absent := c.reads()
	_, blind := r.design(lsmGrowth, 0).reads()
	synced, flushed := r.cell(wal.Synced, 1), r.cell(wal.Flushed, 1)
	return []report.Fact{
		{Value: plot.Number.Format(tables), Label: fmt.Sprintf("bytes written to tables for each byte put, growth %d; the model says %s", lsmGrowth, plot.Number.Format(c.model().predict().writes))},
		{Value: plot.Number.Format(mean), Label: "bytes of tables for each byte that is alive"},
		{Value: plot.Number.Format(absent), Label: fmt.Sprintf("blocks read for a key that is not there; without filters %s", plot.Number.Format(blind))},
		{Value: ratio(synced.quantile(.5), flushed.quantile(.5)), Label: "as long takes a Put that waits for the disk, in the median"},
	}
}

func growthAxis() plot.Axis {
	axis := plot.Axis{Label: "growth: how many times larger each level is than the one above", Kind: plot.Log}
	for _, g := range lsmGrowths {
		axis.Ticks = append(axis.Ticks, float64(g))
	}
	return axis
}

// byGrowth draws a measured number of each growth.
func (r *lsmResults) byGrowth(name string, measured func(*countedLSM) float64) plot.Series {
	s := plot.Series{Name: name}
	for _, g := range lsmGrowths {
		s.Points = append(s.Points, plot.Point{X: float64(g), Y: measured(r.design(g, lsmBits))})
	}
	return s
}

// modelByGrowth draws what the model says of every growth, also of those between.
func (r *lsmResults) modelByGrowth(name string, predicted func(lsmPrediction) float64) plot.Series {
	s := plot.Series{Name: name, Dashed: true}
	m := r.design(lsmGrowth, lsmBits).model()
	for g := lsmGrowths[0]; g <= lsmGrowths[len(lsmGrowths)-1]; g++ {
		m.growth = float64(g)
		s.Points = append(s.Points, plot.Point{X: m.growth, Y: predicted(m.predict()), Plain: true})
	}
	return s
}

func (r *lsmResults) writesByGrowth() report.Figure {
	tables := func(c *countedLSM) float64 { tables, _ := c.writes(); return tables }
	all := func(c *countedLSM) float64 { _, all := c.writes(); return all }
	title := "Bytes written for each byte put, by growth"
	small, large := r.design(lsmGrowths[1], lsmBits), r.design(lsmGrowths[len(lsmGrowths)-1], lsmBits)
	return report.Figure{
		Title: "Write amplification and its model",
		Chart: plot.Lines{
			Title: title, X: growthAxis(), Y: plot.Axis{Label: "bytes written for each byte put", Zero: true},
			Series: []plot.Series{
				r.byGrowth("tables", tables),
				r.modelByGrowth("model", func(p lsmPrediction) float64 { return p.writes }),
				r.byGrowth("tables and log", all),
			},
		},
		See: fmt.Sprintf("With growth %d each byte that is put is written %s times to tables, with growth %d %s times; the model says %s and %s. The log is once more, and its framing.",
			small.growth, plot.Number.Format(tables(small)), large.growth, plot.Number.Format(tables(large)),
			plot.Number.Format(small.model().predict().writes), plot.Number.Format(large.model().predict().writes)),
		Why: "A table that moves down is merged with what overlaps below, half of growth times as much. Larger growth means fewer levels to pass, and each costs more. The steps in the model are where one more level fits.",
		How: r.s.again("lsm"),
	}
}

func (r *lsmResults) spaceByGrowth() report.Figure {
	mean := func(c *countedLSM) float64 { mean, _ := c.space(); return mean }
	peak := func(c *countedLSM) float64 { _, peak := c.space(); return peak }
	least, large := r.design(lsmGrowths[0], lsmBits), r.design(lsmGrowth, lsmBits)
	return report.Figure{
		Title: "Space amplification and its model",
		Chart: plot.Lines{
			Title: "Bytes of tables for each byte that is alive, by growth", X: growthAxis(), Y: plot.Axis{Label: "bytes of tables for each byte alive"},
			Series: []plot.Series{
				r.byGrowth("mean", mean),
				r.modelByGrowth("model, mean", func(p lsmPrediction) float64 { return p.space }),
				r.byGrowth("peak", peak),
				r.modelByGrowth("model, peak", func(p lsmPrediction) float64 { return p.peak }),
			},
		},
		See: fmt.Sprintf("With growth %d the tables take %s times what is alive, %s at the peak; with growth %d %s and %s.",
			least.growth, plot.Number.Format(mean(least)), plot.Number.Format(peak(least)), large.growth, plot.Number.Format(mean(large)), plot.Number.Format(peak(large))),
		Why: "The last level has every key once. What lies above it is newer versions of the same keys, a half, a quarter or a tenth as much: waste, until it has moved down. The peak comes when a merge has written its output and its input is still there. That is a few tables, so the larger the store, the less it shows.",
		How: r.s.again("lsm"),
	}
}

func (r *lsmResults) writesByTime() report.Figure {
	chart := plot.Lines{
		Title: "Bytes written for each byte put, by the age of the store",
		X:     plot.Axis{Label: "overwrites of each key, on average"},
		Y:     plot.Axis{Label: "bytes written to tables, for each byte put since the store was full", Zero: true},
	}
	for _, g := range lsmGrowths {
		c := r.design(g, lsmBits)
		s := plot.Series{Name: fmt.Sprintf("growth %d", g)}
		for _, sample := range c.samples {
			s.Points = append(s.Points, plot.Point{X: float64(sample.puts) / float64(c.entries), Y: sample.since(lsmSample{})})
		}
		chart.Series = append(chart.Series, s)
	}
	c := r.design(lsmGrowth, lsmBits)
	first, last := c.samples[0].since(lsmSample{}), c.end().since(lsmSample{})
	return report.Figure{
		Title: "Write amplification while the store is overwritten",
		Chart: chart,
		See: fmt.Sprintf("With growth %d it is %s after the first %s puts, and %s after %s.", c.growth,
			plot.Number.Format(first), grouped(int(c.samples[0].puts)), plot.Number.Format(last), grouped(int(c.end().puts))),
		Why: "A benchmark that stops early measures a store that has not paid yet: what was put lies in the upper levels, and its way down is still to come. Here it begins full, and the lines are level soon; from an empty store it takes longer.",
		How: r.s.again("lsm"),
	}
}

func (r *lsmResults) readsByFilter() report.Figure {
	names := []string{"there", "absent"}
	measured, models := make([]plot.Series, 2), make([]plot.Series, 2)
	m := r.design(lsmGrowth, lsmBits).model()
	for i, name := range names {
		measured[i].Name = name
		models[i] = plot.Series{Name: "model, " + name, Dashed: true}
	}
	for _, bits := range lsmFilters {
		found, absent := r.design(lsmGrowth, bits).reads()
		for i, y := range []float64{found, absent} {
			measured[i].Points = append(measured[i].Points, plot.Point{X: bits, Y: y})
		}
	}
	for bits := 0.0; bits <= lsmFilters[len(lsmFilters)-1]; bits++ {
		m.bloomBits = bits
		p := m.predict()
		for i, y := range []float64{p.found, p.absent} {
			models[i].Points = append(models[i].Points, plot.Point{X: bits, Y: y, Plain: true})
		}
	}
	axis := plot.Axis{Label: "bits of the filters for each key"}
	for _, bits := range lsmFilters {
		axis.Ticks = append(axis.Ticks, bits)
	}
	found, absent := r.design(lsmGrowth, lsmBits).reads()
	blind, none := r.design(lsmGrowth, 0).reads()
	return report.Figure{
		Title: "Read amplification and its model",
		Chart: plot.Lines{
			Title: "Blocks read for each Get by size of the filters", X: axis, Y: plot.Axis{Label: "blocks read for each Get", Kind: plot.Log},
			Series: []plot.Series{measured[0], models[0], measured[1], models[1]},
		},
		See: fmt.Sprintf("Without filters a Get reads %s blocks for a key that is there and %s for one that is not; with %d bits for each key %s and %s.",
			plot.Number.Format(blind), plot.Number.Format(none), lsmBits, plot.Number.Format(found), plot.Number.Format(absent)),
		Why: "Without filters every table that may have the key costs a block, until one has it; and who asks for a key that is nowhere pays for all of them. A filter says no without reading. Each bit more makes its mistakes rarer by about the same factor.",
		How: r.s.again("lsm"),
	}
}

func (r *lsmResults) putLatency(writers int) report.Figure {
	var series []plot.Series
	for _, d := range timedDurabilities {
		c := r.cell(d, writers)
		series = append(series, plot.Series{Name: d.String(), Points: plot.Quantiles(c.puts.Count(), c.quantile)})
	}
	synced, flushed, buffered := r.cell(wal.Synced, writers), r.cell(wal.Flushed, writers), r.cell(wal.Buffered, writers)
	see := fmt.Sprintf("In the median a Put takes %s synced, %s flushed and %s buffered; the longest took %s, %s and %s. ",
		plot.Duration.Format(synced.quantile(.5)), plot.Duration.Format(flushed.quantile(.5)), plot.Duration.Format(buffered.quantile(.5)),
		plot.Duration.Format(synced.quantile(1)), plot.Duration.Format(flushed.quantile(1)), plot.Duration.Format(buffered.quantile(1)))
	if writers > 1 {
		see += fmt.Sprintf("%d synced writers put %s as many entries as one, with %s fsyncs for each.", writers, ratio(synced.rate(), r.cell(wal.Synced, 1).rate()), perRecord(synced.fsyncs()))
	} else {
		see += fmt.Sprintf("Buffered, the writer spent %s of his time waiting for the store to catch up.", plot.Percent.Format(buffered.waiting()))
	}
	return report.Figure{
		Title: "Latency of a Put, " + count(writers, "writer"),
		Chart: plot.Percentiles("Latency distribution of Puts by durability, "+count(writers, "writer"), series...),
		See:   see,
		Why:   "A Put is a record in the log and an entry in memory, so it takes as long as the log does. On the right are those that met something else: a full memtable with others before it, a compaction that is behind, or that has the processor. Who waits for the disk each time puts so little that this is seldom seen.",
		How:   r.s.again("lsm"),
	}
}

func (r *lsmResults) getLatency() report.Figure {
	with, without := r.read[0], r.read[1]
	series := func(name string, g *timedGets) plot.Series {
		return plot.Series{Name: name, Points: plot.Quantiles(g.latency.Count(), g.quantile)}
	}
	return report.Figure{
		Title: "Latency of a Get",
		Chart: plot.Percentiles("Latency distribution of Gets with and without filters",
			series("there", &with.found), series("absent", &with.absent), series("there, no filter", &without.found), series("absent, no filter", &without.absent)),
		See: fmt.Sprintf("In the median a Get takes %s if the key is there and %s if it is not; without filters %s and %s.",
			plot.Duration.Format(with.found.quantile(.5)), plot.Duration.Format(with.absent.quantile(.5)),
			plot.Duration.Format(without.found.quantile(.5)), plot.Duration.Format(without.absent.quantile(.5))),
		Why: "The store has no block cache here, but the operating system has one: a block that is read costs a system call, a checksum and a search in it, not a movement of the disk. Where it does, the difference is larger.",
		How: r.s.again("lsm"),
	}
}

func (r *lsmResults) notes() []string {
	c := r.design(lsmGrowth, lsmBits)
	rounds := "Each combination was measured once: expect other numbers next time, and use -full for medians of several rounds."
	if r.s.profile.rounds > 1 {
		rounds = fmt.Sprintf("Each combination was measured in %d rounds of mixed order; rates are medians, latencies are of all rounds together.", r.s.profile.rounds)
	}
	return []string{
		fmt.Sprintf("Keys have %d bytes, values %d, of which half compresses. Each key is as likely to be overwritten as any other, which is the worst case for a store like this: if some were likelier, more of their versions would meet in the memtable.", lsmKeySize, lsmValueSize),
		fmt.Sprintf("What is written, kept and read is counted at the file system, of one that is in memory, and the same on every machine: a store of %s keys is filled in random order and overwritten %d times over, and the writer waits after each memtable until compaction has caught up. Memtables have %d entries and tables %s, so that there are levels; they are counted from the moment when each key has been overwritten once, at %d samples with %d Gets of either kind.",
			grouped(c.entries), overwrites, c.memtable, plot.Bytes.Format(float64(c.table)), samples-samples/overwrites, sampleGets),
		fmt.Sprintf("The model is in bench/lsm_model.go. Stores of other sizes and designs are held against it in a test: it is right within %s for what is written, %s for space, %s for its peak, %s for the blocks of keys that are there and %s for those of others.",
			plot.Percent.Format(writesWithin), plot.Percent.Format(spaceWithin), plot.Percent.Format(peakWithin), plot.Percent.Format(foundWithin), plot.Percent.Format(absentWithin)),
		fmt.Sprintf("What is timed runs on the disk, in a closed loop, on %s keys. Puts are timed for %v in each combination, with memtables of %s, and writers do not wait for compaction unless the store makes them. Gets are timed for %v of each kind, from stores with memtables of %d entries that have been filled and overwritten once and have caught up. %s",
			grouped(int(r.s.profile.cell/timedCost)), r.s.profile.cell/3, plot.Bytes.Format(timedMemtable), r.s.profile.cell/4, readMemtable, rounds),
		"After each run all entries are read and compared with what was put last; stores whose Puts were timed are closed and opened before that.",
	}
}
