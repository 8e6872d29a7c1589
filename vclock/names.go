package vclock

import (
	"bytes"
	"encoding/binary"
	"math/bits"
)

// A list of names is sorted, so a name is written as what it shares with the one before, and its rest. Names in a
// cluster have little in common but their alphabet: random digits, as in UUIDs, or what a host may be called. So
// the rest is packed, if that makes it shorter, as one of three:
//
//	plain      bytes as they are
//	hex        two digits 0-9 a-f in a byte, the first in the upper half. In a name of 36 bytes, a UUID,
//	           the dashes at 8, 13, 18 and 23 are there and take nothing
//	host       three of 0-9 a-z - . _ : in two bytes, as a number of base 40; two that are left, in two
//	           bytes; one, in one
//
// Before it there is a byte. The first name of a list has nothing to share:
//
//	packing<<6 | length         a length of 63 is 63 and what comes after it as a number
//
// and for all others:
//
//	shared<<4 | rest            a rest of 1 to 9 bytes, plain
//	shared<<4 | 10 + packing    the length of the rest comes as a number
//	shared<<4 | 13 + packing    the name is as long as the one before
//
//	                            where a shared of 15 is 15 and what comes first of all, as a number
//
//	"node-1", "node-12", "x":   86 93 8d 5d 21   61 32   01 78
//	                   host,6  n o d   e - 1   6,1 2   0,1 x
//
//	"c0ffee00", "c0ffee5a":     48 c0 ff ee 00   6e 5a
//	                         hex,8               6,same length, hex
//
// There is one way to write a name: it shares all that it can, and its rest is packed so that it is shortest, of two that
// are as short by the one that is named first here. (To share 14 and not 15 can save a byte; that is not done.) What is
// shared is at most what the name before has, so a list of names takes less memory than 2·MaxID times its bytes, also
// with the text of a roster.
type packing uint8

const (
	packPlain packing = iota
	packHex
	packHost
	packings // how many there are
)

const (
	restPlain = 9 // that fits into the first byte
	restGiven = restPlain + 1
	restSame  = restGiven + int(packings)

	firstMost  = 63
	sharedMost = 15
)

// AppendID writes a name that comes after another, which is empty for the first.
func AppendID(b []byte, before, id ID) []byte {
	shared := sharedPrefix(before, id)
	pack := packingOf(before, id, shared)
	return pack.append(pack.appendHead(b, before, id, shared), id, shared)
}

// packingOf is the one for the rest of a name: the shortest that has all its characters.
func packingOf(before, id ID, shared int) packing {
	rest, number := len(id)-shared, 0
	if before != "" && len(id) != len(before) && rest <= restPlain {
		number = 1 // for the length, which a plain rest does not need
	}
	for _, pack := range []packing{packHex, packHost} { // of both, packHex is never longer
		if pack.size(len(id), shared)+number < rest && pack.has(id, shared) {
			return pack
		}
	}
	return packPlain
}

// appendHead writes what comes before the rest.
func (p packing) appendHead(b []byte, before, id ID, shared int) []byte {
	switch rest := len(id) - shared; {
	case before == "" && len(id) < firstMost:
		return append(b, byte(p)<<6|byte(len(id)))
	case before == "":
		return binary.AppendUvarint(append(b, byte(p)<<6|firstMost), uint64(len(id)-firstMost))
	case p == packPlain && rest <= restPlain:
		return appendShared(b, shared, rest)
	case len(id) == len(before):
		return appendShared(b, shared, restSame+int(p))
	default:
		return binary.AppendUvarint(appendShared(b, shared, restGiven+int(p)), uint64(rest))
	}
}

func appendShared(b []byte, shared, low int) []byte {
	if shared < sharedMost {
		return append(b, byte(shared<<4|low))
	}
	return binary.AppendUvarint(append(b, byte(sharedMost<<4|low)), uint64(shared-sharedMost))
}

// ID reads a name that comes after another in a sorted list.
func (d *Decoder) ID(before ID) ID { return d.id(before, "") }

// id returns one that is known already if it is the same, so that it need not be made.
func (d *Decoder) id(before, known ID) ID {
	start := d.at
	pack, shared, length := d.nameHead(before)
	fail := func(format string, args ...any) ID {
		if d.err == nil {
			d.at = start
			d.Fail(format, args...)
		}
		return ""
	}
	switch {
	case d.err != nil:
		return ""
	case length > MaxID:
		return fail("a name of %d bytes, at most %d", length, MaxID)
	case pack == packings:
		return fail("a name of %d bytes with packing %d", length, pack)
	case shared > len(before):
		return fail("a name of %d bytes that shares %d, and the one before has %d", length, shared, len(before))
	case length == 0:
		return fail("%v", ID("").check())
	case length <= shared:
		return fail("names out of order")
	}
	tail := d.Bytes(pack.size(length, shared))
	if d.err != nil {
		return ""
	}
	var text [MaxID]byte
	name, ok := pack.parse(append(text[:0], before[:shared]...), tail, length)
	if !ok {
		return fail("a name with a number that is no character")
	}
	id := known
	if string(name) != string(known) {
		id = ID(name)
	}
	var head [5]byte // a byte, and two numbers of two
	switch {
	case id.check() != nil:
		return fail("%v", id.check())
	case id <= before:
		return fail("names out of order")
	case pack != packingOf(before, id, shared) || pack == packHex && !zeroPadded(tail, length, shared) ||
		shared != sharedPrefix(before, id) ||
		!bytes.Equal(pack.appendHead(head[:0], before, id, shared), d.all[start:d.at-len(tail)]):
		return fail("a name that is written otherwise")
	}
	return id
}

// nameHead reads what comes before the rest.
func (d *Decoder) nameHead(before ID) (pack packing, shared, length int) {
	b := int(d.Byte())
	if before == "" {
		pack, length = packing(b>>6), b&firstMost
		if length == firstMost {
			length += int(d.Number(MaxID))
		}
		return pack, 0, length
	}
	shared = b >> 4
	if shared == sharedMost {
		shared += int(d.Number(MaxID))
	}
	switch low := b & 15; {
	case low <= restPlain:
		return packPlain, shared, shared + low
	case low < restSame:
		return packing(low - restGiven), shared, shared + int(d.Number(MaxID))
	default:
		return packing(low - restSame), shared, len(before)
	}
}

// size returns how many bytes it makes of the rest of a name of a length.
func (p packing) size(length, shared int) int {
	rest := length - shared
	switch p {
	case packHex:
		return (hexDigits(length, shared) + 1) / 2
	case packHost:
		return rest - rest/3
	}
	return rest
}

// has reports whether it has all characters of the rest of a name.
func (p packing) has(id ID, shared int) bool {
	if p == packPlain {
		return true
	}
	for at := shared; at < len(id); at++ {
		end, most := len(id), byte(len(digits))-1
		if p == packHex {
			end, most = nextDash(len(id), at), 15
		}
		for ; at < end; at++ {
			if digit(id[at]) > most {
				return false
			}
		}
		if at < len(id) && id[at] != '-' {
			return false
		}
	}
	return true
}

// append writes the rest of a name, of which it has all characters.
func (p packing) append(b []byte, id ID, shared int) []byte {
	switch p {
	case packHex:
		return appendHex(b, id, shared)
	case packHost:
		return appendHost(b, id[shared:])
	}
	return append(b, id[shared:]...)
}

// appendHex goes by the pair, from dash to dash where there are any, which takes less than half of the time of digit by digit
// (BenchmarkHex).
func appendHex(b []byte, id ID, shared int) []byte {
	half := false // of the last byte is free
	for at := shared; at < len(id); at++ {
		end := nextDash(len(id), at)
		if half {
			b[len(b)-1] |= digit(id[at])
			at, half = at+1, false
		}
		for ; at+1 < end; at += 2 {
			b = append(b, digit(id[at])<<4|digit(id[at+1]))
		}
		if at < end {
			b = append(b, digit(id[at])<<4)
			at, half = at+1, true
		}
	}
	return b
}

func appendHost(b []byte, rest ID) []byte {
	for len(rest) > 0 {
		n, some := 0, min(len(rest), 3)
		for i := range some {
			n = n*len(digits) + int(digit(rest[i]))
		}
		if some > 1 {
			b = append(b, byte(n>>8))
		}
		b, rest = append(b, byte(n)), rest[some:]
	}
	return b
}

// parse adds the rest to what is shared, up to a length, unless there is a number that is no character.
func (p packing) parse(name, b []byte, length int) (_ []byte, ok bool) {
	switch p {
	case packHex:
		return parseHex(name, b, length), true
	case packHost:
		for ; length-len(name) >= 3; b = b[2:] {
			n := int(b[0])<<8 | int(b[1])
			if n >= 40*40*40 {
				return nil, false
			}
			name = append(name, digits[n/1600], digits[n/40%40], digits[n%40])
		}
		switch {
		case len(b) == 2 && int(b[0])<<8|int(b[1]) < 40*40:
			n := int(b[0])<<8 | int(b[1])
			name = append(name, digits[n/40], digits[n%40])
		case len(b) == 1 && b[0] < 40:
			name = append(name, digits[b[0]])
		}
		return name, len(name) == length
	}
	return append(name, b...), true
}

func parseHex(name, b []byte, length int) []byte {
	half := false // of b[0] has been read
	for len(name) < length {
		end := nextDash(length, len(name))
		if half {
			name = append(name, digits[b[0]&15])
			b, half = b[1:], false
		}
		for ; len(name)+1 < end; b = b[1:] {
			name = append(name, digits[b[0]>>4], digits[b[0]&15])
		}
		if len(name) < end {
			name = append(name, digits[b[0]>>4])
			half = true
		}
		if end < length {
			name = append(name, '-')
		}
	}
	return name
}

// zeroPadded reports whether packHex has nothing in a half that is left over.
func zeroPadded(b []byte, length, shared int) bool {
	return hexDigits(length, shared)%2 == 0 || b[len(b)-1]&15 == 0
}

// hexDigits is how many characters of a rest packHex writes.
func hexDigits(length, shared int) int {
	if length == uuidLen {
		return length - shared - bits.OnesCount64(uuidDashes>>shared)
	}
	return length - shared
}

const (
	uuidLen    = 36
	uuidDashes = uint64(1<<8 | 1<<13 | 1<<18 | 1<<23)
)

// nextDash returns where a UUID has its next dash, from there on. It is after the end for the last one, and for what is no UUID.
func nextDash(length, at int) int {
	if dashes := uuidDashes >> at; length == uuidLen && dashes != 0 {
		return at + bits.TrailingZeros64(dashes)
	}
	return length
}

// digits are the characters of packHost, of which packHex has the first 16.
const digits = "0123456789abcdefghijklmnopqrstuvwxyz-._:"

// digitOf is the other way round, with a '(', 40, for what is none. Random digits make a switch guess wrong half the
// time: with it encoding takes twice as long.
const digitOf = "((((((((((((((((((((((((((((((((" +
	"(((((((((((((\x24\x25(" + "\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x27(((((" +
	"((((((((((((((((" + "(((((((((((((((\x26" +
	"(\x0a\x0b\x0c\x0d\x0e\x0f\x10\x11\x12\x13\x14\x15\x16\x17\x18" + "\x19\x1a\x1b\x1c\x1d\x1e\x1f\x20\x21\x22\x23((((("

// digit returns which one it is, or len(digits) for none.
func digit(c byte) byte {
	if int(c) >= len(digitOf) {
		return byte(len(digits))
	}
	return digitOf[c]
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
