package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"net"

	"github.com/plinth-go/plinth/crdt"
	"github.com/plinth-go/plinth/vclock"
)

// What goes over the wire. Three replicas have a set, each takes an element out and puts another one in, and then
// they meet, each with each; and so on for some rounds. They meet in three ways:
//
//	full states     each sends all that it has, and the other one merges it
//	crdt.Buffer     each sends the join of its own changes that the other one has not acknowledged, and gets
//	                an acknowledgement, which is a number
//	crdt.Sync       both say what they have seen, and get what they lack, over a connection
//
// The bytes are those of the messages: states, deltas, numbers, and all that a session writes. What a connection itself
// needs is not there.

const (
	trafficReplicas = 3
	trafficRounds   = 5
)

// The ways to meet.
const (
	byStates = "full states"
	byBuffer = "deltas, crdt.Buffer"
	bySync   = "deltas, crdt.Sync"
)

func trafficWays() []string { return []string{byStates, bySync, byBuffer} }

// trafficSizes are how many elements the set has.
func trafficSizes() []int { return []int{10, 100, 1000, 10_000} }

// trafficCell is a way and a size, and what came of it.
type trafficCell struct {
	way      string
	elements int
	state    int // bytes of the set in the end
	bytes    int // on the wire, of all rounds
}

// round is what goes over the wire while all three meet.
func (c trafficCell) round() int { return c.bytes / trafficRounds }

func (r *crdtResults) countTraffic(ctx context.Context) error {
	for _, way := range trafficWays() {
		for _, n := range trafficSizes() {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			c, err := countTrafficOf(ctx, way, n)
			if err != nil {
				return fmt.Errorf("%s, %d elements: %w", way, n, err)
			}
			r.traffics = append(r.traffics, c)
		}
	}
	return nil
}

// trafficGroup is replicas that have a set in common. Implementations are not safe for concurrent use.
type trafficGroup interface {
	change(who int, f setChange) error
	meet(ctx context.Context) (bytes int, err error) // each with each
	look(who int, f func(*stringSet))
}

type stringSet = crdt.ORSet[string]

// setChange changes a set in the name of a replica, and returns the delta.
type setChange func(id vclock.ID, s *stringSet) (*stringSet, error)

func newTrafficGroup(way string) (trafficGroup, error) {
	switch way {
	case byStates:
		return new(stateGroup), nil
	case byBuffer:
		return new(bufferGroup), nil
	}
	return newSyncGroup()
}

// countTrafficOf lets all begin with the same, which counts for nothing.
func countTrafficOf(ctx context.Context, way string, elements int) (trafficCell, error) {
	c := trafficCell{way: way, elements: elements}
	g, err := newTrafficGroup(way)
	if err != nil {
		return c, err
	}
	for i := range elements {
		if err := g.change(i%trafficReplicas, adding(i)); err != nil {
			return c, err
		}
	}
	if _, err := g.meet(ctx); err != nil {
		return c, err
	}
	for round := range trafficRounds {
		for who := range trafficReplicas {
			oldest := round*trafficReplicas + who
			if err := g.change(who, removing(oldest)); err != nil {
				return c, err
			}
			if err := g.change(who, adding(elements+oldest)); err != nil {
				return c, err
			}
		}
		n, err := g.meet(ctx)
		if err != nil {
			return c, err
		}
		c.bytes += n
	}
	c.state, err = checkTraffic(g, elements)
	return c, err
}

func adding(i int) setChange {
	return func(id vclock.ID, s *stringSet) (*stringSet, error) { return s.Add(id, elementName(i)) }
}

func removing(i int) setChange {
	return func(_ vclock.ID, s *stringSet) (*stringSet, error) { return s.Remove(elementName(i)), nil }
}

// checkTraffic looks whether all have what they should have, and returns how many bytes that is.
func checkTraffic(g trafficGroup, elements int) (state int, err error) {
	var first *stringSet
	g.look(0, func(s *stringSet) { first = s.Clone() })
	want := trafficRounds * trafficReplicas
	for e := range first.All() {
		if e != elementName(want) {
			return 0, fmt.Errorf("%w: %s where %s should be", errDiffer, e, elementName(want))
		}
		want++
	}
	if first.Len() != elements {
		return 0, fmt.Errorf("%w: %d elements, and there should be %d", errDiffer, first.Len(), elements)
	}
	for who := 1; who < trafficReplicas; who++ {
		g.look(who, func(s *stringSet) {
			if order := s.Compare(first); order != vclock.Equal {
				err = fmt.Errorf("%w: replica %d is %v the first", errDiffer, who, order)
			}
		})
		if err != nil {
			return 0, err
		}
	}
	return formLen(first)
}

// stateGroup sends all.
type stateGroup struct{ sets [trafficReplicas]stringSet }

func (g *stateGroup) change(who int, f setChange) error {
	_, err := f(replicaName(who), &g.sets[who])
	return err
}

func (g *stateGroup) look(who int, f func(*stringSet)) { f(&g.sets[who]) }

func (g *stateGroup) meet(context.Context) (bytes int, err error) {
	var states [trafficReplicas][]byte
	for who := range g.sets {
		if states[who], err = g.sets[who].AppendBinary(nil); err != nil {
			return 0, err
		}
	}
	for who := range g.sets {
		for from, state := range states {
			if from == who {
				continue
			}
			bytes += len(state)
			if err := mergeBytes(&g.sets[who], state); err != nil {
				return 0, err
			}
		}
	}
	return bytes, nil
}

// mergeBytes reads what another one has sent, and merges it.
func mergeBytes(s *stringSet, b []byte) error {
	news := new(stringSet)
	if err := news.UnmarshalBinary(b); err != nil {
		return err
	}
	s.Merge(news)
	return nil
}

// bufferGroup sends what has not been acknowledged.
type bufferGroup struct {
	stateGroup
	buffers [trafficReplicas]crdt.Buffer[*stringSet]
}

func (g *bufferGroup) change(who int, f setChange) error {
	delta, err := f(replicaName(who), &g.sets[who])
	if err == nil {
		g.buffers[who].Push(delta)
	}
	return err
}

func (g *bufferGroup) meet(context.Context) (bytes int, err error) {
	for from := range g.buffers {
		for to := range g.sets {
			if from == to {
				continue
			}
			message, upto, err := bufferMessage(&g.buffers[from], &g.sets[from], replicaName(to))
			if err != nil {
				return 0, err
			}
			if err := mergeBytes(&g.sets[to], message); err != nil {
				return 0, err
			}
			if err := g.buffers[from].Ack(replicaName(to), upto); err != nil {
				return 0, err
			}
			bytes += len(message) + 2*numberLen(upto) // which goes along, and comes back
		}
		g.buffers[from].Trim()
	}
	return bytes, nil
}

// bufferMessage is what a peer is to get, which is the whole value if it is full.
func bufferMessage(b *crdt.Buffer[*stringSet], value *stringSet, peer vclock.ID) (message []byte, upto uint64, err error) {
	delta, upto, full := b.For(peer)
	if full {
		delta = value
	}
	message, err = delta.AppendBinary(nil)
	return message, upto, err
}

func numberLen(n uint64) int { return len(binary.AppendUvarint(nil, n)) }

// syncGroup has sessions.
type syncGroup struct{ replicas []*setReplica }

type setReplica = crdt.Replica[*stringSet]

func newSyncGroup() (*syncGroup, error) {
	g := new(syncGroup)
	var names []vclock.ID
	for who := range trafficReplicas {
		names = append(names, replicaName(who))
	}
	for _, name := range names {
		r, err := crdt.NewReplica(name, empty[stringSet], crdt.ReplicaConfig{Members: names})
		if err != nil {
			return nil, err
		}
		g.replicas = append(g.replicas, r)
	}
	return g, nil
}

func (g *syncGroup) change(who int, f setChange) error         { return g.replicas[who].Do(f) }
func (g *syncGroup) look(who int, f func(*stringSet))          { g.replicas[who].View(f) }
func (g *syncGroup) meet(ctx context.Context) (n int, _ error) { return meetAll(ctx, g.replicas) }

// meetAll lets each have a session with each. What two have said to each other goes on with the next.
func meetAll(ctx context.Context, all []*setReplica) (bytes int, err error) {
	for i, one := range all {
		for _, other := range all[:i] {
			n, err := meetOne(ctx, one, other)
			if err != nil {
				return 0, err
			}
			bytes += n
		}
	}
	return bytes, nil
}

// meetOne lets two have a session, and returns how many bytes both have written.
func meetOne(ctx context.Context, one, other crdt.Syncer) (bytes int, err error) {
	here, there := net.Pipe()
	defer here.Close()
	defer there.Close()
	a, b := &countedConn{Conn: here}, &countedConn{Conn: there}
	done := make(chan error, 1)
	go func() { done <- crdt.Sync(ctx, b, other) }()
	err = crdt.Sync(ctx, a, one)
	if failed := <-done; err == nil {
		err = failed
	}
	return a.written + b.written, err
}

// countedConn counts what is written, by one goroutine at a time.
type countedConn struct {
	net.Conn
	written int
}

func (c *countedConn) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b)
	c.written += n
	return n, err
}
