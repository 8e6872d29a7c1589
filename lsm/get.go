package lsm

import (
	"bytes"
	"iter"
	"slices"

	"github.com/plinth-go/plinth/lsm/sst"
)

// Get returns the value of a key, or ErrNotFound. The value is the caller's.
//
// It looks from the newest to the oldest: the memtable, those that are full, each
// table of level 0, and in each further level the one table that may have the key.
// Filters deny most tables that do not. It takes no lock: two atomic loads say what
// there is and how much of it may be seen, in this order, so that what is seen is
// there; and a counter that has no other user keeps the files open (lifetime.go).
func (d *DB) Get(key []byte) ([]byte, error) {
	s, pin := d.acquire()
	defer d.release(s.version, pin)
	return d.get(s, key, d.visible.Load())
}

func (d *DB) get(s *state, key []byte, seq uint64) ([]byte, error) {
	if s.closed {
		return nil, ErrClosed
	}
	if value, t, ok := s.mem.get(key, seq); ok {
		return answer(value, t)
	}
	for _, m := range s.full {
		if value, t, ok := m.get(key, seq); ok {
			return answer(value, t)
		}
	}
	hash := sst.HashKey(key)
	for level, tables := range s.version.levels {
		if level > 0 {
			tables = find(tables, key)
		}
		for _, t := range tables {
			if bytes.Compare(key, t.smallest) < 0 || bytes.Compare(key, t.largest) > 0 || !t.reader.MayContain(hash) {
				continue
			}
			value, trailer, ok, err := t.reader.Get(key, seq)
			if err != nil {
				return nil, d.damage(err)
			}
			switch {
			case ok && trailer.Kind() == sst.Delete:
				return nil, ErrNotFound
			case ok:
				return value, nil
			}
		}
	}
	return nil, ErrNotFound
}

// answer is what a memtable has to say.
func answer(value []byte, t sst.Trailer) ([]byte, error) {
	if t.Kind() == sst.Delete {
		return nil, ErrNotFound
	}
	return append(make([]byte, 0, len(value)), value...), nil
}

// Snapshot is the store as it was at one time. As long as it is open, what it sees
// keeps its space. It is safe for concurrent use.
type Snapshot struct {
	db     *DB
	seq    uint64 // immutable
	closed bool   // guarded by db.mu
}

// Snapshot returns the store as it is now. Close it.
func (d *DB) Snapshot() *Snapshot {
	d.mu.Lock()
	defer d.mu.Unlock()
	s := &Snapshot{db: d, seq: d.visible.Load()}
	d.snapshots = append(d.snapshots, s.seq)
	return s
}

// Get returns the value that a key had, or ErrNotFound. The value is the caller's.
func (s *Snapshot) Get(key []byte) ([]byte, error) {
	state, pin := s.db.acquire()
	defer s.db.release(state.version, pin)
	return s.db.get(state, key, s.seq)
}

// NewIterator returns an iterator over the entries that there were.
func (s *Snapshot) NewIterator(o IterOptions) *Iterator {
	state, pin := s.db.acquire()
	return s.db.iterator(o, state, pin, s.seq)
}

// Scan yields the entries that there were from lo on and before hi, in order; nil
// stands for the end of the keys. Keys and values are the caller's.
func (s *Snapshot) Scan(lo, hi []byte) iter.Seq2[Entry, error] {
	return scan(func() *Iterator { return s.NewIterator(IterOptions{lo, hi}) })
}

// Close gives back the space. The snapshot must not be used any more. Closing again
// does nothing.
func (s *Snapshot) Close() {
	d := s.db
	d.mu.Lock()
	defer d.mu.Unlock()
	if !s.closed {
		i := slices.Index(d.snapshots, s.seq)
		d.snapshots = slices.Delete(d.snapshots, i, i+1)
		s.closed = true
	}
}
