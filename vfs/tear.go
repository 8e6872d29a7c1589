package vfs

import (
	"encoding/binary"
	"fmt"
	"hash/maphash"
	"math/rand/v2"
	"path/filepath"
	"slices"
)

// sectorSize is what a disk writes in one piece: a write that lies within one
// sector of its file is never torn, and never harms its neighbours.
const sectorSize = 512

// fill is what a torn write leaves where it did not get to.
type fill struct {
	event Event
	over  func(p []byte, off int64) // nil: the old bytes stay
}

func fills(seed uint64) []fill {
	return []fill{
		{TornOld, nil},
		{TornZeros, func(p []byte, _ int64) { clear(p) }},
		{TornGarbage, func(p []byte, off int64) {
			rng := rand.NewPCG(seed, uint64(off))
			for len(p) > 0 {
				var word [8]byte
				binary.LittleEndian.PutUint64(word[:], rng.Uint64())
				p = p[copy(p, word[:]):]
			}
		}},
	}
}

// torn makes each pending write a part of itself, while
//
//   - all the other operations are kept,
//   - the other data is lost and the names are kept,
//   - everything else is lost.
//
// A write that grows the file is also left as its size alone, with zeros. (A
// growing truncate is that by nature.)
func (c *cutter) torn() bool {
	keep := []func(i int) bool{
		func(int) bool { return true },
		func(i int) bool { return c.pending[i].changesName() },
		func(int) bool { return false },
	}
	for i, o := range c.pending {
		if o.kind != opWrite {
			continue
		}
		for _, keep := range keep {
			fates := c.fates(keep)
			fates[i] = op.growOnly
			if !c.try(SizeWithoutData, i, "", fates) || !c.tear(i, fates) {
				return false
			}
		}
	}
	return true
}

// tear cuts write i on each boundary that it crosses, and loses either what is
// after the cut or what is before it: a disk may write sectors in any order.
func (c *cutter) tear(i int, fates []fate) bool {
	for _, cut := range boundaries(c.pending[i]) {
		for _, f := range fills(uint64(c.point)) {
			for _, side := range []string{"after", "before"} {
				fates[i] = func(o op, d *disk) { o.applyTorn(d, cut, side == "after", f) }
				if !c.try(f.event, i, fmt.Sprintf(", lost %s %d", side, cut), fates) {
					return false
				}
			}
		}
	}
	return true
}

// boundaries returns the offsets inside a write at which it can be torn. Of a
// write of more than 16 sectors they are the first eight, the last eight and
// each eighth between.
func boundaries(o op) (cuts []int64) {
	end := o.off + int64(len(o.data))
	for at := (o.off/sectorSize + 1) * sectorSize; at < end; at += sectorSize {
		cuts = append(cuts, at)
	}
	n := len(cuts)
	if n <= 16 {
		return cuts
	}
	chosen := slices.Clone(cuts[:8])
	for i := 8; i < n-8; i += 8 {
		chosen = append(chosen, cuts[i])
	}
	return append(chosen, cuts[n-8:]...)
}

// applyTorn writes one side of the cut, and fills the other. With the old bytes
// after the cut the file ends there, if it was no longer before; with anything
// else, the whole write counts for its size.
func (o op) applyTorn(d *disk, cut int64, lostAfter bool, f fill) {
	n := d.inode(o.file)
	head, tail := o.data[:cut-o.off], o.data[cut-o.off:]
	kept, keptAt, lost, lostAt := tail, cut, head, o.off
	if lostAfter {
		kept, keptAt, lost, lostAt = head, o.off, tail, cut
	}
	n.writeAt(kept, keptAt)
	if f.over != nil {
		p := make([]byte, len(lost))
		f.over(p, lostAt)
		n.writeAt(p, lostAt)
	}
}

// growOnly makes the file as long as the write would, and writes nothing.
func (o op) growOnly(d *disk) { d.inode(o.file).grow(o.off + int64(len(o.data))) }

func (c *content) grow(size int64) {
	if size > c.size {
		c.truncate(size)
	}
}

// hash drops what has no name and returns a hash of the names and the bytes. It
// adds up hashes of the entries, so that the order of a map does not matter.
func (d *disk) hash(seed maphash.Seed) (sum uint64) {
	named := make(map[uint64]*inode, len(d.files))
	var h maphash.Hash
	for dir, names := range d.dirs {
		sum += maphash.String(seed, dir)
		for name, number := range names {
			named[number] = d.files[number]
			h.SetSeed(seed)
			h.WriteString(filepath.Join(dir, name))
			d.files[number].hash(&h, seed)
			sum += h.Sum64()
		}
	}
	d.files = named
	return sum
}
