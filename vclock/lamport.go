package vclock

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"
	"sync/atomic"
)

// Lamport counts events so that each has a larger number than all that happened before it. Whoever does
// something counts one on, sends the number along with each message, and who gets a message goes on
// counting from one more than that, if it is ahead.
//
//	a   1 ───────▶ 2 ──┐
//	                    ╲                 1 of b and 2 of a: neither knew of the other, and yet 1 < 2
//	b   1 ─────────────▶(3)──▶ 4          2 of a and 4 of b: this knew of that
//
// (Lamport: Time, Clocks, and the Ordering of Events in a Distributed System, 1978.) It works one way
// only. If an event happened before another, its number is smaller; if its number is smaller,
// it happened before the other or beside it. A single number has forgotten who counted what; a
// Vector has not.
//
//	Tick       one atomic addition
//	Witness    one read, and a compare-and-swap if the number was news
//	memory     8 bytes
//	bad at     finding conflicts: it has an order for any two events
//
// The zero Lamport has counted nothing. After a restart it must not begin again: Witness a number that
// is at least what it had reached. It is safe for concurrent use, and must not be copied after
// the first call.
type Lamport struct {
	time atomic.Uint64 // MaxCount at most, and what calls of Tick have that are about to fail
}

// Now returns the number of the latest event, or one more than what was witnessed if that is larger.
func (l *Lamport) Now() uint64 { return min(l.time.Load(), MaxCount) }

// Tick counts an event and returns its number, which nobody else here has got. At the end there is none:
// then it fails with ErrExhausted.
//
// The addition comes first, and the question whether it was too much after it, so that nobody has to try again
// because another was faster (BenchmarkTick has the loop around a compare-and-swap as impl=swap).
func (l *Lamport) Tick() (uint64, error) {
	n := l.time.Add(1)
	if n > MaxCount {
		l.time.Add(^uint64(0))
		return 0, fmt.Errorf("%w: Lamport.Tick at %d", ErrExhausted, uint64(MaxCount))
	}
	return n, nil
}

// Witness takes in a number that came with a message: Now is larger then, and whatever is counted from now on. It
// is no event by itself; if to receive is one, Tick. A number with none after it is refused with
// ErrExhausted: a single message would stop the clocks of all.
func (l *Lamport) Witness(n uint64) error {
	if n >= MaxCount {
		return fmt.Errorf("%w: Lamport.Witness(%d), at most %d", ErrExhausted, n, uint64(MaxCount-1))
	}
	for {
		now := l.time.Load()
		if now > n || l.time.CompareAndSwap(now, n+1) {
			return nil
		}
	}
}

// LamportTime is the number of an event and whose it is. That makes an order of all events, in which
// no two are equal, and which is the same for all who know them: enough to agree who is next, or which
// write is the last. It is a value, and safe for concurrent use.
type LamportTime struct {
	N  uint64
	ID ID
}

// Compare returns -1 if t comes first, 1 if u does, and 0 if they are the same. It is an int and not an
// Ordering because it cannot say what is concurrent.
func (t LamportTime) Compare(u LamportTime) int {
	return cmp.Or(cmp.Compare(t.N, u.N), cmp.Compare(t.ID, u.ID))
}

// String writes it as 3@a, which is not to be taken for the third event of a.
func (t LamportTime) String() string { return fmt.Sprintf("%d@%v", t.N, t.ID) }

func (t LamportTime) check() error {
	if err := t.ID.check(); err != nil {
		return err
	}
	return checkCount(t.ID, t.N)
}

// AppendBinary writes the canonical binary form: the number, and the name, as all names are written.
//
//	300@a    48   ac 02   01 61
func (t LamportTime) AppendBinary(b []byte) ([]byte, error) {
	if err := t.check(); err != nil {
		return nil, err
	}
	return AppendID(binary.AppendUvarint(append(b, kindLamportTime.form()), t.N), "", t.ID), nil
}

// MarshalBinary is AppendBinary to nothing.
func (t LamportTime) MarshalBinary() ([]byte, error) { return t.AppendBinary(nil) }

// UnmarshalBinary reads what AppendBinary writes, and nothing else.
func (t *LamportTime) UnmarshalBinary(b []byte) error {
	d := decode(kindLamportTime, b)
	u := LamportTime{d.Number(MaxCount), d.ID("")}
	if err := d.End(); err != nil {
		return err
	}
	*t = u
	return nil
}

// MarshalText writes what String does, also as JSON.
func (t LamportTime) MarshalText() ([]byte, error) {
	if err := t.check(); err != nil {
		return nil, err
	}
	return []byte(t.String()), nil
}

// UnmarshalText reads what MarshalText writes, and nothing else.
func (t *LamportTime) UnmarshalText(b []byte) error {
	number, name, _ := strings.Cut(string(b), "@")
	n, err := strconv.ParseUint(number, 10, 64)
	if err != nil {
		return fmt.Errorf("%w LamportTime: %w", ErrCorrupt, err)
	}
	u := LamportTime{N: n}
	if u.ID, err = parseID(name); err != nil {
		return fmt.Errorf("%w LamportTime: %w", ErrCorrupt, err)
	}
	if err := u.check(); err != nil || u.String() != string(b) {
		return fmt.Errorf("%w LamportTime: %q, want such as 3@a", ErrCorrupt, b)
	}
	*t = u
	return nil
}
