package vclock

import (
	"encoding/binary"
	"fmt"
)

// Decoder reads canonical binary forms, of this package and of those who write their own as it does.
// The first thing that is wrong stays: whatever is read after that is zero, and End returns what it was. So
// a form is read from its beginning to its end, and looked at once.
//
// It is not safe for concurrent use.
type Decoder struct {
	corrupt error  // what errors wrap
	what    string // is read
	all     []byte
	at      int // bytes that have been read
	err     error
}

// NewDecoder returns one for bytes, which it does not change and which must not be changed meanwhile. Its
// errors wrap corrupt, and say what was read.
func NewDecoder(corrupt error, what string, b []byte) *Decoder {
	return &Decoder{corrupt: corrupt, what: what, all: b}
}

// decode begins with the form of a kind.
func decode(k kind, b []byte) *Decoder {
	d := NewDecoder(ErrCorrupt, k.String(), b)
	switch first := d.Byte(); {
	case d.err != nil:
	case first>>3 != byte(k):
		d.at = 0
		d.Fail("this is a %v", kind(first>>3))
	case first != k.form():
		d.at = 0
		d.Fail("version %d of its form: want 0", first&7)
	}
	return d
}

// Fail says what is wrong at the place that has been reached, unless something has been before.
func (d *Decoder) Fail(format string, args ...any) {
	if d.err == nil {
		d.err = fmt.Errorf("%w %s: byte %d: %s", d.corrupt, d.what, d.at, fmt.Sprintf(format, args...))
	}
}

// End returns what was wrong, or that there is more than was read.
func (d *Decoder) End() error {
	if d.err == nil && d.at < len(d.all) {
		d.Fail("%d bytes after the end", len(d.all)-d.at)
	}
	return d.err
}

// Left returns how many bytes there are yet.
func (d *Decoder) Left() int { return len(d.all) - d.at }

// Err returns what was wrong so far.
func (d *Decoder) Err() error { return d.err }

// Byte reads a byte.
func (d *Decoder) Byte() byte {
	if d.err != nil {
		return 0
	}
	if d.at == len(d.all) {
		d.Fail("it ends here")
		return 0
	}
	d.at++
	return d.all[d.at-1]
}

// Number reads a number of at most so much.
func (d *Decoder) Number(most uint64) uint64 {
	if d.err != nil {
		return 0
	}
	n, size := binary.Uvarint(d.all[d.at:])
	switch {
	case size == 0:
		d.at = len(d.all)
		d.Fail("it ends in a number")
	case size < 0:
		d.Fail("a number of more than 64 bits")
	case size > 1 && d.all[d.at+size-1] == 0:
		d.Fail("a number with needless bytes")
	case n > most:
		d.Fail("%d, at most %d", n, most)
	}
	if d.err != nil {
		return 0
	}
	d.at += size
	return n
}

// Count reads the number of things of which each takes at least so many bytes: there are no
// more than fit into what is left.
func (d *Decoder) Count(least int) int { return int(d.Number(uint64(d.Left() / least))) }

// Bytes reads so many, which are not copied.
func (d *Decoder) Bytes(n int) []byte {
	if d.err != nil {
		return nil
	}
	if n > d.Left() {
		d.Fail("%d bytes, but %d are left", n, d.Left())
		return nil
	}
	d.at += n
	return d.all[d.at-n : d.at]
}
