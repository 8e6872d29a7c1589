package sst

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"fmt"
)

// An entry is one change of one key. A key may have several: each change has a
// sequence number of its own, and the newest that a reader may see counts.
//
// Entries are ordered by key, and those of one key from the newest to the
// oldest, so that a search for a key as of a sequence number finds the answer as
// the first entry that is not before it.

// Kind says what an entry does to its key.
type Kind uint8

const (
	Delete Kind = 0 // there is no value from here on
	Set    Kind = 1 // the value from here on
)

func (k Kind) String() string {
	switch k {
	case Delete:
		return "delete"
	case Set:
		return "set"
	}
	return fmt.Sprintf("kind %d", uint8(k))
}

// Trailer is the sequence number of an entry, 56 bits, above its kind, 8 bits:
// one number that orders the entries of a key, the larger one first.
type Trailer uint64

// MaxSeq is the largest sequence number.
const MaxSeq = 1<<56 - 1

// NewTrailer puts the two together.
func NewTrailer(seq uint64, kind Kind) Trailer { return Trailer(seq<<8 | uint64(kind)) }

// Latest returns the trailer that is not after any trailer of the sequence
// number: a search for it finds what a reader at seq sees.
func Latest(seq uint64) Trailer { return NewTrailer(seq, 0xff) }

// Seq returns the sequence number.
func (t Trailer) Seq() uint64 { return uint64(t >> 8) }

// Kind returns what the entry does.
func (t Trailer) Kind() Kind { return Kind(t) }

func (t Trailer) String() string { return fmt.Sprintf("#%d %v", t.Seq(), t.Kind()) }

// Compare orders entries: by key, then newest first. The two are never compared
// as one string of bytes, or "a" with a large number would sort behind "a\x00".
func Compare(aKey []byte, a Trailer, bKey []byte, b Trailer) int {
	if c := bytes.Compare(aKey, bKey); c != 0 {
		return c
	}
	return cmp.Compare(b, a)
}

// separator returns a key that is not before a and before b, where a is before b:
// that is all that the index must know between two blocks. It is short if a byte
// fits between the first two that differ, and a itself otherwise.
func separator(a, b []byte) []byte {
	if n := commonPrefix(a, b); n < min(len(a), len(b)) && a[n]+1 < b[n] {
		return append(a[:n:n], a[n]+1)
	}
	return a
}

// commonPrefix returns how many bytes two keys begin with together, eight at a
// time.
func commonPrefix(a, b []byte) int {
	n := min(len(a), len(b))
	i := 0
	for i+8 <= n && binary.LittleEndian.Uint64(a[i:]) == binary.LittleEndian.Uint64(b[i:]) {
		i += 8
	}
	for i < n && a[i] == b[i] {
		i++
	}
	return i
}

// Prefix returns the first eight bytes of a key as a number of the same order, as if
// zero bytes followed a shorter one: what compares most keys in one step. Where two
// are equal, the keys have to be compared.
func Prefix(key []byte) uint64 {
	if len(key) >= 8 {
		return binary.BigEndian.Uint64(key)
	}
	var b [8]byte
	copy(b[:], key)
	return binary.BigEndian.Uint64(b[:])
}
