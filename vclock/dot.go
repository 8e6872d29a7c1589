package vclock

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"
)

// Dot is one event: the n-th of a replica, from 1 on. The zero Dot is none. It is a value, and
// safe for concurrent use.
type Dot struct {
	ID ID
	N  uint64
}

// order sorts dots by replica and by number.
func (d Dot) order(e Dot) int { return cmp.Or(cmp.Compare(d.ID, e.ID), cmp.Compare(d.N, e.N)) }

func (d Dot) check() error {
	if err := d.ID.check(); err != nil {
		return err
	}
	if d.N == 0 {
		return fmt.Errorf("%w: %v is no event", ErrCorrupt, d)
	}
	return checkCount(d.ID, d.N)
}

// AppendBinary writes the canonical binary form: the name, as all names are written, and the number.
//
//	a:300    40   01 61   ac 02
func (d Dot) AppendBinary(b []byte) ([]byte, error) {
	if err := d.check(); err != nil {
		return nil, err
	}
	return binary.AppendUvarint(AppendID(append(b, kindDot.form()), "", d.ID), d.N), nil
}

// MarshalBinary is AppendBinary to nothing.
func (d Dot) MarshalBinary() ([]byte, error) { return d.AppendBinary(nil) }

// UnmarshalBinary reads what AppendBinary writes, and nothing else.
func (d *Dot) UnmarshalBinary(b []byte) error {
	r := decode(kindDot, b)
	e := Dot{r.ID(""), r.Number(MaxCount)}
	if r.Err() == nil && e.N == 0 {
		r.Fail("event 0 of %v", e.ID)
	}
	if err := r.End(); err != nil {
		return err
	}
	*d = e
	return nil
}

// String writes it as a:3, the name in quotes if it is not plain.
func (d Dot) String() string { return d.ID.String() + ":" + strconv.FormatUint(d.N, 10) }

// MarshalText writes what String does, also as JSON.
func (d Dot) MarshalText() ([]byte, error) {
	if err := d.check(); err != nil {
		return nil, err
	}
	return []byte(d.String()), nil
}

// UnmarshalText reads what MarshalText writes, and nothing else.
func (d *Dot) UnmarshalText(b []byte) error {
	name, number, err := cutLast(string(b), ":")
	if err != nil {
		return fmt.Errorf("%w Dot: %w", ErrCorrupt, err)
	}
	e := Dot{N: number}
	if e.ID, err = parseID(name); err != nil {
		return fmt.Errorf("%w Dot: %w", ErrCorrupt, err)
	}
	if err := e.check(); err != nil || e.String() != string(b) {
		return fmt.Errorf("%w Dot: %q, want such as a:3", ErrCorrupt, b)
	}
	*d = e
	return nil
}

// cutLast cuts a text before its last separator, behind which is a number.
func cutLast(s, separator string) (name string, n uint64, err error) {
	i := strings.LastIndex(s, separator)
	if i < 0 {
		return "", 0, fmt.Errorf("%q has no %s", s, separator)
	}
	n, err = strconv.ParseUint(s[i+1:], 10, 64)
	return s[:i], n, err
}
