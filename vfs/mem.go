package vfs

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"sync"
	"syscall"
)

// Mem is a disk in memory, for tests. It behaves as OS does, errors included,
// except that nothing needs a sync: what a power cut would leave of it is
// asked of a Recorder. Its root exists, and is the directory from which relative
// names are resolved, so that "a" and "/a" are the same file.
//
// A Mem is safe for concurrent use.
type Mem struct {
	mu   sync.RWMutex
	disk *disk // guarded by mu
}

// NewMem returns an empty disk.
func NewMem() *Mem { return &Mem{disk: newDisk()} }

// Clone returns a copy of the disk that shares nothing observable with it. The
// copy has no open files and no locks.
func (m *Mem) Clone() *Mem {
	m.mu.Lock()
	defer m.mu.Unlock()
	return &Mem{disk: m.disk.clone()}
}

func (m *Mem) Open(name string, mode Mode, _ Category) (File, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	n, err := m.disk.lookup(name)
	switch {
	case mode == Create && err == nil:
		err = fs.ErrExist
	case mode == Create && errors.Is(err, fs.ErrNotExist):
		n, err = m.disk.create(name)
	case err == nil && n == nil:
		err = syscall.EISDIR
	}
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	return &memFile{mem: m, inode: n, name: name, mode: mode}, nil
}

func (m *Mem) Remove(name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.disk.remove(name); err != nil {
		return &fs.PathError{Op: "remove", Path: name, Err: err}
	}
	return nil
}

func (m *Mem) Rename(oldname, newname string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.disk.rename(oldname, newname); err != nil {
		return &os.LinkError{Op: "rename", Old: oldname, New: newname, Err: err}
	}
	return nil
}

func (m *Mem) MkdirAll(dir string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, err := m.disk.mkdirAll(dir); err != nil {
		return &fs.PathError{Op: "mkdir", Path: dir, Err: err}
	}
	return nil
}

func (m *Mem) List(dir string) ([]Entry, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	entries, err := m.disk.list(dir)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: dir, Err: err}
	}
	return entries, nil
}

func (m *Mem) SyncDir(dir string) error {
	m.mu.RLock()
	defer m.mu.RUnlock()
	if err := m.disk.checkDir(dir); err != nil {
		return &fs.PathError{Op: "sync", Path: dir, Err: err}
	}
	return nil
}

func (m *Mem) Lock(name string) (io.Closer, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	n, err := m.disk.lookup(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		n, err = m.disk.create(name)
	case err == nil && n == nil:
		err = syscall.EISDIR
	case err == nil && n.locked:
		err = ErrLocked
	}
	if err != nil {
		return nil, &fs.PathError{Op: "lock", Path: name, Err: err}
	}
	n.locked = true
	return &memLock{mem: m, inode: n, name: name}, nil
}

// memLock is safe for concurrent use.
type memLock struct {
	mem    *Mem
	inode  *inode
	name   string
	closed bool // guarded by mem.mu
}

func (l *memLock) Close() error {
	l.mem.mu.Lock()
	defer l.mem.mu.Unlock()
	if l.closed {
		return &fs.PathError{Op: "close", Path: l.name, Err: fs.ErrClosed}
	}
	l.closed, l.inode.locked = true, false
	return nil
}

// memFile is safe for concurrent use.
type memFile struct {
	mem    *Mem
	inode  *inode // its content is guarded by mem.mu
	name   string
	mode   Mode
	closed bool // guarded by mem.mu
}

func (f *memFile) ReadAt(p []byte, off int64) (int, error) {
	f.mem.mu.RLock()
	defer f.mem.mu.RUnlock()
	if f.closed {
		return 0, f.fail("read", fs.ErrClosed)
	}
	n, err := f.inode.readAt(p, off)
	if err != nil && err != io.EOF {
		err = f.fail("readat", err)
	}
	return n, err
}

func (f *memFile) WriteAt(p []byte, off int64) (int, error) {
	f.mem.mu.Lock()
	defer f.mem.mu.Unlock()
	switch {
	case f.closed:
		return 0, f.fail("write", fs.ErrClosed)
	case f.mode == ReadOnly:
		return 0, f.fail("write", syscall.EBADF)
	case off < 0:
		return 0, f.fail("writeat", errNegativeOffset)
	}
	f.inode.writeAt(p, off)
	return len(p), nil
}

func (f *memFile) Size() (int64, error) {
	f.mem.mu.RLock()
	defer f.mem.mu.RUnlock()
	if f.closed {
		return 0, f.fail("stat", fs.ErrClosed)
	}
	return f.inode.size, nil
}

func (f *memFile) Truncate(size int64) error {
	f.mem.mu.Lock()
	defer f.mem.mu.Unlock()
	switch {
	case f.closed:
		return f.fail("truncate", fs.ErrClosed)
	case f.mode == ReadOnly || size < 0:
		return f.fail("truncate", syscall.EINVAL)
	}
	f.inode.truncate(size)
	return nil
}

func (f *memFile) Sync() error {
	f.mem.mu.RLock()
	defer f.mem.mu.RUnlock()
	if f.closed {
		return f.fail("sync", fs.ErrClosed)
	}
	return nil
}

func (f *memFile) Close() error {
	f.mem.mu.Lock()
	defer f.mem.mu.Unlock()
	if f.closed {
		return f.fail("close", fs.ErrClosed)
	}
	f.closed = true
	return nil
}

func (f *memFile) fail(op string, err error) error {
	return &fs.PathError{Op: op, Path: f.name, Err: err}
}
