package lsm

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"github.com/plinth-go/plinth/lsm/sst"
	"github.com/plinth-go/plinth/vfs"
)

// How entries become tables. Flush and compaction are the same work: a merge of
// sorted entries, without those that nobody can see, cut into tables.
//
// Of the entries of one key, from the newest to the oldest, an entry goes if
//
//	the one before it hides it from everybody    no snapshot is between the two, and
//	                                             readers see the newer one already
//	it deletes, all readers see that, and        nothing is left for it to hide
//	nothing older can be below the output
//
// Readers who come later see more, not less: their sequence number is at least what
// was visible when the merge began, and that counts as one more snapshot here.
type merger struct {
	db        *DB
	category  vfs.Category
	source    iterator
	snapshots []uint64              // in order; the last one is what was visible at the beginning
	below     func(key []byte) bool // whether older entries of a key can be below the output
	size      int64                 // of a table, at which another one begins; 0 for one table
}

// errStopped: Close has begun.
var errStopped = errors.New("stopped")

// run writes the tables. After an error it leaves none.
func (m *merger) run() (tables []*table, err error) {
	defer m.source.Close()
	var out *output
	defer func() {
		if err != nil {
			m.discard(tables, out)
			tables = nil
		}
	}()
	var key []byte // of the entry before
	var newer uint64
	first := true
	for m.source.First(); m.source.Valid() && err == nil; m.source.Next() {
		if m.db.stopping.Load() {
			return tables, errStopped
		}
		same := !first && bytes.Equal(key, m.source.Key())
		t := m.source.Trailer()
		hidden := same && m.hides(newer, t.Seq())
		first, newer = false, t.Seq()
		if !same {
			key = append(key[:0], m.source.Key()...)
		}
		if hidden || t.Kind() == sst.Delete && t.Seq() <= m.snapshots[0] && !m.below(key) {
			continue
		}
		if out != nil && m.size > 0 && !same && out.writer.Size() >= m.size {
			if tables, err = out.finish(tables); err != nil {
				break
			}
			out = nil
		}
		if out == nil {
			if out, err = m.db.newOutput(m.category); err != nil {
				break
			}
		}
		err = out.writer.Add(m.source.Key(), t, m.source.Value())
	}
	if err = errors.Join(err, m.source.Err()); err == nil && out != nil {
		tables, err = out.finish(tables)
		out = nil
	}
	return tables, err
}

// discard closes and removes what nobody has heard of. If that fails, the next Open
// will do it.
func (m *merger) discard(tables []*table, out *output) {
	if out != nil {
		_ = out.file.Close()
		_ = m.db.options.FS.Remove(m.db.path(out.number))
	}
	for _, t := range tables {
		_ = t.close()
		_ = m.db.options.FS.Remove(m.db.path(t.number))
	}
}

// hides reports whether an entry hides an older one of its key from everybody.
func (m *merger) hides(newer, older uint64) bool {
	visible := m.snapshots[len(m.snapshots)-1]
	i, _ := slices.BinarySearch(m.snapshots, older) // the first snapshot that sees the older one
	return newer <= visible && (i == len(m.snapshots) || m.snapshots[i] >= newer)
}

// output is a table that is being written.
type output struct {
	db     *DB
	number uint64
	file   vfs.File
	writer *sst.Writer
}

// newOutput begins a table.
func (d *DB) newOutput(c vfs.Category) (*output, error) {
	d.mu.Lock()
	number := d.nextTable
	d.nextTable++
	d.mu.Unlock()
	file, err := d.options.FS.Open(d.path(number), vfs.Create, c)
	if err != nil {
		return nil, err
	}
	return &output{d, number, file, sst.NewWriter(file, sst.WriterOptions{
		Number:          number,
		BlockSize:       d.options.BlockSize,
		Compression:     d.options.Compression,
		BloomBitsPerKey: d.options.BloomBitsPerKey,
	})}, nil
}

// finish completes the table and opens it.
func (o *output) finish(tables []*table) ([]*table, error) {
	_, err := o.writer.Finish()
	if err = errors.Join(err, o.file.Close()); err != nil {
		return tables, err
	}
	t, err := o.db.openTable(o.number)
	if err != nil {
		return tables, err
	}
	return append(tables, t), nil
}

// openTable opens a table that is complete.
func (d *DB) openTable(number uint64) (*table, error) {
	file, err := d.options.FS.Open(d.path(number), vfs.ReadOnly, categoryRead)
	if err != nil {
		return nil, err
	}
	o := sst.Options{Number: number}
	if d.blocks != nil {
		o.Cache = d.blocks
	}
	reader, err := sst.Open(file, o)
	if err != nil {
		return nil, errors.Join(d.damage(err), file.Close())
	}
	props := reader.Properties()
	return &table{
		number:   number,
		size:     reader.Size(),
		sum:      props.Sum,
		props:    props,
		smallest: props.Smallest,
		largest:  props.Largest,
		reader:   reader,
		file:     file,
	}, nil
}

// damage says of what is wrong with a table that it is wrong with the store, and of a
// closed file that the store has been closed.
func (d *DB) damage(err error) error {
	switch {
	case errors.Is(err, sst.ErrCorrupt):
		return fmt.Errorf("%w: %s: %w", ErrCorrupt, d.dir, err)
	case errors.Is(err, sst.ErrVersion):
		return fmt.Errorf("%w: %s: %w", ErrVersion, d.dir, err)
	case errors.Is(err, fs.ErrClosed) && d.stopping.Load():
		return fmt.Errorf("%w: %w", ErrClosed, err)
	}
	return err
}

// install makes an edit durable and the version that it leads to the present one.
// More is a further change of the state, made at the same moment. Files that nobody
// needs any more are removed. After an error nobody knows whether the manifest has the
// edit: the tables are closed and stay.
func (d *DB) install(e *edit, more func(*state)) error {
	err := d.tryInstall(e, more)
	if err != nil {
		d.mu.Lock()
		defer d.mu.Unlock()
		for _, p := range e.come {
			if p.table.versions == 0 {
				_ = p.table.close()
			}
		}
	}
	return err
}

func (d *DB) tryInstall(e *edit, more func(*state)) error {
	if err := d.publishVersion(e, more); err != nil {
		return err
	}
	d.updateDebt()
	d.closeUnused(false)
	return nil
}

// publishVersion makes the names of tables durable, writes an edit to the manifest and
// stores the version. An error is final before anybody else gets here: a second sync of
// the directory might succeed without having done what the first one did not.
func (d *DB) publishVersion(e *edit, more func(*state)) (err error) {
	d.installing.Lock()
	defer d.installing.Unlock()
	defer func() {
		if err != nil {
			err = d.refuseFrom(err)
		}
	}()
	if len(e.come) > 0 {
		if err := d.options.FS.SyncDir(d.dir); err != nil {
			return err
		}
	}
	d.mu.Lock()
	if d.err != nil {
		defer d.mu.Unlock()
		return d.err
	}
	e.nextTable, e.lastSeq, e.logIndex = d.nextTable, max(e.lastSeq, d.tabledSeq), max(e.logIndex, d.covered)
	d.mu.Unlock()
	before := d.state.Load().version
	next, err := before.apply(e)
	if err == nil {
		err = next.settle()
	}
	if err != nil {
		return err
	}
	if _, err := d.manifest.Append(e.encode()); err != nil {
		return err
	}
	d.mu.Lock()
	s := *d.state.Load()
	s.version = next
	next.enter()
	d.retired = append(d.retired, before)
	if more != nil {
		more(&s)
	}
	d.tabledSeq, d.covered = e.lastSeq, e.logIndex
	d.state.Store(&s)
	d.wake.Broadcast()
	d.mu.Unlock()
	if d.edits++; d.edits < d.options.maxEdits {
		return nil
	}
	return d.rewriteManifest(next, e)
}

// updateDebt asks the policy, which may be the user's, under no lock: again if there
// is another version by then, since nobody would correct what is out of date.
func (d *DB) updateDebt() {
	for {
		v := d.state.Load().version
		debt := d.options.Policy.Debt(d.layout(v))
		d.mu.Lock()
		current := d.state.Load().version == v
		if current {
			d.debt = debt
			d.wake.Broadcast()
		}
		d.mu.Unlock()
		if current {
			return
		}
	}
}

// seen returns the sequence numbers at which somebody may read, in order: the
// snapshots and what is visible now.
func (d *DB) seen() []uint64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	all := append(slices.Clone(d.snapshots), d.visible.Load())
	slices.Sort(all)
	return slices.Compact(all)
}
