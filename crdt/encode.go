package crdt

import (
	"cmp"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"reflect"

	"github.com/plinth-go/plinth/vclock"
)

// All types have a canonical binary form: equal states are equal bytes, and a decoder accepts nothing that it
// would write otherwise. It begins with a byte that says which type it is, times eight, and the version of its
// form; vclock describes the rest (numbers, names, contexts). Whoever gets bytes from elsewhere gets an error
// that wraps ErrCorrupt if they are no such form, and his state is as it was.
//
// A dot is written as the place of its name among those of the context that comes first, and its number:
// 2 bytes mostly, however long the name is.

// ErrCorrupt is wrapped by what decoders return.
var ErrCorrupt = errors.New("crdt: corrupt")

// kind is which type it is. It is part of the form.
type kind uint8

const (
	kindGCounter kind = 1 + iota
	kindPNCounter
	kindBoundedCounter
	kindLWWRegister
	kindMVRegister
	kindEWFlag
	kindDWFlag
	kindGSet
	kindTwoPSet
	kindLWWSet
	kindORSet
	kindRWSet
	kindORMap
	kindUpdate
	kindSummary
	kindCausalCounter
	kindEnd
)

func (k kind) form() byte { return byte(k) << 3 }

func (k kind) String() string {
	names := [...]string{kindGCounter: "GCounter", kindPNCounter: "PNCounter", kindBoundedCounter: "BoundedCounter",
		kindLWWRegister: "LWWRegister", kindMVRegister: "MVRegister", kindEWFlag: "EWFlag", kindDWFlag: "DWFlag",
		kindGSet: "GSet", kindTwoPSet: "TwoPSet", kindLWWSet: "LWWSet", kindORSet: "ORSet", kindRWSet: "RWSet",
		kindORMap: "ORMap", kindUpdate: "update", kindSummary: "summary",
		kindCausalCounter: "CausalCounter"}
	if k == 0 || k >= kindEnd {
		return fmt.Sprintf("unknown type %d", uint8(k))
	}
	return names[k]
}

// decode begins with the form of a kind.
func decode(k kind, b []byte) *vclock.Decoder {
	d := vclock.NewDecoder(ErrCorrupt, k.String(), b)
	switch { // before it is read, so that the error says byte 0
	case len(b) == 0:
	case b[0]>>3 != byte(k):
		d.Fail("this is a form of %v", kind(b[0]>>3))
	case b[0] != k.form():
		d.Fail("version %d of its form: want 0", b[0]&7)
	}
	d.Byte()
	return d
}

// elements are the values of a set, or the keys of a map, as bytes and back: strings, whole numbers and
// floats, and types made of them.
type elements[E cmp.Ordered] struct{}

// check refuses what is not equal to itself: nobody would find it again.
func (elements[E]) check(e E) error {
	if e != e {
		return errors.New("not a number, which is not equal to itself")
	}
	return nil
}

// plain returns what is equal to e, and looks so: of the two zeros of floats the positive one. Whoever keeps an
// element keeps that, or replicas would be equal and print different things.
func (elements[E]) plain(e E) E {
	var zero E
	return e + zero // -0 + 0 is 0
}

// json writes a list.
func (elements[E]) json(list []E) ([]byte, error) { return jsonList(list) }

// jsonList writes a list of anything. Of bytes package json would make base64.
func jsonList[V any](list []V) ([]byte, error) {
	b := []byte{'['}
	for i, v := range list {
		one, err := json.Marshal(v)
		if err != nil {
			return nil, err
		}
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, one...)
	}
	return append(b, ']'), nil
}

// jsonKey writes one as a key of an object: what it is in a list, and that in quotes if it is no string. Its String
// would not do: of different elements it may be the same.
func (elements[E]) jsonKey(e E) ([]byte, error) {
	b, err := json.Marshal(e)
	if err != nil || b[0] == '"' {
		return b, err
	}
	return json.Marshal(string(b))
}

// append writes one: a string with its length, an int in zigzag, a uint, or the eight bytes of a float, of which the
// zero is the positive one.
func (elements[E]) append(b []byte, e E) []byte {
	switch v := reflect.ValueOf(e); {
	case v.Kind() == reflect.String:
		return append(binary.AppendUvarint(b, uint64(v.Len())), v.String()...)
	case v.CanInt():
		return binary.AppendVarint(b, v.Int())
	case v.CanUint():
		return binary.AppendUvarint(b, v.Uint())
	default:
		return binary.BigEndian.AppendUint64(b, math.Float64bits(v.Float()+0))
	}
}

// parse reads one.
func (elements[E]) parse(d *vclock.Decoder) (e E) {
	switch v := reflect.ValueOf(&e).Elem(); {
	case v.Kind() == reflect.String:
		v.SetString(string(d.Bytes(d.Count(1))))
	case v.CanInt():
		double := d.Number(math.MaxUint64)
		n := int64(double>>1) ^ -int64(double&1)
		if v.OverflowInt(n) {
			d.Fail("%d is no %v", n, v.Type())
		}
		v.SetInt(n)
	case v.CanUint():
		n := d.Number(math.MaxUint64)
		if v.OverflowUint(n) {
			d.Fail("%d is no %v", n, v.Type())
		}
		v.SetUint(n)
	default:
		b := d.Bytes(8)
		if b == nil {
			return e
		}
		f := math.Float64frombits(binary.BigEndian.Uint64(b))
		v.SetFloat(f)
		if math.IsNaN(f) || f == 0 && math.Signbit(f) || v.Float() != f {
			d.Fail("%v is no %v in its canonical form", f, v.Type())
		}
	}
	return e
}

// namesOf returns the names in a context, in order.
func namesOf(c *vclock.Context) (names []vclock.ID) {
	for s := range c.All() {
		if len(names) == 0 || names[len(names)-1] != s.ID {
			names = append(names, s.ID)
		}
	}
	return names
}

// appendNames writes a list of names, which is in order.
func appendNames(b []byte, names []vclock.ID) []byte {
	b = binary.AppendUvarint(b, uint64(len(names)))
	before := vclock.ID("")
	for _, id := range names {
		b = vclock.AppendID(b, before, id)
		before = id
	}
	return b
}

// parseNames reads it.
func parseNames(d *vclock.Decoder) (names []vclock.ID) {
	before := vclock.ID("")
	for range d.Count(2) {
		if before = d.ID(before); d.Err() != nil {
			return nil
		}
		names = append(names, before)
	}
	return names
}
