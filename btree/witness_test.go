package btree

import (
	"encoding/binary"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/plinth-go/plinth/vfs"
	"github.com/plinth-go/plinth/wal"
)

// happening names what a disk operation is a part of.
type happening int

const (
	logs         happening = iota // a transaction is written to the log
	seals                         // the log begins another segment
	forgets                       // the log is truncated
	writesLeaf                    // pages of the tree, by their kinds
	writesInner                   //
	writesValue                   //
	writesMap                     //
	writesMeta                    // the commit of a checkpoint
	cuts                          // the file becomes shorter
	creates                       // the file gets its name
	splits                        // there are more leaves behind the call than before
	merges                        // there are fewer
	grows                         // the tree becomes higher
	shrinks                       // it becomes lower
	commitsLarge                  // a transaction is committed by a checkpoint
	compacts                      // Compact is called
	reopens                       // Open is
	closes                        // Close is
	happenings                    // the number of them
)

func (h happening) String() string {
	return [...]string{"write of the log", "rotation of the log's segment", "truncation of the log", "write of leaves",
		"write of inner pages", "write of large values", "write of the map", "write of a meta page", "cut of the file",
		"naming of the file", "split", "merge", "a higher tree", "a lower tree", "large transaction", "compaction",
		"opening", "closing"}[h]
}

// witness is a Recorder that knows what its operations are about: from the categories of
// files, and from the pages and frames that are written.
type witness struct {
	*vfs.Recorder

	mu    sync.Mutex
	marks []map[happening]bool // by point: what a power cut there may interrupt
	first uint64               // record of the log, as it has said last
}

func newWitness() *witness { return &witness{Recorder: vfs.Record(vfs.NewMem())} }

// at returns what a power cut at a point may interrupt.
func (w *witness) at(point int) map[happening]bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if point >= len(w.marks) {
		return nil
	}
	return w.marks[point]
}

// note says what the last operation was about. Power cuts may come before and after it.
// The caller holds mu.
func (w *witness) note(what happening) {
	ops := w.Ops()
	w.mark(what, ops-1, ops)
}

// during says what happens in a call.
func (w *witness) during(what happening, c crashCall) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.mark(what, c.start, c.end)
}

func (w *witness) mark(what happening, from, to int) {
	for len(w.marks) <= to {
		w.marks = append(w.marks, map[happening]bool{})
	}
	for point := from; point <= to; point++ {
		w.marks[point][what] = true
	}
}

func (w *witness) Open(name string, mode vfs.Mode, c vfs.Category) (vfs.File, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f, err := w.Recorder.Open(name, mode, c)
	if err != nil {
		return nil, err
	}
	return &witnessed{f, w, c}, nil
}

func (w *witness) Remove(name string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.Recorder.Remove(name)
}

func (w *witness) Rename(oldname, newname string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	err := w.Recorder.Rename(oldname, newname)
	if newname == "db/"+fileName {
		w.note(creates)
	}
	return err
}

func (w *witness) SyncDir(dir string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.Recorder.SyncDir(dir)
}

// witnessed is a file of a witness.
type witnessed struct {
	vfs.File
	w *witness
	c vfs.Category
}

func (f *witnessed) WriteAt(p []byte, off int64) (int, error) {
	f.w.mu.Lock()
	defer f.w.mu.Unlock()
	n, err := f.File.WriteAt(p, off)
	switch {
	case f.c == categoryTree:
		f.w.pages(p)
	case f.c == wal.Category && off > 0:
		f.w.frames(p)
	}
	return n, err
}

func (f *witnessed) Truncate(size int64) error {
	f.w.mu.Lock()
	defer f.w.mu.Unlock()
	err := f.File.Truncate(size)
	if f.c == categoryTree {
		f.w.note(cuts)
	}
	return err
}

func (f *witnessed) Sync() error {
	f.w.mu.Lock()
	defer f.w.mu.Unlock()
	return f.File.Sync()
}

// pages notes what is written to the tree. Whatever the size of a page, one begins at
// some multiple of the smallest.
func (w *witness) pages(b []byte) {
	for ; len(b) >= minPageSize; b = b[minPageSize:] {
		if string(b[8:16]) == metaMagic {
			w.note(writesMeta)
			continue
		}
		switch kind(b[20]) {
		case leafPage:
			w.note(writesLeaf)
		case innerPage:
			w.note(writesInner)
		case valuePage:
			w.note(writesValue)
		case mapPage:
			w.note(writesMap)
		}
	}
}

// frames notes what is written to the log; wal/frame.go says how it looks.
func (w *witness) frames(b []byte) {
	for len(b) >= 24 {
		size := binary.LittleEndian.Uint32(b[8:])
		switch kind, data := b[16], b[24:][:size]; {
		case kind == 1:
			w.note(logs)
		case kind == 3 && binary.LittleEndian.Uint64(data) > w.first: // and not only closed
			w.first = binary.LittleEndian.Uint64(data)
			w.note(forgets)
		case kind == 4:
			w.note(seals)
		}
		b = b[min(len(b), int(24+size+7)&^7):]
	}
}

func opened(t testing.TB, o Options) *DB {
	db, err := Open("db", o)
	require.NoError(t, err)
	return db
}
