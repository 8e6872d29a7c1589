package crdt

import (
	"errors"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/plinth-go/plinth/internal/seed"
	"github.com/plinth-go/plinth/vclock"
)

// A small history is one of three replicas and up to four events: before each event, any of the deltas of the others
// have come, in and out of order. All of them are played, and of each history all sets of deltas are merged, and
// compared with what the model says.
//
// Two of them that differ in names alone, or in the order of what nobody has seen of each other, are one. And because
// equal states have equal bytes, each state is made once, and what becomes of it is remembered: that is what makes four
// events bearable. The short form plays all histories of three events, and of types with many operations only a few
// of four.
type smallRun[T state[T]] struct {
	subject[T]
	r     *rand.Rand
	oneOf int // histories of four events one is played

	states []smallState[T]
	places map[string]int // in states, by their bytes
	done   map[smallStep]smallDone
	joins  map[[2]int]int // of two states

	history []*event
	has     [3]events // what each replica knows
	joined  [16]int   // of each set of events: the join of their deltas
	played  int       // histories
	sets    int       // of deltas, of all histories
}

// smallState is a state. Nobody changes it, and it is told by its place.
type smallState[T any] struct {
	state T
	shown string
}

// smallStep is an operation on a state.
type smallStep struct{ at, replica, op int }

type smallDone struct {
	state, delta int
	err          error
}

const longest = 4

func (s subject[T]) small(t *testing.T) {
	run := &smallRun[T]{subject: s, r: seed.New(t), oneOf: times(64, 64, 1),
		places: map[string]int{}, done: map[smallStep]smallDone{}, joins: map[[2]int]int{}}
	if len(s.few) < 4 {
		run.oneOf = times(16, 1, 1) // of those there are not many
	}
	run.place(t, s.zero())
	run.grow(t)
	t.Logf("%d histories, %d sets of their deltas, %d different states", run.played, run.sets, len(run.states))
	require.Greater(t, run.sets, 200, "it has looked at next to nothing")
}

// place returns where a state is.
func (s *smallRun[T]) place(t *testing.T, state T) int {
	b := bytesOf(t, state)
	i, is := s.places[b]
	if !is {
		i = len(s.states)
		s.places[b] = i
		s.states = append(s.states, smallState[T]{state, s.shown(state)})
	}
	return i
}

// grow adds each event that there can be, and goes on from there. Replicas are named in the order in which they do
// something.
func (s *smallRun[T]) grow(t *testing.T) {
	n, replicas := len(s.history), 1
	for i, has := range s.has {
		if has > 0 {
			replicas = min(i+2, len(s.has))
		}
	}
	for replica := range replicas {
		for saw := range events(1) << n {
			if s.known(saw) != saw || s.has[replica]&^saw > 0 || !s.inOrder(replica, saw) {
				continue
			}
			for i := range s.few {
				if n < longest-1 || s.oneOf == 1 || s.r.IntN(s.oneOf) == 0 {
					s.play(t, replica, saw, i)
				}
			}
		}
	}
}

// known returns what is known to who has got some deltas: those events, and what they carry.
func (s *smallRun[T]) known(got events) events {
	for _, e := range got.among(s.history) {
		got |= e.carried
	}
	return got
}

// inOrder reports whether an event cannot be put before others of replicas that come later in the alphabet, because
// it depends on one of those, or on one in between. If it can, it is played there.
func (s *smallRun[T]) inOrder(replica int, saw events) bool {
	for _, e := range slices.Backward(s.history) {
		switch {
		case saw.has(e.n):
			return true
		case e.by > smallName(replica):
			return false
		}
	}
	return true
}

func smallName(replica int) vclock.ID { return vclock.ID(rune('a' + replica)) }

// play lets a replica do something that has seen this, and goes on from there.
func (s *smallRun[T]) play(t *testing.T, replica int, saw events, i int) {
	n, at := len(s.history), s.joined[saw]
	e := &event{op: s.few[i], by: smallName(replica), n: n, saw: saw.among(s.history)}
	idle, why := s.consider(e)
	done := s.act(t, smallStep{at, replica, i})
	if idle || done.err != nil {
		if !errors.Is(done.err, why) || done.state != at || done.delta != 0 {
			require.Fail(t, "not idle", "%v\n%v: want error %v, got %v", s.history, e, why, done.err)
		}
		return
	}
	s.played++
	had := s.has[replica]
	s.history, s.has[replica] = append(s.history, e), saw|1<<n
	for rest := range events(1) << n {
		s.joined[rest|1<<n] = s.join(t, done.delta, s.joined[rest])
	}
	s.look(t)
	if s.joined[s.has[replica]] != done.state {
		require.Fail(t, "the delta is not the change", "%v", s.history)
	}
	if len(s.history) < longest {
		s.grow(t)
	}
	s.history, s.has[replica] = s.history[:n], had
}

// act does an operation.
func (s *smallRun[T]) act(t *testing.T, step smallStep) smallDone {
	done, is := s.done[step]
	if !is {
		state := s.states[step.at].state.Clone()
		delta, err := s.do(state, smallName(step.replica), s.few[step.op])
		done = smallDone{state: s.place(t, state), err: err}
		if err == nil {
			done.delta = s.place(t, delta)
		}
		s.done[step] = done
	}
	return done
}

// join joins two states, both ways.
func (s *smallRun[T]) join(t *testing.T, a, b int) int {
	joined, is := s.joins[[2]int{a, b}]
	if !is {
		one, other := s.states[a].state, s.states[b].state
		joined = s.place(t, Join(one, other))
		require.Equal(t, joined, s.place(t, Join(other, one)), "%v and %v", one, other)
		s.joins[[2]int{a, b}], s.joins[[2]int{b, a}] = joined, joined
	}
	return joined
}

// look compares all sets of deltas that have the last one with the model.
func (s *smallRun[T]) look(t *testing.T) {
	last := events(1) << (len(s.history) - 1)
	for got := last; got < 2*last; got++ {
		s.sets++
		known := s.known(got)
		all := known.among(s.history)
		alive := s.alive(all)
		if s.joined[got] != s.joined[known] {
			require.Fail(t, "what is carried makes a difference", "%v: %b", s.history, got)
		}
		if want, have := s.value(alive), s.states[s.joined[got]].shown; want != have {
			require.Equal(t, want, have, "%v: %b", s.history, got)
		}
	}
}

// TestSmall plays each type. What it has caught is told above subjects.
func TestSmall(t *testing.T) {
	eachSubject(t, anySubject.small)
}
