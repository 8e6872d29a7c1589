package main

import (
	"context"
	"errors"
	"io"
	"log/slog"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
	"github.com/cockroachdb/pebble/v2/sstable/block"
	"github.com/dgraph-io/badger/v4"
	badgeroptions "github.com/dgraph-io/badger/v4/options"
	"github.com/syndtr/goleveldb/leveldb"
	"github.com/syndtr/goleveldb/leveldb/filter"
	"github.com/syndtr/goleveldb/leveldb/opt"
	"github.com/syndtr/goleveldb/leveldb/util"

	"github.com/plinth-go/plinth/lsm"
	"github.com/plinth-go/plinth/wal"
)

// Stores of keys and values behind one interface, each with a memtable of 64 MiB, a
// block cache of 64 MiB and filters of ten bits a key on every level. What else
// their documentation recommends is in their open functions.

const (
	implPebble    = "pebble"
	implGoleveldb = "goleveldb"
	implBadger    = "badger"

	lsmMemTable = 64 << 20
	lsmCache    = 64 << 20
)

func lsmImpls() []string { return []string{implPlinth, implPebble, implGoleveldb, implBadger} }

// lsmConfig is what a store is opened with.
type lsmConfig struct {
	durability wal.Durability
	compressed bool
}

// lsmEngine is a store. Get and Put are safe for concurrent use.
type lsmEngine interface {
	Put(key, value []byte) error
	Get(key []byte) (found bool, err error)
	// Walk reads n entries from a key on and returns how many there were.
	Walk(from []byte, n int) (int, error)
	// Settle compacts everything.
	Settle() error
	io.Closer
}

func openLSM(impl, dir string, c lsmConfig) (lsmEngine, error) {
	switch impl {
	case implPlinth:
		return openPlinthLSM(dir, c)
	case implPebble:
		return openPebble(dir, c)
	case implGoleveldb:
		return openGoleveldb(dir, c)
	default:
		return openBadger(dir, c)
	}
}

type plinthLSM struct{ *lsm.DB }

func openPlinthLSM(dir string, c lsmConfig) (lsmEngine, error) {
	o := lsm.Options{Durability: c.durability, MemTableSize: lsmMemTable, BlockCacheSize: lsmCache}
	if c.compressed {
		o.Compression = lsm.S2
	}
	db, err := lsm.Open(dir, o)
	return plinthLSM{db}, err
}

func (p plinthLSM) Get(key []byte) (bool, error) {
	_, err := p.DB.Get(key)
	if errors.Is(err, lsm.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

func (p plinthLSM) Walk(from []byte, n int) (int, error) {
	it := p.NewIterator(lsm.IterOptions{})
	got := 0
	for it.SeekGE(from); it.Valid() && got < n; it.Next() {
		got++
	}
	return got, it.Close()
}

func (p plinthLSM) Settle() error { return p.Compact(context.Background(), nil, nil) }

type pebbleLSM struct {
	db    *pebble.DB
	write *pebble.WriteOptions
}

func openPebble(dir string, c lsmConfig) (lsmEngine, error) {
	cache := pebble.NewCache(lsmCache)
	defer cache.Unref()
	o := &pebble.Options{
		Cache:                       cache,
		FormatMajorVersion:          pebble.FormatNewest,
		MemTableSize:                lsmMemTable,
		MemTableStopWritesThreshold: 4,
		Logger:                      quiet{},
	}
	compression := block.NoCompression
	if c.compressed {
		compression = block.SnappyCompression
	}
	for i := range o.Levels {
		o.Levels[i].FilterPolicy = bloom.FilterPolicy(10)
		o.Levels[i].Compression = func() *block.CompressionProfile { return compression }
	}
	db, err := pebble.Open(dir, o)
	write := pebble.NoSync
	if c.durability == wal.Synced {
		write = pebble.Sync
	}
	return pebbleLSM{db, write}, err
}

// quiet swallows what pebble has to say, but for what is fatal.
type quiet struct{}

func (quiet) Infof(string, ...any)  {}
func (quiet) Errorf(string, ...any) {}
func (quiet) Fatalf(format string, args ...any) {
	slog.Error(format, "args", args)
	panic("pebble: fatal")
}

func (p pebbleLSM) Put(key, value []byte) error { return p.db.Set(key, value, p.write) }

func (p pebbleLSM) Get(key []byte) (bool, error) {
	_, closer, err := p.db.Get(key)
	if errors.Is(err, pebble.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return true, closer.Close()
}

func (p pebbleLSM) Walk(from []byte, n int) (int, error) {
	it, err := p.db.NewIter(nil)
	if err != nil {
		return 0, err
	}
	got := 0
	for ok := it.SeekGE(from); ok && got < n; ok = it.Next() {
		got++
	}
	return got, it.Close()
}

func (p pebbleLSM) Settle() error {
	return p.db.Compact(context.Background(), []byte{0}, []byte{0xff, 0xff}, false)
}

func (p pebbleLSM) Close() error { return p.db.Close() }

type goleveldbLSM struct {
	db    *leveldb.DB
	write *opt.WriteOptions
}

func openGoleveldb(dir string, c lsmConfig) (lsmEngine, error) {
	o := &opt.Options{
		WriteBuffer:        lsmMemTable,
		BlockCacheCapacity: lsmCache,
		Filter:             filter.NewBloomFilter(10),
		Compression:        opt.NoCompression,
	}
	if c.compressed {
		o.Compression = opt.SnappyCompression
	}
	db, err := leveldb.OpenFile(dir, o)
	return goleveldbLSM{db, &opt.WriteOptions{Sync: c.durability == wal.Synced}}, err
}

func (g goleveldbLSM) Put(key, value []byte) error { return g.db.Put(key, value, g.write) }

func (g goleveldbLSM) Get(key []byte) (bool, error) {
	_, err := g.db.Get(key, nil)
	if errors.Is(err, leveldb.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

func (g goleveldbLSM) Walk(from []byte, n int) (int, error) {
	it := g.db.NewIterator(&util.Range{Start: from}, nil)
	defer it.Release()
	got := 0
	for got < n && it.Next() {
		got++
	}
	return got, it.Error()
}

func (g goleveldbLSM) Settle() error { return g.db.CompactRange(util.Range{}) }

func (g goleveldbLSM) Close() error { return g.db.Close() }

type badgerLSM struct{ db *badger.DB }

func openBadger(dir string, c lsmConfig) (lsmEngine, error) {
	o := badger.DefaultOptions(dir).
		WithLogger(nil).
		WithSyncWrites(c.durability == wal.Synced).
		WithMemTableSize(lsmMemTable).
		WithBlockCacheSize(lsmCache).
		WithDetectConflicts(false).
		WithCompression(badgeroptions.None)
	if c.compressed {
		o = o.WithCompression(badgeroptions.Snappy)
	}
	db, err := badger.Open(o)
	return badgerLSM{db}, err
}

func (b badgerLSM) Put(key, value []byte) error {
	// Badger keeps what it is given.
	k, v := append([]byte(nil), key...), append([]byte(nil), value...)
	return b.db.Update(func(tx *badger.Txn) error { return tx.Set(k, v) })
}

func (b badgerLSM) Get(key []byte) (found bool, err error) {
	err = b.db.View(func(tx *badger.Txn) error {
		item, err := tx.Get(key)
		if err != nil {
			return err
		}
		return item.Value(func([]byte) error { return nil })
	})
	if errors.Is(err, badger.ErrKeyNotFound) {
		return false, nil
	}
	return err == nil, err
}

func (b badgerLSM) Walk(from []byte, n int) (got int, err error) {
	o := badger.DefaultIteratorOptions
	o.PrefetchValues = false // small values lie beside their keys
	err = b.db.View(func(tx *badger.Txn) error {
		it := tx.NewIterator(o)
		defer it.Close()
		for it.Seek(from); it.Valid() && got < n; it.Next() {
			if err := it.Item().Value(func([]byte) error { return nil }); err != nil {
				return err
			}
			got++
		}
		return nil
	})
	return got, err
}

func (b badgerLSM) Settle() error { return b.db.Flatten(2) }

func (b badgerLSM) Close() error { return b.db.Close() }
