package btree

import (
	"bytes"
	"encoding/binary"
	"fmt"
)

// The tree. Entries are in the leaves, in order; above them, pages say which child has
// which keys. A change copies the page that it changes, and so the one above, which has
// the number of a new child now, and so on up to the root; in one transaction each page
// is copied once.
//
// Put. The leaf has room: the cell goes in. It has none: the upper half of it moves to a
// new page, and the shortest key that separates the two goes to the page above, with the
// number of the new one; there the same again. When the root is split, there is a new
// root. At either end of the tree the page is not halved, because keys come in order:
// Options.Fill of it stays, all of it if that is 1. At the lower end only leaves do so.
// A Put behind all others, after another one in the same transaction, finds the leaf
// without going down the tree (Tx.end).
//
// Delete. The page still is a quarter full: nothing else. Otherwise the page before it is
// looked at, or behind it if it is the first child: if three quarters of a page are
// enough for both, they become one, and the page above loses a key; there the same again.
// For a page without cells, a whole one is enough. A root with one child is that child.
// Nothing is moved between pages that both stay, so pages may remain that are less full,
// next to such as are full, and an only child may even be empty.

// step is a page on a path and the child that the path goes on with. It is not safe for
// concurrent use.
type step struct {
	p *page
	i int
}

// childFor returns which child may have a key.
func (p *page) childFor(key []byte) int {
	i, found := p.find(key)
	if found {
		i++
	}
	return i
}

// top returns the root page of a version.
func (d *DB) top(root pageID, tx uint64) (*page, error) {
	p, err := d.page(root)
	if err == nil && p.tx > tx {
		err = d.corrupt(root, fmt.Errorf("%w: of transaction %d, and this is %d", errMisplaced, p.tx, tx))
	}
	return p, err
}

// lookUp finds an entry, or returns ErrNotFound.
func (d *DB) lookUp(root pageID, tx uint64, key []byte) (*page, int, error) {
	if root == 0 {
		return nil, 0, ErrNotFound
	}
	p, err := d.top(root, tx)
	for err == nil && !p.isLeaf() {
		p, err = d.below(p, p.childFor(key))
	}
	if err != nil {
		return nil, 0, err
	}
	i, found := p.lookUp(key)
	if !found {
		return nil, 0, ErrNotFound
	}
	return p, i, nil
}

// ownPath goes to the leaf for a key and makes every page on the way the transaction's.
func (t *Tx) ownPath(key []byte) (leaf *page, err error) {
	t.path, t.end = t.path[:0], nil
	if t.root == 0 {
		if leaf, err = t.newPage(leafPage, 0); err == nil {
			t.root = leaf.id
		}
		return leaf, err
	}
	p, err := t.db.top(t.root, t.id)
	if err == nil {
		p, err = t.own(p)
	}
	if err != nil {
		return nil, err
	}
	t.root = p.id
	for !p.isLeaf() {
		i := p.childFor(key)
		c, err := t.ownChild(p, i)
		if err != nil {
			return nil, err
		}
		t.path = append(t.path, step{p, i})
		p = c
	}
	return p, nil
}

// ownChild makes a child of a page of the transaction the transaction's.
func (t *Tx) ownChild(p *page, i int) (*page, error) {
	c, err := t.db.below(p, i)
	if err != nil {
		return nil, err
	}
	if c, err = t.own(c); err == nil {
		p.setChild(i, c.id)
	}
	return c, err
}

// set is Put.
func (t *Tx) set(key, value []byte) error {
	away := !t.db.inline(len(key), len(value))
	if away {
		r, err := t.putElsewhere(value, maxRuns)
		if err != nil {
			return err
		}
		value = r.encode()
	}
	t.scratch = leafCell(t.scratch[:0], key, value)
	if t.goesToEnd(key) {
		t.end.insert(t.end.count(), t.scratch, len(key), away)
		t.entries++
		return nil
	}
	leaf, err := t.ownPath(key)
	if err != nil {
		return err
	}
	i, found := leaf.find(key)
	switch {
	case !found:
		t.entries++
	case leaf.isElsewhere(i):
		if err := t.freeElsewhere(leaf, i); err != nil {
			return err
		}
		leaf.remove(i)
	case !away && len(leaf.stored(i)) == len(value):
		copy(leaf.stored(i), value)
		return nil
	default:
		leaf.remove(i)
	}
	if i == leaf.count() && isLast(t.path) && leaf.fits(len(t.scratch)) {
		t.end = leaf
	}
	return t.insert(t.path, leaf, i, t.scratch, len(key), away)
}

// goesToEnd reports whether the cell in scratch belongs behind all others and has room
// there: if keys come in order, nobody needs to go down the tree for them.
func (t *Tx) goesToEnd(key []byte) bool {
	p := t.end
	return p != nil && p.fits(len(t.scratch)) && bytes.Compare(key, p.key(p.count()-1)) > 0
}

// isLast reports whether a path leads to the last page of its level.
func isLast(path []step) bool {
	for _, s := range path {
		if s.i != s.p.count() {
			return false
		}
	}
	return true
}

func leafCell(b, key, value []byte) []byte {
	b = binary.LittleEndian.AppendUint16(b, uint16(len(value)))
	return append(append(b, key...), value...)
}

func innerCell(b, key []byte, child pageID) []byte {
	return append(binary.LittleEndian.AppendUint32(b, uint32(child)), key...)
}

// insert adds a cell to a page at the end of a path, and splits it if it must.
func (t *Tx) insert(path []step, p *page, i int, cell []byte, keyLen int, away bool) error {
	if p.fits(len(cell)) {
		p.insert(i, cell, keyLen, away)
		return nil
	}
	right, err := t.newPage(p.kind(), p.level())
	if err != nil {
		return err
	}
	at, n := t.splitPlace(path, p, i), p.count()
	var between []byte // the key that goes up
	switch {
	case p.isLeaf() && at == n: // nothing moves
	case p.isLeaf():
		p.moveUpper(at, right, at)
	default:
		between = bytes.Clone(p.key(at))
		right.setChild(0, p.child(at+1))
		p.moveUpper(at, right, at+1)
		n, at = n-1, at+1
	}
	if i < at || i == at && p.isLeaf() && at < n {
		p.insert(i, cell, keyLen, away)
	} else {
		right.insert(i-at, cell, keyLen, away)
	}
	if p.isLeaf() {
		between = separator(p.key(p.count()-1), right.key(0))
	}
	return t.addChild(path, p, between, right)
}

// splitPlace returns how many cells of a full page stay; above leaves, the key there
// goes up.
func (t *Tx) splitPlace(path []step, p *page, i int) int {
	n := p.count()
	first, last := i == 0, i == n && isLast(path)
	for _, s := range path {
		first = first && s.i == 0
	}
	part := 0.5
	switch {
	case last && t.db.options.Fill == 1 && p.isLeaf():
		return n
	case last:
		part = t.db.options.Fill
	case first && p.isLeaf():
		part = 1 - t.db.options.Fill
	}
	want := int(part * float64(p.live()))
	at, bytes := 0, 0
	for at < n-1 {
		bytes += slotSize + p.cellSize(p.slot(at))
		if bytes > want {
			break
		}
		at++
	}
	return at
}

// separator returns the shortest key that is above a and not above b.
func separator(a, b []byte) []byte {
	return bytes.Clone(b[:common(a, b)+1])
}

// addChild tells the page above about a new page, right of p and with keys from between on.
func (t *Tx) addChild(path []step, p *page, between []byte, right *page) error {
	cell := innerCell(nil, between, right.id)
	if last := len(path) - 1; last >= 0 {
		return t.insert(path[:last], path[last].p, path[last].i, cell, len(between), false)
	}
	root, err := t.newPage(innerPage, p.level()+1)
	if err != nil {
		return err
	}
	root.setChild(0, p.id)
	root.insert(0, cell, len(between), false)
	t.root = root.id
	return nil
}

// remove is Delete.
func (t *Tx) remove(key []byte) (deleted bool, err error) {
	_, i, err := t.db.lookUp(t.root, t.id, key)
	if err == ErrNotFound {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	p, err := t.ownPath(key)
	if err != nil {
		return false, err
	}
	if p.isElsewhere(i) {
		if err := t.freeElsewhere(p, i); err != nil {
			return false, err
		}
	}
	p.remove(i)
	t.entries--
	return true, t.merge(t.path, p)
}

// merge makes one of a page that has become empty enough and one beside it.
func (t *Tx) merge(path []step, p *page) error {
	if len(path) == 0 {
		t.shrinkRoot(p)
		return nil
	}
	if p.live() >= p.capacity()/4 {
		return nil
	}
	above, i := path[len(path)-1].p, path[len(path)-1].i
	if above.count() == 0 {
		return nil // there is none beside it
	}
	left, beside := i-1, i-1
	if i == 0 {
		left, beside = 0, 1
	}
	other, err := t.db.below(above, beside)
	if err != nil {
		return err
	}
	size := p.live() + other.live()
	if !p.isLeaf() {
		size += slotSize + 4 + len(above.key(left))
	}
	if size > p.capacity()*3/4 && (p.count() > 0 || size > p.capacity()) {
		return nil
	}
	l, err := t.ownChild(above, left)
	if err != nil {
		return err
	}
	r, err := t.db.below(above, left+1)
	if err != nil {
		return err
	}
	l.compact()
	if !l.isLeaf() {
		between := above.key(left)
		l.insert(l.count(), innerCell(nil, between, r.child(0)), len(between), false)
	}
	l.take(r, 0, r.count())
	above.remove(left)
	t.free(r.id, r.tx)
	return t.merge(path[:len(path)-1], above)
}

// shrinkRoot makes the only child the root, and nothing of an empty leaf.
func (t *Tx) shrinkRoot(p *page) {
	if p.count() > 0 {
		return
	}
	t.root = p.child(0) // 0 for a leaf
	t.free(p.id, p.tx)
}
