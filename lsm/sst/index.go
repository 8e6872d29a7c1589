package sst

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"
	"sort"
)

// The index says in which block a key is: for each block a separator, a key that
// is not before the block's last and before the next block's first, and where
// the block lies. In the file it is a data block (block.go) whose values are
//
//	uvarint  offset of the block's frame
//	uvarint  its length
//
// In memory it stays for as long as the table is open, in arrays: a search
// compares eight bytes of each key as one number, after what all keys begin with,
// and looks at a whole key only where these are equal. So the search walks one
// array and touches little else.

// handle is where a frame lies. It is a plain value: safe for concurrent use.
type handle struct {
	offset int64
	length int64
}

func (h handle) end() int64 { return h.offset + h.length }

func appendHandle(dst []byte, h handle) []byte {
	dst = binary.AppendUvarint(dst, uint64(h.offset))
	return binary.AppendUvarint(dst, uint64(h.length))
}

// maxFile is the size of a table that nobody has: numbers beyond it are damage.
const maxFile = 1 << 48

func decodeHandle(b []byte) (h handle, ok bool) {
	offset, n := binary.Uvarint(b)
	if n <= 0 {
		return h, false
	}
	length, m := binary.Uvarint(b[n:])
	if m <= 0 || n+m != len(b) || offset > maxFile || length < frameTrailer || length > maxFile {
		return h, false
	}
	return handle{int64(offset), int64(length)}, true
}

// index is immutable.
type index struct {
	blocks []handle
	keys   []byte   // the separators, one after the other
	ends   []uint32 // of each in keys
	common int      // bytes that all separators begin with
	heads  []uint64 // the eight bytes behind those
}

var (
	errBadIndex  = errors.New("an index that is not one of blocks side by side")
	errLongIndex = errors.New("separators of more than 4 GiB")
)

// parseIndex decodes a block of separators.
func parseIndex(raw []byte) (index, error) {
	block, err := parseBlock(raw)
	if err != nil {
		return index{}, err
	}
	var x index
	c := cursor{}
	c.load(&block)
	for c.first(); c.valid(); c.forward() {
		h, ok := decodeHandle(c.value)
		if !ok || len(x.blocks) == 0 && h.offset != 0 || len(x.blocks) > 0 && h.offset != x.blocks[len(x.blocks)-1].end() {
			return index{}, errBadIndex
		}
		if n := len(x.blocks); n > 0 && bytes.Compare(x.separator(n-1), c.key) > 0 {
			return index{}, errBadIndex
		}
		if uint64(len(x.keys)+len(c.key)) > math.MaxUint32 {
			return index{}, errLongIndex
		}
		x.blocks = append(x.blocks, h)
		x.keys = append(x.keys, c.key...)
		x.ends = append(x.ends, uint32(len(x.keys)))
	}
	if c.err != nil {
		return index{}, c.err
	}
	x.common = commonPrefix(x.separator(0), x.separator(len(x.blocks)-1))
	for i := range x.blocks {
		x.heads = append(x.heads, Prefix(x.separator(i)[x.common:]))
	}
	return x, nil
}

func (x *index) separator(i int) []byte {
	start := uint32(0)
	if i > 0 {
		start = x.ends[i-1]
	}
	return x.keys[start:x.ends[i]]
}

// search returns the first block whose separator is not before the key, which is
// the first that can have an entry that is not before it; len(blocks) if none.
func (x *index) search(key []byte) int {
	n := len(x.blocks)
	if n == 0 {
		return 0
	}
	if c := bytes.Compare(key[:min(len(key), x.common)], x.keys[:x.common]); c < 0 {
		return 0
	} else if c > 0 {
		return n
	}
	h := Prefix(key[x.common:])
	lo := 0 // heads before lo are smaller, and those from lo+n on are not
	for n > 0 {
		if half := n / 2; x.heads[lo+half] < h {
			lo, n = lo+half+1, n-half-1
		} else {
			n = half
		}
	}
	if lo == len(x.heads) || x.heads[lo] != h {
		return lo
	}
	// Keys that begin alike can have many heads alike.
	end := lo + sort.Search(len(x.heads)-lo, func(i int) bool { return x.heads[lo+i] > h })
	return lo + sort.Search(end-lo, func(i int) bool { return bytes.Compare(x.separator(lo+i), key) >= 0 })
}
