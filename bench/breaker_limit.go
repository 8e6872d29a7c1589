package main

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/plinth-go/plinth/bench/report"
	"github.com/plinth-go/plinth/breaker"
)

// What a limit of the calls in flight is worth when a server becomes slower. All is played on
// a time of its own, so that it is counted, and the same on every machine. A release makes a
// request take four times as long, and a minute later it is taken back:
//
//	asked for    ▬▬▬▬▬▬▬▬▬▬▬▬▬▬▬▬▬▬▬▬▬▬▬▬▬▬▬▬▬▬▬▬▬▬▬  1,600/s
//	can be done  ▀▀▀▀▀▀▀             ▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀  2,000/s: 20 workers, 10 ms each
//	                    ▄▄▄▄▄▄▄▄▄▄▄▄▄                   500/s: 20 workers, 40 ms each
//	             0      30           90            150 s
//
// With as many requests in flight as there are workers, W, all of them are busy. With more, one
// takes (in flight)/W times as long as its work, by Little's law. So the knee is at W, before
// the release and after it; but a caller who waits for a time D and no longer gets something from
// up to W·D/work in flight, and that is not the same before and after.
//
// A caller who has waited in vain goes, and his place is free. The server does not know that:
// what he wanted stays in its queue, and will be done, for nobody.
//
// Nothing here but the Laws computes with floating point.

const (
	limitWorkers  = 20
	limitFast     = 10 * time.Millisecond // of work for a request, on the mean
	limitSlow     = 4 * limitFast
	limitEvery    = 625 * time.Microsecond // a request, on the mean
	limitDeadline = 100 * time.Millisecond // of the callers

	// What is shown begins at 0, when all have learned for two minutes. The release comes when
	// a Gradient has just looked how long a call takes, half a minute before it does so again:
	// about the worst moment for it.
	limitLearn = 125 * time.Second
	limitStep  = 30 * time.Second
	limitBack  = 90 * time.Second
	limitEnd   = 150 * time.Second
)

// The fixed limits. The one that was right before the release is what Little's law makes of
// 2,000 answers a second, each within 60 of the 100 ms for which callers wait.
const (
	limitRight = 120
	limitKnee  = limitWorkers + 4 // as many wait as a Gradient lets wait
	limitLow   = limitWorkers / 2
)

// breakerLimits is what the comparison has found.
type breakerLimits struct {
	s    *session
	runs []*limitRun
}

// runBreakerLimits plays all of them.
func runBreakerLimits(ctx context.Context, s *session) (*breakerLimits, error) {
	r := &breakerLimits{s: s}
	guards := limitGuards()
	for i, g := range guards {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		s.progress.show(i, len(guards), "breaker: counting, limit: "+g.name)
		run, err := playLimit(g)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", g.name, err)
		}
		r.runs = append(r.runs, run)
	}
	return r, nil
}

// of finds what a limit did.
func (r *breakerLimits) of(name string) *limitRun {
	i := slices.IndexFunc(r.runs, func(run *limitRun) bool { return run.name == name })
	return r.runs[i]
}

func (r *breakerLimits) results() (all []report.Result) {
	for _, run := range r.runs {
		all = append(all, run.result())
	}
	return all
}

// limitGate is a limit, as the simulation asks it. It is not safe for concurrent use.
type limitGate interface {
	// enter asks for a place; leave gives it back.
	enter(now time.Time) (leave func(now time.Time, ok bool), admitted bool)
	limit() int
}

// limitGuard is a kind of limit that is compared.
type limitGuard struct {
	name string
	make func() (limitGate, error)
}

// Those that captions speak of.
const (
	limitNone, limitAIMD, limitGradient = "no limit", "AIMD", "Gradient"
	limitAIMDSlow, limitGradientQuick   = "AIMD, Slow 50 ms", "Gradient, windows of 100 ms"
)

// limitFixed is the name of a fixed one.
func limitFixed(n int) string { return fmt.Sprintf("fixed at %d", n) }

// limitGuards are all there are. Each Law is as it is by default, but for what its name says. An
// AIMD has its failures from the callers: who has waited in vain has failed.
func limitGuards() []limitGuard {
	fixed := func(n int) limitGuard {
		return limitGuard{limitFixed(n), func() (limitGate, error) {
			b, err := breaker.NewBulkhead(n, 0)
			return fixedGate{b, n}, err
		}}
	}
	adaptive := func(name string, law breaker.Law) limitGuard {
		return limitGuard{name, func() (limitGate, error) {
			a, err := breaker.NewAdaptive(breaker.AdaptiveConfig{Law: law})
			return adaptiveGate{a}, err
		}}
	}
	return []limitGuard{
		{limitNone, func() (limitGate, error) { return openGate{}, nil }},
		fixed(limitRight), fixed(limitKnee), fixed(limitLow),
		adaptive(limitAIMD, breaker.AIMD{}),
		adaptive(limitGradient, breaker.Gradient{}),
		adaptive(limitAIMDSlow, breaker.AIMD{Slow: limitDeadline / 2}),
		adaptive(limitGradientQuick, breaker.Gradient{Window: 100 * time.Millisecond}),
	}
}

// openGate lets all through. It is safe for concurrent use.
type openGate struct{}

func (openGate) enter(time.Time) (func(time.Time, bool), bool) { return func(time.Time, bool) {}, true }
func (openGate) limit() int                                    { return 1 << 30 }

// fixedGate is a Bulkhead without a queue, which refuses at once. It is safe for concurrent use.
type fixedGate struct {
	bulkhead *breaker.Bulkhead
	n        int
}

func (g fixedGate) enter(time.Time) (func(time.Time, bool), bool) {
	slot, err := g.bulkhead.Acquire(context.Background())
	return func(time.Time, bool) { slot.Release() }, err == nil
}

func (g fixedGate) limit() int { return g.n }

// adaptiveGate is an Adaptive. It is safe for concurrent use.
type adaptiveGate struct{ adaptive *breaker.Adaptive }

func (g adaptiveGate) enter(now time.Time) (func(time.Time, bool), bool) {
	turn, err := g.adaptive.AllowAt(now)
	return turn.DoneAt, err == nil
}

func (g adaptiveGate) limit() int { return g.adaptive.Limit() }

// limitRun is what became of all requests behind one limit.
type limitRun struct {
	name    string
	seconds []limitSecond
	left    int // that the server had yet to answer at the end
}

// limitSecond is a second of it. It is a plain value.
type limitSecond struct {
	arrived, refused int
	good             int           // answers that came in time
	late             int           // answers to callers who had gone
	took             time.Duration // until an answer, of all in this second
	limits           int64         // the limit at each arrival, added up
}

func (s limitSecond) plus(o limitSecond) limitSecond {
	return limitSecond{
		s.arrived + o.arrived, s.refused + o.refused, s.good + o.good, s.late + o.late, s.took + o.took, s.limits + o.limits,
	}
}

// limit is the mean limit that requests met.
func (s limitSecond) limit() float64 { return float64(s.limits) / float64(max(s.arrived, 1)) }

// latency is the mean time until an answer.
func (s limitSecond) latency() time.Duration { return s.took / time.Duration(max(s.good+s.late, 1)) }

// second returns that of a time, from -limitLearn on.
func (r *limitRun) second(now time.Duration) *limitSecond {
	return &r.seconds[(now+limitLearn)/time.Second]
}

// shown are the seconds from 0 on.
func (r *limitRun) shown() []limitSecond { return r.seconds[limitLearn/time.Second:] }

// between adds up the seconds from one to another.
func (r *limitRun) between(from, to time.Duration) (sum limitSecond) {
	for _, s := range r.seconds[(from+limitLearn)/time.Second : (to+limitLearn)/time.Second] {
		sum = sum.plus(s)
	}
	return sum
}

// goodput is how many answers came in time in each second from one to another.
func (r *limitRun) goodput(from, to time.Duration) float64 {
	return float64(r.between(from, to).good) / (to - from).Seconds()
}

// limitServer is a server of some workers, and a queue that has no end. Who comes first is begun
// first, so that it is known at once when a request will be done. It is not safe for
// concurrent use.
type limitServer struct{ free []time.Duration } // when each worker is

// take gives a request to the worker that is free first. luck is from 0 to 1,000, and says how much
// work it is: from half of the mean to one and a half.
func (s *limitServer) take(now time.Duration, luck int64) (done time.Duration) {
	w := 0
	for i, at := range s.free {
		if at < s.free[w] {
			w = i
		}
	}
	begin, work := max(now, s.free[w]), limitFast
	if begin >= limitStep && begin < limitBack {
		work = limitSlow
	}
	s.free[w] = begin + work/2 + work*time.Duration(luck)/1000
	return s.free[w]
}

// limitCall is one that a limit has let through, until its caller has an answer or goes. It is a
// plain value.
type limitCall struct {
	over  time.Duration
	ok    bool
	leave func(now time.Time, ok bool)
}

// playLimit gives the requests to a new limit. All limits get the same requests, with the same
// luck. It is an error if more are in flight than the limit lets.
func playLimit(g limitGuard) (*limitRun, error) {
	gate, err := g.make()
	if err != nil {
		return nil, err
	}
	// An Adaptive counts from when it was made, which is some nanoseconds ago, not always as
	// many. A day later they make no difference: its first window is over after ten calls in
	// any case, and from then on it compares times that are all from here.
	start := time.Now().Add(24 * time.Hour)
	run := &limitRun{name: g.name, seconds: make([]limitSecond, (limitLearn+limitEnd)/time.Second)}
	server := &limitServer{free: slices.Repeat([]time.Duration{-limitLearn}, limitWorkers)}
	rnd := rand.New(rand.NewPCG(1, 3))
	var calls []limitCall // sorted by when they are over
	for now := -limitLearn; now < limitEnd; now += time.Duration(rnd.Int64N(int64(2 * limitEvery))) {
		for len(calls) > 0 && calls[0].over <= now {
			calls[0].leave(start.Add(calls[0].over), calls[0].ok)
			calls = calls[1:]
		}
		luck, second := rnd.Int64N(1001), run.second(now)
		second.arrived++
		second.limits += int64(gate.limit())
		leave, admitted := gate.enter(start.Add(now))
		if !admitted {
			second.refused++
			continue
		}
		done := server.take(now, luck)
		c := limitCall{min(done, now+limitDeadline), run.answer(now, done), leave}
		i, _ := slices.BinarySearchFunc(calls, c.over, func(c limitCall, over time.Duration) int { return cmp.Compare(c.over, over) })
		calls = slices.Insert(calls, i, c)
		if len(calls) > gate.limit() {
			return nil, fmt.Errorf("%d calls in flight behind a limit of %d", len(calls), gate.limit())
		}
	}
	return run, nil
}

// answer counts an answer in the second in which it comes, and reports whether it is in time.
func (r *limitRun) answer(asked, done time.Duration) (ok bool) {
	ok = done-asked <= limitDeadline
	if done >= limitEnd {
		r.left++
		return ok
	}
	second := r.second(done)
	second.took += done - asked
	if ok {
		second.good++
	} else {
		second.late++
	}
	return ok
}

func (r *limitRun) result() report.Result {
	all := r.between(0, limitEnd)
	return report.Result{
		Experiment: "breaker/counted/limit=" + r.name, Load: "simulation", Workers: 1, Rounds: 1, Ops: uint64(all.arrived),
		Metrics: map[string]float64{
			"goodput_before": r.goodput(0, limitStep), "goodput_slow": r.goodput(limitStep, limitBack),
			"goodput_after": r.goodput(limitBack, limitEnd), "refused": float64(all.refused), "late": float64(all.late),
			"left": float64(r.left), "recovered_s": r.recovered().Seconds(),
		},
	}
}

// recovered is how long after the server is fast again a second, and all from then on, have nine
// in ten of the answers in time that one had before the release: all that is shown, if that never happens.
func (r *limitRun) recovered() time.Duration {
	shown, before := r.shown(), r.goodput(0, limitStep)
	second := len(shown)
	for second > int(limitBack/time.Second) && float64(shown[second-1].good) >= 0.9*before {
		second--
	}
	return time.Duration(second)*time.Second - limitBack
}
