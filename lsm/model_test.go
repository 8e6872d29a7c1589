package lsm

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/plinth-go/plinth/internal/form"
	"github.com/plinth-go/plinth/internal/seed"
	"github.com/plinth-go/plinth/vfs"
	"github.com/plinth-go/plinth/wal"
)

// model is a store and what it must hold: of each key all the values that somebody
// can still see, the newest last. So a snapshot of the model is a number, and what a
// key was is a look at a few of them; keys are numbers too, and their order is that of
// the keys.
type model struct {
	t   *testing.T
	rng *rand.Rand
	o   Options
	db  *DB

	versions  [modelKeys][]modelVersion
	seq       uint64 // changes so far
	snapshots []modelSnapshot
	walker    *walker // one that stays open for some time, or nil
	keys      int     // that are drawn from
}

const modelKeys = 20_000

// modelVersion is what a key is from one change on.
type modelVersion struct{ seq, value uint64 } // 0 if it is deleted

type modelSnapshot struct {
	s   *Snapshot
	seq uint64
}

func newModel(t *testing.T, rng *rand.Rand, o Options) *model {
	return &model{t: t, rng: rng, o: o, db: opened(t, o), keys: 300}
}

// modelKey is longer than what a memtable has in its nodes, and sometimes than others.
func modelKey(k int) []byte {
	b := strconv.AppendInt([]byte("key/"), int64(100_000+k), 10)
	if k%8 == 3 {
		b = append(b, "/which is longer"...)
	}
	return b
}

// modelValue has a length that follows from the number, at times that of some blocks.
func modelValue(n uint64) []byte {
	size := n % 40
	if n%64 == 9 {
		size = n % 900
	}
	return append(strconv.AppendUint(nil, n, 10), bytes.Repeat([]byte{byte('a' + n%26)}, int(size))...)
}

func (m *model) key() int { return m.rng.IntN(m.keys) }

// change sets a key to a value, or deletes it, and forgets what nobody sees any more.
func (m *model) change(k int, value uint64) {
	oldest := m.seq
	for _, s := range m.snapshots {
		oldest = min(oldest, s.seq)
	}
	if m.walker != nil {
		oldest = min(oldest, m.walker.seq)
	}
	v := m.versions[k]
	unseen := 0
	for unseen+1 < len(v) && v[unseen+1].seq <= oldest {
		unseen++
	}
	m.seq++
	m.versions[k] = append(slices.Delete(v, 0, unseen), modelVersion{m.seq, value})
}

// at returns what a key was after so many changes, 0 for nothing.
func (m *model) at(k int, seq uint64) uint64 {
	v := m.versions[k]
	for i := len(v) - 1; i >= 0; i-- {
		if v[i].seq <= seq {
			return v[i].value
		}
	}
	return 0
}

// step makes one call.
func (m *model) step() {
	switch n := m.rng.IntN(2000); {
	case n < 1000:
		k, v := m.key(), m.rng.Uint64()|1
		require.NoError(m.t, m.db.Put(modelKey(k), modelValue(v)))
		m.change(k, v)
	case n < 1350:
		k := m.key()
		require.NoError(m.t, m.db.Delete(modelKey(k)))
		m.change(k, 0)
	case n < 1450:
		m.batch()
	case n < 1750:
		k := m.key()
		m.get(m.db.Get, k, m.seq)
		if len(m.snapshots) > 0 {
			s := m.snapshots[m.rng.IntN(len(m.snapshots))]
			m.get(s.s.Get, k, s.seq)
		}
	case n < 1780:
		m.newWalker(m.db.NewIterator, m.seq).wander(30)
	case n < 1810 && len(m.snapshots) > 0:
		s := m.snapshots[m.rng.IntN(len(m.snapshots))]
		m.newWalker(s.s.NewIterator, s.seq).wander(30)
	case n < 1880:
		m.wanderOn()
	case n < 1910:
		m.snapshots = append(m.snapshots, modelSnapshot{m.db.Snapshot(), m.seq})
	case n < 1950 && len(m.snapshots) > 0:
		i := m.rng.IntN(len(m.snapshots))
		m.snapshots[i].s.Close()
		m.snapshots = slices.Delete(m.snapshots, i, i+1)
	case n < 1960:
		require.NoError(m.t, m.db.Flush())
	case n < 1963:
		m.compact()
	case n < 1965:
		m.reopen()
	}
}

func (m *model) batch() {
	var b Batch
	for range m.rng.IntN(10) {
		k, v := m.key(), m.rng.Uint64()|1
		if m.rng.IntN(3) == 0 {
			b.Delete(modelKey(k))
			v = 0
		} else {
			b.Put(modelKey(k), modelValue(v))
		}
		m.change(k, v)
	}
	require.NoError(m.t, m.db.ApplyWith(&b, wal.Durability(m.rng.IntN(3))))
}

// compact compacts some keys, and rarely all.
func (m *model) compact() {
	lo, hi := m.key(), m.key()
	switch m.rng.IntN(10) {
	case 0:
		require.NoError(m.t, m.db.Compact(context.Background(), nil, nil))
	case 1:
		require.NoError(m.t, m.db.Compact(context.Background(), nil, modelKey(hi)))
	case 2:
		require.NoError(m.t, m.db.Compact(context.Background(), modelKey(lo), nil))
	default:
		require.NoError(m.t, m.db.Compact(context.Background(), modelKey(lo), modelKey(lo+m.keys/20)))
	}
}

func (m *model) reopen() {
	for _, s := range m.snapshots {
		s.s.Close()
	}
	m.snapshots, m.walker = nil, nil
	require.NoError(m.t, m.db.Close())
	m.db = opened(m.t, m.o)
}

func (m *model) get(get func([]byte) ([]byte, error), k int, seq uint64) {
	got, err := get(modelKey(k))
	v := m.at(k, seq)
	if v == 0 {
		require.ErrorIs(m.t, err, ErrNotFound, "%d", k)
		return
	}
	require.NoError(m.t, err, "%d", k)
	if want := modelValue(v); !bytes.Equal(want, got) {
		require.Equal(m.t, string(want), string(got), "%d", k)
	}
}

// wanderOn goes on with the iterator that is held, or begins or ends one.
func (m *model) wanderOn() {
	switch {
	case m.walker == nil:
		m.walker = m.newWalker(m.db.NewIterator, m.seq)
	case m.rng.IntN(20) == 0:
		m.walker.close()
		m.walker = nil
	default:
		m.walker.move()
	}
}

// whole compares everything, and everything that the snapshots see, forward and back.
func (m *model) whole() {
	for _, s := range append(slices.Clone(m.snapshots), modelSnapshot{seq: m.seq}) {
		w := &walker{m: m, seq: s.seq, hi: modelKeys}
		if w.it = m.db.NewIterator(IterOptions{}); s.s != nil {
			w.it = s.s.NewIterator(IterOptions{})
		}
		w.first()
		for w.it.Valid() {
			w.next()
		}
		w.last()
		for w.it.Valid() {
			w.prev()
		}
		w.close()
	}
}

// walker is an iterator and the key that it must be on.
type walker struct {
	m      *model
	it     *Iterator
	seq    uint64
	lo, hi int // of the iterator; hi is behind the last
	at     int // less than lo or not less than hi if it is on none
}

func (m *model) newWalker(open func(IterOptions) *Iterator, seq uint64) *walker {
	w := &walker{m: m, seq: seq, lo: 0, hi: modelKeys}
	var o IterOptions
	if m.rng.IntN(3) > 0 {
		w.lo = m.key()
		o.Lower = modelKey(w.lo)
	}
	if m.rng.IntN(3) > 0 {
		w.hi = m.key()
		o.Upper = modelKey(w.hi)
	}
	w.it = open(o)
	w.first()
	return w
}

// upward leaves the walker on the first key from k on, which the iterator must be on.
func (w *walker) upward(k int, what string) {
	for w.at = max(k, w.lo); w.at < w.hi && w.m.at(w.at, w.seq) == 0; {
		w.at++
	}
	w.check(what)
}

// downward leaves it on the last key up to k.
func (w *walker) downward(k int, what string) {
	for w.at = min(k, w.hi-1); w.at >= w.lo && w.m.at(w.at, w.seq) == 0; {
		w.at--
	}
	w.check(what)
}

func (w *walker) check(what string) {
	t := w.m.t
	require.NoError(t, w.it.Err(), what)
	inside := w.at >= w.lo && w.at < w.hi
	if inside != w.it.Valid() {
		require.Equal(t, inside, w.it.Valid(), "%s: %d in [%d, %d)", what, w.at, w.lo, w.hi)
	}
	if inside {
		key, value := modelKey(w.at), modelValue(w.m.at(w.at, w.seq))
		if !bytes.Equal(key, w.it.Key()) || !bytes.Equal(value, w.it.Value()) {
			require.Equal(t, fmt.Sprintf("%s=%s", key, value), fmt.Sprintf("%s=%s", w.it.Key(), w.it.Value()), what)
		}
	}
}

func (w *walker) first() { w.it.First(); w.upward(w.lo, "first") }
func (w *walker) last()  { w.it.Last(); w.downward(w.hi-1, "last") }
func (w *walker) next()  { w.it.Next(); w.upward(w.at+1, "next") }
func (w *walker) prev()  { w.it.Prev(); w.downward(w.at-1, "prev") }

// move moves it somewhere.
func (w *walker) move() {
	k := w.m.key()
	switch n := w.m.rng.IntN(16); {
	case n < 2:
		w.it.SeekGE(modelKey(k))
		w.upward(k, "seek >=")
	case n < 4:
		w.it.SeekLT(modelKey(k))
		w.downward(k-1, "seek <")
	case n < 5:
		w.first()
	case n < 6:
		w.last()
	case n < 10 && w.it.Valid():
		w.prev()
	case w.it.Valid():
		w.next()
	}
}

func (w *walker) wander(n int) {
	for range n {
		w.move()
	}
	w.close()
}

func (w *walker) close() {
	require.NoError(w.m.t, w.it.Close())
	require.False(w.m.t, w.it.Valid())
}

// modelOptions are the stores that TestModel plays with.
func modelOptions() map[string]Options {
	with := func(change func(*Options)) Options {
		o := tiny(vfs.NewMem())
		change(&o)
		return o
	}
	return map[string]Options{
		"tiny":       with(func(*Options) {}),
		"compressed": with(func(o *Options) { o.Compression, o.BlockSize = S2, 1<<10 }),
		"bare":       with(func(o *Options) { o.BloomBitsPerKey, o.BlockCacheSize = -1, -1 }),
		"synced":     with(func(o *Options) { o.Durability = wal.Synced }),
		"flushed":    with(func(o *Options) { o.Durability, o.BloomBitsPerKey = wal.Flushed, 2 }),
		"level 0":    with(func(o *Options) { o.Policy = Leveled{Level0: 8} }),
		"growth 2":   with(func(o *Options) { o.MemTableSize, o.Policy = 2<<10, Leveled{Growth: 2, Level0: 1} }),
		"one table": with(func(o *Options) {
			o.MemTableSize, o.TableSize, o.BlockSize, o.Compression = 1<<10, 1<<30, 4<<10, S2
		}),
		"larger":  with(func(o *Options) { o.MemTableSize, o.TableSize, o.BlockCacheSize = 64<<10, 32<<10, 1<<20 }),
		"default": {FS: vfs.NewMem(), Durability: wal.Buffered},
	}
}

// TestModel plays random calls on stores, and holds snapshots and an iterator while
// they flush and compact. The long form plays a million.
//
// Planted and caught: deletions that are dropped while older entries are below, or while
// a snapshot needs them; entries that are dropped although a snapshot sees them, or one
// that says that it sees later ones; tables that are cut within a key; a part of level 0
// merged below the rest; a Get that looks at one table of level 0; a cache that takes a
// block for that of another table; an iterator that sees later entries, does not go back
// over all entries of a key or not past them, or goes beyond its bound from either side;
// an Open that hides what is in the log.
func TestModel(t *testing.T) {
	rng := seed.New(t)
	steps := 60_000
	if form.Raced() {
		steps = 10_000
	}
	if form.Long() {
		steps = 1_000_000
	}
	played := 0
	options := modelOptions()
	for _, name := range slices.Sorted(maps.Keys(options)) { // in this order, or a seed would not replay
		o := options[name]
		t.Run(name, func(t *testing.T) {
			m := newModel(t, rng, o)
			n := steps / len(options)
			for i := range n {
				m.keys = []int{300, modelKeys}[i*4/n%2]
				m.step()
				checkVersion(t, m.db)
				if i*8/n != (i+1)*8/n {
					m.whole()
				}
				played++
			}
			m.reopen()
			m.whole()
			require.NoError(t, m.db.Close())
			require.NoError(t, Verify("db", o))
		})
	}
	t.Logf("%d calls on %d stores", played, len(options))
	require.GreaterOrEqual(t, played, steps)
}

func checkVersion(t *testing.T, d *DB) {
	require.NoError(t, d.state.Load().version.consistent())
}
