package main

import (
	"context"
	"fmt"

	"github.com/plinth-go/plinth/bench/report"
)

// The experiment of package btree gives the same work to two B+trees, an LSM tree and
// bbolt (engine.go). First it counts what each asks of the disk (btree_count.go), and what
// the knobs of the B+tree do to that (btree_sweep.go): exact, and the same on every
// machine. Then it times the same work on the disk (btree_latency.go).
func btreeExperiment() experiment {
	return experiment{
		name:  "btree",
		about: "B+tree against LSM tree and bbolt: bytes, fsyncs and reads × commit size, pages, fill, checkpoints, with a model; latency of all",
		disk:  true,
		run:   runBTree,
	}
}

// btreeResults are what the experiment has found.
type btreeResults struct {
	s                       *session
	counted                 []*countedEngine
	pages, fills, intervals []*treeCell
	timed                   []*timedEngine
}

func newBTreeResults(s *session, entries int) *btreeResults {
	r := &btreeResults{s: s, counted: countedEngines(entries)}
	r.pages, r.fills, r.intervals = treeCells(entries)
	for _, d := range designs() {
		r.timed = append(r.timed, &timedEngine{design: d})
	}
	return r
}

// runBTree counts, measures and writes the part of the report.
func runBTree(ctx context.Context, s *session) (report.Part, error) {
	r := newBTreeResults(s, countedEntries(s.profile))
	if err := r.count(ctx, s.dir); err != nil {
		return report.Part{}, err
	}
	err := s.rounds(ctx, len(r.timed),
		func(i int) string { return r.timed[i].name() },
		func(i int) error { return r.timed[i].round(ctx, s) })
	if err != nil {
		return report.Part{}, err
	}
	return r.part(), nil
}

// count does what is counted.
func (r *btreeResults) count(ctx context.Context, dir string) error {
	steps := len(r.counted) + 3
	for i, c := range r.counted {
		r.s.progress.show(i, steps, c.name())
		if err := c.measure(ctx, dir); err != nil {
			return fmt.Errorf("%s: %w", c.name(), err)
		}
	}
	for i, knob := range []struct {
		name  string
		cells []*treeCell
	}{{"page size", r.pages}, {"fill", r.fills}, {"checkpoints", r.intervals}} {
		r.s.progress.show(len(r.counted)+i, steps, "btree: counting, "+knob.name)
		for _, c := range knob.cells {
			if err := c.measure(ctx); err != nil {
				return fmt.Errorf("btree: %s: %w", knob.name, err)
			}
		}
	}
	return nil
}
