package lsm

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"github.com/plinth-go/plinth/wal"
)

// What Verify finds beyond what Open does.
var errNewerBelow = errors.New("an entry is newer than one of its key that is nearer to the memtable")

// Verify reads the whole store in dir, without changing anything: the manifest, every
// entry of every table, the order among tables, the log. It returns nil if all of it
// is as the store has left it, whether closed or crashed: a torn end of a log and
// tables that nobody mentions are no damage, since Open removes them. Damage is
// ErrCorrupt, with the file and the place. The store must not be open: ErrLocked.
//
// Of the options, FS matters.
func Verify(dir string, o Options) (err error) {
	d := &DB{dir: dir, options: o.withDefaults(), nextTable: 1}
	fsys := d.options.FS
	if _, err := fsys.List(filepath.Join(dir, "manifest")); err != nil {
		return fmt.Errorf("lsm: no store in %s: %w", dir, err)
	}
	if d.lock, err = lockDir(fsys, dir); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.abandon()) }()
	v, err := d.readManifest(wal.Records(filepath.Join(dir, "manifest"), wal.Options{FS: fsys}))
	if err != nil {
		return err
	}
	if err := d.checkFiles(); err != nil {
		return err
	}
	if _, err := fsys.List(filepath.Join(dir, "log")); errors.Is(err, fs.ErrNotExist) {
		return nil // a crash came before there was a store
	}
	d.state.Store(&state{version: v})
	v.enter()
	if err := d.openTables(v); err != nil {
		return err
	}
	if err := d.verifyTables(v); err != nil {
		return err
	}
	log := filepath.Join(dir, "log")
	first, _, err := wal.Bounds(log, wal.Options{FS: fsys})
	if err != nil {
		return d.logError(err)
	}
	if err := d.checkStart(first); err != nil {
		return err
	}
	return d.readLog(wal.Records(log, wal.Options{FS: fsys}), func(record) {})
}

// verifyTables reads each table by itself, and then all as one, in the order of the
// keys: of a key, the entries must come from ever lower runs.
func (d *DB) verifyTables(v *version) error {
	var runs []iterator
	for level, tables := range v.levels {
		for _, t := range tables {
			if err := t.reader.Verify(); err != nil {
				return d.damage(err)
			}
			if level == 0 {
				runs = append(runs, t.reader.NewIterator())
			}
		}
		if level > 0 {
			runs = append(runs, &levelIterator{tables: tables})
		}
	}
	for i, r := range runs {
		runs[i] = ranked{r, i}
	}
	var key []byte
	rank := 0
	m := newMerge(runs)
	defer m.Close()
	for m.First(); m.Valid(); m.Next() {
		now := m.heap[0].(ranked).rank
		if bytes.Equal(key, m.Key()) && now < rank {
			return fmt.Errorf("%w: %s: %w: %q", ErrCorrupt, d.dir, errNewerBelow, key)
		}
		key, rank = append(key[:0], m.Key()...), now
	}
	return d.damage(m.Err())
}

// ranked is an iterator that knows how far it is from the memtable. It is not safe
// for concurrent use.
type ranked struct {
	iterator
	rank int
}
