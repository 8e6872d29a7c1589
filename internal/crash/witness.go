package crash

import (
	"sync"

	"github.com/plinth-go/plinth/vfs"
)

// Happening says in a few words what an operation of the disk, or a whole call, is
// about: a flush, or the split of a page.
type Happening string

// Op is an operation that has changed a disk, or a barrier. It is a plain value: safe
// for concurrent use.
type Op struct {
	Kind     vfs.Op
	Name     string       // of the file or directory; of a Rename the new one
	Category vfs.Category // of a file that is written, truncated or synced
	Data     []byte       // of a WriteAt
	Off      int64
}

// Witness is a recording disk that knows what its operations are about. A test runs its
// history on it; a Tally tries the states. It is safe for concurrent use.
type Witness struct {
	*vfs.Recorder
	about func(op Op, note func(Happening)) // called with mu held

	mu    sync.Mutex           // held over an operation and what is noted about it
	marks []map[Happening]bool // guarded by mu; by point: what a power cut there may interrupt
}

// NewWitness returns an empty disk. It calls about after each operation, for one at a
// time, which notes what that was about; a nil about notes nothing.
func NewWitness(about func(op Op, note func(Happening))) *Witness {
	if about == nil {
		about = func(Op, func(Happening)) {}
	}
	return &Witness{Recorder: vfs.Record(vfs.NewMem()), about: about}
}

// During notes what happened in a call, from its first operation to its last.
func (w *Witness) During(what Happening, start, end int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.mark(what, start, end)
}

// at returns what a power cut at a point may interrupt. Nobody changes it once the
// history is over.
func (w *Witness) at(point int) map[Happening]bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if point >= len(w.marks) {
		return nil
	}
	return w.marks[point]
}

// do runs an operation and lets about note what it was. Power cuts may come before and
// after it.
func (w *Witness) do(op Op, run func() error) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	err := run()
	if err == nil {
		ops := w.Ops()
		w.about(op, func(what Happening) { w.mark(what, max(ops-1, 0), ops) })
	}
	return err
}

// mark notes what a power cut may interrupt, at points from one to another. The caller
// holds mu.
func (w *Witness) mark(what Happening, from, to int) {
	for len(w.marks) <= to {
		w.marks = append(w.marks, map[Happening]bool{})
	}
	for point := from; point <= to; point++ {
		w.marks[point][what] = true
	}
}

func (w *Witness) Open(name string, mode vfs.Mode, c vfs.Category) (vfs.File, error) {
	w.mu.Lock() // it may create the file, and about is not asked what for
	defer w.mu.Unlock()
	f, err := w.Recorder.Open(name, mode, c)
	if err != nil {
		return nil, err
	}
	return &witnessed{f, w, name, c}, nil
}

func (w *Witness) Remove(name string) error {
	return w.do(Op{Kind: vfs.OpRemove, Name: name}, func() error { return w.Recorder.Remove(name) })
}

func (w *Witness) Rename(oldname, newname string) error {
	return w.do(Op{Kind: vfs.OpRename, Name: newname}, func() error { return w.Recorder.Rename(oldname, newname) })
}

func (w *Witness) MkdirAll(dir string) error {
	return w.do(Op{Kind: vfs.OpMkdirAll, Name: dir}, func() error { return w.Recorder.MkdirAll(dir) })
}

func (w *Witness) SyncDir(dir string) error {
	return w.do(Op{Kind: vfs.OpSyncDir, Name: dir}, func() error { return w.Recorder.SyncDir(dir) })
}

// witnessed is a file of a Witness.
type witnessed struct {
	vfs.File
	w        *Witness
	name     string
	category vfs.Category
}

func (f *witnessed) WriteAt(p []byte, off int64) (n int, err error) {
	err = f.w.do(Op{vfs.OpWriteAt, f.name, f.category, p, off}, func() error {
		n, err = f.File.WriteAt(p, off)
		return err
	})
	return n, err
}

func (f *witnessed) Truncate(size int64) error {
	return f.w.do(Op{Kind: vfs.OpTruncate, Name: f.name, Category: f.category}, func() error { return f.File.Truncate(size) })
}

func (f *witnessed) Sync() error {
	return f.w.do(Op{Kind: vfs.OpSync, Name: f.name, Category: f.category}, f.File.Sync)
}
