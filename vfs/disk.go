package vfs

import (
	"errors"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// disk is what a disk holds at one moment: names, and the files they lead to.
// A file is an inode with a number that no other file ever has, on this disk or
// on a clone of it, as long as only one of the two makes files. Names are kept
// per directory, and directories by their clean absolute path.
//
// Not safe for concurrent use.
type disk struct {
	dirs  map[string]map[string]uint64 // directory -> name of a file in it -> number
	files map[uint64]*inode
	last  uint64 // the highest number given out
}

type inode struct {
	content
	number uint64
	locked bool // somebody has the Lock; a clone has none
}

var root = filepath.Clean(string(filepath.Separator))

func newDisk() *disk {
	return &disk{
		dirs:  map[string]map[string]uint64{root: {}},
		files: map[uint64]*inode{},
	}
}

func (d *disk) clone() *disk {
	for _, n := range d.files {
		n.owner = new(owner) // so that it writes none of the shared pages in place
	}
	return d.share()
}

// share is clone for a d that is never changed again: it only reads d.
func (d *disk) share() *disk {
	c := &disk{
		dirs:  make(map[string]map[string]uint64, len(d.dirs)),
		files: make(map[uint64]*inode, len(d.files)),
		last:  d.last,
	}
	for dir, names := range d.dirs {
		c.dirs[dir] = maps.Clone(names)
	}
	for number, n := range d.files {
		c.files[number] = &inode{content: n.share(), number: number}
	}
	return c
}

// split resolves a name to the directory and the name in it. The root is in
// itself under its own name.
func split(name string) (dir, base string) {
	path := filepath.Join(root, name)
	return filepath.Dir(path), filepath.Base(path)
}

// lookup returns the file of that name, or nil if it is a directory.
func (d *disk) lookup(name string) (*inode, error) {
	dir, base := split(name)
	if _, ok := d.dirs[filepath.Join(dir, base)]; ok {
		return nil, nil
	}
	if err := d.checkDir(dir); err != nil {
		return nil, err
	}
	number, ok := d.dirs[dir][base]
	if !ok {
		return nil, fs.ErrNotExist
	}
	return d.files[number], nil
}

// checkDir says what is wrong with dir as a directory: nothing, it does not
// exist, or a file is in the way.
func (d *disk) checkDir(dir string) error {
	dir = filepath.Join(root, dir)
	if _, ok := d.dirs[dir]; ok {
		return nil
	}
	parent, base := split(dir)
	if err := d.checkDir(parent); err != nil {
		return err
	}
	if _, isFile := d.dirs[parent][base]; isFile {
		return syscall.ENOTDIR
	}
	return fs.ErrNotExist
}

// create makes an empty file of a name that is free.
func (d *disk) create(name string) (*inode, error) {
	dir, base := split(name)
	if err := d.checkDir(dir); err != nil {
		return nil, err
	}
	d.last++
	n := &inode{content: newContent(), number: d.last}
	d.files[n.number] = n
	d.dirs[dir][base] = n.number
	return n, nil
}

func (d *disk) remove(name string) error {
	n, err := d.lookup(name)
	if err != nil {
		return err
	}
	dir, base := split(name)
	if n != nil {
		delete(d.dirs[dir], base)
		delete(d.files, n.number) // who has it open keeps it
		return nil
	}
	path := filepath.Join(dir, base)
	entries, err := d.list(path)
	switch {
	case err != nil:
		return err
	case path == root:
		return syscall.EBUSY
	case len(entries) > 0:
		return syscall.ENOTEMPTY
	}
	delete(d.dirs, path)
	return nil
}

func (d *disk) rename(oldname, newname string) error {
	if filepath.Dir(oldname) != filepath.Dir(newname) {
		return syscall.EXDEV
	}
	n, err := d.lookup(oldname)
	if err != nil {
		return err
	}
	if n == nil {
		return syscall.EISDIR
	}
	replaced, err := d.lookup(newname)
	switch {
	case err == nil && replaced == nil:
		return syscall.EEXIST // a directory
	case err == nil && replaced == n:
		return nil
	case err == nil:
		delete(d.files, replaced.number)
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	dir, oldbase := split(oldname)
	_, newbase := split(newname)
	delete(d.dirs[dir], oldbase)
	d.dirs[dir][newbase] = n.number
	return nil
}

// mkdirAll returns the directories that it made, parents first.
func (d *disk) mkdirAll(dir string) (made []string, err error) {
	path := filepath.Join(root, dir)
	n, err := d.lookup(path)
	switch {
	case err == nil && n == nil:
		return nil, nil
	case err == nil:
		return nil, syscall.ENOTDIR
	case !errors.Is(err, fs.ErrNotExist):
		return nil, err
	}
	if made, err = d.mkdirAll(filepath.Dir(path)); err != nil {
		return nil, err
	}
	d.dirs[path] = map[string]uint64{}
	return append(made, path), nil
}

func (d *disk) list(dir string) ([]Entry, error) {
	if err := d.checkDir(dir); err != nil {
		return nil, err
	}
	path := filepath.Join(root, dir)
	entries := []Entry{}
	for name, number := range d.dirs[path] {
		entries = append(entries, Entry{Name: name, Size: d.files[number].size})
	}
	for sub := range d.dirs {
		if sub != root && filepath.Dir(sub) == path {
			entries = append(entries, Entry{Name: filepath.Base(sub), Dir: true})
		}
	}
	slices.SortFunc(entries, func(a, b Entry) int { return strings.Compare(a.Name, b.Name) })
	return entries, nil
}
