package crdt

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/plinth-go/plinth/internal/seed"
	"github.com/plinth-go/plinth/vclock"
)

// A simulation lets a few replicas change over a network that loses, doubles, delays and reorders messages, is cut in
// two now and then, and brings states again that are long out of date. Replicas crash and come back with what
// they had on disk, which may be old, and with a new epoch in their name.
//
// Beside each state it keeps which events are known there, and asks the model of the subject what the value should
// be: after each step, not only at the end.

const maxEvents = 64

// world is the replicas and the network between them.
type world[T state[T]] struct {
	subject[T]
	r        *rand.Rand
	replicas []*simReplica[T]
	cut      int          // replicas from here on are cut off from those before; 0 is no cut
	flying   []simMessage // what may come yet
	old      []simMessage // full states that may come once more
	history  []*event     // all that was ever done
	sameName bool         // whether a replica comes back without a new epoch
	trace    []string
}

type simReplica[T any] struct {
	name, epoch int
	state       T
	known       events
	disk        simMessage
}

type simMessage struct {
	from, to int
	bytes    []byte
	known    events
}

func (p *simReplica[T]) id() vclock.ID { return vclock.ID(fmt.Sprintf("%c.%d", 'a'+p.name, p.epoch)) }

// simulate runs a subject with many seeds.
func (s subject[T]) simulate(t *testing.T) {
	r := seed.New(t)
	for range times(10, 30, 200) {
		w := s.world(r)
		require.NoError(t, w.run(150), "%s", strings.Join(w.trace, "\n"))
	}
}

func (s subject[T]) world(r *rand.Rand) *world[T] {
	w := &world[T]{subject: s, r: r}
	empty, _ := s.zero().AppendBinary(nil)
	for i := range 2 + r.IntN(4) {
		w.replicas = append(w.replicas, &simReplica[T]{name: i, state: s.zero(), disk: simMessage{bytes: empty}})
	}
	return w
}

// run takes steps by chance, then lets all hear of all, and looks whether they agree.
func (w *world[T]) run(steps int) error {
	for range steps {
		if err := w.step(); err != nil {
			return err
		}
	}
	w.cut = 0
	for range 2 {
		for _, i := range w.r.Perm(len(w.replicas)) {
			for _, j := range w.r.Perm(len(w.replicas)) {
				if err := w.arrive(w.message(i, j, w.replicas[i].state, w.replicas[i].known)); err != nil {
					return err
				}
			}
		}
	}
	first, _ := w.replicas[0].state.AppendBinary(nil)
	for _, p := range w.replicas {
		if b, err := p.state.AppendBinary(nil); err != nil || string(b) != string(first) {
			return fmt.Errorf("%v has %v, %v has %v (%w)", p.id(), p.state, w.replicas[0].id(), w.replicas[0].state, err)
		}
	}
	return nil
}

func (w *world[T]) step() error {
	i, j := w.r.IntN(len(w.replicas)), w.r.IntN(len(w.replicas))
	p := w.replicas[i]
	switch dice := w.r.IntN(100); {
	case dice < 30:
		return w.change(i)
	case dice < 75 && len(w.flying) > 0:
		k := w.r.IntN(len(w.flying))
		m := w.flying[k]
		if w.r.IntN(4) > 0 { // else it comes once more
			w.flying = slices.Delete(w.flying, k, k+1)
		}
		return w.arrive(m)
	case dice < 83:
		m := w.message(i, j, p.state, p.known)
		w.old = append(w.old, m)
		w.send(m)
	case dice < 88 && len(w.old) > 0:
		m := w.old[w.r.IntN(len(w.old))]
		m.to = j
		return w.arrive(m)
	case dice < 92:
		w.cut = w.r.IntN(len(w.replicas))
	case dice < 97:
		p.disk = w.message(i, i, p.state, p.known)
		w.log("%v is on disk", p.id())
	case dice < 99:
		return w.crash(i)
	}
	return nil
}

// change does something at a replica, and sends the delta to all others.
func (w *world[T]) change(i int) error {
	if len(w.history) == maxEvents {
		return nil
	}
	var ids []vclock.ID
	for _, p := range w.replicas {
		ids = append(ids, p.id())
	}
	p := w.replicas[i]
	e := &event{op: w.some(w.r, ids), by: p.id(), n: len(w.history), saw: p.known.among(w.history)}
	idle, why := w.consider(e)
	before := p.state.Clone()
	delta, err := w.do(p.state, p.id(), e.op)
	w.log("%v, and has %v", e, p.state)
	switch {
	case !errors.Is(err, why) || why == nil && err != nil:
		return fmt.Errorf("%v: error %w, want %w", e, err, why)
	case idle:
		return w.checkIdle(p, before, delta, err)
	}
	w.history = append(w.history, e)
	p.known |= 1 << e.n
	for j := range w.replicas {
		if j != i {
			w.send(w.message(i, j, delta, e.carried|1<<e.n))
		}
	}
	return w.check(p, before)
}

// checkIdle looks whether nothing has happened.
func (w *world[T]) checkIdle(p *simReplica[T], before, delta T, err error) error {
	if order := p.state.Compare(before); order != vclock.Equal {
		return fmt.Errorf("%v: %v, which is %v to what was before", p.id(), p.state, order)
	}
	if err == nil && delta.Compare(w.zero()) != vclock.Equal {
		return fmt.Errorf("%v: nothing happened, and the delta is %v", p.id(), delta)
	}
	return w.check(p, before)
}

func (w *world[T]) message(from, to int, s T, known events) simMessage {
	b, _ := s.AppendBinary(nil) // what fails does so when it is read
	return simMessage{from, to, b, known}
}

// send loses one of four.
func (w *world[T]) send(m simMessage) {
	if w.r.IntN(4) > 0 {
		w.flying = append(w.flying, m)
	}
}

// arrive merges a message, unless it would have to come through the cut.
func (w *world[T]) arrive(m simMessage) error {
	if m.from < w.cut != (m.to < w.cut) {
		return nil
	}
	p := w.replicas[m.to]
	s := w.zero()
	if err := s.UnmarshalBinary(m.bytes); err != nil {
		return err
	}
	before := p.state.Clone()
	p.state.Merge(s)
	p.known |= m.known
	w.log("%v gets %v from %c: %v", p.id(), s, 'a'+m.from, p.state)
	return w.check(p, before)
}

// crash brings a replica back as it is on disk.
func (w *world[T]) crash(i int) error {
	p := w.replicas[i]
	if !w.sameName {
		p.epoch++
	}
	p.state, p.known = w.zero(), p.disk.known
	err := p.state.UnmarshalBinary(p.disk.bytes)
	w.log("%v is back: %v", p.id(), p.state)
	return errors.Join(err, w.check(p, p.state))
}

// check looks whether a replica has moved up, and has the value that it should.
func (w *world[T]) check(p *simReplica[T], before T) error {
	if order := p.state.Compare(before); order != vclock.Equal && order != vclock.After {
		return fmt.Errorf("%v: %v, which is %v to what was before", p.id(), p.state, order)
	}
	want := w.value(w.alive(p.known.among(w.history)))
	if got := w.shown(p.state); got != want {
		return fmt.Errorf("%v has %v, want %v", p.id(), got, want)
	}
	return nil
}

func (w *world[T]) log(format string, args ...any) {
	w.trace = append(w.trace, fmt.Sprintf(format, args...))
}

// TestSimulator runs each type. What it has caught is told above subjects.
func TestSimulator(t *testing.T) {
	eachSubject(t, anySubject.simulate)
}

// TestSameNameAgain: a replica that comes back from an old state must have another name. Under the same one it gives
// dots that others know: what it does is lost as soon as it hears of them, and what they had of those
// dots is lost when they hear of it. (Riak lost data so: basho/riak_kv, issue 679.)
func TestSameNameAgain(t *testing.T) {
	restored := func(id vclock.ID) (a, b ORSet[string]) {
		_, _ = a.Add("a.1", "apples")
		backup := a.Clone()
		_, _ = a.Add("a.1", "pears") // a.1:2
		b.Merge(&a)
		a = *backup
		_, err := a.Add(id, "milk") // under the same name, a.1:2 once more
		require.NoError(t, err)
		a.Merge(&b)
		b.Merge(&a)
		return a, b
	}
	a, b := restored("a.1")
	require.Equal(t, "[apples]", a.String(), "the milk is lost")
	require.Equal(t, "[apples]", b.String(), "the pears too, though nobody has removed anything")

	a, b = restored("a.2")
	require.Equal(t, "[apples milk pears]", a.String())
	require.Equal(t, "[apples milk pears]", b.String())

	var c GCounter
	backup := c.Clone()
	five, _ := c.Add("a.1", 5)
	_, _ = backup.Add("a.1", 3)
	backup.Merge(five)
	require.EqualValues(t, 5, backup.Value(), "8 were added")
}

// TestSimulatorSeesSameName: without new epochs, about half of the simulations end with what should not be.
func TestSimulatorSeesSameName(t *testing.T) {
	bad := 0
	for i := range 40 {
		w := ofORSet().world(rand.New(rand.NewPCG(1, uint64(i))))
		w.sameName = true
		if w.run(150) != nil {
			bad++
		}
	}
	t.Logf("%d of 40 runs end badly", bad)
	require.Greater(t, bad, 10)
}
