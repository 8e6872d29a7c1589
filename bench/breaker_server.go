package main

import (
	"errors"
	"math/rand/v2"
	"slices"
	"time"
)

// The server of the storm: so many workers, and one line before them.
//
//	                 ┌─▶ worker 1 ─▶ answer
//	request ─▶ ( … )─┼─▶ …            (if anybody is still there to hear it)
//	            line └─▶ worker 10
//
// It does not know whether who asked has gone meanwhile, and works for him all the same. That
// is what most servers do, and it is why a storm feeds itself: when the line takes longer
// than callers have patience, all the work is for those who have gone, and nothing gets better by it.

const (
	stormWorkers = 10
	stormTakes   = 20 * time.Millisecond // a request, on the mean
	stormLine    = 2000                  // who comes when so many wait is refused

	stormCapacity = stormWorkers * int(time.Second/stormTakes) // requests a second, when it is well
)

// stormTrouble is what happens to the server during the outage.
type stormTrouble struct {
	name   string
	slower int           // how many times as long a request takes
	fails  time.Duration // after which it is answered with an error instead; 0 is never
}

func itIsSlow() stormTrouble { return stormTrouble{name: "10 times slower", slower: 10} }

func itFails() stormTrouble {
	return stormTrouble{name: "errors at once", slower: 1, fails: time.Millisecond}
}

// What the server says.
var (
	errStormFull = errors.New("503: the line is full")
	errStormDown = errors.New("500: it does not work")
)

// stormServer serves in the order in which requests come. It is not safe for concurrent use.
type stormServer struct {
	agenda  *agenda
	chance  *rand.Rand
	trouble stormTrouble
	idle    int
	line    []func(error) bool // who waits, from head on
	head    int
	counts  serverCounts
}

// serverCounts are what a server has done.
type serverCounts struct {
	full    int // refused, because so many waited
	served  int
	wrong   int // answered with an error
	nobody  int // of served and wrong: nobody was there any more to hear it
	longest int // line
}

func newStormServer(a *agenda, t stormTrouble, chance *rand.Rand) *stormServer {
	return &stormServer{agenda: a, chance: chance, trouble: t, idle: stormWorkers}
}

// take takes a request, or refuses it at once. The answer is told once; who hears it says whether he
// is still interested.
func (s *stormServer) take(answer func(error) bool) {
	switch {
	case s.idle > 0:
		s.idle--
		s.work(answer)
	case len(s.line)-s.head < stormLine:
		s.line = append(s.line, answer)
		s.counts.longest = max(s.counts.longest, len(s.line)-s.head)
	default:
		s.counts.full++
		answer(errStormFull)
	}
}

// work is what a worker does with a request, before he takes the next.
func (s *stormServer) work(answer func(error) bool) {
	takes := stormTakes/2 + time.Duration(s.chance.Int64N(int64(stormTakes)+1))
	var err error
	if stormOutage(s.agenda.now) {
		takes *= time.Duration(s.trouble.slower)
		if s.trouble.fails > 0 {
			takes, err = s.trouble.fails, errStormDown
		}
	}
	s.agenda.after(takes, func() {
		if err == nil {
			s.counts.served++
		} else {
			s.counts.wrong++
		}
		if !answer(err) {
			s.counts.nobody++
		}
		s.next()
	})
}

func (s *stormServer) next() {
	if s.head == len(s.line) {
		s.idle++
		return
	}
	first := s.line[s.head]
	s.line[s.head] = nil
	if s.head++; s.head > stormLine { // so that it does not grow for ever
		s.line, s.head = slices.Delete(s.line, 0, s.head), 0
	}
	s.work(first)
}
