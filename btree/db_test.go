package btree

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/plinth-go/plinth/internal/disk"
	"github.com/plinth-go/plinth/internal/form"
	"github.com/plinth-go/plinth/vfs"
	"github.com/plinth-go/plinth/wal"
)

func TestBadInput(t *testing.T) {
	db := opened(t, Options{FS: vfs.NewMem()})
	require.ErrorIs(t, db.Put(nil, nil), ErrEmptyKey)
	require.ErrorIs(t, db.Delete(nil), ErrEmptyKey)
	require.ErrorIs(t, db.Put(make([]byte, MaxKeySize+1), nil), ErrTooLarge)
	require.ErrorIs(t, db.Put([]byte("k"), make([]byte, MaxValueSize+1)), ErrTooLarge)
	require.NoError(t, db.Put(make([]byte, MaxKeySize), nil))
	v, err := db.Get(make([]byte, MaxKeySize))
	require.NoError(t, err)
	require.NotNil(t, v)
	require.Empty(t, v)
	_, err = db.Get(nil)
	require.ErrorIs(t, err, ErrNotFound)
	require.NoError(t, db.Close())
	for _, o := range []Options{{PageSize: 5000}, {PageSize: 64 << 10}, {Fill: 0.3}, {Fill: 2}, {Durability: 99}} {
		o.FS = vfs.NewMem()
		_, err := Open("db", o)
		require.ErrorContains(t, err, "options")
	}
}

// TestLargeValue puts a value that is much larger than what is read or written at once.
func TestLargeValue(t *testing.T) {
	size := 5 << 20
	if form.Long() {
		size = 100 << 20
	}
	o := Options{FS: vfs.NewMem()}
	value := bytes.Repeat([]byte("0123456789abcdefg"), size/17)
	db := opened(t, o)
	require.NoError(t, db.Put([]byte("k"), value))
	require.NoError(t, db.Close())
	db = opened(t, o)
	v, err := db.Get([]byte("k"))
	require.NoError(t, err)
	require.True(t, bytes.Equal(value, v))
	require.NoError(t, db.Delete([]byte("k")))
	require.NoError(t, db.Checkpoint()) // puts the map behind the value, which the checkpoint before still has
	require.NoError(t, db.Put([]byte("k"), nil))
	require.NoError(t, db.Close())
	require.Less(t, disk.Files(t, o.FS, "db")["db/tree"], int64(64<<10), "the file is cut")
}

func TestEnds(t *testing.T) {
	db := opened(t, Options{FS: vfs.NewMem()})
	_, err := Open("db", db.options)
	require.ErrorIs(t, err, ErrLocked)
	require.ErrorIs(t, Verify("db", db.options), ErrLocked)
	require.NoError(t, db.Put([]byte("k"), []byte("v")))

	require.PanicsWithValue(t, "user", func() {
		_ = db.Update(func(tx *Tx) error {
			require.NoError(t, tx.Delete([]byte("k")))
			panic("user")
		})
	})
	require.ErrorIs(t, db.Update(func(tx *Tx) error {
		require.NoError(t, tx.Put([]byte("k"), []byte("other")))
		return errBroken
	}), errBroken)
	v, err := db.Get([]byte("k"))
	require.NoError(t, err)
	require.Equal(t, "v", string(v))

	tx, err := db.Begin(false)
	require.NoError(t, err)
	require.ErrorIs(t, tx.Put([]byte("k"), nil), ErrReadOnly)
	require.ErrorIs(t, tx.Delete([]byte("k")), ErrReadOnly)
	require.ErrorIs(t, tx.Commit(), ErrReadOnly)
	tx.Rollback()
	tx.Rollback()
	_, err = tx.Get([]byte("k"))
	require.ErrorIs(t, err, ErrTxDone)
	c := tx.Cursor()
	require.False(t, c.First())
	require.ErrorIs(t, c.Err(), ErrTxDone)
	tx, err = db.Begin(true)
	require.NoError(t, err)
	require.NoError(t, tx.Put([]byte("k"), []byte("w")))
	require.NoError(t, tx.Commit())
	require.ErrorIs(t, tx.Commit(), ErrTxDone)
	require.ErrorIs(t, tx.Put([]byte("k"), nil), ErrTxDone)

	reader, err := db.Begin(false)
	require.NoError(t, err)
	require.NoError(t, db.Close())
	require.NoError(t, db.Close())
	if v, err := reader.Get([]byte("k")); err != nil {
		require.ErrorIs(t, err, ErrClosed)
	} else {
		require.Equal(t, "w", string(v))
	}
	reader.Rollback()
	_, err = db.Get([]byte("k"))
	require.ErrorIs(t, err, ErrClosed)
	_, err = db.Begin(false)
	require.ErrorIs(t, err, ErrClosed)
	require.ErrorIs(t, db.Put([]byte("k"), nil), ErrClosed)
	require.ErrorIs(t, db.Checkpoint(), ErrClosed)
	require.ErrorIs(t, db.Compact(context.Background()), ErrClosed)
	require.ErrorIs(t, db.Backup(new(bytes.Buffer)), ErrClosed)
}

func write(t *testing.T, fsys vfs.FS, name string, b []byte) {
	_ = fsys.Remove(name)
	f, err := fsys.Open(name, vfs.Create, "test")
	require.NoError(t, err)
	_, err = f.WriteAt(b, 0)
	require.NoError(t, err)
	require.NoError(t, f.Close())
}

// closedStore returns a store of some pages, and what is in it.
func closedStore(t *testing.T) (mem *vfs.Mem, content string) {
	mem = vfs.NewMem()
	db := opened(t, Options{FS: mem})
	for i := range 40 {
		require.NoError(t, db.Put(fmt.Appendf(nil, "%02d", i), make([]byte, i*50)))
	}
	content, err := contentOf(db)
	require.NoError(t, err)
	require.NoError(t, db.Close())
	return mem, content
}

// TestNoStore opens what is none, or not all of one: that is said, and nothing is
// changed.
func TestNoStore(t *testing.T) {
	mem, want := closedStore(t)
	size := disk.Files(t, mem, "db")["db/tree"]
	for length := int64(0); length < size; length += 1000 {
		cut := mem.Clone()
		f, err := cut.Open("db/tree", vfs.ReadWrite, "test")
		require.NoError(t, err)
		require.NoError(t, f.Truncate(length))
		require.NoError(t, f.Close())
		require.Error(t, Verify("db", Options{FS: cut}))
		_, err = reopenedContent(Options{FS: cut})
		require.True(t, errors.Is(err, ErrCorrupt) || errors.Is(err, ErrFormat), "%d bytes: %v", length, err)
	}
	other := mem.Clone()
	write(t, other, "db/tree", bytes.Repeat([]byte("no tree "), 2000))
	_, err := Open("db", Options{FS: other})
	require.ErrorIs(t, err, ErrFormat)
	require.ErrorContains(t, err, filepath.Join("db", "tree"))
	require.ErrorIs(t, Verify("db", Options{FS: other}), ErrFormat)

	gone := mem.Clone()
	require.NoError(t, gone.Remove("db/tree"))
	_, err = Open("db", Options{FS: gone})
	require.ErrorIs(t, err, ErrCorrupt)
	require.ErrorContains(t, err, "missing, and there is a log")
	require.NotContains(t, disk.Files(t, gone, "db"), "db/tree")

	gone = mem.Clone()
	for name := range disk.Files(t, gone, "db/log") {
		require.NoError(t, gone.Remove(name))
	}
	_, err = Open("db", Options{FS: gone})
	require.ErrorIs(t, err, ErrCorrupt)
	require.ErrorContains(t, err, "the log of db is missing")
	require.ErrorIs(t, Verify("db", Options{FS: gone}), ErrCorrupt)

	require.ErrorIs(t, Verify("nothing", Options{FS: mem}), fs.ErrNotExist)
	got, err := reopenedContent(Options{FS: mem})
	require.NoError(t, err)
	require.Equal(t, want, got)
}

// TestReadOnlyMedia: what cannot be changed cannot be opened, and the error says where.
func TestReadOnlyMedia(t *testing.T) {
	changes := vfs.OpRemove | vfs.OpRename | vfs.OpMkdirAll | vfs.OpLock | vfs.OpWriteAt | vfs.OpTruncate
	in := vfs.Inject(vfs.NewMem(), vfs.Fault{At: 1, Of: changes, Err: syscall.EROFS, Then: vfs.Persist})
	_, err := Open("db", Options{FS: in})
	require.ErrorIs(t, err, syscall.EROFS)
	require.ErrorContains(t, err, "db")
}

// TestLogInTurns opens a store with a log and without in turns.
func TestLogInTurns(t *testing.T) {
	o := Options{FS: vfs.NewMem()}
	want := map[string]string{}
	for i := range 12 {
		o.NoWAL = i%3 > 0
		db := opened(t, o)
		require.Equal(t, o.NoWAL, db.log == nil)
		key := fmt.Sprintf("%d", i)
		require.NoError(t, db.Put([]byte(key), []byte(key)))
		want[key] = key
		got, err := contentOf(db)
		require.NoError(t, err)
		require.Equal(t, contentOfMap(want), got)
		require.NoError(t, db.Close())
		require.NoError(t, Verify("db", o))
	}
}

// TestPageSizes: the file knows, whatever the options say.
func TestPageSizes(t *testing.T) {
	for size := minPageSize; size <= maxPageSize; size *= 2 {
		o := Options{FS: vfs.NewMem(), PageSize: size}
		db := opened(t, o)
		want := map[string]string{}
		for i := range 300 {
			key, value := fmt.Sprintf("%03d", i*7%300), string(make([]byte, i*40))
			require.NoError(t, db.Put([]byte(key), []byte(value)))
			want[key] = value
		}
		require.NoError(t, db.Close())
		o.PageSize = 0
		require.NoError(t, Verify("db", o))
		db = opened(t, o)
		require.Equal(t, size, db.Stats().PageSize)
		got, err := contentOf(db)
		require.NoError(t, err)
		require.Equal(t, contentOfMap(want), got)
		require.NoError(t, db.Close())
	}
}

// TestBackup: what Restore makes is what was there, and what is not whole it refuses.
func TestBackup(t *testing.T) {
	mem, want := closedStore(t)
	db := opened(t, Options{FS: mem})
	var b bytes.Buffer
	require.NoError(t, db.Backup(&b))
	require.ErrorIs(t, Restore("db", &b, Options{FS: mem}), ErrLocked)
	require.NoError(t, db.Close())
	require.ErrorIs(t, Restore("db", &b, Options{FS: mem}), fs.ErrExist)

	to := Options{FS: strictNames{vfs.NewMem(), new(sync.Map)}}
	require.NoError(t, Restore("db", bytes.NewReader(b.Bytes()), to))
	require.NoError(t, Verify("db", to))
	got, err := reopenedContent(to)
	require.NoError(t, err)
	require.Equal(t, want, got)

	for at := 0; at < b.Len(); at += 512 + 7 {
		o := Options{FS: vfs.NewMem()}
		require.Error(t, Restore("db", bytes.NewReader(b.Bytes()[:at]), o), "%d bytes", at)
		require.NotContains(t, disk.Files(t, o.FS, "db"), "db/tree")
		damaged := bytes.Clone(b.Bytes())
		damaged[at] ^= 4
		if err := Restore("db", bytes.NewReader(damaged), o); err != nil {
			require.True(t, errors.Is(err, ErrCorrupt) || errors.Is(err, ErrFormat), "%v", err)
			require.NotContains(t, disk.Files(t, o.FS, "db"), "db/tree")
		}
		got, err := reopenedContent(o)
		require.NoError(t, err)
		require.True(t, got == "" || got == want)
	}
}

// strictNames refuses to rename or remove a file that is open, as Windows does.
type strictNames struct {
	vfs.FS
	open *sync.Map // of names, with how often
}

var errInUse = errors.New("the file is open")

type strictFile struct {
	vfs.File
	close func()
}

func (s strictNames) Open(name string, m vfs.Mode, c vfs.Category) (vfs.File, error) {
	f, err := s.FS.Open(name, m, c)
	if err != nil {
		return nil, err
	}
	s.open.Store(name, true)
	return strictFile{f, func() { s.open.Delete(name) }}, nil
}

func (f strictFile) Close() error {
	f.close()
	return f.File.Close()
}

func (s strictNames) Rename(from, to string) error {
	if _, open := s.open.Load(from); open {
		return errInUse
	}
	return s.FS.Rename(from, to)
}

// TestLogger: the logger is called under no lock, so that it may use the store.
func TestLogger(t *testing.T) {
	for _, noWAL := range []bool{false, true} {
		var db *DB
		called := 0
		use := handler(func() {
			if called++; called > 3 {
				return // what it does is told too
			}
			db.Stats()
			require.NoError(t, db.Put(fmt.Appendf(nil, "%d", called), nil))
			require.NoError(t, db.Checkpoint())
			require.NoError(t, db.Backup(new(bytes.Buffer)))
		})
		db = opened(t, Options{FS: vfs.NewMem(), NoWAL: noWAL, Logger: slog.New(use)})
		require.NoError(t, db.Put([]byte("k"), nil))
		require.NoError(t, db.Checkpoint())
		require.NoError(t, db.Put([]byte("k"), nil))
		require.NoError(t, db.Backup(new(bytes.Buffer)))
		require.Positive(t, called)
		called = 10
		require.NoError(t, db.Close())
	}
}

// handler is a slog.Handler that calls a function.
type handler func()

func (h handler) Enabled(context.Context, slog.Level) bool  { return true }
func (h handler) Handle(context.Context, slog.Record) error { h(); return nil }
func (h handler) WithAttrs([]slog.Attr) slog.Handler        { return h }
func (h handler) WithGroup(string) slog.Handler             { return h }

// TestGroupCommit: writers who come while the log is flushed share the next flush. Planted
// and caught: a commit that keeps others from theirs while it waits for the log.
func TestGroupCommit(t *testing.T) {
	const rounds, together = 30, 16
	counter := vfs.NewCounter(vfs.NewMem())
	h := newHeldLog(counter)
	db := opened(t, Options{FS: h})
	before := counter.Counts()
	for i := range rounds {
		h.next.Store(true)
		var writers sync.WaitGroup
		for w := range together {
			writers.Go(func() {
				if err := db.Put(fmt.Appendf(nil, "%d/%d", w, i), nil); err != nil {
					t.Error(err)
				}
			})
		}
		<-h.begun
		require.Eventually(t, func() bool { // the log has them all
			return db.counters.commits.Load() == uint64((i+1)*together)
		}, time.Minute, time.Millisecond)
		h.result <- nil
		writers.Wait()
	}
	syncs := counter.Counts().Sub(before).Files[wal.Category].Syncs
	require.EqualValues(t, rounds*together, db.Stats().Commits)
	require.LessOrEqual(t, syncs, int64(2*rounds))
	t.Logf("%d syncs for %d commits", syncs, rounds*together)
	require.NoError(t, db.Close())
}

// TestGetAllocates: a Get allocates the value that it hands out, and nothing else.
func TestGetAllocates(t *testing.T) {
	if form.Raced() {
		t.Skip("the race detector allocates")
	}
	mem, _ := closedStore(t)
	db := opened(t, Options{FS: mem})
	key := []byte("07")
	require.InDelta(t, 1, testing.AllocsPerRun(200, func() { _, _ = db.Get(key) }), 0)
	require.InDelta(t, 0, testing.AllocsPerRun(200, func() { _, _ = db.Get([]byte("none")) }), 0)
	require.NoError(t, db.Close())
}

// TestSpaceComesBack: what is not used any more Compact cuts off.
func TestSpaceComesBack(t *testing.T) {
	o := Options{FS: vfs.NewMem()}
	db := opened(t, o)
	for i := range 2000 {
		require.NoError(t, db.Put(fmt.Appendf(nil, "%04d", i*7919%2000), make([]byte, 300+i%100/99*9000)))
	}
	require.NoError(t, db.Checkpoint())
	full := disk.Files(t, o.FS, "db")["db/tree"]
	for i := range 2000 {
		if i%50 > 0 {
			require.NoError(t, db.Delete(fmt.Appendf(nil, "%04d", i)))
		}
	}
	require.NoError(t, db.Compact(context.Background()))
	require.Less(t, disk.Files(t, o.FS, "db")["db/tree"], full/8)
	require.Less(t, db.Stats().FreePages, 8)
	invariant(t, db)
	require.NoError(t, db.Close())
	require.NoError(t, Verify("db", o))
}

// The map of free pages may be all that there is, and at the end of the file.
func TestSpaceBehindWhichTheMapIsComesBack(t *testing.T) {
	o := Options{FS: vfs.NewMem()}
	db := opened(t, o)
	require.NoError(t, db.Put([]byte("gone"), make([]byte, 1<<20)))
	require.NoError(t, db.Checkpoint())
	require.NoError(t, db.Delete([]byte("gone")))
	require.NoError(t, db.Checkpoint())
	require.Greater(t, disk.Files(t, o.FS, "db")["db/tree"], int64(1<<20))
	require.NoError(t, db.Close())
	require.Less(t, disk.Files(t, o.FS, "db")["db/tree"], int64(8*4096))
	require.NoError(t, Verify("db", o))
}

// What a transaction has handed out stays as it is while it goes on changing the page.
func TestHandedOutStays(t *testing.T) {
	db := opened(t, Options{FS: vfs.NewMem()})
	require.NoError(t, db.Update(func(tx *Tx) error {
		require.NoError(t, tx.Put([]byte("a"), []byte("first")))
		require.NoError(t, tx.Put([]byte("b"), []byte("other")))
		c := tx.Cursor()
		require.True(t, c.First())
		key, value := c.Key(), c.Value()
		got, err := tx.Get([]byte("a"))
		require.NoError(t, err)
		require.NoError(t, tx.Put([]byte("a"), []byte("later")))
		require.NoError(t, tx.Delete([]byte("b")))
		require.Equal(t, "a=first, first", fmt.Sprintf("%s=%s, %s", key, value, got))
		return nil
	}))
	require.NoError(t, db.Close())
}

// What is large moves too, past holes that it does not fit into, and so does the map, which
// may lie behind it; Close sees to that.
func TestSpaceOfLargeValuesComesBack(t *testing.T) {
	o := Options{FS: vfs.NewMem()}
	db := opened(t, o)
	large := bytes.Repeat([]byte("large"), 100_000)
	require.NoError(t, db.Put([]byte("first"), large[:10_000]))
	require.NoError(t, db.Put([]byte("gone"), bytes.Repeat(large, 10)))
	require.NoError(t, db.Checkpoint())
	require.NoError(t, db.Put([]byte("kept"), large))
	require.NoError(t, db.Put([]byte("first"), large[:5_000]))
	require.NoError(t, db.Checkpoint())
	require.NoError(t, db.Delete([]byte("gone")))
	require.NoError(t, db.Close())
	require.Less(t, disk.Files(t, o.FS, "db")["db/tree"], int64(len(large)+12*4096))
	require.NoError(t, Verify("db", o))
	db = opened(t, o)
	value, err := db.Get([]byte("kept"))
	require.NoError(t, err)
	require.Equal(t, large, value)
	require.NoError(t, db.Close())
}
