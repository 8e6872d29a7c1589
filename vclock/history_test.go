package vclock

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/plinth-go/plinth/internal/seed"
)

// history is a run of processes that send messages to each other, with what happened before
// what as one sees it who sees everything: event i happened before j if there is a way from one to
// the other. It is what clocks are compared with. It is not changed once it is made.
type history struct {
	processes int
	events    []event
	before    []map[int]bool // of each event: all that happened before it
}

// event is a step of a process: on its own, or with a message that was sent by another one.
type event struct {
	process int
	last    int // the event before it of the same process; -1 for the first
	from    int // the event that sent what it receives; -1 if it receives nothing
}

// run makes so many events by chance. Messages may be lost, overtake each other, and come twice.
func run(r *rand.Rand, processes, events int) history {
	h := history{processes: processes}
	last := make([]int, processes)
	for i := range last {
		last[i] = -1
	}
	for i := range events {
		e := event{process: r.IntN(processes), from: -1}
		e.last = last[e.process]
		if i > 0 && r.IntN(3) > 0 {
			if from := r.IntN(i); h.events[from].process != e.process {
				e.from = from
			}
		}
		before := map[int]bool{}
		for _, cause := range []int{e.last, e.from} {
			if cause < 0 {
				continue
			}
			before[cause] = true
			for j := range h.before[cause] {
				before[j] = true
			}
		}
		h.events, h.before = append(h.events, e), append(h.before, before)
		last[e.process] = i
	}
	return h
}

// order is how two events of the run relate.
func (h history) order(i, j int) Ordering {
	switch {
	case i == j:
		return Equal
	case h.before[j][i]:
		return Before
	case h.before[i][j]:
		return After
	}
	return Concurrent
}

// stampAll gives each event of a run a stamp: step is told the one before it of the same
// process, and the one that a message has brought; nil if there is none.
func stampAll[S any](t *testing.T, h history, step func(process int, last, from *S) S) []S {
	t.Helper()
	stamps := make([]S, len(h.events))
	at := func(i int) *S {
		if i < 0 {
			return nil
		}
		return &stamps[i]
	}
	for i, e := range h.events {
		stamps[i] = step(e.process, at(e.last), at(e.from))
	}
	return stamps
}

// histories calls check with runs of two to six processes.
func histories(t *testing.T, check func(h history)) {
	r := seed.New(t)
	for range 60 {
		check(run(r, 2+r.IntN(5), 1+r.IntN(60)))
	}
}

// TestHistoryVector: a vector clock has the order of events, for each pair. Planted and caught: a process that does not
// count receipts, that takes over a vector instead of merging it, a message that carries the clock of before its event.
func TestHistoryVector(t *testing.T) {
	concurrent := 0
	histories(t, func(h history) {
		stamps := stampAll(t, h, func(process int, last, from *Vector) (v Vector) {
			if last != nil {
				v = *last
			}
			if from != nil {
				v.Merge(*from)
			}
			_, err := v.Tick(nameOf(process))
			require.NoError(t, err)
			return v
		})
		for i := range stamps {
			for j := range stamps {
				if got, want := stamps[i].Compare(stamps[j]), h.order(i, j); got != want {
					t.Fatalf("events %d and %d: %v and %v are %v, want %v", i, j, stamps[i], stamps[j], got, want)
				} else if want == Concurrent {
					concurrent++
				}
			}
		}
	})
	require.NotZero(t, concurrent)
}
