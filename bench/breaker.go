package main

import (
	"context"
	"slices"

	"github.com/plinth-go/plinth/bench/report"
)

// The experiment of package breaker has three parts. It lets a server fail for ten seconds, and looks at
// what those who ask it make of that (breaker_storm.go); it lets one become slow, and looks at limits of how many ask
// at a time (breaker_limit.go): all of that is counted, on a clock of its own, and the same in every run. And
// it times what a call costs behind each guard (breaker_overhead.go).
func breakerExperiment() experiment {
	return experiment{
		name:  "breaker",
		about: "circuit breaker: a server that fails × guards, one that is slow × limits, calls × goroutines",
		run:   runBreaker,
	}
}

// runBreaker counts, times, and writes the part of the report.
func runBreaker(ctx context.Context, s *session) (report.Part, error) {
	storm, err := runBreakerStorm(ctx, s)
	if err != nil {
		return report.Part{}, err
	}
	limits, err := runBreakerLimits(ctx, s)
	if err != nil {
		return report.Part{}, err
	}
	overhead, err := runBreakerOverhead(ctx, s)
	if err != nil {
		return report.Part{}, err
	}
	return report.Part{
		Title: "A server that fails: the storm, and what ends it",
		Lead: []string{
			"A server is slow for ten seconds. Those who ask it get no answer in time, and ask again; it works on what they have asked before, for nobody. The ten seconds pass. Is all well then? Who asks how often, who gets an answer, and who waits, with a budget for retries, with a circuit breaker, with a bulkhead?",
			"And if it stays slow: how many may ask it at a time, and who is to know that? What does it all cost while nothing is wrong?",
		},
		Facts:   slices.Concat(storm.facts(), limits.facts(), overhead.facts()),
		Figures: slices.Concat(storm.figures(), limits.figures(), overhead.figures()),
		Tables:  slices.Concat(storm.tables(), limits.tables(), overhead.tables()),
		Notes:   slices.Concat(storm.notes(), limits.notes(), overhead.notes()),
		Results: slices.Concat(storm.results(), limits.results(), overhead.results()),
	}, nil
}
