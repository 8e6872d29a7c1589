package lsm

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/plinth-go/plinth/internal/form"
	"github.com/plinth-go/plinth/vfs"
)

// handles counts the tables that are open.
type handles struct {
	vfs.FS
	open atomic.Int64
}

func (h *handles) Open(name string, m vfs.Mode, c vfs.Category) (vfs.File, error) {
	f, err := h.FS.Open(name, m, c)
	if err == nil && c == categoryRead {
		h.open.Add(1)
		f = &handle{File: f, all: h}
	}
	return f, err
}

type handle struct {
	vfs.File
	all *handles
}

func (h *handle) Close() error {
	h.all.open.Add(-1)
	return h.File.Close()
}

func liveTables(db *DB) (n int64) {
	for _, l := range db.Metrics().Levels {
		n += int64(l.Tables)
	}
	return n
}

// TestFilesOfTables: the tables that are open, and those in the directory, are the ones
// of the present version, and those that an iterator holds until it is closed. Planted
// and caught: a merge that closes nothing, an iterator that does not let go, a Close
// that forgets what an iterator holds.
func TestFilesOfTables(t *testing.T) {
	h := &handles{FS: vfs.NewMem()}
	o := tiny(h)
	db := opened(t, o)
	files := func() (n int64) {
		names, err := db.tableFiles()
		require.NoError(t, err)
		return int64(len(names))
	}
	write := func() {
		for i := range 300 {
			require.NoError(t, db.Put(fmt.Appendf(nil, "k%03d", i*7%100), fmt.Appendf(nil, "value %d", i)))
		}
		require.NoError(t, db.Compact(t.Context(), nil, nil))
	}
	write()
	require.Equal(t, liveTables(db), h.open.Load())
	require.Equal(t, liveTables(db), files())

	it := db.NewIterator(IterOptions{})
	held := liveTables(db)
	write()
	require.Equal(t, liveTables(db)+held, h.open.Load())
	n := 0
	for it.First(); it.Valid(); it.Next() {
		n++
	}
	require.NoError(t, it.Close())
	require.Equal(t, 100, n)
	require.Equal(t, liveTables(db), h.open.Load())
	require.Equal(t, liveTables(db), files())

	_ = db.NewIterator(IterOptions{}) // that nobody closes
	write()
	require.Less(t, liveTables(db), files())
	require.NoError(t, db.Close())
	require.Zero(t, h.open.Load())
	require.Equal(t, liveTables(db), files())
}

// TestReadersWhileFilesGo reads, without a cache, what is being merged away all the
// time: nobody finds a file closed, and everybody finds a value that is not older than
// the one before. Planted and caught: a reader who does not pin. One who pins and does
// not look again is too rarely late to be caught.
func TestReadersWhileFilesGo(t *testing.T) {
	o := tiny(vfs.OS())
	o.BlockCacheSize = -1
	db, err := Open(t.TempDir(), o)
	require.NoError(t, err)
	const keys = 50
	put := func(round int) {
		var b Batch
		for k := range keys {
			b.Put(fmt.Appendf(nil, "k%02d", k), fmt.Appendf(nil, "%06d", round))
		}
		require.NoError(t, db.Apply(&b))
	}
	put(0)
	rounds := 60
	if form.Long() {
		rounds = 200
	}
	var stop atomic.Bool
	var readers sync.WaitGroup
	for g := range 4 {
		rng := rand.New(rand.NewPCG(uint64(g), 5))
		readers.Go(func() {
			last := ""
			for !stop.Load() {
				if rng.IntN(20) == 0 {
					it := db.NewIterator(IterOptions{})
					n := 0
					for it.First(); it.Valid(); it.Next() {
						n++
					}
					if err := it.Close(); err != nil || n != keys {
						t.Errorf("walked over %d: %v", n, err)
						return
					}
				}
				v, err := db.Get(fmt.Appendf(nil, "k%02d", rng.IntN(keys)))
				if err != nil || string(v) < last {
					t.Errorf("got %q behind %q: %v", v, last, err)
					return
				}
				last = string(v)
			}
		})
	}
	for round := range rounds {
		put(round)
		if round%10 == 9 {
			require.NoError(t, db.Compact(t.Context(), nil, nil))
		}
	}
	stop.Store(true)
	readers.Wait()
	require.NoError(t, db.Close())
}

// TestLateReaderClosesTables: a reader comes too late to a version, and is counted in while it is replaced. Planted and
// caught: one who then only counts himself out, so that the tables are closed with those of the next version.
func TestLateReaderClosesTables(t *testing.T) {
	db, err := Open("db", tiny(vfs.NewMem()))
	require.NoError(t, err)
	retired := func() int { // versions
		db.mu.Lock()
		defer db.mu.Unlock()
		return len(db.retired)
	}
	late := db.state.Load()
	late.version.pins[0].readers.Add(1)
	require.NoError(t, db.Put([]byte("k"), []byte("v")))
	require.NoError(t, db.Flush())
	require.NoError(t, db.Compact(t.Context(), nil, nil)) // so that there is nothing left to do
	require.NotZero(t, retired())
	late.version.pins[0].readers.Add(-1)
	require.Nil(t, db.join(late))
	require.Zero(t, retired())
	require.NoError(t, db.Close())
}

// TestCloseBesideReaders closes the store while others read: what they get is right, or
// ErrClosed, and no file stays open.
func TestCloseBesideReaders(t *testing.T) {
	for range 20 {
		h := &handles{FS: vfs.NewMem()}
		o := tiny(h)
		o.BlockCacheSize = -1
		db := opened(t, o)
		for i := range 100 {
			require.NoError(t, db.Put(fmt.Appendf(nil, "k%02d", i%50), []byte("value")))
		}
		var readers sync.WaitGroup
		for range 3 {
			readers.Go(func() {
				for {
					it := db.NewIterator(IterOptions{})
					n := 0
					for it.First(); it.Valid(); it.Next() {
						n++
					}
					err := it.Close()
					if err == nil && n != 50 || err != nil && !errors.Is(err, ErrClosed) {
						t.Errorf("walked over %d: %v", n, err)
					}
					if _, err := db.Get([]byte("k07")); errors.Is(err, ErrClosed) {
						return
					} else if err != nil {
						t.Error(err)
					}
				}
			})
		}
		require.NoError(t, db.Put([]byte("k00"), nil))
		require.NoError(t, db.Close())
		readers.Wait()
		require.Zero(t, h.open.Load())
	}
}
