package crdt

import (
	"slices"

	"github.com/plinth-go/plinth/vclock"
)

// deltaLog is the deltas that a replica can hand on, in the order in which they came to it. Whatever a delta
// may build on has come before it, so each beginning of the log can be sent alone:
//
//	a:1  a:2  b:1  a:3  c:1  b:2        a peer that knows {a:2} lacks b:1 a:3 c:1 b:2,
//	──────────────────────────▶         and after b:1 a:3 it knows {a:3 b:1}: nothing is missing in between
//
// What is not in it, because it was dropped or never had a delta, is known by that: the peer lacks more dots
// than there are entries for. Then only the full state will do. So dropping is always safe.
//
// It is not safe for concurrent use.
type deltaLog struct {
	entries []entry
	bytes   int // cost of all entries
	limit   int // on bytes
}

// entry is one delta, whose bytes never change.
type entry struct {
	dot   vclock.Dot
	delta []byte
}

// cost is what an entry takes, about: its bytes, and the entry itself.
func (e entry) cost() int { return len(e.delta) + 48 }

// push adds one, and drops the oldest as long as all take more than the limit.
func (l *deltaLog) push(e entry) {
	l.entries = append(l.entries, e)
	l.bytes += e.cost()
	n := 0
	for ; l.bytes > l.limit; n++ {
		l.bytes -= l.entries[n].cost()
	}
	clear(l.entries[:n]) // or the array would keep them
	l.entries = l.entries[n:]
}

// trim drops what everybody knows.
func (l *deltaLog) trim(stable vclock.Vector) {
	l.entries = slices.DeleteFunc(l.entries, func(e entry) bool {
		known := stable.Contains(e.dot)
		if known {
			l.bytes -= e.cost()
		}
		return known
	})
}

// since returns the entries that are in seen and not in known, in order, and false if some are not here any more. What
// a peer lacks is mostly what came last, so it looks from the end, until it has found all.
func (l *deltaLog) since(known, seen vclock.Vector) ([]entry, bool) {
	lacks := uint64(0)
	for id, n := range seen.All() {
		if has := known.Get(id); has < n {
			lacks += n - has
		}
		if lacks > uint64(len(l.entries)) {
			return nil, false
		}
	}
	found := make([]entry, 0, lacks)
	for i := len(l.entries) - 1; i >= 0 && uint64(len(found)) < lacks; i-- {
		if e := l.entries[i]; !known.Contains(e.dot) {
			found = append(found, e)
		}
	}
	slices.Reverse(found)
	return found, uint64(len(found)) == lacks
}
