package main

import (
	"sync"

	"github.com/plinth-go/plinth/vfs"
)

// Categories by which a store names its files to the disk.
const (
	lsmFlush      vfs.Category = "flush"      // tables that were memtables
	lsmCompaction vfs.Category = "compaction" // tables that were merged of others
	lsmRead       vfs.Category = "read"       // blocks of tables
)

// tableSpace is a disk that knows how many bytes of tables lie on it, at every
// moment: also while a compaction has written its output and not yet removed its
// input. It is safe for concurrent use.
type tableSpace struct {
	vfs.FS

	mu        sync.Mutex
	sizes     map[string]int64 // of each table
	now, peak int64            // the sum of the sizes, and the most that it has been
}

func newTableSpace(fs vfs.FS) *tableSpace {
	return &tableSpace{FS: fs, sizes: map[string]int64{}}
}

func (s *tableSpace) Open(name string, mode vfs.Mode, c vfs.Category) (vfs.File, error) {
	f, err := s.FS.Open(name, mode, c)
	if err != nil || c != lsmFlush && c != lsmCompaction {
		return f, err
	}
	return &spaceFile{f, s, name}, nil
}

func (s *tableSpace) Remove(name string) error {
	err := s.FS.Remove(name)
	if err == nil {
		s.mu.Lock()
		s.now -= s.sizes[name]
		delete(s.sizes, name)
		s.mu.Unlock()
	}
	return err
}

// grow notes that a file reaches up to end.
func (s *tableSpace) grow(name string, end int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if old := s.sizes[name]; end > old {
		s.sizes[name] = end
		s.now += end - old
		s.peak = max(s.peak, s.now)
	}
}

// used returns the space now, and the most since it was asked last.
func (s *tableSpace) used() (now, peak int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now, peak = s.now, s.peak
	s.peak = s.now
	return now, peak
}

// spaceFile is a table that is being written. It is safe for concurrent use.
type spaceFile struct {
	vfs.File
	space *tableSpace
	name  string
}

func (f *spaceFile) WriteAt(p []byte, off int64) (int, error) {
	n, err := f.File.WriteAt(p, off)
	f.space.grow(f.name, off+int64(n))
	return n, err
}
