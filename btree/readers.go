package btree

import (
	"math/rand/v2"
	"sync/atomic"
)

// Who reads what. A reader needs a version to stay as it is, so he writes its
// transaction into a slot and then looks whether the version is still the newest: if
// not, the writer may have looked at the slots in between, and he tries again with the
// next. The writer does it the other way round: first there is a newer version, then he
// looks at the slots. So of any two one sees the other, and there is no lock.

// version is what one transaction has left. It is immutable.
type version struct {
	tx      uint64
	root    pageID // 0 if there are no entries
	entries uint64
}

// slots holds the transactions whose versions somebody reads, as many as there ever
// were readers at a time, and at least 16. It is safe for concurrent use.
type slots struct {
	_    [64]byte // what readers only load is not on a line with the first slot
	slot [16]slot
	more atomic.Pointer[slots]
}

// slot is alone on its cache line. It is safe for concurrent use.
type slot struct {
	tx atomic.Uint64 // 0 is free
	_  [56]byte
}

// claim takes a free slot for a transaction.
func (s *slots) claim(tx uint64) *slot {
	for start := rand.Uint32(); ; s = s.next() {
		for i := range s.slot {
			one := &s.slot[(start+uint32(i))%uint32(len(s.slot))]
			if one.tx.Load() == 0 && one.tx.CompareAndSwap(0, tx) {
				return one
			}
		}
	}
}

// next returns the slots that follow, and makes them if there are none.
func (s *slots) next() *slots {
	if more := s.more.Load(); more != nil {
		return more
	}
	s.more.CompareAndSwap(nil, new(slots))
	return s.more.Load()
}

// each visits the transactions in use, in no order, some of them perhaps twice.
func (s *slots) each(visit func(tx uint64)) {
	for ; s != nil; s = s.more.Load() {
		for i := range s.slot {
			if tx := s.slot[i].tx.Load(); tx != 0 {
				visit(tx)
			}
		}
	}
}

// enter returns the newest version, which stays until leave.
func (d *DB) enter() (*version, *slot, error) {
	v := d.newest.Load()
	if v == nil {
		return nil, nil, ErrClosed
	}
	s := d.readers.claim(v.tx)
	for {
		again := d.newest.Load()
		if again == v {
			return v, s, nil
		}
		if again == nil {
			s.tx.Store(0)
			return nil, nil, ErrClosed
		}
		v = again
		s.tx.Store(v.tx)
	}
}

// leave lets the version go.
func (s *slot) leave() { s.tx.Store(0) }
