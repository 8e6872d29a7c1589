package btree

import (
	"bytes"
	"encoding/binary"
	"iter"
)

// Entry is a key and its value. It is a plain value: safe for concurrent use.
type Entry struct {
	Key, Value []byte
}

// Cursor goes through the entries of a transaction, in the order of their keys. It
// begins nowhere: First, Last or Seek take it to an entry. Changes that the transaction
// makes meanwhile do not confuse it: Next and Prev go on from the key where it was,
// whether that is still there or not. It is not safe for concurrent use.
type Cursor struct {
	tx   *Tx
	path []step
	leaf *page // nil when it is nowhere
	i    int
	err  error

	ahead *page // a scan will come to this leaf next; nil if nobody has looked

	// Of a transaction that writes: to find the place again after a change.
	key []byte
	ops int
}

// Cursor returns a new one.
func (t *Tx) Cursor() *Cursor { return &Cursor{tx: t} }

// First goes to the first entry, and reports whether there is one.
func (c *Cursor) First() bool { return c.Seek(nil) }

// Seek goes to the first entry whose key is not below key, and reports whether there is
// one.
func (c *Cursor) Seek(key []byte) bool {
	for p := c.start(); p != nil; {
		if p.isLeaf() {
			c.leaf = p
			c.i, _ = p.find(key)
			return c.settle(+1)
		}
		p = c.descend(p, p.childFor(key))
	}
	return false
}

// Last goes to the last entry, and reports whether there is one.
func (c *Cursor) Last() bool {
	for p := c.start(); p != nil; {
		if p.isLeaf() {
			c.leaf, c.i = p, p.count()-1
			return c.settle(-1)
		}
		p = c.descend(p, p.count())
	}
	return false
}

// Next goes to the next entry, and reports whether there is one.
func (c *Cursor) Next() bool {
	if c.leaf == nil {
		return false
	}
	if c.again() { // else it has come to the next one already
		c.i++
	}
	return c.settle(+1)
}

// Prev goes to the entry before, and reports whether there is one.
func (c *Cursor) Prev() bool {
	if c.leaf == nil {
		return false
	}
	if c.again(); c.leaf == nil { // what was here and behind is gone
		return c.err == nil && c.Last()
	}
	c.i--
	return c.settle(-1)
}

// Key returns the key of the entry, nil if the cursor is nowhere.
func (c *Cursor) Key() []byte {
	switch {
	case c.leaf == nil || c.ended():
		return nil
	case c.tx.writable:
		return bytes.Clone(c.key)
	}
	return c.leaf.key(c.i)
}

// Value returns the value of the entry. It is nil if the cursor is nowhere, if the
// transaction has deleted the entry, or if it cannot be read; then Err says why.
func (c *Cursor) Value() []byte {
	if c.leaf == nil || c.ended() {
		return nil
	}
	if c.tx.writable && c.ops != c.tx.ops {
		value, err := c.tx.Get(c.key)
		if err != nil && err != ErrNotFound {
			c.stop(err)
		}
		return value
	}
	value, err := c.tx.value(c.leaf, c.i)
	if err != nil {
		c.stop(err)
	}
	return value
}

// ended reports whether the transaction has, whose pages may be somebody else's then.
func (c *Cursor) ended() bool {
	if c.tx.done {
		c.stop(ErrTxDone)
	}
	return c.tx.done
}

// Err returns why the cursor has come to no entry, nil if there was none to come to.
func (c *Cursor) Err() error { return c.err }

// start returns the root, nil if there is none.
func (c *Cursor) start() *page {
	c.path, c.leaf, c.err = c.path[:0], nil, nil
	switch {
	case c.tx.done:
		c.err = ErrTxDone
		return nil
	case c.tx.root == 0:
		return nil
	}
	p, err := c.tx.db.top(c.tx.root, c.tx.id)
	if err != nil {
		return c.stop(err)
	}
	return p
}

func (c *Cursor) stop(err error) *page {
	c.leaf, c.err = nil, err
	return nil
}

// descend goes to child i of a page, nil if it cannot be read.
func (c *Cursor) descend(p *page, i int) *page {
	child := c.ahead
	if child == nil || child.id != p.child(i) {
		var err error
		if child, err = c.tx.db.below(p, i); err != nil {
			return c.stop(err)
		}
	}
	c.path = append(c.path, step{p, i})
	return child
}

// settle goes to the leaf before or behind while the place is outside of the leaf.
func (c *Cursor) settle(way int) bool {
	if c.ended() {
		return false
	}
	for c.leaf != nil && (c.i < 0 || c.i >= c.leaf.count()) {
		c.turn(way)
	}
	if c.leaf != nil && c.tx.writable {
		c.key = append(c.key[:0], c.leaf.key(c.i)...)
		c.ops = c.tx.ops
	}
	return c.leaf != nil
}

// turn goes to the leaf before or behind, or nowhere.
func (c *Cursor) turn(way int) {
	c.leaf = nil
	for len(c.path) > 0 {
		top := c.path[len(c.path)-1]
		c.path = c.path[:len(c.path)-1]
		i := top.i + way
		if i < 0 || i > top.p.count() {
			continue
		}
		p := c.descend(top.p, i)
		for p != nil && !p.isLeaf() {
			end := 0
			if way < 0 {
				end = p.count()
			}
			p = c.descend(p, end)
		}
		if p != nil {
			c.leaf, c.i = p, 0
			if way < 0 {
				c.i = p.count() - 1
			}
		}
		return
	}
}

// again finds the place anew if the transaction has changed something, and reports
// whether the entry is still there; otherwise it is at the next one.
func (c *Cursor) again() bool {
	if !c.tx.writable || c.ops == c.tx.ops {
		return true
	}
	key := bytes.Clone(c.key)
	return c.Seek(key) && bytes.Equal(c.key, key)
}

// Scan yields the entries with keys from lo on and below hi; nil is the beginning or the
// end. The last pair carries the error that ended it, if one did.
func (t *Tx) Scan(lo, hi []byte) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		c := Cursor{tx: t}
		for ok := c.Seek(lo); ok; ok = c.Next() {
			if !t.writable && !c.scanLeaf(hi, yield) {
				return
			}
			if c.ended() {
				break
			}
			e := Entry{Key: c.Key()}
			if hi != nil && bytes.Compare(e.Key, hi) >= 0 {
				return
			}
			if e.Value = c.Value(); c.err != nil {
				break
			}
			if !yield(e, nil) {
				return
			}
		}
		if c.err != nil {
			yield(Entry{}, c.err)
		}
	}
}

// scanLeaf yields the entries of the leaf up to one that is large, or the last one, which
// it leaves to the cursor; it reports whether to go on. Nobody changes the leaf, so that
// there is nothing to look at between two entries but them: a scan of all takes half the
// time (BenchmarkScan), and so page.stored is written out here.
func (c *Cursor) scanLeaf(hi []byte, yield func(Entry, error) bool) bool {
	p, last := c.leaf, c.leaf.count()-1
	c.lookAhead()
	for ; c.i < last && !c.tx.done; c.i++ {
		s := p.slot(c.i)
		if slotElsewhere(s) {
			break
		}
		at := slotPlace(s)
		from := at + 2 + slotKeyLen(s)
		end := from + int(binary.LittleEndian.Uint16(p.data[at:]))
		e := Entry{p.data[at+2 : from : from], p.data[from:end:end]}
		if hi != nil && bytes.Compare(e.Key, hi) >= 0 || !yield(e, nil) {
			return false
		}
	}
	return true
}

// lookAhead finds the next leaf, if it is in memory, while this one is read: memory then
// answers several questions at a time, not one after the other (13 % of BenchmarkScan
// with a million entries).
func (c *Cursor) lookAhead() {
	c.ahead = nil
	if len(c.path) == 0 {
		return
	}
	top := c.path[len(c.path)-1]
	if top.i < top.p.count() {
		if p := c.tx.db.pages.get(top.p.child(top.i + 1)); p != nil && p.isLeaf() && p.tx <= top.p.tx {
			c.ahead = p
		}
	}
}

// Backward is Scan from the last entry to the first.
func (t *Tx) Backward(lo, hi []byte) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		c := Cursor{tx: t}
		for ok := c.seekBelow(hi); ok; ok = c.Prev() {
			e := Entry{Key: c.Key()}
			if bytes.Compare(e.Key, lo) < 0 {
				return
			}
			if e.Value = c.Value(); c.err != nil {
				break
			}
			if !yield(e, nil) {
				return
			}
		}
		if c.err != nil {
			yield(Entry{}, c.err)
		}
	}
}

// seekBelow goes to the last entry whose key is below one; nil is above all.
func (c *Cursor) seekBelow(key []byte) bool {
	if key == nil || !c.Seek(key) && c.err == nil {
		return c.Last()
	}
	return c.err == nil && c.Prev()
}
