package sst

import (
	"bytes"
	"encoding/binary"
	"errors"
	"sort"
)

// A data block is some 2 KiB of entries in order, the unit that is compressed,
// checksummed, cached and read. A key is stored without what it has in common
// with the key before; every 4th, a restart, is whole, so that a search can jump
// from restart to restart before it walks. Numbers are little-endian.
//
//	entry*      uvarint  shared     bytes that the key has in common with the one before
//	            uvarint  unshared   bytes of the key that follow
//	            uvarint  length     of the value
//	            8 bytes  trailer
//	            unshared bytes, then length bytes
//	restart*    4 bytes  offset of an entry whose shared is 0, the first one 0
//	count       4 bytes  number of restarts, at least 1
//
// "ant" set to "1" at 7, then "anvil" deleted at 8:
//
//	offset  bytes                       meaning
//	     0  00 03 01                    0 shared, 3 unshared, value of 1
//	     3  01 07 00 00 00 00 00 00     trailer 7<<8 | set
//	    11  61 6e 74 31                 "ant" "1"
//	    15  02 03 00                    2 shared, 3 unshared, value of 0
//	    18  00 08 00 00 00 00 00 00     trailer 8<<8 | delete
//	    26  76 69 6c                    "vil"
//	    29  00 00 00 00 01 00 00 00     restart at 0, one restart

const (
	restartInterval = 4
	trailerSize     = 8
)

// blockBuilder encodes a data block. It is not safe for concurrent use.
type blockBuilder struct {
	buf      []byte
	restarts []uint32
	count    int    // entries
	last     []byte // key
}

// add appends an entry, which must be behind the one before.
func (b *blockBuilder) add(key []byte, trailer Trailer, value []byte) {
	shared := 0
	if b.count%restartInterval == 0 {
		b.restarts = append(b.restarts, uint32(len(b.buf)))
	} else {
		shared = commonPrefix(b.last, key)
	}
	b.buf = binary.AppendUvarint(b.buf, uint64(shared))
	b.buf = binary.AppendUvarint(b.buf, uint64(len(key)-shared))
	b.buf = binary.AppendUvarint(b.buf, uint64(len(value)))
	b.buf = binary.LittleEndian.AppendUint64(b.buf, uint64(trailer))
	b.buf = append(b.buf, key[shared:]...)
	b.buf = append(b.buf, value...)
	b.last = append(b.last[:0], key...)
	b.count++
}

// size of the block if it were finished now.
func (b *blockBuilder) size() int { return len(b.buf) + 4*len(b.restarts) + 4 }

// finish returns the block, which is valid until reset.
func (b *blockBuilder) finish() []byte {
	for _, r := range b.restarts {
		b.buf = binary.LittleEndian.AppendUint32(b.buf, r)
	}
	b.buf = binary.LittleEndian.AppendUint32(b.buf, uint32(len(b.restarts)))
	return b.buf
}

func (b *blockBuilder) reset() {
	b.buf, b.restarts, b.count = b.buf[:0], b.restarts[:0], 0
}

// Block is a decoded data block, as a cache keeps it. It is immutable: safe for
// concurrent use.
type Block struct {
	entries  []byte
	restarts []byte // 4 bytes each
}

// Size returns the bytes that a block takes in memory, roughly.
func (b *Block) Size() int { return len(b.entries) + len(b.restarts) + 64 }

// What is wrong with a block, in the words of the error that a user sees.
var (
	errNoRestarts = errors.New("the restarts do not fit in the block")
	errBadRestart = errors.New("a restart is out of place")
	errBadEntry   = errors.New("an entry is cut short, shares more than there is, or is of no kind")
)

// parseBlock looks at the frame of a block; its entries are looked at when
// somebody reads them. It keeps raw.
func parseBlock(raw []byte) (b Block, err error) {
	if len(raw) < 8 {
		return b, errNoRestarts
	}
	n := uint64(binary.LittleEndian.Uint32(raw[len(raw)-4:]))
	if n == 0 || 4*n+4 > uint64(len(raw)) {
		return b, errNoRestarts
	}
	end := len(raw) - 4 - 4*int(n)
	b = Block{entries: raw[:end:end], restarts: raw[end : len(raw)-4]}
	for i := range int(n) {
		if at := b.restart(i); at >= end || i == 0 && at != 0 || i > 0 && at <= b.restart(i-1) {
			return b, errBadRestart
		}
	}
	return b, nil
}

// clone returns the block in memory of its own.
func (b *Block) clone() *Block {
	n := len(b.entries)
	all := append(append(make([]byte, 0, n+len(b.restarts)), b.entries...), b.restarts...)
	return &Block{entries: all[:n:n], restarts: all[n:]}
}

func (b *Block) restart(i int) int { return int(binary.LittleEndian.Uint32(b.restarts[4*i:])) }

func (b *Block) restartCount() int { return len(b.restarts) / 4 }

// entry is one entry as it lies in a block.
type entry struct {
	shared  int
	trailer Trailer
	suffix  []byte // of the key
	value   []byte
	next    int // offset of the entry behind
}

// decode reads the entry at an offset before the end of the entries. Most
// lengths take one byte.
func (b *Block) decode(at int) (e entry, ok bool) {
	rest := b.entries[at:]
	var lengths [3]int
	if len(rest) > 3 && rest[0]|rest[1]|rest[2] < 0x80 {
		lengths = [3]int{int(rest[0]), int(rest[1]), int(rest[2])}
		rest = rest[3:]
	} else {
		for i := range lengths {
			n, size := binary.Uvarint(rest)
			if size <= 0 || n > uint64(len(b.entries)) {
				return e, false
			}
			lengths[i], rest = int(n), rest[size:]
		}
	}
	unshared, length := lengths[1], lengths[2]
	if len(rest) < trailerSize+unshared+length {
		return e, false
	}
	e.shared = lengths[0]
	e.trailer = Trailer(binary.LittleEndian.Uint64(rest))
	if e.trailer.Kind() > Set {
		return e, false
	}
	rest = rest[trailerSize:]
	e.suffix, e.value = rest[:unshared:unshared], rest[unshared:unshared+length:unshared+length]
	e.next = len(b.entries) - len(rest) + unshared + length
	return e, true
}

// interval returns the index of the last restart that is before an entry: the
// first entry that is not before it lies behind that restart, or is it.
func (b *Block) interval(key []byte, trailer Trailer) (int, error) {
	lo, hi := 0, b.restartCount() // those below lo are before it, those from hi on are not
	for lo < hi {
		i := (lo + hi) / 2
		e, ok := b.decode(b.restart(i))
		if !ok || e.shared != 0 {
			return 0, errBadEntry
		}
		if Compare(e.suffix, e.trailer, key, trailer) < 0 {
			lo = i + 1
		} else {
			hi = i
		}
	}
	return max(0, lo-1), nil
}

// find returns the first entry that is not before (key, trailer), if its key is
// the same. found is false if it has another one; more, if the block ends before
// that is certain.
//
// It compares without putting keys together. Let m be how many bytes the entry
// before has in common with the key that we look for, and the entry before be
// smaller. An entry that shares more than m with it is smaller for the same
// reason; one that shares less is larger, because the order leaves it nothing
// else; only one that shares exactly m needs a look at its bytes.
func (b *Block) find(key []byte, trailer Trailer) (e entry, found, more bool, err error) {
	i, err := b.interval(key, trailer)
	if err != nil {
		return e, false, false, err
	}
	m, restart := 0, len(b.entries)
	if i+1 < b.restartCount() {
		restart = b.restart(i + 1)
	}
	for at := b.restart(i); at < len(b.entries); at = e.next {
		var ok bool
		if e, ok = b.decode(at); !ok {
			return e, false, false, errBadEntry
		}
		if at == restart {
			m = 0 // it shares nothing, whatever it begins with
		}
		if e.shared > m {
			continue
		}
		if e.shared < m {
			return e, false, false, nil
		}
		n := commonPrefix(e.suffix, key[m:])
		m += n
		switch {
		case n < len(e.suffix) && (m == len(key) || e.suffix[n] > key[m]):
			return e, false, false, nil
		case n == len(e.suffix) && m == len(key) && e.trailer <= trailer:
			return e, true, false, nil
		}
	}
	return e, false, true, nil
}

// cursor walks a block in either direction. It is not safe for concurrent use.
type cursor struct {
	block   *Block
	at      int // offset of the entry; len(block.entries) if there is none
	next    int // offset of the entry behind
	key     []byte
	trailer Trailer
	value   []byte
	err     error
}

// load takes another block, with the cursor on no entry.
func (c *cursor) load(b *Block) {
	*c = cursor{block: b, at: len(b.entries), key: c.key[:0]}
}

func (c *cursor) valid() bool { return c.block != nil && c.at < len(c.block.entries) }

// read goes to an offset, whose entry follows the one that key is of.
func (c *cursor) read(at int) {
	c.at = len(c.block.entries)
	if at >= c.at {
		return
	}
	e, ok := c.block.decode(at)
	if !ok || e.shared > len(c.key) {
		c.err = errBadEntry
		return
	}
	c.at, c.next = at, e.next
	c.key = append(c.key[:e.shared], e.suffix...)
	c.trailer, c.value = e.trailer, e.value
}

// jump goes to a restart.
func (c *cursor) jump(i int) {
	c.key = c.key[:0]
	c.read(c.block.restart(i))
}

func (c *cursor) first() { c.jump(0) }

func (c *cursor) forward() { c.read(c.next) }

func (c *cursor) last() {
	c.jump(c.block.restartCount() - 1)
	for c.valid() && c.next < len(c.block.entries) {
		c.forward()
	}
}

// seek goes to the first entry that is not before (key, trailer).
func (c *cursor) seek(key []byte, trailer Trailer) {
	i, err := c.block.interval(key, trailer)
	if err != nil {
		c.err, c.at = err, len(c.block.entries)
		return
	}
	for c.jump(i); c.valid() && Compare(c.key, c.trailer, key, trailer) < 0; c.forward() {
	}
}

// back goes to the entry before, which only its restart leads to.
func (c *cursor) back() {
	end := c.at
	i := sort.Search(c.block.restartCount(), func(i int) bool { return c.block.restart(i) >= end })
	if i == 0 {
		c.at = len(c.block.entries)
		return
	}
	for c.jump(i - 1); c.valid() && c.next < end; c.forward() {
	}
}

// equal reports whether the cursor is on an entry of the key.
func (c *cursor) equal(key []byte) bool { return c.valid() && bytes.Equal(c.key, key) }
