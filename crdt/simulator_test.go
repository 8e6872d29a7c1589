package crdt

import (
	"errors"
	"fmt"
	"math/bits"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/plinth-go/plinth/internal/form"
	"github.com/plinth-go/plinth/internal/seed"
	"github.com/plinth-go/plinth/vclock"
)

// A simulation lets a few replicas change over a network that loses, doubles, delays and reorders messages, is cut in
// two now and then, and brings states again that are long out of date. Replicas crash and come back with what
// they had on disk, which may be old, and with a new epoch in their name.
//
// Beside each state it keeps which operations are known there, and asks a model that knows nothing of dots what
// the value should be: after each step, not only at the end.

// simSubject is a type under test, with O for its operations.
type simSubject[T state[T], O any] struct {
	zero func() T
	op   func(r *rand.Rand) O
	do   func(s T, id vclock.ID, op O) (T, error)
	// kills, if there is such a thing, returns which of the operations that are known an operation undoes.
	kills func(op O, known []simEvent[O]) []simEvent[O]
	// value returns what String should say where some operations are known, in the order in which they were done.
	value func(known []simEvent[O]) string
	// carries, if there is such a thing, reports whether a delta has what its replica has done before, besides op.
	carries func(op, before O) bool
}

// simEvent is an operation that was done.
type simEvent[O any] struct {
	op    O
	by    vclock.ID
	n     int       // which it is
	kills simEvents // of what it undoes
}

// simEvents is a set of them.
type simEvents uint64

const maxEvents = 64

func (s simEvents) has(n int) bool { return s>>n&1 > 0 }

// alive leaves out what is undone by another.
func alive[O any](known []simEvent[O]) (left []simEvent[O]) {
	var killed simEvents
	for _, e := range known {
		killed |= e.kills
	}
	for _, e := range known {
		if !killed.has(e.n) {
			left = append(left, e)
		}
	}
	return left
}

// world is the replicas and the network between them.
type world[T state[T], O any] struct {
	simSubject[T, O]
	r        *rand.Rand
	replicas []*simReplica[T]
	cut      int           // replicas from here on are cut off from those before; 0 is no cut
	flying   []simMessage  // what may come yet
	old      []simMessage  // full states that may come once more
	history  []simEvent[O] // all that was ever done
	sameName bool          // whether a replica comes back without a new epoch
	trace    []string
}

type simReplica[T any] struct {
	name, epoch int
	state       T
	known       simEvents
	disk        simMessage
}

type simMessage struct {
	from, to int
	bytes    []byte
	known    simEvents
}

func (p *simReplica[T]) id() vclock.ID { return vclock.ID(fmt.Sprintf("%c.%d", 'a'+p.name, p.epoch)) }

// simulate runs a subject with many seeds.
func (s simSubject[T, O]) simulate(t *testing.T) {
	runs := 60
	if form.Long() && !form.Raced() {
		runs = 1000
	}
	r := seed.New(t)
	for range runs {
		w := s.world(r)
		require.NoError(t, w.run(150), "%s", strings.Join(w.trace, "\n"))
	}
}

func (s simSubject[T, O]) world(r *rand.Rand) *world[T, O] {
	w := &world[T, O]{simSubject: s, r: r}
	empty, _ := s.zero().AppendBinary(nil)
	for i := range 2 + r.IntN(4) {
		w.replicas = append(w.replicas, &simReplica[T]{name: i, state: s.zero(), disk: simMessage{bytes: empty}})
	}
	return w
}

// run takes steps by chance, then lets all hear of all, and looks whether they agree.
func (w *world[T, O]) run(steps int) error {
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

func (w *world[T, O]) step() error {
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
func (w *world[T, O]) change(i int) error {
	if len(w.history) == maxEvents {
		return nil
	}
	p, op := w.replicas[i], w.op(w.r)
	e := simEvent[O]{op: op, by: p.id(), n: len(w.history)}
	if w.kills != nil {
		for _, undone := range w.kills(op, w.those(p.known)) {
			e.kills |= 1 << undone.n
		}
	}
	before := p.state.Clone()
	delta, err := w.do(p.state, p.id(), op)
	if err != nil {
		return err
	}
	w.history = append(w.history, e)
	p.known |= 1 << e.n
	w.log("%v does %v: %v", p.id(), op, p.state)
	carried := simEvents(1 << e.n)
	for _, before := range w.history[:e.n] {
		if w.carries != nil && before.by == e.by && w.carries(op, before.op) {
			carried |= 1 << before.n
		}
	}
	for j := range w.replicas {
		if j != i {
			w.send(w.message(i, j, delta, carried))
		}
	}
	return w.check(p, before)
}

func (w *world[T, O]) message(from, to int, s T, known simEvents) simMessage {
	b, _ := s.AppendBinary(nil) // what fails does so when it is read
	return simMessage{from, to, b, known}
}

// send loses one of four.
func (w *world[T, O]) send(m simMessage) {
	if w.r.IntN(4) > 0 {
		w.flying = append(w.flying, m)
	}
}

// arrive merges a message, unless it would have to come through the cut.
func (w *world[T, O]) arrive(m simMessage) error {
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
func (w *world[T, O]) crash(i int) error {
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
func (w *world[T, O]) check(p *simReplica[T], before T) error {
	if order := p.state.Compare(before); order != vclock.Equal && order != vclock.After {
		return fmt.Errorf("%v: %v, which is %v to what was before", p.id(), p.state, order)
	}
	if want := w.value(w.those(p.known)); p.state.String() != want {
		return fmt.Errorf("%v has %v, want %v", p.id(), p.state, want)
	}
	return nil
}

func (w *world[T, O]) those(known simEvents) []simEvent[O] {
	all := make([]simEvent[O], 0, bits.OnesCount64(uint64(known)))
	for _, e := range w.history {
		if known.has(e.n) {
			all = append(all, e)
		}
	}
	return all
}

func (w *world[T, O]) log(format string, args ...any) {
	w.trace = append(w.trace, fmt.Sprintf(format, args...))
}

// TestSimulator has a line for each type. Planted and caught: a join that keeps what the other one has
// removed, or forgets to look at the element that has taken the place of one that went; an addition whose delta does
// not say which dots it replaces.
func TestSimulator(t *testing.T) {
	t.Run("GCounter", simGCounter().simulate)
	t.Run("PNCounter", simPNCounter().simulate)
	t.Run("ORSet", simORSet().simulate)
}

func sum(known []simEvent[int]) (n int) {
	for _, e := range known {
		n += e.op
	}
	return n
}

func simGCounter() simSubject[*GCounter, int] {
	return simSubject[*GCounter, int]{
		zero:    func() *GCounter { return new(GCounter) },
		op:      func(r *rand.Rand) int { return 1 + r.IntN(5) },
		do:      func(c *GCounter, id vclock.ID, n int) (*GCounter, error) { return c.Add(id, uint64(n)) },
		value:   func(known []simEvent[int]) string { return fmt.Sprint(sum(known)) },
		carries: func(int, int) bool { return true },
	}
}

// simPNCounter: of a PNCounter, a delta has all of one side.
func simPNCounter() simSubject[*PNCounter, int] {
	return simSubject[*PNCounter, int]{
		zero:    func() *PNCounter { return new(PNCounter) },
		op:      func(r *rand.Rand) int { return r.IntN(9)*2 - 9 },
		do:      func(c *PNCounter, id vclock.ID, n int) (*PNCounter, error) { return c.Add(id, int64(n)) },
		value:   func(known []simEvent[int]) string { return fmt.Sprint(sum(known)) },
		carries: func(n, before int) bool { return n < 0 == (before < 0) },
	}
}

// setOp adds or removes an element; or removes all, if it is "".
type setOp struct {
	add     bool
	element string
}

func (o setOp) String() string {
	switch {
	case o.add:
		return "add " + o.element
	case o.element == "":
		return "clear"
	}
	return "remove " + o.element
}

func someSetOp(r *rand.Rand) setOp {
	e := string(rune('p' + r.IntN(4)))
	switch dice := r.IntN(16); {
	case dice < 9:
		return setOp{true, e}
	case dice < 15:
		return setOp{false, e}
	}
	return setOp{}
}

// simORSet: an operation undoes the additions that it sees, of its element or of all.
func simORSet() simSubject[*ORSet[string], setOp] {
	return simSubject[*ORSet[string], setOp]{
		zero: func() *ORSet[string] { return new(ORSet[string]) },
		op:   someSetOp,
		do: func(s *ORSet[string], id vclock.ID, op setOp) (*ORSet[string], error) {
			switch {
			case op.add:
				return s.Add(id, op.element)
			case op.element == "":
				return s.Clear(), nil
			}
			return s.Remove(op.element), nil
		},
		kills: func(op setOp, known []simEvent[setOp]) (undone []simEvent[setOp]) {
			for _, e := range alive(known) {
				if e.op.add && (op.element == "" || op.element == e.op.element) {
					undone = append(undone, e)
				}
			}
			return undone
		},
		value: func(known []simEvent[setOp]) string {
			there := []string{}
			for _, e := range alive(known) {
				if e.op.add {
					there = append(there, e.op.element)
				}
			}
			slices.Sort(there)
			return fmt.Sprint(slices.Compact(there))
		},
	}
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
		w := simORSet().world(rand.New(rand.NewPCG(1, uint64(i))))
		w.sameName = true
		if w.run(150) != nil {
			bad++
		}
	}
	t.Logf("%d of 40 runs end badly", bad)
	require.Greater(t, bad, 10)
}
