package lsm

import (
	"context"
	"fmt"
	"io/fs"
	"maps"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/plinth-go/plinth/internal/form"
	"github.com/plinth-go/plinth/vfs"
	"github.com/plinth-go/plinth/wal"
)

// fullDisk passes everything on to another FS until there is no space: then what
// makes a file longer fails with ENOSPC, after the part that fits. What is written
// over needs no space, and removing gives it back.
type fullDisk struct {
	vfs.FS

	mu      sync.Mutex
	left    int64          // bytes
	place   string         // if not empty, only what grows there counts, until the disk is full: then everything does
	full    bool           // something was refused
	refused map[string]int // by place
}

func newFullDisk(fsys vfs.FS, place string, left int64) *fullDisk {
	return &fullDisk{FS: fsys, left: left, place: place, refused: map[string]int{}}
}

// places are the parts of a store that a disk may have no space for.
func places() []string { return []string{"log", "manifest", "flush", "compaction"} }

func placeOf(name string, c vfs.Category) string {
	for _, place := range places() {
		if strings.Contains(name, place) || string(c) == place {
			return place
		}
	}
	return "lock"
}

// take takes what there is of n bytes of space.
func (d *fullDisk) take(place string, n int64) int64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	if n <= 0 || d.place != "" && d.place != place && !d.full {
		return n
	}
	if n > d.left {
		n, d.full = d.left, true
		d.refused[place]++
	}
	d.left -= n
	return n
}

// give makes that many bytes of space.
func (d *fullDisk) give(n int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.left += n
}

func (d *fullDisk) Open(name string, mode vfs.Mode, c vfs.Category) (vfs.File, error) {
	f, err := d.FS.Open(name, mode, c)
	if err != nil {
		return nil, err
	}
	return &fullDiskFile{File: f, d: d, name: name, place: placeOf(name, c)}, nil
}

func (d *fullDisk) Remove(name string) error {
	size := int64(0)
	if f, err := d.FS.Open(name, vfs.ReadOnly, ""); err == nil {
		size, _ = f.Size()
		_ = f.Close()
	}
	err := d.FS.Remove(name)
	if err == nil && d.place == "" {
		d.give(size)
	}
	return err
}

type fullDiskFile struct {
	vfs.File
	d           *fullDisk
	name, place string
	mu          sync.Mutex // held from looking at the size to changing it
}

func (f *fullDiskFile) WriteAt(p []byte, off int64) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	size, err := f.Size()
	if err != nil {
		return 0, err
	}
	more := max(0, off+int64(len(p))-size)
	missing := more - f.d.take(f.place, more)
	n, err := f.File.WriteAt(p[:max(0, int64(len(p))-missing)], off)
	if err == nil && missing > 0 {
		err = &fs.PathError{Op: "write", Path: f.name, Err: syscall.ENOSPC}
	}
	return n, err
}

func (f *fullDiskFile) Truncate(to int64) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	size, err := f.Size()
	if err != nil {
		return err
	}
	if more := to - size; more != f.d.take(f.place, more) {
		return &fs.PathError{Op: "truncate", Path: f.name, Err: syscall.ENOSPC}
	}
	return f.File.Truncate(to)
}

// fullDiskRun is a store on a disk that becomes full, and what it must hold.
type fullDiskRun struct {
	t    *testing.T
	o    Options
	disk *fullDisk
	now  map[string]string // acknowledged
	next map[string]string // and the change that failed; nil for none
	n    int               // changes, so that no two are the same
}

// change is one that the store may refuse. A value is long enough for some flushes.
func (r *fullDiskRun) change(db *DB) error {
	var b Batch
	r.n++
	r.next = maps.Clone(r.now)
	for i := range 1 + r.n%3 {
		key, value := fmt.Sprintf("k%02d", (r.n*7+i)%60), fmt.Sprintf("%d|%s", r.n, strings.Repeat("x", r.n*31%120))
		if r.n%5 == 4 {
			b.Delete([]byte(key))
			delete(r.next, key)
		} else {
			b.Put([]byte(key), []byte(value))
			r.next[key] = value
		}
	}
	if err := db.Apply(&b); err != nil {
		return err
	}
	r.now, r.next = r.next, nil
	return nil
}

// full requires an error that says that the disk is, and that the store has failed.
func (r *fullDiskRun) full(err error) {
	require.ErrorIs(r.t, err, ErrFailed)
	require.ErrorIs(r.t, err, syscall.ENOSPC)
}

// work makes up to n changes, or fewer if one is refused. Then everything can be read
// that was acknowledged, and what a snapshot of before sees.
func (r *fullDiskRun) work(db *DB, n int) {
	t := r.t
	then, old := contentOfMap(r.now), db.Snapshot()
	defer old.Close()
	var err error
	for i := 0; i < n && err == nil; i++ {
		if i%100 == 60 {
			if err := db.Compact(context.Background(), nil, nil); err != nil {
				r.full(err)
			}
		}
		err = r.change(db)
	}
	got, scanErr := contentOf(db)
	require.NoError(t, scanErr, "reads go on")
	require.Equal(t, contentOfMap(r.now), got)
	for e, err := range old.Scan(nil, nil) {
		require.NoError(t, err)
		line := fmt.Sprintf("%s=%s\n", e.Key, e.Value)
		require.True(t, strings.HasPrefix(then, line), "the snapshot has %q, want %q", line, then)
		then = then[len(line):]
	}
	require.Empty(t, then, "the snapshot lacks it")
	if err != nil {
		r.full(err)
		r.full(db.Put([]byte("x"), nil))
		r.full(db.Flush())
		r.full(db.Compact(context.Background(), nil, nil))
	}
	if err := db.Close(); err != nil {
		require.ErrorIs(t, err, syscall.ENOSPC)
	}
}

// open opens the store, and looks whether it holds what it must. Before there is
// space it may say that there is none.
func (r *fullDiskRun) open() *DB {
	db, err := Open("db", r.o)
	if err != nil {
		require.ErrorIs(r.t, err, syscall.ENOSPC)
		return nil
	}
	got, err := contentOf(db)
	require.NoError(r.t, err)
	if r.next != nil && got == contentOfMap(r.next) {
		r.now = r.next
	}
	r.next = nil
	require.Equal(r.t, contentOfMap(r.now), got)
	return db
}

// run works until the disk is full, opens the store while it is, and then makes space.
// It returns whether the disk became full, and how often the store could be opened then.
func (r *fullDiskRun) run(n int) (full bool, opened int) {
	if db := r.open(); db != nil {
		r.work(db, n)
	}
	if !r.disk.full {
		return false, 0
	}
	for range 3 {
		if db := r.open(); db != nil {
			opened++
			r.work(db, 30)
		}
	}
	r.disk.give(1 << 40)
	db := r.open()
	require.NotNil(r.t, db, "there is space")
	r.work(db, 150)
	db = r.open()
	require.NoError(r.t, db.Compact(context.Background(), nil, nil))
	require.NoError(r.t, db.Close())
	require.NoError(r.t, leftovers(r.disk, "db", db))
	require.NoError(r.t, Verify("db", r.o))
	require.NoError(r.t, r.open().Close())
	return true, opened
}

// TestFullDisk lets the disk become full, sooner and later, in each of the places
// where a store writes: a change that does not fit is refused with an error that says
// why; reading goes on; Close returns; opening says that there is no space, or gives
// a store that reads; and when there is space, everything is there that was
// acknowledged, and nothing is left over.
//
// Planted and caught: a Put that acknowledges what the log has refused; readers who see
// it; an error without its cause; a Compact that answers before the store has failed;
// an Open that writes the manifest before it removes what a flush or compaction has
// left, and so finds no space; a flush or compaction that goes on without the manifest;
// a manifest that forgets the old before it has the whole version; tables removed before
// the manifest knows the new ones.
func TestFullDisk(t *testing.T) {
	stride := int64(13)
	if form.Long() {
		stride = 2
	}
	for _, d := range []wal.Durability{wal.Synced, wal.Flushed} {
		refused := map[string]int{}
		for _, place := range append(places(), "") {
			name := d.String() + "/" + place
			if place == "" {
				name += "anywhere"
			}
			t.Run(name, func(t *testing.T) {
				runs, opened := 0, 0
				step := 211 * stride
				if place == "manifest" { // it has little to write
					step /= 4
				}
				for left := int64(0); ; left += step {
					disk := newFullDisk(vfs.NewMem(), place, left)
					o := Options{
						FS: disk, Durability: d, MemTableSize: 2 << 10, TableSize: 1 << 10, BlockSize: 256,
						Policy: Leveled{Growth: 3, Level0: 2}, segmentSize: 8 << 10, maxEdits: 6,
					}
					r := fullDiskRun{t: t, o: o, disk: disk, now: map[string]string{}}
					full, n := r.run(200)
					if !full {
						break
					}
					runs++
					opened += n
					for place, n := range disk.refused {
						refused[place] += n
					}
				}
				t.Logf("%d times full, and opened %d times then, of %d", runs, opened, 3*runs)
				require.Greater(t, runs, 3)
				if place == "" {
					require.NotZero(t, opened, "what a flush or compaction has left makes room")
				}
			})
		}
		t.Logf("%v: refused in %v", d, refused)
		for _, place := range places() {
			require.NotZero(t, refused[place], place)
		}
	}
}
