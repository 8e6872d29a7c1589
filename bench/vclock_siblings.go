package main

import (
	"encoding/binary"

	"github.com/plinth-go/plinth/vclock"
)

// How many values a key has that nobody has overwritten, its siblings. Some clients take turns to write it at one
// server. Each gives along what it had read after its own last write; the others have written since. So each write
// replaces the client's last one, and is beside those of the others:
//
//	ann    write 1 ─ read ──────────── write 3 ─ read      3 is in place of 1, and beside 2
//	ben               write 2 ─ read ─────────── write 4   4 is in place of 1 and 2, and beside 3
//
// A server that keeps one version vector for all values, with an entry for itself, cannot say that: 3 comes with
// {server:1}, the vector is {server:2}, and so 1 stays, for ever. (The two clients and 101 writes are those
// of R. Gonçalves and P. S. Almeida: Dotted Version Vectors, README.)

const siblingWrites = 101

// Those that captions speak of.
const (
	byServer  = "Vector, an entry for the server"
	byClient  = "Vectors, an entry for each client"
	byDots    = "DVVSet"
	siblingID = vclock.ID("server")
)

// siblingWriters are how many clients there are.
func siblingWriters() []int { return []int{1, 2, 4, 8, 16, 32} }

// siblingStore keeps the values of a key. Implementations are not safe for concurrent use.
type siblingStore interface {
	read() vclock.Vector                                     // the context of what is there
	put(ctx vclock.Vector, client vclock.ID, v uint64) error // in place of what ctx knows
	siblings() int
	bytes() int // of what one who reads gets to know of versions, without the values
}

// siblingStores are all there are, by name.
func siblingStores() []string { return []string{byServer, byClient, byDots} }

func newSiblingStore(name string) siblingStore {
	switch name {
	case byServer:
		return &serverVector{}
	case byClient:
		return &clientVectors{}
	}
	return &dottedSet{}
}

// serverVector is one version vector for all values.
type serverVector struct {
	context vclock.Vector
	values  int
}

func (s *serverVector) read() vclock.Vector { return s.context }

func (s *serverVector) put(ctx vclock.Vector, _ vclock.ID, _ uint64) error {
	if ctx.Descends(s.context) {
		s.values = 0
	}
	s.values++
	s.context.Merge(ctx)
	_, err := s.context.Tick(siblingID)
	return err
}

func (s *serverVector) siblings() int { return s.values }
func (s *serverVector) bytes() int    { return vectorLen(s.context) }

// clientVectors is a version vector for each value, in which clients count their writes. That is right, and
// the vectors have an entry for each client that ever wrote.
type clientVectors struct{ versions []vclock.Vector }

func (s *clientVectors) read() (all vclock.Vector) {
	for _, v := range s.versions {
		all.Merge(v)
	}
	return all
}

func (s *clientVectors) put(ctx vclock.Vector, client vclock.ID, _ uint64) error {
	if _, err := ctx.Tick(client); err != nil {
		return err
	}
	kept := []vclock.Vector{ctx}
	for _, v := range s.versions {
		if !ctx.Descends(v) {
			kept = append(kept, v)
		}
	}
	s.versions = kept
	return nil
}

func (s *clientVectors) siblings() int { return len(s.versions) }

func (s *clientVectors) bytes() (n int) {
	for _, v := range s.versions {
		n += vectorLen(v)
	}
	return n
}

// dottedSet is a DVVSet.
type dottedSet struct{ set vclock.DVVSet[uint64] }

func (s *dottedSet) read() vclock.Vector { return s.set.Context() }

func (s *dottedSet) put(ctx vclock.Vector, _ vclock.ID, v uint64) error {
	return s.set.Put(ctx, siblingID, v)
}

func (s *dottedSet) siblings() int { return s.set.Len() }

// bytes is what Encode writes, without the values, which are one number each.
func (s *dottedSet) bytes() int {
	b, err := s.set.Encode(nil, vclock.Uint64Codec{})
	if err != nil {
		return 0 // a number can be written
	}
	for _, v := range s.set.Values() {
		b = b[:len(b)-len(binary.AppendUvarint(nil, v))]
	}
	return len(b)
}

// vectorLen is how many bytes a vector has. To write one never fails.
func vectorLen(v vclock.Vector) int {
	n, _ := binaryLen(v)
	return n
}

// siblingCell is a store and a number of clients, and what came of it.
type siblingCell struct {
	store   string
	writers int
	after   []int // siblings after each write
	most    int
	read    int // values in all answers
	bytes   int // of versions, in the end
}

func (c siblingCell) last() int { return c.after[len(c.after)-1] }

func (r *vclockResults) countSiblings() error {
	for _, name := range siblingStores() {
		for _, writers := range siblingWriters() {
			c, err := countSiblingsOf(name, writers)
			if err != nil {
				return err
			}
			r.siblings = append(r.siblings, c)
		}
	}
	return nil
}

// countSiblingsOf lets clients take turns. Each reads after it has written, and that is what it knows when its
// turn comes again.
func countSiblingsOf(name string, writers int) (siblingCell, error) {
	c, store := siblingCell{store: name, writers: writers}, newSiblingStore(name)
	known := make([]vclock.Vector, writers)
	for i := range siblingWrites {
		who := i % writers
		if err := store.put(known[who], replicaName(who), uint64(i+1)); err != nil {
			return siblingCell{}, err
		}
		known[who] = store.read()
		c.after = append(c.after, store.siblings())
		c.most = max(c.most, store.siblings())
		c.read += store.siblings()
	}
	c.bytes = store.bytes()
	return c, nil
}

// sibling finds a cell.
func (r *vclockResults) sibling(store string, writers int) siblingCell {
	for _, c := range r.siblings {
		if c.store == store && c.writers == writers {
			return c
		}
	}
	panic("bench: no such cell: " + store)
}
