package btree

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/plinth-go/plinth/internal/seed"
	"github.com/plinth-go/plinth/vfs"
	"github.com/plinth-go/plinth/wal"
)

// invariant checks everything about a store that must hold between two calls: the tree,
// as Verify does, and that each page of the file is in the tree, in the map, held, or
// free.
func invariant(t testing.TB, d *DB) {
	t.Helper()
	d.turn.Lock()
	defer d.turn.Unlock()
	d.running.Lock()
	defer d.running.Unlock()
	d.reclaim()
	v := verifier{db: d}
	for id := range pageID(firstPage) {
		require.NoError(t, v.see(id))
	}
	for _, m := range d.mapPages {
		if m.id != 0 {
			require.NoError(t, v.see(m.id))
		}
	}
	if root := d.latest.root; root != 0 {
		p, err := d.top(root, d.latest.tx)
		require.NoError(t, err)
		require.NoError(t, v.verify(p, nil, nil))
	}
	require.Equal(t, d.latest.entries, v.entries)
	held := 0
	for _, f := range d.space.unseen {
		require.NoError(t, v.see(f.id), "freed by %d", f.gone)
		held++
	}
	for _, h := range d.space.holders {
		for _, f := range h.pages {
			require.NoError(t, v.see(f.id), "held by %d", h.tx)
			held++
		}
	}
	require.Equal(t, held, d.space.held)
	require.Equal(t, d.space.count, v.seen.count)
	require.NoError(t, v.compareMap())
	for i, p := range d.changed {
		require.Equal(t, i, p.place)
		require.Same(t, p, d.pages.get(p.id))
	}
}

// model is a store and what must be in it.
type model struct {
	t    testing.TB
	o    Options
	db   *DB
	want map[string]string
	r    *rand.Rand
	keys int
}

func newModel(t testing.TB, r *rand.Rand, o Options) *model {
	if o.FS == nil {
		o.FS = vfs.NewMem()
	}
	m := &model{t: t, o: o, want: map[string]string{}, r: r, keys: 300}
	m.open()
	return m
}

func (m *model) open() {
	db, err := Open("db", m.o)
	require.NoError(m.t, err)
	m.db = db
}

func (m *model) key() []byte {
	n := m.r.IntN(m.keys)
	switch n % 5 {
	case 0:
		return fmt.Appendf(nil, "%d", n)
	case 1:
		return fmt.Appendf(nil, "user/%08d", n)
	case 2:
		return append(bytes.Repeat([]byte{0}, n%7), byte(n), byte(n>>8))
	case 3:
		return fmt.Appendf(nil, "user/%08d/%s", n, strings.Repeat("x", n%(MaxKeySize-14)))
	default:
		return fmt.Appendf(nil, "%s%d", strings.Repeat("\xff", n%9), n)
	}
}

func (m *model) value() []byte {
	n := m.r.IntN(100)
	switch {
	case n < 60:
		n = m.r.IntN(200)
	case n < 90:
		n = m.r.IntN(3000)
	case n < 97:
		n = m.r.IntN(30_000)
	default:
		n = 0
	}
	return bytes.Repeat([]byte{byte(m.r.Uint32())}, n)
}

// change makes some changes in a transaction, in want too.
func (m *model) change(tx *Tx, want map[string]string) {
	for range 1 + m.r.IntN(20) {
		key := m.key()
		if m.r.IntN(3) == 0 {
			require.NoError(m.t, tx.Delete(key))
			delete(want, string(key))
		} else {
			value := m.value()
			require.NoError(m.t, tx.Put(key, value))
			want[string(key)] = string(value)
		}
		if m.r.IntN(4) == 0 {
			k := m.key()
			sameGet(m.t, want, k, tx.Get)
		}
	}
}

func sameGet(t testing.TB, want map[string]string, key []byte, get func([]byte) ([]byte, error)) {
	value, err := get(key)
	if w, ok := want[string(key)]; ok {
		require.NoError(t, err)
		require.Equal(t, w, string(value))
	} else {
		require.ErrorIs(t, err, ErrNotFound)
	}
}

// same compares a transaction with what it must see.
func same(t testing.TB, want map[string]string, tx *Tx) {
	t.Helper()
	keys := slices.Sorted(maps.Keys(want))
	require.EqualValues(t, len(keys), tx.Len())
	i := 0
	for e, err := range tx.Scan(nil, nil) {
		require.NoError(t, err)
		require.Less(t, i, len(keys))
		require.Equal(t, keys[i], string(e.Key))
		require.Equal(t, want[keys[i]], string(e.Value))
		i++
	}
	require.Equal(t, len(keys), i)
	for e, err := range tx.Backward(nil, nil) {
		require.NoError(t, err)
		i--
		require.Equal(t, keys[i], string(e.Key))
	}
	require.Zero(t, i)
}

func (m *model) step() {
	switch n := m.r.IntN(100); {
	case n < 30:
		key, value := m.key(), m.value()
		require.NoError(m.t, m.db.Put(key, value))
		m.want[string(key)] = string(value)
	case n < 45:
		key := m.key()
		require.NoError(m.t, m.db.Delete(key))
		delete(m.want, string(key))
	case n < 60:
		sameGet(m.t, m.want, m.key(), m.db.Get)
	case n < 75:
		want := maps.Clone(m.want)
		require.NoError(m.t, m.db.Update(func(tx *Tx) error {
			m.change(tx, want)
			return nil
		}))
		m.want = want
	case n < 80:
		tx, err := m.db.Begin(true)
		require.NoError(m.t, err)
		want := maps.Clone(m.want)
		m.change(tx, want)
		same(m.t, want, tx)
		tx.Rollback()
	case n < 85:
		require.NoError(m.t, m.db.Checkpoint())
	case n < 90:
		require.NoError(m.t, m.db.View(func(tx *Tx) error {
			same(m.t, m.want, tx)
			return nil
		}))
	case n < 95:
		lo, hi := m.key(), m.key()
		m.sameRange(lo, hi)
	case n < 97:
		require.NoError(m.t, m.db.Compact(context.Background()))
	case n < 99:
		require.NoError(m.t, m.db.Close())
		require.NoError(m.t, Verify("db", m.o))
		m.open()
	default:
		for range m.keys {
			key := m.key()
			require.NoError(m.t, m.db.Delete(key))
			delete(m.want, string(key))
		}
	}
	invariant(m.t, m.db)
}

func (m *model) sameRange(lo, hi []byte) {
	var keys []string
	for _, k := range slices.Sorted(maps.Keys(m.want)) {
		if k >= string(lo) && k < string(hi) {
			keys = append(keys, k)
		}
	}
	require.NoError(m.t, m.db.View(func(tx *Tx) error {
		var up, down []string
		for e, err := range tx.Scan(lo, hi) {
			require.NoError(m.t, err)
			up = append(up, string(e.Key))
		}
		for e, err := range tx.Backward(lo, hi) {
			require.NoError(m.t, err)
			down = append(down, string(e.Key))
		}
		require.Equal(m.t, keys, up)
		slices.Reverse(down)
		require.Equal(m.t, keys, down)
		return nil
	}))
}

// modelOptions are stores that differ in everything that the answers must not depend on.
func modelOptions() map[string]Options {
	return map[string]Options{
		"synced":      {},
		"buffered":    {Durability: wal.Buffered, CacheSize: 64 << 10},
		"tiny cache":  {CacheSize: 1, CheckpointSize: 4 << 10},
		"large pages": {PageSize: 16 << 10, Fill: 0.8},
		"no log":      {NoWAL: true},
		"in memory":   {NoWAL: true, Durability: wal.Buffered, CacheSize: 100 << 10},
		"no records":  {maxRecord: 200},
	}
}

func TestModel(t *testing.T) {
	for name, o := range modelOptions() {
		t.Run(name, func(t *testing.T) {
			m := newModel(t, seed.New(t), o)
			for range 400 {
				m.step()
			}
			require.NoError(t, m.db.Close())
			require.NoError(t, Verify("db", m.o))
		})
	}
}

// TestInOrder: at the end of the tree a Put does not go down it (Tx.goesToEnd), whatever
// comes in between.
func TestInOrder(t *testing.T) {
	r := seed.New(t)
	m := newModel(t, r, Options{})
	next := 0
	for range 100 {
		tx, err := m.db.Begin(true)
		require.NoError(t, err)
		for range r.IntN(60) {
			which := next // a new one, or one of the last
			if next > 0 && r.IntN(3) == 0 {
				which = next - 1 - min(r.IntN(4)*r.IntN(4), next-1)
			} else {
				next++
			}
			key, value := fmt.Appendf(nil, "%06d", which), m.value()
			if r.IntN(8) > 0 {
				require.NoError(t, tx.Put(key, value))
				m.want[string(key)] = string(value)
			} else {
				require.NoError(t, tx.Delete(key))
				delete(m.want, string(key))
			}
		}
		same(t, m.want, tx)
		require.NoError(t, tx.Commit())
		invariant(t, m.db)
	}
	require.NoError(t, m.db.Close())
}
