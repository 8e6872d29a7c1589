package main

import (
	"context"
	"errors"
	"math"

	"github.com/plinth-go/plinth/btree"
	"github.com/plinth-go/plinth/vfs"
	"github.com/plinth-go/plinth/wal"
)

// What is varied of the B+tree: the size of its pages, how full they are left when keys
// come in order, and how long its log becomes before a checkpoint. All of it is counted.

// What the knobs are turned to. Never changed.
var (
	treePageSizes = [...]int{4 << 10, 8 << 10, 16 << 10, 32 << 10}
	treeFills     = [...]float64{0.5, 0.6, 0.7, 0.8, 0.9, 1}
	treeIntervals = [...]float64{1. / 64, 1. / 16, 1. / 4, 1, 4} // of the log, as a part of the entries' bytes
)

const (
	pagesInterval = 1. / 64 // where the interval is not what is varied
	lateInserts   = 6       // one of so many keys comes after the others

	loggedPut = 8 + 2 + lsmKeySize + 1 + lsmValueSize // bytes of a record of one put, without framing
)

// treeCell is a B+tree with its knobs, and what it has shown.
type treeCell struct {
	entries  int
	pageSize int
	fill     float64 // 0 if keys come at random
	interval float64

	first, then   counted // filled in order, and inserts at random after that; or overwrites at random alone
	space, late   float64 // after each, bytes for each of an entry
	peak          float64 // the most that file and log have taken
	height, pages int     // of the tree
}

// treeCells are the knobs, one turned at a time.
func treeCells(entries int) (pages, fills, intervals []*treeCell) {
	for _, size := range treePageSizes {
		pages = append(pages, &treeCell{entries: entries, pageSize: size, interval: pagesInterval})
	}
	for _, fill := range treeFills {
		fills = append(fills, &treeCell{entries: entries, pageSize: btreePage, fill: fill, interval: pagesInterval})
	}
	for _, interval := range treeIntervals {
		intervals = append(intervals, &treeCell{entries: entries, pageSize: btreePage, interval: interval})
	}
	return pages, fills, intervals
}

// live is how many bytes of keys and values there are.
func (c *treeCell) live() float64 { return float64(c.entries * lsmUserBytes) }

func (c *treeCell) measure(ctx context.Context) (err error) {
	o := engineOptions{disk: vfs.NewMem(), dir: "tree", durability: wal.Synced, budget: never}
	e, err := newBTree(o, btree.Options{PageSize: c.pageSize, Fill: c.fill, CheckpointSize: int64(c.interval * c.live())})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, e.close()) }()
	u := newEngineUser(e, c.entries)
	if c.fill > 0 {
		err = c.insert(ctx, u, e)
	} else {
		err = c.overwrite(ctx, u, e)
	}
	if err != nil {
		return err
	}
	s := e.db.Stats()
	c.height, c.pages = s.Height, s.Pages-s.FreePages-s.HeldPages
	c.peak = float64(e.peak) / c.live()
	return u.verify()
}

// insert puts most keys in order, and then the others at random.
func (c *treeCell) insert(ctx context.Context, u *engineUser, e *btreeEngine) (err error) {
	var most, late []int
	for i := range c.entries {
		if i%lateInserts == 0 {
			late = append(late, i)
		} else {
			most = append(most, i)
		}
	}
	u.keys.rnd.Shuffle(len(late), func(i, j int) { late[i], late[j] = late[j], late[i] })
	if c.first, err = c.puts(ctx, u, len(most), take(most)); err != nil {
		return err
	}
	c.space = float64(e.db.Stats().FileSize()) / float64(len(most)*lsmUserBytes)
	c.then, err = c.puts(ctx, u, len(late), take(late))
	c.late = float64(e.db.Stats().FileSize()) / c.live()
	return err
}

// overwrite puts keys at random into an old tree, for several intervals.
func (c *treeCell) overwrite(ctx context.Context, u *engineUser, e *btreeEngine) (err error) {
	if err := u.fill(ctx, fillBatch); err != nil {
		return err
	}
	if err := u.write(ctx, c.entries, fillBatch, u.any); err != nil {
		return err
	}
	if err := u.flush(ctx); err != nil {
		return err
	}
	e.peak = 0                                                 // from now on
	whole := int(math.Ceil(c.interval * c.live() / loggedPut)) // puts
	c.first, err = c.puts(ctx, u, (c.entries+whole-1)/whole*whole, u.any)
	c.space = float64(e.db.Stats().FileSize()) / c.live()
	return err
}

// puts counts single puts.
func (c *treeCell) puts(ctx context.Context, u *engineUser, n int, key func() int) (counted, error) {
	costs, err := costing(ctx, u, func() error { return u.write(ctx, n, 1, key) })
	return counted{costs, int64(n), int64(n)}, err
}

// treeModel is what overwrites at random should cost, for any interval. Each put changes
// a leaf, and a checkpoint writes each leaf that has changed once. Of n pages, k puts
// change n(1−(1−1/n)^k). The pages above are so many times fewer, and each checkpoint
// writes a page of the map and a meta page besides. It is a plain value.
type treeModel struct {
	pages    float64 // of the tree
	fanout   float64
	pageSize float64
	live     float64 // bytes
	logBytes float64 // of a put, with framing
}

// model is told the pages of the tree, and what a put takes in the log.
func (c *treeCell) model() treeModel {
	return treeModel{
		pages: float64(c.pages), fanout: treeFanout * float64(c.pageSize) / btreePage, pageSize: float64(c.pageSize), live: c.live(),
		logBytes: float64(c.first.log) / float64(c.first.puts),
	}
}

const treeFanout = 100 // children of a page of 4 KiB with keys of 16 bytes, of which separators keep a part

// writes is the write amplification with a checkpoint after a log of a part of the
// entries' bytes: that of the pages, and that of all.
func (m treeModel) writes(interval float64) (pages, all float64) {
	k := interval * m.live / loggedPut
	changed := 1.0 // of the map
	for n := m.pages * (1 - 1/m.fanout); ; n /= m.fanout {
		n = max(n, 1)
		changed += n * (1 - math.Pow(1-1/n, k))
		if n == 1 {
			break
		}
	}
	pages = (changed*m.pageSize + btreePage) / (k * lsmUserBytes)
	return pages, pages + m.logBytes/lsmUserBytes
}
