package vfs

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
)

type opKind uint8

const (
	opCreate opKind = iota
	opRename
	opRemove
	opRemoveDir
	opWrite
	opTruncate
	opMkdir
	opSync
	opSyncDir
)

// op is one recorded operation. It is never changed: safe for concurrent use.
type op struct {
	kind opKind
	file uint64 // number of the inode
	dir  string // clean path; of the directory itself for opMkdir and opSyncDir
	name string // in dir; for data the name under which the file was opened
	to   string // opRename: the new name
	off  int64  // opWrite: offset; opTruncate: the new size
	data []byte // opWrite
}

func nameOp(kind opKind, name string, file uint64) op {
	dir, base := split(name)
	return op{kind: kind, file: file, dir: dir, name: base}
}

// changesName tells the changes of a directory, which SyncDir makes durable, from
// those of a file, which Sync does.
func (o op) changesName() bool { return o.kind <= opRemoveDir }

func (o op) String() string {
	path := filepath.Join(o.dir, o.name)
	switch o.kind {
	case opCreate:
		return "create " + path
	case opRename:
		return "rename " + path + " to " + o.to
	case opRemove, opRemoveDir:
		return "remove " + path
	case opWrite:
		return fmt.Sprintf("write [%d, %d) of %s", o.off, o.off+int64(len(o.data)), path)
	case opTruncate:
		return fmt.Sprintf("truncate %s to %d", path, o.off)
	case opMkdir:
		return "mkdir " + path
	case opSync:
		return "sync " + path
	default:
		return "syncdir " + path
	}
}

// apply does o to a disk on which any of the operations before o may be
// missing. A link is a pair of a name and an inode, and an operation acts
// upon its own link alone, whatever else the name has come to mean:
//
//	create     makes the link (name, inode); what had the name loses it
//	rename     in one step takes away (name, inode), if it is there, and makes
//	           (to, inode). So a kept rename carries the inode even if its
//	           create was lost, and a lost one leaves the old target in place.
//	remove     takes away (name, inode), if it is there. Had an earlier create or
//	           rename of that name been lost, it has nothing to take away.
//	removedir  takes away the directory with all that a lost remove left in it
//	write,     change the inode, with or without a name. An inode that ends up
//	truncate   without one is unreachable, and is not part of the crash state.
//
// Operations are applied in the order of the history.
func (o op) apply(d *disk) {
	names := d.dirs[o.dir] // nil, and not to be written, once a removedir has been here
	switch {
	case o.kind == opWrite:
		d.inode(o.file).writeAt(o.data, o.off)
	case o.kind == opTruncate:
		d.inode(o.file).truncate(o.off)
	case o.kind == opRemoveDir:
		d.removeTree(filepath.Join(o.dir, o.name))
	case names == nil:
	case o.kind == opCreate:
		d.link(o.dir, o.name, o.file)
	case o.kind == opRename:
		if names[o.name] == o.file {
			delete(names, o.name)
		}
		d.link(o.dir, o.to, o.file)
	case o.kind == opRemove:
		if names[o.name] == o.file {
			delete(names, o.name)
		}
	}
}

// link gives an inode a name, and takes it from a file or a directory which would
// have given it up in an operation that was lost.
func (d *disk) link(dir, name string, number uint64) {
	d.removeTree(filepath.Join(dir, name))
	d.dirs[dir][name] = d.inode(number).number
}

// inode returns the inode of that number, empty if d has none: what is written
// to a file may become durable before its name does.
func (d *disk) inode(number uint64) *inode {
	n := d.files[number]
	if n == nil {
		n = &inode{content: newContent(), number: number}
		d.files[number] = n
		d.last = max(d.last, number)
	}
	return n
}

func (d *disk) removeTree(path string) {
	for dir := range d.dirs {
		if dir == path || strings.HasPrefix(dir, path+string(filepath.Separator)) {
			delete(d.dirs, dir)
		}
	}
}

// replay goes through a history and knows after each operation what a power cut
// can no longer undo, and what it can. Not safe for concurrent use.
//
// Invariant: of one file, and of one directory, the operations in pending all
// come after those in disk, so that applying any of them to disk, in order,
// is a state which leaving out the others produces.
type replay struct {
	seen    int   // operations of the history that step was called with
	disk    *disk // with every operation that a barrier covers
	pending []op  // the others, in order
}

// step takes the next operation. The barriers are:
//
//	sync     of a file: its writes and truncates, not its name
//	syncdir  of a directory: creates, renames and removes in it
//	mkdir    itself, at once. Other names in its parent stay pending, though
//	         OS syncs that too: MkdirAll does not promise it. Where one of them
//	         had freed the very name, the parent is covered, as by syncdir; what
//	         was pending inside an earlier directory of that name is gone with it.
func (p *replay) step(o op) {
	p.seen++
	switch o.kind {
	case opSync:
		p.settle(func(q op) bool { return !q.changesName() && q.file == o.file })
	case opSyncDir:
		p.settle(func(q op) bool { return q.changesName() && q.dir == o.dir })
	case opMkdir:
		parent, base := split(o.dir)
		if slices.ContainsFunc(p.pending, func(q op) bool {
			return q.changesName() && q.dir == parent && (q.name == base || q.to == base)
		}) {
			p.settle(func(q op) bool { return q.changesName() && q.dir == parent })
		}
		p.pending = slices.DeleteFunc(p.pending, func(q op) bool { return q.changesName() && q.dir == o.dir })
		p.disk.dirs[o.dir] = map[string]uint64{}
	default:
		p.pending = append(p.pending, o)
	}
}

// settle moves the pending operations that a barrier covers to the disk.
func (p *replay) settle(covered func(op) bool) {
	p.pending = slices.DeleteFunc(p.pending, func(q op) bool {
		if covered(q) {
			q.apply(p.disk)
			return true
		}
		return false
	})
}
