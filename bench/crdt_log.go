package main

import (
	"context"
	"fmt"

	"github.com/plinth-go/plinth/crdt"
	"github.com/plinth-go/plinth/vclock"
)

// The course of a log: all are there, the phone leaves, and comes back. In one of the runs somebody tells the servers
// to forget it in between. What has to be kept for the phone?
const (
	logBound   = 64 << 10 // LogBytes
	logLeaves  = 20
	logForgets = 80
	logReturns = 120
	logEnds    = 140
)

// Those that captions speak of.
const (
	logKept   = "the phone stays a member"
	logForgot = "it is forgotten"
	logThere  = "it never leaves"
)

func logNames() []string { return []string{logKept, logForgot, logThere} }

// logRun is a run, and what the log of the first server was after each meeting.
type logRun struct {
	name   string
	bytes  []int
	deltas []int
	behind [][]vclock.ID // whom the log waits for
	back   int           // bytes of the session in which it comes back
	joined bool          // a member in the end
}

func (r *crdtResults) countLogs(ctx context.Context) error {
	for _, name := range logNames() {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		run, err := countLogOf(ctx, name)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		r.logs = append(r.logs, run)
	}
	return nil
}

func countLogOf(ctx context.Context, name string) (run logRun, err error) {
	run.name = name
	g, err := newAwayGroup(crdt.ReplicaConfig{LogBytes: logBound})
	if err != nil {
		return run, err
	}
	phone, err := newPhone(phoneName, 1)
	if err != nil {
		return run, err
	}
	for round := range logEnds + 1 { // the first is for the elements that were there before
		if round > 0 {
			if err := g.work(ctx); err != nil {
				return run, err
			}
		}
		for _, server := range g.servers {
			if err := run.turn(ctx, round, server, phone); err != nil {
				return run, err
			}
		}
		if _, err := meetOne(ctx, g.servers[0], g.servers[1]); err != nil {
			return run, err
		}
		s := g.servers[0].Stats()
		run.bytes, run.deltas, run.behind = append(run.bytes, s.LogBytes), append(run.deltas, s.Deltas), append(run.behind, s.Behind)
	}
	return run, g.check(phone)
}

// turn is what a server and the phone do in a round.
func (run *logRun) turn(ctx context.Context, round int, server, phone *setReplica) error {
	switch {
	case run.name == logForgot && round == logForgets:
		server.Forget(phoneName)
	case run.name == logForgot && round == logReturns:
		if err := server.Join(phoneName); err != nil {
			return err
		}
		run.joined = true
	}
	if run.name != logThere && round > logLeaves && round < logReturns {
		return nil
	}
	n, err := meetOne(ctx, server, phone)
	if round == logReturns && run.back == 0 {
		run.back = n
	}
	return err
}
