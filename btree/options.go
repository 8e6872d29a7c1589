package btree

import (
	"errors"
	"fmt"
	"log/slog"

	"github.com/plinth-go/plinth/vfs"
	"github.com/plinth-go/plinth/wal"
)

// Errors of a store. They are wrapped with what and where.
var (
	ErrNotFound = errors.New("btree: not found")
	ErrClosed   = errors.New("btree: closed")
	ErrCorrupt  = errors.New("btree: corrupt")
	ErrLocked   = errors.New("btree: open elsewhere")
	ErrFormat   = errors.New("btree: not a store of this format")
	ErrTooLarge = errors.New("btree: key or value too large")
	ErrEmptyKey = errors.New("btree: empty key")
	ErrReadOnly = errors.New("btree: the transaction only reads")
	ErrTxDone   = errors.New("btree: the transaction has ended")

	// ErrFailed: an earlier write failed, so nobody knows what is on the disk. Reads go
	// on, with what was there before; to write again, close and open the store.
	ErrFailed = errors.New("btree: failed")
)

// MaxKeySize and MaxValueSize are the most that an entry may have, in bytes.
const (
	MaxKeySize   = 896 // four cells and more must fit into the smallest page
	MaxValueSize = 1 << 30
)

// Options configure a store; each zero field means its default. They are a plain value:
// safe for concurrent use.
type Options struct {
	FS         vfs.FS         // where the store lies; nil is the operating system
	Durability wal.Durability // of a commit when it returns; wal.Synced

	// PageSize is 4, 8, 16 or 32 KiB; 4 KiB. It matters when the store is made; after
	// that, the file knows. It bounds the size of the file: 124 GiB with 4 KiB, and four
	// times as much each time it is doubled, to 8 TiB.
	PageSize int

	// CacheSize is how many bytes of pages are to be in memory; 64 MiB. When those that are
	// not on the disk yet are half of it, a checkpoint begins. Where the disk is behind they
	// may become twice as many as CacheSize before writers wait, and a transaction keeps
	// all that it changes.
	CacheSize int64

	// CheckpointSize is how many bytes of log are written before a checkpoint begins;
	// 64 MiB.
	CheckpointSize int64

	// Fill is how full a page is left when keys come in order, from 0.5 to 1; 1.
	Fill float64

	// NoWAL keeps no log: a commit is a checkpoint, which writes all pages that it has
	// changed, each path up to the root, and syncs twice. That is how bbolt and LMDB
	// commit, and here to be compared with. With a Durability other than wal.Synced, a
	// commit is in memory until the next checkpoint.
	NoWAL bool

	Logger *slog.Logger // told of checkpoints; nil for silence

	segmentSize int64 // of the log; tests have small ones
	maxRecord   int   // in the log; what is larger is committed by a checkpoint
}

const (
	minPageSize = 4 << 10
	maxPageSize = 32 << 10
)

func (o Options) withDefaults() (Options, error) {
	if o.FS == nil {
		o.FS = vfs.OS()
	}
	if o.PageSize == 0 {
		o.PageSize = minPageSize
	}
	if o.CacheSize <= 0 {
		o.CacheSize = 64 << 20
	}
	if o.CheckpointSize <= 0 {
		o.CheckpointSize = 64 << 20
	}
	if o.Fill == 0 {
		o.Fill = 1
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.maxRecord == 0 {
		o.maxRecord = 16 << 20
	}
	switch {
	case !validPageSize(o.PageSize):
		return o, fmt.Errorf("btree: options: PageSize %d, want 4, 8, 16 or 32 KiB", o.PageSize)
	case !(o.Fill >= 0.5 && o.Fill <= 1):
		return o, fmt.Errorf("btree: options: Fill %v, want 0.5 to 1", o.Fill)
	case o.Durability > wal.Buffered:
		return o, fmt.Errorf("btree: options: no such durability: %d", o.Durability)
	}
	return o, nil
}

func validPageSize(n int) bool {
	return n == 4<<10 || n == 8<<10 || n == 16<<10 || n == 32<<10
}

func checkKey(key []byte) error {
	switch {
	case len(key) == 0:
		return ErrEmptyKey
	case len(key) > MaxKeySize:
		return fmt.Errorf("%w: a key of %d bytes, at most %d", ErrTooLarge, len(key), MaxKeySize)
	}
	return nil
}

func checkEntry(key, value []byte) error {
	if len(value) > MaxValueSize {
		return fmt.Errorf("%w: a value of %d bytes, at most %d", ErrTooLarge, len(value), MaxValueSize)
	}
	return checkKey(key)
}
