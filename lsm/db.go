package lsm

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"sync"
	"sync/atomic"

	"github.com/plinth-go/plinth/lsm/sst"
	"github.com/plinth-go/plinth/vfs"
	"github.com/plinth-go/plinth/wal"
)

// Errors of a store. They are wrapped with what and where.
var (
	ErrNotFound = errors.New("lsm: not found")
	ErrClosed   = errors.New("lsm: closed")
	ErrCorrupt  = errors.New("lsm: corrupt")
	ErrLocked   = errors.New("lsm: open elsewhere")
	ErrVersion  = errors.New("lsm: written by a version that this one does not know")

	// ErrFailed: an earlier write, flush or compaction failed, so nobody knows what is
	// on the disk. Reads go on; to write again, close and open the store.
	ErrFailed = errors.New("lsm: failed")
)

// Compression says how blocks of tables are compressed.
type Compression = sst.Compression

// The compressions.
const (
	NoCompression = sst.None
	S2            = sst.S2
)

// Options configure a store; each zero field means its default. They are a plain
// value: safe for concurrent use.
type Options struct {
	FS             vfs.FS         // where the store lies; nil is the operating system
	Durability     wal.Durability // of Put, Delete and Apply; wal.Synced
	MemTableSize   int64          // bytes of entries in memory before they become a table, up to 512 MiB; 16 MiB
	TableSize      int64          // bytes of a table that a compaction writes; 8 MiB
	BlockSize      int            // bytes of a block in a table, which is what a Get reads; 2 KiB
	BlockCacheSize int64          // bytes of blocks in memory; 32 MiB, negative for none; a sixteenth is the most that one may have

	// BloomBitsPerKey is the size of the filters; 0 stands for 10, less for none.
	BloomBitsPerKey float64

	Compression Compression  // of tables
	Policy      Policy       // of compaction; nil is Leveled{}
	Logger      *slog.Logger // told of flushes and compactions; nil for silence

	// Tests have small ones.
	segmentSize int64 // of the logs
	maxEdits    int   // in the manifest, before the whole version is written anew
}

// maxMemTableSize keeps the places in a memtable within 32 bits.
const maxMemTableSize = 512 << 20

func (o Options) withDefaults() Options {
	if o.FS == nil {
		o.FS = vfs.OS()
	}
	if o.MemTableSize <= 0 {
		o.MemTableSize = 16 << 20
	}
	if o.TableSize <= 0 {
		o.TableSize = 8 << 20
	}
	if o.BlockSize <= 0 {
		o.BlockSize = 2 << 10
	}
	if o.BlockCacheSize == 0 {
		o.BlockCacheSize = 32 << 20
	}
	if o.BloomBitsPerKey == 0 {
		o.BloomBitsPerKey = 10
	}
	if o.Policy == nil {
		o.Policy = Leveled{}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.maxEdits == 0 {
		o.maxEdits = 1000
	}
	return o
}

// DB is a store of keys and values in a directory. It is safe for concurrent use.
// Open starts two goroutines, which Close ends: one writes full memtables as
// tables, one compacts.
type DB struct {
	// Immutable after Open.
	dir      string
	options  Options
	lock     io.Closer
	log      *wal.Log
	manifest *wal.Log
	blocks   blockCache // nil for none

	known bool // the manifest has a record: the store has been made

	counters counters
	batches  sync.Pool // of *Batch, for single changes
	close    sync.Once
	failed   sync.Once   // the first failure is logged
	stopping atomic.Bool // Close has begun: what takes long ends early

	state   atomic.Pointer[state] // what readers use; stored under mu
	visible atomic.Uint64         // the newest sequence number that readers see

	commit sync.Mutex // held by the writer who gives changes their order; taken before mu

	// Guarded by commit.
	lastSeq  uint64 // given away
	logIndex uint64 // of the next record of the log

	mu   sync.Mutex
	wake sync.Cond // on mu: something of what follows has changed

	// Guarded by mu.
	err       error // final, once set
	closing   bool
	retired   []*version // not the present ones, that somebody may read
	nextTable uint64
	covered   uint64 // the first record of the log that is not in tables
	tabledSeq uint64 // the last sequence number that is in tables
	tidiedSeq uint64 // the same, but only when what is not needed for it any more is gone
	snapshots []uint64
	debt      float64    // of the policy, for the present version
	manual    []*request // compactions that somebody waits for

	installing sync.Mutex // held from looking at a version until the next one is in its place; taken before mu
	edits      int        // in the manifest, behind the whole version; guarded by installing

	background sync.WaitGroup
}

// state is all that a reader looks at. It is immutable, and so is what it points
// to, but for the memtable that is being filled.
type state struct {
	mem     *memtable
	full    []*fullMemtable // to be written as tables, the newest first
	version *version
	closed  bool
}

// fullMemtable is one that takes no more. It is immutable.
type fullMemtable struct {
	*memtable
	lastSeq  uint64
	logIndex uint64 // the first record of the log that is not in it
}

const (
	categoryFlush   vfs.Category = "flush"
	categoryCompact vfs.Category = "compaction"
	categoryRead    vfs.Category = "read"
)

func tableName(number uint64) string { return fmt.Sprintf("%08d.table", number) }

func (d *DB) path(number uint64) string { return filepath.Join(d.dir, tableName(number)) }

// fail makes an error of the disk final. The caller holds no lock: the logger is the
// user's.
func (d *DB) fail(err error) error {
	final := d.refuseFrom(err)
	d.failed.Do(func() { d.options.Logger.Error("lsm failed", "dir", d.dir, "error", err) })
	return final
}

// refuseFrom is fail without a word. It takes mu.
func (d *DB) refuseFrom(err error) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.err == nil {
		d.err = fmt.Errorf("%w: %w", ErrFailed, err)
		d.wake.Broadcast()
	}
	return d.err
}

// Put sets a key to a value; nil is an empty one. When it returns, the change has
// the Durability of the store.
func (d *DB) Put(key, value []byte) error {
	b := d.batch()
	b.Put(key, value)
	return d.applyOnce(b)
}

// Delete deletes a key, whether it is there or not.
func (d *DB) Delete(key []byte) error {
	b := d.batch()
	b.Delete(key)
	return d.applyOnce(b)
}

func (d *DB) batch() *Batch {
	if b, ok := d.batches.Get().(*Batch); ok {
		return b
	}
	return new(Batch)
}

// applyOnce applies a batch of the pool and gives it back, unless it has become large.
func (d *DB) applyOnce(b *Batch) error {
	err := d.Apply(b)
	if cap(b.data) <= 64<<10 {
		b.Reset()
		d.batches.Put(b)
	}
	return err
}

// Close ends what runs in the background, and gives everything to the disk that the
// log has, whatever the durability. It does not write the memtable as a table: the
// next Open reads the log. Reads that are under way may end with ErrClosed. Closing
// again does nothing.
func (d *DB) Close() (err error) {
	d.close.Do(func() { err = d.end() })
	return err
}

func (d *DB) end() error {
	d.mu.Lock()
	d.closing = true
	d.stopping.Store(true)
	d.wake.Broadcast()
	d.mu.Unlock()
	d.commit.Lock() // who has got past makeRoom comes out; others do not get in
	d.background.Wait()
	d.commit.Unlock()
	err := errors.Join(d.log.Close(), d.manifest.Close())
	last := *d.state.Load()
	last.closed = true
	d.state.Store(&last)
	return errors.Join(err, d.closeTables(), d.lock.Close())
}
