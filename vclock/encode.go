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
	}
	return fmt.Sprintf("kind %d", uint8(k))
}

// appendID writes a name that comes after another, which is empty for the first.
func appendID(b []byte, before, id ID) []byte {
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

// decoder reads a binary form. The first thing that is wrong with it stays: whatever is
// read after that is zero. It is not safe for concurrent use.
type decoder struct {
	kind kind
	all  []byte
	at   int // bytes that have been read
	err  error
}

// decode begins with the form of a kind.
func decode(k kind, b []byte) *decoder {
	d := &decoder{kind: k, all: b}
	switch first := d.byte(); {
	case d.err != nil:
	case first>>3 != byte(k):
		d.at = 0
		d.fail("this is a %v", kind(first>>3))
	case first != k.form():
		d.at = 0
		d.fail("version %d of its form: want 0", first&7)
	}
	return d
}

// fail says what is wrong at the place that has been reached.
func (d *decoder) fail(format string, args ...any) {
	if d.err == nil {
		d.err = fmt.Errorf("%w %v: byte %d: %s", ErrCorrupt, d.kind, d.at, fmt.Sprintf(format, args...))
	}
}

// end returns the error, or that there is more.
func (d *decoder) end() error {
	if d.err == nil && d.at < len(d.all) {
		d.fail("%d bytes after the end", len(d.all)-d.at)
	}
	return d.err
}

// left returns how many bytes there are yet.
func (d *decoder) left() int { return len(d.all) - d.at }

func (d *decoder) byte() byte {
	if d.err != nil {
		return 0
	}
	if d.at == len(d.all) {
		d.fail("it ends here")
		return 0
	}
	d.at++
	return d.all[d.at-1]
}

// number reads one of at most so much.
func (d *decoder) number(most uint64) uint64 {
	if d.err != nil {
		return 0
	}
	n, size := binary.Uvarint(d.all[d.at:])
	switch {
	case size == 0:
		d.at = len(d.all)
		d.fail("it ends in a number")
	case size < 0:
		d.fail("a number of more than 64 bits")
	case size > 1 && d.all[d.at+size-1] == 0:
		d.fail("a number with needless bytes")
	case n > most:
		d.fail("%d, at most %d", n, most)
	}
	if d.err != nil {
		return 0
	}
	d.at += size
	return n
}

// count reads the number of things of which each takes at least so many bytes: there are no
// more than fit into what is left.
func (d *decoder) count(least int) int { return int(d.number(uint64(d.left() / least))) }

// bytes reads so many, which are not copied.
func (d *decoder) bytes(n int) []byte {
	if d.err != nil {
		return nil
	}
	if n > d.left() {
		d.fail("%d bytes, but %d are left", n, d.left())
		return nil
	}
	d.at += n
	return d.all[d.at-n : d.at]
}

// id reads a name that comes after another in a sorted list.
func (d *decoder) id(before ID) ID {
	start := d.at
	b := d.byte()
	shared, rest := int(b>>4), int(b&15)
	if shared == 15 {
		shared += int(d.number(MaxID))
	}
	if rest == 15 {
		rest += int(d.number(MaxID))
	}
	tail := d.bytes(rest)
	if d.err != nil {
		return ""
	}
	fail := func(what string) ID {
		d.at = start
		d.fail("%s", what)
		return ""
	}
	if shared > len(before) {
		return fail("a name that shares more than there is")
	}
	id := before[:shared] + ID(tail)
	switch {
	case id.check() != nil:
		return fail(id.check().Error())
	case id <= before:
		return fail("names out of order")
	case sharedPrefix(before, id) != shared:
		return fail("a name that shares more than it says")
	}
	return id
}
