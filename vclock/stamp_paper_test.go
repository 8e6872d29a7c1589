package vclock

import "fmt"

// paperStamp is the clock as the paper writes it, function by function, over trees of pointers: what Stamp is
// held against, and impl=naive.
type paperStamp struct{ id, event *paperTree }

// paperTree is an id, of which only the numbers 0 and 1 at the ends matter, or an event.
type paperTree struct {
	n    uint64
	l, r *paperTree // both or none
}

func paperLeaf(n uint64) *paperTree { return &paperTree{n: n} }

func paperSeed() paperStamp { return paperStamp{paperLeaf(1), paperLeaf(0)} }

func (s paperStamp) String() string {
	return "(" + s.id.text(false) + "," + s.event.text(true) + ")"
}

func (t *paperTree) text(isEvent bool) string {
	switch {
	case t.l == nil:
		return fmt.Sprint(t.n)
	case isEvent:
		return fmt.Sprintf("(%d,%s,%s)", t.n, t.l.text(true), t.r.text(true))
	}
	return fmt.Sprintf("(%s,%s)", t.l.text(false), t.r.text(false))
}

func (s paperStamp) fork() (a, b paperStamp) {
	l, r := paperSplit(s.id)
	return paperStamp{l, s.event}, paperStamp{r, s.event}
}

func (s paperStamp) join(t paperStamp) paperStamp {
	return paperStamp{paperSum(s.id, t.id), paperJoin(s.event, t.event)}
}

func (s paperStamp) happen() paperStamp {
	e := paperFill(s.id, s.event)
	if e.equal(s.event) {
		e, _ = paperGrow(s.id, s.event)
	}
	return paperStamp{s.id, e}
}

func (t *paperTree) equal(u *paperTree) bool {
	if t.l == nil || u.l == nil {
		return t.l == u.l && t.n == u.n
	}
	return t.n == u.n && t.l.equal(u.l) && t.r.equal(u.r)
}

func paperNormID(l, r *paperTree) *paperTree {
	if l.l == nil && r.l == nil && l.n == r.n {
		return l
	}
	return &paperTree{l: l, r: r}
}

func paperSplit(i *paperTree) (a, b *paperTree) {
	zero := paperLeaf(0)
	pair := func(l, r *paperTree) *paperTree { return &paperTree{l: l, r: r} }
	isZero := func(t *paperTree) bool { return t.l == nil && t.n == 0 }
	switch {
	case isZero(i):
		return zero, zero
	case i.l == nil:
		return pair(paperLeaf(1), zero), pair(zero, paperLeaf(1))
	case isZero(i.l):
		a, b = paperSplit(i.r)
		return pair(zero, a), pair(zero, b)
	case isZero(i.r):
		a, b = paperSplit(i.l)
		return pair(a, zero), pair(b, zero)
	}
	return pair(i.l, zero), pair(zero, i.r)
}

func paperSum(i, j *paperTree) *paperTree {
	switch {
	case i.l == nil && i.n == 0:
		return j
	case j.l == nil && j.n == 0:
		return i
	}
	return paperNormID(paperSum(i.l, j.l), paperSum(i.r, j.r))
}

func (t *paperTree) lift(m uint64) *paperTree { return &paperTree{t.n + m, t.l, t.r} }
func (t *paperTree) sink(m uint64) *paperTree { return &paperTree{t.n - m, t.l, t.r} }

func (t *paperTree) min() uint64 {
	if t.l == nil {
		return t.n
	}
	return t.n + min(t.l.min(), t.r.min())
}

func (t *paperTree) max() uint64 {
	if t.l == nil {
		return t.n
	}
	return t.n + max(t.l.max(), t.r.max())
}

func paperNorm(n uint64, l, r *paperTree) *paperTree {
	if l.l == nil && r.l == nil && l.n == r.n {
		return paperLeaf(n + l.n)
	}
	m := min(l.min(), r.min())
	return &paperTree{n + m, l.sink(m), r.sink(m)}
}

func paperLeq(a, b *paperTree) bool {
	switch {
	case a.l == nil:
		return a.n <= b.n
	case b.l == nil:
		return a.n <= b.n && paperLeq(a.l.lift(a.n), b) && paperLeq(a.r.lift(a.n), b)
	}
	return a.n <= b.n && paperLeq(a.l.lift(a.n), b.l.lift(b.n)) && paperLeq(a.r.lift(a.n), b.r.lift(b.n))
}

func (s paperStamp) compare(t paperStamp) Ordering {
	return ordering(!paperLeq(s.event, t.event), !paperLeq(t.event, s.event))
}

func paperJoin(a, b *paperTree) *paperTree {
	switch {
	case a.l == nil && b.l == nil:
		return paperLeaf(max(a.n, b.n))
	case a.l == nil:
		return paperJoin(&paperTree{a.n, paperLeaf(0), paperLeaf(0)}, b)
	case b.l == nil:
		return paperJoin(a, &paperTree{b.n, paperLeaf(0), paperLeaf(0)})
	case a.n > b.n:
		return paperJoin(b, a)
	}
	m := b.n - a.n
	return paperNorm(a.n, paperJoin(a.l, b.l.lift(m)), paperJoin(a.r, b.r.lift(m)))
}

func paperFill(i, e *paperTree) *paperTree {
	isOne := func(t *paperTree) bool { return t.l == nil && t.n == 1 }
	switch {
	case i.l == nil && i.n == 0:
		return e
	case isOne(i):
		return paperLeaf(e.max())
	case e.l == nil:
		return e
	case isOne(i.l):
		r := paperFill(i.r, e.r)
		return paperNorm(e.n, paperLeaf(max(e.l.max(), r.min())), r)
	case isOne(i.r):
		l := paperFill(i.l, e.l)
		return paperNorm(e.n, l, paperLeaf(max(e.r.max(), l.min())))
	}
	return paperNorm(e.n, paperFill(i.l, e.l), paperFill(i.r, e.r))
}

func paperGrow(i, e *paperTree) (*paperTree, int) {
	const n = 1_000_000 // the paper: some large constant
	isZero := func(t *paperTree) bool { return t.l == nil && t.n == 0 }
	switch {
	case i.l == nil:
		return paperLeaf(e.n + 1), 0
	case e.l == nil:
		grown, cost := paperGrow(i, &paperTree{e.n, paperLeaf(0), paperLeaf(0)})
		return grown, cost + n
	case isZero(i.l):
		r, cost := paperGrow(i.r, e.r)
		return &paperTree{e.n, e.l, r}, cost + 1
	case isZero(i.r):
		l, cost := paperGrow(i.l, e.l)
		return &paperTree{e.n, l, e.r}, cost + 1
	}
	l, left := paperGrow(i.l, e.l)
	r, right := paperGrow(i.r, e.r)
	if left < right {
		return &paperTree{e.n, l, e.r}, left + 1
	}
	return &paperTree{e.n, e.l, r}, right + 1
}
