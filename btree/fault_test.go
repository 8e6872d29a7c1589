package btree

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/plinth-go/plinth/internal/form"
	"github.com/plinth-go/plinth/vfs"
	"github.com/plinth-go/plinth/wal"
)

var errBroken = errors.New("broken")

// faultOptions are small stores, with a log and without, that do everything soon.
func faultOptions() map[string]Options {
	return map[string]Options{
		"log":    {segmentSize: 8 << 10, maxRecord: 6 << 10, CacheSize: 1},
		"no log": {NoWAL: true, CacheSize: 1},
	}
}

// faultRun is a store on a disk of which an operation fails, and what it must hold.
type faultRun struct {
	t    *testing.T
	o    Options
	now  map[string]string // acknowledged
	next map[string]string // with the change that failed; nil for none
}

// expected requires an error that says what was injected, or none.
func (r *faultRun) expected(err error) error {
	if err != nil {
		require.ErrorIs(r.t, err, errBroken)
	}
	return err
}

// change is one that the store may refuse: of all kinds, in turns.
func (r *faultRun) change(db *DB, i int) error {
	value := bytes.Repeat(fmt.Appendf(nil, "%d|", i), 10+i*37%150)
	if i%8 == 5 {
		value = bytes.Repeat(value, 12) // elsewhere, and too large for the log
	}
	r.next = maps.Clone(r.now)
	err := db.Update(func(tx *Tx) error {
		for k := range 1 + i%3 {
			key := fmt.Sprintf("%02d", (i*7+k)%30)
			if i%5 == 4 {
				delete(r.next, key)
				if err := tx.Delete([]byte(key)); err != nil {
					return err
				}
				continue
			}
			r.next[key] = string(value)
			if err := tx.Put([]byte(key), value); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil {
		r.now, r.next = r.next, nil
	}
	return err
}

// reads requires that readers see exactly what is acknowledged, or an error.
func (r *faultRun) reads(db *DB) {
	got, err := contentOf(db)
	if r.expected(err) == nil {
		require.Equal(r.t, contentOfMap(r.now), got, "readers see what is acknowledged")
	}
}

// work makes changes until one is refused.
func (r *faultRun) work(db *DB) {
	t := r.t
	old, err := db.Begin(false)
	require.NoError(t, err)
	defer old.Rollback()
	for i := 0; i < 60 && err == nil; i++ {
		switch {
		case i%20 == 12:
			err = r.expected(db.Compact(context.Background()))
		case i%9 == 8:
			err = r.expected(db.Checkpoint())
		}
		if err == nil {
			if err = r.expected(r.change(db, i)); err != nil && !errors.Is(err, ErrFailed) {
				r.reads(db) // it could not read: another transaction may
				r.next, err = nil, nil
			}
		}
	}
	r.reads(db)
	require.Zero(t, old.Len())
	_, getErr := old.Get([]byte("00"))
	require.ErrorIs(t, getErr, ErrNotFound)
	if errors.Is(err, ErrFailed) {
		for range 2 {
			require.ErrorIs(t, db.Put([]byte("x"), nil), ErrFailed, "an error is final")
			require.ErrorIs(t, db.Checkpoint(), ErrFailed)
			_, beginErr := db.Begin(true)
			require.ErrorIs(t, beginErr, errBroken)
			require.ErrorIs(t, db.Backup(new(bytes.Buffer)), ErrFailed)
			r.reads(db)
		}
	}
}

// reopened opens the store, and looks whether it holds what it must.
func (r *faultRun) reopened(o Options) *DB {
	db, err := Open("db", o)
	require.NoError(r.t, err)
	got, err := contentOf(db)
	require.NoError(r.t, err)
	if r.next != nil && got == contentOfMap(r.next) {
		r.now = r.next
	}
	r.next = nil
	require.Equal(r.t, contentOfMap(r.now), got)
	return db
}

// TestEveryOperationFailsOnce makes each operation of the disk fail once, in the ways
// that vfs knows. The call that meets it, or a later one, says so; what was refused no
// reader sees; reading goes on; Close returns; and when the store is opened again
// everything is there that was acknowledged, and the transaction that failed whole or
// not at all. Planted and caught: readers who see what the log has not; a failure that is
// not final; a log that is truncated before the meta page is on the disk.
func TestEveryOperationFailsOnce(t *testing.T) {
	stride := 11
	if form.Long() {
		stride = 1
	}
	before := runtime.NumGoroutine()
	for name, o := range faultOptions() {
		for _, then := range []vfs.Aftermath{vfs.Recover, vfs.Persist, vfs.Pretend} {
			for _, short := range []bool{false, true} {
				for at := 1; ; at += stride {
					mem := vfs.NewMem()
					in := vfs.Inject(mem, vfs.Fault{At: at, Err: errBroken, Short: short, Then: then})
					r := faultRun{t: t, o: o.on(in), now: map[string]string{}}
					db, err := Open("db", r.o)
					if r.expected(err) == nil {
						r.work(db)
						_ = r.expected(db.Close())
					}
					if !in.Fired() {
						require.Greater(t, at, 100)
						break
					}
					db = r.reopened(o.on(mem))
					invariant(t, db)
					require.NoError(t, db.Close(), "%s, operation %d", name, at)
					require.NoError(t, Verify("db", o.on(mem)), "%s, operation %d", name, at)
				}
			}
		}
	}
	require.Eventually(t, func() bool { return runtime.NumGoroutine() <= before+2 }, time.Minute, time.Millisecond)
}

// TestFailedSync: after a sync that failed nothing more is acknowledged, whatever later
// ones say, and a power cut then leaves what was acknowledged before.
func TestFailedSync(t *testing.T) {
	for name, o := range faultOptions() {
		for at := 1; ; at++ {
			recorder := vfs.Record(vfs.NewMem())
			in := vfs.Inject(recorder, vfs.Fault{At: at, Of: vfs.OpSync | vfs.OpSyncDir, Err: errBroken, Then: vfs.Pretend})
			r := faultRun{t: t, o: o.on(in), now: map[string]string{}}
			db, err := Open("db", r.o)
			if err != nil {
				require.ErrorIs(t, err, errBroken)
				continue
			}
			r.work(db)
			_ = r.expected(db.Close())
			if !in.Fired() {
				require.Greater(t, at, 10)
				break
			}
			if at%3 > 0 && !form.Long() {
				continue
			}
			now, next := r.now, r.next
			n := 0
			for c := range recorder.Crashes(recorder.Ops()) {
				if n++; n > 8 {
					break
				}
				r.now, r.next = now, next
				require.NoError(t, r.reopened(o.on(c.Disk)).Close(), "%s, sync %d, %v", name, at, c)
			}
		}
	}
}

// TestFailedOpen makes each operation of the first Open fail, and opens again, on the
// same disk: what is acknowledged then survives a power cut, though the names in the
// directory may have been made by the Open that failed. Planted and caught: an Open that
// does not sync the name of a file that it finds.
func TestFailedOpen(t *testing.T) {
	for name, o := range faultOptions() {
		for at := 1; ; at++ {
			recorder := vfs.Record(vfs.NewMem())
			in := vfs.Inject(recorder, vfs.Fault{At: at, Err: errBroken})
			db, err := Open("db", o.on(in))
			if err == nil {
				require.False(t, in.Fired())
				_ = db.Close()
				break
			}
			require.ErrorIs(t, err, errBroken)
			db = opened(t, o.on(recorder))
			require.NoError(t, db.Put([]byte("k"), []byte("v")))
			for c := range recorder.Crashes(recorder.Ops()) {
				again, err := Open("db", o.on(c.Disk))
				require.NoError(t, err, "%s, operation %d, %v", name, at, c)
				v, err := again.Get([]byte("k"))
				require.NoError(t, err, "%s, operation %d, %v", name, at, c)
				require.Equal(t, "v", string(v))
				require.NoError(t, again.Close())
			}
			require.NoError(t, db.Close())
		}
	}
}

// TestCursorAfterFailedChange: a transaction of which a change failed half-way can still
// be read without harm, and cannot be committed.
func TestCursorAfterFailedChange(t *testing.T) {
	mem := vfs.NewMem()
	db := opened(t, Options{FS: mem})
	for i := range 200 {
		require.NoError(t, db.Put(fmt.Appendf(nil, "%03d", i), make([]byte, 900)))
	}
	require.NoError(t, db.Close())
	for at := 1; at < 40; at++ {
		in := vfs.Inject(mem.Clone(), vfs.Fault{At: at, Of: vfs.OpReadAt, Err: errBroken})
		db, err := Open("db", Options{FS: in, CacheSize: 1})
		if err != nil {
			require.ErrorIs(t, err, errBroken)
			continue
		}
		tx, err := db.Begin(true)
		require.NoError(t, err)
		c := tx.Cursor()
		failed := false
		c.Seek([]byte("100"))
		for i := 99; i < 140 && !failed; i++ {
			failed = tx.Delete(fmt.Appendf(nil, "%03d", i)) != nil
		}
		for range 300 {
			c.Next()
			_, _ = c.Key(), c.Value()
		}
		if failed {
			require.ErrorIs(t, tx.Put([]byte("x"), nil), errBroken)
			require.ErrorIs(t, tx.Commit(), errBroken)
		} else {
			tx.Rollback()
		}
		invariantAfterReads(t, db)
		require.NoError(t, db.Close())
	}
}

// invariantAfterReads is invariant, once the disk reads again.
func invariantAfterReads(t *testing.T, db *DB) {
	if _, err := contentOf(db); err != nil {
		require.ErrorIs(t, err, errBroken)
	}
	invariant(t, db)
}

// fullDisk refuses what makes files longer than there is space for, after the part that
// fits.
type fullDisk struct {
	vfs.FS
	left *int64
}

func (d fullDisk) Open(name string, mode vfs.Mode, c vfs.Category) (vfs.File, error) {
	f, err := d.FS.Open(name, mode, c)
	if err != nil {
		return nil, err
	}
	return fullDiskFile{f, d.left}, nil
}

type fullDiskFile struct {
	vfs.File
	left *int64
}

func (f fullDiskFile) WriteAt(p []byte, off int64) (int, error) {
	size, err := f.Size()
	if err != nil {
		return 0, err
	}
	more := max(0, off+int64(len(p))-size)
	if more > *f.left {
		n, _ := f.File.WriteAt(p[:max(0, int64(len(p))-more+*f.left)], off)
		*f.left = 0
		return n, errors.Join(errBroken, syscall.ENOSPC)
	}
	*f.left -= more
	return f.File.WriteAt(p, off)
}

// TestFullDisk lets the disk become full, sooner and later: a transaction that does not
// fit is refused with an error that says why, reading goes on, Close returns, and when
// there is space, everything is there that was acknowledged.
func TestFullDisk(t *testing.T) {
	step := int64(9000)
	if form.Long() {
		step = 500
	}
	for name, o := range faultOptions() {
		times := 0
		o.CacheSize = 0 // without the goroutine: left is not guarded
		for left := int64(0); ; left += step {
			space := left
			disk := fullDisk{vfs.NewMem(), &space}
			r := faultRun{t: t, o: o.on(disk), now: map[string]string{}}
			fits := true
			for range 2 { // the second time it is full already
				db, err := Open("db", r.o)
				if err != nil {
					require.ErrorIs(t, err, syscall.ENOSPC)
					fits = false
					continue
				}
				got, err := contentOf(db)
				require.NoError(t, err)
				if r.next != nil && got == contentOfMap(r.next) {
					r.now = r.next
				}
				r.next = nil
				if len(r.now) > 0 {
					require.Equal(t, contentOfMap(r.now), got)
				} else {
					r.work(db)
				}
				if err := db.Close(); err != nil {
					require.ErrorIs(t, err, syscall.ENOSPC)
					require.True(t, strings.Contains(err.Error(), "no space"), "%v", err)
					fits = false
				}
			}
			if fits {
				break
			}
			times++
			space = 1 << 40
			db := r.reopened(r.o)
			r.now = map[string]string{}
			require.NoError(t, db.Compact(context.Background()))
			invariant(t, db)
			require.NoError(t, db.Close())
			require.NoError(t, Verify("db", r.o))
		}
		t.Logf("%s: %d times full", name, times)
		require.Greater(t, times, 3)
	}
}

// TestFailsOnlyOnce: with wal.Buffered a commit waits for nothing, and when the log has
// failed the next ones say so.
func TestFailsOnlyOnce(t *testing.T) {
	mem := vfs.NewMem()
	in := vfs.Inject(mem, vfs.Fault{At: 40, Of: vfs.OpWriteAt, Err: errBroken})
	db := opened(t, Options{FS: in, Durability: wal.Buffered, segmentSize: 8 << 10})
	err := error(nil)
	for i := 0; i < 2000 && err == nil; i++ {
		err = db.Put(fmt.Appendf(nil, "%d", i), make([]byte, 900))
	}
	require.ErrorIs(t, err, ErrFailed)
	require.ErrorIs(t, err, errBroken)
	require.ErrorIs(t, db.Put([]byte("k"), nil), errBroken)
	require.ErrorIs(t, db.Close(), errBroken)
	require.NoError(t, db.Close())
}
