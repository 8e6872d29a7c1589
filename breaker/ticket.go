package breaker

import (
	"sync"
	"sync/atomic"
)

// tickets are values that can be used up once, however often they are copied: so an early
// release and a deferred one go together. A ticket is the address of a cell and a number, and
// is good as long as the cell has that number still. Whoever uses it up moves the number on,
// and puts the cell back for another ticket, with the new number. So no copy of the old one is
// ever good again, and there is no allocation while the pool has cells.
//
// Rejected: a func() for each, which is an allocation (and needs a sync.Once, another); a table
// of slots with a list of those that are free, which needs a lock.
//
// The zero tickets are ready for use, and safe for concurrent use.
type tickets struct{ cells sync.Pool }

// ticket is one of them. The zero ticket is none: it cannot be used.
type ticket struct {
	cell   *atomic.Uint64
	number uint64 // 64 bits do not come round again
}

// issue returns a new one.
func (t *tickets) issue() ticket {
	cell, _ := t.cells.Get().(*atomic.Uint64)
	if cell == nil {
		cell = new(atomic.Uint64)
	}
	return ticket{cell, cell.Load()} // nobody moves it on before this ticket is used
}

// use reports whether it is the first for this ticket.
func (t *tickets) use(one ticket) bool {
	if one.cell == nil || !one.cell.CompareAndSwap(one.number, one.number+1) {
		return false
	}
	t.cells.Put(one.cell)
	return true
}
