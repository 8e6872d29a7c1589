package crdt

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/plinth-go/plinth/internal/seed"
	"github.com/plinth-go/plinth/vclock"
)

// bufferNode is a value with its buffer, and what it has seen by the model.
type bufferNode[T state[T]] struct {
	id     vclock.ID
	value  T
	buffer Buffer[T]
	seen   vclock.Vector
}

type bufferMessage[T any] struct {
	from, to int
	upto     uint64
	ack      bool
	value    T
	seen     vclock.Vector // of who sent it
}

// TestBufferNetwork: after each message, a node shows what follows from all that its senders had seen, although they
// have sent only what was not acknowledged, and some of that was lost. Planted and caught: For that begins one delta late, or
// ends after the first; what is trimmed and yet not full.
func TestBufferNetwork(t *testing.T) {
	t.Run("GCounter", func(t *testing.T) { bufferNetwork(t, counterCargo()) })
	t.Run("ORSet", func(t *testing.T) { bufferNetwork(t, setCargo()) })
}

func bufferNetwork[T state[T]](t *testing.T, s cargo[T]) {
	r := seed.New(t)
	fulls, intervals := 0, 0
	for range 60 {
		w := bufferWorld[T]{t: t, r: r, s: s, all: deeds{}}
		for i := range 3 {
			n := &bufferNode[T]{id: vclock.ID(rune('a' + i)), value: s.zero(), buffer: Buffer[T]{limit: 1 + r.IntN(12)}}
			w.nodes = append(w.nodes, n)
		}
		for range 120 {
			w.step()
		}
		w.settle()
		fulls, intervals = fulls+w.fulls, intervals+w.intervals
	}
	require.Positive(t, fulls)
	require.Positive(t, intervals)
}

type bufferWorld[T state[T]] struct {
	t                *testing.T
	r                *rand.Rand
	s                cargo[T]
	all              deeds
	nodes            []*bufferNode[T]
	way              []bufferMessage[T]
	fulls, intervals int
}

func (w *bufferWorld[T]) step() {
	i, j := w.r.IntN(3), w.r.IntN(3)
	n := w.nodes[i]
	switch w.r.IntN(7) {
	case 0, 1:
		delta, e := w.s.change(w.t, w.r, n.id, n.value)
		e.seen = n.seen
		dot, err := n.seen.Tick(n.id)
		require.NoError(w.t, err)
		w.all[dot] = e
		n.buffer.Push(delta)
	case 2:
		n.buffer.Trim()
	case 3, 4:
		if i != j {
			w.send(i, j)
		}
	default:
		if len(w.way) > 0 {
			if m := take(w.r, &w.way); w.r.IntN(4) > 0 { // or it is lost
				w.deliver(m)
			}
		}
	}
	require.Equal(w.t, w.s.want(w.all, n.seen), n.value.String(), "%v, which has seen %v", n.id, n.seen)
}

func (w *bufferWorld[T]) send(i, j int) {
	n, peer := w.nodes[i], w.nodes[j].id
	msg, upto, full := n.buffer.For(peer)
	if upto == 0 {
		return
	}
	if full {
		msg = n.value.Clone()
		w.fulls++
	} else {
		w.intervals++
	}
	require.Equal(w.t, n.buffer.Last(), upto)
	w.way = append(w.way, bufferMessage[T]{from: i, to: j, upto: upto, value: msg, seen: n.seen})
}

func (w *bufferWorld[T]) deliver(m bufferMessage[T]) {
	n := w.nodes[m.to]
	if m.ack {
		require.NoError(w.t, n.buffer.Ack(w.nodes[m.from].id, m.upto))
		return
	}
	if n.value.Compare(Join(n.value, m.value)) == vclock.Before {
		n.buffer.Push(m.value) // for the others
	}
	n.value.Merge(m.value)
	n.seen.Merge(m.seen)
	w.way = append(w.way, bufferMessage[T]{from: m.to, to: m.from, upto: m.upto, ack: true})
	require.Equal(w.t, w.s.want(w.all, n.seen), n.value.String(), "%v, which has seen %v", n.id, n.seen)
}

// settle delivers until nobody has anything to send.
func (w *bufferWorld[T]) settle() {
	w.way = nil
	for again := true; again; {
		for i := range w.nodes {
			for j := range w.nodes {
				if i != j {
					w.send(i, j)
				}
			}
		}
		again = len(w.way) > 0
		for len(w.way) > 0 {
			m := w.way[0]
			w.way = w.way[1:]
			w.deliver(m)
		}
	}
	for _, n := range w.nodes {
		require.Equal(w.t, bytesOf(w.t, w.nodes[0].value), bytesOf(w.t, n.value))
		require.Empty(w.t, n.buffer.Behind())
		n.buffer.Trim()
		require.Zero(w.t, n.buffer.Len(), "all have all")
	}
}

// TestBufferEnds: what is not sent, what is full, and who holds back the rest. Planted and caught: an Ack that goes
// back, or is of what was never sent; a Trim that does not wait for the slowest, or not for who has only asked; a Push that keeps the
// delta itself; Behind that names who has acknowledged the oldest; a limit that keeps one more.
func TestBufferEnds(t *testing.T) {
	_, err := NewBuffer[*GCounter](-1, 0)
	require.ErrorContains(t, err, "limit of -1")
	_, err = NewBuffer[*GCounter](0, vclock.MaxCount+1)
	require.ErrorIs(t, err, vclock.ErrExhausted)
	_, err = NewBuffer[*GCounter](0, vclock.MaxCount)
	require.NoError(t, err)

	b, err := NewBuffer[*GCounter](3, 0)
	require.NoError(t, err)
	var c GCounter
	add := func() {
		delta, err := c.Add("a", 1)
		require.NoError(t, err)
		b.Push(delta)
	}
	look := func(peer vclock.ID) string {
		msg, upto, full := b.For(peer)
		return fmt.Sprint(msg, upto, full)
	}
	require.Equal(t, "<nil> 0 false", look("x"), "nothing has happened")
	add()
	add()
	require.Equal(t, "2 2 false", look("x"))
	require.NoError(t, b.Ack("x", 1))
	require.NoError(t, b.Ack("x", 0), "an old one")
	require.ErrorIs(t, b.Ack("x", 3), ErrAck)
	require.ErrorIs(t, b.Ack("stranger", 3), ErrAck)
	require.Empty(t, b.Behind(), "x has the oldest")
	require.Equal(t, "2 2 false", look("y"))
	require.Equal(t, []vclock.ID{"y"}, b.Behind())
	b.Trim()
	require.Equal(t, 2, b.Len(), "y has none")
	require.True(t, b.Forget("y"))
	require.False(t, b.Forget("y"))
	b.Trim()
	require.Equal(t, 1, b.Len())
	require.Equal(t, "<nil> 2 true", look("y"), "it comes back")
	require.Equal(t, "2 2 false", look("x"))
	for range 3 {
		add()
	}
	require.Equal(t, 3, b.Len())
	require.Equal(t, "<nil> 5 true", look("x"), "more than the limit")
	require.NoError(t, b.Ack("x", 5))
	require.Equal(t, "<nil> 0 false", look("x"))
	require.Empty(t, b.Behind()[1:], "y has only asked")
	require.True(t, b.Forget("y"))
	require.NoError(t, b.Ack("y", 2), "it comes late")
	require.Equal(t, []vclock.ID{"y"}, b.Behind(), "and is a peer again, of which 3 is the first that it lacks")
	require.Equal(t, "5 5 false", look("y"))
	require.True(t, b.Forget("y"))

	delta, err := c.Add("a", 1)
	require.NoError(t, err)
	b.Push(delta)
	_, err = delta.Add("b", 10)
	require.NoError(t, err)
	require.Equal(t, "6 6 false", look("x"), "the buffer has a copy")
	require.NoError(t, b.Ack("x", 6))
	b.Trim()
	require.Zero(t, b.Len())
	require.Empty(t, b.Behind(), "there is nothing to wait for")

	again, err := NewBuffer[*GCounter](3, b.Last())
	require.NoError(t, err)
	_, upto, full := again.For("z")
	require.EqualValues(t, 6, upto)
	require.True(t, full, "what was there before is not in the deltas")
	many := Buffer[*GCounter]{}
	for range defaultDeltas + 1 {
		many.Push(&c)
	}
	require.Equal(t, defaultDeltas, many.Len())
}

// TestBufferInterval: a peer is sent what it lacks and no more, and what is dropped is not kept by the list behind it. Planted
// and caught: For that joins all that is kept; a drop that clears nothing.
func TestBufferInterval(t *testing.T) {
	b, err := NewBuffer[*GSet[int]](3, 0)
	require.NoError(t, err)
	push := func(e int) {
		delta, err := new(GSet[int]).Add(e)
		require.NoError(t, err)
		b.Push(delta)
	}
	for e := range 3 {
		push(e)
	}
	for upto, want := range []string{"[0 1 2]", "[1 2]", "[2]"} {
		require.NoError(t, b.Ack("x", uint64(upto)))
		msg, _, full := b.For("x")
		require.False(t, full)
		require.Equal(t, want, msg.String())
	}
	oldest := b.deltas[:1]
	push(3)
	require.Nil(t, oldest[0])
}
