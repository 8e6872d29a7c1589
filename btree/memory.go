package btree

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"sync"
	"sync/atomic"
)

// Which pages are in memory. A directory leads from the number of a page to its bytes,
// in two atomic loads and without a lock. A page does not change once its transaction has
// ended, so nobody has to hold one while he reads it: dropping it takes it out of the
// directory, and the garbage collector waits for the last reader. Only the memory of a
// page that no version has which somebody could read is used again at once (DB.forget).
//
// Pages that are on the disk too may be dropped, and the clock says which: a hand goes
// round over them, passes those that somebody has used since it last came by, and drops
// the first that nobody has.

// directory leads to pages by number. It is safe for concurrent use.
type directory struct {
	parts atomic.Pointer[[]*part]
	mu    sync.Mutex // held to add parts
}

const partSize = 1024

// part is a piece of the directory; it is safe for concurrent use.
type part [partSize]atomic.Pointer[page]

func (d *directory) get(id pageID) *page {
	if at := d.at(id); at != nil {
		return at.Load()
	}
	return nil
}

// at returns the place of a page, nil if there is no such part yet.
func (d *directory) at(id pageID) *atomic.Pointer[page] {
	if parts := *d.parts.Load(); int(id/partSize) < len(parts) {
		return &parts[id/partSize][id%partSize]
	}
	return nil
}

// makePlace is at, but adds what is missing.
func (d *directory) makePlace(id pageID) *atomic.Pointer[page] {
	if at := d.at(id); at != nil {
		return at
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	parts := *d.parts.Load()
	for int(id/partSize) >= len(parts) {
		// Who has the shorter slice does not see what is appended to it.
		parts = append(parts, new(part))
	}
	d.parts.Store(&parts)
	return d.at(id)
}

// clock decides which pages are dropped. It is safe for concurrent use.
type clock struct {
	limit   int          // pages in memory, as a goal
	changed atomic.Int64 // of them, those that are not on the disk: they cannot be dropped

	mu   sync.Mutex
	ring []*page // those that can; guarded by mu, and so is the hand
	hand int
}

// room is how many pages may be in the ring.
func (c *clock) room() int { return max(c.limit-int(c.changed.Load()), c.limit/8, 8) }

// size returns how many pages could be dropped.
func (c *clock) size() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.ring)
}

// add lets pages be dropped, and drops others to make room.
func (c *clock) add(d *directory, pages ...*page) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ring = append(c.ring, pages...)
	c.trim(d)
}

// trim drops pages until the rest has room. The caller holds mu.
func (c *clock) trim(d *directory) {
	for room := c.room(); len(c.ring) > room; {
		if c.hand >= len(c.ring) {
			c.hand = 0
		}
		p := c.ring[c.hand]
		at := d.at(p.id)
		if at.Load() == p && p.used.Swap(false) {
			c.hand++
			continue
		}
		at.CompareAndSwap(p, nil) // the page may be gone already
		last := len(c.ring) - 1
		c.ring[c.hand], c.ring[last] = c.ring[last], nil
		c.ring = c.ring[:last]
		c.hand++ // past the one that has come there, which may be the newest
	}
}

// page returns a page of the tree, from memory or from the disk. Whoever asks has a
// version that it belongs to.
func (d *DB) page(id pageID) (*page, error) {
	if at := d.pages.at(id); at != nil {
		if p := at.Load(); p != nil {
			if !p.used.Load() { // mostly it is, and writing would take the line from other readers
				p.used.Store(true)
			}
			return p, nil
		}
	}
	return d.load(id)
}

// below returns child i of a page.
func (d *DB) below(p *page, i int) (*page, error) {
	c, err := d.page(p.child(i))
	if err == nil && (c.level() != p.level()-1 || c.tx > p.tx) {
		err = d.corrupt(c.id, fmt.Errorf("%w: level %d of transaction %d below level %d of %d",
			errMisplaced, c.level(), c.tx, p.level(), p.tx))
	}
	return c, err
}

func (d *DB) load(id pageID) (*page, error) {
	p := &page{id: id, data: make([]byte, d.options.PageSize)}
	if err := d.readPage(id, p.data); err != nil {
		return nil, err
	}
	if err := p.check(); err != nil {
		return nil, d.corrupt(id, err)
	}
	p.tx = pageTx(p.data)
	if at := d.pages.makePlace(id); at.CompareAndSwap(nil, p) {
		d.clock.add(&d.pages, p)
	} else if other := at.Load(); other != nil {
		return other, nil
	}
	return p, nil
}

// readPage reads a page of any kind.
func (d *DB) readPage(id pageID, data []byte) error {
	if err := d.readAt(id, data); err != nil {
		return err
	}
	if err := checkSealed(data, id); err != nil {
		return d.corrupt(id, err)
	}
	return nil
}

// readAt reads pages that lie in a row.
func (d *DB) readAt(id pageID, data []byte) error {
	size := d.options.PageSize
	d.counters.pagesRead.Add(uint64(len(data) / size))
	_, err := d.file.ReadAt(data, int64(id)*int64(size))
	switch {
	case errors.Is(err, fs.ErrClosed):
		return ErrClosed
	case errors.Is(err, io.EOF):
		return d.corrupt(id, errors.New("behind the end of the file"))
	case err != nil:
		return fmt.Errorf("btree: %s, page %d: %w", d.filePath(), id, err)
	}
	return nil
}

// corrupt says which page is damaged.
func (d *DB) corrupt(id pageID, err error) error {
	return fmt.Errorf("%w: %s, page %d: %w", ErrCorrupt, d.filePath(), id, err)
}
