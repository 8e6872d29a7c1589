package vclock

import "math"

// eventTree says how high the counts are over an interval: n, and above that what its halves say. It is
// immutable, and in normal form: halves that are even are one number, and one half at least begins
// at 0, so that n is the lowest count of all.
//
//	(2,0,(0,1,0))    count 3             ┌───┐
//	                       2     ┌───────┘   └───┐
//	                       0     └───────────────┘
//
// The number is beside the pointer and not behind it: to raise or lower a tree makes no copy of it, and trees of
// which one is the other, raised, have the same halves. Whether they have is the first look of
// all operations on two of them. Trees of nodes behind a pointer each, as the paper draws them, are impl=naive:
// an Event of one in 256 allocates 33 times there, and 8 times here (BenchmarkStampEvent).
type eventTree struct {
	n      uint64
	halves *[2]eventTree // left and right if it is not even: one allocation for both
}

// pairEvent has n, and above that a left and a right half.
func pairEvent(n uint64, l, r eventTree) eventTree {
	if l.halves == nil && r == l {
		return l.lift(n)
	}
	low := min(l.n, r.n)
	return eventTree{n + low, &[2]eventTree{{l.n - low, l.halves}, {r.n - low, r.halves}}}
}

// lift is all of it so much higher.
func (e eventTree) lift(n uint64) eventTree { return eventTree{e.n + n, e.halves} }

// split returns the halves, above n, also of what is even.
func (e eventTree) split() (l, r eventTree) {
	if e.halves == nil {
		return l, r
	}
	return e.halves[0], e.halves[1]
}

// with is e with other halves, and e itself if they are its own.
func (e eventTree) with(l, r eventTree) eventTree {
	if el, er := e.split(); l == el && r == er {
		return e
	}
	return pairEvent(e.n, l, r)
}

// highest returns the highest count.
func (e eventTree) highest() uint64 {
	if e.halves == nil {
		return e.n
	}
	return e.n + max(e.halves[0].highest(), e.halves[1].highest())
}

// deeper reports whether it is cut more often than so, anywhere.
func (e eventTree) deeper(than int) bool {
	return e.halves != nil && (than == 0 || e.halves[0].deeper(than-1) || e.halves[1].deeper(than-1))
}

// differ reports whether e is above f somewhere, and the other way round.
func (e eventTree) differ(f eventTree) (more, less bool) {
	switch {
	case e.halves == f.halves:
		return e.n > f.n, e.n < f.n
	case e.halves == nil:
		return e.n > f.n, e.n < f.highest()
	case f.halves == nil:
		return e.highest() > f.n, e.n < f.n
	}
	for i := range 2 {
		m, l := e.halves[i].lift(e.n).differ(f.halves[i].lift(f.n))
		more, less = more || m, less || l
		if more && less {
			break
		}
	}
	return more, less
}

// join is the higher of the two, everywhere.
func (e eventTree) join(f eventTree) eventTree {
	if e.n > f.n {
		e, f = f, e
	}
	if e.halves == f.halves || e.halves == nil {
		return f
	}
	above := f.n - e.n
	el, er := e.split()
	fl, fr := f.split()
	fl, fr = fl.lift(above), fr.lift(above)
	switch l, r := el.join(fl), er.join(fr); {
	case l == el && r == er:
		return e
	case l == fl && r == fr:
		return f
	default:
		return pairEvent(e.n, l, r)
	}
}

// fill raises what is owned as far as that makes the tree smaller and no higher, and returns e itself if
// there is nothing to raise. A piece that is owned altogether becomes even at its highest count. If
// it is half of something, then it may go up to the lowest count of the other half as well, which makes both
// one number if the other one is even.
func (e eventTree) fill(i idTree) eventTree {
	switch {
	case i.none() || e.halves == nil:
		return e
	case i.whole:
		return eventTree{n: e.highest()}
	}
	l, r := e.halves[0], e.halves[1]
	switch il, ir := i.halves[0], i.halves[1]; {
	case il.whole:
		r = r.fill(ir)
		l = eventTree{n: max(l.highest(), r.n)}
	case ir.whole:
		l = l.fill(il)
		r = eventTree{n: max(r.highest(), l.n)}
	default:
		l, r = l.fill(il), r.fill(ir)
	}
	return e.with(l, r)
}

// What it costs to grow: the cuts that have to be made, as many as possible of which are avoided,
// and among equals the way down. No tree is as deep as a cut is dear.
const (
	costStep = 1
	costCut  = 1 << 32
	never    = math.MaxUint64
)

// grow raises one count that is owned, where that costs least, by one, and returns what it cost: never if all
// are as high as the room above e. There is nothing to fill, so a piece that is owned altogether is
// even. Of two that cost the same it is the right one, as in the paper.
func (e eventTree) grow(i idTree, room uint64) (eventTree, uint64) {
	if i.whole {
		if e.n >= room {
			return e, never
		}
		return eventTree{n: e.n + 1}, 0
	}
	l, r := e.split()
	il, ir := i.halves[0], i.halves[1]
	left, right := l, r
	costLeft, costRight := uint64(never), uint64(never)
	if !il.none() {
		left, costLeft = l.grow(il, room-e.n)
	}
	if !ir.none() {
		right, costRight = r.grow(ir, room-e.n)
	}
	cost := min(costLeft, costRight)
	if cost == never {
		return e, never
	}
	cost += costStep
	if e.halves == nil {
		cost += costCut
	}
	if costLeft < costRight {
		return e.with(left, r), cost
	}
	return e.with(l, right), cost
}
