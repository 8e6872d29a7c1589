package sst

// Iterator walks the entries of a table in order, in either direction. It begins
// on none: First, Last, SeekGE or SeekLT must come first. It is not safe for
// concurrent use.
//
//	for it.First(); it.Valid(); it.Next() { … it.Key() … }
//	if err := it.Err(); err != nil { … }
type Iterator struct {
	table *Table
	at    int // block of the cursor
	c     cursor
	err   error
	ahead *readAhead // nil until the walk goes from one block to the next
}

// NewIterator returns an iterator over the table, whose file must stay open. Whoever
// closes it, once, spares the next one some memory; nothing else is lost without it.
func (t *Table) NewIterator() *Iterator { return &Iterator{table: t} }

// Close ends the use of the iterator and of the last value.
func (it *Iterator) Close() {
	it.c = cursor{}
	if it.ahead != nil {
		it.ahead.giveBack()
		it.ahead = nil
	}
}

// Valid reports whether the iterator is on an entry.
func (it *Iterator) Valid() bool { return it.c.valid() }

// Err returns the error that has ended the walk, if one has.
func (it *Iterator) Err() error { return it.err }

// Key of the entry, until the iterator moves.
func (it *Iterator) Key() []byte { return it.c.key }

// Trailer of the entry.
func (it *Iterator) Trailer() Trailer { return it.c.trailer }

// Value of the entry, until the iterator moves or is closed. It must not be changed.
func (it *Iterator) Value() []byte { return it.c.value }

// First goes to the first entry.
func (it *Iterator) First() {
	if it.open(0) {
		it.c.first()
	}
	it.check()
}

// Last goes to the last entry.
func (it *Iterator) Last() {
	if it.open(len(it.table.index.blocks) - 1) {
		it.c.last()
	}
	it.check()
}

// SeekGE goes to the first entry that is not before (key, trailer). The versions
// of a key may fill blocks, so that one block may not be enough.
func (it *Iterator) SeekGE(key []byte, trailer Trailer) {
	for i := it.table.index.search(key); it.open(i); i++ {
		it.c.seek(key, trailer)
		if it.check(); it.err != nil || it.Valid() {
			return
		}
	}
}

// SeekLT goes to the last entry that is before (key, trailer).
func (it *Iterator) SeekLT(key []byte, trailer Trailer) {
	it.SeekGE(key, trailer)
	switch {
	case it.err != nil:
	case it.Valid():
		it.Prev()
	default: // all are before it
		it.Last()
	}
}

// Next goes to the entry behind. The iterator must be on one.
func (it *Iterator) Next() {
	it.c.forward()
	it.skip()
}

// Prev goes to the entry before. The iterator must be on one.
func (it *Iterator) Prev() {
	it.c.back()
	it.check()
	if it.err == nil && !it.c.valid() && it.at > 0 && it.open(it.at-1) {
		it.c.last()
		it.check()
	}
}

// skip goes on to the next block at the end of one.
func (it *Iterator) skip() {
	for it.check(); it.err == nil && it.c.block != nil && !it.c.valid(); it.check() {
		if !it.openNext() {
			return
		}
		it.c.first()
	}
}

// open loads a block, with the cursor on no entry of it, and reports whether there
// is one.
func (it *Iterator) open(i int) bool {
	it.c.block, it.err = nil, nil
	if it.ahead != nil {
		it.ahead.reset()
	}
	if i < 0 || i >= len(it.table.index.blocks) {
		return false
	}
	b, err := it.table.block(i)
	return it.load(i, b, err)
}

// openNext is open for the block behind, which whoever walks forward needs.
func (it *Iterator) openNext() bool {
	i := it.at + 1
	it.c.block = nil
	if i >= len(it.table.index.blocks) {
		return false
	}
	if it.ahead == nil {
		it.ahead = newReadAhead()
	}
	b, err := it.ahead.block(it.table, i)
	return it.load(i, b, err)
}

func (it *Iterator) load(i int, b *Block, err error) bool {
	if err != nil {
		it.err = err
		return false
	}
	it.at = i
	it.c.load(b)
	return true
}

// check takes over an error of the cursor.
func (it *Iterator) check() {
	if it.c.err != nil && it.err == nil {
		it.err = it.table.blockError(it.at, it.c.err)
		it.c.block = nil
	}
}
