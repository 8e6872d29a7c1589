package main

import (
	"fmt"

	"github.com/plinth-go/plinth/bench/plot"
	"github.com/plinth-go/plinth/bench/report"
)

func (r *btreeResults) byPageSize() report.Figure {
	chart := plot.Lines{
		Title: "Bytes written for each byte put, and looked at for each byte got, by page size",
		X:     plot.Axis{Label: "size of a page", Kind: plot.Log, Unit: plot.Bytes},
		Y:     plot.Axis{Label: "bytes for each byte put or got", Kind: plot.Log},
	}
	written, got := plot.Series{Name: "written"}, plot.Series{Name: "looked at"}
	model := plot.Series{Name: "model, written", Dashed: true}
	lookedAt := func(c *treeCell) float64 { return float64(c.height*c.pageSize) / lsmUserBytes }
	for _, c := range r.pages {
		x := float64(c.pageSize)
		_, all := c.model().writes(c.interval)
		chart.X.Ticks = append(chart.X.Ticks, x)
		written.Points = append(written.Points, plot.Point{X: x, Y: c.first.amp()})
		model.Points = append(model.Points, plot.Point{X: x, Y: all, Plain: true})
		got.Points = append(got.Points, plot.Point{X: x, Y: lookedAt(c)})
	}
	chart.Series = []plot.Series{written, model, got}
	small, large := r.pages[0], r.pages[len(r.pages)-1]
	return report.Figure{
		Title: "The size of a page",
		Chart: chart,
		See: fmt.Sprintf("With pages of %s each byte put is written %s times and the tree has %d levels; with %s %s times, and %d.",
			plot.Bytes.Format(float64(small.pageSize)), plot.Number.Format(small.first.amp()), small.height,
			plot.Bytes.Format(float64(large.pageSize)), plot.Number.Format(large.first.amp()), large.height),
		Why: "A page is read and written whole, for one entry too. Larger pages make the tree flatter, but the levels above the leaves are small and in memory anyway. They help where the disk takes as long for a small read as for a large one, and where entries are large.",
		How: r.s.again("btree"),
	}
}

func (r *btreeResults) byFill() report.Figure {
	chart := plot.Lines{
		Title: "Space for each byte alive, by how full pages are left",
		X:     plot.Axis{Label: "fill of pages when keys come in order", Unit: plot.Percent, Ticks: treeFills[:]},
		Y:     plot.Axis{Label: "bytes of the file for each byte alive", Zero: true},
	}
	loaded, later := plot.Series{Name: "loaded"}, plot.Series{Name: "after inserts"}
	best := r.fills[0]
	for _, c := range r.fills {
		loaded.Points = append(loaded.Points, plot.Point{X: c.fill, Y: c.space})
		later.Points = append(later.Points, plot.Point{X: c.fill, Y: c.late})
		if c.late < best.late {
			best = c
		}
	}
	chart.Series = []plot.Series{loaded, later}
	full := r.fills[len(r.fills)-1]
	return report.Figure{
		Title: "How full to leave a page",
		Chart: chart,
		See: fmt.Sprintf("Filled to %s, the file has %s bytes for each of an entry, and %s when a fifth as many keys have come in between, for each byte of which %s were written. Filled to %s it goes from %s to %s, with %s written.",
			plot.Percent.Format(full.fill), plot.Number.Format(full.space), plot.Number.Format(full.late), plot.Number.Format(full.then.amp()),
			plot.Percent.Format(best.fill), plot.Number.Format(best.space), plot.Number.Format(best.late), plot.Number.Format(best.then.amp())),
		Why: "A full page is split by the next key that belongs into it, and then two are half full. Leave room for what will come in between; if all keys come in order, leave none.",
		How: r.s.again("btree"),
	}
}

func (r *btreeResults) latency(k int) report.Figure {
	title, why := "Latency of a commit of one put", "With a log a commit waits for one fsync, of a few hundred bytes. Without, it waits for two, one after the other: the pages must be on the disk before what makes them the tree. On the right are those that met a checkpoint, or a memtable that was full."
	if k == workScan {
		title, why = "Latency of a scan of 100", "All entries are in memory here, so what is seen is the work of the processor: one leaf after the other, or a merge of several tables. What was read from the disk is in the table of what is counted."
	}
	var series []plot.Series
	see := "In the median it takes"
	for i, c := range r.timed {
		series = append(series, plot.Series{Name: c.design.name, Points: plot.Quantiles(c.works[k].latency.Count(), func(q float64) float64 { return c.quantile(k, q) })})
		if i > 0 {
			see += ","
		}
		see += fmt.Sprintf(" %s (%s)", plot.Duration.Format(c.quantile(k, .5)), c.design.name)
	}
	return report.Figure{Title: title, Chart: plot.Percentiles(title+" by store", series...), See: see + ".", Why: why, How: r.s.again("btree")}
}

func (r *btreeResults) notes() []string {
	c := r.counted[logged]
	rounds := "Each store was measured once: expect other numbers next time, and use -full for medians of several rounds."
	if n := r.s.profile.rounds; n > 1 {
		rounds = fmt.Sprintf("Each store was measured in %d rounds of mixed order; rates are medians, latencies are of all rounds together.", n)
	}
	return []string{
		fmt.Sprintf("What is counted is the same on every machine. Each store has %s keys of %d bytes with values of %d, is filled in random order and overwritten once. It has an eighth of their bytes as memory, half of it for what is not in its place yet: as a memtable, or as pages that have changed, and when that is full, it is written before the next commit. What is due at the end is written and counted too. The B+trees and the LSM tree lie on a disk in memory that counts.",
			grouped(c.entries), lsmKeySize, lsmValueSize),
		"What bbolt writes is exact: it counts the pages that a commit allocates, each of which is written once, and a meta page comes with each commit; so are its fsyncs, two for a commit and one more when the file grows. What it reads comes through a mapping of the file, which nobody counts. Scans are an exception: the addresses of the keys tell which leaves they came to. The pages above are not in that, and nothing is subtracted for leaves that are in memory.",
		"The B+tree is opened anew for reading, so that its pages have that memory and no more. The LSM tree keeps filters and the index in it, and no blocks; it reads ahead in a scan. Zeros that are written ahead of the log are not counted. The space of a B+tree is that of its pages, free ones included, and not that of its log.",
		fmt.Sprintf("What is timed lies on the disk, with %s keys in memory that suffices for all; every commit waits for the disk, and the store compacts and makes checkpoints when it likes, after %s of log or of a memtable. Each work has %v. %s",
			grouped(r.timed[0].entries), plot.Bytes.Format(timedMemtable), r.s.profile.cell/timeShare, rounds),
		"After each run all entries are read and compared with what was put last.",
	}
}
