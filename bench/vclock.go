package main

import (
	"context"
	"fmt"

	"github.com/plinth-go/plinth/bench/report"
	"github.com/plinth-go/plinth/vclock"
)

// The experiment of package vclock asks what each kind of clock takes in bytes (vclock_size.go), how many values a key
// has when several write it at a time (vclock_siblings.go), and how wrong a time is, and what it says about
// what happened before what, if clocks are not right (vclock_skew.go). All that is counted, and the same on every
// machine. It draws a run (vclock_diagram.go), and times what the clocks do (vclock_speed.go).
func vclockExperiment() experiment {
	return experiment{
		name:  "vclock",
		about: "logical clocks: bytes × replicas and churn, siblings × writers, error × skew, a run drawn, Compare and Merge × entries",
		run:   runVclock,
	}
}

// vclockResults are what the experiment has found.
type vclockResults struct {
	s        *session
	sizes    []sizeLine
	churns   []churnLine
	siblings []siblingCell
	skews    []skewCell
	hour     []skewCell // a clock that is an hour ahead: with the default bound, and without one
	run      spaceTime
	speeds   []*clockCell
}

// runVclock counts, times, and writes the part of the report.
func runVclock(ctx context.Context, s *session) (report.Part, error) {
	r := &vclockResults{s: s, speeds: clockCells()}
	if err := r.count(ctx); err != nil {
		return report.Part{}, err
	}
	err := s.rounds(ctx, len(r.speeds),
		func(i int) string { return r.speeds[i].name() },
		func(i int) error { return r.speeds[i].round(ctx, s.profile) })
	if err != nil {
		return report.Part{}, err
	}
	return r.part(), nil
}

// count does what is counted.
func (r *vclockResults) count(ctx context.Context) error {
	steps := []struct {
		name string
		do   func() error
	}{
		{"sizes", r.countSizes},
		{"churn", r.countChurn},
		{"siblings", r.countSiblings},
		{"skew", r.countSkews},
		{"a run", r.drawRun},
	}
	for i, step := range steps {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		r.s.progress.show(i, len(steps), "vclock: counting, "+step.name)
		if err := step.do(); err != nil {
			return fmt.Errorf("%s: %w", step.name, err)
		}
	}
	return nil
}

// replicaName is the name of one of many. All are of the same length, up to 10,000.
func replicaName(i int) vclock.ID { return vclock.ID(fmt.Sprintf("node-%04d", i)) }
