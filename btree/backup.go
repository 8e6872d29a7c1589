package btree

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"slices"

	"github.com/plinth-go/plinth/vfs"
)

// Backup makes a checkpoint and writes it to w, as a file that Restore makes a store of.
// It holds the checkpoint as a reader does: transactions go on meanwhile. What w gets is
// as long as the file was, with zeros for free pages.
func (d *DB) Backup(w io.Writer) error {
	m, used, s, err := d.holdCheckpoint()
	if err != nil {
		return err
	}
	defer s.leave()
	m.logs, m.logIndex = false, 1
	size := d.options.PageSize
	buffer := make([]byte, readAtOnce)
	for id := pageID(0); id < m.pages; {
		n := min(int(m.pages-id), readAtOnce/size)
		b := buffer[:n*size]
		if err := d.readUsed(id, used, b); err != nil {
			return err
		}
		for ; id < firstPage; id++ {
			m.generation = uint64(id)
			copy(b[int(id)*size:], m.encode())
			n--
		}
		id += pageID(n)
		if _, err := w.Write(b); err != nil {
			return fmt.Errorf("btree: backup: %w", err)
		}
	}
	return nil
}

// holdCheckpoint makes a checkpoint and keeps its pages in place, until the slot is
// left.
func (d *DB) holdCheckpoint() (m meta, used space, s *slot, err error) {
	var c *capturing
	defer func() { d.tell(c, err) }() // when nothing is locked any more
	d.committing.Lock()
	defer d.committing.Unlock()
	if c, err = d.checkpoint(); err != nil {
		return m, used, nil, err
	}
	d.running.Lock()
	defer d.running.Unlock()
	if failed := d.failed.Load(); failed != nil { // since then: the map may be ahead
		return m, used, nil, *failed
	}
	used.used = slices.Clone(d.mapped)
	return d.last, used, d.readers.claim(d.last.tx), nil
}

// readUsed reads pages in a row, and leaves zeros in the place of those that are free
// and of the meta pages.
func (d *DB) readUsed(id pageID, used space, b []byte) error {
	size := d.options.PageSize
	clear(b)
	wanted := func(i int) bool { return id+pageID(i) >= firstPage && used.has(id+pageID(i)) }
	for i, n := 0, len(b)/size; i < n; i++ {
		if !wanted(i) {
			continue
		}
		from := i
		for i++; i < n && wanted(i); i++ {
		}
		if err := d.readAt(id+pageID(from), b[from*size:i*size]); err != nil {
			return err
		}
		for j := from; j < i; j++ {
			if err := checkSealed(b[j*size:(j+1)*size], id+pageID(j)); err != nil {
				return d.corrupt(id+pageID(j), err)
			}
		}
	}
	return nil
}

// Restore makes a store in dir of what Backup has written, and checks all of it before
// there is a store. There must be none yet: fs.ErrExist.
func Restore(dir string, r io.Reader, o Options) (err error) {
	if o, err = o.withDefaults(); err != nil {
		return err
	}
	if err := o.FS.MkdirAll(dir); err != nil {
		return err
	}
	d := newDB(dir, o)
	if err := d.lockDir(); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.abandon()) }()
	if err := d.checkNoStore(); err != nil {
		return err
	}
	fresh := filepath.Join(dir, newName)
	if err := o.FS.Remove(fresh); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if d.file, err = o.FS.Open(fresh, vfs.Create, categoryTree); err != nil {
		return err
	}
	if err := copyFile(d.file, r); err != nil {
		return err
	}
	if err := d.verifyFile(); err != nil {
		return err
	}
	err = d.file.Close() // Windows renames no open file
	if d.file = nil; err != nil {
		return err
	}
	if err := o.FS.Rename(fresh, d.filePath()); err != nil {
		return err
	}
	return o.FS.SyncDir(dir)
}

func (d *DB) checkNoStore() error {
	entries, err := d.options.FS.List(d.dir)
	if err != nil {
		return err
	}
	if slices.ContainsFunc(entries, func(e vfs.Entry) bool { return e.Name == fileName }) {
		return &fs.PathError{Op: "restore", Path: d.filePath(), Err: fs.ErrExist}
	}
	return d.checkNoLog()
}

func copyFile(f vfs.File, r io.Reader) error {
	buffer := make([]byte, readAtOnce)
	for at := int64(0); ; {
		n, err := io.ReadFull(r, buffer)
		if n > 0 {
			if _, err := f.WriteAt(buffer[:n], at); err != nil {
				return err
			}
			at += int64(n)
		}
		switch {
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
			return f.Sync()
		case err != nil:
			return fmt.Errorf("btree: restore: %w", err)
		}
	}
}
