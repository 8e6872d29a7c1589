package lsm

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/plinth-go/plinth/internal/seed"
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

// model is a store and a map that must agree, with snapshots of both.
type model struct {
	t         *testing.T
	rng       *rand.Rand
	o         Options
	db        *DB
	now       map[string]string
	snapshots []modelSnapshot
	keys      int
}

type modelSnapshot struct {
	s    *Snapshot
	then map[string]string
}

func newModel(t *testing.T, rng *rand.Rand, o Options) *model {
	return &model{t: t, rng: rng, o: o, db: opened(t, o), now: map[string]string{}, keys: 300}
}

func (m *model) key() string {
	return fmt.Sprintf("k%03d", m.rng.IntN(m.keys))
}

func clone(of map[string]string) map[string]string {
	c := make(map[string]string, len(of))
	for k, v := range of {
		c[k] = v
	}
	return c
}

func (m *model) step() {
	switch n := m.rng.IntN(1000); {
	case n < 500:
		k, v := m.key(), fmt.Sprint(m.rng.Uint64())
		require.NoError(m.t, m.db.Put([]byte(k), []byte(v)))
		m.now[k] = v
	case n < 700:
		k := m.key()
		require.NoError(m.t, m.db.Delete([]byte(k)))
		delete(m.now, k)
	case n < 750:
		var b Batch
		for range m.rng.IntN(10) {
			k, v := m.key(), fmt.Sprint(m.rng.Uint64())
			if m.rng.IntN(3) == 0 {
				b.Delete([]byte(k))
				delete(m.now, k)
			} else {
				b.Put([]byte(k), []byte(v))
				m.now[k] = v
			}
		}
		require.NoError(m.t, m.db.Apply(&b))
	case n < 900:
		k := m.key()
		m.checkGet(m.db.Get, m.now, k)
		if len(m.snapshots) > 0 {
			s := m.snapshots[m.rng.IntN(len(m.snapshots))]
			m.checkGet(s.s.Get, s.then, k)
		}
	case n < 915:
		m.walk(m.db.NewIterator, m.now)
	case n < 930 && len(m.snapshots) > 0:
		s := m.snapshots[m.rng.IntN(len(m.snapshots))]
		m.walk(s.s.NewIterator, s.then)
	case n < 945:
		m.snapshots = append(m.snapshots, modelSnapshot{m.db.Snapshot(), clone(m.now)})
	case n < 965 && len(m.snapshots) > 0:
		i := m.rng.IntN(len(m.snapshots))
		m.snapshots[i].s.Close()
		m.snapshots = slices.Delete(m.snapshots, i, i+1)
	case n < 970:
		require.NoError(m.t, m.db.Flush())
	case n < 973:
		require.NoError(m.t, m.db.Compact(context.Background(), m.bound(), m.bound()))
	case n < 975:
		m.reopen()
	}
}

func (m *model) bound() []byte {
	if m.rng.IntN(3) == 0 {
		return nil
	}
	return []byte(m.key())
}

func (m *model) reopen() {
	for _, s := range m.snapshots {
		s.s.Close()
	}
	m.snapshots = nil
	require.NoError(m.t, m.db.Close())
	m.db = opened(m.t, m.o)
}

func (m *model) checkGet(get func([]byte) ([]byte, error), want map[string]string, k string) {
	got, err := get([]byte(k))
	v, ok := want[k]
	if !ok {
		require.ErrorIs(m.t, err, ErrNotFound, k)
		return
	}
	require.NoError(m.t, err, k)
	require.Equal(m.t, v, string(got), k)
}

// walk moves an iterator about, and compares it with the sorted keys.
func (m *model) walk(open func(IterOptions) *Iterator, want map[string]string) {
	lo, hi := m.bound(), m.bound()
	var keys []string
	for k := range want {
		if (lo == nil || k >= string(lo)) && (hi == nil || k < string(hi)) {
			keys = append(keys, k)
		}
	}
	slices.Sort(keys)
	it := open(IterOptions{lo, hi})
	at := -1
	check := func(what string) {
		require.NoError(m.t, it.Err())
		inside := at >= 0 && at < len(keys)
		require.Equal(m.t, inside, it.Valid(), what)
		if inside {
			require.Equal(m.t, keys[at], string(it.Key()), what)
			require.Equal(m.t, want[keys[at]], string(it.Value()), what)
		}
	}
	it.First()
	at = 0
	check("first")
	for range 30 {
		switch m.rng.IntN(8) {
		case 0:
			k := m.key()
			it.SeekGE([]byte(k))
			at, _ = slices.BinarySearch(keys, k)
			check("seek >=")
		case 1:
			k := m.key()
			it.SeekLT([]byte(k))
			at, _ = slices.BinarySearch(keys, k)
			at--
			check("seek <")
		case 2:
			it.Last()
			at = len(keys) - 1
			check("last")
		case 3, 4:
			if it.Valid() {
				it.Prev()
				at--
				check("prev")
			}
		default:
			if it.Valid() {
				it.Next()
				at++
				check("next")
			}
		}
	}
	require.NoError(m.t, it.Close())
	require.False(m.t, it.Valid())
}

// TestModel plays random calls on a store and a map. Planted and caught: deletions
// that are dropped while older entries are below, or while a snapshot needs them, and
// tables that are cut within a key.
func TestModel(t *testing.T) {
	rng := seed.New(t)
	for name, change := range map[string]func(*Options){
		"tiny":       func(*Options) {},
		"compressed": func(o *Options) { o.Compression = S2 },
		"bare":       func(o *Options) { o.BloomBitsPerKey, o.BlockCacheSize = -1, -1 },
		"synced":     func(o *Options) { o.Durability = wal.Synced },
		"level 0":    func(o *Options) { o.Policy = Leveled{Level0: 8} },
	} {
		t.Run(name, func(t *testing.T) {
			o := tiny(vfs.NewMem())
			change(&o)
			m := newModel(t, rng, o)
			for i := range 20_000 {
				m.keys = []int{300, 20_000}[i/5000%2]
				m.step()
				checkVersion(t, m.db)
			}
			m.reopen()
			m.walk(m.db.NewIterator, m.now)
			require.NoError(t, m.db.Close())
		})
	}
}

func checkVersion(t *testing.T, d *DB) {
	require.NoError(t, d.state.Load().version.consistent())
}

// TestSpaceComesBack: what is deleted or overwritten takes no space after Compact.
func TestSpaceComesBack(t *testing.T) {
	fsys := vfs.NewMem()
	db := opened(t, tiny(fsys))
	value := bytes.Repeat([]byte("v"), 50)
	for range 3 {
		for i := range 2000 {
			require.NoError(t, db.Put(fmt.Appendf(nil, "key%05d", i), value))
		}
	}
	require.NoError(t, db.Compact(context.Background(), nil, nil))
	require.InDelta(t, 2000*(50+8+14), size(slices.Concat(db.state.Load().version.levels[:]...)), 40_000)
	for i := range 2000 {
		require.NoError(t, db.Delete(fmt.Appendf(nil, "key%05d", i)))
	}
	require.NoError(t, db.Compact(context.Background(), nil, nil))
	require.Empty(t, slices.Concat(db.state.Load().version.levels[:]...))
	require.NoError(t, db.Close())
	entries, err := fsys.List("db")
	require.NoError(t, err)
	require.Len(t, entries, 3, "no table is left: %v", entries)
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
