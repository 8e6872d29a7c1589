package main

import (
	"context"
	"fmt"

	"github.com/plinth-go/plinth/crdt"
	"github.com/plinth-go/plinth/vclock"
)

// What happens when one replica is away for long. Two servers, a and b, and a phone have a set of 1,000 elements. The
// phone leaves; the servers go on, and meet after every 20 changes. Each of them takes its own oldest element out and puts
// a new one in. What does it cost when the phone comes back?

const (
	awayElements = 1000
	awayChanges  = 20      // of both servers together, between two meetings
	awayParts    = 8 << 10 // UpdateBytes of who sends deltas alone: the set does not fit into an update
)

// updateCost is what a delta takes in an update besides its own bytes, if it has less than 128, and few have made all: whose
// it is, and its length.
const updateCost = 2

// The ways to catch up.
const (
	catchDeltas  = "deltas alone, in parts"
	catchReplica = "Replica"
	catchBuffer  = "Buffer, 1,024 deltas"
	catchFull    = "full state"
)

// awayMissed are how many changes the phone has missed when it comes back. Two of them are a meeting apart: a Replica
// sends deltas after the one, and the full state after the other.
func awayMissed() []int { return []int{20, 60, 200, 600, 740, 760, 980, 1100, 2000, 6000, 20_000} }

// awayRuns is what it takes to catch up, for each number of awayMissed.
type awayRuns struct{ deltas, replica, buffer, full []catchUp }

// catchUp is how one came back.
type catchUp struct {
	missed int
	bytes  int  // on the wire, both ways
	deltas int  // that are kept for it
	log    int  // bytes that these take in the log of a Replica
	state  bool // it gets the full state
}

// awayGroup is two servers, and a phone that is there or not. It is not safe for concurrent use.
type awayGroup struct {
	servers [2]*setReplica
	buffer  crdt.Buffer[*stringSet] // of the first server, for the phone
	begun   [2]int                  // elements that each has ever added
	ended   [2]int                  // and removed
}

const phoneName = vclock.ID("phone")

func newAwayGroup(config crdt.ReplicaConfig) (*awayGroup, error) {
	g := new(awayGroup)
	config.Members = []vclock.ID{"a", "b", phoneName}
	for i, name := range []vclock.ID{"a", "b"} {
		id, err := crdt.NewID(name, 1)
		if err != nil {
			return nil, err
		}
		if g.servers[i], err = crdt.NewReplica(id, empty[stringSet], config); err != nil {
			return nil, err
		}
	}
	for i := range awayElements {
		if err := g.add(i % 2); err != nil {
			return nil, err
		}
	}
	return g, nil
}

// newPhone is one of the lives of a phone.
func newPhone(name vclock.ID, epoch uint64) (*setReplica, error) {
	id, err := crdt.NewID(name, epoch)
	if err != nil {
		return nil, err
	}
	return crdt.NewReplica(id, empty[stringSet], crdt.ReplicaConfig{})
}

func (g *awayGroup) add(who int) error {
	g.begun[who]++
	return g.do(who, func(id vclock.ID, s *stringSet) (*stringSet, error) {
		return s.Add(id, awayElement(who, g.begun[who]))
	})
}

func (g *awayGroup) remove(who int) error {
	g.ended[who]++
	return g.do(who, func(_ vclock.ID, s *stringSet) (*stringSet, error) {
		return s.Remove(awayElement(who, g.ended[who])), nil
	})
}

func awayElement(who, i int) string { return fmt.Sprintf("%c-%06d", 'a'+who, i) }

// do changes something, and puts the delta into the buffer of the first server too, as one would who had it
// in place of a Replica.
func (g *awayGroup) do(who int, f setChange) error {
	return g.servers[who].Do(func(id vclock.ID, s *stringSet) (*stringSet, error) {
		delta, err := f(id, s)
		if err == nil {
			g.buffer.Push(delta)
		}
		return delta, err
	})
}

// work makes awayChanges, and lets the servers meet.
func (g *awayGroup) work(ctx context.Context) error {
	for range awayChanges / 4 {
		for who := range g.servers {
			if err := g.remove(who); err != nil {
				return err
			}
			if err := g.add(who); err != nil {
				return err
			}
		}
	}
	_, err := meetOne(ctx, g.servers[0], g.servers[1])
	return err
}

// check looks whether a replica has all.
func (g *awayGroup) check(r *setReplica) (err error) {
	r.View(func(s *stringSet) {
		if s.Len() != awayElements {
			err = fmt.Errorf("%w: %d elements, and there should be %d", errDiffer, s.Len(), awayElements)
		}
		for who := range g.servers {
			for i := g.ended[who] + 1; i <= g.begun[who] && err == nil; i++ {
				if !s.Has(awayElement(who, i)) {
					err = fmt.Errorf("%w: there is no %s", errDiffer, awayElement(who, i))
				}
			}
		}
	})
	return err
}

func (r *crdtResults) countAway(ctx context.Context) (err error) {
	if r.away.deltas, err = countCatchUps(ctx, crdt.ReplicaConfig{UpdateBytes: awayParts}, nil); err != nil {
		return err
	}
	r.away.replica, err = countCatchUps(ctx, crdt.ReplicaConfig{}, &r.away)
	return err
}

// countCatchUps lets the phone leave, and looks again and again what it would cost if it came back. Who comes back for
// that is a copy of it, under a name that is no member, of which the servers take no notice. The Buffer and the full state
// are looked at besides, if others is not nil.
func countCatchUps(ctx context.Context, config crdt.ReplicaConfig, others *awayRuns) (all []catchUp, err error) {
	g, err := newAwayGroup(config)
	if err != nil {
		return nil, err
	}
	left, err := g.leave(ctx)
	if err != nil {
		return nil, err
	}
	missed := 0
	for _, until := range awayMissed() {
		for ; missed < until; missed += awayChanges {
			if err := g.work(ctx); err != nil {
				return nil, err
			}
		}
		c, err := g.comeBack(ctx, left)
		if err != nil {
			return nil, fmt.Errorf("after %d changes: %w", missed, err)
		}
		c.missed = missed
		all = append(all, c)
		if others == nil {
			continue
		}
		buffer, full, err := g.others(missed)
		if err != nil {
			return nil, err
		}
		others.buffer, others.full = append(others.buffer, buffer), append(others.full, full)
	}
	return all, nil
}

// leave lets the phone meet both, and returns what it has when it leaves.
func (g *awayGroup) leave(ctx context.Context) ([]byte, error) {
	phone, err := newPhone(phoneName, 1)
	if err != nil {
		return nil, err
	}
	if _, err := meetAll(ctx, []*setReplica{g.servers[0], g.servers[1], phone}); err != nil {
		return nil, err
	}
	if _, err := meetAll(ctx, []*setReplica{g.servers[0], g.servers[1], phone}); err != nil { // and hear that it has all
		return nil, err
	}
	if err := g.acknowledge(); err != nil {
		return nil, err
	}
	return phone.AppendBinary(nil)
}

// acknowledge is what the phone does with a Buffer: it has all.
func (g *awayGroup) acknowledge() error {
	err := g.buffer.Ack(phoneName, g.buffer.Last())
	g.buffer.Trim()
	return err
}

// comeBack lets one who has what the phone had meet a server.
func (g *awayGroup) comeBack(ctx context.Context, left []byte) (c catchUp, err error) {
	back, err := newPhone("other", 1) // as long a name
	if err != nil {
		return c, err
	}
	if err := back.Receive(left); err != nil {
		return c, err
	}
	update, err := g.servers[0].Delta(back.Summary())
	if err != nil {
		return c, err
	}
	if c.bytes, err = meetOne(ctx, g.servers[0], back); err != nil {
		return c, err
	}
	state, err := g.servers[0].AppendBinary(nil)
	stats := g.servers[0].Stats()
	c.state, c.deltas, c.log = string(state) == string(update), stats.Deltas, stats.LogBytes
	if err != nil {
		return c, err
	}
	return c, g.check(back)
}

// others is what a Buffer would send, and what the whole set is.
func (g *awayGroup) others(missed int) (buffer, full catchUp, err error) {
	g.servers[0].View(func(s *stringSet) {
		var message []byte
		var upto uint64
		if message, upto, err = bufferMessage(&g.buffer, s, phoneName); err != nil {
			return
		}
		_, _, isFull := g.buffer.For(phoneName)
		buffer = catchUp{missed: missed, bytes: len(message) + 2*numberLen(upto), deltas: g.buffer.Len(), state: isFull}
		full = catchUp{missed: missed, state: true}
		full.bytes, err = formLen(s)
	})
	return buffer, full, err
}
