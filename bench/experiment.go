package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/plinth-go/plinth/bench/machine"
	"github.com/plinth-go/plinth/bench/report"
	"github.com/plinth-go/plinth/cache/cachesim"
	"github.com/plinth-go/plinth/vfs"
)

// experiment is one trade-off. Each package adds a file with one, and a line
// in experiments.
type experiment struct {
	name  string // what -run matches
	about string // one line
	disk  bool   // its numbers are of the disk of -dir
	run   func(context.Context, *session) (report.Part, error)
}

// experiments are all there are, in the order of the report.
func experiments() []experiment {
	return []experiment{
		walExperiment(),
		cacheExperiment(),
		lsmExperiment(),
		btreeExperiment(),
		ratelimitExperiment(),
		hashringExperiment(),
		breakerExperiment(),
		vclockExperiment(),
		crdtExperiment(),
	}
}

// profile says how thorough a run is.
type profile struct {
	name, about string
	rounds      int           // times that each cell is measured, in mixed order
	cell        time.Duration // of one cell in one round
	bytes       int64         // at most so many bytes of records per cell and round
}

// profiles are the ones to choose from; the first is the default.
func profiles() []profile {
	return []profile{
		{"quick", "quick profile: each combination once, under a minute in all", 1, 1200 * time.Millisecond, 256 << 20},
		{"full", "full profile: each combination in 5 rounds of mixed order, about 10 minutes", 5, 3 * time.Second, 512 << 20},
	}
}

// session is what the experiments of one run share. It is not safe for
// concurrent use: experiments run one after the other.
type session struct {
	profile   profile
	disk      vfs.FS                         // nil is the operating system's
	dir       string                         // empty, and removed at the end; leave no large files in it
	input     string                         // file whose lines are the records, or empty
	trace     cachesim.Trace                 // requests to replay into caches, or nil
	traceFile string                         // that they are from, or empty
	again     func(experiment string) string // the command that measures it once more
	machine   machine.Machine
	progress  *progress
}

// needSpace fails unless there is room for bytes more.
func (s *session) needSpace(bytes int64) error {
	free, ok := machine.FreeSpace(s.dir)
	if ok && free < uint64(bytes) {
		return fmt.Errorf("needs up to %d MiB on the disk of %s, which has %d MiB left; choose another with -dir", bytes>>20, s.machine.Dir, free>>20)
	}
	return nil
}

// rounds calls measure for each of n cells as often as the profile says. The
// first round goes in order; the others are shuffled, so that no cell always
// comes after the same one, and what changes over time hits all of them.
func (s *session) rounds(ctx context.Context, n int, name func(cell int) string, measure func(cell int) error) error {
	rnd := rand.New(rand.NewPCG(1, 1))
	total := s.profile.rounds * n
	for round := range s.profile.rounds {
		order := make([]int, n)
		for i := range order {
			order[i] = i
		}
		if round > 0 {
			rnd.Shuffle(n, func(i, j int) { order[i], order[j] = order[j], order[i] })
		}
		for k, cell := range order {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			s.progress.show(round*n+k, total, name(cell))
			if err := measure(cell); err != nil {
				return fmt.Errorf("%s: %w", name(cell), err)
			}
		}
	}
	return nil
}

// median of values, which are not empty; they are left as they are.
func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

// count writes a number with its noun.
func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
