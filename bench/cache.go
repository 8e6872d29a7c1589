package main

import (
	"context"
	"slices"

	"github.com/plinth-go/plinth/bench/plot"
	"github.com/plinth-go/plinth/bench/report"
	"github.com/plinth-go/plinth/cache/cachesim"
)

// The experiment of package cache asks two things: how often each policy hits,
// at every size of the cache and compared with the best there can be, and what
// a lock around a policy costs when many goroutines come (cache_load.go). The
// first is counted and exact, the second is timed.
func cacheExperiment() experiment {
	return experiment{
		name:  "cache",
		about: "cache: hit ratio × policy × size, throughput × write share",
		run:   runCache,
	}
}

// cacheSizes are the sizes that are simulated, in thousandths of the unique
// keys of the trace. Smaller caches say little on a short trace; in larger ones
// all policies come close to the bound. Never changed.
var cacheSizes = [...]int{10, 20, 35, 50, 75, 100, 150, 200}

// syntheticCost is what the simulations of one synthetic request take of the
// time for a cell, for a round number of requests: 500,000 in the quick profile.
const syntheticCost = 2400 // ns

// runCache simulates, measures and writes the part of the report.
func runCache(ctx context.Context, s *session) (report.Part, error) {
	r := cacheResults{s: s, trace: s.trace}
	if s.trace == nil {
		r.trace = cachesim.Synthetic{Requests: int(s.profile.cell/syntheticCost) + 1}.Trace()
	}
	r.unique = r.trace.Unique()
	if err := r.simulate(ctx); err != nil {
		return report.Part{}, err
	}
	r.cells = loadCells()
	source := newKeySource()
	err := s.rounds(ctx, len(r.cells),
		func(i int) string { return r.cells[i].name() },
		func(i int) error { return r.cells[i].round(ctx, s.profile, source) })
	if err != nil {
		return report.Part{}, err
	}
	return r.part(), nil
}

// cacheResults are what the experiment has found.
type cacheResults struct {
	s      *session
	trace  cachesim.Trace
	unique int
	sizes  []int
	series []cachesim.Series // Belady's bound first
	cells  []*loadCell
}

// simulate fills the series. A trace of few keys has fewer sizes.
func (r *cacheResults) simulate(ctx context.Context) (err error) {
	for _, thousandths := range cacheSizes {
		r.sizes = append(r.sizes, max(1, r.unique*thousandths/1000))
	}
	r.sizes = slices.Compact(r.sizes)
	show := func(done, total int) {
		if done < total {
			r.s.progress.show(done, total, "cache: hit ratio of each policy at each size")
		}
	}
	makers := cachesim.Policies()
	show(0, len(r.sizes)*(len(makers)+1))
	r.series, err = cachesim.Curve(ctx, r.trace, r.sizes, makers, show)
	return err
}

// find returns the series of a policy.
func (r *cacheResults) find(name string) cachesim.Series {
	for _, s := range r.series {
		if s.Name == name {
			return s
		}
	}
	panic("bench: no such policy: " + name)
}

// middle is the size that captions speak of: the one nearest to a tenth of the
// keys.
func (r *cacheResults) middle() int {
	i := slices.IndexFunc(r.sizes, func(size int) bool { return size*10 >= r.unique-9 })
	if i < 0 {
		return len(r.sizes) - 1
	}
	return i
}

// hitTable has a row for each policy.
func (r *cacheResults) hitTable() report.Table {
	t := report.Table{
		Title:   "Hit ratio in percent, by entries of the cache",
		Columns: []report.Column{{Name: "policy", Text: true, Note: "Belady is the bound: the hits of a cache that knows the future. Cache is the concurrent cache of this module, which works as Steered does"}},
	}
	for _, size := range r.sizes {
		t.Columns = append(t.Columns, report.Column{Name: grouped(size), Note: plot.Percent.Format(r.fraction(size)) + " of the unique keys"})
	}
	for i, s := range r.series {
		row := report.Row{First: i == 1, Cells: []string{s.Name}}
		for _, p := range s.Points {
			row.Cells = append(row.Cells, percent(p.Ratio()))
		}
		t.Rows = append(t.Rows, row)
	}
	return t
}

// fraction is a size as a part of all keys.
func (r *cacheResults) fraction(size int) float64 { return float64(size) / float64(r.unique) }

// hitResults are the same for programs. They have no time: what a simulation
// takes says nothing about the cache.
func (r *cacheResults) hitResults() (results []report.Result) {
	for _, s := range r.series {
		for _, p := range s.Points {
			results = append(results, report.Result{
				Experiment: "cache/hits/policy=" + s.Name, Load: "simulation", Workers: 1, Input: r.s.traceFile,
				Rounds: 1, Ops: uint64(p.Requests),
				Metrics: map[string]float64{"entries": float64(p.Size), "hit_ratio": p.Ratio()},
			})
		}
	}
	return results
}
