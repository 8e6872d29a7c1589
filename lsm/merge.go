package lsm

import (
	"bytes"

	"github.com/plinth-go/plinth/lsm/sst"
)

// iterator is what walks over entries in the order of sst.Compare have in common.
type iterator interface {
	First()
	Last()
	SeekGE(key []byte, trailer sst.Trailer)
	SeekLT(key []byte, trailer sst.Trailer)
	Next()
	Prev()
	Valid() bool
	Err() error
	Key() []byte
	Trailer() sst.Trailer
	Value() []byte
	Close() // gives back memory; the iterator must not be used any more
}

// merge walks several iterators as one. They stand in a heap with the one that is
// next on top: with the smallest entry when walking forward, with the largest when
// walking backward. No two have the same entry, since sequence numbers are given
// once. It is not safe for concurrent use.
type merge struct {
	all     []iterator
	heap    []iterator // those that are valid
	forward bool
	err     error
}

func newMerge(all []iterator) *merge { return &merge{all: all, forward: true} }

// restart builds the heap after all have been moved.
func (m *merge) restart(forward bool) {
	m.forward, m.err, m.heap = forward, nil, m.heap[:0]
	for _, it := range m.all {
		if it.Valid() {
			m.heap = append(m.heap, it)
		} else if it.Err() != nil {
			m.fail(it.Err())
			return
		}
	}
	for i := len(m.heap)/2 - 1; i >= 0; i-- {
		m.sink(i)
	}
}

func (m *merge) fail(err error) { m.err, m.heap = err, m.heap[:0] }

// less reports whether a comes before b in the direction of the walk.
func (m *merge) less(a, b iterator) bool {
	c := sst.Compare(a.Key(), a.Trailer(), b.Key(), b.Trailer())
	return m.forward && c < 0 || !m.forward && c > 0
}

// sink moves the iterator at i down to where it belongs.
func (m *merge) sink(i int) {
	for {
		child := 2*i + 1
		if child >= len(m.heap) {
			return
		}
		if child+1 < len(m.heap) && m.less(m.heap[child+1], m.heap[child]) {
			child++
		}
		if !m.less(m.heap[child], m.heap[i]) {
			return
		}
		m.heap[i], m.heap[child] = m.heap[child], m.heap[i]
		i = child
	}
}

func (m *merge) First() {
	for _, it := range m.all {
		it.First()
	}
	m.restart(true)
}

func (m *merge) Last() {
	for _, it := range m.all {
		it.Last()
	}
	m.restart(false)
}

func (m *merge) SeekGE(key []byte, trailer sst.Trailer) {
	for _, it := range m.all {
		it.SeekGE(key, trailer)
	}
	m.restart(true)
}

func (m *merge) SeekLT(key []byte, trailer sst.Trailer) {
	for _, it := range m.all {
		it.SeekLT(key, trailer)
	}
	m.restart(false)
}

// Next goes on. After a step backward, the others stand before the entry and have
// to be taken behind it.
func (m *merge) Next() {
	if !m.forward {
		m.SeekGE(bytes.Clone(m.Key()), m.Trailer()-1) // trailers descend
		return
	}
	m.heap[0].Next()
	m.settle()
}

func (m *merge) Prev() {
	if m.forward {
		m.SeekLT(bytes.Clone(m.Key()), m.Trailer())
		return
	}
	m.heap[0].Prev()
	m.settle()
}

// settle puts the heap in order after its top has moved.
func (m *merge) settle() {
	top := m.heap[0]
	if !top.Valid() {
		if top.Err() != nil {
			m.fail(top.Err())
			return
		}
		last := len(m.heap) - 1
		m.heap[0] = m.heap[last]
		m.heap = m.heap[:last]
	}
	m.sink(0)
}

func (m *merge) Close() {
	for _, it := range m.all {
		it.Close()
	}
	m.all, m.heap = nil, nil
}

func (m *merge) Valid() bool          { return len(m.heap) > 0 }
func (m *merge) Err() error           { return m.err }
func (m *merge) Key() []byte          { return m.heap[0].Key() }
func (m *merge) Trailer() sst.Trailer { return m.heap[0].Trailer() }
func (m *merge) Value() []byte        { return m.heap[0].Value() }

// failed is an iterator that never has an entry. It is immutable.
type failed struct{ err error }

func (f failed) First()                     {}
func (f failed) Last()                      {}
func (f failed) SeekGE([]byte, sst.Trailer) {}
func (f failed) SeekLT([]byte, sst.Trailer) {}
func (f failed) Next()                      {}
func (f failed) Prev()                      {}
func (f failed) Valid() bool                { return false }
func (f failed) Err() error                 { return f.err }
func (f failed) Key() []byte                { return nil }
func (f failed) Trailer() sst.Trailer       { return 0 }
func (f failed) Value() []byte              { return nil }
func (f failed) Close()                     {}
