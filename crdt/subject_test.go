package crdt

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/plinth-go/plinth/vclock"
)

// subject is a type under test with a model beside it, which two tests use: one plays long runs by chance over a bad
// network (simulator_test.go), the other one all short ones (small_test.go).
type subject[T state[T]] struct {
	zero func() T
	// some returns something to do by chance; replicas are all that there are.
	some func(r *rand.Rand, replicas []vclock.ID) op
	// few are what there is to do in short runs. Their replicas are a, b and c.
	few []op
	do  func(s T, id vclock.ID, o op) (T, error)
	// show returns all that is to be seen of a state; if there is none, it is what String returns.
	show func(s T) string

	model
}

// op is something to do. What its parts mean is for its subject to say.
type op struct {
	in   string // the keys of the maps that it is in, with a slash behind each
	what string
	on   string // an element, or a key, or a value
	num  int64
	at   vclock.Timestamp
	to   vclock.ID
}

func (o op) String() string {
	s := o.in + o.what
	if o.on != "" {
		s += " " + o.on
	}
	if o.num != 0 {
		s += fmt.Sprint(" ", o.num)
	}
	if o.to != "" {
		s += fmt.Sprint(" to ", o.to)
	}
	if o.at != (vclock.Timestamp{}) {
		s += fmt.Sprint(" at ", o.at)
	}
	return s
}

// event is an operation that was done.
type event struct {
	op
	by      vclock.ID
	n       int      // which one it is
	saw     []*event // what was known there, in the order in which it was done
	undid   events   // of those
	carried events   // of those
}

func (e *event) String() string { return fmt.Sprintf("%d: %v does %v", e.n, e.by, e.op) }

// events is a set of them.
type events uint64

func (s events) has(n int) bool { return s>>n&1 == 1 }

func setOf(all []*event) (s events) {
	for _, e := range all {
		s |= 1 << e.n
	}
	return s
}

// among returns those of a history that are in the set.
func (s events) among(history []*event) []*event {
	all := make([]*event, 0, len(history))
	for _, e := range history {
		if s.has(e.n) {
			all = append(all, e)
		}
	}
	return all
}

// model says what a state should show. It knows nothing of dots, contexts and vectors, but of events and of what was
// known where they were done:
//
//	an event undoes some of what is alive where it is done
//	alive is what brings something, and is not undone by an event that is known
//	a state shows what is alive of all that is known there
//
// So the events are a set that grows, and the model only says how to look at it.
type model struct {
	// idle reports whether an event changes nothing, given what it saw, and with which error. If there is none, all
	// events do something.
	idle func(e *event) (bool, error)
	// brings reports whether an operation brings something that can be alive. If there is none, all do.
	brings func(o op) bool
	// undoes returns which of those that are alive an event undoes. If there is none, nothing is undone.
	undoes func(e *event, alive []*event) events
	// carries returns what is in the delta of an event besides, of what it saw. If there is none, nothing is.
	carries func(e *event) events
	// value is what a state shows in which these are alive, in the order in which they were done.
	value func(alive []*event) string
}

// consider completes an event that is about to be done; or it is idle.
func (m model) consider(e *event) (idle bool, err error) {
	if m.idle != nil {
		if idle, err = m.idle(e); idle {
			return idle, err
		}
	}
	if m.undoes != nil {
		e.undid = m.undoes(e, m.alive(e.saw))
	}
	if m.carries != nil {
		e.carried = m.carries(e)
	}
	return false, nil
}

// alive leaves out what brings nothing, and what is undone.
func (m model) alive(known []*event) []*event {
	left, undone := make([]*event, 0, len(known)), events(0)
	for _, e := range known {
		undone |= e.undid
	}
	for _, e := range known {
		if !undone.has(e.n) && (m.brings == nil || m.brings(e.op)) {
			left = append(left, e)
		}
	}
	return left
}

func (s subject[T]) shown(state T) string {
	if s.show == nil {
		return state.String()
	}
	return s.show(state)
}

// anySubject is what the tests ask of a subject, whatever its type is.
type anySubject interface {
	simulate(t *testing.T)
	small(t *testing.T)
	apart(t *testing.T)
}

// subjects are all types there are. Planted, and caught by TestSimulator and by TestSmall:
//
//	GCounter         a delta of what was added, and not of the sum; a Merge that does nothing once it knows two
//	PNCounter        a Merge that asks one side only if the other had nothing new; a delta of the wrong side
//	BoundedCounter   a Take or a Transfer whose delta lacks where its rights come from, or has it for one step only; a
//	                 Merge that forgets gifts; one right too many
//	CausalCounter    a delta that does not say what it replaces; a Reset that tells nobody; a sum of all numbers
//	LWWRegister      names in the wrong order, or not asked; a deletion without its time; a time before 1970 that is
//	                 before never
//	MVRegister       a Set or a Clear whose delta does not say what it replaces; a join that asks one context only
//	flags            a change whose delta does not say what it replaces; a join that keeps what was removed; a DWFlag that
//	                 is on if anybody says so
//	GSet             a Merge that ends at the first new element; a delta with nothing in it
//	TwoPSet          a Merge that brings back what was removed; an Add that does; a Remove of what is not there
//	LWWSet           the other bias, and none; a Merge that takes what is older; a removal that leaves no time behind
//	ORSet            a removal that tells nobody; a join that keeps what was removed
//	RWSet            votes that are not said to be replaced; a Forget of what is not stable, and one that tells nobody
//	ORMap            a removal that tells nobody; a join that leaves out keys of one side; an empty value that stays
//
// By TestSimulator alone, which has states of many keys: an RWSet or an ORMap whose index lacks what has come.
func subjects() map[string]anySubject {
	return map[string]anySubject{
		"GCounter":               ofGCounter(),
		"PNCounter":              ofPNCounter(),
		"BoundedCounter":         ofBoundedCounter(),
		"CausalCounter":          ofCausalCounter(),
		"LWWRegister":            ofLWWRegister(),
		"MVRegister":             ofMVRegister(),
		"EWFlag":                 ofEWFlag(),
		"DWFlag":                 ofDWFlag(),
		"GSet":                   ofGSet(),
		"TwoPSet":                ofTwoPSet(),
		"LWWSet-with-AddBias":    ofLWWSet(AddBias),
		"LWWSet-with-RemoveBias": ofLWWSet(RemoveBias),
		"ORSet":                  ofORSet(),
		"RWSet":                  ofRWSet(),
		"ORMap-of-ORSet":         ofMap(ofORSet()),
		"ORMap-of-RWSet":         ofMap(ofRWSet()),
		"ORMap-of-MVRegister":    ofMap(ofMVRegister()),
		"ORMap-of-DWFlag":        ofMap(ofDWFlag()),
		"ORMap-of-CausalCounter": ofMap(ofCausalCounter()),
		"ORMap-of-ORMap":         ofMap(ofMap(ofEWFlag())),
	}
}

// eachSubject runs a test of each type, in order.
func eachSubject(t *testing.T, test func(anySubject, *testing.T)) {
	all := subjects()
	for _, name := range slices.Sorted(maps.Keys(all)) {
		t.Run(name, func(t *testing.T) { test(all[name], t) })
	}
}

// TestSubjects: there is one of each type.
func TestSubjects(t *testing.T) {
	all := slices.Collect(maps.Keys(subjects()))
	for k := kind(1); k < kindEnd; k++ {
		if k == kindUpdate || k == kindSummary {
			continue // they are messages
		}
		of := func(name string) bool { return name == k.String() || strings.HasPrefix(name, k.String()+"-") }
		require.True(t, slices.ContainsFunc(all, of), "%v", k)
	}
}
