package vclock

import (
	"encoding/binary"
	"fmt"
)

// All binary forms of this package are canonical: equal values have equal bytes, and there is
// only one way to write each. So bytes can be compared, hashed and signed, and a decoder that
// accepts something gives it back unchanged. What it refuses is whatever could be written
// otherwise: numbers with needless bytes, names out of order or twice, zeros that could be left
// out, prefixes that are not the longest, bytes after the end.
//
//	form     a byte: the kind of value below 32, times eight; and the version of its form, 0 to 7
//	number   varint: seven bits in a byte, the lowest first; the top bit says that more come
//	names    sorted, each as what it shares with the one before, and the rest:
//
//	         byte          shared in the upper four bits, rest in the lower four; a 15 is 15 and
//	         [number]      what is more, of shared
//	         [number]      the same, of rest
//	         bytes         the rest
//
//	         "node-1", "node-12", "x":   06 6e 6f 64 65 2d 31   61 32   01 78
//	                                     0,6 n  o  d  e  -  1   6,1 2   0,1 x
//
// What is shared is at most what the name before has, so a list of names takes no more memory than MaxID
// times its bytes; a decoder takes what it needs as it reads, and believes no count.
type kind uint8

// The kinds of values with a binary form. They are part of it.
const (
	kindVector kind = 1 + iota
	kindContext
	kindDVVSet
	kindTimestamp
	kindStamp
	kindMatrix
	kindMessage
	kindDot
	kindLamportTime
)

// form is the first byte of a value.
func (k kind) form() byte { return byte(k) << 3 }

func (k kind) String() string {
	switch k {
	case kindVector:
		return "Vector"
	case kindContext:
		return "Context"
	case kindDVVSet:
		return "DVVSet"
	case kindTimestamp:
		return "Timestamp"
	case kindStamp:
		return "Stamp"
	case kindMatrix:
		return "Matrix"
	case kindMessage:
		return "Message"
	case kindDot:
		return "Dot"
	case kindLamportTime:
		return "LamportTime"
	}
	return fmt.Sprintf("kind %d", uint8(k))
}

// AppendID writes a name that comes after another, which is empty for the first.
func AppendID(b []byte, before, id ID) []byte {
	shared := sharedPrefix(before, id)
	rest := len(id) - shared
	b = append(b, byte(min(shared, 15)<<4|min(rest, 15)))
	if shared >= 15 {
		b = binary.AppendUvarint(b, uint64(shared-15))
	}
	if rest >= 15 {
		b = binary.AppendUvarint(b, uint64(rest-15))
	}
	return append(b, id[shared:]...)
}

func sharedPrefix(a, b ID) int {
	n := min(len(a), len(b))
	for i := range n {
		if a[i] != b[i] {
			return i
		}
	}
	return n
}
