package vclock

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
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

// parseID reads what String writes.
func parseID(s string) (ID, error) {
	id := ID(s)
	if strings.HasPrefix(s, `"`) {
		plain, err := strconv.Unquote(s)
		if err != nil {
			return "", fmt.Errorf("%s is no quoted name", s)
		}
		id = ID(plain)
	}
	if err := id.check(); err != nil {
		return "", err
	}
	if id.String() != s {
		return "", fmt.Errorf("%s is a name that is written %v", s, id)
	}
	return id, nil
}
