package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"unsafe"

	bbolt "go.etcd.io/bbolt"

	"github.com/plinth-go/plinth/wal"
)

// What bbolt asks of the disk it counts itself, but for two things. A commit writes the
// pages that it has allocated, each once, and a meta page; it syncs before the meta page
// and after it, and once more when it has made the file larger. So bytes and fsyncs are
// exact (TestBoltCountsAreExact). Pages are read through a mapping of the file, which
// nobody can count; but keys lie in the mapping, so their addresses tell which leaves a
// scan has come to.

// boltEngine is a bbolt store with one bucket. It is not safe for concurrent use.
type boltEngine struct {
	db      *bbolt.DB
	name    string
	commits int64
	grown   int64 // how often the file has become larger
	size    int64 // of the file
	leaves  int64 // that scans have come to, one after the other
	last    uintptr
}

var boltBucket = []byte("entries") // never changed

func openBolt(o engineOptions) (engine, error) {
	if err := os.MkdirAll(o.dir, 0o700); err != nil {
		return nil, err
	}
	e := &boltEngine{name: filepath.Join(o.dir, "bolt.db")}
	var err error
	e.db, err = bbolt.Open(e.name, 0o600, &bbolt.Options{
		PageSize: btreePage, FreelistType: bbolt.FreelistArrayType,
		NoSync: o.durability != wal.Synced || o.budget > 0, // what is counted needs no waiting
	})
	if err != nil {
		return nil, err
	}
	err = e.db.Update(func(tx *bbolt.Tx) error {
		_, err := tx.CreateBucketIfNotExists(boltBucket)
		return err
	})
	if err = errors.Join(err, e.committed()); err != nil {
		return nil, errors.Join(err, e.db.Close())
	}
	return e, nil
}

// committed counts a commit.
func (e *boltEngine) committed() error {
	e.commits++
	info, err := os.Stat(e.name)
	if err == nil && info.Size() != e.size {
		e.size = info.Size()
		e.grown++
	}
	return err
}

func (e *boltEngine) apply(entries []entry) error {
	err := e.db.Update(func(tx *bbolt.Tx) error {
		b := tx.Bucket(boltBucket)
		for _, p := range entries {
			if err := b.Put(p.key, p.value); err != nil {
				return err
			}
		}
		return nil
	})
	return errors.Join(err, e.committed())
}

func (e *boltEngine) get(key []byte) (value []byte, found bool, err error) {
	err = e.db.View(func(tx *bbolt.Tx) error {
		v := tx.Bucket(boltBucket).Get(key)
		found, value = v != nil, bytes.Clone(v)
		return nil
	})
	return value, found, err
}

func (e *boltEngine) scan(lo []byte, n int, visit func(key, value []byte) error) error {
	return e.db.View(func(tx *bbolt.Tx) error {
		c := tx.Bucket(boltBucket).Cursor()
		seen := 0
		e.last = 0
		for key, value := c.Seek(lo); key != nil; key, value = c.Next() {
			e.at(key)
			if err := visit(key, value); err != nil {
				return err
			}
			if seen++; seen == n {
				break
			}
		}
		return nil
	})
}

// at counts the leaf that a key lies in, unless the key before was there too.
func (e *boltEngine) at(key []byte) {
	if leaf := uintptr(unsafe.Pointer(unsafe.SliceData(key))) / btreePage; leaf != e.last {
		e.last = leaf
		e.leaves++
	}
}

func (e *boltEngine) catchUp(context.Context, int) error { return nil }
func (e *boltEngine) flush(context.Context) error        { return nil }

func (e *boltEngine) costs() engineCosts {
	s := e.db.Stats()
	return engineCosts{
		written:   s.TxStats.GetPageAlloc() + e.commits*btreePage,
		reads:     e.leaves,
		bytesRead: e.leaves * btreePage,
		fsyncs:    2*e.commits + e.grown,
	}
}

// space is that of the pages there are, used and free. The file is larger: it grows in
// large steps.
func (e *boltEngine) space() (size int64, err error) {
	err = e.db.View(func(tx *bbolt.Tx) error {
		size = tx.Size()
		return nil
	})
	return size, err
}

func (e *boltEngine) close() error { return e.db.Close() }
