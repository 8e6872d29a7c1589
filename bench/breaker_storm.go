package main

import (
	"context"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/plinth-go/plinth/breaker"
)

// The storm. A program gets requests, and for each it asks a server (breaker_server.go). For ten
// seconds the server is not well. What becomes of it depends on how the program asks:
//
//	requests ──▶ try, and again if it fails ──▶ breaker ──▶ bulkhead ──▶ a timeout ──▶ server
//	                 │ ▲
//	                 ▼ │ is there a token?
//	                budget
//
// A storm that goes on when what began it is over is a metastable failure (N. Bronson, A.
// Aghayev, A. Charapko, T. Zhu: Metastable Failures in Distributed Systems, HotOS 2021): the
// system has two states that last, and in the bad one the load of the retries keeps it there.
//
// All of it happens on the time of an agenda. The guards are those of package breaker, and are told
// what time it is, or need none. Whatever is by chance is computed with integers from a seed.

const (
	stormTimeout  = time.Second // of a try
	stormTries    = 3           // at most, where there are retries
	stormBackoff  = 50 * time.Millisecond
	stormBulkhead = 30 // tries at a time; when all is well, 7 run on the mean

	stormFrom = 20 * time.Second // the outage
	stormTo   = 30 * time.Second
	stormEnd  = 100 * time.Second // the last request; what runs then comes to its end
	stormLoad = 350               // requests a second: 70 % of what the server can do
)

// stormOutage reports whether the server is not well.
func stormOutage(at time.Duration) bool { return at >= stormFrom && at < stormTo }

// stormClient is how a program asks.
type stormClient struct {
	name     string
	tries    int
	budget   bool
	breaker  bool
	bulkhead bool
}

// Those that captions speak of.
const (
	stormOnce    = "one try"
	stormPlain   = "retries"
	stormBudget  = "retries, budget"
	stormBreaker = "retries, breaker"
	stormHeld    = "retries, bulkhead"
	stormAll     = "all of them"
)

// stormClients are all there are.
func stormClients() []stormClient {
	return []stormClient{
		{name: stormOnce, tries: 1},
		{name: stormPlain, tries: stormTries},
		{name: stormBudget, tries: stormTries, budget: true},
		{name: stormBreaker, tries: stormTries, breaker: true},
		{name: stormHeld, tries: stormTries, bulkhead: true},
		{name: stormAll, tries: stormTries, budget: true, breaker: true, bulkhead: true},
	}
}

// storm is one run. It is not safe for concurrent use.
type storm struct {
	agenda
	stormClient
	start  time.Time // what the guards are told instead of 0
	server *stormServer
	jitter *rand.Rand

	tokens  *breaker.Budget
	circuit *breaker.Breaker // nil if there is none
	places  *breaker.Bulkhead

	counts stormCounts
}

// stormCounts are what was counted in one run.
type stormCounts struct {
	offered, sent, answered perSecond // requests that came; tries at the server; answers that were heard
	helped                  perSecond // requests that have got an answer, by when they came
	callers                 perSecond // the most that waited at a time, for an answer or for another try
	waiting                 int       // callers, now
	tries                   int       // at the server, all of them
	timeouts                int       // tries that ended so
	ends                    [stormRefused + 1]int
	waits                   []time.Duration // until they knew, of those who came in the outage
	states                  []stormState    // of the circuit
	running                 int             // the most tries that the bulkhead ever let run at a time
	server                  serverCounts
}

// stormEnding is how a request ended.
type stormEnding int

const (
	stormAnswered stormEnding = iota
	stormFailed               // the last try did
	stormRefused              // by a guard
)

// stormState is when a circuit changed its state.
type stormState struct {
	at    time.Duration
	state breaker.State
}

// perSecond counts by the second. It knows nothing of what is after the last one.
type perSecond [stormEnd / time.Second]int

func (p *perSecond) at(t time.Duration) *int {
	if t >= stormEnd {
		return new(int)
	}
	return &p[t/time.Second]
}

// sum adds up the seconds from one time to another.
func (p *perSecond) sum(from, to time.Duration) (sum int) {
	for _, n := range p[from/time.Second : to/time.Second] {
		sum += n
	}
	return sum
}

// playStorm is the whole of a run, with so many requests a second.
func playStorm(c stormClient, t stormTrouble, load int, seed uint64) (*stormCounts, error) {
	s := &storm{stormClient: c, jitter: rand.New(rand.NewPCG(seed, 3))}
	s.server = newStormServer(&s.agenda, t, rand.New(rand.NewPCG(seed, 2)))
	if err := s.guard(); err != nil {
		return nil, err
	}
	s.arrivals(load, rand.New(rand.NewPCG(seed, 1)))
	s.play()
	s.counts.server = s.server.counts
	if s.places != nil {
		s.counts.running = s.places.Stats().Peak
	}
	return &s.counts, nil
}

// guard makes the guards. All are as they are by default, except that chance comes from nowhere
// but the seed (NoJitter), and that the breaker looks at the last 100 calls: a window of time
// would begin when the breaker is made, which is not the simulation's to say.
func (s *storm) guard() (err error) {
	s.tokens = breaker.NoBudget()
	if s.budget {
		if s.tokens, err = breaker.NewBudget(breaker.BudgetConfig{}); err != nil {
			return err
		}
	}
	if s.bulkhead {
		if s.places, err = breaker.NewBulkhead(stormBulkhead, 0); err != nil {
			return err
		}
	}
	if s.breaker {
		s.circuit, err = breaker.New(breaker.Config{
			Trip: breaker.FailureRate(0.5, 20, breaker.LastCalls(100)), Jitter: breaker.NoJitter,
		})
		if err != nil {
			return err
		}
		s.circuit.OnStateChange(func(c breaker.Change) {
			s.counts.states = append(s.counts.states, stormState{c.At.Sub(s.start), c.To})
		})
	}
	s.start = time.Now() // not before the breaker
	return nil
}

// arrivals lets requests come at random times: so many points on a line, which is a Poisson
// process of which the sum is known, and takes no logarithm.
func (s *storm) arrivals(load int, chance *rand.Rand) {
	times := make([]time.Duration, load*int(stormEnd/time.Second))
	for i := range times {
		times[i] = time.Duration(chance.Int64N(int64(stormEnd)))
	}
	slices.Sort(times)
	next := 0
	var arrive func()
	arrive = func() {
		if next++; next < len(times) {
			s.after(times[next]-s.now, arrive)
		}
		s.request()
	}
	s.after(times[0], arrive)
}

// stormRequest is a caller who waits for an answer.
type stormRequest struct {
	came  time.Duration
	tries int
}

func (s *storm) request() {
	c := &s.counts
	*c.offered.at(s.now)++
	c.waiting++
	most := c.callers.at(s.now)
	*most = max(*most, c.waiting)
	s.tokens.Earn()
	s.try(&stormRequest{came: s.now})
}

// try is one try behind its guards, in the order of breaker.Chain: the circuit outside of the
// bulkhead, which is outside of the timeout. What a guard refuses is final, as it is for
// a Retry that has no Patience.
func (s *storm) try(r *stormRequest) {
	r.tries++
	var permit breaker.Permit
	var place breaker.Slot
	var err error
	if s.circuit != nil {
		if permit, err = s.circuit.AllowAt(s.start.Add(s.now)); err != nil {
			s.end(r, stormRefused)
			return
		}
	}
	if s.places != nil {
		if place, err = s.places.Acquire(context.Background()); err != nil {
			permit.DoneAt(s.start.Add(s.now), err)
			s.end(r, stormRefused)
			return
		}
	}
	s.counts.tries++
	*s.counts.sent.at(s.now)++
	over := false
	done := func(err error) (heard bool) {
		if over {
			return false
		}
		over = true
		place.Release()
		permit.DoneAt(s.start.Add(s.now), err)
		s.tried(r, err)
		return true
	}
	s.after(stormTimeout, func() {
		if done(context.DeadlineExceeded) {
			s.counts.timeouts++
		}
	})
	s.server.take(done)
}

// tried is what comes after a try: the end, or a wait at random (full jitter) and another.
func (s *storm) tried(r *stormRequest, err error) {
	switch {
	case err == nil:
		*s.counts.answered.at(s.now)++
		*s.counts.helped.at(r.came)++
		s.end(r, stormAnswered)
		return
	case r.tries >= s.tries || !s.tokens.Spend():
		s.end(r, stormFailed)
		return
	}
	longest := stormBackoff << (r.tries - 1)
	s.after(time.Duration(s.jitter.Int64N(int64(longest)+1)), func() { s.try(r) })
}

func (s *storm) end(r *stormRequest, how stormEnding) {
	s.counts.ends[how]++
	s.counts.waiting--
	if stormOutage(r.came) {
		s.counts.waits = append(s.counts.waits, s.now-r.came)
	}
}
