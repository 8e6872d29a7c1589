package btree

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/cespare/xxhash/v2"
)

// A page of the tree, on disk and in memory alike. Numbers are little-endian, except
// that heads compare as the keys do.
//
//	 0  8 bytes  xxhash64 of all that follows
//	 8  8 bytes  the transaction that made the page
//	16  4 bytes  the number of the page: one read from a wrong place is found out
//	20  1 byte   kind
//	21  1 byte   level: 0 for a leaf
//	22  2 bytes  n, how many cells there are
//	24  2 bytes  how many bytes all keys of the page begin with: the prefix
//	26  2 bytes  where the cells begin
//	28  2 bytes  how many bytes between them are dead
//	30  2 bytes  0
//	32  4 bytes  the leftmost child, if it is not a leaf
//	36  4 bytes  0
//	40  8 bytes  for each cell, in the order of the keys, a slot:
//	             2 bytes  where the cell is
//	             2 bytes  the length of the key; the top bit: the value is elsewhere
//	             4 bytes  the head: the four bytes of the key that follow the prefix
//	    free space
//	    cells, in any order, up to the end of the page
//
// The cell of a leaf is the length of the value (2 bytes), the key, the value; above
// leaves it is a child (4 bytes) and the key that is the lowest which that child may
// have. A search compares heads, which lie side by side, and then one key or a few.
//
// A leaf with "ab" = "x" and "ac" = "", in 4,096 bytes, made by transaction 3 as page 2:
//
//	offset  bytes                                            meaning
//	     8  03 00 00 00 00 00 00 00  02 00 00 00             transaction, page
//	    20  01 00 02 00 01 00 f7 0f  00 00 00 00             leaf, level 0, 2 cells, prefix "a", cells from 4,087 on
//	    32  00 00 00 00 00 00 00 00
//	    40  fb 0f 02 00 00 00 00 62                          cell at 4,091, 2 bytes of key, head "b"
//	    48  f7 0f 02 00 00 00 00 63                          cell at 4,087, 2 bytes of key, head "c"
//	 4,087  00 00 61 63                                      no value, "ac"
//	 4,091  01 00 61 62 78                                   1 byte of value, "ab", "x"

// pageID is the number of a page: its place in the file, counted in pages. 0 is no page.
type pageID uint32

// kind is what a page is for.
type kind byte

const (
	leafPage  kind = iota + 1
	innerPage      // has keys and children
	valuePage      // a part of a large value
	mapPage        // which pages are used
)

const (
	pageHeader = 40
	slotSize   = 8
	elsewhere  = 1 << 15 // in the length of a key: the value is a reference
)

// page is one in memory. Once its transaction has ended it is never changed: to change
// it is to make another (Tx.own).
type page struct {
	id   pageID
	tx   uint64 // that made it
	data []byte // on disk the checksum comes first; in memory those bytes mean nothing

	used  atomic.Bool // since the hand of the clock last came by (memory.go)
	place int         // in Tx.made, then in DB.changed; guarded by DB.turn
}

func (p *page) kind() kind             { return kind(p.data[20]) }
func (p *page) level() int             { return int(p.data[21]) }
func (p *page) count() int             { return int(binary.LittleEndian.Uint16(p.data[22:])) }
func (p *page) prefix() int            { return int(binary.LittleEndian.Uint16(p.data[24:])) }
func (p *page) low() int               { return int(binary.LittleEndian.Uint16(p.data[26:])) }
func (p *page) dead() int              { return int(binary.LittleEndian.Uint16(p.data[28:])) }
func (p *page) setCount(n int)         { binary.LittleEndian.PutUint16(p.data[22:], uint16(n)) }
func (p *page) setPrefix(n int)        { binary.LittleEndian.PutUint16(p.data[24:], uint16(n)) }
func (p *page) setLow(at int)          { binary.LittleEndian.PutUint16(p.data[26:], uint16(at)) }
func (p *page) setDead(n int)          { binary.LittleEndian.PutUint16(p.data[28:], uint16(n)) }
func (p *page) leftmost() pageID       { return pageID(binary.LittleEndian.Uint32(p.data[32:])) }
func (p *page) slot(i int) uint64      { return binary.LittleEndian.Uint64(p.data[pageHeader+slotSize*i:]) }
func (p *page) isLeaf() bool           { return p.data[21] == 0 }
func slotHead(slot uint64) uint32      { return uint32(slot >> 32) }
func slotPlace(slot uint64) int        { return int(slot & 0xffff) }
func slotKeyLen(slot uint64) int       { return int(slot >> 16 & (elsewhere - 1)) }
func slotElsewhere(s uint64) bool      { return s>>16&elsewhere != 0 }
func pageTx(data []byte) uint64        { return binary.LittleEndian.Uint64(data[8:]) }
func (p *page) isElsewhere(i int) bool { return slotElsewhere(p.slot(i)) }

func (p *page) setSlot(i int, slot uint64) {
	binary.LittleEndian.PutUint64(p.data[pageHeader+slotSize*i:], slot)
}

// cellHead is how many bytes of a cell are before the key.
func (p *page) cellHead() int {
	if p.isLeaf() {
		return 2
	}
	return 4
}

// key returns the bytes of a key, in the page.
func (p *page) key(i int) []byte {
	s := p.slot(i)
	at := slotPlace(s) + p.cellHead()
	end := at + slotKeyLen(s)
	return p.data[at:end:end]
}

// stored returns what a leaf holds of a value, in the page: all of it or a reference.
func (p *page) stored(i int) []byte {
	s := p.slot(i)
	at := slotPlace(s)
	from := at + 2 + slotKeyLen(s)
	end := from + int(binary.LittleEndian.Uint16(p.data[at:]))
	return p.data[from:end:end]
}

// child returns one of the count()+1 children. Key i-1 is the lowest that child i may
// have.
func (p *page) child(i int) pageID {
	if i == 0 {
		return p.leftmost()
	}
	return pageID(binary.LittleEndian.Uint32(p.data[slotPlace(p.slot(i-1)):]))
}

func (p *page) setChild(i int, id pageID) {
	at := 32
	if i > 0 {
		at = slotPlace(p.slot(i - 1))
	}
	binary.LittleEndian.PutUint32(p.data[at:], uint32(id))
}

// cell returns the bytes of a cell, in the page.
func (p *page) cell(i int) []byte {
	s := p.slot(i)
	at := slotPlace(s)
	return p.data[at : at+p.cellSize(s)]
}

func (p *page) cellSize(slot uint64) int {
	if !p.isLeaf() {
		return 4 + slotKeyLen(slot)
	}
	return 2 + slotKeyLen(slot) + int(binary.LittleEndian.Uint16(p.data[slotPlace(slot):]))
}

// live returns the bytes that slots and cells take.
func (p *page) live() int {
	return slotSize*p.count() + len(p.data) - p.low() - p.dead()
}

// capacity is the most that live can be.
func (p *page) capacity() int { return len(p.data) - pageHeader }

// fits reports whether a cell of a size can be added.
func (p *page) fits(size int) bool { return p.live()+slotSize+size <= p.capacity() }

// format makes an empty page of it.
func (p *page) format(k kind, level int) {
	clear(p.data[:pageHeader])
	binary.LittleEndian.PutUint64(p.data[8:], p.tx)
	binary.LittleEndian.PutUint32(p.data[16:], uint32(p.id))
	p.data[20], p.data[21] = byte(k), byte(level)
	p.setLow(len(p.data))
}

// rename writes who the page is, after its bytes have come from another.
func (p *page) rename() {
	binary.LittleEndian.PutUint64(p.data[8:], p.tx)
	binary.LittleEndian.PutUint32(p.data[16:], uint32(p.id))
}

// find returns the place of the first key that is not below the one, and whether that
// is the same.
func (p *page) find(key []byte) (i int, found bool) {
	n, skip := p.count(), p.prefix()
	if n == 0 {
		return 0, false
	}
	if skip > 0 {
		switch c := bytes.Compare(key[:min(skip, len(key))], p.key(0)[:skip]); {
		case c < 0:
			return 0, false
		case c > 0:
			return n, false
		}
	}
	head := headOf(key[skip:])
	lo := p.headsBelow(head, n)
	hi := lo
	for hi < n && slotHead(p.slot(hi)) == head {
		hi++
	}
	for lo < hi {
		m := int(uint(lo+hi) / 2)
		switch c := bytes.Compare(p.key(m), key); {
		case c < 0:
			lo = m + 1
		case c > 0:
			hi = m
		default:
			return m, true
		}
	}
	return lo, false
}

// lookUp is find for somebody who wants nothing but the key: that it does not begin
// with the prefix comes out when it is compared with a key, whichever that is.
func (p *page) lookUp(key []byte) (i int, found bool) {
	n, skip := p.count(), p.prefix()
	if len(key) < skip {
		return 0, false
	}
	head := headOf(key[skip:])
	for i := p.headsBelow(head, n); i < n && slotHead(p.slot(i)) == head; i++ {
		if bytes.Equal(p.key(i), key) {
			return i, true
		}
	}
	return 0, false
}

// headsBelow counts the slots with a lower head: bisecting while there are many, then
// in every 8th place, then in the seven places that leaves. The last two decide
// nothing from slot to slot, so that the processor need not guess or wait. To find a key
// takes a third less time in a leaf than by bisecting whole keys, and two fifths less
// above (BenchmarkFind).
func (p *page) headsBelow(head uint32, n int) int {
	want := uint64(head) << 32
	lo, hi := 0, n
	for hi-lo > 128 {
		if m := int(uint(lo+hi) / 2); p.slot(m) < want {
			lo = m + 1
		} else {
			hi = m
		}
	}
	slots := p.data[pageHeader+slotSize*lo : pageHeader+slotSize*hi]
	at := 0
	for i := 7 * slotSize; i < len(slots); i += 8 * slotSize {
		at += 8 * slotSize * below(binary.LittleEndian.Uint64(slots[i:]), want)
	}
	count := at / slotSize
	for slots = slots[at:min(at+7*slotSize, len(slots))]; len(slots) >= slotSize; slots = slots[slotSize:] {
		count += below(binary.LittleEndian.Uint64(slots), want)
	}
	return lo + count
}

// below is 1 if a < b, in a form in which the compiler makes a number of it without a
// branch.
func below(a, b uint64) (one int) {
	if a < b {
		one = 1
	}
	return one
}

// headOf returns the first four bytes as a number that compares as they do; what is
// missing counts as zeros, so that equal heads say nothing.
func headOf(b []byte) uint32 {
	if len(b) >= 4 {
		return binary.BigEndian.Uint32(b)
	}
	var h uint32
	for i, c := range b {
		h |= uint32(c) << (24 - 8*i)
	}
	return h
}

// insert adds a cell at place i, where its key belongs. fits says whether it can.
func (p *page) insert(i int, cell []byte, keyLen int, away bool) {
	n := p.count()
	if p.low()-pageHeader-slotSize*n < slotSize+len(cell) {
		p.compact()
	}
	low := p.low() - len(cell)
	copy(p.data[low:], cell)
	slots := p.data[pageHeader : pageHeader+slotSize*(n+1)]
	copy(slots[slotSize*(i+1):], slots[slotSize*i:])
	slot := uint64(low) | uint64(keyLen)<<16
	if away {
		slot |= elsewhere << 16
	}
	p.setSlot(i, slot)
	p.setLow(low)
	p.setCount(n + 1)
	key := p.key(i)
	switch {
	case n == 0:
		p.setPrefix(keyLen)
	case i == 0:
		p.shorten(common(key, p.key(1)))
	case i == n:
		p.shorten(common(key, p.key(0)))
	}
	p.setSlot(i, slot|uint64(headOf(key[p.prefix():]))<<32)
}

// shorten makes the prefix shorter, if it is longer.
func (p *page) shorten(prefix int) {
	if prefix >= p.prefix() {
		return
	}
	p.setPrefix(prefix)
	p.setHeads()
}

func (p *page) setHeads() {
	skip := p.prefix()
	for i := range p.count() {
		p.setSlot(i, p.slot(i)&(1<<32-1)|uint64(headOf(p.key(i)[skip:]))<<32)
	}
}

// remove takes a cell out.
func (p *page) remove(i int) {
	n := p.count()
	p.setDead(p.dead() + p.cellSize(p.slot(i)))
	slots := p.data[pageHeader : pageHeader+slotSize*n]
	copy(slots[slotSize*i:], slots[slotSize*(i+1):])
	p.setCount(n - 1)
	if n == 1 {
		p.setLow(len(p.data))
		p.setDead(0)
	}
}

// compact moves the cells together.
func (p *page) compact() {
	old := page{data: bytes.Clone(p.data)}
	p.clear()
	p.take(&old, 0, old.count())
}

// clear takes all cells out.
func (p *page) clear() {
	p.setCount(0)
	p.setPrefix(0)
	p.setLow(len(p.data))
	p.setDead(0)
}

// take adds cells of another page, behind those that are there, and finds the longest
// prefix of all. There must be room without compacting.
func (p *page) take(from *page, i, end int) {
	n, low := p.count(), p.low()
	for ; i < end; i++ {
		s := from.slot(i)
		cell := from.cell(i)
		low -= len(cell)
		copy(p.data[low:], cell)
		p.setSlot(n, uint64(low)|s&(0xffff<<16))
		n++
	}
	p.setCount(n)
	p.setLow(low)
	if n > 0 {
		p.setPrefix(common(p.key(0), p.key(n-1)))
		p.setHeads()
	}
}

// moveUpper keeps the first cells and moves those from another place on to an empty
// page.
func (p *page) moveUpper(keep int, to *page, from int) {
	old := page{data: bytes.Clone(p.data)}
	to.take(&old, from, old.count())
	p.clear()
	p.take(&old, 0, keep)
}

// common returns how many bytes two keys begin with together.
func common(a, b []byte) int {
	n := min(len(a), len(b))
	for i := range n {
		if a[i] != b[i] {
			return i
		}
	}
	return n
}

// seal puts the checksum into a page as it goes to the disk.
func seal(data []byte) {
	binary.LittleEndian.PutUint64(data, xxhash.Sum64(data[8:]))
}

// What is wrong with a page.
var (
	errChecksum  = errors.New("checksum mismatch")
	errMisplaced = errors.New("another page")
	errMalformed = errors.New("malformed")
)

// checkSealed reports whether bytes from the disk are the page that they should be.
func checkSealed(data []byte, id pageID) error {
	if sum := xxhash.Sum64(data[8:]); sum != binary.LittleEndian.Uint64(data) {
		return errChecksum
	}
	if found := binary.LittleEndian.Uint32(data[16:]); found != uint32(id) {
		return fmt.Errorf("%w: %d", errMisplaced, found)
	}
	return nil
}

// check reports whether a page of the tree can be read without looking further: each
// slot and cell lies where it may.
func (p *page) check() error {
	n, low := p.count(), p.low()
	leaf := p.kind() == leafPage && p.level() == 0
	inner := p.kind() == innerPage && p.level() > 0
	if !leaf && !inner || low > len(p.data) || pageHeader+slotSize*n > low || p.dead() > len(p.data)-low {
		return errMalformed
	}
	head, cells := p.cellHead(), 0
	for i := range n {
		s := p.slot(i)
		at, keyLen := slotPlace(s), slotKeyLen(s)
		if at < low || at+head+keyLen > len(p.data) || keyLen < p.prefix() || at+p.cellSize(s) > len(p.data) {
			return errMalformed
		}
		cells += p.cellSize(s)
	}
	if cells+p.dead() != len(p.data)-low { // or compact would find no room
		return errMalformed
	}
	return nil
}
