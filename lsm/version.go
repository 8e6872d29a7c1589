package lsm

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"sort"

	"github.com/plinth-go/plinth/lsm/sst"
	"github.com/plinth-go/plinth/vfs"
)

// levels of a tree. In level 0 are tables as they were flushed, the newest first,
// whose keys overlap. In each further level the tables are in order and no two have
// a key in common, so that one of them at most has a key.
const numLevels = 7

// table is one of a version. It is immutable, but for what opening adds before it is
// published, and for the last field.
type table struct {
	number uint64
	size   int64
	sum    uint64 // of the properties: tells it from another with its number

	// Not before it is open.
	props    sst.Properties
	smallest []byte // keys; of props
	largest  []byte
	reader   *sst.Table
	file     vfs.File

	versions int // that have it, of those that may be read; guarded by DB.mu
}

func (t *table) close() error { return t.file.Close() }

// version is the set of tables at one time. It is immutable; what its tables hold can
// be read as long as it is pinned.
type version struct {
	levels [numLevels][]*table
	pins   pins
}

// edit is what one step changes: tables that come and go, and how far the log is in
// tables. It is also a record of the manifest.
//
//	1 byte   1 if it is a whole version, which follows nothing; 0 if it is a change
//	uvarint  the next number of a table
//	uvarint  the last sequence number that is in tables
//	uvarint  the first record of the log that is not in tables
//	uvarint  number of tables that go; of each: level, number
//	uvarint  number of tables that come; of each: level, number, size, and the sum
//	         that tells it from others
//
// Which keys a table has, it says itself: so records are short, whatever the keys.
// Table 3 leaves level 0, and table 5 comes to level 1:
//
//	offset  bytes     meaning
//	     0  00        a change
//	     1  06        the next table will be 6
//	     2  64        changes up to 100 are in tables
//	     3  09        those from record 9 of the log on are not
//	     4  01 00 03  one goes: of level 0, number 3
//	     7  01 01 05  one comes: to level 1, number 5,
//	    10  a0 1f     of 4000 bytes,
//	    12  07        with the sum 7
type edit struct {
	whole     bool
	nextTable uint64
	lastSeq   uint64
	logIndex  uint64
	gone      []placed
	come      []placed
}

// placed is a table and its level.
type placed struct {
	level int
	table *table
}

func (e *edit) encode() []byte {
	b := []byte{0}
	if e.whole {
		b[0] = 1
	}
	for _, n := range []uint64{e.nextTable, e.lastSeq, e.logIndex, uint64(len(e.gone))} {
		b = binary.AppendUvarint(b, n)
	}
	for _, p := range e.gone {
		b = binary.AppendUvarint(b, uint64(p.level))
		b = binary.AppendUvarint(b, p.table.number)
	}
	b = binary.AppendUvarint(b, uint64(len(e.come)))
	for _, p := range e.come {
		b = binary.AppendUvarint(b, uint64(p.level))
		b = binary.AppendUvarint(b, p.table.number)
		b = binary.AppendUvarint(b, uint64(p.table.size))
		b = binary.AppendUvarint(b, p.table.sum)
	}
	return b
}

var errBadEdit = errors.New("a record of the manifest that is no edit")

// decoder reads numbers until one is not there.
type decoder struct {
	rest []byte
	bad  bool
}

func (d *decoder) number() uint64 {
	n, size := binary.Uvarint(d.rest)
	if size <= 0 {
		d.bad, d.rest = true, nil
		return 0
	}
	d.rest = d.rest[size:]
	return n
}

func (d *decoder) level() int {
	n := d.number()
	if n >= numLevels {
		d.bad, n = true, 0
	}
	return int(n)
}

// length is a number of things of which each takes a byte at least.
func (d *decoder) length() int {
	n := d.number()
	if n > uint64(len(d.rest)) {
		d.bad, n = true, 0
	}
	return int(n)
}

func decodeEdit(b []byte) (*edit, error) {
	if len(b) == 0 || b[0] > 1 {
		return nil, errBadEdit
	}
	d := decoder{rest: b[1:]}
	e := &edit{whole: b[0] == 1}
	e.nextTable, e.lastSeq, e.logIndex = d.number(), d.number(), d.number()
	for range d.length() {
		e.gone = append(e.gone, placed{d.level(), &table{number: d.number()}})
	}
	for range d.length() {
		e.come = append(e.come, placed{d.level(), &table{number: d.number(), size: int64(d.number() & (1<<62 - 1)), sum: d.number()}})
	}
	if d.bad || len(d.rest) > 0 || e.lastSeq > sst.MaxSeq {
		return nil, errBadEdit
	}
	return e, nil
}

var errBadVersion = errors.New("an edit that does not fit the version")

// apply returns the version that follows this one, with the tables of each level in
// no order.
func (v *version) apply(e *edit) (*version, error) {
	next := &version{}
	if !e.whole {
		for level := range v.levels {
			next.levels[level] = slices.Clone(v.levels[level])
		}
	}
	for _, p := range e.gone {
		tables := next.levels[p.level]
		i := slices.IndexFunc(tables, func(t *table) bool { return t.number == p.table.number })
		if i < 0 {
			return nil, fmt.Errorf("%w: no table %d in level %d", errBadVersion, p.table.number, p.level)
		}
		next.levels[p.level] = slices.Delete(tables, i, i+1)
	}
	for _, p := range e.come {
		next.levels[p.level] = append(next.levels[p.level], p.table)
	}
	return next, nil
}

// settle puts the tables of each level in order, and reports what must not be.
func (v *version) settle() error {
	for level := range v.levels {
		sortLevel(level, v.levels[level])
	}
	return v.consistent()
}

// sortLevel puts the newest first in level 0, and the smallest keys in others. What
// is flushed later has later sequence numbers, all of them.
func sortLevel(level int, tables []*table) {
	slices.SortFunc(tables, func(a, b *table) int {
		if level == 0 {
			return cmp.Compare(b.props.MaxSeq, a.props.MaxSeq)
		}
		return bytes.Compare(a.smallest, b.smallest)
	})
}

// consistent reports what must not be in a version.
func (v *version) consistent() error {
	for level, tables := range v.levels {
		for i := 1; i < len(tables); i++ {
			a, b := tables[i-1], tables[i]
			if level == 0 && a.props.MinSeq <= b.props.MaxSeq || level > 0 && bytes.Compare(a.largest, b.smallest) >= 0 {
				return fmt.Errorf("%w: tables %d and %d of level %d overlap", errBadVersion, a.number, b.number, level)
			}
		}
	}
	return nil
}

// whole returns the edit that makes the version from nothing.
func (v *version) whole() *edit {
	e := &edit{whole: true}
	for level, tables := range v.levels {
		for _, t := range tables {
			e.come = append(e.come, placed{level, t})
		}
	}
	return e
}

// find returns the one table of a sorted level that may have a key, or none.
func find(tables []*table, key []byte) []*table {
	i := sort.Search(len(tables), func(i int) bool { return bytes.Compare(tables[i].largest, key) >= 0 })
	if i < len(tables) && bytes.Compare(tables[i].smallest, key) <= 0 {
		return tables[i : i+1]
	}
	return nil
}

// overlapping returns the tables that have keys from smallest to largest, both
// included; nil stands for the end.
func overlapping(tables []*table, smallest, largest []byte) []*table {
	var found []*table
	for _, t := range tables {
		if (largest == nil || bytes.Compare(t.smallest, largest) <= 0) && (smallest == nil || bytes.Compare(t.largest, smallest) >= 0) {
			found = append(found, t)
		}
	}
	return found
}

// size returns the bytes of all tables.
func size(tables []*table) (total int64) {
	for _, t := range tables {
		total += t.size
	}
	return total
}
