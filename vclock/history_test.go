package vclock

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

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
		check(run(r, 2+r.IntN(10), 1+r.IntN(60)))
	}
}

// sameOrder holds that clocks order all pairs of events as they happened, and that some were concurrent.
func sameOrder[S fmt.Stringer](t *testing.T, h history, stamps []S, compare func(a, b S) Ordering) {
	t.Helper()
	for i := range stamps {
		for j := range stamps {
			if got, want := compare(stamps[i], stamps[j]), h.order(i, j); got != want {
				t.Fatalf("events %d and %d: %v and %v are %v, want %v", i, j, stamps[i], stamps[j], got, want)
			}
		}
	}
}

// concurrent counts the pairs of events of which neither happened before the other.
func (h history) concurrent() (n int) {
	for i := range h.events {
		for j := range i {
			if h.order(i, j) == Concurrent {
				n++
			}
		}
	}
	return n
}

// TestHistoryVector: a vector clock has the order of events, for each pair. Planted and caught: a process that takes
// over a vector instead of merging it.
func TestHistoryVector(t *testing.T) {
	histories(t, func(h history) {
		sameOrder(t, h, stampAll(t, h, func(process int, last, from *Vector) (v Vector) {
			if last != nil {
				v = *last
			}
			if from != nil {
				v.Merge(*from)
			}
			_, err := v.Tick(nameOf(process))
			require.NoError(t, err)
			return v
		}), Vector.Compare)
	})
}

// TestHistoryContext: so has a context of all events that are known.
func TestHistoryContext(t *testing.T) {
	histories(t, func(h history) {
		sameOrder(t, h, stampAll(t, h, func(process int, last, from *Context) (c Context) {
			if last != nil {
				c = last.Clone()
			}
			if from != nil {
				c.Merge(*from)
			}
			_, err := c.Next(nameOf(process))
			require.NoError(t, err)
			return c
		}), Context.Compare)
	})
}

// TestHistoryStamp: and an interval tree clock, of which each process has a piece, and a message only what has happened.
// Planted and caught: a process that does not join what a message knows.
func TestHistoryStamp(t *testing.T) {
	histories(t, func(h history) {
		pieces := []Stamp{Seed()}
		for len(pieces) < h.processes {
			a, b := pieces[0].Fork()
			pieces = append(pieces[1:], a, b)
		}
		sameOrder(t, h, stampAll(t, h, func(process int, last, from *Stamp) Stamp {
			s := pieces[process]
			if last != nil {
				s = *last
			}
			var err error
			if from != nil {
				s, err = Join(s, from.Peek())
				require.NoError(t, err)
			}
			s, err = s.Event()
			require.NoError(t, err)
			return s
		}), Stamp.Compare)
	})
}

// TestHistoryDVVSet: and sets of versions, where an event is to read what is there and to write over it.
func TestHistoryDVVSet(t *testing.T) {
	histories(t, func(h history) {
		sameOrder(t, h, stampAll(t, h, func(process int, last, from *DVVSet[string]) (s DVVSet[string]) {
			if last != nil {
				s = *last
			}
			if from != nil {
				s.Merge(*from)
			}
			require.NoError(t, s.Put(s.Context(), nameOf(process), "x"))
			require.Equal(t, 1, s.Len())
			return s
		}), DVVSet[string].Compare)
	})
}

// TestHistoryMatrix: and what a matrix has of its own replica.
func TestHistoryMatrix(t *testing.T) {
	histories(t, func(h history) {
		var members []ID
		for i := range h.processes {
			members = append(members, nameOf(i))
		}
		type owned struct {
			fmt.Stringer
			row Vector
			all Matrix
		}
		sameOrder(t, h, stampAll(t, h, func(process int, last, from *owned) owned {
			m, err := NewMatrix(members...)
			require.NoError(t, err)
			if last != nil {
				m = last.all
			}
			own := nameOf(process)
			row, _ := m.Get(own)
			if from != nil {
				m.Merge(from.all)
				row.Merge(from.row)
			}
			_, err = row.Tick(own)
			require.NoError(t, err)
			_, err = m.Observe(own, row)
			require.NoError(t, err)
			row, _ = m.Get(own)
			return owned{row, row, m}
		}), func(a, b owned) Ordering { return a.row.Compare(b.row) })
	})
}

// TestHistoryLamport: one way only. What happened before has the smaller number; but what has the smaller number may be
// concurrent, and of those pairs that are, most have one. The log says how many.
func TestHistoryLamport(t *testing.T) {
	concurrent, ordered := 0, 0
	histories(t, func(h history) {
		clocks := make([]Lamport, h.processes)
		stamps := stampAll(t, h, func(process int, _, from *uint64) uint64 {
			if from != nil {
				require.NoError(t, clocks[process].Witness(*from))
			}
			n, err := clocks[process].Tick()
			require.NoError(t, err)
			return n
		})
		for i := range stamps {
			for j := range stamps {
				switch h.order(i, j) {
				case Before:
					require.Less(t, stamps[i], stamps[j])
				case Concurrent:
					concurrent++
					if stamps[i] != stamps[j] {
						ordered++
					}
				}
			}
		}
	})
	t.Logf("%d of %d pairs that were concurrent have numbers that say otherwise", ordered/2, concurrent/2)
	require.Greater(t, ordered, concurrent/2)
}

// TestHistoryHLC: the same of a hybrid clock, whatever the clocks on the wall say, and these are off by up to half
// a second. By the wall, what came later is often earlier: the log says how often.
func TestHistoryHLC(t *testing.T) {
	r := seed.New(t)
	pairs, wrong := 0, 0
	histories(t, func(h history) {
		now := time.Unix(1e9, 0)
		hybrid, off := make([]*HLC, h.processes), make([]time.Duration, h.processes)
		for i := range hybrid {
			off[i] = time.Duration(r.IntN(500)) * time.Millisecond
			var err error
			hybrid[i], err = NewHLC(HLCConfig{Now: func() time.Time { return now.Add(off[i]) }})
			require.NoError(t, err)
		}
		type both struct {
			hybrid Timestamp
			wall   time.Time
		}
		stamps := stampAll(t, h, func(process int, _, from *both) (s both) {
			now = now.Add(time.Duration(r.IntN(20)) * time.Millisecond)
			var err error
			if from != nil {
				s.hybrid, err = hybrid[process].Update(from.hybrid)
			} else {
				s.hybrid, err = hybrid[process].Now()
			}
			require.NoError(t, err)
			s.wall = now.Add(off[process])
			return s
		})
		for i := range stamps {
			for j := range stamps {
				if h.order(i, j) == Before {
					require.Negative(t, stamps[i].hybrid.Compare(stamps[j].hybrid))
					if pairs++; !stamps[i].wall.Before(stamps[j].wall) {
						wrong++
					}
				}
			}
		}
	})
	t.Logf("of %d pairs, of which one happened before the other, the wall has %d the other way round, and the HLC none", pairs, wrong)
	require.NotZero(t, wrong)
}

// TestHistories holds that there is something to find in them.
func TestHistories(t *testing.T) {
	pairs, concurrent := 0, 0
	histories(t, func(h history) {
		pairs += len(h.events) * (len(h.events) - 1) / 2
		concurrent += h.concurrent()
	})
	require.Greater(t, concurrent, pairs/10)
	require.Less(t, concurrent, pairs*9/10)
}
