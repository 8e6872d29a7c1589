package btree

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"math/bits"
	"path/filepath"
	"slices"
	"strings"

	"github.com/plinth-go/plinth/vfs"
	"github.com/plinth-go/plinth/wal"
)

// A store is a directory:
//
//	LOCK   held while it is open
//	log/   transactions that no checkpoint has: a wal.Log
//	tree   pages: two meta pages, the tree, the free map
//
// Open takes the tree of the last checkpoint and does again what the log has. The file
// of a new store is made under another name first, so that there is none that is not
// whole.

const (
	fileName = "tree"
	newName  = "tree.new"
)

// Open opens the store in dir, or makes one there.
func Open(dir string, o Options) (*DB, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	if err := o.FS.MkdirAll(dir); err != nil {
		return nil, err
	}
	d := newDB(dir, o)
	if err := d.lockDir(); err != nil {
		return nil, err
	}
	if err := d.open(); err != nil {
		return nil, errors.Join(err, d.abandon())
	}
	d.background.Add(1)
	go d.checkpoints()
	return d, nil
}

func newDB(dir string, o Options) *DB {
	d := &DB{dir: dir, options: o, wanted: make(chan struct{}, 1)}
	d.pages.parts.Store(new([]*part))
	return d
}

func (d *DB) lockDir() (err error) {
	d.lock, err = d.options.FS.Lock(filepath.Join(d.dir, "LOCK"))
	if errors.Is(err, vfs.ErrLocked) {
		err = fmt.Errorf("%w: %s", ErrLocked, d.dir)
	}
	return err
}

func (d *DB) open() error {
	if err := d.openFile(); err != nil {
		return err
	}
	m, err := d.readMeta()
	if err != nil {
		return err
	}
	if m.generation < firstPage { // who made the file may have died before its name was on the disk
		if err := d.options.FS.SyncDir(d.dir); err != nil {
			return err
		}
	}
	// After a crash of the process alone, the operating system may show what never reached
	// the disk. The log will be cut by it, so it must be there.
	if err := d.file.Sync(); err != nil {
		return err
	}
	if err := d.adopt(m); err != nil {
		return err
	}
	if err := d.openLog(m); err != nil {
		return err
	}
	if m.logs != (d.log != nil) { // the meta page has to know
		d.latest = &version{tx: d.latest.tx + 1, root: d.latest.root, entries: d.latest.entries}
	}
	d.newest.Store(d.latest)
	if d.log == nil && d.latest.tx != d.captured {
		return d.write(d.capture())
	}
	return nil
}

func (d *DB) logDir() string { return filepath.Join(d.dir, "log") }

// hasLog reports whether there are segments of a log.
func (d *DB) hasLog() (bool, error) {
	entries, err := d.options.FS.List(d.logDir())
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return slices.ContainsFunc(entries, func(e vfs.Entry) bool { return strings.HasSuffix(e.Name, ".wal") }), err
}

// openFile opens the file of the tree, or makes it.
func (d *DB) openFile() (err error) {
	fsys := d.options.FS
	if d.file, err = fsys.Open(d.filePath(), vfs.ReadWrite, categoryTree); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	d.file = nil
	if err := d.checkNoLog(); err != nil {
		return err
	}
	fresh := filepath.Join(d.dir, newName)
	if err := fsys.Remove(fresh); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := d.makeFile(fresh); err != nil {
		return err
	}
	if err := fsys.Rename(fresh, d.filePath()); err != nil {
		return err
	}
	if err := fsys.SyncDir(d.dir); err != nil {
		return err
	}
	d.file, err = fsys.Open(d.filePath(), vfs.ReadWrite, categoryTree)
	return err
}

// checkNoLog reports a log that has lost its tree: a new store has none yet.
func (d *DB) checkNoLog() error {
	has, err := d.hasLog()
	if err == nil && has {
		err = fmt.Errorf("%w: %s is missing, and there is a log", ErrCorrupt, d.filePath())
	}
	return err
}

// makeFile writes an empty tree.
func (d *DB) makeFile(name string) error {
	f, err := d.options.FS.Open(name, vfs.Create, categoryTree)
	if err != nil {
		return err
	}
	size := d.options.PageSize
	first := make([]byte, firstPage*size)
	m := meta{pageSize: size, tx: 1, pages: firstPage, logIndex: 1}
	for m.generation = range firstPage {
		copy(first[int(m.generation)*size:], m.encode())
	}
	_, err = f.WriteAt(first, 0)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// readMeta returns the meta page that counts.
func (d *DB) readMeta() (best meta, err error) {
	size, err := d.file.Size()
	if err != nil {
		return best, err
	}
	var found []meta
	var problems error = errBadMeta
	try := func(at int64) {
		b := make([]byte, metaSize)
		if _, err = d.file.ReadAt(b, at); err != nil && err != io.EOF {
			return
		}
		m, bad := decodeMeta(b)
		if bad == nil && int64(m.generation%2)*int64(m.pageSize) != at {
			bad = errMisplaced
		}
		if bad == nil {
			found = append(found, m)
		} else if errors.Is(bad, errNewer) || at == 0 {
			problems = fmt.Errorf("%w: %w", problems, bad)
		}
		err = nil
	}
	for at := int64(0); at <= maxPageSize; at = max(2*at, minPageSize) {
		if try(at); err != nil {
			return best, fmt.Errorf("btree: %s: %w", d.filePath(), err)
		}
	}
	if len(found) == 0 {
		kind := ErrCorrupt
		if errors.Is(problems, errNoMeta) || errors.Is(problems, errNewer) {
			kind = ErrFormat
		}
		return best, fmt.Errorf("%w: %s, %d bytes: %w", kind, d.filePath(), size, problems)
	}
	best = slices.MaxFunc(found, func(a, b meta) int { return cmp.Compare(a.generation, b.generation) })
	d.twins = len(found) == firstPage && found[0].sameTree(found[1])
	d.fileSize = size
	return best, nil
}

// adopt makes the tree of a checkpoint the present one.
func (d *DB) adopt(m meta) error {
	d.options.PageSize = m.pageSize
	d.last, d.generation, d.logIndex = m, m.generation, m.logIndex
	d.latest = &version{tx: m.tx, root: m.root, entries: m.entries}
	d.captured = m.tx
	d.durable.Store(m.tx)
	d.clock.limit = int(min(d.options.CacheSize/int64(m.pageSize), 1<<30))
	d.space.limit = maxPages(m.pageSize) - mapReserve
	each := bitsPerMapPage(m.pageSize) / 64
	d.mapped = make([]uint64, each*len(m.mapPages))
	data := make([]byte, m.pageSize)
	for n, id := range m.mapPages {
		if id == 0 {
			d.mapPages = append(d.mapPages, mapPlace{})
			continue
		}
		if err := d.readPage(id, data); err != nil {
			return err
		}
		if p := (page{data: data}); p.kind() != mapPage || pageTx(data) > m.tx {
			return d.corrupt(id, fmt.Errorf("%w: not of the map", errMisplaced))
		}
		d.mapPages = append(d.mapPages, mapPlace{id, pageTx(data)})
		for i := range each {
			d.mapped[each*n+i] = binary.LittleEndian.Uint64(data[pageHeader+8*i:])
		}
	}
	d.space.used = slices.Clone(d.mapped)
	for i, word := range d.space.used {
		d.space.count += bits.OnesCount64(word)
		if word != 0 {
			d.space.high = pageID(i*64 + 64 - bits.LeadingZeros64(word))
		}
	}
	if d.space.high > m.pages {
		return d.corrupt(0, fmt.Errorf("%w: the map has page %d of %d", errMalformed, d.space.high-1, m.pages))
	}
	for id := range pageID(firstPage) {
		if !d.space.has(id) {
			d.space.take(id)
		}
	}
	return nil
}

// openLog opens the log and does again what it has. Without Options.NoWAL it stays open.
func (d *DB) openLog(m meta) error {
	has, err := d.hasLog()
	switch {
	case err != nil:
		return err
	case m.logs && !has:
		return fmt.Errorf("%w: the log of %s is missing", ErrCorrupt, d.dir)
	case d.options.NoWAL && !has:
		return nil
	}
	log, err := wal.Open(d.logDir(), wal.Options{
		FS: d.options.FS, Durability: d.options.Durability, SegmentSize: d.options.segmentSize,
	})
	if err != nil {
		return logError(err)
	}
	d.log = log
	if err := d.checkStart(log.FirstIndex()); err != nil {
		return err
	}
	// A crash may have taken from the log what a checkpoint has.
	if err := log.TruncateFront(d.logIndex); err != nil {
		return logError(err)
	}
	if err := d.replay(log.All(0)); err != nil {
		return err
	}
	if !d.options.NoWAL {
		return nil
	}
	if err := d.write(d.capture()); err != nil {
		return err
	}
	d.log = nil
	return log.Close()
}

// logError says of a log's damage that it is the store's.
func logError(err error) error {
	if errors.Is(err, wal.ErrCorrupt) {
		return fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	return err
}

// checkStart reports whether transactions are missing between the tree and the log.
func (d *DB) checkStart(first uint64) error {
	if first > d.logIndex {
		return fmt.Errorf("%w: the log of %s begins with record %d, and the tree ends before %d", ErrCorrupt, d.dir, first, d.logIndex)
	}
	return nil
}

// replay does again what transactions in the log have done.
func (d *DB) replay(log iter.Seq2[wal.Record, error]) error {
	for r, err := range log {
		if err != nil {
			return logError(err)
		}
		if r.Index < d.logIndex {
			continue
		}
		t := &Tx{db: d, writable: true, root: d.latest.root, entries: d.latest.entries, work: d.work.begin()}
		if len(r.Data) >= recordHeader {
			t.id = binary.LittleEndian.Uint64(r.Data)
		}
		if t.id <= d.latest.tx {
			return d.badRecord(r.Index, errBadRecord)
		}
		if _, err := parseRecord(r.Data, t.redo); err != nil {
			return d.badRecord(r.Index, err)
		}
		d.newest.Store(d.install(t))
		d.logIndex = r.Index + 1
		d.logged += int64(len(r.Data))
		d.reclaim()
	}
	return nil
}

func (d *DB) badRecord(index uint64, err error) error {
	if errors.Is(err, errBadRecord) {
		err = fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	return fmt.Errorf("btree: log of %s, record %d: %w", d.dir, index, err)
}

// redo does one thing that a transaction has done.
func (t *Tx) redo(put bool, key, value []byte) error {
	if put {
		return t.set(key, value)
	}
	_, err := t.remove(key)
	return err
}
