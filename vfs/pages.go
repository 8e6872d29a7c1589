package vfs

import (
	"errors"
	"hash/maphash"
	"io"
	"sync/atomic"
)

const pageSize = 4096

var errNegativeOffset = errors.New("negative offset")

// content is the bytes of a file, in pages that clones share until one of them
// writes. Not safe for concurrent use.
//
// Invariants: a page that is nil, or beyond the table, is all zeros; so is
// what a page holds beyond size, so that growing the file needs no write.
type content struct {
	size  int64
	pages []*page
	owner *owner
}

// A page may be written in place only by the content whose owner it has.
// Everyone else who has it in a table copies it first.
type page struct {
	owner *owner
	sum   atomic.Uint64 // hash of data, or one of the two below
	data  [pageSize]byte
}

const (
	sumUnknown uint64 = 0 // written since
	sumZeros   uint64 = 1 // all zeros, the same as no page
)

// owner is an identity. It has a size because pointers to distinct variables
// of size zero may be equal.
type owner struct{ _ byte }

func newContent() content { return content{owner: new(owner)} }

// share copies the page table alone. c must never be written again in place: it
// would change what it now shares. share only reads c, and so may run in
// several goroutines.
func (c *content) share() content {
	return content{size: c.size, pages: append([]*page(nil), c.pages...), owner: new(owner)}
}

func (c *content) readAt(p []byte, off int64) (n int, err error) {
	if off < 0 {
		return 0, errNegativeOffset
	}
	want := len(p)
	if left := c.size - off; int64(want) > left {
		p = p[:max(left, 0)]
	}
	for n < len(p) {
		i, at := (off+int64(n))/pageSize, (off+int64(n))%pageSize
		chunk := p[n:min(len(p), n+int(pageSize-at))]
		if i < int64(len(c.pages)) && c.pages[i] != nil {
			copy(chunk, c.pages[i].data[at:])
		} else {
			clear(chunk)
		}
		n += len(chunk)
	}
	if n < want {
		err = io.EOF
	}
	return n, err
}

func (c *content) writeAt(p []byte, off int64) {
	for n := 0; n < len(p); {
		at := (off + int64(n)) % pageSize
		n += copy(c.writable((off + int64(n)) / pageSize)[at:], p[n:])
	}
	if len(p) > 0 {
		c.size = max(c.size, off+int64(len(p)))
	}
}

// writable returns page i, made or copied if need be.
func (c *content) writable(i int64) []byte {
	for int64(len(c.pages)) <= i {
		c.pages = append(c.pages, nil)
	}
	p := c.pages[i]
	if p == nil {
		p = &page{owner: c.owner}
	} else if p.owner != c.owner {
		p = &page{owner: c.owner, data: p.data}
	}
	p.sum.Store(sumUnknown)
	c.pages[i] = p
	return p.data[:]
}

func (c *content) truncate(size int64) {
	if size < c.size {
		keep := (size + pageSize - 1) / pageSize
		if keep < int64(len(c.pages)) {
			clear(c.pages[keep:]) // let the pages go
			c.pages = c.pages[:keep]
		}
		if at := size % pageSize; at != 0 && keep == int64(len(c.pages)) && c.pages[keep-1] != nil {
			clear(c.writable(keep - 1)[at:])
		}
	}
	c.size = size
}

// hash adds the bytes of the file to h. Equal bytes give equal hashes, however
// the pages are shared and whether zeros are stored or implied.
func (c *content) hash(h *maphash.Hash, seed maphash.Seed) {
	maphash.WriteComparable(h, c.size)
	for i, p := range c.pages {
		if p == nil {
			continue
		}
		sum := p.sum.Load()
		if sum == sumUnknown {
			sum = sumZeros
			if p.data != [pageSize]byte{} {
				sum = maphash.Bytes(seed, p.data[:])
			}
			p.sum.Store(sum)
		}
		if sum != sumZeros {
			maphash.WriteComparable(h, [2]uint64{uint64(i), sum})
		}
	}
}
