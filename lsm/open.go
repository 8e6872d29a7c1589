package lsm

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"path/filepath"
	"slices"
	"strings"

	"github.com/plinth-go/plinth/vfs"
	"github.com/plinth-go/plinth/wal"
)

// A store is a directory:
//
//	LOCK             held while it is open
//	log/             the changes that are not in tables yet: a wal.Log of batches
//	manifest/        which tables there are: a wal.Log of edits
//	00000001.table   …
//
// The manifest begins with a whole version and goes on with changes. Open writes the
// whole version anew and forgets what was before it, which the log of the manifest
// does in one step.

// Open opens the store in dir, or makes one there.
func Open(dir string, o Options) (db *DB, err error) {
	o = o.withDefaults()
	if o.MemTableSize > maxMemTableSize {
		return nil, fmt.Errorf("lsm: options: MemTableSize %d, at most %d", o.MemTableSize, maxMemTableSize)
	}
	d := &DB{dir: dir, options: o, nextTable: 1}
	d.wake.L = &d.mu
	if err := o.FS.MkdirAll(dir); err != nil {
		return nil, err
	}
	if d.lock, err = lockDir(o.FS, dir); err != nil {
		return nil, err
	}
	if err := d.open(); err != nil {
		return nil, errors.Join(err, d.abandon())
	}
	d.background.Add(2)
	go d.flushes()
	go d.compactions()
	return d, nil
}

func lockDir(fsys vfs.FS, dir string) (io.Closer, error) {
	lock, err := fsys.Lock(filepath.Join(dir, "LOCK"))
	if errors.Is(err, vfs.ErrLocked) {
		err = fmt.Errorf("%w: %s", ErrLocked, dir)
	}
	return lock, err
}

// abandon gives back what an Open that failed has taken, or Verify.
func (d *DB) abandon() (err error) {
	if s := d.state.Load(); s != nil {
		for _, tables := range s.version.levels {
			for _, t := range tables {
				if t.file != nil {
					err = errors.Join(err, t.close())
				}
			}
		}
	}
	for _, l := range []*wal.Log{d.log, d.manifest} {
		if l != nil {
			err = errors.Join(err, l.Close())
		}
	}
	return errors.Join(err, d.lock.Close())
}

func (d *DB) open() (err error) {
	o := d.options
	if d.blocks, err = newBlockCache(o.BlockCacheSize, int64(o.BlockSize)); err != nil {
		return err
	}
	if d.manifest, err = wal.Open(filepath.Join(d.dir, "manifest"), wal.Options{FS: o.FS, SegmentSize: o.segmentSize, Recycle: -1}); err != nil {
		return d.logError(err)
	}
	v, err := d.readManifest(d.manifest.All(0))
	if err != nil {
		return err
	}
	if err := d.checkFiles(); err != nil {
		return err
	}
	d.state.Store(&state{version: v})
	v.enter()
	if err := d.openTables(v); err != nil {
		return err
	}
	if d.log, err = wal.Open(filepath.Join(d.dir, "log"), wal.Options{FS: o.FS, Durability: o.Durability, SegmentSize: o.segmentSize}); err != nil {
		return d.logError(err)
	}
	if err := d.replayLog(); err != nil {
		return err
	}
	if err := d.removeOrphans(v); err != nil { // first what needs no space, but gives some
		return err
	}
	if err := d.rewriteManifest(v, &edit{nextTable: d.nextTable, lastSeq: d.tabledSeq, logIndex: d.covered}); err != nil {
		return err
	}
	d.debt = o.Policy.Debt(d.layout(v))
	return nil
}

// logError says of a log's damage that it is the store's.
func (d *DB) logError(err error) error {
	if errors.Is(err, wal.ErrCorrupt) {
		return fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	return err
}

// readManifest returns the version that the manifest leads to. Its tables are not
// open yet.
func (d *DB) readManifest(records iter.Seq2[wal.Record, error]) (*version, error) {
	v := &version{}
	for r, err := range records {
		if err != nil {
			return nil, d.logError(err)
		}
		e, err := decodeEdit(r.Data)
		if err == nil && !d.known && !e.whole {
			err = errBadVersion
		}
		if err == nil {
			v, err = v.apply(e)
		}
		if err != nil {
			return nil, fmt.Errorf("%w: manifest of %s, record %d: %w", ErrCorrupt, d.dir, r.Index, err)
		}
		d.known = true
		d.nextTable, d.tabledSeq, d.covered = e.nextTable, e.lastSeq, e.logIndex
	}
	return v, nil
}

// checkFiles reports what is missing as a whole. Open makes the log before the first
// record of the manifest, and nobody makes a table before that.
func (d *DB) checkFiles() error {
	fsys := d.options.FS
	if !d.known {
		tables, err := d.tableFiles()
		if err == nil && len(tables) > 0 {
			err = fmt.Errorf("%w: %s holds %s, but its manifest nothing", ErrCorrupt, d.dir, tables[0])
		}
		return err
	}
	entries, err := fsys.List(filepath.Join(d.dir, "log"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if !slices.ContainsFunc(entries, func(e vfs.Entry) bool { return strings.HasSuffix(e.Name, ".wal") }) {
		return fmt.Errorf("%w: the log of %s is missing", ErrCorrupt, d.dir)
	}
	return nil
}

// tableFiles returns the names of the tables in the directory, whether the manifest
// mentions them or not.
func (d *DB) tableFiles() (names []string, err error) {
	entries, err := d.options.FS.List(d.dir)
	for _, e := range entries {
		var number uint64
		if _, err := fmt.Sscanf(e.Name, "%d.table", &number); err == nil && !e.Dir && e.Name == tableName(number) {
			names = append(names, e.Name)
		}
	}
	return names, err
}

// openTables opens the tables of a version that nobody else uses yet.
func (d *DB) openTables(v *version) error {
	for level, tables := range v.levels {
		for _, t := range tables {
			open, err := d.openTable(t.number)
			if errors.Is(err, fs.ErrNotExist) {
				err = fmt.Errorf("%w: %w", ErrCorrupt, err)
			}
			if err != nil {
				return fmt.Errorf("table %d of level %d: %w", t.number, level, err)
			}
			same := open.size == t.size && open.sum == t.sum
			open.versions = t.versions
			*t = *open
			if !same {
				return fmt.Errorf("%w: %s is not the table that the manifest means", ErrCorrupt, d.path(t.number))
			}
		}
	}
	if err := v.settle(); err != nil {
		return fmt.Errorf("%w: manifest of %s: %w", ErrCorrupt, d.dir, err)
	}
	return nil
}

// rewriteManifest makes the whole version that an edit has led to the first record.
// The caller holds installing, or is Open.
func (d *DB) rewriteManifest(v *version, last *edit) error {
	e := v.whole()
	e.nextTable, e.lastSeq, e.logIndex = last.nextTable, last.lastSeq, last.logIndex
	index, err := d.manifest.Append(e.encode())
	if err != nil {
		return err
	}
	d.edits = 0
	return d.manifest.TruncateFront(index)
}

// removeOrphans removes tables that a crash has left: written and never mentioned,
// or merged into others.
func (d *DB) removeOrphans(v *version) error {
	used := map[string]bool{}
	for _, tables := range v.levels {
		for _, t := range tables {
			used[tableName(t.number)] = true
		}
	}
	names, err := d.tableFiles()
	if err != nil {
		return err
	}
	for _, name := range names {
		if !used[name] {
			if err := d.options.FS.Remove(filepath.Join(d.dir, name)); err != nil {
				return err
			}
		}
	}
	return nil
}

// replayLog makes memtables of what the log has and no table. What a crash has taken
// from the log may be in tables: then the log begins behind it.
func (d *DB) replayLog() error {
	if err := d.checkStart(d.log.FirstIndex()); err != nil {
		return err
	}
	if err := d.log.TruncateFront(d.covered); err != nil {
		return err
	}
	s := &state{version: d.state.Load().version, mem: d.newMemtable(0)}
	d.logIndex = d.log.FirstIndex()
	err := d.readLog(d.log.All(0), func(r record) {
		size := memorySize(r.rest, r.count)
		if s.mem.count.Load() > 0 && s.mem.bytes.Load()+size > d.options.MemTableSize {
			s.full = append([]*fullMemtable{{s.mem, d.lastSeq, d.logIndex}}, s.full...)
			s.mem = d.newMemtable(size)
		} else if s.mem.count.Load() == 0 {
			s.mem = d.newMemtable(size)
		}
		s.mem.apply(r)
		d.logIndex++
	})
	d.state.Store(s)
	d.visible.Store(d.lastSeq)
	d.tidiedSeq = d.tabledSeq
	return err
}

// checkStart reports whether changes are missing between tables and the log.
func (d *DB) checkStart(first uint64) error {
	if first > max(d.covered, 1) {
		return fmt.Errorf("%w: the log of %s begins with record %d, and tables end before %d", ErrCorrupt, d.dir, first, d.covered)
	}
	return nil
}

// newMemtable returns an empty one that takes a batch of this memorySize at least.
func (d *DB) newMemtable(size int64) *memtable {
	return newMemtable(max(size, d.options.MemTableSize), d.lastSeq)
}

// readLog visits the batches that are in no table, and keeps the last sequence number
// behind each.
func (d *DB) readLog(log iter.Seq2[wal.Record, error], visit func(record)) error {
	d.lastSeq = d.tabledSeq
	for r, err := range log {
		if err != nil {
			return d.logError(err)
		}
		if r.Index < d.covered {
			continue
		}
		batch, err := parseRecord(r.Data)
		switch {
		case err == nil && !d.known:
			err = fmt.Errorf("%w: the manifest is empty", errBadRecord)
		case err == nil && batch.seq != d.lastSeq+1:
			err = fmt.Errorf("%w: changes from %d on, want %d", errBadRecord, batch.seq, d.lastSeq+1)
		}
		if err != nil {
			return fmt.Errorf("%w: log of %s, record %d: %w", ErrCorrupt, d.dir, r.Index, err)
		}
		visit(batch)
		d.lastSeq += uint64(batch.count)
	}
	return nil
}
