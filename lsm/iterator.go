package lsm

import (
	"bytes"
	"iter"

	"github.com/plinth-go/plinth/lsm/sst"
)

// IterOptions bound an iterator. They are a plain value: safe for concurrent use as
// long as nobody changes the bytes.
type IterOptions struct {
	Lower []byte // the first key; nil for no bound
	Upper []byte // the key behind the last; nil for no bound
}

// Entry is a key and its value. It is a plain value: safe for concurrent use as long
// as nobody changes the bytes.
type Entry struct {
	Key, Value []byte
}

// Iterator walks the keys of the store, as they were when it was made, in order and
// in either direction. It begins on none. It is not safe for concurrent use.
//
//	it := db.NewIterator(lsm.IterOptions{})
//	defer it.Close()
//	for it.First(); it.Valid(); it.Next() { … it.Key(), it.Value() … }
//	if err := it.Err(); err != nil { … }
//
// Below it are entries: several of a key, the newest first, and deletions. Walking
// forward, the first entry of a key that may be seen decides about it, and the rest
// is passed over. Walking backward, the one that decides comes last, so that the
// iterator has to go past the key to know, and keeps what it has found.
type Iterator struct {
	db      *DB
	options IterOptions
	seq     uint64
	version *version
	pin     *pin // nil after Close
	merge   *merge

	valid      bool
	forward    bool // the merge is on the entry, or else before all of its key
	key, value []byte
	err        error
}

// NewIterator returns an iterator over the store as it is now. It holds no lock, but
// the memtables and the files as they are: Close it.
func (d *DB) NewIterator(o IterOptions) *Iterator {
	s, pin := d.acquire() // before what may be seen of it
	return d.iterator(o, s, pin, d.visible.Load())
}

// iterator sees of a state what was there at a sequence number.
func (d *DB) iterator(o IterOptions, s *state, pin *pin, seq uint64) *Iterator {
	sources := []iterator{&memIterator{m: s.mem}}
	for _, m := range s.full {
		sources = append(sources, &memIterator{m: m.memtable})
	}
	for _, t := range s.version.levels[0] {
		sources = append(sources, t.reader.NewIterator())
	}
	for _, tables := range s.version.levels[1:] {
		if len(tables) > 0 {
			sources = append(sources, &levelIterator{tables: tables})
		}
	}
	if s.closed {
		sources = []iterator{failed{ErrClosed}}
	}
	return &Iterator{db: d, options: o, seq: seq, version: s.version, pin: pin, merge: newMerge(sources)}
}

// Scan yields the entries from lo on and before hi, in order, as they are when the
// loop begins; nil stands for the end of the keys. Keys and values are the caller's.
func (d *DB) Scan(lo, hi []byte) iter.Seq2[Entry, error] {
	return scan(func() *Iterator { return d.NewIterator(IterOptions{lo, hi}) })
}

func scan(open func() *Iterator) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		it := open()
		defer it.Close()
		for it.First(); it.Valid(); it.Next() {
			if !yield(Entry{bytes.Clone(it.Key()), append([]byte{}, it.Value()...)}, nil) {
				return
			}
		}
		if err := it.Err(); err != nil {
			yield(Entry{}, err)
		}
	}
}

// Valid reports whether the iterator is on an entry.
func (it *Iterator) Valid() bool { return it.valid }

// Key of the entry, until the iterator moves.
func (it *Iterator) Key() []byte { return it.key }

// Value of the entry, until the iterator moves or is closed. It must not be changed.
func (it *Iterator) Value() []byte { return it.value }

// Err returns the error that has ended the walk, if one has.
func (it *Iterator) Err() error { return it.err }

// Close ends the use of the iterator, and returns Err. Closing again does nothing.
func (it *Iterator) Close() error {
	it.valid, it.value = false, nil
	it.merge.Close()
	if it.pin != nil {
		it.db.release(it.version, it.pin)
		it.pin = nil
	}
	return it.err
}

// First goes to the first entry.
func (it *Iterator) First() { it.SeekGE(it.options.Lower) }

// Last goes to the last entry.
func (it *Iterator) Last() { it.SeekLT(it.options.Upper) }

// SeekGE goes to the first entry whose key is not before this one; nil stands for
// the first of all.
func (it *Iterator) SeekGE(key []byte) {
	if it.options.Lower != nil && bytes.Compare(key, it.options.Lower) < 0 {
		key = it.options.Lower
	}
	it.err = nil
	it.merge.SeekGE(key, sst.Latest(it.seq))
	it.ahead()
}

// SeekLT goes to the last entry whose key is before this one; nil stands for the
// last of all.
func (it *Iterator) SeekLT(key []byte) {
	if upper := it.options.Upper; upper != nil && (key == nil || bytes.Compare(key, upper) > 0) {
		key = upper
	}
	it.err = nil
	if key == nil {
		it.merge.Last()
	} else {
		it.merge.SeekLT(key, sst.Latest(sst.MaxSeq))
	}
	it.behind()
}

// Next goes to the entry behind. The iterator must be on one.
func (it *Iterator) Next() {
	if it.forward {
		it.pass()
	} else { // the merge is somewhere before the key
		it.merge.SeekGE(it.key, 0)
		it.skipKey()
	}
	it.ahead()
}

// Prev goes to the entry before. The iterator must be on one.
func (it *Iterator) Prev() {
	if it.forward { // the merge is on the key, perhaps not on its newest entry
		it.merge.SeekLT(it.key, sst.Latest(sst.MaxSeq))
	}
	it.behind()
}

// pass goes past all entries of the key.
func (it *Iterator) pass() {
	it.merge.Next()
	it.skipKey()
}

func (it *Iterator) skipKey() {
	for it.merge.Valid() && bytes.Equal(it.merge.Key(), it.key) {
		it.merge.Next()
	}
}

// ahead stops on the first key, from the entry of the merge on, that has a value.
func (it *Iterator) ahead() {
	it.forward = true
	for it.merge.Valid() {
		key, t := it.merge.Key(), it.merge.Trailer()
		switch {
		case it.options.Upper != nil && bytes.Compare(key, it.options.Upper) >= 0:
			it.stop()
			return
		case t.Seq() > it.seq:
			it.merge.Next()
			continue
		}
		it.key = append(it.key[:0], key...)
		if t.Kind() == sst.Set {
			it.valid, it.value = true, it.merge.Value()
			return
		}
		it.pass()
	}
	it.stop()
}

// behind stops on the last key, from the entry of the merge back, that has a value.
// The merge is then before all entries of the key.
func (it *Iterator) behind() {
	it.forward = false
	for it.merge.Valid() {
		if it.options.Lower != nil && bytes.Compare(it.merge.Key(), it.options.Lower) < 0 {
			break
		}
		it.key = append(it.key[:0], it.merge.Key()...)
		found := false
		for it.merge.Valid() && bytes.Equal(it.merge.Key(), it.key) {
			if t := it.merge.Trailer(); t.Seq() <= it.seq {
				found = t.Kind() == sst.Set
				it.value = it.merge.Value()
			}
			it.merge.Prev()
		}
		if it.merge.Err() != nil {
			break
		}
		if found {
			it.valid = true
			return
		}
	}
	it.stop()
}

// stop leaves the iterator on no entry.
func (it *Iterator) stop() {
	it.valid, it.value = false, nil
	if err := it.merge.Err(); err != nil {
		it.err = it.db.damage(err)
	}
}
