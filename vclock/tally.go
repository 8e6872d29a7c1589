package vclock

import (
	"cmp"
	"encoding/binary"
)

// tally is a number for each name of a roster, at least 1: what Vector and Context have in common. Who has
// one says who may write to its numbers; nothing here does.
type tally struct {
	roster *roster
	counts numbers
}

// vector has a copy of the numbers, which are plain, as a Vector has them.
func (t tally) vector() (v Vector) {
	v.roster = t.roster
	v.room(len(t.counts))
	for i, n := range t.counts {
		v.put(i, len(t.counts), n)
	}
	return v
}

func (t tally) get(id ID) uint64 {
	if i, is := t.roster.find(id); is {
		return t.counts.at(i, t.roster.len())
	}
	return 0
}

// differ reports whether t knows something that u does not, and the other way round.
func (t tally) differ(u tally) (more, less bool) {
	a, b := t.roster.names(), u.roster.names()
	if t.roster.same(u.roster) {
		return t.counts.differ(u.counts, len(a))
	}
	i, j := 0, 0
	for i < len(a) && j < len(b) && !(more && less) {
		switch order := cmp.Compare(a[i], b[j]); {
		case order < 0:
			more = true
			i++
		case order > 0:
			less = true
			j++
		default:
			mine, theirs := t.counts.at(i, len(a)), u.counts.at(j, len(b))
			more = more || mine > theirs
			less = less || mine < theirs
			i, j = i+1, j+1
		}
	}
	return more || i < len(a), less || j < len(b)
}

// union has the larger number of each name that one of two has, and plain numbers. Rosters and numbers are apart, and in meet
// too, as only rosters are kept: of a tally the compiler would think that all of it is, and allocate each Vector that
// has its numbers within.
func union(r, s *roster, mine, theirs numbers) tally {
	a, b := r.names(), s.names()
	names, counts := make([]ID, 0, len(a)+len(b)), make(numbers, 0, len(a)+len(b))
	i, j := 0, 0
	for i < len(a) || j < len(b) {
		order := 0
		switch {
		case j == len(b):
			order = -1
		case i == len(a):
			order = 1
		default:
			order = cmp.Compare(a[i], b[j])
		}
		switch {
		case order < 0:
			names, counts = append(names, a[i]), append(counts, mine.at(i, len(a)))
			i++
		case order > 0:
			names, counts = append(names, b[j]), append(counts, theirs.at(j, len(b)))
			j++
		default:
			names, counts = append(names, a[i]), append(counts, max(mine.at(i, len(a)), theirs.at(j, len(b))))
			i, j = i+1, j+1
		}
	}
	if len(names) == len(b) {
		return tally{s, counts}
	}
	return tally{r.of(names), counts}
}

// meet has the smaller number of each name of both, and plain numbers.
func meet(r, s *roster, mine, theirs numbers) tally {
	a, b := r.names(), s.names()
	var names []ID
	var counts numbers
	for i, j := 0, 0; i < len(a) && j < len(b); {
		switch order := cmp.Compare(a[i], b[j]); {
		case order < 0:
			i++
		case order > 0:
			j++
		default:
			names, counts = append(names, a[i]), append(counts, min(mine.at(i, len(a)), theirs.at(j, len(b))))
			i, j = i+1, j+1
		}
	}
	return tally{r.of(names), counts}
}

// appendTo writes how many names there are, and each, as all names are written, with its number.
func (t tally) appendTo(b []byte) []byte {
	b = binary.AppendUvarint(b, uint64(t.roster.len()))
	before := ID("")
	for i, id := range t.roster.names() {
		b = AppendID(b, before, id)
		b = binary.AppendUvarint(b, t.counts.at(i, t.roster.len()))
		before = id
	}
	return b
}
