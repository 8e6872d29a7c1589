package main

import (
	"context"
	"encoding"
	"errors"
	"fmt"

	"github.com/plinth-go/plinth/bench/report"
)

// The experiment of package crdt asks what each type takes in bytes, and each change of it, by how many changes and how many
// replicas there were (crdt_size.go); what goes over the wire if replicas send each other all they have, or what is
// new (crdt_traffic.go); what is left of that which was removed (crdt_churn.go); and what happens if one
// replica is away for long (crdt_away.go, crdt_log.go). All that is counted, and the same on every machine.
func crdtExperiment() experiment {
	return experiment{
		name:  "crdt",
		about: "data that agrees by itself: bytes × operations, replicas and churn, states against deltas, one who is away for long",
		run:   runCrdt,
	}
}

// crdtResults are what the experiment has found.
type crdtResults struct {
	s        *session
	sizes    []crdtSize
	traffics []trafficCell
	churns   []churnCell
	away     awayRuns
	logs     []logRun
}

// runCrdt counts, and writes the part of the report.
func runCrdt(ctx context.Context, s *session) (report.Part, error) {
	r := &crdtResults{s: s}
	if err := r.count(ctx); err != nil {
		return report.Part{}, err
	}
	return r.part(), nil
}

// count does all of it. Each step looks at ctx before whatever takes long.
func (r *crdtResults) count(ctx context.Context) error {
	steps := []struct {
		name string
		do   func(context.Context) error
	}{
		{"traffic", r.countTraffic},
		{"sizes", r.countSizes},
		{"churn", r.countChurn},
		{"one is away", r.countAway},
		{"its log", r.countLogs},
	}
	for i, step := range steps {
		r.s.progress.show(i, len(steps), "crdt: counting, "+step.name)
		if err := step.do(ctx); err != nil {
			return fmt.Errorf("%s: %w", step.name, err)
		}
	}
	return nil
}

// errDiffer: what should have been the same is not, so no number is reported (I2).
var errDiffer = errors.New("replicas that have heard of all differ")

// formLen is how many bytes a value has in its canonical form.
func formLen(v encoding.BinaryAppender) (int, error) {
	b, err := v.AppendBinary(nil)
	return len(b), err
}
