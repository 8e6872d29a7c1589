package vclock

// idTree says which pieces of an interval are owned. It is immutable, and in normal form: what is owned
// altogether, or not at all, is not cut.
type idTree struct {
	whole  bool
	halves *[2]idTree // left and right if it is cut: one allocation for both
}

// none reports whether nothing is owned.
func (i idTree) none() bool { return !i.whole && i.halves == nil }

// pairID has a left and a right half.
func pairID(l, r idTree) idTree {
	switch {
	case l.none() && r.none():
		return idTree{}
	case l.whole && r.whole:
		return idTree{whole: true}
	}
	return idTree{halves: &[2]idTree{l, r}}
}

// split shares what is owned between two. If it is owned in both halves, then each gets
// one; so a cut is only made in who has a single piece.
func (i idTree) split() (a, b idTree) {
	whole := idTree{whole: true}
	switch {
	case i.none():
		return i, i
	case i.whole:
		return pairID(whole, idTree{}), pairID(idTree{}, whole)
	}
	l, r := i.halves[0], i.halves[1]
	switch {
	case l.none():
		a, b = r.split()
		return pairID(idTree{}, a), pairID(idTree{}, b)
	case r.none():
		a, b = l.split()
		return pairID(a, idTree{}), pairID(b, idTree{})
	}
	return pairID(l, idTree{}), pairID(idTree{}, r)
}

// sum has the pieces of both, and reports whether none of them is in both.
func (i idTree) sum(j idTree) (idTree, bool) {
	switch {
	case i.none():
		return j, true
	case j.none():
		return i, true
	case i.whole || j.whole:
		return idTree{}, false
	}
	l, ok := i.halves[0].sum(j.halves[0])
	if !ok {
		return idTree{}, false
	}
	r, ok := i.halves[1].sum(j.halves[1])
	return pairID(l, r), ok
}

// deeper reports whether it is cut more often than so, anywhere.
func (i idTree) deeper(than int) bool {
	return i.halves != nil && (than == 0 || i.halves[0].deeper(than-1) || i.halves[1].deeper(than-1))
}
