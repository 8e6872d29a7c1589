package vfs

import (
	"io"
	"maps"
	"sync"
	"sync/atomic"
)

// Counter passes everything on to another FS and counts it by category. Every
// amplification figure is a quotient of two of its numbers.
//
// A Counter is safe for concurrent use.
type Counter struct {
	fs FS

	mu      sync.Mutex
	tallies map[Category]*tally // guarded by mu, which no read or write takes

	dirSyncs, renames, removes atomic.Int64
}

// Count is what was done through the files of one category. Calls count whether
// or not they succeed, bytes only as far as they got. It is a plain value: safe
// for concurrent use.
type Count struct {
	Reads, BytesRead     int64
	Writes, BytesWritten int64
	Creates              int64 // files made
	Truncates            int64
	Syncs                int64
}

// Counts is a snapshot of a Counter: one Count per category, and what is
// done to names, which has no category. Safe for concurrent readers; a writer
// needs exclusive access.
type Counts struct {
	Files    map[Category]Count
	DirSyncs int64
	Renames  int64
	Removes  int64
}

// tally is a Count in the making. Safe for concurrent use.
type tally struct {
	reads, bytesRead, writes, bytesWritten, creates, truncates, syncs atomic.Int64
}

// NewCounter returns a Counter in front of fsys. A nil fsys is OS.
func NewCounter(fsys FS) *Counter {
	if fsys == nil {
		fsys = OS()
	}
	return &Counter{fs: fsys, tallies: map[Category]*tally{}}
}

// Counts returns what has been counted so far. While operations are in flight,
// one number may include an operation that another does not.
func (c *Counter) Counts() Counts {
	c.mu.Lock()
	tallies := maps.Clone(c.tallies)
	c.mu.Unlock()
	now := Counts{
		Files:    make(map[Category]Count, len(tallies)),
		DirSyncs: c.dirSyncs.Load(), Renames: c.renames.Load(), Removes: c.removes.Load(),
	}
	for category, t := range tallies {
		now.Files[category] = Count{
			Reads: t.reads.Load(), BytesRead: t.bytesRead.Load(),
			Writes: t.writes.Load(), BytesWritten: t.bytesWritten.Load(),
			Creates: t.creates.Load(), Truncates: t.truncates.Load(), Syncs: t.syncs.Load(),
		}
	}
	return now
}

// Sub returns what was counted since an earlier snapshot.
func (c Counts) Sub(earlier Counts) Counts {
	since := Counts{
		Files:    make(map[Category]Count, len(c.Files)),
		DirSyncs: c.DirSyncs - earlier.DirSyncs,
		Renames:  c.Renames - earlier.Renames,
		Removes:  c.Removes - earlier.Removes,
	}
	for category, n := range c.Files {
		since.Files[category] = n.plus(earlier.Files[category], -1)
	}
	return since
}

// Total returns the sum of all categories.
func (c Counts) Total() (sum Count) {
	for _, n := range c.Files {
		sum = sum.plus(n, 1)
	}
	return sum
}

func (n Count) plus(m Count, sign int64) Count {
	return Count{
		Reads: n.Reads + sign*m.Reads, BytesRead: n.BytesRead + sign*m.BytesRead,
		Writes: n.Writes + sign*m.Writes, BytesWritten: n.BytesWritten + sign*m.BytesWritten,
		Creates: n.Creates + sign*m.Creates, Truncates: n.Truncates + sign*m.Truncates,
		Syncs: n.Syncs + sign*m.Syncs,
	}
}

func (c *Counter) Open(name string, mode Mode, category Category) (File, error) {
	f, err := c.fs.Open(name, mode, category)
	if err != nil {
		return nil, err
	}
	t := c.tally(category)
	if mode == Create {
		t.creates.Add(1)
	}
	return &countedFile{File: f, tally: t}, nil
}

func (c *Counter) tally(category Category) *tally {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := c.tallies[category]
	if t == nil {
		t = new(tally)
		c.tallies[category] = t
	}
	return t
}

func (c *Counter) Remove(name string) error {
	c.removes.Add(1)
	return c.fs.Remove(name)
}

func (c *Counter) Rename(oldname, newname string) error {
	c.renames.Add(1)
	return c.fs.Rename(oldname, newname)
}

func (c *Counter) SyncDir(dir string) error {
	c.dirSyncs.Add(1)
	return c.fs.SyncDir(dir)
}

// MkdirAll is not counted: the syncs in it cannot be seen from here.
func (c *Counter) MkdirAll(dir string) error { return c.fs.MkdirAll(dir) }

func (c *Counter) List(dir string) ([]Entry, error) { return c.fs.List(dir) }

func (c *Counter) Lock(name string) (io.Closer, error) { return c.fs.Lock(name) }

// countedFile is safe for concurrent use.
type countedFile struct {
	File
	tally *tally
}

func (f *countedFile) ReadAt(p []byte, off int64) (int, error) {
	n, err := f.File.ReadAt(p, off)
	f.tally.reads.Add(1)
	f.tally.bytesRead.Add(int64(n))
	return n, err
}

func (f *countedFile) WriteAt(p []byte, off int64) (int, error) {
	n, err := f.File.WriteAt(p, off)
	f.tally.writes.Add(1)
	f.tally.bytesWritten.Add(int64(n))
	return n, err
}

func (f *countedFile) Truncate(size int64) error {
	f.tally.truncates.Add(1)
	return f.File.Truncate(size)
}

func (f *countedFile) Sync() error {
	f.tally.syncs.Add(1)
	return f.File.Sync()
}
