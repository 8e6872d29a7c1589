package main

import (
	"context"

	"github.com/plinth-go/plinth/vfs"
	"github.com/plinth-go/plinth/wal"
)

// engine is a store of keys and values behind one face, so that all get the same
// work. It has one caller at a time.
type engine interface {
	apply([]entry) error                                              // in one commit
	get(key []byte) (value []byte, found bool, err error)             // valid until the next call
	scan(lo []byte, n int, visit func(key, value []byte) error) error // n entries from lo on, or all if n is 0
	catchUp(ctx context.Context, puts int) error                      // after so many puts: what they have made due, as if it took no time
	flush(context.Context) error                                      // everything that is due, and what is not
	costs() engineCosts                                               // since the store was opened
	space() (int64, error)                                            // bytes that keys and values take on the disk, without the log
	close() error
}

// engineCosts is what a store has asked of the disk. It is a plain value.
type engineCosts struct {
	written, log     int64 // bytes; those of the log are in both
	reads, bytesRead int64 // of its tables or pages
	fsyncs           int64
}

func (c engineCosts) sub(earlier engineCosts) engineCosts {
	return engineCosts{
		c.written - earlier.written, c.log - earlier.log, c.reads - earlier.reads, c.bytesRead - earlier.bytesRead, c.fsyncs - earlier.fsyncs,
	}
}

func (c engineCosts) plus(other engineCosts) engineCosts {
	return engineCosts{
		c.written + other.written, c.log + other.log, c.reads + other.reads, c.bytesRead + other.bytesRead, c.fsyncs + other.fsyncs,
	}
}

// engineOptions say how a store is opened. It is a plain value.
type engineOptions struct {
	disk       vfs.FS // nil is the operating system's; bbolt uses that in any case
	dir        string
	durability wal.Durability // wal.Synced, or else commits do not wait for the disk

	// What is counted must be the same everywhere. So a store with a budget of memory does
	// nothing in the background until it is told to catch up; one without has its defaults.
	budget int64 // bytes, half of them for what is not on the disk yet; 0 for the defaults
	batch  int   // the most entries in a commit
	cached bool  // the pages that a B+tree keeps in memory are bounded too, not just those that have changed
}

// design is a kind of store.
type design struct {
	name string
	open func(engineOptions) (engine, error)
}

// The stores that are compared, by their places in designs.
const (
	logged  = iota // the B+tree with a log
	copied         // the B+tree that copies on each commit
	merging        // the LSM tree
	bolt           // bbolt
)

func designs() []design {
	return []design{
		logged:  {"B+tree", openBTree},
		copied:  {"B+tree, no log", openBTreeNoLog},
		merging: {"LSM tree", openLSM},
		bolt:    {"bbolt", openBolt},
	}
}

// counterCosts sums up what a disk has counted. Zeros that the log writes ahead of its
// records are left out: how many there are depends on the size of its segments.
func counterCosts(c vfs.Counts, read vfs.Category) engineCosts {
	all, fill := c.Total(), c.Files[wal.CategoryFill]
	return engineCosts{
		written: all.BytesWritten - fill.BytesWritten, log: c.Files[wal.Category].BytesWritten,
		reads: c.Files[read].Reads, bytesRead: c.Files[read].BytesRead,
		fsyncs: all.Syncs + c.DirSyncs,
	}
}
