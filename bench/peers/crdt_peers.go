package main

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"net"
	"slices"

	"github.com/plinth-go/plinth/crdt"
	"github.com/plinth-go/plinth/vclock"
)

const (
	implAutomerge = "automerge"
	implNaive     = "naive"    // tags and tombstones in maps
	implDeflated  = "deflated" // ours, compressed
)

func sharedImpls() []string { return []string{implPlinth, implAutomerge, implNaive} }

const (
	namesNumbered = "numbered"
	namesRandom   = "random"
)

const (
	kindSet     = "set"
	kindMap     = "map"     // of each element to itself, as a register that keeps what was set at the same time
	kindReplica = "replica" // a set that knows what others have, and can tell them the rest
)

// shared is a set, or a map, on one of several replicas. It is not safe for concurrent use.
type shared interface {
	add(e string) error // a change of its own
	remove(e string) error
	addAll(all []string) error        // in as few changes as there may be
	message() ([]byte, error)         // what others have to hear of the last change
	receive(message []byte) error     // news
	merge(other shared) error         // of the same form, with all that it has
	save() ([]byte, error)            // all of it
	copy(name string) (shared, error) // on another replica
	count() int
	elements() []string // in order

	// meet returns a session with another replica, which may be run again and again, and what it has sent both ways.
	meet(other shared) (session func() (sent int, err error), err error)
}

// openShared returns an empty one of a replica.
func openShared(impl, kind, name string) (shared, error) {
	switch {
	case impl == implAutomerge:
		return newAutomerge(kind, name)
	case impl == implNaive && kind == kindSet:
		return newNaiveSet(name), nil
	case impl == implNaive:
		return nil, errNotThere
	case kind == kindReplica:
		return newOurReplica(name)
	case kind == kindMap:
		return newOurValue(ourMap(), name), nil
	}
	return newOurValue(ourSet(), name), nil
}

// loadShared reads what save has returned.
func loadShared(impl, kind, name string, saved []byte) (shared, error) {
	if impl == implAutomerge {
		return loadAutomerge(kind, name, saved)
	}
	s, err := openShared(impl, kind, name)
	if err != nil {
		return nil, err
	}
	return s, s.receive(saved) // which is the same for these: a state is a large message
}

// ourValue is a value of package crdt with its last delta.
type ourValue[T crdt.Portable[T]] struct {
	form    *ourForm[T]
	id      vclock.ID
	v, last T
}

// ourForm says how to use a type of package crdt.
type ourForm[T crdt.Portable[T]] struct {
	zero   func() T
	add    func(v T, id vclock.ID, e string) (delta T, err error)
	remove func(v T, id vclock.ID, e string) (delta T, err error)
	count  func(v T) int
	all    func(v T) iter.Seq[string]
}

func ourSet() *ourForm[*crdt.ORSet[string]] {
	type set = *crdt.ORSet[string]
	return &ourForm[set]{
		zero:   func() set { return new(crdt.ORSet[string]) },
		add:    set.Add,
		remove: func(v set, _ vclock.ID, e string) (set, error) { return v.Remove(e), nil },
		count:  set.Len,
		all:    set.All,
	}
}

func ourMap() *ourForm[*crdt.ORMap[string, *crdt.MVRegister[string]]] {
	type register = *crdt.MVRegister[string]
	type registers = *crdt.ORMap[string, register]
	zero := func() register { return crdt.NewMVRegister(vclock.StringCodec{}) }
	return &ourForm[registers]{
		zero: func() registers { return crdt.NewORMap[string](zero) },
		add: func(v registers, id vclock.ID, e string) (registers, error) {
			return v.Update(id, e, func(r register) (register, error) { return r.Set(id, e) })
		},
		remove: func(v registers, _ vclock.ID, e string) (registers, error) { return v.Remove(e), nil },
		count:  registers.Len,
		all:    registers.Keys,
	}
}

func newOurValue[T crdt.Portable[T]](form *ourForm[T], name string) *ourValue[T] {
	return &ourValue[T]{form: form, id: vclock.ID(name), v: form.zero(), last: form.zero()}
}

func (s *ourValue[T]) add(e string) (err error) {
	s.last, err = s.form.add(s.v, s.id, e)
	return err
}

func (s *ourValue[T]) remove(e string) (err error) {
	s.last, err = s.form.remove(s.v, s.id, e)
	return err
}

func (s *ourValue[T]) addAll(all []string) error { return addEach(s, all) }

func addEach(s shared, all []string) error {
	for _, e := range all {
		if err := s.add(e); err != nil {
			return err
		}
	}
	return nil
}

func (s *ourValue[T]) message() ([]byte, error) { return s.last.AppendBinary(nil) }

func (s *ourValue[T]) receive(message []byte) error {
	delta := s.form.zero()
	if err := delta.UnmarshalBinary(message); err != nil {
		return err
	}
	s.v.Merge(delta)
	return nil
}

func (s *ourValue[T]) merge(other shared) error {
	s.v.Merge(other.(*ourValue[T]).v)
	return nil
}

func (s *ourValue[T]) save() ([]byte, error) { return s.v.AppendBinary(nil) }

func (s *ourValue[T]) copy(name string) (shared, error) {
	return &ourValue[T]{form: s.form, id: vclock.ID(name), v: s.v.Clone(), last: s.last}, nil
}

func (s *ourValue[T]) count() int         { return s.form.count(s.v) }
func (s *ourValue[T]) elements() []string { return slices.Collect(s.form.all(s.v)) }

func (s *ourValue[T]) meet(shared) (func() (int, error), error) { return nil, errNotThere }

// ourReplica is a Replica of a set.
type ourReplica struct {
	r      *crdt.Replica[*crdt.ORSet[string]]
	before vclock.Vector // what had been seen before the last change
}

func newOurReplica(name string) (*ourReplica, error) {
	r, err := crdt.NewReplica(vclock.ID(name), ourSet().zero, crdt.ReplicaConfig{})
	return &ourReplica{r: r}, err
}

func (s *ourReplica) add(e string) error {
	return s.r.Do(func(id vclock.ID, v *crdt.ORSet[string]) (*crdt.ORSet[string], error) { return v.Add(id, e) })
}

func (s *ourReplica) remove(e string) error {
	return s.r.Do(func(_ vclock.ID, v *crdt.ORSet[string]) (*crdt.ORSet[string], error) { return v.Remove(e), nil })
}

// addAll joins nothing: a change for each costs no more here.
func (s *ourReplica) addAll(all []string) error { return addEach(s, all) }

// message is all that has come since the last message.
func (s *ourReplica) message() ([]byte, error) {
	seen := s.r.Stats().Seen
	b, err := s.r.Since(s.before)
	s.before = seen
	return b, err
}

func (s *ourReplica) receive(message []byte) error { return s.r.Receive(message) }

func (s *ourReplica) merge(other shared) error {
	delta, err := other.(*ourReplica).r.Delta(s.r.Summary())
	if err != nil {
		return err
	}
	return s.r.Receive(delta)
}

func (s *ourReplica) save() ([]byte, error) { return s.r.AppendBinary(nil) }

func (s *ourReplica) copy(name string) (shared, error) {
	b, err := s.save()
	if err != nil {
		return nil, err
	}
	return loadShared(implPlinth, kindReplica, name, b)
}

func (s *ourReplica) count() (n int) {
	s.r.View(func(v *crdt.ORSet[string]) { n = v.Len() })
	return n
}

func (s *ourReplica) elements() (all []string) {
	s.r.View(func(v *crdt.ORSet[string]) { all = slices.Collect(v.All()) })
	return all
}

// meet runs sessions over a pipe, each of which knows nothing of the one before.
func (s *ourReplica) meet(other shared) (func() (int, error), error) {
	return func() (int, error) {
		here, there := net.Pipe()
		mine, theirs := &countedConn{Conn: here}, &countedConn{Conn: there}
		done := make(chan error, 1)
		go func() { done <- crdt.Sync(context.Background(), theirs, other.(*ourReplica).r) }()
		err := crdt.Sync(context.Background(), mine, s.r)
		err = errors.Join(err, <-done)
		return mine.sent + theirs.sent, err
	}, nil
}

// countedConn counts what is written.
type countedConn struct {
	net.Conn
	sent int // by the one goroutine that writes; read when that has ended
}

func (c *countedConn) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b)
	c.sent += n
	return n, err
}

// sharedElements have 13 bytes each: they are numbered, or have random letters of 64, which do not get much shorter by
// compression.
func sharedElements(names string, n int) []string {
	all := make([]string, n)
	rng := rand.New(rand.NewPCG(1, 1))
	for i := range all {
		all[i] = fmt.Sprintf("element-%05d", i)
		if names == namesRandom {
			b := make([]byte, len(all[i]))
			for j := range b {
				b[j] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-_"[rng.IntN(64)]
			}
			all[i] = string(b)
		}
	}
	return all
}
