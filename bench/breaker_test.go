package main

import (
	"encoding/json"
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/plinth-go/plinth/bench/report"
	"github.com/plinth-go/plinth/breaker"
	"github.com/plinth-go/plinth/internal/form"
	"github.com/plinth-go/plinth/internal/seed"
)

// TestBreakerRun looks at the whole of the experiment, which says the same when it is run again.
func TestBreakerRun(t *testing.T) {
	notRaced(t)
	o := bench(t, t.Context(), "breaker")
	require.Equal(t, exitOK, o.code, o.stderr)
	var back struct{ Results []report.Result }
	require.NoError(t, json.Unmarshal(o.json, &back))
	storms := stormsOf(back.Results)
	require.Len(t, storms, len(stormCells())+len(stormSweep(tiny()[0])))
	for _, r := range storms {
		require.Equal(t, "simulation", r.Load)
		require.Equal(t, 2, r.Rounds)
		require.Zero(t, r.PerSecond, "no time")
	}
	testPages(t, o, 10, 3)

	for i, c := range stormCells()[:3] {
		require.NoError(t, c.round())
		require.NoError(t, c.round())
		require.Equal(t, c.result(), storms[i])
	}
}

// notRaced is for what is one goroutine, and long.
func notRaced(t *testing.T) {
	t.Helper()
	if form.Raced() {
		t.Skip("it is one goroutine, and long")
	}
}

func stormsOf(all []report.Result) []report.Result {
	return slices.DeleteFunc(all, func(r report.Result) bool { return !strings.HasPrefix(r.Experiment, "breaker/storm/") })
}

func TestInterruptBreaker(t *testing.T) {
	for _, at := range []string{"[1/40]", "[2/40]"} {
		interrupt(t, at, "breaker")
	}
}

// stormSeeds are as many as there is time for.
func stormSeeds() uint64 {
	if form.Long() {
		return 20
	}
	return 2
}

// playAll plays each way to ask in a trouble, by name.
func playAll(t *testing.T, trouble stormTrouble, load int, seed uint64) map[string]*stormCounts {
	t.Helper()
	all := map[string]*stormCounts{}
	for _, c := range stormClients() {
		n, err := playStorm(c, trouble, load, seed)
		require.NoError(t, err)
		all[c.name] = n
	}
	return all
}

// TestStormSeeds holds several seeds to what the report says, and counts: each request ends
// once, and each try. Planted and caught: a budget that nobody asks, and one that earns nothing; a circuit
// that is not told of timeouts, or is told of a full bulkhead as of a failure; a place that is
// kept after a timeout; a try that ends twice; waits of twice the length, and waits that are no
// chance; a fourth try; a server that is well again a second early.
func TestStormSeeds(t *testing.T) {
	notRaced(t)
	for seed := uint64(1); seed <= stormSeeds(); seed++ {
		slow, fails := playAll(t, itIsSlow(), stormLoad, seed), playAll(t, itFails(), stormLoad, seed)
		if seed == 1 {
			testDrawn(t, map[stormTrouble]map[string]*stormCounts{itIsSlow(): slow, itFails(): fails})
		}
		for name := range slow {
			testStormCounts(t, name, slow[name])
			testStormCounts(t, name, fails[name])
		}
		testMetastable(t, slow)
		testFailing(t, fails)
		require.Equal(t, slow[stormHeld], slow[stormAll], "no call fails that the circuit would see")
	}
}

// testStormCounts: nothing is lost, and no guard lets through more than it may.
func testStormCounts(t *testing.T, name string, n *stormCounts) {
	t.Helper()
	requests := stormLoad * int(stormEnd/time.Second)
	require.Equal(t, requests, n.offered.sum(0, stormEnd), name)
	require.Equal(t, requests, n.ends[stormAnswered]+n.ends[stormFailed]+n.ends[stormRefused], name)
	require.Equal(t, n.ends[stormAnswered], n.helped.sum(0, stormEnd), name)
	require.Zero(t, n.waiting, name)
	require.Len(t, n.waits, n.offered.sum(stormFrom, stormTo), name)

	require.Equal(t, n.tries, n.server.full+n.server.served+n.server.wrong, name)
	require.Equal(t, n.timeouts, n.server.nobody, "the server works on what has timed out: %s", name)
	require.LessOrEqual(t, n.ends[stormAnswered], n.server.served, name)
	require.LessOrEqual(t, n.server.longest, stormLine, name)
	for i, callers := range n.callers {
		require.GreaterOrEqual(t, callers, min(1, n.offered[i]), name)
	}

	client := stormClients()[slices.IndexFunc(stormClients(), func(c stormClient) bool { return c.name == name })]
	require.LessOrEqual(t, n.tries, client.tries*requests, name)
	if client.budget {
		require.LessOrEqual(t, 10*n.tries, 11*requests+100, "the law of Budget: %s", name)
		require.LessOrEqual(t, 10*n.sent.sum(stormFrom, stormTo), 11*n.offered.sum(stormFrom, stormTo)+100, name)
	}
	require.Equal(t, client.breaker || client.bulkhead, n.running > 0 || len(n.states) > 0, name)
	require.LessOrEqual(t, n.running, stormBulkhead, name)
	if !client.breaker && !client.bulkhead {
		require.Zero(t, n.ends[stormRefused], name)
	}
}

// testDrawn holds the counts of the run that is drawn, exactly.
func testDrawn(t *testing.T, all map[stormTrouble]map[string]*stormCounts) {
	t.Helper()
	type exact struct{ sent, helped, answered, failed, refused, tries, nobody int }
	want := map[string]map[string]exact{
		itIsSlow().name: {
			stormOnce:    {3390, 55, 28050, 6950, 0, 35000, 6031},
			stormPlain:   {9977, 55, 7183, 27817, 0, 90634, 37966},
			stormBudget:  {3695, 55, 26969, 8031, 0, 35814, 7614},
			stormBreaker: {523, 55, 31549, 0, 3451, 32017, 468},
			stormHeld:    {529, 529, 32101, 0, 2899, 32101, 0},
			stormAll:     {529, 529, 32101, 0, 2899, 32101, 0},
		},
		itFails().name: {
			stormOnce:    {3390, 0, 31610, 3390, 0, 35000, 0},
			stormPlain:   {10130, 30, 31640, 3360, 0, 41770, 0},
			stormBudget:  {3737, 1, 31611, 3389, 0, 35348, 0},
			stormBreaker: {53, 0, 29821, 4, 5175, 29874, 0},
			stormHeld:    {10130, 29, 31635, 3360, 5, 41765, 0},
			stormAll:     {55, 0, 29812, 39, 5149, 29867, 0},
		},
	}
	for trouble, clients := range all {
		for name, n := range clients {
			got := exact{
				n.sent.sum(stormFrom, stormTo), n.helped.sum(stormFrom, stormTo),
				n.ends[stormAnswered], n.ends[stormFailed], n.ends[stormRefused], n.tries, n.server.nobody,
			}
			require.Equal(t, want[trouble.name][name], got, "%s, %s", trouble.name, name)
		}
	}
}

// testMetastable is the slow server: retries are the only ones who do not come back, and the
// bulkhead is the only one that does what can be done meanwhile.
func testMetastable(t *testing.T, slow map[string]*stormCounts) {
	t.Helper()
	plain := slow[stormPlain]
	require.Greater(t, plain.eachInOutage(), 2.9)
	require.Equal(t, stormNever, plain.back())
	require.Zero(t, plain.answered.sum(stormTo, stormEnd), "not one answer in time")
	require.Greater(t, plain.sent.sum(stormMinute, stormEnd), 2*stormCapacity*int((stormEnd-stormMinute)/time.Second))

	require.InDelta(t, 1.09, slow[stormBudget].eachInOutage(), 0.02)
	between := func(client string, least, most time.Duration) {
		t.Helper()
		n := slow[client]
		require.GreaterOrEqual(t, n.back(), least, client)
		require.LessOrEqual(t, n.back(), most, client)
		require.Greater(t, n.partAfterAMinute(), 0.999, client)
	}
	between(stormOnce, 9*time.Second, 13*time.Second)
	between(stormBudget, 11*time.Second, 17*time.Second)
	between(stormBreaker, time.Second, 2*time.Second)
	between(stormHeld, 0, time.Second)

	can := float64(stormCapacity/itIsSlow().slower) * (stormTo - stormFrom).Seconds()
	require.InEpsilon(t, can, slow[stormHeld].answered.sum(stormFrom, stormTo), 0.03)
	require.Equal(t, stormBulkhead, slow[stormHeld].running)
	require.Zero(t, slow[stormHeld].server.nobody)
	for _, client := range []string{stormOnce, stormPlain, stormBudget, stormBreaker} {
		require.Less(t, slow[client].partInOutage(), 0.03, client)
	}
	require.Less(t, slow[stormHeld].crowd(), 2.0*stormBulkhead)
	require.Less(t, slow[stormHeld].wait(1), stormTimeout)
	require.Greater(t, plain.crowd(), 2.5*float64(stormLoad))
}

// testFailing is the server that answers with errors: nothing goes on after it, but that a circuit
// learns late.
func testFailing(t *testing.T, fails map[string]*stormCounts) {
	t.Helper()
	for client, n := range fails {
		require.Zero(t, n.server.nobody, client)
		require.Equal(t, 1, min(1, n.server.wrong), client)
		require.Greater(t, n.partAfterAMinute(), 0.999, client)
		if len(n.states) == 0 {
			require.Zero(t, n.back(), client)
			continue
		}
		require.Greater(t, n.back(), 3*time.Second, client)
		require.Less(t, n.back(), 8*time.Second, client)
		require.Less(t, n.sent.sum(stormFrom, stormTo), 100, client)
	}
	require.InDelta(t, 3, fails[stormPlain].eachInOutage(), 0.02)
	require.InDelta(t, 3, fails[stormHeld].eachInOutage(), 0.02)
	require.InDelta(t, 1.1, fails[stormBudget].eachInOutage(), 0.01)
	most := stormBackoff + 2*stormBackoff + 3*(itFails().fails+3*stormTakes/2)
	require.Less(t, fails[stormPlain].wait(1), most, "two waits, and what ran when it began")
	require.InDelta(t, 0.075, fails[stormPlain].wait(0.5).Seconds(), 0.01, "half of the longest")
}

// TestStormThreshold: a storm feeds itself from the load on at which all tries of all requests are
// more than the server can do, and below it does not.
func TestStormThreshold(t *testing.T) {
	notRaced(t)
	for _, c := range []struct {
		client  string
		percent int
		back    bool
	}{
		{stormPlain, 30, true}, {stormPlain, 35, false}, {stormBudget, 85, true}, {stormBudget, 95, false},
		{stormOnce, 90, true}, {stormBreaker, 95, true}, {stormAll, 90, true},
	} {
		client := stormClients()[slices.IndexFunc(stormClients(), func(one stormClient) bool { return one.name == c.client })]
		n, err := playStorm(client, itIsSlow(), c.percent*stormCapacity/100, 1)
		require.NoError(t, err)
		require.Equal(t, c.back, n.partAfterAMinute() > 0.99, "%s at %d %%: %v", c.client, c.percent, n.partAfterAMinute())
		require.Equal(t, c.back, n.partAfterAMinute() > 0.01, "nothing in between")
	}
}

// TestStormAgain: two runs are the same, though the circuits are made at other times.
func TestStormAgain(t *testing.T) {
	notRaced(t)
	for _, c := range stormClients() {
		one, err := playStorm(c, itIsSlow(), 100, 7)
		require.NoError(t, err)
		two, err := playStorm(c, itIsSlow(), 100, 7)
		require.NoError(t, err)
		require.Equal(t, one, two)
		other, err := playStorm(c, itIsSlow(), 100, 8)
		require.NoError(t, err)
		require.NotEqual(t, one.waits, other.waits)
	}
}

// TestStormCell: each round has another seed, and what is said of several is their mean.
func TestStormCell(t *testing.T) {
	c := &stormCell{client: stormClients()[1], trouble: itFails(), load: 50}
	for seed := range 2 {
		require.NoError(t, c.round())
		n, err := playStorm(c.client, c.trouble, c.load, uint64(seed+1))
		require.NoError(t, err)
		require.Equal(t, n, c.runs[seed])
	}
	require.NotEqual(t, c.runs[0], c.runs[1])

	n := &stormCounts{tries: 40, server: serverCounts{nobody: 10, served: 30}, timeouts: 3}
	for i := range 10 {
		n.waits = append(n.waits, time.Duration(10-i)*time.Second) // in the order in which they ended
	}
	for at, callers := range map[time.Duration]int{0: 3, stormFrom - 1: 7, stormFrom: 9, stormTo: 20, stormEnd - 1: 4} {
		*n.callers.at(at) = callers
	}
	n.states = []stormState{{1, breaker.Open}, {2, breaker.HalfOpen}, {3, breaker.Open}, {4, breaker.HalfOpen}, {5, breaker.HalfOpen}, {6, breaker.Closed}}
	require.Equal(t, 0.25, n.wasted())
	require.Equal(t, 7.0, n.crowdBefore())
	require.Equal(t, 20.0, n.crowd())
	require.Equal(t, []time.Duration{time.Second, 5 * time.Second, 10 * time.Second}, []time.Duration{n.wait(0), n.wait(0.5), n.wait(1)})
	require.Equal(t, []time.Duration{1, 6}, []time.Duration{n.opened(), n.closed()})
	require.Equal(t, 2, n.opens())
	c.runs = []*stormCounts{n, {tries: 4, server: serverCounts{nobody: 3}}}
	require.Equal(t, 0.5, c.mean((*stormCounts).wasted))
}

// TestStormStates holds what the circuit did in the run that is drawn: the delays are 1 s, 2 s, 4 s …
func TestStormStates(t *testing.T) {
	notRaced(t)
	for _, trouble := range []stormTrouble{itIsSlow(), itFails()} {
		n, err := playStorm(stormClients()[3], trouble, stormLoad, 1)
		require.NoError(t, err)
		delay, opened := time.Second, time.Duration(0)
		for i, s := range n.states {
			switch {
			case i == len(n.states)-1:
				require.Equal(t, breaker.Closed, s.state)
				require.Greater(t, s.at, stormTo)
			case i%2 == 0:
				require.Equal(t, breaker.Open, s.state)
				opened = s.at
			default:
				require.Equal(t, breaker.HalfOpen, s.state)
				require.Equal(t, delay, s.at-opened)
				delay *= 2
			}
		}
		require.Equal(t, map[string]int{"10 times slower": 3, "errors at once": 4}[trouble.name], n.opens())
	}
}

// TestStormServer: it works in the order in which requests come, on so many at a time, and keeps
// so many in line. Planted and caught: a line that loses one when it is cut, one more in line, a
// worker who does not come back to work.
func TestStormServer(t *testing.T) {
	var a agenda
	s := newStormServer(&a, itFails(), rand.New(rand.NewPCG(1, 1)))
	next, refused := 0, 0
	request := func(number int) {
		s.take(func(err error) bool {
			if errors.Is(err, errStormFull) {
				refused++
				return true
			}
			require.ErrorIs(t, err, errStormDown)
			require.Equal(t, next, number)
			next++
			return false // he has gone
		})
	}
	const all = stormWorkers + stormLine
	a.after(stormFrom, func() {
		for i := range all + 5 {
			request(i)
		}
	})
	more := all
	for i := range 300 { // as fast as it works, so that the line stays long and goes on
		a.after(stormFrom+time.Duration(2*i+3)*time.Millisecond/2, func() {
			for range stormWorkers {
				request(more)
				more++
			}
		})
	}
	a.play()
	require.Equal(t, 5, refused)
	require.Equal(t, all+300*stormWorkers, next)
	require.Equal(t, serverCounts{full: 5, wrong: next, nobody: next, longest: stormLine}, s.counts)
	require.Equal(t, stormWorkers, s.idle)
	require.Equal(t, stormFrom+time.Duration(next/stormWorkers)*time.Millisecond, a.now, "nobody was idle")
}

// TestStormServerTakes: a request takes 20 ms on the mean, half of that at least, and ten times that in the
// outage.
func TestStormServerTakes(t *testing.T) {
	for at, slower := range map[time.Duration]int{0: 1, stormFrom - 1: 1, stormFrom: 10, stormTo - 1: 10, stormTo: 1} {
		var a agenda
		s := newStormServer(&a, itIsSlow(), rand.New(rand.NewPCG(1, 1)))
		var took []time.Duration
		a.after(at, func() {
			for range stormWorkers {
				s.take(func(err error) bool {
					require.NoError(t, err)
					took = append(took, a.now-at)
					return true
				})
			}
		})
		a.play()
		require.Len(t, took, stormWorkers)
		require.GreaterOrEqual(t, took[0], time.Duration(slower)*stormTakes/2)
		require.LessOrEqual(t, took[stormWorkers-1], time.Duration(slower)*stormTakes*3/2)
		require.Greater(t, took[stormWorkers-1], took[0])
	}
}

// TestAgenda compares the order in which things are done with that of a stable sort. Planted and
// caught: a heap that looks at one child only, and one without numbers.
func TestAgenda(t *testing.T) {
	r := seed.New(t)
	var a agenda
	type thing struct {
		at     time.Duration
		number int
	}
	var want, got []thing
	var add func(depth int)
	add = func(depth int) {
		one := thing{a.now + time.Duration(r.IntN(20)), len(want)}
		want = append(want, one)
		a.after(one.at-a.now, func() {
			require.Equal(t, one.at, a.now)
			got = append(got, one)
			for range r.IntN(3) {
				if depth < 4 {
					add(depth + 1)
				}
			}
		})
	}
	for range 200 {
		add(0)
	}
	a.play()
	slices.SortStableFunc(want, func(a, b thing) int { return int(a.at - b.at) })
	require.Equal(t, want, got)
	require.Greater(t, len(got), 300)
}
