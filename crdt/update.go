package crdt

import (
	"encoding/binary"
	"maps"
	"slices"

	"github.com/plinth-go/plinth/vclock"
)

// summary is what a replica says of itself when it asks for news: who it is, and what it has seen. A name, and a
// vector as package vclock has it:
//
//	b, which has seen {a:1 b:2}    78    01 62   02 01 61 01 01 62 02
//	                               form  b       a:1 b:2
type summary struct {
	id   vclock.ID
	seen vclock.Vector
}

func (s summary) bytes() []byte {
	return s.seen.AppendTo(vclock.AppendID([]byte{kindSummary.form()}, "", s.id))
}

func parseSummary(b []byte) (s summary, err error) {
	d := decode(kindSummary, b)
	s.id = d.ID("")
	s.seen = d.Vector()
	return s, d.End()
}

// update is what a replica answers: deltas, or its full state.
//
// A list of deltas begins with what the receiver must have seen before. The next of each replica comes after that, so
// a dot is no more than the place of its name among those that follow. A full state is that of which all
// is in it, and the state.
//
//	a:2 with the delta x, to whoever has seen {a:1}    70    00    01 01 61 01   01 01 61   01      00   01 x
//	                                                   form  what  base          names      deltas  a:2
//	all of {a:2}, which is x                           70    02    01 01 61 02   x
//	                                                   form  what  seen          state
type update struct {
	what    what
	base    vclock.Vector // of deltas: what the receiver must have seen; of a full state: what is in it
	entries []entry       // of deltas, at least one
	state   []byte        // of a full state
}

// what an update is.
type what uint64

const (
	whatDeltas what = iota // all that the peer lacks
	whatPart               // deltas, and there are more
	whatFull
)

// knows returns what the receiver has seen when it has taken it in.
func (u update) knows() vclock.Vector {
	knows := u.base
	for id, n := range u.counts() {
		_, _ = knows.Advance(id, n) // parse has looked at it
	}
	return knows
}

// counts returns how many deltas there are of each replica.
func (u update) counts() map[vclock.ID]uint64 {
	counts := map[vclock.ID]uint64{}
	for _, e := range u.entries {
		counts[e.dot.ID]++
	}
	return counts
}

func (u update) bytes() []byte { return u.appendTo(nil) }

func (u update) appendTo(b []byte) []byte {
	b = binary.AppendUvarint(append(b, kindUpdate.form()), uint64(u.what))
	b = u.base.AppendTo(b)
	if u.what == whatFull {
		return append(b, u.state...)
	}
	names := slices.Sorted(maps.Keys(u.counts()))
	b = appendNames(b, names)
	b = binary.AppendUvarint(b, uint64(len(u.entries)))
	for _, e := range u.entries {
		at, _ := slices.BinarySearch(names, e.dot.ID)
		b = binary.AppendUvarint(b, uint64(at))
		b = append(binary.AppendUvarint(b, uint64(len(e.delta))), e.delta...)
	}
	return b
}

// parseUpdate reads what bytes writes, and nothing else. The bytes of deltas and states are not copied, nor looked into.
func parseUpdate(b []byte) (u update, err error) {
	d := decode(kindUpdate, b)
	u.what = what(d.Number(uint64(whatFull)))
	u.base = d.Vector()
	if u.what == whatFull {
		u.state = d.Bytes(d.Left())
	} else {
		u.entries = parseEntries(d, u.base)
	}
	return u, d.End()
}

func parseEntries(d *vclock.Decoder, base vclock.Vector) (entries []entry) {
	names := parseNames(d)
	counts := make([]uint64, len(names))
	for range d.Count(2) {
		at := d.Number(uint64(len(names)))
		delta := d.Bytes(d.Count(1))
		if d.Err() == nil && at == uint64(len(names)) {
			d.Fail("name %d of %d", at, len(names))
		}
		if d.Err() != nil {
			return nil
		}
		counts[at]++
		n := base.Get(names[at]) + counts[at]
		if n > vclock.MaxCount {
			d.Fail("%v at %d, at most %d", names[at], n, uint64(vclock.MaxCount))
		}
		entries = append(entries, entry{vclock.Dot{ID: names[at], N: n}, delta})
	}
	if d.Err() == nil && (len(entries) == 0 || slices.Contains(counts, 0)) {
		d.Fail("%d names, but not a delta of each", len(names))
	}
	return entries
}
