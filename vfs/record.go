package vfs

import (
	"hash/maphash"
	"io"
	"path/filepath"
	"slices"
	"sync"
)

// Recorder is a disk in memory that writes down each operation which changes
// it, and each barrier, in the order in which they took effect. Crashes then
// says what a power cut after any of them could have left.
//
// A test notes Ops before and after each call of the system under test: what
// the call acknowledged must be in every crash state of a later point, what a
// later call wrote may be in none of an earlier one.
//
// A Recorder is safe for concurrent use.
type Recorder struct {
	base *disk // never changed: the disk on which the history began

	mu     sync.Mutex // held over an operation and its record, so that both have one order
	mem    *Mem       // changed only with mu held
	ops    []op       // guarded by mu; append only
	replay replay     // guarded by mu; the ops it has seen are those of the last Crashes
	seed   maphash.Seed
}

// Record returns a Recorder that goes on from a copy of base, all of which
// is taken to be durable.
func Record(base *Mem) *Recorder {
	r := &Recorder{base: base.Clone().disk, mem: base.Clone(), seed: maphash.MakeSeed()}
	r.replay = replay{disk: r.base.share()}
	return r
}

// Ops returns the number of operations so far, barriers included.
func (r *Recorder) Ops() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.ops)
}

func (r *Recorder) Open(name string, mode Mode, c Category) (File, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	f, err := r.mem.Open(name, mode, c)
	if err != nil {
		return nil, err
	}
	inside := f.(*memFile)
	if mode == Create {
		r.record(nameOp(opCreate, name, inside.inode.number))
	}
	return &recordedFile{memFile: inside, rec: r}, nil
}

func (r *Recorder) Remove(name string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	n, _ := r.mem.disk.lookup(name) // an error is Remove's to report
	if err := r.mem.Remove(name); err != nil {
		return err
	}
	if n == nil {
		r.record(nameOp(opRemoveDir, name, 0))
	} else {
		r.record(nameOp(opRemove, name, n.number))
	}
	return nil
}

func (r *Recorder) Rename(oldname, newname string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	n, _ := r.mem.disk.lookup(oldname)
	if err := r.mem.Rename(oldname, newname); err != nil {
		return err
	}
	if filepath.Base(oldname) != filepath.Base(newname) {
		o := nameOp(opRename, oldname, n.number)
		_, o.to = split(newname)
		r.record(o)
	}
	return nil
}

func (r *Recorder) MkdirAll(dir string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	made := missing(r.mem.disk, dir)
	if err := r.mem.MkdirAll(dir); err != nil {
		return err
	}
	for _, path := range made {
		r.record(op{kind: opMkdir, dir: path})
	}
	return nil
}

func (r *Recorder) List(dir string) ([]Entry, error) { return r.mem.List(dir) }

func (r *Recorder) SyncDir(dir string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.mem.SyncDir(dir); err != nil {
		return err
	}
	r.record(op{kind: opSyncDir, dir: filepath.Join(root, dir)})
	return nil
}

func (r *Recorder) Lock(name string) (io.Closer, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	_, missing := r.mem.disk.lookup(name)
	l, err := r.mem.Lock(name)
	if err != nil {
		return nil, err
	}
	if missing != nil {
		r.record(nameOp(opCreate, name, l.(*memLock).inode.number))
	}
	return l, nil
}

// record must be called with mu held.
func (r *Recorder) record(o op) { r.ops = append(r.ops, o) }

// missing returns dir and those of its parents that do not exist, parents first.
func missing(d *disk, dir string) (paths []string) {
	path := filepath.Join(root, dir)
	for d.dirs[path] == nil {
		paths = append(paths, path)
		path = filepath.Dir(path)
	}
	slices.Reverse(paths)
	return paths
}

// recordedFile is safe for concurrent use.
type recordedFile struct {
	*memFile
	rec *Recorder
}

func (f *recordedFile) WriteAt(p []byte, off int64) (int, error) {
	f.rec.mu.Lock()
	defer f.rec.mu.Unlock()
	n, err := f.memFile.WriteAt(p, off)
	if n > 0 {
		f.record(op{kind: opWrite, off: off, data: slices.Clone(p[:n])})
	}
	return n, err
}

func (f *recordedFile) Truncate(size int64) error {
	f.rec.mu.Lock()
	defer f.rec.mu.Unlock()
	err := f.memFile.Truncate(size)
	if err == nil {
		f.record(op{kind: opTruncate, off: size})
	}
	return err
}

func (f *recordedFile) Sync() error {
	f.rec.mu.Lock()
	defer f.rec.mu.Unlock()
	err := f.memFile.Sync()
	if err == nil {
		f.record(op{kind: opSync})
	}
	return err
}

func (f *recordedFile) record(o op) {
	o.dir, o.name = split(f.name)
	o.file = f.inode.number
	f.rec.record(o)
}
