package vfs

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"syscall"
)

const (
	fileMode fs.FileMode = 0o644
	dirMode  fs.FileMode = 0o755
)

// OS returns the file system of the operating system. It runs on Linux, macOS,
// the BSDs and Windows. On Windows an open file can be neither removed nor
// renamed, and a file opened ReadOnly cannot be synced.
func OS() FS { return osFS{} }

// osFS has no state: safe for concurrent use.
type osFS struct{}

func (osFS) Open(name string, mode Mode, _ Category) (File, error) {
	flag := os.O_RDWR
	switch mode {
	case ReadOnly:
		flag = os.O_RDONLY
	case Create:
		flag = os.O_RDWR | os.O_CREATE | os.O_EXCL
	}
	f, err := os.OpenFile(name, flag, fileMode)
	if err != nil {
		return nil, err
	}
	// A directory can be opened for reading, and would fail only later, at
	// the first ReadAt.
	if info, err := f.Stat(); err != nil || info.IsDir() {
		f.Close()
		if err == nil {
			err = &fs.PathError{Op: "open", Path: name, Err: syscall.EISDIR}
		}
		return nil, err
	}
	return newOSFile(f), nil
}

func (osFS) Remove(name string) error { return os.Remove(name) }

func (osFS) Rename(oldname, newname string) error {
	err := error(syscall.EXDEV)
	if filepath.Dir(oldname) == filepath.Dir(newname) {
		info, statErr := os.Lstat(oldname)
		if statErr != nil || !info.IsDir() {
			return os.Rename(oldname, newname)
		}
		err = syscall.EISDIR
	}
	return &os.LinkError{Op: "rename", Old: oldname, New: newname, Err: err}
}

// MkdirAll syncs the parent of each directory that it makes. Where that fails
// it takes the directory away again: found in place by the next MkdirAll, it
// would be taken for durable.
func (o osFS) MkdirAll(dir string) error {
	info, err := os.Stat(dir)
	if err == nil && info.IsDir() {
		return nil
	}
	if err == nil {
		return &fs.PathError{Op: "mkdir", Path: dir, Err: syscall.ENOTDIR}
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	parent := filepath.Dir(filepath.Clean(dir))
	if parent != dir {
		if err := o.MkdirAll(parent); err != nil {
			return err
		}
	}
	if err := os.Mkdir(dir, dirMode); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	if err := o.SyncDir(parent); err != nil {
		os.Remove(dir)
		return err
	}
	return nil
}

func (osFS) List(dir string) ([]Entry, error) {
	found, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	entries := make([]Entry, 0, len(found))
	for _, d := range found {
		if d.IsDir() {
			entries = append(entries, Entry{Name: d.Name(), Dir: true})
			continue
		}
		info, err := d.Info()
		if errors.Is(err, fs.ErrNotExist) {
			continue // removed since ReadDir
		}
		if err != nil {
			return nil, err
		}
		entries = append(entries, Entry{Name: d.Name(), Size: info.Size()})
	}
	return entries, nil
}

func (osFS) SyncDir(dir string) error { return syncDir(dir) }

func (osFS) Lock(name string) (io.Closer, error) { return lock(name) }

// osFile is an os.File whose Sync may be cheaper than os.File's and allocates
// nothing. It is safe for concurrent use.
type osFile struct {
	f *os.File

	closing sync.RWMutex // held shared while fd is in use, exclusively to close it
	fd      uintptr      // guarded by closing: after Close the number may be another file's
	closed  bool         // guarded by closing
}

func newOSFile(f *os.File) *osFile { return &osFile{f: f, fd: f.Fd()} }

func (o *osFile) ReadAt(p []byte, off int64) (int, error)  { return o.f.ReadAt(p, off) }
func (o *osFile) WriteAt(p []byte, off int64) (int, error) { return o.f.WriteAt(p, off) }
func (o *osFile) Truncate(size int64) error                { return o.f.Truncate(size) }

func (o *osFile) Size() (int64, error) {
	info, err := o.f.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

func (o *osFile) Sync() error {
	o.closing.RLock()
	defer o.closing.RUnlock()
	err := fs.ErrClosed
	if !o.closed {
		err = syncFile(o.f, o.fd)
	}
	// os.File.Sync has already wrapped its errors, a bare fdatasync has not.
	if _, wrapped := err.(*fs.PathError); err != nil && !wrapped {
		err = &fs.PathError{Op: "sync", Path: o.f.Name(), Err: err}
	}
	return err
}

func (o *osFile) Close() error {
	o.closing.Lock()
	defer o.closing.Unlock()
	o.closed = true
	return o.f.Close()
}
