package lsm

import (
	"bytes"
	"sort"

	"github.com/plinth-go/plinth/lsm/sst"
)

// levelIterator walks the tables of a sorted level as one. It opens an iterator on
// a table when it gets there. It is not safe for concurrent use.
type levelIterator struct {
	tables []*table
	at     int // of tables; out of range if on none
	it     *sst.Iterator
}

// open goes to a table, with the iterator on none of its entries, and reports
// whether there is one.
func (l *levelIterator) open(i int) bool {
	if i < 0 || i >= len(l.tables) {
		l.at, l.it = i, nil
		return false
	}
	if l.it == nil || l.at != i {
		l.at, l.it = i, l.tables[i].reader.NewIterator()
	}
	return true
}

func (l *levelIterator) First() {
	if l.open(0) {
		l.it.First()
	}
}

func (l *levelIterator) Last() {
	if l.open(len(l.tables) - 1) {
		l.it.Last()
	}
}

func (l *levelIterator) SeekGE(key []byte, trailer sst.Trailer) {
	i := sort.Search(len(l.tables), func(i int) bool { return bytes.Compare(l.tables[i].largest, key) >= 0 })
	if l.open(i) {
		l.it.SeekGE(key, trailer)
		l.forward()
	}
}

func (l *levelIterator) SeekLT(key []byte, trailer sst.Trailer) {
	// The tables before i begin with smaller keys; i itself may have newer entries
	// of the key.
	i := sort.Search(len(l.tables), func(i int) bool { return bytes.Compare(l.tables[i].smallest, key) > 0 })
	if l.open(i - 1) {
		l.it.SeekLT(key, trailer)
		l.backward()
	}
}

func (l *levelIterator) Next() {
	l.it.Next()
	l.forward()
}

func (l *levelIterator) Prev() {
	l.it.Prev()
	l.backward()
}

// forward goes on to the next table at the end of one.
func (l *levelIterator) forward() {
	for l.it != nil && !l.it.Valid() && l.it.Err() == nil {
		if l.open(l.at + 1) {
			l.it.First()
		}
	}
}

func (l *levelIterator) backward() {
	for l.it != nil && !l.it.Valid() && l.it.Err() == nil {
		if l.open(l.at - 1) {
			l.it.Last()
		}
	}
}

func (l *levelIterator) Valid() bool { return l.it != nil && l.it.Valid() }

func (l *levelIterator) Err() error {
	if l.it == nil {
		return nil
	}
	return l.it.Err()
}

func (l *levelIterator) Close() {
	if l.it != nil {
		l.it.Close()
	}
}

func (l *levelIterator) Key() []byte          { return l.it.Key() }
func (l *levelIterator) Trailer() sst.Trailer { return l.it.Trailer() }
func (l *levelIterator) Value() []byte        { return l.it.Value() }
