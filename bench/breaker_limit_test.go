package main

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/plinth-go/plinth/bench/plot"
	"github.com/plinth-go/plinth/bench/report"
	"github.com/plinth-go/plinth/breaker"
	"github.com/plinth-go/plinth/internal/form"
)

func breakerSession() *session {
	return &session{profile: tiny()[0], again: func(string) string { return "go run" }, progress: newProgress(new(bytes.Buffer))}
}

// limitNamed finds a limit.
func limitNamed(t *testing.T, name string) limitGuard {
	t.Helper()
	for _, g := range limitGuards() {
		if g.name == name {
			return g
		}
	}
	require.Fail(t, "no such limit", name)
	return limitGuard{}
}

// TestBreakerLimits plays all of them, and holds what the report says about them.
//
// Planted and caught: more work; a server that forgets when its workers are free, that takes the one that is
// free last, or that is slow by when a request has come; a place that is free only with the answer, or
// never; who has given up taken for a success; an answer counted in the second of its request, or in time
// when it is late; an answer that comes after the end and is nowhere; the time of the clock.
func TestBreakerLimits(t *testing.T) {
	if form.Raced() {
		t.Skip("it is one goroutine, and long")
	}
	r, err := runBreakerLimits(t.Context(), breakerSession())
	require.NoError(t, err)
	require.Len(t, r.runs, len(limitGuards()))
	for name, test := range map[string]func(*testing.T, *breakerLimits){
		"conserved": testLimitsConserve, "server": testLimitServer, "fixed": testLimitsFixed, "adaptive": testLimitsAdapt,
		"report": testLimitsReport,
	} {
		t.Run(name, func(t *testing.T) { test(t, r) })
	}
}

// testLimitsConserve: each request is refused, answered, or still in the server; and all limits had the
// same requests.
func testLimitsConserve(t *testing.T, r *breakerLimits) {
	for _, run := range r.runs {
		all := run.between(-limitLearn, limitEnd)
		require.Equal(t, all.arrived, all.refused+all.good+all.late+run.left, run.name)
		require.Equal(t, r.runs[0].between(-limitLearn, limitEnd).arrived, all.arrived, run.name)
		require.InEpsilon(t, float64((limitLearn+limitEnd)/limitEvery), all.arrived, 0.005)
		if run.name != limitNone {
			require.Less(t, float64(run.left), 2*run.between(limitEnd-time.Second, limitEnd).limit(), run.name)
		}
	}
	require.Zero(t, r.of(limitNone).between(-limitLearn, limitEnd).refused)
	require.Equal(t, 439_903, r.runs[0].between(-limitLearn, limitEnd).arrived)
}

// testLimitServer: a server that always has something to do answers what it can, and nobody gets more.
func testLimitServer(t *testing.T, r *breakerLimits) {
	answers := func(name string, from, to time.Duration) float64 {
		s := r.of(name).between(from, to)
		return float64(s.good+s.late) / (to - from).Seconds()
	}
	require.InEpsilon(t, r.possible(limitStep), answers(limitNone, limitStep+time.Second, limitBack), 0.01)
	require.InEpsilon(t, limitWorkers/limitFast.Seconds(), answers(limitNone, limitBack+time.Second, limitEnd), 0.01)
	for _, run := range r.runs {
		require.Less(t, answers(run.name, limitStep+time.Second, limitBack), 1.01*r.possible(limitStep), run.name)
		require.LessOrEqual(t, run.between(0, limitStep).latency(), 11*time.Millisecond, run.name)
	}
	knee := r.of(limitFixed(limitKnee)).between(limitStep+time.Second, limitBack).latency() // Little's law
	require.InEpsilon(t, limitSlow*limitKnee/limitWorkers, knee, 0.06)
}

// testLimitsFixed has exact counts: there is no floating point in them.
func testLimitsFixed(t *testing.T, r *breakerLimits) {
	right, knee, low := r.of(limitFixed(limitRight)), r.of(limitFixed(limitKnee)), r.of(limitFixed(limitLow))
	for _, run := range []*limitRun{right, r.of(limitNone)} {
		require.Zero(t, run.between(0, limitStep).refused, "it was right")
		require.Zero(t, run.between(limitStep+time.Second, limitBack+30*time.Second).good, "and is no more")
	}
	for _, n := range []int{limitRight, limitKnee, limitLow} {
		require.EqualValues(t, n, r.of(limitFixed(n)).between(0, limitEnd).limit())
	}
	require.Equal(t, 51*time.Second, right.recovered())
	require.Equal(t, limitEnd-limitBack, r.of(limitNone).recovered(), "never")
	for _, run := range []*limitRun{knee, low} {
		require.Zero(t, run.between(0, limitEnd).late)
		require.Zero(t, run.recovered())
	}
	require.Greater(t, r.part(limitFixed(limitKnee), limitStep, limitBack), 0.99)
	require.InDelta(t, 0.5, r.part(limitFixed(limitLow), limitStep, limitBack), 0.01)
}

// testLimitsAdapt: the limits that adapt find how much the slow server can do, except for those of which
// the report says so, and none of them ever has nothing left.
func testLimitsAdapt(t *testing.T, r *breakerLimits) {
	for _, c := range []struct {
		name          string
		first, then   float64 // at least, of what the slow server can do, in ten seconds and in the second half minute
		lowest        float64 // limit of a second
		recoveredFrom time.Duration
	}{
		{limitAIMD, 0.93, 0.97, 30, 0},
		{limitGradientQuick, 0.8, 0.97, 9, time.Second},
		{limitGradient, 0.4, 0.8, 5, 3 * time.Second},
		{limitAIMDSlow, 0.5, 0.5, 8, time.Second},
	} {
		require.Greater(t, r.part(c.name, 0, limitStep), 0.99, c.name)
		require.Greater(t, r.part(c.name, limitStep, limitStep+10*time.Second), c.first, c.name)
		require.Greater(t, r.part(c.name, limitStep+limitSettled, limitBack), c.then, c.name)
		require.Greater(t, r.part(c.name, limitBack+limitSettled, limitEnd), 0.98, c.name)
		require.GreaterOrEqual(t, r.least(c.name), c.lowest, c.name)
		require.LessOrEqual(t, r.of(c.name).recovered(), c.recoveredFrom, c.name)
		require.LessOrEqual(t, r.part(c.name, limitStep, limitBack), r.part(limitFixed(limitKnee), limitStep, limitBack), "the knee is best")
	}
	require.Less(t, r.part(limitAIMDSlow, limitStep+limitSettled, limitBack), 0.6, "the loss that the report shows")
	gradient := r.of(limitGradient)
	require.Less(t, gradient.between(limitStep-2*time.Second, limitStep).limit(), 0.85*gradient.between(0, limitStep-5*time.Second).limit(),
		"it has just looked")
	require.InDelta(t, 2*limitKnee, r.of(limitGradient).between(limitEnd-5*time.Second, limitEnd).limit(), 12)
}

// testLimitsReport: what is written and drawn is what became of the requests.
//
// Planted and caught: a fact of another limit; the recovery of another one; a line of another limit, or
// of nothing that can be drawn; markers everywhere; a row without a column.
func testLimitsReport(t *testing.T, r *breakerLimits) {
	testParts(t, r.facts(), r.figures(), r.tables(), r.notes())
	require.Len(t, r.results(), len(r.runs))
	facts := r.facts()
	require.Equal(t, "0 %", facts[0].Value)
	require.Equal(t, per(r.of(limitAIMD).goodput(limitStep+limitSettled, limitBack)/500), facts[1].Value)
	require.Equal(t, "51 s", facts[2].Value)
	require.Contains(t, r.figures()[0].See, "with 120, 51 s; with none, never; with AIMD, at once; with Gradient, 2 s.")
	require.Equal(t, []string{"fixed at 10", "926", "248", "247", "927", "at once", "58.99", "0.00", "7"}, r.tables()[0].Rows[3].Cells)

	values := []func(limitSecond) float64{
		func(s limitSecond) float64 { return float64(s.good) },
		func(s limitSecond) float64 { return float64(s.limits) / float64(s.arrived) },
		func(s limitSecond) float64 { return float64(s.took) / float64(s.good+s.late) },
	}
	for i, f := range r.figures() {
		for _, series := range f.Chart.(plot.Lines).Series {
			if series.Name == "callers wait" {
				continue
			}
			marked, shown := 0, r.of(series.Name).shown()
			require.Len(t, series.Points, int(limitEnd/time.Second))
			for k, p := range series.Points {
				require.InDelta(t, values[i](shown[k]), p.Y, 1, "%s: %s at %v", f.Title, series.Name, p.X)
				if !p.Plain {
					marked++
				}
			}
			require.Equal(t, 10, marked)
		}
	}
}

// TestBreakerLimitsAgain plays a Gradient twice: all is the same in each run.
//
// Planted and caught: a simulation that begins when it is made, and so has its first window at another time.
func TestBreakerLimitsAgain(t *testing.T) {
	if form.Raced() {
		t.Skip("it is one goroutine, and long")
	}
	synctest.Test(t, func(t *testing.T) {
		guard := limitNamed(t, limitGradient)
		one, err := playLimit(guard)
		require.NoError(t, err)
		quick := guard.make
		guard.make = func() (limitGate, error) {
			gate, err := quick()
			<-time.After(3 * time.Millisecond) // the machine does something else
			return gate, err
		}
		two, err := playLimit(guard)
		require.NoError(t, err)
		require.Equal(t, one, two)
	})
}

// TestBreakerLimitServer goes through some requests by hand.
func TestBreakerLimitServer(t *testing.T) {
	s := &limitServer{free: make([]time.Duration, 2)}
	const ms = time.Millisecond
	for i, c := range []struct {
		now  time.Duration
		luck int64
		done time.Duration
	}{
		{0, 0, 5 * ms}, {0, 1000, 15 * ms}, // half the work and one and a half
		{1 * ms, 500, 15 * ms},                      // waits for the first
		{20 * ms, 500, 30 * ms},                     // an idle one
		{limitStep - ms, 1000, limitStep + 14*ms},   // begun before the release
		{limitStep - ms, 1000, limitStep + 14*ms},   //
		{limitStep - ms, 500, limitStep + 54*ms},    // begun after it
		{limitBack - ms, 0, limitBack + 19*ms},      //
		{limitBack - ms, 500, limitBack + 39*ms},    //
		{limitBack, 500, limitBack + 29*ms},         // begun when it was taken back
		{limitBack + 28*ms, 500, limitBack + 39*ms}, //
		{limitBack + 100*ms, 0, limitBack + 105*ms}, //
	} {
		require.Equal(t, c.done, s.take(c.now, c.luck), "request %d", i)
	}
}

// TestBreakerLimitRun counts answers where they belong.
func TestBreakerLimitRun(t *testing.T) {
	r := &limitRun{seconds: make([]limitSecond, (limitLearn+limitEnd)/time.Second)}
	require.True(t, r.answer(time.Second-time.Millisecond, time.Second-time.Millisecond+limitDeadline))
	require.False(t, r.answer(time.Second, time.Second+limitDeadline+1))
	require.False(t, r.answer(limitEnd-time.Second, limitEnd))
	require.True(t, r.answer(-limitLearn, -limitLearn+1))
	require.Equal(t, limitSecond{good: 1, late: 1, took: 2*limitDeadline + 1}, r.shown()[1])
	require.Equal(t, limitDeadline, r.shown()[1].latency())
	require.Equal(t, limitSecond{good: 1, took: 1}, r.seconds[0])
	require.Equal(t, 1, r.left)
	require.Equal(t, 0.25, r.goodput(-limitLearn, -limitLearn+4*time.Second))

	for i := range r.shown() {
		r.shown()[i].good = 10
	}
	require.Zero(t, r.recovered())
	r.shown()[limitBack/time.Second+7].good = 8
	require.Equal(t, 8*time.Second, r.recovered())
	r.shown()[limitBack/time.Second+7].good = 9
	require.Zero(t, r.recovered())
	r.shown()[limitEnd/time.Second-1].good = 0
	require.Equal(t, limitEnd-limitBack, r.recovered())
}

// lyingGate says that it has a limit of 5.
type lyingGate struct{ openGate }

func (lyingGate) limit() int { return 5 }

// TestBadLimitIsNotMeasured: one that lets more through than it says, or cannot be made, is an error.
func TestBadLimitIsNotMeasured(t *testing.T) {
	boom := errors.New("boom")
	_, err := playLimit(limitGuard{"bad", func() (limitGate, error) { return nil, boom }})
	require.ErrorIs(t, err, boom)
	_, err = playLimit(limitGuard{"bad", func() (limitGate, error) { return lyingGate{}, nil }})
	require.ErrorContains(t, err, "6 calls in flight behind a limit of 5")
	b, err := breaker.NewBulkhead(5, 0)
	require.NoError(t, err)
	for range 5 {
		_, admitted := fixedGate{b, 5}.enter(time.Time{})
		require.True(t, admitted)
	}
	_, admitted := fixedGate{b, 5}.enter(time.Time{})
	require.False(t, admitted)
}

// TestInterruptBreakerLimits stops before the next limit.
func TestInterruptBreakerLimits(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	boom := errors.New("boom")
	cancel(boom)
	_, err := runBreakerLimits(ctx, breakerSession())
	require.ErrorIs(t, err, boom)
}

// testParts looks at the parts of a report: all numbers are there, and each row has its columns.
func testParts(t *testing.T, facts []report.Fact, figures []report.Figure, tables []report.Table, notes []string) {
	t.Helper()
	words := notes
	for _, f := range facts {
		words = append(words, f.Value, f.Label)
	}
	for _, f := range figures {
		require.Equal(t, "go run", f.How)
		words = append(words, f.Title, f.See, f.Why)
		for _, size := range []plot.Size{plot.Wide(), plot.Narrow()} {
			words = append(words, f.Chart.SVG(size))
		}
	}
	for _, table := range tables {
		for _, row := range table.Rows {
			require.Len(t, row.Cells, len(table.Columns))
			words = append(words, strings.Join(row.Cells, " "))
		}
	}
	for _, w := range words {
		require.NotEmpty(t, w)
		require.NotContains(t, w, "NaN")
		require.NotContains(t, w, "%!")
	}
}
