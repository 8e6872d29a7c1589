package main

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"time"

	"go.etcd.io/bbolt"

	"github.com/plinth-go/plinth/btree"
	"github.com/plinth-go/plinth/wal"
)

// B+trees on disk behind one interface, with pages of 4 KiB. bbolt maps its file, so that
// all of it is in memory as far as the machine has some; ours gets a cache that has room
// for all of it too. bbolt has its free list in a map and off the disk, which is how etcd
// uses it and faster than the default.

const (
	implBbolt = "bbolt"

	treeCache = 256 << 20
)

func treeImpls() []string { return []string{implPlinth, implBbolt} }

// treeEngine is a store. Put and Get are safe for concurrent use.
type treeEngine interface {
	// Put is a transaction of its own; those of several writers may share a commit.
	Put(key, value []byte) error
	// PutAll is one transaction; rising says that the keys are above all that are there.
	PutAll(keys, values [][]byte, rising bool) error
	// Get is a transaction of its own.
	Get(key []byte) (found bool, err error)
	// GetAll gets n keys in one transaction, and returns how many there were.
	GetAll(n int, key func(int) []byte) (int, error)
	// Walk goes over n entries from a key on, looks at each, and returns how many there
	// were.
	Walk(from []byte, n int) (int, error)
	// Bytes are those of its file.
	Bytes() (int64, error)
	io.Closer
}

// openTree opens a store whose commits are synced or left to the operating system.
func openTree(impl, dir string, synced bool, delay time.Duration) (treeEngine, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	if impl == implPlinth {
		o := btree.Options{CacheSize: treeCache, Durability: wal.Flushed}
		if synced {
			o.Durability = wal.Synced
		}
		db, err := btree.Open(dir, o)
		return plinthTree{db, dir}, err
	}
	path := filepath.Join(dir, "bolt")
	db, err := bbolt.Open(path, 0o644, &bbolt.Options{
		PageSize: 4096, NoSync: !synced, NoFreelistSync: true, FreelistType: bbolt.FreelistMapType,
	})
	if err != nil {
		return nil, err
	}
	db.MaxBatchDelay = delay
	return boltTree{db, path}, db.Update(func(tx *bbolt.Tx) error {
		_, err := tx.CreateBucketIfNotExists(boltBucket())
		return err
	})
}

type plinthTree struct {
	*btree.DB
	dir string
}

func (p plinthTree) PutAll(keys, values [][]byte, _ bool) error {
	return p.Update(func(tx *btree.Tx) error {
		for i, key := range keys {
			if err := tx.Put(key, values[i]); err != nil {
				return err
			}
		}
		return nil
	})
}

func (p plinthTree) Get(key []byte) (found bool, err error) {
	err = p.View(func(tx *btree.Tx) error {
		found, err = got(tx.Get(key))
		return err
	})
	return found, err
}

func got(_ []byte, err error) (bool, error) {
	if errors.Is(err, btree.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

func (p plinthTree) GetAll(n int, key func(int) []byte) (found int, err error) {
	return found, p.View(func(tx *btree.Tx) error {
		for i := range n {
			ok, err := got(tx.Get(key(i)))
			if err != nil {
				return err
			}
			if ok {
				found++
			}
		}
		return nil
	})
}

func (p plinthTree) Walk(from []byte, n int) (visited int, err error) {
	return visited, p.View(func(tx *btree.Tx) error {
		if visited == n {
			return nil
		}
		for e, err := range tx.Scan(from, nil) {
			if err != nil {
				return err
			}
			lookAt(e.Key, e.Value)
			if visited++; visited == n {
				break
			}
		}
		return nil
	})
}

// lookAt reads of an entry what shows that it is there: a store that hands out slices can
// do so without having looked at it itself.
func lookAt(key, value []byte) {
	if key[len(key)-1] == 0 && value[0] == 0 && value[len(value)-1] == 1 {
		panic("no value is like this")
	}
}

func (p plinthTree) Bytes() (int64, error) { return fileSize(filepath.Join(p.dir, "tree")) }

type boltTree struct {
	*bbolt.DB
	path string
}

func boltBucket() []byte { return []byte("entries") }

// Put uses Batch where there may be others to share a commit with.
func (b boltTree) Put(key, value []byte) error {
	put := func(tx *bbolt.Tx) error { return tx.Bucket(boltBucket()).Put(key, value) }
	if b.MaxBatchDelay > 0 {
		return b.Batch(put)
	}
	return b.Update(put)
}

func (b boltTree) PutAll(keys, values [][]byte, rising bool) error {
	return b.Update(func(tx *bbolt.Tx) error {
		bucket := tx.Bucket(boltBucket())
		if rising {
			bucket.FillPercent = 1
		}
		for i, key := range keys {
			if err := bucket.Put(key, values[i]); err != nil {
				return err
			}
		}
		return nil
	})
}

func (b boltTree) Get(key []byte) (found bool, err error) {
	return found, b.View(func(tx *bbolt.Tx) error {
		found = tx.Bucket(boltBucket()).Get(key) != nil
		return nil
	})
}

func (b boltTree) GetAll(n int, key func(int) []byte) (found int, err error) {
	return found, b.View(func(tx *bbolt.Tx) error {
		bucket := tx.Bucket(boltBucket())
		for i := range n {
			if bucket.Get(key(i)) != nil {
				found++
			}
		}
		return nil
	})
}

func (b boltTree) Walk(from []byte, n int) (visited int, err error) {
	return visited, b.View(func(tx *bbolt.Tx) error {
		c := tx.Bucket(boltBucket()).Cursor()
		for k, v := c.Seek(from); k != nil && visited < n; k, v = c.Next() {
			lookAt(k, v)
			visited++
		}
		return nil
	})
}

func (b boltTree) Bytes() (int64, error) { return fileSize(b.path) }

func fileSize(path string) (int64, error) {
	info, err := os.Stat(path)
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}
