package wal

import (
	"errors"
	"fmt"
	"io"
	"math"
	"path/filepath"
	"sync"

	"github.com/plinth-go/plinth/vfs"
)

// Durability says what a record has survived when Append returns.
type Durability uint8

const (
	Synced   Durability = iota // it is on the disk: a power cut leaves it
	Flushed                    // the operating system has it: a crash of the process leaves it
	Buffered                   // it is in this process's memory: Sync, Close or a full buffer take it further
)

// String returns "synced", "flushed" or "buffered".
func (d Durability) String() string {
	switch d {
	case Synced:
		return "synced"
	case Flushed:
		return "flushed"
	case Buffered:
		return "buffered"
	}
	return fmt.Sprintf("Durability(%d)", uint8(d))
}

// Options configures a Log; each zero field means its default. It is a plain
// value: safe for concurrent use.
type Options struct {
	FS          vfs.FS     // where the log lies; nil is the operating system
	Durability  Durability // of Append, AppendBatch and Ticket.Wait; Synced
	SegmentSize int64      // bytes per file, 8 KiB to 16 GiB; 64 MiB. A record or batch must fit into one
	Recycle     int        // retired segments kept to be written over; 2, negative for none
}

const (
	defaultSegmentSize = 64 << 20
	minSegmentSize     = 8 << 10
	maxSegmentSize     = 16 << 30
	defaultRecycle     = 2
)

// withDefaults checks o and fills in what is zero.
func (o Options) withDefaults() (Options, error) {
	if o.FS == nil {
		o.FS = vfs.OS()
	}
	if o.Durability > Buffered {
		return o, fmt.Errorf("wal: options: unknown durability %d", o.Durability)
	}
	if o.SegmentSize == 0 {
		o.SegmentSize = defaultSegmentSize
	}
	if o.SegmentSize < minSegmentSize || o.SegmentSize > maxSegmentSize {
		return o, fmt.Errorf("wal: options: SegmentSize %d, must be %d to %d", o.SegmentSize, minSegmentSize, int64(maxSegmentSize))
	}
	o.SegmentSize &^= 7
	if o.Recycle == 0 {
		o.Recycle = defaultRecycle
	}
	return o, nil
}

// Log is an append-only sequence of records in a directory. It is safe for
// concurrent use: appenders share commits (commit.go), and readers neither
// wait for a commit nor hold one up.
type Log struct {
	// immutable after Open
	dir  string
	fs   vfs.FS
	o    Options
	id   uint64
	lock io.Closer

	// owned by the leader
	tail  tail
	spare []string // names of retired files, to be written over

	waiters sync.Pool // of *waiter

	mu sync.Mutex

	// guarded by mu: commit.go
	err            error    // set once: the log takes no more writes
	leading        bool     // somebody leads
	waiting        queue    // those who wait for a commit or for the lead
	pending        []byte   // frames that no leader has taken yet
	pendingRecords int      // records in it
	joined         int      // appends in it
	expected       int      // appends that are likely in it soon: see gather
	pendingOff     int64    // where the next frame will lie; full while appends must wait
	idle           []byte   // the other buffer
	encoded        progress // all that was ever pending …
	written        progress // … that the operating system has …
	synced         progress // … that is on disk
	syncWanted     uint64   // bytes that somebody waits for to be on disk

	// guarded by mu: what the log holds
	bounds   bounds     // first, and the next index to give out
	extents  extents    // where each index lies
	segments []*segment // by number, without gaps; the last is written
	changed  chan struct{}

	// guarded by mu
	stats Stats
}

// progress is a place in the stream of frames since Open.
type progress struct {
	bytes uint64 // of frames before it
	next  uint64 // the index after the last record before it
}

// full as pendingOff makes every appender wait: no record fits.
const full = math.MaxInt64

// Open opens the log in dir, or makes one there. It reads all of it and checks
// every record.
//
// After a crash the end of the log may be torn: half-written, never
// acknowledged. Open erases that durably and counts it in Stats. Damage to
// what was acknowledged is ErrCorrupt with file and offset; then nothing is
// changed or deleted.
//
// A log is open once at a time: ErrLocked.
func Open(dir string, o Options) (l *Log, err error) {
	o, err = o.withDefaults()
	if err != nil {
		return nil, err
	}
	if err := o.FS.MkdirAll(dir); err != nil {
		return nil, fmt.Errorf("wal: open %s: %w", dir, err)
	}
	lock, err := lockDir(o.FS, dir)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, lock.Close())
		}
	}()
	im, err := loadImage(o.FS, dir, vfs.ReadWrite)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			im.close()
		}
	}()
	if err := im.repair(o.FS, dir); err != nil {
		return nil, err
	}
	if err := im.begin(o.FS, dir); err != nil {
		return nil, err
	}
	return newLog(dir, o, lock, im)
}

// newLog puts a repaired image to work.
func newLog(dir string, o Options, lock io.Closer, im *image) (*Log, error) {
	here := progress{next: im.bounds.next}
	l := &Log{
		dir: dir, fs: o.FS, o: o, id: im.log, lock: lock,
		tail: tail{
			seg: im.last(), off: im.end, synced: im.end, prev: im.prev,
			filled: im.fileSize, limit: o.SegmentSize, marked: im.marked,
		},
		spare:      im.free,
		pendingOff: im.end,
		encoded:    here, written: here, synced: here,
		bounds: im.bounds, extents: im.extents, segments: im.segments,
		waiters: sync.Pool{New: newWaiter},
	}
	l.stats.TornTails, l.stats.TornBytes = im.tornTails, im.tornBytes
	l.extents.dropFront(l.bounds.first)
	l.mu.Lock()
	l.lead()
	defer l.follow()
	if err := l.retire(); err != nil {
		return nil, err
	}
	return l, nil
}

// Close puts everything on disk, whatever the durability, marks the end and
// gives back the space that was filled ahead. Whoever waits for a commit gets
// its result. Reads that are under way may end with ErrClosed. Closing again
// does nothing.
func (l *Log) Close() error {
	l.mu.Lock()
	l.lead()
	defer l.follow()
	if errors.Is(l.err, ErrClosed) {
		return nil
	}
	err := l.err
	if err == nil {
		err = l.finish()
	}
	l.err = ErrClosed
	l.notify()
	err = errors.Join(err, l.tail.close())
	for _, s := range l.segments {
		err = errors.Join(err, s.file.Close())
	}
	return errors.Join(err, l.lock.Close())
}

// finish commits what is pending, and then, by itself, a mark: written when all
// before it was on disk, it proves of every frame, should it be damaged later,
// that it was not just torn. The caller leads.
func (l *Log) finish() error {
	l.pendingOff = full
	if err := l.commit(true); err != nil {
		return err
	}
	if !l.tail.marked {
		l.pending = appendMark(l.pending, kindMark, l.bounds)
		l.encoded.bytes += uint64(frameSize(markSize))
		if err := l.commit(true); err != nil {
			return err
		}
	}
	return l.trim()
}

// trim cuts the tail's file to what is used. The caller leads.
func (l *Log) trim() error {
	t := &l.tail
	size, err := t.seg.file.Size()
	if err == nil && size > t.off {
		if err = t.seg.file.Truncate(t.off); err == nil {
			err = t.seg.file.Sync()
		}
	}
	if err != nil {
		return fmt.Errorf("wal: close %s: %w", t.seg.name, err)
	}
	return nil
}

// FirstIndex returns the index of the oldest record; of an empty log, of the
// record that comes next.
func (l *Log) FirstIndex() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.bounds.first
}

// LastIndex returns the index of the newest record that is acknowledged at the
// log's durability; FirstIndex()-1 if there is none.
func (l *Log) LastIndex() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.visible() - 1
}

// DurableIndex returns the index of the newest record that is on disk.
func (l *Log) DurableIndex() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.synced.next - 1
}

// visible returns the index that follows the last acknowledged record: readers
// stop before it, so that nobody sees what a crash of the kind that the log
// is meant to survive could take back.
func (l *Log) visible() uint64 {
	switch l.o.Durability {
	case Synced:
		return l.synced.next
	case Flushed:
		return l.written.next
	default:
		return l.encoded.next
	}
}

// lastSegment returns the one that is written. The caller holds mu.
func (l *Log) lastSegment() *segment { return l.segments[len(l.segments)-1] }

// lockDir takes the lock of the log in dir.
func lockDir(fs vfs.FS, dir string) (io.Closer, error) {
	lock, err := fs.Lock(filepath.Join(dir, lockName))
	if errors.Is(err, vfs.ErrLocked) {
		return nil, fmt.Errorf("%w: %s: %w", ErrLocked, dir, err)
	}
	if err != nil {
		return nil, fmt.Errorf("wal: lock %s: %w", dir, err)
	}
	return lock, nil
}
