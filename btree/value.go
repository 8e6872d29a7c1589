package btree

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// Values that are too large for a leaf lie in pages of their own, and the leaf has a
// reference. Each page has the usual header and is full but for the last one. They are
// taken in runs, so that a large value is read and written in few pieces.
//
//	reference: 8 bytes  length of the value
//	           8 bytes  the transaction that wrote it, as each of its pages says too
//	           run*     4 bytes  first page, 4 bytes  number of pages
//
// 5,000 bytes by transaction 7, in pages 12 and 13:
//
//	88 13 00 00 00 00 00 00  07 00 00 00 00 00 00 00  0c 00 00 00 02 00 00 00

// run is some pages in a row.
type run struct {
	start pageID
	count uint32
}

func (r run) end() pageID { return r.start + pageID(r.count) }

// maxRuns is how many a value may have, so that the reference fits beside any key.
const maxRuns = 8

// reference says where a large value is.
type reference struct {
	size uint64
	tx   uint64
	runs []run
}

var errBadReference = errors.New("a bad reference to a value")

// end returns the page behind the last one.
func (r reference) end() (end pageID) {
	for _, one := range r.runs {
		end = max(end, one.end())
	}
	return end
}

func (r reference) encode() []byte {
	b := binary.LittleEndian.AppendUint64(nil, r.size)
	b = binary.LittleEndian.AppendUint64(b, r.tx)
	for _, one := range r.runs {
		b = binary.LittleEndian.AppendUint32(b, uint32(one.start))
		b = binary.LittleEndian.AppendUint32(b, one.count)
	}
	return b
}

func (d *DB) decodeReference(b []byte) (r reference, err error) {
	if len(b) < 16 || len(b)%8 != 0 || len(b) > 16+8*maxRuns {
		return r, errBadReference
	}
	r.size, r.tx = binary.LittleEndian.Uint64(b), binary.LittleEndian.Uint64(b[8:])
	pages := uint64(0)
	for b = b[16:]; len(b) > 0; b = b[8:] {
		one := run{pageID(binary.LittleEndian.Uint32(b)), binary.LittleEndian.Uint32(b[4:])}
		if one.count == 0 || one.start < firstPage || one.end() < one.start {
			return r, errBadReference
		}
		r.runs = append(r.runs, one)
		pages += uint64(one.count)
	}
	if r.size == 0 || r.size > MaxValueSize || pages != d.valuePages(r.size) {
		return r, errBadReference
	}
	return r, nil
}

// valuePages is how many pages a value takes.
func (d *DB) valuePages(size uint64) uint64 {
	each := uint64(d.options.PageSize - pageHeader)
	return (size + each - 1) / each
}

// inline reports whether an entry fits into a leaf: four must, and their slots.
func (d *DB) inline(keyLen, valueLen int) bool {
	return 2+keyLen+valueLen <= (d.options.PageSize-pageHeader)/4-slotSize
}

// value returns what a leaf has at a place. What is elsewhere is read into new memory;
// the rest lies in the page.
func (d *DB) value(p *page, i int) ([]byte, error) {
	b := p.stored(i)
	if !p.isElsewhere(i) {
		return b, nil
	}
	r, err := d.decodeReference(b)
	if err != nil {
		return nil, d.corrupt(p.id, err)
	}
	return d.readValue(r)
}

// readAtOnce is how many bytes of pages are read or written in one piece.
const readAtOnce = 1 << 20

func (d *DB) readValue(r reference) ([]byte, error) {
	size := d.options.PageSize
	var buffer []byte
	var value []byte // grows with what is really there, not with what a page promises
	for _, one := range r.runs {
		for id := one.start; id < one.end(); {
			if p := d.pages.get(id); p != nil {
				value = append(value, p.data[pageHeader:]...)
				id++
				continue
			}
			n := min(int(one.end()-id), readAtOnce/size)
			if cap(buffer) < n*size {
				buffer = make([]byte, n*size)
			}
			buffer = buffer[:n*size]
			if err := d.readRun(id, r.tx, buffer); err != nil {
				return nil, err
			}
			for at := 0; at < len(buffer); at += size {
				value = append(value, buffer[at+pageHeader:at+size]...)
			}
			id += pageID(n)
		}
	}
	return value[:r.size:r.size], nil
}

// readRun reads pages of a value and checks each.
func (d *DB) readRun(id pageID, tx uint64, data []byte) error {
	size := d.options.PageSize
	if err := d.readAt(id, data); err != nil {
		return err
	}
	for ; len(data) > 0; id, data = id+1, data[size:] {
		err := checkSealed(data[:size], id)
		if p := (page{data: data[:size]}); err == nil && (p.kind() != valuePage || pageTx(p.data) != tx) {
			err = fmt.Errorf("%w: not of this value", errMisplaced)
		}
		if err != nil {
			return d.corrupt(id, err)
		}
	}
	return nil
}

// putElsewhere writes a value into pages of its own, in so many runs at most.
func (t *Tx) putElsewhere(value []byte, most int) (reference, error) {
	d := t.db
	runs, err := d.space.allocRuns(int(d.valuePages(uint64(len(value)))), most)
	if err != nil {
		return reference{}, err
	}
	r := reference{uint64(len(value)), t.id, runs}
	for _, one := range runs {
		for id := one.start; id < one.end(); id++ {
			p := t.place(id)
			p.format(valuePage, 0)
			n := copy(p.data[pageHeader:], value)
			clear(p.data[pageHeader+n:])
			value = value[n:]
		}
	}
	return r, nil
}

// freeElsewhere frees the pages of a value.
func (t *Tx) freeElsewhere(p *page, i int) error {
	r, err := t.db.decodeReference(p.stored(i))
	if err == nil && (r.end() > t.db.space.high || r.tx > t.id || r.tx == t.id && t.db.pages.get(r.runs[0].start) == nil) {
		err = errBadReference
	}
	if err != nil {
		return t.db.corrupt(p.id, err)
	}
	t.freeRuns(r)
	return nil
}

func (t *Tx) freeRuns(r reference) {
	for _, one := range r.runs {
		for id := one.start; id < one.end(); id++ {
			t.free(id, r.tx)
		}
	}
}
