package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/plinth-go/plinth/bench/report"
	"github.com/plinth-go/plinth/breaker"
)

// What is counted in a storm, and of what.

// stormCell is one way to ask a server in one trouble, with one load.
type stormCell struct {
	client  stormClient
	trouble stormTrouble
	load    int // requests a second

	runs []*stormCounts // of the seeds 1, 2 …
}

// stormCells are all ways to ask, in all troubles.
func stormCells() (cells []*stormCell) {
	for _, t := range []stormTrouble{itIsSlow(), itFails()} {
		for _, c := range stormClients() {
			cells = append(cells, &stormCell{client: c, trouble: t, load: stormLoad})
		}
	}
	return cells
}

// stormSweep are cells by load, without those that a bulkhead makes look like the breaker.
func stormSweep(p profile) (cells []*stormCell) {
	for _, percent := range stormLoads(p) {
		for _, c := range stormClients()[:4] {
			cells = append(cells, &stormCell{client: c, trouble: itIsSlow(), load: percent * stormCapacity / 100})
		}
	}
	return cells
}

// stormLoads are in percent of what the server can do.
func stormLoads(p profile) []int {
	switch {
	case p.cell >= 2*time.Second: // the full profile
		return []int{10, 20, 30, 35, 40, 50, 60, 70, 80, 85, 95}
	case p.cell >= time.Second:
		return []int{20, 30, 35, 50, 70, 85, 95}
	}
	return []int{30, 95} // of a test
}

func (c *stormCell) name() string {
	return fmt.Sprintf("breaker: %s, %s, %d requests a second", c.client.name, c.trouble.name, c.load)
}

// round plays it once more, with the next seed.
func (c *stormCell) round() error {
	n, err := playStorm(c.client, c.trouble, c.load, uint64(len(c.runs)+1))
	c.runs = append(c.runs, n)
	return err
}

// first is the run that is drawn.
func (c *stormCell) first() *stormCounts { return c.runs[0] }

// mean is that of all runs.
func (c *stormCell) mean(of func(*stormCounts) float64) (mean float64) {
	for _, n := range c.runs {
		mean += of(n)
	}
	return mean / float64(len(c.runs))
}

const (
	stormMinute = stormTo + time.Minute // after the outage
	stormNever  = stormEnd - stormTo    // what back returns if it is not
)

// each is how many tries the server got for one request, in a time.
func (n *stormCounts) each(from, to time.Duration) float64 {
	return float64(n.sent.sum(from, to)) / float64(n.offered.sum(from, to))
}

// part is what part of the requests that came in a time got an answer, then or later.
func (n *stormCounts) part(from, to time.Duration) float64 {
	return float64(n.helped.sum(from, to)) / float64(n.offered.sum(from, to))
}

func (n *stormCounts) eachInOutage() float64     { return n.each(stormFrom, stormTo) }
func (n *stormCounts) partInOutage() float64     { return n.part(stormFrom, stormTo) }
func (n *stormCounts) partAfterAMinute() float64 { return n.part(stormMinute, stormEnd) }

// back is how long after the outage all is well: from then on, of those who come in a second, nine
// tenths get an answer, or more.
func (n *stormCounts) back() time.Duration {
	for at := stormEnd - time.Second; at >= stormTo; at -= time.Second {
		if n.part(at, at+time.Second) < 0.9 {
			return at + time.Second - stormTo
		}
	}
	return 0
}

// wasted is what part of the tries the server has worked on for nobody.
func (n *stormCounts) wasted() float64 { return float64(n.server.nobody) / float64(n.tries) }

// crowd is the most callers that ever waited at a time.
func (n *stormCounts) crowd() float64 { return float64(slices.Max(n.callers[:])) }

// crowdBefore is the same before the outage.
func (n *stormCounts) crowdBefore() float64 {
	return float64(slices.Max(n.callers[:stormFrom/time.Second]))
}

// wait is how long those who came in the outage waited until they knew: a part of them no longer than that.
func (n *stormCounts) wait(part float64) time.Duration {
	sorted := slices.Sorted(slices.Values(n.waits))
	return sorted[int(part*float64(len(sorted)-1))]
}

// opened is when the circuit opened for the first time, closed when it closed for the last time.
func (n *stormCounts) opened() time.Duration { return n.states[0].at }
func (n *stormCounts) closed() time.Duration { return n.states[len(n.states)-1].at }

func (n *stormCounts) opens() (opens int) {
	for _, s := range n.states {
		if s.state == breaker.Open {
			opens++
		}
	}
	return opens
}

// breakerStorm is what all storms have shown.
type breakerStorm struct {
	s     *session
	cells []*stormCell
	sweep []*stormCell
}

// runBreakerStorm plays each cell once in each round.
func runBreakerStorm(ctx context.Context, s *session) (*breakerStorm, error) {
	r := &breakerStorm{s: s, cells: stormCells(), sweep: stormSweep(s.profile)}
	all := slices.Concat(r.cells, r.sweep)
	return r, s.rounds(ctx, len(all),
		func(i int) string { return all[i].name() },
		func(i int) error { return all[i].round() })
}

// cell finds one.
func (r *breakerStorm) cell(client string, t stormTrouble) *stormCell {
	return findStorm(r.cells, client, t, stormLoad)
}

func findStorm(cells []*stormCell, client string, t stormTrouble, load int) *stormCell {
	i := slices.IndexFunc(cells, func(c *stormCell) bool {
		return c.client.name == client && c.trouble == t && c.load == load
	})
	return cells[i]
}

func (r *breakerStorm) results() (all []report.Result) {
	for _, c := range slices.Concat(r.cells, r.sweep) {
		all = append(all, c.result())
	}
	return all
}

func (c *stormCell) result() report.Result {
	return report.Result{
		Experiment: fmt.Sprintf("breaker/storm/trouble=%s/client=%s", c.trouble.name, c.client.name),
		Load:       "simulation", Workers: stormWorkers, Rounds: len(c.runs), Ops: uint64(c.load) * uint64(stormEnd/time.Second),
		Metrics: map[string]float64{
			"requests_per_second":      float64(c.load),
			"tries_each_in_outage":     c.mean((*stormCounts).eachInOutage),
			"answered_in_outage":       c.mean((*stormCounts).partInOutage),
			"answered_after_a_minute":  c.mean((*stormCounts).partAfterAMinute),
			"seconds_until_back":       c.mean(func(n *stormCounts) float64 { return n.back().Seconds() }),
			"worked_for_nobody":        c.mean((*stormCounts).wasted),
			"callers_at_most":          c.mean((*stormCounts).crowd),
			"refused_by_guards":        c.mean(func(n *stormCounts) float64 { return float64(n.ends[stormRefused]) }),
			"seconds_of_wait_p99":      c.mean(func(n *stormCounts) float64 { return n.wait(0.99).Seconds() }),
			"tries_at_the_server":      c.mean(func(n *stormCounts) float64 { return float64(n.tries) }),
			"tries_that_ran_at_a_time": c.mean(func(n *stormCounts) float64 { return float64(n.running) }),
		},
	}
}
