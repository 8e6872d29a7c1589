package lsm

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/plinth-go/plinth/cache"
	"github.com/plinth-go/plinth/lsm/sst"
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
	if d.lock, err = o.FS.Lock(filepath.Join(dir, "LOCK")); err != nil {
		if errors.Is(err, vfs.ErrLocked) {
			err = fmt.Errorf("%w: %s", ErrLocked, dir)
		}
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

// abandon gives back what an Open that failed has taken.
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
	if o.BlockCacheSize > 0 {
		d.blocks, err = cache.New(cache.Config[sst.BlockID, *sst.Block]{
			MaxCost: o.BlockCacheSize,
			Cost:    func(_ sst.BlockID, b *sst.Block) int64 { return int64(b.Size()) },
			Hash:    func(id sst.BlockID) uint64 { return uint64(id) },
		})
		if err != nil {
			return err
		}
	}
	if d.manifest, err = wal.Open(filepath.Join(d.dir, "manifest"), wal.Options{FS: o.FS, SegmentSize: o.segmentSize, Recycle: -1}); err != nil {
		return d.logError(err)
	}
	v, err := d.replayManifest()
	if err != nil {
		return err
	}
	d.state.Store(&state{version: v})
	if err := d.openTables(v); err != nil {
		return err
	}
	if err := d.rewriteManifest(v, &edit{nextTable: d.nextTable, lastSeq: d.tabledSeq, logIndex: d.covered}); err != nil {
		return err
	}
	if err := d.removeOrphans(v); err != nil {
		return err
	}
	if d.log, err = wal.Open(filepath.Join(d.dir, "log"), wal.Options{FS: o.FS, Durability: o.Durability, SegmentSize: o.segmentSize}); err != nil {
		return d.logError(err)
	}
	mem, err := d.replayLog()
	if err != nil {
		return err
	}
	d.state.Store(&state{mem: mem, version: v})
	d.visible.Store(d.lastSeq)
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

// replayManifest returns the version that the manifest leads to. Its tables are not
// open yet.
func (d *DB) replayManifest() (*version, error) {
	v := &version{}
	first := true
	for r, err := range d.manifest.All(0) {
		if err != nil {
			return nil, d.logError(err)
		}
		e, err := decodeEdit(r.Data)
		if err == nil && first && !e.whole {
			err = errBadVersion
		}
		if err == nil {
			v, err = v.apply(e)
		}
		if err != nil {
			return nil, fmt.Errorf("%w: manifest of %s, record %d: %w", ErrCorrupt, d.dir, r.Index, err)
		}
		first = false
		d.nextTable, d.tabledSeq, d.covered = e.nextTable, e.lastSeq, e.logIndex
	}
	return v, nil
}

// openTables opens the tables of a version that nobody else uses yet.
func (d *DB) openTables(v *version) error {
	for level, tables := range v.levels {
		for i, known := range tables {
			t, err := d.openTable(known.number)
			if err != nil {
				return fmt.Errorf("table %d of level %d: %w", known.number, level, err)
			}
			tables[i] = t
			a, b := sst.AppendProperties(nil, &known.props), sst.AppendProperties(nil, &t.props)
			if t.size != known.size || string(a) != string(b) {
				return fmt.Errorf("%w: %s is not the table that the manifest means", ErrCorrupt, d.path(known.number))
			}
		}
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
	entries, err := d.options.FS.List(d.dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if strings.HasSuffix(e.Name, ".table") && !e.Dir && !used[e.Name] {
			if err := d.options.FS.Remove(filepath.Join(d.dir, e.Name)); err != nil {
				return err
			}
		}
	}
	return nil
}

// replayLog returns a memtable of what the log has and no table. What a crash has
// taken from the log may be in tables: then the log begins behind it.
func (d *DB) replayLog() (*memtable, error) {
	if err := d.log.TruncateFront(d.covered); err != nil {
		return nil, err
	}
	total := int64(0)
	var records []record
	d.lastSeq = d.tabledSeq
	for r, err := range d.log.All(0) {
		if err != nil {
			return nil, d.logError(err)
		}
		record, err := parseRecord(r.Data)
		if err == nil && record.seq != d.lastSeq+1 {
			err = fmt.Errorf("%w: changes from %d on, want %d", errBadRecord, record.seq, d.lastSeq+1)
		}
		if err != nil {
			return nil, fmt.Errorf("%w: log of %s, record %d: %w", ErrCorrupt, d.dir, r.Index, err)
		}
		records = append(records, record)
		total += memorySize(r.Data, record.count)
		d.lastSeq += uint64(record.count)
	}
	d.logIndex = d.log.LastIndex() + 1
	mem := newMemtable(max(d.options.MemTableSize, total), d.lastSeq)
	for _, r := range records {
		mem.apply(r)
	}
	return mem, nil
}
