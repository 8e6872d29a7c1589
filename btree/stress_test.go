package btree

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
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

// stressKeys is how many keys a stressed store has. In each transaction some get random
// numbers, such that the sum of all numbers stays 0: a reader who sees half of a
// transaction, or a page of another version, sees another sum.
const stressKeys = 400

func stressKey(i int) []byte { return fmt.Appendf(nil, "key/%04d", i) }

// stressValue has a number in it, and a length that follows from it; a few values do not
// fit into a leaf.
func stressValue(n uint64) []byte {
	size := 8 + n%200
	if n%61 == 0 {
		size += 5000
	}
	return append(binary.LittleEndian.AppendUint64(nil, n), make([]byte, size-8)...)
}

// stressChange changes two keys, and a third such that the sum stays.
func stressChange(tx *Tx, r *rand.Rand) error {
	sum := uint64(0)
	at := r.Perm(stressKeys)[:3]
	for k, i := range at {
		old, err := tx.Get(stressKey(i))
		if err == nil {
			sum += binary.LittleEndian.Uint64(old)
		} else if !errors.Is(err, ErrNotFound) {
			return err
		}
		if k == 2 {
			return tx.Put(stressKey(i), stressValue(sum))
		}
		if r.IntN(3) == 0 {
			err = tx.Delete(stressKey(i))
		} else {
			n := r.Uint64()
			sum -= n
			err = tx.Put(stressKey(i), stressValue(n))
		}
		if err != nil && !errors.Is(err, ErrNotFound) {
			return err
		}
	}
	return nil
}

// stressSum reads all, and returns how many entries there are and a hash of them.
func stressSum(tx *Tx) (n uint64, hash uint64, err error) {
	sum := uint64(0)
	last := ""
	for e, err := range tx.Scan(nil, nil) {
		if err != nil {
			return n, hash, err
		}
		value := binary.LittleEndian.Uint64(e.Value)
		if string(e.Key) <= last || len(e.Value) != len(stressValue(value)) {
			return n, hash, fmt.Errorf("%q behind %q has %d bytes", e.Key, last, len(e.Value))
		}
		last = string(e.Key)
		sum += value
		hash = hash*31 + value
		n++
	}
	if sum != 0 || n != tx.Len() {
		err = fmt.Errorf("%d entries of %d, with the sum %d", n, tx.Len(), sum)
	}
	return n, hash, err
}

// stressRead looks at one version again and again: it does not move.
func stressRead(db *DB, r *rand.Rand) error {
	return db.View(func(tx *Tx) error {
		n, hash, err := stressSum(tx)
		for range r.IntN(3) {
			if err != nil {
				return err
			}
			var m, again uint64
			if m, again, err = stressSum(tx); err == nil && (m != n || again != hash) {
				err = fmt.Errorf("the version has moved: %d entries, then %d", n, m)
			}
		}
		return err
	})
}

// stressBackup makes a store of a backup, and reads that.
func stressBackup(db *DB, r *rand.Rand) error {
	var b bytes.Buffer
	if err := db.Backup(&b); err != nil {
		return err
	}
	o := Options{FS: vfs.NewMem(), NoWAL: true}
	if err := Restore("db", &b, o); err != nil {
		return err
	}
	restored, err := Open("db", o)
	if err != nil {
		return err
	}
	return errors.Join(stressRead(restored, r), restored.Close())
}

// TestStress lets readers and writers work, and Compact, Checkpoint, Backup and Stats
// beside them. Planted and caught: pages used again that a reader has, or the last
// checkpoint. Not caught: a reader who does not look again whether his version is still
// the newest; he is too rarely late.
func TestStress(t *testing.T) {
	commits := int64(4000)
	switch {
	case form.Raced():
		commits = 800
	case form.Long():
		commits = 170_000 // a million changes
	}
	for name, o := range map[string]Options{
		"log":    {CacheSize: 64 << 10, CheckpointSize: 32 << 10, segmentSize: 64 << 10, maxRecord: 6 << 10},
		"memory": {CacheSize: 32 << 10, NoWAL: true, Durability: wal.Buffered},
	} {
		t.Run(name, func(t *testing.T) {
			o.FS = vfs.NewMem()
			db := opened(t, o)
			var done atomic.Int64
			var users sync.WaitGroup
			value := seed.Value(t)
			start := func(n uint64, use func(r *rand.Rand) error) {
				users.Go(func() {
					r := rand.New(rand.NewPCG(value, n))
					for done.Load() < commits {
						if err := use(r); err != nil {
							t.Errorf("%v", err)
							done.Store(commits)
						}
					}
				})
			}
			for n := range uint64(3) {
				start(n, func(r *rand.Rand) error {
					done.Add(1)
					return db.Update(func(tx *Tx) error { return stressChange(tx, r) })
				})
				start(10+n, func(r *rand.Rand) error { return stressRead(db, r) })
			}
			start(20, func(r *rand.Rand) error {
				switch r.IntN(4) {
				case 0:
					return db.Compact(context.Background())
				case 1:
					return stressBackup(db, r)
				case 2:
					return db.Checkpoint()
				default:
					db.Stats()
					return nil
				}
			})
			users.Wait()
			invariant(t, db)
			require.NoError(t, stressRead(db, rand.New(rand.NewPCG(1, 1))))
			require.NoError(t, db.Close())
			require.NoError(t, Verify("db", o))
		})
	}
}

// TestLongReader holds a version for long: it does not move, the writer goes on, and what
// it costs is at most the tree that it began with, which Stats shows, and which comes
// back.
func TestLongReader(t *testing.T) {
	commits := 10_000
	if form.Raced() {
		commits = 2000
	}
	if form.Long() {
		commits = 100_000
	}
	db := opened(t, Options{FS: vfs.NewMem(), Durability: wal.Buffered, CacheSize: 1 << 20})
	r := seed.New(t)
	for range 1000 {
		require.NoError(t, db.Update(func(tx *Tx) error { return stressChange(tx, r) }))
	}
	require.NoError(t, db.Checkpoint())
	s := db.Stats()
	tree := s.Pages - s.FreePages - s.HeldPages
	require.Zero(t, s.HeldByReaders)
	require.Zero(t, s.Readers)

	old, err := db.Begin(false)
	require.NoError(t, err)
	n, hash, err := stressSum(old)
	require.NoError(t, err)
	most := 0
	for i := range commits {
		require.NoError(t, db.Update(func(tx *Tx) error { return stressChange(tx, r) }))
		if i%(commits/20) == 0 {
			require.NoError(t, db.Checkpoint())
			m, again, err := stressSum(old)
			require.NoError(t, err)
			require.Equal(t, n, m)
			require.Equal(t, hash, again, "the version has moved")
			s := db.Stats()
			require.Equal(t, 1, s.Readers)
			require.EqualValues(t, i+1, s.OldestBehind)
			require.LessOrEqual(t, s.HeldByReaders, tree)
			most = max(most, s.Pages)
		}
	}
	require.NoError(t, db.Checkpoint())
	s = db.Stats()
	require.Greater(t, s.HeldByReaders, tree/2)
	t.Logf("a tree of %d pages; a reader of long ago holds %d, and the file had at most %d", tree, s.HeldByReaders, most)
	require.Less(t, most, 12*tree)
	last := s.Pages - s.FreePages - s.HeldPages // the tree as it is now, which chance has made larger or smaller
	old.Rollback()
	require.Zero(t, db.Stats().HeldByReaders)
	require.NoError(t, db.Compact(context.Background()))
	s = db.Stats()
	require.LessOrEqual(t, s.Pages-s.FreePages, last)
	require.Zero(t, s.HeldPages)
	invariant(t, db)
	require.NoError(t, db.Close())
}
