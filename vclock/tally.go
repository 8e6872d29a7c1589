package vclock

import (
	"cmp"
	"encoding/binary"
)

// tally is a number for each name of a roster, at least 1: what Vector and Context have in common. Who has
// one says who may write to its numbers; nothing here does.
type tally struct {
	roster *roster
	counts []uint64
}

// vector takes over the numbers, to which nobody may write any more.
func (t tally) vector() (v Vector) {
	v.roster = t.roster
	if len(t.counts) <= fewCounts {
		copy(v.few[:], t.counts)
	} else {
		v.many = t.counts
	}
	return v
}

func (t tally) get(id ID) uint64 {
	if i, is := t.roster.find(id); is {
		return t.counts[i]
	}
	return 0
}

// differ reports whether t knows something that u does not, and the other way round.
func (t tally) differ(u tally) (more, less bool) {
	if t.roster.same(u.roster) {
		return numbersDiffer(t.counts, u.counts)
	}
	a, b := t.roster.names(), u.roster.names()
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
			more = more || t.counts[i] > u.counts[j]
			less = less || t.counts[i] < u.counts[j]
			i, j = i+1, j+1
		}
	}
	return more || i < len(a), less || j < len(b)
}

// numbersDiffer is differ of what has the same names. No number is above MaxCount, so the top bit of a difference says which
// is larger. To collect these bits takes 0.6 times as long as comparisons do (BenchmarkCompare, names=shared, n=256).
func numbersDiffer(mine, theirs []uint64) (more, less bool) {
	theirs = theirs[:len(mine)]
	ahead, behind := uint64(0), uint64(0)
	for i, n := range mine {
		ahead |= theirs[i] - n
		behind |= n - theirs[i]
	}
	return ahead>>63 == 1, behind>>63 == 1
}

// union has the larger number of each name that one of two has. Rosters and numbers are apart, and in meet too, as only rosters are
// kept: of a tally the compiler would think that all of it is, and allocate each Vector that has its numbers within.
func union(r, s *roster, mine, theirs []uint64) tally {
	a, b := r.names(), s.names()
	names, counts := make([]ID, 0, len(a)+len(b)), make([]uint64, 0, len(a)+len(b))
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
			names, counts = append(names, a[i]), append(counts, mine[i])
			i++
		case order > 0:
			names, counts = append(names, b[j]), append(counts, theirs[j])
			j++
		default:
			names, counts = append(names, a[i]), append(counts, max(mine[i], theirs[j]))
			i, j = i+1, j+1
		}
	}
	if len(names) == len(b) {
		return tally{s, counts}
	}
	return tally{r.of(names), counts}
}

// meet has the smaller number of each name of both.
func meet(r, s *roster, mine, theirs []uint64) tally {
	a, b := r.names(), s.names()
	var names []ID
	var counts []uint64
	for i, j := 0, 0; i < len(a) && j < len(b); {
		switch order := cmp.Compare(a[i], b[j]); {
		case order < 0:
			i++
		case order > 0:
			j++
		default:
			names, counts = append(names, a[i]), append(counts, min(mine[i], theirs[j]))
			i, j = i+1, j+1
		}
	}
	return tally{r.of(names), counts}
}

// appendTo writes how many names there are, and each, as all names are written, with its number.
func (t tally) appendTo(b []byte) []byte {
	b = binary.AppendUvarint(b, uint64(len(t.counts)))
	before := ID("")
	for i, id := range t.roster.names() {
		b = AppendID(b, before, id)
		b = binary.AppendUvarint(b, t.counts[i])
		before = id
	}
	return b
}
