package main

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/plinth-go/plinth/vclock"
)

// What clocks say that are not right. Some processes send messages to each other. Each has a clock on its wall that is
// wrong by up to ε: it drifts, and now and then it is set anew, forward or back, to a time that is wrong by
// up to ε again. Each event is stamped with that clock, and with an HLC that reads the same clock; vectors say what
// happened before what. The simulation alone knows what time it is.

const (
	skewProcesses = 8
	skewLasts     = 500 * time.Millisecond
	skewActs      = 4 * time.Millisecond   // the mean time until a process does something again
	skewNearest   = 200 * time.Microsecond // a message takes so long at least
	skewFarthest  = time.Millisecond
	skewSet       = 50 * time.Millisecond // the mean time until a clock is set
	skewPPM       = 200                   // a clock drifts by up to so many millionths
	skewAhead     = time.Hour             // the clock that is quite wrong
)

// skewEpoch is when it begins.
func skewEpoch() time.Time { return time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC) }

// skewEpsilons are how wrong clocks are.
func skewEpsilons() []time.Duration {
	const µs, ms = time.Microsecond, time.Millisecond
	return []time.Duration{10 * µs, 30 * µs, 100 * µs, 300 * µs, ms, 3 * ms, 10 * ms, 30 * ms, 100 * ms}
}

// wallClock is the clock of a process: it was right but for off at set, and drifts since.
type wallClock struct {
	within time.Duration // ε
	always time.Duration // that it is wrong besides
	off    time.Duration
	drift  int64 // millionths
	set    time.Duration
}

// reset sets it anew.
func (c *wallClock) reset(now time.Duration, chance *rand.Rand) {
	c.off = time.Duration(chance.Int64N(2*int64(c.within)+1)) - c.within
	c.drift = chance.Int64N(2*skewPPM+1) - skewPPM
	c.set = now
}

// shows is what it shows: never wrong by more than ε.
func (c *wallClock) shows(now time.Duration) time.Duration {
	off := c.off + (now-c.set)*time.Duration(c.drift)/1_000_000
	return now + min(max(off, -c.within), c.within) + c.always
}

// skewProcess is a process. It is not safe for concurrent use.
type skewProcess struct {
	number int
	clock  wallClock
	hlc    *vclock.HLC
	vector vclock.Vector
}

// skewEvent is an event, with all that is said of its time.
type skewEvent struct {
	at, wall time.Duration // since the epoch: the truth, and the clock of the process
	hlc      vclock.Timestamp
	vector   vclock.Vector
	dot      vclock.Dot
	process  int
	knows    [skewProcesses]uint64 // the numbers of vector: all pairs are compared
	cause    int                   // the event that sent the message which this one receives; -1 if none
}

// before reports whether an event happened before another.
func (e *skewEvent) before(f *skewEvent) bool { return e.dot.N <= f.knows[e.process] }

// hlcError is by how much the time of the HLC is ahead.
func (e *skewEvent) hlcError() time.Duration {
	return time.Duration(e.hlc.Wall-skewEpoch().UnixNano()) - e.at
}

// skewRun is one run. It is not safe for concurrent use.
type skewRun struct {
	agenda
	chance    *rand.Rand
	processes []*skewProcess
	events    []skewEvent
	refused   int // messages, with ErrDrift
	err       error
}

// skewConfig says what is to be played.
type skewConfig struct {
	epsilon  time.Duration
	ahead    time.Duration // by which the clock of the first process is wrong besides
	maxDrift time.Duration // of all HLCs; 0 is their default
	seed     uint64
}

// playSkew plays a run.
func playSkew(c skewConfig) (*skewRun, error) {
	r := &skewRun{chance: rand.New(rand.NewPCG(c.seed, 1))}
	for i := range skewProcesses {
		p := &skewProcess{number: i, clock: wallClock{within: c.epsilon}}
		if i == 0 {
			p.clock.always = c.ahead
		}
		var err error
		p.hlc, err = vclock.NewHLC(vclock.HLCConfig{
			MaxDrift: c.maxDrift, Now: func() time.Time { return skewEpoch().Add(p.clock.shows(r.now)) },
		})
		if err != nil {
			return nil, err
		}
		r.processes = append(r.processes, p)
		r.sets(p)
		r.after(r.until(skewActs), func() { r.acts(p) })
	}
	r.play()
	return r, r.err
}

// until is a time by chance, of which the mean is given.
func (r *skewRun) until(mean time.Duration) time.Duration {
	return time.Duration(r.chance.Int64N(2 * int64(mean)))
}

// sets sets a clock, again and again.
func (r *skewRun) sets(p *skewProcess) {
	p.clock.reset(r.now, r.chance)
	if next := r.until(skewSet); r.now+next < skewLasts {
		r.after(next, func() { r.sets(p) })
	}
}

// acts is an event of a process, with which it sends a message in one of two cases.
func (r *skewRun) acts(p *skewProcess) {
	if next := r.until(skewActs); r.now+next < skewLasts {
		r.after(next, func() { r.acts(p) })
	}
	stamp, err := p.hlc.Now()
	r.fail(err)
	sent := r.event(p, stamp, -1)
	if r.chance.IntN(2) == 0 {
		return
	}
	to := r.chance.IntN(skewProcesses - 1)
	if to >= p.number {
		to++
	}
	takes := skewNearest + time.Duration(r.chance.Int64N(int64(skewFarthest-skewNearest)))
	r.after(takes, func() { r.receives(r.processes[to], sent) })
}

// receives is the event of a message that has come. What the HLC refuses has not come.
func (r *skewRun) receives(p *skewProcess, sent int) {
	stamp, err := p.hlc.Update(r.events[sent].hlc)
	if errors.Is(err, vclock.ErrDrift) {
		r.refused++
		return
	}
	r.fail(err)
	p.vector.Merge(r.events[sent].vector)
	r.event(p, stamp, sent)
}

// event counts one, and returns its number.
func (r *skewRun) event(p *skewProcess, stamp vclock.Timestamp, cause int) int {
	dot, err := p.vector.Tick(replicaName(p.number))
	r.fail(err)
	e := skewEvent{
		at: r.now, wall: p.clock.shows(r.now), hlc: stamp, vector: p.vector, dot: dot, process: p.number, cause: cause,
	}
	for i := range e.knows {
		e.knows[i] = p.vector.Get(replicaName(i))
	}
	r.events = append(r.events, e)
	return len(r.events) - 1
}

// fail keeps the first error.
func (r *skewRun) fail(err error) {
	if r.err == nil {
		r.err = err
	}
}

// skewCell is what was counted in a run.
type skewCell struct {
	skewConfig
	events, messages, refused int
	before                    int           // pairs of events of which one happened before the other
	wallWrong, hlcWrong       int           // of these: it has the later time; it has not the earlier one
	early                     int           // messages that came before they were sent, by the clocks
	wallMost, hlcMost         time.Duration // by how much an event's time is wrong, at most
	wallMean, hlcMean         time.Duration
	hlcLead                   time.Duration // the mean of how much an HLC is ahead of the clock that it reads
	logical                   uint32        // the largest Logical
}

// countSkew plays a run, and compares all pairs of events. The errors are those of clocks that are not quite wrong.
func countSkew(config skewConfig) (skewCell, error) {
	r, err := playSkew(config)
	if err != nil {
		return skewCell{}, err
	}
	c := skewCell{skewConfig: config, events: len(r.events), refused: r.refused}
	right := 0
	for i := range r.events {
		e := &r.events[i]
		if e.cause >= 0 {
			c.messages++
			if e.wall < r.events[e.cause].wall {
				c.early++
			}
		}
		c.logical = max(c.logical, e.hlc.Logical)
		c.pairs(r.events[:i], e)
		if config.ahead == 0 || e.process != 0 {
			right++
			wall, hlc := (e.wall - e.at).Abs(), e.hlcError().Abs()
			c.wallMost, c.hlcMost = max(c.wallMost, wall), max(c.hlcMost, hlc)
			c.wallMean, c.hlcMean = c.wallMean+wall, c.hlcMean+hlc
			c.hlcLead += e.at + e.hlcError() - e.wall
		}
	}
	if right == 0 {
		return skewCell{}, fmt.Errorf("no event in %v", skewLasts)
	}
	for _, sum := range []*time.Duration{&c.wallMean, &c.hlcMean, &c.hlcLead} {
		*sum /= time.Duration(right)
	}
	return c, nil
}

// pairs looks at an event and all that came to be earlier.
func (c *skewCell) pairs(earlier []skewEvent, e *skewEvent) {
	for i := range earlier {
		if f := &earlier[i]; f.before(e) {
			c.before++
			if f.wall > e.wall {
				c.wallWrong++
			}
			if f.hlc.Compare(e.hlc) >= 0 {
				c.hlcWrong++
			}
		}
	}
}

// wrong is what part of the pairs a clock contradicts.
func (c skewCell) wrong() float64 { return float64(c.wallWrong) / float64(c.before) }

func (r *vclockResults) countSkews() error {
	for _, epsilon := range skewEpsilons() {
		c, err := countSkew(skewConfig{epsilon: epsilon, seed: 1})
		if err != nil {
			return err
		}
		r.skews = append(r.skews, c)
	}
	for _, maxDrift := range []time.Duration{0, 2 * skewAhead} {
		c, err := countSkew(skewConfig{epsilon: time.Millisecond, ahead: skewAhead, maxDrift: maxDrift, seed: 1})
		if err != nil {
			return err
		}
		r.hour = append(r.hour, c)
	}
	return nil
}

// skew finds a cell.
func (r *vclockResults) skew(epsilon time.Duration) skewCell {
	for _, c := range r.skews {
		if c.epsilon == epsilon {
			return c
		}
	}
	panic("bench: no such cell: " + epsilon.String())
}
