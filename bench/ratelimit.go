package main

import (
	"context"
	"fmt"
	"time"

	"github.com/plinth-go/plinth/bench/plot"
	"github.com/plinth-go/plinth/bench/report"
	"github.com/plinth-go/plinth/ratelimit"
)

// The experiment of package ratelimit asks two things. What does each algorithm do with
// the same arrivals: it plays them on a clock of its own, so that all of it is counted and
// exact. And what does a decision cost, when goroutines share a limiter
// (ratelimit_load.go): that is timed.
func ratelimitExperiment() experiment {
	return experiment{
		name:  "ratelimit",
		about: "rate limiting: a burst × algorithm, decisions × goroutines, memory × keys",
		run:   runRatelimit,
	}
}

// The limit of all pictures: ten a second, and ten at once where that is a question.
const (
	shownRate  = 10
	shownBurst = 10
	shownStep  = 20 * time.Millisecond
)

// algorithm is one that is shown.
type algorithm struct {
	name string
	make func(rate, burst int64) ratelimit.Limiter
}

// algorithms are all there are. Token bucket, leaky bucket as a meter and GCRA are one
// line: they decide alike.
func algorithms() []algorithm {
	return []algorithm{
		{"token bucket, GCRA", func(rate, burst int64) ratelimit.Limiter {
			return ratelimit.NewTokenBucket(ratelimit.PerSecond(rate), burst)
		}},
		{"leaky queue", func(rate, burst int64) ratelimit.Limiter {
			return ratelimit.NewLeakyQueue(ratelimit.PerSecond(rate), burst, 0)
		}},
		{"fixed window", func(rate, _ int64) ratelimit.Limiter {
			return ratelimit.NewFixedWindow(ratelimit.PerSecond(rate))
		}},
		{"sliding log", func(rate, _ int64) ratelimit.Limiter {
			return ratelimit.NewSlidingLog(ratelimit.PerSecond(rate))
		}},
		{"sliding counter", func(rate, _ int64) ratelimit.Limiter {
			return ratelimit.NewSlidingCounter(ratelimit.PerSecond(rate))
		}},
	}
}

// played is what one algorithm did with arrivals. It is not safe for concurrent use.
type played struct {
	name    string
	went    []time.Duration // when each of those that were admitted went, in order
	refused int
	waited  time.Duration // the longest
}

// play gives arrivals to a new limiter.
func play(a algorithm, rate, burst int64, arrivals []time.Duration) played {
	l, start := a.make(rate, burst), time.Now()
	p := played{name: a.name}
	for _, at := range arrivals {
		d := l.TakeAt(start.Add(at), 1)
		if !d.OK {
			p.refused++
			continue
		}
		p.went = append(p.went, at+d.Delay)
		p.waited = max(p.waited, d.Delay)
	}
	return p
}

// mostWithin returns the most that went in any time of a length.
func (p played) mostWithin(w time.Duration) (most int) {
	from := 0
	for to, at := range p.went {
		for at-p.went[from] >= w {
			from++
		}
		most = max(most, to-from+1)
	}
	return most
}

// until counts those that had gone before a time.
func (p played) until(t time.Duration) (n int) {
	for _, at := range p.went {
		if at < t {
			n++
		}
	}
	return n
}

// burstArrivals are what the first picture plays: half the rate; just before the edge of a
// second, and going on after it, a burst; silence; then three times the rate.
func burstArrivals() (arrivals []time.Duration) {
	add := func(from, to, every time.Duration) {
		for at := from; at < to; at += every {
			arrivals = append(arrivals, at)
		}
	}
	add(0, 1800*time.Millisecond, 200*time.Millisecond)
	add(2900*time.Millisecond, 3100*time.Millisecond, 5*time.Millisecond)
	add(5*time.Second, 8*time.Second, 33*time.Millisecond)
	return arrivals
}

// crowdArrivals are a service that is used at half of its rate, and for ten seconds at
// five times that.
func crowdArrivals() (arrivals []time.Duration) {
	at := time.Duration(0)
	for at < 30*time.Second {
		arrivals = append(arrivals, at)
		every := time.Second / 50 // half of the rate
		if at >= 5*time.Second && at < 15*time.Second {
			every = time.Second / 500
		}
		at += every
	}
	return arrivals
}

const (
	crowdRate  = 100
	crowdBurst = 100
)

// ratelimitResults are what the experiment has found.
type ratelimitResults struct {
	s      *session
	burst  []played
	crowd  []played
	cells  []*decisionCell
	memory []*keyCell
}

func newRatelimitResults(s *session) *ratelimitResults {
	r := &ratelimitResults{s: s, cells: decisionCells(), memory: keyCells(s.profile)}
	for _, a := range algorithms() {
		r.burst = append(r.burst, play(a, shownRate, shownBurst, burstArrivals()))
		r.crowd = append(r.crowd, play(a, crowdRate, crowdBurst, crowdArrivals()))
	}
	return r
}

// runRatelimit counts, measures and writes the part of the report.
func runRatelimit(ctx context.Context, s *session) (report.Part, error) {
	r := newRatelimitResults(s)
	n := len(r.cells)
	err := s.rounds(ctx, n+len(r.memory),
		func(i int) string {
			if i < n {
				return r.cells[i].name()
			}
			return r.memory[i-n].name()
		},
		func(i int) error {
			if i < n {
				return r.cells[i].round(ctx, s.profile)
			}
			return r.memory[i-n].round()
		})
	if err != nil {
		return report.Part{}, err
	}
	return r.part(), nil
}

// admitted draws how many went by a time, for each algorithm.
func admitted(title string, all []played, end time.Duration) plot.Lines {
	chart := plot.Lines{
		Title: title,
		X:     plot.Axis{Label: "seconds", Zero: true},
		Y:     plot.Axis{Label: "events that went until then", Zero: true},
	}
	for _, p := range all {
		series := plot.Series{Name: p.name}
		for t, i := time.Duration(0), 0; t <= end; t += shownStep {
			for i < len(p.went) && p.went[i] <= t {
				i++
			}
			series.Points = append(series.Points, plot.Point{X: t.Seconds(), Y: float64(i), Plain: true})
		}
		chart.Series = append(chart.Series, series)
	}
	return chart
}

// bySecond draws how many went in each part of a second, as a rate.
func bySecond(title string, all []played, end, part time.Duration) plot.Lines {
	chart := plot.Lines{
		Title: title,
		X:     plot.Axis{Label: "seconds", Zero: true},
		Y:     plot.Axis{Label: fmt.Sprintf("events per second, within each %v", part), Zero: true},
	}
	for _, p := range all {
		series := plot.Series{Name: p.name}
		for from := time.Duration(0); from < end; from += part {
			went := p.until(from+part) - p.until(from)
			series.Points = append(series.Points, plot.Point{X: (from + part/2).Seconds(), Y: float64(went) / part.Seconds(), Plain: true})
		}
		chart.Series = append(chart.Series, series)
	}
	return chart
}
