package main

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"

	"github.com/plinth-go/plinth/bench/plot"
	"github.com/plinth-go/plinth/bench/report"
	"github.com/plinth-go/plinth/cache/cachesim"
)

// part says what the experiment has shown. Every number in its sentences comes
// from this run.
func (r *cacheResults) part() report.Part {
	p := report.Part{
		Title: "Cache: which policy hits more, and what a lock costs",
		Lead: []string{
			"A cache is as good as its choice of what to forget. How good can that choice be at all, how close does each policy come, and is it the same one at every size? And what is left of a fast policy when every reader has to take its lock?",
		},
		Facts: r.facts(),
		Figures: []report.Figure{
			r.hits("Hit ratio by size of the cache: the classics", "Belady", "LRU", "FIFO", "CLOCK", "LFU", "2Q", "ARC"),
			r.hits("Hit ratio by size of the cache: newer policies", "Belady", "LRU", "W-TinyLFU", "S3-FIFO", "SIEVE", "Steered", "Cache"),
		},
		Tables: []report.Table{r.hitTable(), loadTable(r.cells)},
		Notes:  r.notes(),
	}
	for _, workers := range loadWorkers() {
		p.Figures = append(p.Figures, r.throughput(workers))
	}
	p.Results = r.hitResults()
	for _, c := range r.cells {
		p.Results = append(p.Results, c.result())
	}
	return p
}

func (r *cacheResults) facts() []report.Fact {
	i := r.middle()
	size := fmt.Sprintf("%s entries", grouped(r.sizes[i]))
	ratio := func(policy string) float64 { return r.find(policy).Points[i].Ratio() }
	most := slices.Max(loadWorkers())
	ours, locked := r.cell("Cache", 5, most), r.cell("LRU, a lock", 5, most)
	return []report.Fact{
		{Value: percent(ratio("Cache")) + " %", Label: "of the requests hit in Cache, with " + size},
		{Value: percent(ratio("LRU")) + " %", Label: "hit in LRU"},
		{Value: percent(ratio(cachesim.Bound)) + " %", Label: "is the most that any policy could hit (Belady)"},
		{Value: ratioOf(ours, locked), Label: fmt.Sprintf("as many operations a second as from an LRU with a lock, from %s with 5 %% writes", count(most, "goroutine"))},
	}
}

func ratioOf(a, b *loadCell) string { return ratio(a.rate(), b.rate()) }

// cell finds a measurement of throughput.
func (r *cacheResults) cell(impl string, writes, workers int) *loadCell {
	for _, c := range r.cells {
		if c.impl.name == impl && c.writes == writes && c.workers == workers {
			return c
		}
	}
	panic("bench: no such cell")
}

// hits draws the curves of some policies.
func (r *cacheResults) hits(title string, names ...string) report.Figure {
	chart := plot.Lines{
		Title: title,
		X:     plot.Axis{Label: fmt.Sprintf("entries of the cache, as a part of the %s keys", grouped(r.unique)), Kind: plot.Log, Unit: plot.Percent, Ticks: r.ticks()},
		Y:     plot.Axis{Label: "hits, as a part of the requests", Unit: plot.Percent, Zero: true},
	}
	for _, name := range names {
		series := plot.Series{Name: name}
		for _, p := range r.find(name).Points {
			series.Points = append(series.Points, plot.Point{X: r.fraction(p.Size), Y: p.Ratio()})
		}
		chart.Series = append(chart.Series, series)
	}
	return report.Figure{
		Title: title,
		Chart: chart,
		See:   r.seeHits(names),
		Why:   "No policy knows which key comes next; each guesses from something else: age, last use, number of uses, or what it regretted to have thrown out. The bound does know, so the gap below it is the price of guessing. On another load the policies change places.",
		How:   r.s.again("cache"),
	}
}

// seeHits tells who is first at three sizes, and how far behind the last is.
func (r *cacheResults) seeHits(names []string) (see string) {
	for _, i := range slices.Compact([]int{0, r.middle(), len(r.sizes) - 1}) {
		var ranked []cachesim.Series
		for _, name := range names[1:] {
			ranked = append(ranked, r.find(name))
		}
		slices.SortStableFunc(ranked, func(a, b cachesim.Series) int { return cmp.Compare(b.Points[i].Hits, a.Points[i].Hits) })
		first, last := ranked[0], ranked[len(ranked)-1]
		if first.Points[i].Hits == last.Points[i].Hits {
			see += fmt.Sprintf("With %s entries all of them hit in %s %% of the requests; the bound is %s %%. ", grouped(r.sizes[i]),
				percent(first.Points[i].Ratio()), percent(r.series[0].Points[i].Ratio()))
			continue
		}
		see += fmt.Sprintf("With %s entries %s hits most often, in %s %% of the requests, and %s least, in %s %%; the bound is %s %%. ", grouped(r.sizes[i]),
			first.Name, percent(first.Points[i].Ratio()), last.Name, percent(last.Points[i].Ratio()), percent(r.series[0].Points[i].Ratio()))
	}
	return see[:len(see)-1]
}

// ticks are at round parts of the keys.
func (r *cacheResults) ticks() (ticks []float64) {
	for _, t := range []float64{0.01, 0.02, 0.05, 0.1, 0.2} {
		if r.fraction(r.sizes[0]) <= t*1.001 {
			ticks = append(ticks, t)
		}
	}
	return ticks
}

func (r *cacheResults) throughput(workers int) report.Figure {
	who := count(workers, "goroutine")
	chart := plot.Lines{
		Title: "Operations per second by share of writes, " + who,
		X:     plot.Axis{Label: "share of writes", Unit: plot.Percent, Ticks: writeTicks()},
		Y:     plot.Axis{Label: "operations per second", Zero: true},
	}
	for _, impl := range loadImpls() {
		series := plot.Series{Name: impl.name}
		for _, writes := range loadWrites {
			res := r.cell(impl.name, writes, workers).result()
			series.Points = append(series.Points, plot.Point{X: float64(writes) / 100, Y: res.PerSecond, Lo: res.Slowest, Hi: res.Fastest})
		}
		chart.Series = append(chart.Series, series)
	}
	reads, mixed, writes := r.cell("Cache", 0, workers), r.cell("Cache", 5, workers), r.cell("Cache", 100, workers)
	see := fmt.Sprintf("Cache does %s reads a second and %s writes. An LRU with a lock does %s and %s, so Cache does %s as many reads and %s as many writes; with 5 %% writes it is %s.",
		plot.Number.Format(reads.rate()), plot.Number.Format(writes.rate()),
		plot.Number.Format(r.cell("LRU, a lock", 0, workers).rate()), plot.Number.Format(r.cell("LRU, a lock", 100, workers).rate()),
		ratioOf(reads, r.cell("LRU, a lock", 0, workers)), ratioOf(writes, r.cell("LRU, a lock", 100, workers)),
		ratioOf(mixed, r.cell("LRU, a lock", 5, workers)))
	if workers > 1 {
		see += fmt.Sprintf(" From one goroutine to %d, Cache's reads become %s as many, those of the LRU with a lock %s, with 32 locks %s.", workers,
			ratioOf(reads, r.cell("Cache", 0, 1)), ratioOf(r.cell("LRU, a lock", 0, workers), r.cell("LRU, a lock", 0, 1)),
			ratioOf(r.cell("LRU, 32 locks", 0, workers), r.cell("LRU, 32 locks", 0, 1)))
	}
	return report.Figure{
		Title: "Throughput by share of writes, " + who,
		Chart: chart,
		See:   see,
		Why:   "A hit of an LRU moves the entry to the front of a list, so even readers need the lock, and wait for each other. A hit of Cache adds one to a counter in the entry, and often not even that. A write settles later what the hits mean, under the lock of one shard, and pays for it.",
		How:   r.s.again("cache"),
	}
}

func writeTicks() (ticks []float64) {
	for _, w := range loadWrites {
		ticks = append(ticks, float64(w)/100)
	}
	return ticks
}

func (r *cacheResults) notes() []string {
	trace := "made up of a working set whose popularity drifts (Zipf's law), scans, and a loop; the same in every run, longer with -full. Try -trace with a recording of your own: a synthetic trace cannot say which policy suits your load."
	if r.s.traceFile != "" {
		trace = "from " + r.s.traceFile + "."
	}
	rounds := "Each combination was measured once: expect other numbers next time, and use -full for medians of several rounds."
	if r.s.profile.rounds > 1 {
		rounds = fmt.Sprintf("Each combination was measured in %d rounds of mixed order; rates are medians, the thin vertical lines reach from the slowest round to the fastest.", r.s.profile.rounds)
	}
	return []string{
		fmt.Sprintf("Hit ratios are counted, not timed: they are the same on every machine. The trace has %s requests for %s keys, %s Each request is a Get, and a Set where that misses; caches begin empty, and first requests count as misses, of the bound too.", grouped(len(r.trace)), grouped(r.unique), trace),
		"Belady's bound evicts the key whose next request is the farthest away, and keeps what was set, as all the policies do. Cache differs from Steered by its shards, one for each 1,024 entries, and by what it rounds to be fast.",
		fmt.Sprintf("Throughput is a closed loop of %v for each combination, on %s entries and keys drawn by Zipf's law (%v) from %s, after a warm-up. Operations are done in batches of %d between two looks at the clock, so there are no latencies of single ones. %s", r.s.profile.cell/5, grouped(loadEntries), loadSkew, grouped(loadKeys), loadBatch, rounds),
		"Each value that a Get returns is compared with the one that was set for its key, in the simulation and under load.",
	}
}

// percent writes a part of 1 with two decimals, as tables of hit ratios do.
func percent(ratio float64) string { return strconv.FormatFloat(100*ratio, 'f', 2, 64) }

// grouped writes a count with its thousands apart: 12,345.
func grouped(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
