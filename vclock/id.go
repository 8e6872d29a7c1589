package vclock

import (
	"cmp"
	"errors"
	"fmt"
	"strconv"
	"unicode/utf8"
)

// ID names a replica, a process, or whatever else does one thing after the other. It is any text in UTF-8
// of 1 to MaxID bytes. Two that are alive must not have the same: their events
// would have the same dots, and one of each two would be taken for known. It is safe for concurrent use.
type ID string

// MaxID is the longest ID, in bytes.
const MaxID = 255

// MaxCount is the most that any counter of this package counts to: with a billion events a second
// that takes 146 years. It is far below 2⁶⁴, so that sums and successors do not wrap, and
// what says more is refused wherever it comes in: somebody would have to go on counting from there.
const MaxCount = 1 << 62

// The errors that others wrap. Whatever returns one has changed nothing.
var (
	// ErrID: a name that is empty, too long, or no text.
	ErrID = errors.New("vclock: bad ID")

	// ErrExhausted: a counter is at its end, or a number from elsewhere is past it.
	ErrExhausted = errors.New("vclock: counter exhausted")

	// ErrCorrupt: bytes or text that do not say what they should, or not in the one canonical way.
	ErrCorrupt = errors.New("vclock: corrupt")
)

func (id ID) check() error {
	switch {
	case id == "":
		return fmt.Errorf("%w: it is empty", ErrID)
	case len(id) > MaxID:
		return fmt.Errorf("%w: it has %d bytes, at most %d", ErrID, len(id), MaxID)
	case !utf8.ValidString(string(id)):
		return fmt.Errorf("%w: %q is not UTF-8", ErrID, string(id))
	}
	return nil
}

func checkCount(id ID, n uint64) error {
	if n > MaxCount {
		return fmt.Errorf("%w: %v at %d, at most %d", ErrExhausted, id, n, uint64(MaxCount))
	}
	return nil
}

// Ordering is how two clocks, or what they stand for, relate. It is a value, and safe for concurrent use.
type Ordering int8

// The orderings. A partial order has four, and not three.
const (
	Equal      Ordering = iota
	Before              // the first happened before the second, which may depend on it
	After               // the other way round
	Concurrent          // neither knew of the other
)

// String returns it in a word.
func (o Ordering) String() string {
	switch o {
	case Equal:
		return "equal"
	case Before:
		return "before"
	case After:
		return "after"
	case Concurrent:
		return "concurrent"
	}
	return fmt.Sprintf("Ordering(%d)", int8(o))
}

// Reverse returns how the second relates to the first.
func (o Ordering) Reverse() Ordering {
	switch o {
	case Before:
		return After
	case After:
		return Before
	}
	return o
}

// ordering is that of two of which it is known whether each has something that the other has not.
func ordering(more, less bool) Ordering {
	switch {
	case more && less:
		return Concurrent
	case more:
		return After
	case less:
		return Before
	}
	return Equal
}

// Dot is one event: the n-th of a replica, from 1 on. The zero Dot is none. It is a value, and
// safe for concurrent use.
type Dot struct {
	ID ID
	N  uint64
}

// order sorts dots by replica and by number.
func (d Dot) order(e Dot) int { return cmp.Or(cmp.Compare(d.ID, e.ID), cmp.Compare(d.N, e.N)) }

// String writes it as a:3, the name in quotes if it is not plain.
func (d Dot) String() string { return d.ID.String() + ":" + strconv.FormatUint(d.N, 10) }

// String is the name if it is plain (letters, digits, and what hosts have), and quoted otherwise.
func (id ID) String() string {
	for _, c := range []byte(id) {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '-', c == '_', c == '.':
		default:
			return strconv.Quote(string(id))
		}
	}
	if id == "" {
		return `""`
	}
	return string(id)
}
