package vclock

import (
	"fmt"
	"io"
	"sync"
)

// Tracer writes down what a process does, with its vector clock, so that the logs of all processes, one after
// the other in any order, show what happened before what. It is the log of ShiViz (Beschastnikh, Wang,
// Brun and Ernst: Debugging Distributed Systems, 2016), which draws it: two lines for each event.
//
//	anna {"anna":1}                  tr.Local("start")
//	start
//	anna {"anna":2}                  clock, _ := tr.Send("ask")     the clock goes along with the message
//	ask
//	ben {"anna":2, "ben":1}          tr.Receive("asked", clock)
//	asked
//
// Every call is one event, and counts one. What is wrong with an event is an error, and the event has not
// happened: an empty text or more than one line (ErrEvent), somebody else's clock that knows of events which
// this process never had (ErrForked). An error of the writer is final: the log may end in half an
// event, and every call after that returns the same error.
//
// A Tracer begins at 1 and knows of nothing, as ShiViz wants it: a process that starts again
// needs another name, or another log. What belongs to one process stays in its order, so each call
// writes before another may, with one Write; w should be buffered if it is a file.
//
// It is safe for concurrent use.
type Tracer struct {
	host ID // immutable

	mu    sync.Mutex
	w     io.Writer // guarded by mu
	clock Vector    // guarded by mu
	err   error     // guarded by mu: of w
}

// NewTracer returns one that writes to w. The name must be one that a log can have, without spaces. It panics if w
// is nil.
func NewTracer(w io.Writer, host ID) (*Tracer, error) {
	if w == nil {
		panic("vclock: NewTracer: a nil writer")
	}
	if err := checkHost(host); err != nil {
		return nil, err
	}
	return &Tracer{host: host, w: w}, nil
}

// Local is something that happens in the process.
func (t *Tracer) Local(text string) error {
	_, err := t.event(text, Vector{})
	return err
}

// Send is a message that goes out. The vector goes along with it, for Receive.
func (t *Tracer) Send(text string) (Vector, error) { return t.event(text, Vector{}) }

// Receive is a message that has come, with the vector that came along.
func (t *Tracer) Receive(text string, sent Vector) error {
	_, err := t.event(text, sent)
	return err
}

// Clock returns the clock of the last event.
func (t *Tracer) Clock() Vector {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.clock
}

// event counts and writes one that knows of what has been sent, and returns its clock.
func (t *Tracer) event(text string, sent Vector) (Vector, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.err != nil {
		return Vector{}, t.err
	}
	had := t.clock.Get(t.host)
	if n := sent.Get(t.host); n > had {
		return Vector{}, fmt.Errorf("%w: a message after %v, but it has had %d events", ErrForked, Dot{t.host, n}, had)
	}
	clock := t.clock
	clock.Merge(sent)
	if _, err := clock.Tick(t.host); err != nil {
		return Vector{}, err
	}
	b, err := appendEvent(nil, Event{Host: t.host, Clock: clock, Text: text})
	if err != nil {
		return Vector{}, err
	}
	if _, err := t.w.Write(b); err != nil {
		t.err = fmt.Errorf("vclock: the log of %v: %w", t.host, err)
		return Vector{}, t.err
	}
	t.clock = clock
	return clock, nil
}
