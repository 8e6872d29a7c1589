package btree

import (
	"cmp"
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"time"

	"github.com/plinth-go/plinth/vfs"
	"github.com/plinth-go/plinth/wal"
)

// A checkpoint takes the tree to the disk. It is a reader that writes: the version that it
// takes stays as it is, so that transactions go on meanwhile. First all pages go where no
// page is that the last checkpoint has; when they are on the disk, one of the two meta
// pages, which is what makes them the tree. Then the log may forget.
//
//	capture ─▶ the log has it ─▶ pages ─▶ sync ─▶ meta ─▶ sync ─▶ the log forgets
//	(turn)                                                         the file is cut
//
// Locks, in this order: committing keeps those who want the same from each other; turn
// is held while the version is captured; running is held until it is on the disk.

const categoryTree vfs.Category = "tree"

// capturing is what a checkpoint has to write. It is not safe for concurrent use.
type capturing struct {
	v        *version
	ticket   *wal.Ticket // of the last transaction that the log has, nil if there is none
	pages    []*page     // of the tree, that are not on the disk
	taken    []pageID    // since the last checkpoint: these pages, and those of the map
	freed    []pageID
	mapPages []int // parts of the map that change
	meta     meta
	took     time.Duration
}

// mapPlace is where a page of the map is, and the transaction that put it there. It is
// immutable.
type mapPlace struct {
	id   pageID
	born uint64
}

// Checkpoint writes what has changed since the last checkpoint, and returns when it is on
// the disk. The log is empty then, up to transactions that have come meanwhile.
func (d *DB) Checkpoint() error {
	d.committing.Lock()
	c, err := d.checkpoint()
	d.committing.Unlock()
	d.tell(c, err)
	return err
}

// checkpointUpTo returns when a transaction is in a checkpoint. Those who come while one
// is under way share the next.
func (d *DB) checkpointUpTo(tx uint64) error {
	var c *capturing
	var err error
	d.committing.Lock()
	if d.durable.Load() < tx {
		c, err = d.checkpoint()
	}
	d.committing.Unlock()
	d.tell(c, err)
	if d.durable.Load() >= tx { // what has failed came later, and the next one hears it
		return nil
	}
	return err
}

// checkpoint is Checkpoint. The caller holds committing, and tells what has come of it
// when he does not any more.
func (d *DB) checkpoint() (*capturing, error) {
	c, err := d.takeAndWrite()
	if err == nil {
		d.turn.Lock()
		d.running.Lock()
		err = d.cut()
		d.running.Unlock()
		d.turn.Unlock()
	}
	return c, err
}

// cut cuts off the end of the file, where no page is in use. Those that are and that
// are not on the disk yet will be written when there is a checkpoint. The caller holds
// turn and running.
func (d *DB) cut() error {
	d.reclaim()
	size := int64(d.space.high) * int64(d.options.PageSize)
	if d.fileSize <= size {
		return nil
	}
	if err := d.file.Truncate(size); err != nil {
		return d.fail(err)
	}
	d.fileSize = size
	return nil
}

func (d *DB) takeAndWrite() (*capturing, error) {
	d.turn.Lock()
	if err := d.refusal(); err != nil {
		d.turn.Unlock()
		return nil, err
	}
	d.running.Lock()
	defer d.running.Unlock()
	c := d.capture()
	d.turn.Unlock()
	return c, d.write(c)
}

// capture takes the latest version, nil if a checkpoint has it. The caller holds turn
// and running.
func (d *DB) capture() *capturing {
	if d.latest.tx == d.captured {
		return nil
	}
	d.reclaim()
	c := &capturing{v: d.latest, ticket: d.ticket, pages: d.changed, freed: d.dropped}
	d.changed, d.dropped, d.logged = nil, nil, 0
	d.captured = c.v.tx
	d.underway.Store(c.v.tx)
	for _, p := range c.pages {
		c.taken = append(c.taken, p.id)
	}
	d.captureMap(c)
	c.meta = meta{
		pageSize: d.options.PageSize, generation: d.generation + 1, tx: c.v.tx, root: c.v.root,
		entries: c.v.entries, pages: d.space.high, logIndex: d.logIndex, logs: d.log != nil,
	}
	for _, m := range d.mapPages {
		c.meta.mapPages = append(c.meta.mapPages, m.id)
	}
	return c
}

// captureMap gives the parts of the map that change new places. That changes the map, so
// that it may not be all.
func (d *DB) captureMap(c *capturing) {
	each := pageID(bitsPerMapPage(d.options.PageSize))
	known := map[int]bool{}
	change := func(id pageID) {
		if n := int(id / each); !known[n] {
			known[n] = true
			c.mapPages = append(c.mapPages, n)
		}
	}
	for _, ids := range [][]pageID{c.taken, c.freed} {
		for _, id := range ids {
			change(id)
		}
	}
	for n, m := range d.mapPages {
		if d.mapGoal > 0 && m.id >= d.mapGoal {
			change(pageID(n) * each)
		}
	}
	d.mapGoal = 0
	for i := 0; i < len(c.mapPages); i++ {
		n := c.mapPages[i]
		for len(d.mapPages) <= n {
			d.mapPages = append(d.mapPages, mapPlace{})
		}
		if old := d.mapPages[n]; old.id != 0 {
			c.freed = append(c.freed, old.id)
			change(old.id)
			d.space.unseen = append(d.space.unseen, freed{old.id, old.born, c.v.tx})
			d.space.held++
		}
		id := d.space.allocForMap()
		c.taken = append(c.taken, id)
		change(id)
		d.mapPages[n] = mapPlace{id, c.v.tx}
	}
}

// write takes a captured version to the disk. The caller holds running.
func (d *DB) write(c *capturing) error {
	if c == nil {
		return nil
	}
	start := time.Now()
	if err := d.writeTree(c); err != nil {
		return d.fail(err)
	}
	d.finish(c)
	if d.log != nil {
		if err := d.log.TruncateFront(c.meta.logIndex); err != nil {
			return d.fail(err)
		}
	}
	c.took = time.Since(start)
	return nil
}

func (d *DB) writeTree(c *capturing) error {
	if c.ticket != nil { // what a failed log does not have must not come back from the tree
		if _, err := c.ticket.Wait(context.Background()); err != nil {
			return err
		}
	}
	if err := d.writePages(append(d.drawMap(c), c.pages...)); err != nil {
		return err
	}
	if err := d.file.Sync(); err != nil {
		return err
	}
	return d.writeMeta(c.meta)
}

// drawMap brings the map up to date and returns the pages of it that change.
func (d *DB) drawMap(c *capturing) (pages []*page) {
	each := (d.options.PageSize - pageHeader) / 8
	need := each * len(c.meta.mapPages)
	d.mapped = append(d.mapped, make([]uint64, max(0, need-len(d.mapped)))...)
	for _, id := range c.freed {
		d.mapped[id/64] &^= 1 << (id % 64)
	}
	for _, id := range c.taken {
		d.mapped[id/64] |= 1 << (id % 64)
	}
	for _, n := range c.mapPages {
		p := &page{id: c.meta.mapPages[n], tx: c.v.tx, data: make([]byte, d.options.PageSize)}
		p.format(mapPage, 0)
		for i, word := range d.mapped[each*n : each*(n+1)] {
			binary.LittleEndian.PutUint64(p.data[pageHeader+8*i:], word)
		}
		pages = append(pages, p)
	}
	return pages
}

// writePages writes pages in the order of the file, neighbours together. What it writes
// are copies, with checksums.
func (d *DB) writePages(pages []*page) error {
	slices.SortFunc(pages, func(a, b *page) int { return cmp.Compare(a.id, b.id) })
	for len(pages) > 0 {
		n := 1
		for n < len(pages) && pages[n].id == pages[0].id+pageID(n) && n*d.options.PageSize < readAtOnce {
			n++
		}
		d.staging = d.staging[:0]
		for _, p := range pages[:n] {
			at := len(d.staging)
			d.staging = append(d.staging, p.data...)
			seal(d.staging[at:])
		}
		at := int64(pages[0].id) * int64(d.options.PageSize)
		if _, err := d.file.WriteAt(d.staging, at); err != nil {
			return fmt.Errorf("page %d and %d after it: %w", pages[0].id, n-1, err)
		}
		d.counters.pagesWritten.Add(uint64(n))
		d.fileSize = max(d.fileSize, at+int64(len(d.staging)))
		pages = pages[n:]
	}
	return nil
}

// writeMeta makes a version the one that Open finds.
func (d *DB) writeMeta(m meta) error {
	at := int64(m.generation%2) * int64(d.options.PageSize)
	if _, err := d.file.WriteAt(m.encode(), at); err != nil {
		return err
	}
	d.counters.metasWritten.Add(1)
	d.generation, d.last, d.twins = m.generation, m, false
	return d.file.Sync()
}

// finish makes a version that is on the disk known as such.
func (d *DB) finish(c *capturing) {
	kept := c.pages[:0]
	for _, p := range c.pages {
		if p.kind() == valuePage { // read in large pieces, not page by page
			d.pages.at(p.id).CompareAndSwap(p, nil)
		} else {
			kept = append(kept, p)
		}
	}
	d.clock.changed.Add(-int64(len(c.pages)))
	d.clock.add(&d.pages, kept...)
	d.durable.Store(c.v.tx)
	d.underway.Store(0)
	d.publish(c.v)
	d.counters.checkpoints.Add(1)
}

// checkpoints is the goroutine that begins one when there is much to write.
func (d *DB) checkpoints() {
	defer d.background.Done()
	for range d.wanted {
		if d.Checkpoint() != nil {
			return // everybody who writes hears it
		}
	}
}

// wake begins a checkpoint soon. The caller holds turn.
func (d *DB) wake() {
	select {
	case d.wanted <- struct{}{}:
	default:
	}
}

// checkpointPages is how many changed pages make a checkpoint begin.
func (d *DB) checkpointPages() int64 {
	return max(d.options.CacheSize/int64(d.options.PageSize)/2, 8)
}
