package vclock

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
)

// The errors of Delivery. Whatever returns one has changed nothing.
var (
	// ErrFull: no more messages can be held. What was refused can be sent again.
	ErrFull = errors.New("vclock: delivery is full")

	// ErrDuplicate: a message that has been delivered, or is held. It is dropped.
	ErrDuplicate = errors.New("vclock: duplicate")

	// ErrForked: two have one name, or one has forgotten what it did: there are two events with
	// one dot, or one that is said to be of who never did it.
	ErrForked = errors.New("vclock: two of one name")
)

// Message is a message to all, with what its sender knew when it sent it. It is a value, and safe for concurrent
// readers; a writer needs exclusive access.
type Message[M any] struct {
	From ID     // who sent it
	Deps Vector // the messages that the sender had delivered or sent before, of everybody
	Body M
}

// Dot returns which message of its sender it is.
func (m Message[M]) Dot() Dot { return Dot{m.From, m.Deps.Get(m.From) + 1} }

// check is what can be said of a message without knowing any other.
func (m Message[M]) check() error {
	if err := m.From.check(); err != nil {
		return err
	}
	return checkCount(m.From, m.Dot().N)
}

// Delivery is a causal broadcast buffer: everybody sends to all, messages are delayed, reordered,
// lost and sent again on their way, and come out in an order in which an answer never comes before what it
// answers.
//
//	a   "lunch?" ──────────────────────────────▶      c gets the answer first, and holds it
//	         ╲                              ╱         until the question is there
//	b         ●─▶ "yes" ──┐                ╱
//	                      ▼               ▼
//	c                   (yes) ···········▶ lunch? yes
//
// A message carries what its sender had delivered or sent before it. Whoever gets it delivers it as soon as
// all of that has been delivered there. Messages that do not know of each other come out in any order.
//
// One that has to wait is entered under one of the messages that it waits for, and looked at when that
// comes; then it is entered under the next that is missing, if there is one. Each of its dependencies is looked
// at once. (The plain way looks at all that are held after each delivery: BenchmarkReceive.)
//
//	what comes                                   what happens
//	its dot has been delivered                   ErrDuplicate
//	it is of self, or after one that self        ErrForked
//	never sent
//	it is held, with the same dependencies       ErrDuplicate
//	it is held, with others                      ErrForked
//	it waits for nothing                         delivered, and all that it frees
//	something is missing                         held; ErrFull if as many are as the limit
//
// What comes is delivered even when the buffer is full if it waits for nothing, so a full buffer empties
// when what it waits for comes. Nothing is lost by ErrFull, as long as somebody sends it again. Missing says what
// those that are held wait for; of a message that was lost or refused, and that no other depends on, nothing is known
// here, so now and then one must compare Clock with others.
//
// Who lies about what it depends on, on a message that nobody ever sent, or on one that depends on this one, has
// its own held for ever, and takes up places: Drop is for that, and for those who have left. Bytes on the wire
// prove nothing, so whoever can send must be known to be who it says.
//
// What nobody has any more is waited for in vain, and all that depends on it. Then a new Delivery begins
// with the Clock of somebody who has gone on, and a copy of the state that goes with it.
//
// After a restart it goes on from the Clock that was kept with the state. It must be kept before
// a message leaves the house: who has forgotten that it has sent something gives its dot to
// something else (others then get two messages with one dot, and take the second for known;
// here it is seen when somebody depends on it: ErrForked). What was held is
// forgotten, and has to be sent again.
//
// Birman, Schiper and Stephenson: Lightweight Causal and Atomic Group Multicast, 1991, section 5.1. They
// have a fixed group and no bound; here a replica belongs to it when it says something, and Deps does not
// count the message itself.
//
// It is safe for concurrent use. But a batch may depend on the one before, and nobody can see which of two calls
// came first: who receives in several goroutines must have a lock of its own, from before Receive until what it
// returned has been handed on. The same lock belongs around Clock, or what it says may not be in the state yet.
//
//	Send, Receive     a pass over a vector, and from 9 replicas on one allocation of it
//	memory            a message and its vector for each that is held, at most Limit of them
//	bad at            large groups: each message carries a number for everybody
type Delivery[M any] struct {
	// Immutable.
	self  ID
	limit int

	mu    sync.Mutex
	clock Vector             // guarded by mu: what has been delivered, and sent
	held  map[Dot]*held[M]   // guarded by mu
	wakes map[Dot][]*held[M] // guarded by mu: those that wait for a message, each in one place
}

// held is a message that waits.
type held[M any] struct {
	Message[M]
	next int // of Deps: those before it have been delivered
}

// DeliveryConfig says how a Delivery begins. It is a plain value: it is safe for concurrent use as long as
// nobody changes it.
type DeliveryConfig struct {
	// Limit is how many messages may be held, at most; 0 is 1,024.
	Limit int

	// Clock is what has been delivered and sent already, before a restart: what Clock returned. Nothing of it
	// is delivered again.
	Clock Vector
}

const defaultLimit = 1024

// NewDelivery returns one for a replica.
func NewDelivery[M any](self ID, c DeliveryConfig) (*Delivery[M], error) {
	if err := self.check(); err != nil {
		return nil, err
	}
	if c.Limit < 0 {
		return nil, fmt.Errorf("vclock: NewDelivery: a Limit of %d: want 1 or more, or 0 for %d", c.Limit, defaultLimit)
	}
	if c.Limit == 0 {
		c.Limit = defaultLimit
	}
	return &Delivery[M]{
		self: self, limit: c.Limit, clock: c.Clock,
		held: map[Dot]*held[M]{}, wakes: map[Dot][]*held[M]{},
	}, nil
}

// Send returns a message for all others. For self it counts as delivered.
func (d *Delivery[M]) Send(body M) (Message[M], error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	m := Message[M]{d.self, d.clock, body}
	if _, err := d.clock.Tick(d.self); err != nil {
		return Message[M]{}, err
	}
	return m, nil
}

// Receive takes a message that has come, and returns what can be delivered now, in causal order: nothing if
// it has to wait, or it and all that has waited for it. ErrDuplicate, ErrForked and ErrFull
// say that it was not taken, and why.
func (d *Delivery[M]) Receive(m Message[M]) ([]Message[M], error) {
	if err := m.check(); err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.known(m); err != nil {
		return nil, err
	}
	if d.clock.Descends(m.Deps) {
		return d.deliver(m), nil
	}
	if len(d.held) >= d.limit {
		return nil, fmt.Errorf("%w: %d messages wait: %v is refused", ErrFull, len(d.held), m.Dot())
	}
	h := &held[M]{Message: m}
	d.held[m.Dot()] = h
	d.wait(h)
	return nil, nil
}

// known says why a message is not news: it has been here, or cannot be.
func (d *Delivery[M]) known(m Message[M]) error {
	dot := m.Dot()
	if d.clock.Contains(dot) {
		return fmt.Errorf("%w: %v has been delivered", ErrDuplicate, dot)
	}
	if m.From == d.self {
		return fmt.Errorf("%w: %v is of self, which has not sent it", ErrForked, dot)
	}
	if sent, want := d.clock.Get(d.self), m.Deps.Get(d.self); want > sent {
		return fmt.Errorf("%w: %v comes after %v, but self has sent %d", ErrForked, dot, Dot{d.self, want}, sent)
	}
	if h := d.held[dot]; h != nil {
		if h.Deps.Compare(m.Deps) != Equal {
			return fmt.Errorf("%w: %v after %v, and another %v after %v", ErrForked, dot, h.Deps, dot, m.Deps)
		}
		return fmt.Errorf("%w: %v is held", ErrDuplicate, dot)
	}
	return nil
}

// deliver counts a message, of which all is there that it depends on, and then those that it frees. They come
// out as they are freed: each after all that it depends on, because that has been counted before.
func (d *Delivery[M]) deliver(m Message[M]) []Message[M] {
	out := []Message[M]{m}
	for i := 0; i < len(out); i++ {
		dot, _ := d.clock.Tick(out[i].From) // known() has seen that it counts so far
		woken := d.wakes[dot]
		delete(d.wakes, dot)
		for _, h := range woken {
			if !d.wait(h) {
				delete(d.held, h.Dot())
				out = append(out, h.Message)
			}
		}
	}
	return out
}

// wait enters a message under the next that it waits for, and reports whether there is one.
func (d *Delivery[M]) wait(h *held[M]) bool {
	names, counts := h.Deps.roster.names(), h.Deps.counts()
	for ; h.next < len(names); h.next++ {
		dep := Dot{names[h.next], counts.at(h.next, len(names))}
		if d.clock.getAt(h.next, dep.ID) < dep.N {
			d.wakes[dep] = append(d.wakes[dep], h)
			return true
		}
	}
	return false
}

// Missing returns what to ask for: the messages that those that are held depend on, and that are not here, in
// the order of names and numbers. It is at most as many as the limit, divided among their senders, the first of
// each and at least one; when these are here, it says what else.
func (d *Delivery[M]) Missing() []Dot {
	d.mu.Lock()
	defer d.mu.Unlock()
	var need Vector
	for _, h := range d.held {
		need.Merge(h.Deps)
	}
	var gaps []Dot // of each sender the last that is missing
	for id, n := range need.All() {
		if n > d.clock.Get(id) {
			gaps = append(gaps, Dot{id, n})
		}
	}
	var missing []Dot
	for _, last := range gaps {
		share := max(1, d.limit/len(gaps))
		for n := d.clock.Get(last.ID) + 1; n <= last.N && share > 0; n++ {
			if dot := (Dot{last.ID, n}); d.held[dot] == nil {
				missing = append(missing, dot)
				share--
			}
		}
	}
	return missing
}

// Drop throws away what is held of a sender, and returns how many. They are as if they had never come.
func (d *Delivery[M]) Drop(from ID) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	dropped := 0
	for dot, waiting := range d.wakes {
		stay := slices.DeleteFunc(waiting, func(h *held[M]) bool { return h.From == from })
		dropped += len(waiting) - len(stay)
		if d.wakes[dot] = stay; len(stay) == 0 {
			delete(d.wakes, dot)
		}
	}
	maps.DeleteFunc(d.held, func(dot Dot, _ *held[M]) bool { return dot.ID == from })
	return dropped
}

// Clock returns what has been delivered and sent. Keep it with the state that came of it, for a restart.
func (d *Delivery[M]) Clock() Vector {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.clock
}

// Pending returns how many messages are held.
func (d *Delivery[M]) Pending() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.held)
}

// Encode adds the canonical binary form to b: the sender, as all names are written, the vector without its
// form, and the body as codec writes it.
//
//	from a, after {"a":1, "b":2}, "hi", with StringCodec    38   01 61   02 01 61 01 01 62 02   02 68 69
//	                                                        form from    deps                   body
func (m Message[M]) Encode(b []byte, codec Codec[M]) ([]byte, error) {
	if err := m.check(); err != nil {
		return nil, err
	}
	b = AppendID(append(b, kindMessage.form()), "", m.From)
	b, err := codec.Append(m.Deps.AppendTo(b), m.Body)
	if err != nil {
		return nil, fmt.Errorf("vclock: Message: its body: %w", err)
	}
	return b, nil
}

// Decode reads what Encode writes, and nothing else.
func (m *Message[M]) Decode(b []byte, codec Codec[M]) error {
	d := decode(kindMessage, b)
	got := Message[M]{From: d.ID(""), Deps: d.Vector()}
	if d.err == nil {
		if err := got.check(); err != nil {
			d.Fail("%v", err)
		}
	}
	got.Body = ParseValue(d, codec)
	if err := d.End(); err != nil {
		return err
	}
	*m = got
	return nil
}
