package main

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"

	"github.com/plinth-go/plinth/bench/plot"
	"github.com/plinth-go/plinth/vclock"
)

// A run, drawn. Some processes send each other messages, by chance, and each writes down what it does with a Tracer.
// What is drawn is what can be read out of these logs: nobody has written down which message was which, nor
// when it was.

const (
	runEvents = 26
	runSeed   = 608
)

// runProcesses are those that take part.
func runProcesses() []vclock.ID { return []vclock.ID{"anna", "ben", "cleo", "dan"} }

// spaceTime is a run as its logs tell it, seen from one event.
type spaceTime struct {
	log     string
	diagram vclock.Diagram
	chosen  int // of Steps
}

func (r *vclockResults) drawRun() (err error) {
	r.run, err = traceRun(runSeed)
	return err
}

// traceRun plays a run, and reads its logs.
func traceRun(seed uint64) (s spaceTime, err error) {
	if s.log, err = writeRun(seed); err != nil {
		return spaceTime{}, err
	}
	events, err := vclock.ParseLog(bytes.NewBufferString(s.log))
	if err != nil {
		return spaceTime{}, err
	}
	if s.diagram, err = vclock.NewDiagram(events); err != nil {
		return spaceTime{}, err
	}
	s.choose()
	return s, nil
}

// message is on its way.
type message struct {
	from  vclock.ID
	clock vclock.Vector
}

// writeRun lets processes take turns by chance, and returns their logs, one after the other. Messages overtake
// each other.
func writeRun(seed uint64) (string, error) {
	chance := rand.New(rand.NewPCG(seed, 1))
	names := runProcesses()
	logs, tracers, under := make([]bytes.Buffer, len(names)), make([]*vclock.Tracer, len(names)), make([][]message, len(names))
	for i, name := range names {
		var err error
		if tracers[i], err = vclock.NewTracer(io.Writer(&logs[i]), name); err != nil {
			return "", err
		}
	}
	for range runEvents {
		i := chance.IntN(len(names))
		if n := len(under[i]); n > 0 && chance.IntN(4) > 0 {
			k := chance.IntN(n)
			m := under[i][k]
			under[i] = append(under[i][:k], under[i][k+1:]...)
			if err := tracers[i].Receive("hears from "+string(m.from), m.clock); err != nil {
				return "", err
			}
			continue
		}
		if chance.IntN(5) == 0 {
			if err := tracers[i].Local("does something"); err != nil {
				return "", err
			}
			continue
		}
		to := chance.IntN(len(names) - 1)
		if to >= i {
			to++
		}
		clock, err := tracers[i].Send("writes to " + string(names[to]))
		if err != nil {
			return "", err
		}
		under[to] = append(under[to], message{names[i], clock})
	}
	var all bytes.Buffer
	for i := range logs {
		all.Write(logs[i].Bytes())
	}
	return all.String(), nil
}

// counts are how many events there are of each order, as seen from one: those that are before it, beside it, after it.
func (s spaceTime) counts(from int) (before, beside, after int) {
	for i := range s.diagram.Steps {
		switch s.order(i, from) {
		case vclock.Before:
			before++
		case vclock.Concurrent:
			beside++
		case vclock.After:
			after++
		}
	}
	return before, beside, after
}

// order is how an event relates to another, by their clocks.
func (s spaceTime) order(i, from int) vclock.Ordering {
	return s.diagram.Steps[i].Clock.Compare(s.diagram.Steps[from].Clock)
}

// choose takes the event that has the most to show: the least of its three numbers is as large as can be.
func (s *spaceTime) choose() {
	best := -1
	for i := range s.diagram.Steps {
		before, beside, after := s.counts(i)
		if least := min(before, beside, after); least > best {
			best, s.chosen = least, i
		}
	}
}

// What an event is to the one that is chosen.
const (
	runBefore = iota
	runBeside
	runAfter
	runChosen
)

func runRole(o vclock.Ordering) int {
	switch o {
	case vclock.Before:
		return runBefore
	case vclock.Concurrent:
		return runBeside
	case vclock.After:
		return runAfter
	}
	return runChosen
}

// chart draws it.
func (s spaceTime) chart() plot.SpaceTime {
	chosen := s.diagram.Steps[s.chosen]
	chart := plot.SpaceTime{
		Title: fmt.Sprintf("A run of %d processes, seen from %v: what happened before it, after it, and beside it", len(s.diagram.Hosts), chosen.Dot()),
		Time:  "time, as far as anybody can tell",
		Roles: []plot.Role{
			runBefore: {Name: "before"},
			runBeside: {Name: "concurrent", Hollow: true},
			runAfter:  {Name: "after"},
			runChosen: {Name: chosen.Dot().String(), Chosen: true},
		},
	}
	lanes := map[vclock.ID]int{} // in the order of the processes, not in that in which they begin
	for _, name := range runProcesses() {
		lanes[name] = len(chart.Lanes)
		chart.Lanes = append(chart.Lanes, string(name))
	}
	for i, step := range s.diagram.Steps {
		chart.Events = append(chart.Events, plot.Moment{
			Lane: lanes[step.Host], Role: runRole(s.order(i, s.chosen)), Label: fmt.Sprint(step.Dot().N),
			Title: fmt.Sprintf("%v %s · %v · %v", step.Dot(), step.Text, step.Clock, s.order(i, s.chosen)),
		})
		for _, cause := range step.Causes {
			chart.Arrows = append(chart.Arrows, plot.Arrow{From: cause, To: i})
		}
	}
	return chart
}
