package lsm

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/plinth-go/plinth/vfs"
	"github.com/plinth-go/plinth/wal"
)

// TestDurabilityOfABatch: what a batch was applied with is what it has, whatever the
// store's own: a killed process leaves what is Flushed, and what is Synced. Planted and
// caught: a batch with less than the store's durability that waits for nothing.
func TestDurabilityOfABatch(t *testing.T) {
	for own := wal.Synced; own <= wal.Buffered; own++ {
		for asked := wal.Synced; asked <= wal.Buffered; asked++ {
			disk := vfs.NewMem()
			o := tiny(disk)
			o.Durability = own
			db := opened(t, o)
			var b Batch
			b.Put([]byte("k"), []byte("v"))
			require.NoError(t, db.ApplyWith(&b, asked))
			o.FS = disk.Clone() // as a killed process leaves it
			left, err := reopenedContent(o)
			require.NoError(t, err)
			require.Equal(t, asked != wal.Buffered, left != "", "store %v, asked %v", own, asked)
			require.NoError(t, db.Close())
		}
	}
}

// fullLog refuses what the log writes, once it is told to.
type fullLog struct {
	vfs.FS
	full *atomic.Bool
}

func (f fullLog) Open(name string, m vfs.Mode, c vfs.Category) (vfs.File, error) {
	file, err := f.FS.Open(name, m, c)
	return fullLogFile{file, f.full}, err
}

type fullLogFile struct {
	vfs.File
	full *atomic.Bool
}

func (f fullLogFile) WriteAt(b []byte, off int64) (int, error) {
	if f.full.Load() {
		return 0, errBroken
	}
	return f.File.WriteAt(b, off)
}

// TestLogFails: when the log has failed nothing is acknowledged any more, not even
// what needs no waiting. Planted and caught: a batch with less than the store's
// durability that does not ask what became of its record.
func TestLogFails(t *testing.T) {
	full := new(atomic.Bool)
	o := Options{FS: fullLog{vfs.NewMem(), full}}
	db := opened(t, o)
	full.Store(true)
	var b Batch
	b.Put([]byte("k"), make([]byte, 100<<10))
	err := error(nil)
	for range 30 { // the log keeps a megabyte back before it writes
		if err = db.ApplyWith(&b, wal.Buffered); err != nil {
			break
		}
	}
	require.ErrorIs(t, err, ErrFailed)
	require.ErrorIs(t, err, errBroken)
	acknowledged := db.visible.Load()
	require.ErrorIs(t, db.ApplyWith(&b, wal.Buffered), ErrFailed)
	require.Equal(t, acknowledged, db.visible.Load())
	_ = db.Close()
}

// stopped is a policy that lets nobody write and never compacts.
type stopped struct{}

func (stopped) Pick(Layout) (Task, bool) { return Task{}, false }
func (stopped) Debt(l Layout) float64    { return float64(2 * len(l.Levels[0])) }

// TestCloseWhileStopped closes a store whose writers have been stopped: they and those
// behind them are told, and Close returns. Planted and caught, by hanging: a Close that
// waits for the writer's turn before it says so.
func TestCloseWhileStopped(t *testing.T) {
	o := tiny(vfs.NewMem())
	o.Policy = stopped{}
	db := opened(t, o)
	require.NoError(t, db.Put([]byte("k"), nil))
	require.NoError(t, db.Flush())
	var writers sync.WaitGroup
	errs := make([]error, 4)
	for i := range errs {
		writers.Go(func() { errs[i] = db.Put([]byte{byte('a' + i)}, nil) })
	}
	for db.commit.TryLock() { // until one of them is stopped
		db.commit.Unlock()
	}
	require.NoError(t, db.Close())
	writers.Wait()
	for _, err := range errs {
		require.ErrorIs(t, err, ErrClosed)
	}
	require.NoError(t, db.Close())
}

// TestClosed calls what a closed store does not do any more.
func TestClosed(t *testing.T) {
	db := opened(t, tiny(vfs.NewMem()))
	require.NoError(t, db.Put([]byte("k"), []byte("v")))
	require.NoError(t, db.Flush())
	require.NoError(t, db.Put([]byte("memory"), []byte("v")))
	s := db.Snapshot()
	it := db.NewIterator(IterOptions{})
	require.NoError(t, db.Close())
	for _, key := range []string{"k", "memory", "nothing"} {
		_, err := db.Get([]byte(key))
		require.ErrorIs(t, err, ErrClosed)
		_, err = s.Get([]byte(key))
		require.ErrorIs(t, err, ErrClosed)
	}
	for _, err := range db.Scan(nil, nil) {
		require.ErrorIs(t, err, ErrClosed)
	}
	require.ErrorIs(t, db.Put([]byte("k"), nil), ErrClosed)
	require.ErrorIs(t, db.Delete([]byte("k")), ErrClosed)
	require.ErrorIs(t, db.Flush(), ErrClosed)
	require.ErrorIs(t, db.Compact(t.Context(), nil, nil), ErrClosed)
	require.ErrorIs(t, it.Close(), nil)
	s.Close()
	require.NotEmpty(t, db.Metrics().Levels)
}

// blockingFS makes no table until it is told to.
type blockingFS struct {
	vfs.FS
	of     vfs.Category
	wanted chan struct{} // somebody waits
	given  chan struct{}
}

func (b blockingFS) Open(name string, m vfs.Mode, c vfs.Category) (vfs.File, error) {
	if c == b.of && m == vfs.Create {
		select {
		case b.wanted <- struct{}{}:
			<-b.given
		case <-b.given:
		}
	}
	return b.FS.Open(name, m, c)
}

// TestCompactGivesUp: a Compact whose context has ended returns, though the flush before
// it takes long, or the merge; and the merge ends with the table that it is at. Planted
// and caught, by hanging or by itself: a wait that the context does not wake, a Compact
// that waits for its answer only, a request that goes on though nobody waits for it.
func TestCompactGivesUp(t *testing.T) {
	for _, what := range []vfs.Category{categoryFlush, categoryCompact} {
		b := blockingFS{vfs.NewMem(), what, make(chan struct{}), make(chan struct{})}
		o := tiny(b)
		o.Policy = patient{}
		o.MemTableSize = 1 << 20
		db := opened(t, o)
		apart := &edit{} // tables side by side, with something to drop in each
		for i := range 5 {
			var pair Batch
			pair.Put([]byte{byte('a' + i), 1}, nil)
			pair.Delete([]byte{byte('a' + i), 2})
			require.NoError(t, db.Apply(&pair))
			if what == categoryCompact {
				require.NoError(t, db.Flush())
				last := db.state.Load().version.levels[0][0]
				apart.gone, apart.come = append(apart.gone, placed{0, last}), append(apart.come, placed{5, last})
			}
		}
		require.NoError(t, db.install(apart, nil))
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- db.Compact(ctx, nil, nil) }()
		<-b.wanted
		cancel()
		require.ErrorIs(t, <-done, context.Canceled)
		close(b.given)
		require.NoError(t, db.Compact(t.Context(), []byte("zz"), nil)) // when its turn has come
		if what == categoryCompact {
			require.EqualValues(t, 1, db.Metrics().Compactions)
		}
		require.NoError(t, db.Close())
	}
}
