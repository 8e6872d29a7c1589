package hashring

import "math"

// A plan says what has to be copied before one ring can take the place of another: not key by
// key, as Diff does, but by arcs of hashes, and so without knowing a single key. Both rings are
// sorted lists of places, and the owner of a hash can only change where either has one. So a
// plan is a merge of the two lists, and of the splits of two Ranges just so:
//
//	before   ──a────────b────────────a──      c comes
//	after    ──a────c───b───────c────a──
//	plan        ├b→c┤    ├─a→c──┤

// Transfer is what one node hands to another: the keys in Keys whose hashes are in Hashes. It
// is a value and is safe for concurrent use.
type Transfer struct {
	From, To Node // as they are before and after; zero if there is none
	Hashes   Arc  // as Ring.Hash returns them; all of them in the plan of a Range
	Keys     Span // all of them in the plan of a Ring
	// Some says that, of the keys in Hashes that From has, only some move to To: the two rings
	// hash keys in different ways, and so no arc says which ones. Diff does, for keys one has.
	Some bool
}

// Arc is a part of the circle of hashes, both ends included. None goes over the top of the
// circle, because a database should find its keys with First <= hash and hash <= Last: what
// does is given as two. It is a value and is safe for concurrent use.
type Arc struct {
	First, Last uint64
}

// Contains reports whether a hash is on the arc.
func (a Arc) Contains(h uint64) bool { return a.First <= h && h <= a.Last }

// Share returns how much of the circle the arc is, up to 1.
func (a Arc) Share() float64 { return (float64(a.Last-a.First) + 1) / (1 << 64) }

// allHashes returns the arc of all hashes.
func allHashes() Arc { return Arc{0, math.MaxUint64} }

// Plan returns what moves if after takes the place of r, in the order of hashes: exactly the
// arcs whose node before and after has not the same name. Arcs side by side with the same From
// and To are one. It takes time in proportion to the virtual nodes of both.
//
// If the rings hash keys in different ways, as one of NewKetama and one that is not do, then one
// hash of a key says nothing about the other, and any node may hand keys to any other. Then Plan
// returns each such pair once, with the whole circle and Some: every key that moves is in the one
// of its From and To, but more are.
func (r *Ring) Plan(after *Ring) []Transfer {
	if len(r.nodes) > 0 && len(after.nodes) > 0 && !r.hashesKeysLike(after) {
		return anyToAny(r.nodes, after.nodes)
	}
	var plan []Transfer
	names := twins(r.nodes, after.nodes)
	lastFrom, lastTo := noOwner, noOwner // of the last Transfer
	first := uint64(0)
	for i, j := 0, 0; ; {
		endBefore, from := r.arc(i)
		endAfter, to := after.arc(j)
		last := min(endBefore, endAfter)
		if from != names.of(to) {
			if n := len(plan); n > 0 && plan[n-1].Hashes.Last+1 == first && lastFrom == from && lastTo == to {
				plan[n-1].Hashes.Last = last
			} else {
				plan = append(plan, Transfer{From: r.node(from), To: after.node(to), Hashes: Arc{first, last}})
				lastFrom, lastTo = from, to
			}
		}
		if last == math.MaxUint64 {
			return plan
		}
		first = last + 1
		i, j = r.after(i, last), after.after(j, last)
	}
}

// hashesKeysLike reports whether a key has the same hash on both rings.
func (r *Ring) hashesKeysLike(other *Ring) bool { return r.ketama == other.ketama }

// noOwner is the number of the owner that a ring without nodes has.
const noOwner = -1

// arc returns the last hash and the owner of an arc, by number: of the one that ends at a
// place, or of the one behind the last place, which belongs to the first.
func (r *Ring) arc(i int) (last uint64, owner int) {
	switch {
	case len(r.hashes) == 0:
		return math.MaxUint64, noOwner
	case i == len(r.hashes):
		return math.MaxUint64, int(r.owners[0])
	}
	return r.hashes[i], int(r.owners[i])
}

// after returns the first arc, from number i on, that does not end with a hash. Where two places
// are equal, as they may be for ketama, only the first has an arc.
func (r *Ring) after(i int, last uint64) int {
	for i < len(r.hashes) && r.hashes[i] == last {
		i++
	}
	return i
}

// node returns an owner by number.
func (r *Ring) node(owner int) Node {
	if owner == noOwner {
		return Node{}
	}
	return r.nodes[owner]
}

// numbers are, for the numbers of nodes after, those that nodes of the same names have before.
type numbers []int

// twins finds the same names in two sorted lists, so that arcs compare numbers.
func twins(before, after []Node) numbers {
	same := make(numbers, len(after))
	i := 0
	for j, n := range after {
		for i < len(before) && before[i].Name < n.Name {
			i++
		}
		if same[j] = i; i == len(before) || before[i].Name != n.Name {
			same[j] = noOwner - 1 // no number that is from
		}
	}
	return same
}

func (n numbers) of(after int) int {
	if after == noOwner {
		return noOwner
	}
	return n[after]
}

// anyToAny returns all pairs of nodes that have different names.
func anyToAny(before, after []Node) []Transfer {
	var plan []Transfer
	for _, from := range before {
		for _, to := range after {
			if from.Name != to.Name {
				plan = append(plan, Transfer{From: from, To: to, Hashes: allHashes(), Some: true})
			}
		}
	}
	return plan
}

// Plan returns what moves if after takes the place of r, in the order of keys: exactly the
// spans whose node before and after has not the same name. Spans side by side with the same
// From and To are one. It takes time in proportion to the partitions of both.
func (r *Range) Plan(after *Range) []Transfer {
	var plan []Transfer
	lo := ""
	for i, j := 0, 0; ; {
		before, then := r.partition(i), after.partition(j)
		hi := before.Hi
		if hi == "" || then.Hi != "" && then.Hi < hi {
			hi = then.Hi
		}
		if from, to := before.Node, then.Node; from.Name != to.Name {
			if n := len(plan); n > 0 && plan[n-1].Keys.Hi == lo && plan[n-1].From == from && plan[n-1].To == to {
				plan[n-1].Keys.Hi = hi
			} else {
				plan = append(plan, Transfer{From: from, To: to, Hashes: allHashes(), Keys: Span{lo, hi}})
			}
		}
		if hi == "" {
			return plan
		}
		lo = hi
		if before.Hi == hi {
			i++
		}
		if then.Hi == hi {
			j++
		}
	}
}
