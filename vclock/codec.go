package vclock

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
)

// Codec writes and reads the values of others, which this package carries but does not know.
// Append adds the bytes of a value to b. Parse takes one value from the beginning of b, and returns what comes
// after it: so a codec must see where its value ends. What Parse returns must not share memory with b.
//
// A codec has to be canonical, as everything here is: there is one way to write each value. Who reads a value
// checks that, by writing it again. It is safe for concurrent use.
type Codec[V any] interface {
	Append(b []byte, v V) ([]byte, error)
	Parse(b []byte) (v V, rest []byte, err error)
}

// StringCodec writes a string, of any bytes, after its length. It is safe for concurrent use.
type StringCodec struct{}

// Append is that of Codec. It never fails.
func (StringCodec) Append(b []byte, v string) ([]byte, error) {
	return append(binary.AppendUvarint(b, uint64(len(v))), v...), nil
}

// Parse is that of Codec.
func (StringCodec) Parse(b []byte) (string, []byte, error) {
	v, rest, err := cutBytes(b)
	return string(v), rest, err
}

// BytesCodec writes bytes after their length. Nil is written as no bytes are, and no bytes are read as nil.
// It is safe for concurrent use.
type BytesCodec struct{}

// Append is that of Codec. It never fails.
func (BytesCodec) Append(b []byte, v []byte) ([]byte, error) {
	return append(binary.AppendUvarint(b, uint64(len(v))), v...), nil
}

// Parse is that of Codec. It copies.
func (BytesCodec) Parse(b []byte) ([]byte, []byte, error) {
	v, rest, err := cutBytes(b)
	return append([]byte(nil), v...), rest, err
}

// Uint64Codec writes a number as a varint. It is safe for concurrent use.
type Uint64Codec struct{}

// Append is that of Codec. It never fails.
func (Uint64Codec) Append(b []byte, v uint64) ([]byte, error) { return binary.AppendUvarint(b, v), nil }

// Parse is that of Codec.
func (Uint64Codec) Parse(b []byte) (uint64, []byte, error) { return cutNumber(b) }

func cutNumber(b []byte) (uint64, []byte, error) {
	n, size := binary.Uvarint(b)
	switch {
	case size == 0:
		return 0, nil, errors.New("it ends in a number")
	case size < 0:
		return 0, nil, errors.New("a number of more than 64 bits")
	case size > 1 && b[size-1] == 0:
		return 0, nil, errors.New("a number with needless bytes")
	}
	return n, b[size:], nil
}

func cutBytes(b []byte) (v, rest []byte, err error) {
	n, rest, err := cutNumber(b)
	if err == nil && n > uint64(len(rest)) {
		err = fmt.Errorf("%d bytes, but %d are left", n, len(rest))
	}
	if err != nil {
		return nil, nil, err
	}
	return rest[:n], rest[n:], nil
}

// ParseValue reads a value of others, and does not trust its codec: what is written again must be the same
// bytes, or equal values would not have equal bytes any more.
func ParseValue[V any](d *Decoder, codec Codec[V]) (none V) {
	if d.err != nil {
		return none
	}
	from := d.all[d.at:]
	v, rest, err := codec.Parse(from)
	if err != nil {
		d.Fail("a value: %v", err)
		return none
	}
	if len(rest) > len(from) {
		d.Fail("a value whose codec returns more than there was")
		return none
	}
	if again, err := codec.Append(nil, v); err != nil || !bytes.Equal(again, from[:len(from)-len(rest)]) {
		d.Fail("a value that its codec would write otherwise")
		return none
	}
	d.at = len(d.all) - len(rest)
	return v
}
