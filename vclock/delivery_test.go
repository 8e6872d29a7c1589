package vclock

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/plinth-go/plinth/internal/seed"
)

// naiveDelivery keeps what has to wait in a list, and looks at all of it after each delivery.
type naiveDelivery[M any] struct {
	clock Vector
	held  []Message[M]
}

func (d *naiveDelivery[M]) receive(m Message[M]) (out []Message[M]) {
	d.held = append(d.held, m)
	for more := true; more; {
		more = false
		for i, m := range d.held {
			if d.clock.Descends(m.Deps) {
				_, _ = d.clock.Tick(m.From)
				out = append(out, m)
				d.held = slices.Delete(d.held, i, i+1)
				more = true
				break
			}
		}
	}
	return out
}

func newDelivery(t testing.TB, self ID, limit int) *Delivery[int] {
	t.Helper()
	d, err := NewDelivery[int](self, DeliveryConfig{Limit: limit})
	require.NoError(t, err)
	return d
}

// broadcasts are what some processes broadcast, with what happened before what, taken from the run itself: before[i][j] says
// that the sender of j had sent i, or delivered it, when it sent j.
type broadcasts struct {
	messages []Message[int]
	before   [][]bool
}

// randomBroadcasts lets processes send, and deliver what is there in an order that is causal; no clock is asked.
func randomBroadcasts(t testing.TB, r *rand.Rand, processes, messages int) (h broadcasts) {
	var senders []*Delivery[int]
	for i := range processes {
		senders = append(senders, newDelivery(t, nameOf(i), 0))
	}
	knows := make([]map[int]bool, processes)
	for i := range knows {
		knows[i] = map[int]bool{}
	}
	for len(h.messages) < messages {
		p := r.IntN(processes)
		if r.IntN(3) > 0 {
			next := slices.IndexFunc(h.messages, func(m Message[int]) bool {
				return !knows[p][m.Body] && h.ready(m.Body, knows[p]) && r.IntN(2) == 0
			})
			if next < 0 {
				continue
			}
			out, err := senders[p].Receive(h.messages[next])
			require.NoError(t, err)
			require.Equal(t, []Message[int]{h.messages[next]}, out)
			knows[p][next] = true
			continue
		}
		j := len(h.messages)
		m, err := senders[p].Send(j)
		require.NoError(t, err)
		before := make([]bool, messages)
		for i := range knows[p] {
			before[i] = true
		}
		knows[p][j] = true
		h.messages, h.before = append(h.messages, m), append(h.before, before)
	}
	return h
}

// ready reports whether all that was before a message is known.
func (h broadcasts) ready(j int, knows map[int]bool) bool {
	for i, before := range h.before[j] {
		if before && !knows[i] {
			return false
		}
	}
	return true
}

// TestDeliveryAllOrders lets small histories come in every order there is, twice: what comes out is always all that has
// come and all of whose past has come, once, and in causal order; Missing is what is before
// something that is held and has not come. Planted and caught: deliver that frees only the first that waits, or all
// that are woken; held messages that are not taken out; no check of what is held already; Missing with what is held.
func TestDeliveryAllOrders(t *testing.T) {
	r := seed.New(t)
	for n := 1; n <= 6; n++ {
		for range 2 {
			h := randomBroadcasts(t, r, 3, n)
			order := make([]int, n)
			for i := range order {
				order[i] = i
			}
			permute(order, 0, func(order []int) { h.comes(t, order) })
		}
	}
}

func permute(order []int, from int, do func([]int)) {
	if from == len(order) {
		do(order)
		return
	}
	for i := from; i < len(order); i++ {
		order[from], order[i] = order[i], order[from]
		permute(order, from+1, do)
		order[from], order[i] = order[i], order[from]
	}
}

// comes lets the messages come in an order.
func (h broadcasts) comes(t *testing.T, order []int) {
	fail := func(what string) {
		t.Helper()
		t.Fatalf("%s: order %v of %v", what, order, h.messages)
	}
	d := newDelivery(t, "observer", 0)
	come, delivered := map[int]bool{}, map[int]bool{}
	for _, i := range order {
		out, err := d.Receive(h.messages[i])
		if err != nil {
			fail(err.Error())
		}
		come[i] = true
		for _, m := range out {
			if delivered[m.Body] || !come[m.Body] || !h.ready(m.Body, delivered) {
				fail(fmt.Sprintf("%v is delivered", m))
			}
			delivered[m.Body] = true
		}
		missing := map[Dot]bool{}
		for j := range come {
			if !delivered[j] && h.ready(j, delivered) {
				fail(fmt.Sprintf("%v is held back", h.messages[j]))
			}
			for i, before := range h.before[j] {
				if before && !come[i] {
					missing[h.messages[i].Dot()] = true
				}
			}
		}
		asked := d.Missing()
		for _, dot := range asked {
			if !missing[dot] {
				fail(fmt.Sprintf("%v is missing", dot))
			}
		}
		if len(asked) != len(missing) || !slices.IsSortedFunc(asked, Dot.order) {
			fail(fmt.Sprintf("missing %v, want %v", asked, missing))
		}
		if _, err := d.Receive(h.messages[i]); !errors.Is(err, ErrDuplicate) {
			fail("it came twice")
		}
		if d.Pending() != len(come)-len(delivered) {
			fail("pending")
		}
	}
	if len(delivered) != len(order) || len(d.held)+len(d.wakes) > 0 || len(d.Missing()) > 0 {
		fail("something is left")
	}
}

// TestDeliveryClocks: the order of vectors is that of the run, for each pair of messages.
func TestDeliveryClocks(t *testing.T) {
	h := randomBroadcasts(t, seed.New(t), 4, 60)
	for j, m := range h.messages {
		for i, w := range h.messages {
			require.Equal(t, h.before[j][i], m.Deps.Contains(w.Dot()), "%v %v", w, m)
		}
	}
}

// TestDeliveryModel is a long history in a random order, beside the naive form; and with a small buffer, of which what is
// refused comes again, in the order of Missing. Planted and caught: a message that waits for nothing is refused when the buffer is full.
func TestDeliveryModel(t *testing.T) {
	r := seed.New(t)
	h := randomBroadcasts(t, r, 5, 200)
	order := r.Perm(len(h.messages))
	d, small := newDelivery(t, "observer", 200), newDelivery(t, "observer", 3)
	var naive naiveDelivery[int]
	for _, i := range order {
		out, err := d.Receive(h.messages[i])
		require.NoError(t, err)
		require.ElementsMatch(t, naive.receive(h.messages[i]), out)
		require.Equal(t, Equal, naive.clock.Compare(d.Clock()))
		require.Len(t, naive.held, d.Pending())
		_, err = small.Receive(h.messages[i])
		require.True(t, err == nil || errors.Is(err, ErrFull), "%v", err)
		require.LessOrEqual(t, small.Pending(), 3)
	}
	byDot := map[Dot]Message[int]{}
	for _, m := range h.messages {
		byDot[m.Dot()] = m
	}
	for rounds := 0; small.Pending() > 0; rounds++ {
		require.Less(t, rounds, len(order))
		missing := small.Missing()
		require.NotEmpty(t, missing)
		require.LessOrEqual(t, len(missing), 5, "one of each sender")
		before := small.Clock()
		for _, dot := range missing {
			_, err := small.Receive(byDot[dot])
			require.True(t, err == nil || errors.Is(err, ErrFull) || errors.Is(err, ErrDuplicate), "%v", err)
		}
		require.Equal(t, After, small.Clock().Compare(before), "what is missing helps")
	}
	require.Empty(t, small.Missing())
	for _, m := range h.messages {
		_, err := small.Receive(m)
		require.True(t, err == nil || errors.Is(err, ErrDuplicate), "what comes in its order always has room: %v", err)
	}
	require.Equal(t, Equal, small.Clock().Compare(d.Clock()))
}

// TestDeliveryHostile: what cannot be is an error, and changes nothing. Planted and caught: no check of self in what a
// message depends on, of the dependencies of a message that is held.
func TestDeliveryHostile(t *testing.T) {
	d := newDelivery(t, "me", 2)
	_, err := d.Send(1)
	require.NoError(t, err)
	message := func(from ID, deps map[ID]uint64) Message[int] { return Message[int]{From: from, Deps: vec(t, deps)} }
	_, err = d.Receive(message("a", map[ID]uint64{"b": 2}))
	require.NoError(t, err)
	for _, c := range []struct {
		m    Message[int]
		is   error
		said string
	}{
		{message("me", nil), ErrDuplicate, "me:1 has been delivered"},
		{message("me", map[ID]uint64{"me": 1}), ErrForked, "me:2 is of self, which has not sent it"},
		{message("b", map[ID]uint64{"me": 2}), ErrForked, "b:1 comes after me:2, but self has sent 1"},
		{message("a", map[ID]uint64{"b": 2}), ErrDuplicate, "a:1 is held"},
		{message("a", map[ID]uint64{"b": 1}), ErrForked, `a:1 after {"b":2}, and another a:1 after {"b":1}`},
		{message("a", nil), ErrForked, `a:1 after {"b":2}, and another a:1 after {}`},
		{message("", nil), ErrID, "empty"},
		{message("\xff", nil), ErrID, "UTF-8"},
		{message("x", map[ID]uint64{"x": MaxCount}), ErrExhausted, "x at 4611686018427387905"},
	} {
		out, err := d.Receive(c.m)
		require.ErrorIs(t, err, c.is)
		require.ErrorContains(t, err, c.said)
		require.Empty(t, out)
		require.Equal(t, 1, d.Pending())
		require.Equal(t, `{"me":1}`, d.Clock().String())
		require.Equal(t, []Dot{{"b", 1}, {"b", 2}}, d.Missing())
	}

	_, err = d.Receive(message("z", map[ID]uint64{"c": MaxCount, "z": MaxCount - 1}))
	require.NoError(t, err, "nobody knows that there are not so many")
	require.Equal(t, []Dot{{"b", 1}, {"c", 1}, {"z", 1}}, d.Missing(), "of each the first, and no more")
	_, err = d.Receive(message("e", map[ID]uint64{"c": 1}))
	require.EqualError(t, err, "vclock: delivery is full: 2 messages wait: e:1 is refused")
	out, err := d.Receive(message("c", nil))
	require.NoError(t, err, "what need not wait needs no room")
	require.Len(t, out, 1)

	require.Equal(t, 1, d.Drop("z"))
	require.Zero(t, d.Drop("nobody"))
	_, err = d.Receive(message("e", map[ID]uint64{"e": 1}))
	require.NoError(t, err, "there is room again")
	require.Equal(t, 1, d.Drop("e"))
	require.Equal(t, []Dot{{"b", 1}, {"b", 2}}, d.Missing())
	_, err = d.Receive(message("b", map[ID]uint64{"a": 1}))
	require.NoError(t, err)
	require.Equal(t, []Dot{{"b", 2}}, d.Missing(), "two that wait for each other")
	require.Equal(t, 1, d.Drop("b"))
	require.Len(t, d.wakes, 1)

	for self, c := range map[ID]DeliveryConfig{"": {}, "a": {Limit: -1}} {
		_, err := NewDelivery[int](self, c)
		require.Error(t, err)
	}
	last, err := NewDelivery[int]("a", DeliveryConfig{Clock: vec(t, map[ID]uint64{"a": MaxCount})})
	require.NoError(t, err)
	_, err = last.Send(1)
	require.ErrorIs(t, err, ErrExhausted)
}

// TestDeliveryDrop: what is dropped is as if it had never come, and what waits for the same message is as it was. Planted and
// caught: a dropped message that is still woken.
func TestDeliveryDrop(t *testing.T) {
	a, b, c, d := newDelivery(t, "a", 0), newDelivery(t, "b", 0), newDelivery(t, "c", 0), newDelivery(t, "d", 0)
	first, _ := b.Send(1)
	_, err := a.Receive(first)
	require.NoError(t, err)
	_, err = c.Receive(first)
	require.NoError(t, err)
	second, _ := a.Send(2)
	third, _ := c.Send(3)
	for range 2 {
		for _, m := range []Message[int]{second, third} {
			_, err := d.Receive(m)
			require.True(t, err == nil || errors.Is(err, ErrDuplicate))
		}
		require.Equal(t, 1, d.Drop("a"))
		require.Equal(t, 1, d.Pending())
	}
	out, err := d.Receive(first)
	require.NoError(t, err)
	require.Equal(t, []Message[int]{first, third}, out)
	out, err = d.Receive(second)
	require.NoError(t, err)
	require.Equal(t, []Message[int]{second}, out)
}

// TestDeliveryRestart: what was delivered is known, what was held comes again; and who forgets what it has sent is
// told by those that have it.
func TestDeliveryRestart(t *testing.T) {
	a, b := newDelivery(t, "a", 0), newDelivery(t, "b", 0)
	one, _ := a.Send(1)
	two, _ := a.Send(2)
	three, _ := a.Send(3)
	_, err := b.Receive(one)
	require.NoError(t, err)
	_, err = b.Receive(three)
	require.NoError(t, err)
	again, err := NewDelivery[int]("b", DeliveryConfig{Clock: b.Clock()})
	require.NoError(t, err)
	require.Zero(t, again.Pending())
	_, err = again.Receive(one)
	require.ErrorIs(t, err, ErrDuplicate)
	for _, m := range []Message[int]{two, three} {
		out, err := again.Receive(m)
		require.NoError(t, err)
		require.Equal(t, []Message[int]{m}, out)
	}
	answer, err := again.Send(4)
	require.NoError(t, err)
	forgot, err := NewDelivery[int]("a", DeliveryConfig{Clock: one.Deps})
	require.NoError(t, err)
	_, err = forgot.Receive(answer)
	require.ErrorIs(t, err, ErrForked)
}

// TestDeliveryManyGoroutines receive the messages of a history, each of them all, and others send. Each is delivered
// once. Under the race detector this sees a lock that is missing.
func TestDeliveryManyGoroutines(t *testing.T) {
	r := seed.New(t)
	h := randomBroadcasts(t, r, 4, 60)
	d := newDelivery(t, "observer", 0)
	delivered, sent := make([][]Message[int], 4), make([][]Message[int], 4)
	var all sync.WaitGroup
	for g := range delivered {
		order := r.Perm(len(h.messages))
		all.Go(func() {
			for _, i := range order {
				out, err := d.Receive(h.messages[i])
				if err != nil && !errors.Is(err, ErrDuplicate) {
					t.Error(err)
				}
				delivered[g] = append(delivered[g], out...)
				m, err := d.Send(i)
				if err != nil {
					t.Error(err)
				}
				sent[g] = append(sent[g], m)
				if d.Pending() > len(order) || len(d.Missing()) > len(order) || !d.Clock().Contains(m.Dot()) {
					t.Error("too much, or too little")
				}
			}
		})
	}
	all.Wait()
	require.ElementsMatch(t, h.messages, slices.Concat(delivered...))
	dots := map[Dot]bool{}
	for _, m := range slices.Concat(sent...) {
		dots[m.Dot()] = true
	}
	require.Len(t, dots, 4*len(h.messages))
}

// cryCodec is a StringCodec that hates one.
type cryCodec struct{ StringCodec }

func (c cryCodec) Append(b []byte, v string) ([]byte, error) {
	if v == "!" {
		return nil, errors.New("a cry")
	}
	return c.StringCodec.Append(b, v)
}

func (c cryCodec) Parse(b []byte) (string, []byte, error) {
	v, rest, err := c.StringCodec.Parse(b)
	if v == "!" {
		err = errors.New("a cry")
	}
	return v, rest, err
}

// TestMessageBytes are known ones, and what is not canonical.
func TestMessageBytes(t *testing.T) {
	m := Message[string]{From: "a", Deps: vec(t, map[ID]uint64{"a": 1, "b": 2}), Body: "hi"}
	b, err := m.Encode(nil, cryCodec{})
	require.NoError(t, err)
	require.Equal(t, "\x38\x01a\x02\x01a\x01\x01b\x02\x02hi", string(b))
	var read Message[string]
	require.NoError(t, read.Decode(b, cryCodec{}))
	require.Equal(t, m, read)
	require.Equal(t, "a:2", read.Dot().String())

	for text, said := range map[string]string{
		"":                        "byte 0: it ends here",
		"\x08\x00":                "byte 0: this is a Vector",
		"\x38":                    "byte 1: it ends here",
		"\x38\x11a\x00":           "byte 2: 17 bytes, but 2 are left",
		"\x38\x01a":               "byte 3: it ends in a number",
		"\x38\x01a\x01\x01a\x00":  "byte 7: a number of 0 for a",
		"\x38\x01a\x00\x02hi\x00": "byte 7: 1 bytes after the end",
		"\x38\x01a\x00\x03hi":     "byte 4: a value: 3 bytes, but 2 are left",
		"\x38\x01a\x00\x01!":      "byte 4: a value: a cry",
		"\x38\x01a\x01\x01a" + "\x80\x80\x80\x80\x80\x80\x80\x80\x40": "exhausted",
	} {
		err := read.Decode([]byte(text), cryCodec{})
		require.ErrorIs(t, err, ErrCorrupt, "%q", text)
		require.ErrorContains(t, err, "vclock: corrupt Message: ", "%q", text)
		require.ErrorContains(t, err, said, "%q", text)
		require.Equal(t, m, read)
	}
	_, err = Message[string]{}.Encode(nil, cryCodec{})
	require.ErrorIs(t, err, ErrID)
	_, err = Message[string]{From: "a", Body: "!"}.Encode(nil, cryCodec{})
	require.EqualError(t, err, "vclock: Message: its body: a cry")
}

func FuzzMessage(f *testing.F) {
	f.Add([]byte("\x38\x01a\x02\x01a\x01\x01b\x02\x02hi"))
	f.Add([]byte("\x38\x01a\x00\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		var m Message[string]
		if m.Decode(b, StringCodec{}) != nil {
			require.Zero(t, m)
			return
		}
		m.Deps.invariant(t)
		again, err := m.Encode(nil, StringCodec{})
		require.NoError(t, err)
		require.Equal(t, b, again)
	})
}

// FuzzDelivery lets what the bytes say happen to a small group: messages that are sent come in any order, twice, or
// with other dependencies. Whatever comes out comes once, after all that it depends on, and is what was sent or could have been.
func FuzzDelivery(f *testing.F) {
	f.Add([]byte("some bytes, which are as good as others"))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		r := seed.Of(b)
		d := newDelivery(t, "me", 1+r.IntN(4))
		var out Vector
		for range 40 {
			m := Message[int]{nameOf(r.IntN(3)), randomVector(t, r.IntN), 0}
			got, err := d.Receive(m)
			require.True(t, err == nil || errors.Is(err, ErrForked) || errors.Is(err, ErrDuplicate) || errors.Is(err, ErrFull))
			require.True(t, err == nil || got == nil)
			for _, m := range got {
				require.True(t, out.Descends(m.Deps))
				dot, err := out.Tick(m.From)
				require.NoError(t, err)
				require.Equal(t, m.Dot(), dot)
			}
			require.Equal(t, Equal, out.Compare(d.Clock()))
			require.LessOrEqual(t, d.Pending(), d.limit)
			waiting := 0
			for _, waits := range d.wakes {
				waiting += len(waits)
			}
			require.Equal(t, d.Pending(), waiting, "each waits in one place")
			if len(d.Missing()) == 0 {
				for dot := range d.wakes {
					require.Contains(t, d.held, dot, "they wait for each other, as nobody does who tells the truth")
				}
			}
			if r.IntN(10) == 0 {
				from, pending := nameOf(r.IntN(3)), d.Pending()
				require.Equal(t, pending-d.Drop(from), d.Pending())
				require.Zero(t, d.Drop(from))
			}
		}
	})
}

// BenchmarkReceive is of histories of 1,000 messages of n senders: as they were sent, in any order, and the last one
// first, so that all have to wait for the first.
func BenchmarkReceive(b *testing.B) {
	for _, n := range []int{3, 16, 256} {
		h := roundRobin(b, n, 1000)
		backwards := slices.Clone(h)
		slices.Reverse(backwards)
		shuffled := slices.Clone(h)
		rand.New(rand.NewPCG(1, 2)).Shuffle(len(h), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
		for i, kind := range []string{"ordered", "shuffled", "backwards"} {
			messages := [][]Message[int]{h, shuffled, backwards}[i]
			b.Run(fmt.Sprintf("impl=plinth/case=%s/n=%d", kind, n), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					d := newDelivery(b, "observer", len(h))
					out := 0
					for _, m := range messages {
						got, _ := d.Receive(m)
						out += len(got)
					}
					if out != len(h) {
						b.Fatal("not all")
					}
				}
			})
			b.Run(fmt.Sprintf("impl=naive/case=%s/n=%d", kind, n), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					var d naiveDelivery[int]
					out := 0
					for _, m := range messages {
						out += len(d.receive(m))
					}
					if out != len(h) {
						b.Fatal("not all")
					}
				}
			})
		}
	}
}

// roundRobin has messages of n senders, of which each has seen all before its own, but the last few.
func roundRobin(t testing.TB, n, messages int) (h []Message[int]) {
	var senders []*Delivery[int]
	for i := range n {
		senders = append(senders, newDelivery(t, nameOf(i), messages))
	}
	seen := make([]int, n)
	for i := range messages {
		s := senders[i%n]
		for ; seen[i%n] < i-2; seen[i%n]++ {
			_, _ = s.Receive(h[seen[i%n]])
		}
		m, err := s.Send(i)
		require.NoError(t, err)
		m.Deps = m.Deps.foreign()
		h = append(h, m)
	}
	return h
}
