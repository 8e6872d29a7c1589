package btree

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"hash/maphash"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/plinth-go/plinth/internal/form"
	"github.com/plinth-go/plinth/internal/seed"
	"github.com/plinth-go/plinth/vfs"
	"github.com/plinth-go/plinth/wal"
)

// million is the model test at length: one writer puts, deletes and gets, a million times
// in the long form, and compares what he gets with a map; readers take a version, read all
// of it, and read it again when others have come. Checkpoints, compactions and reopening
// come in between.
type million struct {
	t    testing.TB
	o    Options
	db   *DB
	want map[uint64]uint64
	r    *rand.Rand
}

const millionKeys = 3000

func millionKey(n uint64) []byte { return fmt.Appendf(nil, "%d/%x", n%7, n*0x9e3779b97f4a7c15) }

// millionValue has a size that follows from the number; a few do not fit into a leaf.
func millionValue(n uint64) []byte {
	size := 8 + n%90
	if n%101 == 0 {
		size += 2000
	}
	return append(binary.LittleEndian.AppendUint64(nil, n), make([]byte, size-8)...)
}

// change makes some changes in one transaction.
func (m *million) change(n int) error {
	return m.db.Update(func(tx *Tx) error {
		for range n {
			k := m.r.Uint64N(millionKeys)
			switch m.r.IntN(4) {
			case 0:
				delete(m.want, k)
				if err := tx.Delete(millionKey(k)); err != nil {
					return err
				}
			case 1:
				if err := m.compare(tx, k); err != nil {
					return err
				}
			default:
				m.want[k] = m.r.Uint64()
				if err := tx.Put(millionKey(k), millionValue(m.want[k])); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

func (m *million) compare(tx *Tx, k uint64) error {
	value, err := tx.Get(millionKey(k))
	if want, ok := m.want[k]; ok && (err != nil || !bytes.Equal(value, millionValue(want))) || !ok && err != ErrNotFound {
		return fmt.Errorf("key %d: %d bytes, %w; in the map: %v", k, len(value), err, ok)
	}
	return nil
}

// compareAll compares every key, and how many there are.
func (m *million) compareAll() {
	require.NoError(m.t, m.db.View(func(tx *Tx) error {
		if int(tx.Len()) != len(m.want) {
			return fmt.Errorf("%d entries, want %d", tx.Len(), len(m.want))
		}
		for k := range uint64(millionKeys) {
			if err := m.compare(tx, k); err != nil {
				return err
			}
		}
		return nil
	}))
}

// watch reads versions twice until it is stopped.
func watch(db *DB, stop *atomic.Bool, between chan struct{}) error {
	seed := maphash.MakeSeed()
	sum := func(tx *Tx) (uint64, error) {
		var h maphash.Hash
		h.SetSeed(seed)
		for e, err := range tx.Scan(nil, nil) {
			if err != nil {
				return 0, err
			}
			h.Write(e.Key)
			h.Write(e.Value)
		}
		return h.Sum64(), nil
	}
	for !stop.Load() {
		err := db.View(func(tx *Tx) error {
			first, err := sum(tx)
			if err != nil {
				return err
			}
			for range 3 { // until the writer has done more
				if _, open := <-between; !open {
					break
				}
			}
			again, err := sum(tx)
			if err == nil && first != again {
				err = fmt.Errorf("transaction %d has moved", tx.id)
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// run makes n calls while two readers watch.
func (m *million) run(n int) {
	var stop atomic.Bool
	var readers sync.WaitGroup
	between := make(chan struct{})
	errs := make([]error, 2)
	for i := range errs {
		readers.Go(func() { errs[i] = watch(m.db, &stop, between) })
	}
	for step := 0; n > 0; step++ {
		batch := min(n, 1+m.r.IntN(60))
		n -= batch
		if err := m.change(batch); err != nil {
			m.t.Error(err)
			break
		}
		switch step % 400 {
		case 100, 300:
			require.NoError(m.t, m.db.Checkpoint())
		case 200:
			require.NoError(m.t, m.db.Compact(context.Background()))
		}
		select {
		case between <- struct{}{}:
		default:
		}
	}
	stop.Store(true)
	close(between)
	readers.Wait()
	for _, err := range errs {
		require.NoError(m.t, err)
	}
	m.compareAll()
	invariant(m.t, m.db)
}

func TestMillion(t *testing.T) {
	calls := 40_000
	if form.Long() {
		calls = 1_000_000
	}
	o := Options{FS: vfs.NewMem(), Durability: wal.Buffered, CacheSize: 512 << 10, CheckpointSize: 1 << 20}
	m := &million{t: t, o: o, want: map[uint64]uint64{}, r: seed.New(t)}
	const lives = 4
	for range lives {
		var err error
		m.db, err = Open("db", m.o)
		require.NoError(t, err)
		m.run(calls / lives)
		require.NoError(t, m.db.Close())
		require.NoError(t, Verify("db", m.o))
	}
}
