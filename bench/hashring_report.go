package main

import (
	"fmt"
	"slices"

	"github.com/plinth-go/plinth/bench/plot"
	"github.com/plinth-go/plinth/bench/report"
)

// part says what the experiment has shown. Every number in its sentences comes from this
// run.
func (r *hashringResults) part() report.Part {
	p := report.Part{
		Title: "Consistent hashing: what moves, how even it is, and what it costs",
		Lead: []string{
			"A key is on number hash mod n, until there are n+1 nodes: then nearly all keys are somewhere else. Other algorithms move few. What do they pay for it: uneven shares, slower lookups, memory? And if some keys are asked for more than all others, what helps?",
		},
		Facts: r.facts(),
		Figures: []report.Figure{
			r.growthFigure(), r.moveFigure(), r.shareFigure(), r.boundFigure(), r.hotFigure(), r.lookupFigure(), r.memoryFigure(),
		},
		Tables: []report.Table{r.moveTable(), r.shareTable(), r.hotTable(), r.lookupTable()},
		Notes:  r.notes(),
	}
	p.Results = r.results()
	return p
}

func (r *hashringResults) results() (all []report.Result) {
	for _, c := range r.shares {
		all = append(all, c.result())
	}
	for _, c := range r.moves {
		all = append(all, c.result())
	}
	for _, g := range r.growth {
		all = append(all, g.result())
	}
	for _, c := range r.bounds {
		all = append(all, c.result())
	}
	for _, c := range r.hot {
		all = append(all, c.result())
	}
	for _, c := range r.lookups {
		all = append(all, c.result())
	}
	return all
}

// shownNodes is the size of a cluster that captions speak of.
const shownNodes = 100

// per writes a part of 1.
func per(part float64) string { return plot.Percent.Format(part) }

func (r *hashringResults) facts() []report.Fact {
	ring, plain := r.lookup(ringName, shownNodes), r.hotAt(unbound)
	return []report.Fact{
		{Value: per(r.move(modulo, shownNodes).comes.share()), Label: fmt.Sprintf("of the keys move when a node comes to %d, with hash mod n", shownNodes)},
		{Value: per(r.move(ringName, shownNodes).comes.share()), Label: "with a ring"},
		{Value: plot.Duration.Format(ring.took()), Label: fmt.Sprintf("a lookup on a ring of %d nodes, the hash of the key included", shownNodes)},
		{Value: ratio(plain.loads[0], r.hotAt(hotEpsilon).loads[0]), Label: fmt.Sprintf("as much on the fullest node without a bound as with one of %v, when %s of the requests are for one key", hotEpsilon, per(plain.share))},
	}
}

// grew finds a line.
func (r *hashringResults) grew(name string) grown {
	i := slices.IndexFunc(r.growth, func(g grown) bool { return g.name == name })
	return r.growth[i]
}

func (r *hashringResults) growthFigure() report.Figure {
	chart := plot.Lines{
		Title: fmt.Sprintf("How often each key has moved while a cluster grew from %d nodes to %d", growthFrom, growthTo),
		X:     plot.Axis{Label: "nodes", Ticks: []float64{4, 8, 12, 16, 20, 24, 28, 32}},
		Y:     plot.Axis{Label: "moves of each key until then, on the mean", Zero: true},
	}
	for _, g := range append(slices.Clone(r.growth), optimum()) {
		series := plot.Series{Name: g.name, Dashed: g.name == optimum().name}
		for i, times := range g.times {
			n := growthFrom + i
			series.Points = append(series.Points, plot.Point{X: float64(n), Y: times, Plain: n%4 != 0 || series.Dashed})
		}
		chart.Series = append(chart.Series, series)
	}
	naive, ring, jump := r.grew(modulo), r.grew(ringName), r.grew(shards)
	return report.Figure{
		Title: "A cluster that grows",
		Chart: chart,
		See: fmt.Sprintf("From %d nodes to %d, one by one: with hash mod n each key has moved %.1f times in %d steps, with a ring %.2f times, with Jump %.2f. Where each new node gets an even share, it is %.2f.",
			growthFrom, growthTo, naive.last(), growthTo-growthFrom, ring.last(), jump.last(), optimum().last()),
		Why: "A key that stays with hash mod n has the same remainder before and after, which of n+1 keys one has. A ring only moves what the new node gets, and that is less, the more nodes there are: a little less than an even share, or a little more.",
		How: r.s.again("hashring"),
	}
}

func (r *hashringResults) moveFigure() report.Figure {
	chart := plot.Lines{
		Title: "Keys that move for each that has to, by number of nodes",
		X:     plot.Axis{Label: "nodes", Kind: plot.Log},
		Y:     plot.Axis{Label: "keys that move for each that has to", Kind: plot.Log},
	}
	sizes := r.moveSizes()
	line := func(name string, each func(n int) float64) {
		series := plot.Series{Name: name}
		for _, n := range sizes {
			series.Points = append(series.Points, plot.Point{X: float64(n), Y: each(n)})
		}
		chart.Series = append(chart.Series, series)
	}
	for _, n := range sizes {
		chart.X.Ticks = append(chart.X.Ticks, float64(n))
	}
	for _, each := range []int{1, 2, 5, 10, 20, 50, 100, 200, 500, 1000} {
		if each <= slices.Max(sizes) {
			chart.Y.Ticks = append(chart.Y.Ticks, float64(each))
		}
	}
	line("Modulo", func(n int) float64 { return r.move(modulo, n).comes.each() })
	line("Maglev", func(n int) float64 { return r.move(maglev, n).comes.each() })
	line("Shards, one goes", func(n int) float64 { return r.move(shards, n).goes.each() })
	line("all others", r.others)
	m, t := r.move(modulo, shownNodes), r.move(maglev, shownNodes)
	return report.Figure{
		Title: "A node comes, a node goes",
		Chart: chart,
		See: fmt.Sprintf("A node comes to %d: with hash mod n %s of the keys move, which is %.0f keys for each that is on the new node; with Maglev it is %.2f, with all others %s. If one goes from the middle, Shards move %.2f keys for each that it had, Maglev %.2f.",
			shownNodes, per(m.comes.share()), m.comes.each(), t.comes.each(), plot.Number.Format(r.others(shownNodes)),
			r.move(shards, shownNodes).goes.each(), t.goes.each()),
		Why: "Ring, Rendezvous and their kin choose a node in a way that most choices do not see who comes or goes. The turns of a Maglev table shift a little, and some entries change hands between others: the more, the more nodes there are and the fewer entries each has. Jump only knows numbers: when one in the middle goes, the last takes its number, and leaves its own.",
		How: r.s.again("hashring"),
	}
}

func (r *hashringResults) shareFigure() report.Figure {
	chart := plot.Lines{
		Title: fmt.Sprintf("Standard deviation of the shares of %d nodes over their mean, by virtual nodes", shareNodes),
		X:     plot.Axis{Label: "virtual nodes of each node (V)", Kind: plot.Log, Ticks: []float64{1, 2, 5, 10, 20, 50, 100, 200, 500, 1000}},
		Y:     plot.Axis{Label: "standard deviation of the shares, over the mean", Kind: plot.Log, Unit: plot.Percent, Ticks: []float64{0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1}},
	}
	ring, model := plot.Series{Name: "Ring"}, plot.Series{Name: "1/√V", Dashed: true}
	for _, v := range shareVirtual() {
		c := r.share(fmt.Sprintf("Ring, V=%d", v))
		ring.Points = append(ring.Points, plot.Point{X: float64(v), Y: c.deviation(), Lo: slices.Min(c.deviations), Hi: slices.Max(c.deviations)})
		model.Points = append(model.Points, plot.Point{X: float64(v), Y: law(v), Plain: true})
	}
	chart.Series = []plot.Series{ring, model}
	for _, name := range []string{multiProbe, shards, maglev} {
		level := plot.Series{Name: name}
		for _, v := range shareVirtual() {
			level.Points = append(level.Points, plot.Point{X: float64(v), Y: r.share(name).deviation(), Plain: true})
		}
		chart.Series = append(chart.Series, level)
	}
	few, many := r.share("Ring, V=1"), r.share("Ring, V=160")
	return report.Figure{
		Title: "How even, by virtual nodes",
		Chart: chart,
		See: fmt.Sprintf("With one place for each node shares differ by %s of their mean, and the fullest node has %.1f times the mean; with 160 places, as it is by default, by %s, and the fullest has %.2f times. To halve the differences takes four times the places. MultiProbe comes to %s with one place, Maglev to %s. Jump is exact but for chance, which among %s keys is %s.",
			per(few.deviation()), few.fullest, per(many.deviation()), many.fullest,
			per(r.share(multiProbe).deviation()), per(r.share(maglev).deviation()), grouped(shareKeys), per(byChance())),
		Why: "The share of a node is the sum of V arcs that chance has cut: a sum of V terms is wrong by √V of them, so by 1/√V of itself. Maglev lets nodes take entries in turn, and so none has more than one more than another.",
		How: r.s.again("hashring"),
	}
}

func (r *hashringResults) boundFigure() report.Figure {
	chart := plot.Lines{
		Title: "The fullest node, and requests that are not at their first node, by ε",
		X:     plot.Axis{Label: "ε: a node gets up to 1+ε times its share", Kind: plot.Log, Unit: plot.Percent, Ticks: []float64{0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5}},
		Y:     plot.Axis{Label: "more than the mean load; part of the requests", Unit: plot.Percent, Zero: true},
	}
	plain := r.bound(unbound)
	var fullest, none, spilled, limit plot.Series
	for _, e := range boundEpsilons() {
		c := r.bound(e)
		fullest.Points = append(fullest.Points, plot.Point{X: e, Y: c.fullest - 1})
		spilled.Points = append(spilled.Points, plot.Point{X: e, Y: c.spilled})
		none.Points = append(none.Points, plot.Point{X: e, Y: plain.fullest - 1, Plain: true})
		limit.Points = append(limit.Points, plot.Point{X: e, Y: e, Plain: true})
	}
	fullest.Name, spilled.Name, none.Name, limit.Name = "fullest, above the mean", "not at the first node", "fullest of a plain ring", "ε"
	limit.Dashed = true
	chart.Series = []plot.Series{fullest, spilled, none, limit}
	narrow, middle := r.bound(0.05), r.bound(0.25)
	return report.Figure{
		Title: "Bounded loads: what a bound costs",
		Chart: chart,
		See: fmt.Sprintf("%d nodes, %s requests that are running, for keys that are equally popular. The fullest node of a plain ring has %s more than the mean. With ε = 0.25 it has %s more, and %s of the requests are not at the first node of their key; with ε = 0.05 it has %s more, and %s are not.",
			boundNodes, grouped(runningEach*boundNodes), per(plain.fullest-1), per(middle.fullest-1), per(middle.spilled), per(narrow.fullest-1), per(narrow.spilled)),
		Why: "The narrower the bound, the more nodes are full, and who finds one full goes on to the next. A bound that is above what the ring's own shares and chance do is never met.",
		How: r.s.again("hashring"),
	}
}

func (r *hashringResults) hotFigure() report.Figure {
	chart := plot.Lines{
		Title: "Requests that are running on each node over the mean, the fullest node first",
		X:     plot.Axis{Label: "nodes, the fullest first", Ticks: []float64{1, 10, 20, 30, 40, 50}},
		Y:     plot.Axis{Label: "running requests, over the mean", Zero: true},
	}
	plain, bounded := r.hotAt(unbound), r.hotAt(hotEpsilon)
	for _, c := range []struct {
		name string
		hotCell
	}{{"plain ring", plain}, {fmt.Sprintf("bounded, ε = %v", hotEpsilon), bounded}} {
		series := plot.Series{Name: c.name}
		for i, load := range c.loads {
			series.Points = append(series.Points, plot.Point{X: float64(i + 1), Y: load, Plain: i%5 != 0 && i != len(c.loads)-1})
		}
		chart.Series = append(chart.Series, series)
	}
	limit := plot.Series{Name: "1+ε", Dashed: true}
	for _, i := range []int{1, hotNodes} {
		limit.Points = append(limit.Points, plot.Point{X: float64(i), Y: 1 + hotEpsilon, Plain: true})
	}
	chart.Series = append(chart.Series, limit)
	return report.Figure{
		Title: "A hot key",
		Chart: chart,
		See: fmt.Sprintf("%s of the requests are for one of %s keys. On a plain ring its node has %.1f times the mean. With ε = %v no node has more than %.2f times, and %d of %d nodes have seen the hot key; any key was on %.1f nodes, on the mean.",
			per(plain.share), grouped(hotKeys), plain.loads[0], hotEpsilon, bounded.loads[0], bounded.nodes, hotNodes, float64(bounded.copies)/float64(bounded.keys)),
		Why: "No hash helps here: a key is on one node. A bound lets what does not fit flow on to the next nodes of the key, and those push others on. Each node that a key comes to fetches it once more, if the nodes are caches.",
		How: r.s.again("hashring"),
	}
}

func (r *hashringResults) lookupFigure() report.Figure {
	chart := plot.Lines{
		Title: "Time of a lookup by number of nodes",
		X:     plot.Axis{Label: "nodes", Kind: plot.Log},
		Y:     plot.Axis{Label: "a lookup", Kind: plot.Log, Unit: plot.Duration, Ticks: []float64{10, 100, 1000, 10_000}},
	}
	for _, p := range placements() {
		series := plot.Series{Name: p.short()}
		for _, n := range lookupNodes(r.s.profile) {
			c := r.lookup(p.name, n)
			series.Points = append(series.Points, plot.Point{X: float64(n), Y: c.took(), Lo: slices.Min(c.times), Hi: slices.Max(c.times)})
		}
		chart.Series = append(chart.Series, series)
	}
	most := r.lookups[len(r.lookups)-1].nodes
	took := func(name string, n int) string { return plot.Duration.Format(r.lookup(name, n).took()) }
	return report.Figure{
		Title: "What a lookup takes",
		Chart: chart,
		See: fmt.Sprintf("With 10 nodes and with %s, a lookup takes Ring %s and %s, Maglev %s and %s, Jump %s and %s, Rendezvous %s and %s.",
			grouped(most), took(ringName, 10), took(ringName, most), took(maglev, 10), took(maglev, most), took(shards, 10), took(shards, most),
			took(rendezvous, 10), took(rendezvous, most)),
		Why: "Rendezvous asks every node, and so does WeightedRendezvous (Weighted), with a logarithm for those that come near. A ring begins to look where the first bits of the hash say, and Maglev divides and loads; they become slower only where their memory outgrows the processor's caches. Jump makes about ln n steps, and each has to wait for the one before. MultiProbe looks up 21 places, and Ketama's hash is MD5.",
		How: r.s.again("hashring"),
	}
}

func (r *hashringResults) memoryFigure() report.Figure {
	chart := plot.Lines{
		Title: "Bytes for each node by number of nodes",
		X:     plot.Axis{Label: "nodes", Kind: plot.Log},
		Y:     plot.Axis{Label: "bytes for each node", Kind: plot.Log, Unit: plot.Bytes, Ticks: []float64{32, 128, 512, 2 << 10, 8 << 10, 16 << 10}},
	}
	for _, p := range placements() {
		series := plot.Series{Name: p.short()}
		for _, n := range lookupNodes(r.s.profile) {
			series.Points = append(series.Points, plot.Point{X: float64(n), Y: median(r.lookup(p.name, n).bytes)})
		}
		chart.Series = append(chart.Series, series)
	}
	most := r.lookups[len(r.lookups)-1].nodes
	size := func(name string, n int) string { return plot.Bytes.Format(median(r.lookup(name, n).bytes)) }
	return report.Figure{
		Title: "What there is to keep",
		Chart: chart,
		See: fmt.Sprintf("Of %s nodes, each takes %s in a Ring, %s in a Maglev table, %s in MultiProbe, %s in Anchor, and %s with hash mod n, which keeps the nodes and nothing else. Of 10 nodes each takes %s of a Maglev table.",
			grouped(most), size(ringName, most), size(maglev, most), size(multiProbe, most), size(anchor, most), size(modulo, most), size(maglev, 10)),
		Why: "A ring has 160 places for each node. A Maglev table has 65,537 entries, however few nodes there are, and here 100 for each node where there are more. The others keep a few words for each node.",
		How: r.s.again("hashring"),
	}
}
