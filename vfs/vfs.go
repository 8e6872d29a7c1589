package vfs

import (
	"errors"
	"io"
)

// FS is a file system as storage engines need it: a flat handful of verbs,
// each of which is one thing that a power cut can undo.
//
// Names are paths in the form of path/filepath. A name that does not exist is
// reported as fs.ErrNotExist, one that must not exist and does as fs.ErrExist;
// other errors carry the name as an *fs.PathError does.
//
// An FS is safe for concurrent use.
type FS interface {
	// Open opens the file name. Everything done through the file is counted
	// under c; an FS that does not count ignores it.
	Open(name string, mode Mode, c Category) (File, error)

	// Remove deletes a file or an empty directory. The deletion is durable
	// only after SyncDir of its directory.
	Remove(name string) error

	// Rename gives a file another name and replaces what had that name. After
	// a power cut the target is the old file or the new one, never neither;
	// which of them is certain only after SyncDir. Both names must lie in the
	// same directory: across two, no portable order of the two directory
	// syncs survives every power cut.
	Rename(oldname, newname string) error

	// MkdirAll makes a directory with all its parents, if need be, and makes
	// the new names durable.
	MkdirAll(dir string) error

	// List returns the entries of a directory, sorted by name.
	List(dir string) ([]Entry, error)

	// SyncDir makes the names in a directory durable: files created, renamed
	// and removed. On Windows, where a directory cannot be synced, it does
	// nothing.
	SyncDir(dir string) error

	// Lock takes the exclusive lock named name, a file that it makes if need
	// be and never removes. It does not wait: a lock held elsewhere, in this
	// process or another, is ErrLocked. Close gives the lock back, and so
	// does the end of the process, however it ends.
	Lock(name string) (io.Closer, error)
}

// File is an open file. It has no position: every read and write says where.
//
// A File is safe for concurrent use; what concurrent writes of the same bytes
// leave is undefined.
type File interface {
	io.ReaderAt // short only together with an error, io.EOF at the end
	io.WriterAt // short only together with an error; a write past the end grows the file

	// Size returns the length of the file in bytes.
	Size() (int64, error)

	// Truncate cuts the file, or grows it with zero bytes.
	Truncate(size int64) error

	// Sync returns when the bytes of the file and its length are on the disk,
	// whichever File they were written through. It says nothing about the
	// file's name: that is SyncDir's. After an error the state of what was
	// not yet synced is unknown, and a later success does not change that:
	// the kernel reports a lost page once.
	Sync() error

	Close() error
}

// Mode says what Open expects of the name, and what the File may do.
type Mode uint8

const (
	ReadOnly  Mode = iota // an existing file; writing to it fails
	ReadWrite             // an existing file
	Create                // a new file, readable and writable; a name that is taken is fs.ErrExist
)

// Category names what a file is used for ("wal", "flush", "manifest"), so that
// a Counter can tell apart why bytes were written. Each package defines its own.
type Category string

// Entry is a name in a directory. It is a plain value: safe for concurrent use.
type Entry struct {
	Name string // the last element of the path
	Size int64  // bytes; 0 for a directory
	Dir  bool
}

// ErrLocked is returned by Lock when somebody else has the lock.
var ErrLocked = errors.New("vfs: locked")
