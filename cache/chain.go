package cache

import "iter"

// chain is a doubly linked list, the shape of nearly every queue in the
// textbook policies. It is a circle closed by a root, so that no operation has
// a special case for the ends. All of them take constant time:
//
//	root ⇄ front (newest) ⇄ … ⇄ back (oldest) ⇄ root
//	                 ◀ prev   next ▶
//
// Unlike that of container/list, a link can be put from one chain into another,
// and it knows in which it is: a policy with several queues needs both. The
// zero chain is empty. It must not be copied once it is used.
type chain[T any] struct {
	root link[T] // its entry is unused
	len  int
}

// link is one place in a chain, or in none.
type link[T any] struct {
	prev, next *link[T] // towards the front, towards the back
	in         *chain[T]
	entry      T
}

// toFront puts a link to the front, wherever it was before.
func (c *chain[T]) toFront(l *link[T]) {
	c.close()
	l.leave()
	c.insert(l, c.root.next)
}

// toBack puts a link that is in no chain to the back.
func (c *chain[T]) toBack(l *link[T]) {
	c.close()
	c.insert(l, &c.root)
}

// leave takes a link out of the chain that it is in, if any. Its pointers
// become nil, so that somebody who holds it holds nothing else.
func (l *link[T]) leave() {
	if l.in == nil {
		return
	}
	l.prev.next, l.next.prev = l.next, l.prev
	l.in.len--
	l.prev, l.next, l.in = nil, nil, nil
}

// back returns the oldest link, or nil.
func (c *chain[T]) back() *link[T] {
	if c.len == 0 {
		return nil
	}
	return c.root.prev
}

// ahead returns the next link towards the front, or nil.
func (l *link[T]) ahead() *link[T] {
	if l.prev == &l.in.root {
		return nil
	}
	return l.prev
}

// all yields the links from front to back.
func (c *chain[T]) all() iter.Seq[*link[T]] {
	return func(yield func(*link[T]) bool) {
		for l := c.root.next; l != nil && l != &c.root; l = l.next {
			if !yield(l) {
				return
			}
		}
	}
}

// insert puts a link that is in no chain directly in front of another.
func (c *chain[T]) insert(l, next *link[T]) {
	l.prev, l.next, l.in = next.prev, next, c
	l.prev.next, l.next.prev = l, l
	c.len++
}

// close makes a circle of a zero chain.
func (c *chain[T]) close() {
	if c.root.next == nil {
		c.root.prev, c.root.next = &c.root, &c.root
	}
}
