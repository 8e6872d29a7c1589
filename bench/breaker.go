package main

import (
	"context"

	"github.com/plinth-go/plinth/bench/report"
)

// The experiment of package breaker lets a server fail for ten seconds, and looks at what those
// who ask it make of that (breaker_storm.go): all of it is counted, on a clock of its own, and the
// same on every machine.
func breakerExperiment() experiment {
	return experiment{
		name:  "breaker",
		about: "circuit breaker: a server that fails for ten seconds, load, answers and callers × guards",
		run:   runBreaker,
	}
}

// runBreaker counts, and writes the part of the report.
func runBreaker(ctx context.Context, s *session) (report.Part, error) {
	storm, err := runBreakerStorm(ctx, s)
	if err != nil {
		return report.Part{}, err
	}
	return report.Part{
		Title: "A server that fails: the storm, and what ends it",
		Lead: []string{
			"A server is slow for ten seconds. Those who ask it get no answer in time, and ask again; it works on what they have asked before, for nobody. The ten seconds pass. Is all well then? Who asks how often, who gets an answer, and who waits, with a budget for retries, with a circuit breaker, with a bulkhead?",
		},
		Facts:   storm.facts(),
		Figures: storm.figures(),
		Tables:  storm.tables(),
		Notes:   storm.notes(),
		Results: storm.results(),
	}, nil
}
