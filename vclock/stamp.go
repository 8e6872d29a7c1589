package vclock

import (
	"errors"
	"fmt"
)

// Stamp is an interval tree clock: what a Vector says, without names, for those who come and go. Nobody
// has to be asked for a name that is still free, and nothing of who has gone stays behind.
//
// What there is to own is the interval from 0 to 1. Who forks gives away a part of its own; who
// retires gives its part back, by being joined. An event raises a count, on a part
// that is the own one and nobody else's. So a stamp is two things: which pieces of the interval are
// its own, the id; and how high it knows the counts to be over the whole of it, the event.
//
//	seed            ├────────────── a ─────────────┤    1
//	a forks b       ├────── a ──────┼────── b ─────┤    (1,0)     (0,1)
//	b forks c       ├────── a ──────┼── b ──┼── c ─┤    (1,0)     (0,(1,0))     (0,(0,1))
//
//	count 2         ┌───────────────┐                   a has counted twice, b once, and c not yet;
//	      1         │               ├───────┐           who knows all of that has the event
//	      0         └───────────────┴───────┴──────┘    (0,2,(0,1,0))
//
// Both are trees that cut the interval in halves, as often as it takes. In an id, 1 is a piece that is
// owned and 0 one that is not; in an event (n,l,r) is n, and above that l over the left half and r over the
// right one. What is even over some piece is one number there, so when parts come together, and
// counts become even, a stamp gets small again.
//
// Almeida, Baquero, Fonte: Interval Tree Clocks: A Logical Clock for Dynamic Systems, 2008. Other than there,
// counts end, and Join looks whether somebody has been forked twice.
//
// It is a value that never changes: each operation returns another, and shares with the old one
// what has stayed the same. A stamp that was forked, or counted an event, is used up: go on with what came
// of it, and do not keep a copy to go on from there. Two that have the same piece would take
// each other's events for known; Join says ErrOverlap when they meet, but they may not meet.
//
//	Event          the way down to the own pieces: one allocation of 32 bytes for each cut
//	Fork           the same, for two
//	Join           one pass over both, past what they share; an allocation of 32 bytes for each cut that is new
//	Compare        one pass over both, no allocation; what they share is not looked at
//	memory         32 bytes for each cut of each tree
//	bad at         many who fork and never come back: each piece has a count as in a Vector, behind pointers;
//	               who retires to whomever: of 64 at a time, after 914 forks, a stamp takes up to 401 bytes,
//	               and 115 if it is to the one with whom the fewest cuts remain (TestStampSizeUnderChurn)
//
// The zero Stamp knows of nothing and owns nothing. It is safe for concurrent readers; a writer needs
// exclusive access (to that variable: copies are others).
type Stamp struct {
	_     [0]func() // no ==, which would compare pointers
	id    idTree
	event eventTree
}

// MaxDepth is how often a piece of the interval may be halved for a stamp to be written or read. One that
// always forks itself gets there after as many forks of which nothing comes back; if
// those who were forked fork in turn, there may be 2^MaxDepth of them. Such a stamp can still be joined.
const MaxDepth = 1 << 12

var (
	// ErrAnonymous: a stamp that owns nothing has no place to count an event.
	ErrAnonymous = errors.New("vclock: an anonymous stamp has no events of its own")

	// ErrOverlap: two stamps own the same piece of the interval. One was copied, and both have gone on.
	ErrOverlap = errors.New("vclock: stamps overlap")
)

// Seed returns the stamp that owns all. There must be no more than one, from which all others come.
func Seed() Stamp { return Stamp{id: idTree{whole: true}} }

// Fork returns two that know what s knows and share what s owns: one to go on with in place of s, and one to
// give away. What is in several pieces is dealt out, and one piece is cut in halves. An anonymous
// stamp has nothing to share.
func (s Stamp) Fork() (a, b Stamp) {
	left, right := s.id.split()
	return Stamp{id: left, event: s.event}, Stamp{id: right, event: s.event}
}

// Event returns s after an event, to go on with in its place: one more than s, and than all that was ever seen of
// it. If there is an error it returns s: ErrAnonymous, or ErrExhausted if no count that it owns goes up any more.
func (s Stamp) Event() (Stamp, error) {
	if s.id.none() {
		return s, ErrAnonymous
	}
	// Raise what can be made even with what is around it, or else one count, where it adds least to the tree.
	event := s.event.fill(s.id)
	if event == s.event {
		grown, cost := s.event.grow(s.id, MaxCount)
		if cost == never {
			return s, fmt.Errorf("%w: all of a stamp at %d", ErrExhausted, uint64(MaxCount))
		}
		event = grown
	}
	return Stamp{id: s.id, event: event}, nil
}

// Peek returns what s knows, without what it owns: to send it along with a message, or keep it with what was
// written. The other end joins it to its own.
func (s Stamp) Peek() Stamp { return Stamp{event: s.event} }

// Anonymous reports whether s owns nothing, and so has no events of its own.
func (s Stamp) Anonymous() bool { return s.id.none() }

// Compare returns whether what s knows happened before what t knows, after it, or neither. Who owns
// what does not matter to it.
func (s Stamp) Compare(t Stamp) Ordering { return ordering(s.event.differ(t.event)) }

// Descends reports whether s knows all that t knows: it is after t, or equal.
func (s Stamp) Descends(t Stamp) bool {
	_, less := s.event.differ(t.event)
	return !less
}

// Join returns one that knows what either knows, and owns what both own: a with the message b if that is anonymous,
// and both in one if b retires. If there is an error, ErrOverlap, it returns a.
func Join(a, b Stamp) (Stamp, error) {
	id, ok := a.id.sum(b.id)
	if !ok {
		return a, ErrOverlap
	}
	return Stamp{id: id, event: a.event.join(b.event)}, nil
}
