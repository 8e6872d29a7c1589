package vclock

import "fmt"

// All binary forms of this package are canonical: equal values have equal bytes, and there is
// only one way to write each. So bytes can be compared, hashed and signed, and a decoder that
// accepts something gives it back unchanged. What it refuses is whatever could be written
// otherwise: numbers with needless bytes, names out of order or twice, zeros that could be left
// out, prefixes that are not the longest, bytes after the end.
//
//	form     a byte: the kind of value below 32, times eight; and the version of its form, 0 to 7
//	number   varint: seven bits in a byte, the lowest first; the top bit says that more come
//	names    sorted, each as what it has beyond the one before: see packing
//
// A decoder takes memory as it reads, and believes no count.
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
