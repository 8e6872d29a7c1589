package ordered

// fanout is how much a node holds at most. A leaf of 63 numbers with numbers as values
// takes 1,016 bytes, of the 1,024 that Go gives it; without pointers the garbage
// collector never looks into it.
const fanout = 63

// maxHeight is more than any tree reaches: nodes are filled to a third at least.
const maxHeight = 16

// node is either a leaf, in which an item is the value of its key, or an inner node, in
// which it is a child, and its key the bound of that: the last key in it. The bound of the
// last child is not here, since the node above has it: its place is zero.
//
//	keys    "cat"     "elk"     ""        n = 3
//	items   ant…cat   cow…elk   fox…yak
//
// So a tree compares only with keys that are in the map. Were a bound to stay when its
// entry is deleted, it would separate as well, until somebody who uses pointers as keys
// changes what is no longer in the map.
//
// It is not safe for concurrent use.
type node[K, T any] struct {
	n     int       // what lies behind the first n is zero
	items [fanout]T // before the keys: nothing is added to a struct that ends in keys, if T is struct{}
	keys  [fanout]K
}

// child is a node and what the one above it knows of it. It is a plain value, not safe
// for concurrent use.
type child[K, V any] struct {
	inner *node[K, child[K, V]] // one of the two
	leaf  *node[K, V]
	state int // twice the number of entries in it and below; plus 1 if it is shared
}

// size is how many entries are in the node and below.
func (c *child[K, V]) size() int { return c.state >> 1 }

// shared says that the node may be in another map as well: copy it before a change.
func (c *child[K, V]) shared() bool { return c.state&1 > 0 }

// insert makes room at i.
func (x *node[K, T]) insert(i int, key K, item T) {
	copy(x.keys[i+1:x.n+1], x.keys[i:x.n])
	copy(x.items[i+1:x.n+1], x.items[i:x.n])
	x.keys[i], x.items[i] = key, item
	x.n++
}

// remove closes the gap from i to j, and clears what is left over, so that it can be
// collected.
func (x *node[K, T]) remove(i, j int) {
	end := x.n
	x.n -= j - i
	copy(x.keys[i:], x.keys[j:end])
	copy(x.items[i:], x.items[j:end])
	clear(x.keys[x.n:end])
	clear(x.items[x.n:end])
}

// take moves what another node has from i to j to the place at.
func (x *node[K, T]) take(at int, from *node[K, T], i, j int) {
	copy(x.keys[at+j-i:], x.keys[at:x.n])
	copy(x.items[at+j-i:], x.items[at:x.n])
	copy(x.keys[at:], from.keys[i:j])
	copy(x.items[at:], from.items[i:j])
	x.n += j - i
	from.remove(i, j)
}

// own copies the node. What is below it is shared from now on.
func (c *child[K, V]) own() {
	if c.leaf != nil {
		l := *c.leaf
		c.leaf = &l
	} else {
		c.inner = copied(c.inner)
	}
	c.state &^= 1
}

func copied[K, V any](n *node[K, child[K, V]]) *node[K, child[K, V]] {
	c := *n
	for i := range c.n {
		c.items[i].state |= 1
	}
	return &c
}

// count sets the size of a node that is not shared.
func (c *child[K, V]) count() {
	if c.leaf != nil {
		c.state = 2 * c.leaf.n
		return
	}
	c.state = 0
	for i := range c.inner.n {
		c.state += 2 * c.inner.items[i].size()
	}
}
