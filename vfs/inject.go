package vfs

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
)

// Op is a set of the verbs of FS and File. It is a plain value: safe for
// concurrent use.
type Op uint16

const (
	OpOpen Op = 1 << iota
	OpRemove
	OpRename
	OpMkdirAll
	OpList
	OpSyncDir
	OpLock
	OpReadAt
	OpWriteAt
	OpSize
	OpTruncate
	OpSync
	OpClose // of a File or of a lock
	endOfOps

	AnyOp = endOfOps - 1
)

func (o Op) String() string {
	var names []string
	for i, name := range [...]string{"open", "remove", "rename", "mkdir", "list", "syncdir", "lock",
		"read", "write", "size", "truncate", "sync", "close"} {
		if o&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	if o &^= AnyOp; o != 0 {
		names = append(names, fmt.Sprintf("Op(%#x)", uint16(o)))
	}
	return strings.Join(names, "|")
}

// Fault says which operation fails, and how. It is a plain value: safe for
// concurrent use.
type Fault struct {
	At    int       // the At-th operation fails, counted from 1; 0 is none
	Of    Op        // the operations that count; 0 is AnyOp
	Err   error     // what it fails with, in an *fs.PathError; nil is syscall.EIO
	Short bool      // a read or write does the first half of its work before it fails
	Then  Aftermath // what later operations see
}

// Aftermath is what follows a fault. It is a plain value: safe for concurrent use.
type Aftermath uint8

const (
	// Recover lets all later operations through.
	Recover Aftermath = iota

	// Persist fails all later operations of the kind as well, as a full disk
	// or a dead one does.
	Persist

	// Pretend is the failed sync of a kernel that drops the pages which it could not
	// write and calls them clean: each later Sync of the same file, or
	// SyncDir of the same directory, returns nil and does nothing. After the
	// failure of another operation it is Recover.
	Pretend
)

// Injector passes everything on to another FS, except that one operation fails.
// A failed one is not passed on, so that it has no effect; but a failed Close
// closes, and one that is Short does half. A test tries every place:
//
//	for n := 1; ; n++ {
//		in := vfs.Inject(fsys, vfs.Fault{At: n})
//		…
//		if !in.Fired() { break }
//	}
//
// An Injector is safe for concurrent use.
type Injector struct {
	fs    FS
	fault Fault // immutable

	ops   atomic.Int64
	fired atomic.Bool

	mu    sync.Mutex
	files map[string]*pretence // guarded by mu; by clean name, as names are now
	dirs  map[string]*pretence // guarded by mu
}

// pretence is whether syncs of a file or a directory are only claimed. It is shared by
// all handles of the file and stays with it under another name.
type pretence struct{ on atomic.Bool }

// Inject returns an Injector in front of fsys. A nil fsys is OS.
func Inject(fsys FS, f Fault) *Injector {
	if fsys == nil {
		fsys = OS()
	}
	if f.Of == 0 {
		f.Of = AnyOp
	}
	if f.Err == nil {
		f.Err = syscall.EIO
	}
	return &Injector{fs: fsys, fault: f, files: map[string]*pretence{}, dirs: map[string]*pretence{}}
}

// Ops returns the number of operations so far that count for the fault.
func (in *Injector) Ops() int { return int(in.ops.Load()) }

// Fired says whether the fault has happened.
func (in *Injector) Fired() bool { return in.fired.Load() }

func (in *Injector) Open(name string, mode Mode, c Category) (File, error) {
	if err := in.fail(OpOpen, name); err != nil {
		return nil, err
	}
	f, err := in.fs.Open(name, mode, c)
	if err != nil {
		return nil, err
	}
	p := pretenceOf(in, in.files, name)
	return &injectedFile{File: f, in: in, name: name, pretence: p}, nil
}

func (in *Injector) Remove(name string) error {
	if err := in.fail(OpRemove, name); err != nil {
		return err
	}
	err := in.fs.Remove(name)
	if err == nil {
		in.mu.Lock()
		defer in.mu.Unlock()
		delete(in.files, filepath.Clean(name))
		delete(in.dirs, filepath.Clean(name))
	}
	return err
}

func (in *Injector) Rename(oldname, newname string) error {
	if in.hit(OpRename) {
		return &os.LinkError{Op: "rename", Old: oldname, New: newname, Err: in.fault.Err}
	}
	p := pretenceOf(in, in.files, oldname)
	err := in.fs.Rename(oldname, newname)
	if err == nil {
		in.mu.Lock()
		defer in.mu.Unlock()
		delete(in.files, filepath.Clean(oldname))
		in.files[filepath.Clean(newname)] = p
	}
	return err
}

func (in *Injector) MkdirAll(dir string) error {
	if err := in.fail(OpMkdirAll, dir); err != nil {
		return err
	}
	return in.fs.MkdirAll(dir)
}

func (in *Injector) List(dir string) ([]Entry, error) {
	if err := in.fail(OpList, dir); err != nil {
		return nil, err
	}
	return in.fs.List(dir)
}

func (in *Injector) SyncDir(dir string) error {
	p := pretenceOf(in, in.dirs, dir)
	return in.sync(OpSyncDir, dir, p, func() error { return in.fs.SyncDir(dir) })
}

func (in *Injector) Lock(name string) (io.Closer, error) {
	if err := in.fail(OpLock, name); err != nil {
		return nil, err
	}
	l, err := in.fs.Lock(name)
	if err != nil {
		return nil, err
	}
	return &injectedLock{Closer: l, in: in, name: name}, nil
}

// hit counts an operation and says whether it is to fail.
func (in *Injector) hit(o Op) bool {
	if o&in.fault.Of == 0 {
		return false
	}
	n := in.ops.Add(1)
	at := int64(in.fault.At)
	if at <= 0 || n < at || n > at && in.fault.Then != Persist {
		return false
	}
	in.fired.Store(true)
	return true
}

func (in *Injector) fail(o Op, name string) error {
	if in.hit(o) {
		return &fs.PathError{Op: o.String(), Path: name, Err: in.fault.Err}
	}
	return nil
}

func (in *Injector) sync(o Op, name string, p *pretence, do func() error) error {
	if err := in.fail(o, name); err != nil {
		p.on.Store(in.fault.Then == Pretend)
		return err
	}
	if p.on.Load() {
		return nil
	}
	return do()
}

func pretenceOf(in *Injector, among map[string]*pretence, name string) *pretence {
	in.mu.Lock()
	defer in.mu.Unlock()
	name = filepath.Clean(name)
	p := among[name]
	if p == nil {
		p = new(pretence)
		among[name] = p
	}
	return p
}

// injectedFile is safe for concurrent use.
type injectedFile struct {
	File
	in       *Injector
	name     string
	pretence *pretence
}

func (f *injectedFile) ReadAt(p []byte, off int64) (int, error) {
	return f.transfer(OpReadAt, f.File.ReadAt, p, off)
}

func (f *injectedFile) WriteAt(p []byte, off int64) (int, error) {
	return f.transfer(OpWriteAt, f.File.WriteAt, p, off)
}

func (f *injectedFile) transfer(o Op, do func([]byte, int64) (int, error), p []byte, off int64) (int, error) {
	failure := f.in.fail(o, f.name)
	if failure == nil {
		return do(p, off)
	}
	if !f.in.fault.Short {
		return 0, failure
	}
	n, err := do(p[:len(p)/2], off)
	if err != nil {
		return n, err // its own, which came first
	}
	return n, failure
}

func (f *injectedFile) Size() (int64, error) {
	if err := f.in.fail(OpSize, f.name); err != nil {
		return 0, err
	}
	return f.File.Size()
}

func (f *injectedFile) Truncate(size int64) error {
	if err := f.in.fail(OpTruncate, f.name); err != nil {
		return err
	}
	return f.File.Truncate(size)
}

func (f *injectedFile) Sync() error {
	return f.in.sync(OpSync, f.name, f.pretence, f.File.Sync)
}

func (f *injectedFile) Close() error { return f.in.close(f.name, f.File) }

// injectedLock is safe for concurrent use.
type injectedLock struct {
	io.Closer
	in   *Injector
	name string
}

func (l *injectedLock) Close() error { return l.in.close(l.name, l.Closer) }

func (in *Injector) close(name string, c io.Closer) error {
	failure, err := in.fail(OpClose, name), c.Close()
	if err != nil {
		return err
	}
	return failure
}
