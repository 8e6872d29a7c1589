package vclock

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Timestamp is the time of an event by an HLC: the most that any clock showed which the event knew of,
// and how many events there were since, as long as no clock showed more. There are none before the year
// 1677 and after 2262. It is a value, and safe for concurrent use.
type Timestamp struct {
	Wall    int64  // nanoseconds since 1970, in UTC
	Logical uint32 // 0 for the first event at Wall
}

// Compare returns -1 if t is earlier than u, 1 if it is later, and 0 if they are equal. It is an int and
// not an Ordering because it cannot say what is concurrent. Two processes may have the
// same Timestamp: where that matters, compare who they are as well.
func (t Timestamp) Compare(u Timestamp) int {
	return cmp.Or(cmp.Compare(t.Wall, u.Wall), cmp.Compare(t.Logical, u.Logical))
}

// Time returns Wall as a time.
func (t Timestamp) Time() time.Time { return time.Unix(0, t.Wall).UTC() }

// A packed Timestamp: milliseconds in the upper 48 bits, and below them the part of a millisecond, of which
// there are 65,536, each of 15 or 16 nanoseconds.
//
//	1970-01-01T00:00:00.001500000Z    00 00 00 00 00 01  80 00
//
// There is no room for Logical. To put it into the lower 16 bits, as is often done, is right only for
// clocks that show no more than milliseconds: with others, the event 5 of nanosecond 1
// would come after event 0 of nanosecond 2.
const (
	packedMillisecond = 16 // bits to the right of it
	lastMillisecond   = math.MaxInt64 / int64(time.Millisecond)
)

// Pack returns it in 64 bits, to be a part of a key or an ID. Of two, the earlier one never has the larger:
// but they may have the same if they are less than 16 ns apart, whatever Logical says. Before 1970, all is 0.
func (t Timestamp) Pack() uint64 {
	wall := uint64(max(t.Wall, 0))
	ms, ns := wall/uint64(time.Millisecond), wall%uint64(time.Millisecond)
	return ms<<packedMillisecond | ns<<packedMillisecond/uint64(time.Millisecond)
}

// Unpack returns the earliest Timestamp that packs into p. What is after 2262 is refused with ErrExhausted.
func Unpack(p uint64) (Timestamp, error) {
	const parts = 1 << packedMillisecond
	ms, part := int64(p>>packedMillisecond), int64(p%parts)
	ns := (part*int64(time.Millisecond) + parts - 1) / parts
	if ms > lastMillisecond || ms == lastMillisecond && ns > math.MaxInt64%int64(time.Millisecond) {
		return Timestamp{}, fmt.Errorf("%w: Unpack(%#x) is after 2262", ErrExhausted, p)
	}
	return Timestamp{Wall: ms*int64(time.Millisecond) + ns}, nil
}

// AppendBinary writes the canonical binary form: two numbers, Wall doubled so that what is before 1970
// fits in between (1, -1, 2 are 2, 1, 4).
//
//	{Wall: 100, Logical: 5}    20   c8 01   05
func (t Timestamp) AppendBinary(b []byte) ([]byte, error) {
	return t.AppendTo(append(b, kindTimestamp.form())), nil
}

// MarshalBinary is AppendBinary to nothing.
func (t Timestamp) MarshalBinary() ([]byte, error) { return t.AppendBinary(nil) }

// UnmarshalBinary reads what AppendBinary writes, and nothing else.
func (t *Timestamp) UnmarshalBinary(b []byte) error {
	d := decode(kindTimestamp, b)
	u := d.Timestamp()
	if err := d.End(); err != nil {
		return err
	}
	*t = u
	return nil
}

// AppendTo writes it without the form, as a part of something else.
func (t Timestamp) AppendTo(b []byte) []byte {
	return binary.AppendUvarint(binary.AppendVarint(b, t.Wall), uint64(t.Logical))
}

// Timestamp reads what AppendTo writes.
func (d *Decoder) Timestamp() Timestamp {
	double := d.Number(math.MaxUint64)
	wall := int64(double>>1) ^ -int64(double&1)
	return Timestamp{wall, uint32(d.Number(math.MaxUint32))}
}

// textLayout is RFC 3339 with all digits, so that texts sort as times do.
const textLayout = "2006-01-02T15:04:05.000000000Z"

// String writes it as RFC 3339 has it, with Logical behind it if that is not 0:
// 2026-11-27T15:04:05.123456789Z+5.
func (t Timestamp) String() string {
	s := t.Time().Format(textLayout)
	if t.Logical > 0 {
		s += "+" + strconv.FormatUint(uint64(t.Logical), 10)
	}
	return s
}

// MarshalText writes what String does, also as JSON.
func (t Timestamp) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

// UnmarshalText reads what String writes, and nothing else.
func (t *Timestamp) UnmarshalText(b []byte) error {
	var u Timestamp
	wall, logical, more := strings.Cut(string(b), "+")
	at, err := time.Parse(textLayout, wall)
	if err != nil {
		return fmt.Errorf("%w Timestamp: %w", ErrCorrupt, err)
	}
	if more {
		n, err := strconv.ParseUint(logical, 10, 32)
		if err != nil {
			return fmt.Errorf("%w Timestamp: %w", ErrCorrupt, err)
		}
		u.Logical = uint32(n)
	}
	// Whatever can be written otherwise, or is too far away for 64 bits, is written otherwise.
	if u.Wall = at.UnixNano(); u.String() != string(b) {
		return fmt.Errorf("%w Timestamp: %q, want such as %v", ErrCorrupt, b, u)
	}
	*t = u
	return nil
}
