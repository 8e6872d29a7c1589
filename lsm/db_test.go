package lsm

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/plinth-go/plinth/internal/disk"
	"github.com/plinth-go/plinth/vfs"
	"github.com/plinth-go/plinth/wal"
)

func opened(t testing.TB, o Options) *DB {
	db, err := Open("db", o)
	require.NoError(t, err)
	return db
}

// tiny makes a store do in hundreds of changes what it does in millions.
func tiny(fsys vfs.FS) Options {
	return Options{
		FS: fsys, Durability: wal.Buffered, MemTableSize: 4 << 10, TableSize: 2 << 10, BlockSize: 256, BlockCacheSize: 16 << 10,
		Policy: Leveled{Growth: 4, Level0: 2}, segmentSize: 64 << 10, maxEdits: 20,
	}
}

func TestPutGetDelete(t *testing.T) {
	db := opened(t, Options{FS: vfs.NewMem()})
	_, err := db.Get([]byte("a"))
	require.ErrorIs(t, err, ErrNotFound)
	require.NoError(t, db.Put([]byte("a"), []byte("1")))
	require.NoError(t, db.Put([]byte("b"), nil))
	v, err := db.Get([]byte("a"))
	require.NoError(t, err)
	require.Equal(t, "1", string(v))
	v, err = db.Get([]byte("b"))
	require.NoError(t, err)
	require.NotNil(t, v)
	require.Empty(t, v)
	require.NoError(t, db.Delete([]byte("a")))
	_, err = db.Get([]byte("a"))
	require.ErrorIs(t, err, ErrNotFound)
	require.NoError(t, db.Close())
	require.NoError(t, db.Close())
	require.ErrorIs(t, db.Put([]byte("a"), nil), ErrClosed)
	require.ErrorIs(t, db.Flush(), ErrClosed)
	require.ErrorIs(t, db.Compact(context.Background(), nil, nil), ErrClosed)
}

// space is a store of which everything counts: what it takes on the disk, and what
// Metrics says about it.
type space struct {
	t    *testing.T
	fsys vfs.FS
	db   *DB
}

const (
	spaceKeys = 5000
	spaceLive = spaceKeys * (8 + 400) // bytes of keys and values
)

func newSpace(t *testing.T) *space {
	fsys := vfs.NewMem()
	o := tiny(fsys)
	o.MemTableSize, o.TableSize, o.BlockSize, o.segmentSize = 64<<10, 64<<10, 4<<10, 16<<10
	return &space{t, fsys, opened(t, o)}
}

// change sets all keys, or deletes them.
func (s *space) change(value []byte) {
	for i := range spaceKeys {
		key := fmt.Appendf(nil, "key%05d", i*7919%spaceKeys)
		if value == nil {
			require.NoError(s.t, s.db.Delete(key))
		} else {
			require.NoError(s.t, s.db.Put(key, bytes.Repeat(value, 400)))
		}
	}
}

// compacted returns, when all that can go has gone, the bytes in the directory as a
// multiple of those that are alive in the full store, and the entries in all levels.
func (s *space) compacted() (ratio float64, entries, deletes uint64) {
	require.NoError(s.t, s.db.Compact(context.Background(), nil, nil))
	bytes, inTables := int64(0), int64(0)
	for name, size := range disk.Files(s.t, s.fsys, "db") {
		if bytes += size; strings.HasSuffix(name, ".table") {
			inTables += size
		}
	}
	for _, l := range s.db.Metrics().Levels {
		entries, deletes, inTables = entries+l.Entries, deletes+l.Deletes, inTables-l.Bytes
	}
	require.Zero(s.t, inTables, "in files that Metrics does not know")
	return float64(bytes) / spaceLive, entries, deletes
}

// all requires that a reader sees all keys with this value.
func (s *space) all(scan iter.Seq2[Entry, error], value byte) {
	n := 0
	for e, err := range scan {
		require.NoError(s.t, err)
		require.Equal(s.t, value, e.Value[n%400])
		n++
	}
	require.Equal(s.t, spaceKeys, n)
}

// TestSpaceComesBack: what is overwritten or deleted takes no space after Compact, and
// the directory holds hardly more than what is alive. A snapshot keeps what it sees:
// that costs as much again, as Metrics says, and no more, however often everything is
// overwritten; and when it is closed, that comes back too.
//
// Planted and caught: a snapshot that is not given back; a Compact that leaves the last
// level alone, or all of it that has no deletions; entries kept that nobody sees, or that
// nobody but the snapshot hides; deletions kept in the last level; tables that stay in the
// directory; a log or a manifest that is never truncated; SnapshotBehind without what is
// in memory.
func TestSpaceComesBack(t *testing.T) {
	s := newSpace(t)
	level := func(wantRatio float64, wantEntries, wantDeletes uint64) {
		t.Helper()
		ratio, entries, deletes := s.compacted()
		t.Logf("%.3f of what is alive, %d entries, %d deletions", ratio, entries, deletes)
		require.LessOrEqual(t, ratio, max(1.1*wantRatio, 0.05)) // the log and the manifest are there as well
		require.GreaterOrEqual(t, ratio, wantRatio)
		require.Equal(t, wantEntries, entries)
		require.Equal(t, wantDeletes, deletes)
	}
	for _, value := range []byte("abc") {
		s.change([]byte{value})
	}
	level(1, spaceKeys, 0)

	old := s.db.Snapshot()
	for i, value := range []byte("de") {
		s.change([]byte{value})
		level(2, 2*spaceKeys, 0)
		m := s.db.Metrics()
		require.Equal(t, 1, m.Snapshots)
		require.EqualValues(t, (i+1)*spaceKeys, m.SnapshotBehind)
	}
	s.all(old.Scan(nil, nil), 'c')
	s.all(s.db.Scan(nil, nil), 'e')
	old.Close()
	require.Zero(t, s.db.Metrics().SnapshotBehind)
	level(1, spaceKeys, 0)

	old = s.db.Snapshot()
	s.change(nil)
	require.EqualValues(t, spaceKeys, s.db.Metrics().SnapshotBehind)
	level(1.03, 2*spaceKeys, spaceKeys) // deletions are small
	s.all(old.Scan(nil, nil), 'e')
	old.Close()
	level(0, 0, 0)
	s.change([]byte("f"))
	s.change(nil) // and without anybody who still sees it
	level(0, 0, 0)
	require.NoError(t, s.db.Close())
	require.NoError(t, leftovers(s.fsys, "db", s.db))
	require.Empty(t, slices.Concat(s.db.state.Load().version.levels[:]...))
}

func TestLocked(t *testing.T) {
	fsys := vfs.NewMem()
	db := opened(t, Options{FS: fsys})
	_, err := Open("db", Options{FS: fsys})
	require.ErrorIs(t, err, ErrLocked)
	require.NoError(t, db.Close())
	db = opened(t, Options{FS: fsys})
	require.NoError(t, db.Close())
}

func TestBadInput(t *testing.T) {
	db := opened(t, Options{FS: vfs.NewMem()})
	defer db.Close()
	require.ErrorIs(t, db.Put(nil, nil), ErrEmptyKey)
	require.ErrorIs(t, db.Put(make([]byte, MaxKeySize+1), nil), ErrTooLarge)
	require.ErrorIs(t, db.Put([]byte("k"), make([]byte, MaxValueSize+1)), ErrTooLarge)
	require.NoError(t, db.Put(make([]byte, MaxKeySize), nil))
	var b Batch
	require.NoError(t, db.Apply(&b), "nothing to do")
	b.Put([]byte("x"), make([]byte, MaxValueSize))
	b.Put([]byte("y"), make([]byte, MaxValueSize))
	require.ErrorIs(t, db.Apply(&b), ErrTooLarge)
	_, err := db.Get([]byte("x"))
	require.True(t, errors.Is(err, ErrNotFound), "all or nothing")
}
