package crdt

import (
	"errors"
	"fmt"
	"slices"

	"github.com/plinth-go/plinth/vclock"
)

// ErrAck: somebody acknowledges what has never been there.
var ErrAck = errors.New("crdt: bad acknowledgement")

// Buffer keeps the deltas of a value for those who have not got them yet. The deltas are numbered, and each peer says up
// to which number it has merged them. What it is sent is the join of all that come after: a delta interval.
//
//	deltas       5   6   7   8   9         what is before 5 has been trimmed
//	               ▲           ▲
//	               home: 5     phone: 8
//	For("home")  returns 6 ∨ 7 ∨ 8 ∨ 9, upto 9
//	For("tv")    which has merged up to 3, or has never been heard of: full, upto 9: send the whole value
//
// Nothing waits for anything: until the acknowledgement comes, the next interval has the same deltas again, and
// some more. Messages may be lost, come twice and in any order. One thing must hold: a peer acknowledges upto
// when it has merged the message (or the full value) that came with it, and not before. Then whoever gets an
// interval has all that was before it, which the paper calls the causal delta-merging condition.
//
//	who changes the value      Push(delta)
//	who sends                  For(peer), and send msg or the whole value, with upto
//	who gets it                merge it, answer upto. Push what was new, if it is to be handed on to others
//	who gets the answer        Ack(peer, upto), and now and then Trim
//
// Almeida, Shoker, Baquero: Delta State Replicated Data Types, 2018, algorithm 2. There the number is kept on disk
// with the value, and deltas and acknowledgements are not. So it is here: NewBuffer goes on from a number, which must be on
// disk before a message with it leaves the house, or an acknowledgement from before the crash would be taken for one of
// something new. And a peer that has forgotten what it acknowledged must come back as another one: NewID.
//
//	Push        a Clone of the delta
//	For         a Merge for each delta that is not acknowledged
//	memory      the deltas, at most Limit of them; a number for each peer
//	bad at      many peers of which nobody knows who is alive: Replica asks them what they have instead
//
// The zero Buffer begins with an empty value, and keeps up to 1,024 deltas. It is not safe for concurrent use: it
// belongs to the value, under the same mutex.
type Buffer[T Lattice[T]] struct {
	limit  int // 0 is defaultDeltas
	last   uint64
	deltas []T // numbered up to last
	acked  map[vclock.ID]uint64
}

const defaultDeltas = 1024

// NewBuffer returns one that keeps up to limit deltas, or 1,024 if that is 0, and whose first has the number after last. For
// an empty value last is 0. After a restart it is what Last was, or more; for another value that is not empty it is
// anything above 0, and peers get the whole value first.
func NewBuffer[T Lattice[T]](limit int, last uint64) (*Buffer[T], error) {
	if limit < 0 {
		return nil, fmt.Errorf("crdt: NewBuffer: a limit of %d: want 1 or more, or 0 for %d", limit, defaultDeltas)
	}
	if last > vclock.MaxCount {
		return nil, fmt.Errorf("crdt: NewBuffer: %w: %d, at most %d", vclock.ErrExhausted, last, uint64(vclock.MaxCount))
	}
	return &Buffer[T]{limit: limit, last: last}, nil
}

// Push takes in what has changed, of which it keeps a copy. If that is more than the limit, the oldest goes,
// and who has not got it is sent the whole value.
func (b *Buffer[T]) Push(delta T) {
	b.last++
	b.deltas = append(b.deltas, delta.Clone())
	limit := b.limit
	if limit == 0 {
		limit = defaultDeltas
	}
	b.drop(len(b.deltas) - limit)
}

// drop forgets the oldest few.
func (b *Buffer[T]) drop(n int) {
	if n > 0 {
		clear(b.deltas[:n]) // or the array would keep them
		b.deltas = b.deltas[n:]
	}
}

// trimmed is the number up to which there are no deltas any more.
func (b *Buffer[T]) trimmed() uint64 { return b.last - uint64(len(b.deltas)) }

// For returns what a peer has yet to get, and the number that it has to acknowledge. If it is full, msg is nothing, and
// the whole value has to be sent. If upto is 0 there is nothing to send. From now on the peer is one that Trim waits for.
func (b *Buffer[T]) For(peer vclock.ID) (msg T, upto uint64, full bool) {
	from := b.acked[peer]
	b.note(peer, from)
	switch {
	case from == b.last:
		return msg, 0, false
	case from < b.trimmed():
		return msg, b.last, true
	}
	rest := b.deltas[from-b.trimmed():]
	return Join(rest[0], rest[1:]...), b.last, false
}

func (b *Buffer[T]) note(peer vclock.ID, upto uint64) {
	if b.acked == nil {
		b.acked = map[vclock.ID]uint64{}
	}
	b.acked[peer] = upto
}

// Ack takes in that a peer has merged all up to a number. One that is older than another changes nothing. One above Last is
// an error, and changes nothing: it is of somebody else's buffer, or of one that was lost. Who is not known yet is one that
// Trim waits for from now on, also if it was forgotten before and this has been long under way. What peers say is believed:
// whoever acknowledges what it has not merged never gets it.
func (b *Buffer[T]) Ack(peer vclock.ID, upto uint64) error {
	if upto > b.last {
		return fmt.Errorf("%w: %v has %d, the last is %d", ErrAck, peer, upto, b.last)
	}
	b.note(peer, max(upto, b.acked[peer]))
	return nil
}

// Trim forgets what all peers have acknowledged, of those that have been seen by For or Ack. If there are none,
// nobody waits for anything, and all goes.
func (b *Buffer[T]) Trim() {
	least := b.last
	for _, upto := range b.acked {
		least = min(least, upto)
	}
	if least > b.trimmed() {
		b.drop(int(least - b.trimmed()))
	}
}

// Forget removes a peer for which Trim need not wait any longer, and reports whether there was one. When it is heard of
// again, it is as one that has never been.
func (b *Buffer[T]) Forget(peer vclock.ID) bool {
	_, is := b.acked[peer]
	delete(b.acked, peer)
	return is
}

// Behind returns the peers that have not acknowledged the oldest delta that is kept, in order: those for which Trim waits.
func (b *Buffer[T]) Behind() (peers []vclock.ID) {
	for peer, upto := range b.acked {
		if len(b.deltas) > 0 && upto <= b.trimmed() {
			peers = append(peers, peer)
		}
	}
	slices.Sort(peers)
	return peers
}

// Len returns how many deltas are kept.
func (b *Buffer[T]) Len() int { return len(b.deltas) }

// Last returns the number of the last delta, to be kept on disk with the value.
func (b *Buffer[T]) Last() uint64 { return b.last }
