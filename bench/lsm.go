package main

import (
	"context"
	"fmt"

	"github.com/plinth-go/plinth/bench/report"
	"github.com/plinth-go/plinth/vfs"
)

// The experiment of package lsm has two halves. The first counts what growth and
// filters cost in bytes written, space and blocks read, and draws a model over it
// (lsm_count.go, lsm_model.go): exact, and the same on every machine. The second
// times how long a Put and a Get take on the disk (lsm_latency.go,
// lsm_read.go).
func lsmExperiment() experiment {
	return experiment{
		name:  "lsm",
		about: "log-structured merge tree: write, space and read amplification × growth and filters, with a model; latency × durability",
		disk:  true,
		run:   runLSM,
	}
}

// lsmResults are what the experiment has found.
type lsmResults struct {
	s       *session
	counted []*countedLSM
	timed   []*timedLSM
	read    []*readLSM
}

// lsmCell is what is measured once in each round.
type lsmCell interface {
	name() string
	round(context.Context, *session) error
}

// countedCost is what one key of a store that is counted takes of the time for a
// cell, for a round number of keys: 12,000 in the quick profile.
const countedCost = 100_000 // ns

// leastCounted is how many keys there are at least, so that there are levels.
const leastCounted = 1_000

// runLSM counts, measures and writes the part of the report.
func runLSM(ctx context.Context, s *session) (report.Part, error) {
	r := &lsmResults{s: s, counted: countedCells(countedSizes(countedEntries(s.profile))), timed: timedCells(), read: []*readLSM{{bits: lsmBits}, {bits: 0}}}
	for i, c := range r.counted {
		s.progress.show(i, len(r.counted), c.name())
		if err := c.measure(ctx, vfs.NewMem(), "lsm"); err != nil {
			return report.Part{}, fmt.Errorf("%s: %w", c.name(), err)
		}
	}
	var cells []lsmCell
	for _, c := range r.timed {
		cells = append(cells, c)
	}
	for _, c := range r.read {
		cells = append(cells, c)
	}
	err := s.rounds(ctx, len(cells),
		func(i int) string { return cells[i].name() },
		func(i int) error { return cells[i].round(ctx, s) })
	if err != nil {
		return report.Part{}, err
	}
	return r.part(), nil
}

// countedEntries are the keys of a store that is counted: twice as many instead of
// several rounds, which would all be equal.
func countedEntries(p profile) int {
	return max(leastCounted, int(p.cell/countedCost)*min(p.rounds, 2))
}
