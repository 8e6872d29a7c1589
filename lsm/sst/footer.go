package sst

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
)

// A table ends with its properties, a frame, and its footer, 64 bytes that say
// where everything is. The frames lie side by side: the blocks, the filter if
// there is one, the index, the properties; so no byte of a table is in none.
//
//	offset  size
//	     0     8  offset of the filter, where the blocks end
//	     8     8  offset of the index
//	    16     8  offset of the properties
//	    24     8  offset of the footer: the size of the file less 64
//	    32     8  number of the table
//	    40     4  version of the format, 1
//	    44     8  zero
//	    52     4  CRC-32C of bytes 0 to 52
//	    56     8  "plinth.t"
//
// The properties are uvarints in the order of the struct, and each key is its
// length and its bytes.

const (
	footerSize    = 64
	formatVersion = 1
	magic         = "plinth.t"
)

// Properties are what a table knows about its entries. They are a plain value, a
// copy: safe for concurrent use as long as nobody changes it.
type Properties struct {
	Entries    uint64
	Deletes    uint64 // of the entries
	Keys       uint64 // different ones
	KeyBytes   uint64 // of all entries, without trailers
	ValueBytes uint64
	MinSeq     uint64
	MaxSeq     uint64
	Sum        uint64 // CRC-32C of the checksums of all frames before the properties: tells tables apart
	Smallest   []byte // keys; nil if there are no entries
	Largest    []byte
}

func (p *Properties) numbers() []*uint64 {
	return []*uint64{&p.Entries, &p.Deletes, &p.Keys, &p.KeyBytes, &p.ValueBytes, &p.MinSeq, &p.MaxSeq, &p.Sum}
}

// AppendProperties encodes them, for whoever keeps a list of tables.
func AppendProperties(dst []byte, p *Properties) []byte {
	for _, n := range p.numbers() {
		dst = binary.AppendUvarint(dst, *n)
	}
	for _, key := range [][]byte{p.Smallest, p.Largest} {
		dst = binary.AppendUvarint(dst, uint64(len(key)))
		dst = append(dst, key...)
	}
	return dst
}

var errBadProperties = errors.New("properties cut short or with a rest")

// ParseProperties decodes what AppendProperties has made. It keeps raw.
func ParseProperties(raw []byte) (p Properties, err error) {
	number := func() uint64 {
		n, size := binary.Uvarint(raw)
		if size <= 0 {
			raw, err = nil, errBadProperties
			return 0
		}
		raw = raw[size:]
		return n
	}
	key := func() []byte {
		n := number()
		if n > uint64(len(raw)) {
			raw, err = nil, errBadProperties
			return nil
		}
		k := raw[:n:n]
		raw = raw[n:]
		return k
	}
	for _, n := range p.numbers() {
		*n = number()
	}
	p.Smallest, p.Largest = key(), key()
	if len(raw) > 0 {
		err = errBadProperties
	}
	return p, err
}

// footer is decoded. It is a plain value.
type footer struct {
	filter, index, properties, footer int64 // offsets
	number                            uint64
}

func (f *footer) encode() []byte {
	b := make([]byte, 0, footerSize)
	for _, offset := range []int64{f.filter, f.index, f.properties, f.footer} {
		b = binary.LittleEndian.AppendUint64(b, uint64(offset))
	}
	b = binary.LittleEndian.AppendUint64(b, f.number)
	b = binary.LittleEndian.AppendUint32(b, formatVersion)
	b = binary.LittleEndian.AppendUint64(b, 0)
	b = binary.LittleEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
	return append(b, magic...)
}

var (
	errNoTable   = errors.New("not a table: it does not end as one does")
	errFooter    = errors.New("footer damaged")
	errForeign   = errors.New("the table has another number")
	errOtherSize = errors.New("the file has another size")
)

// parseFooter decodes the last bytes of a file of this size, and checks that what
// it says is possible.
func parseFooter(b []byte, size int64) (footer, error) {
	if len(b) != footerSize || string(b[56:]) != magic {
		return footer{}, errNoTable
	}
	if crc32.Checksum(b[:52], castagnoli) != binary.LittleEndian.Uint32(b[52:]) {
		return footer{}, errFooter
	}
	if binary.LittleEndian.Uint32(b[40:]) != formatVersion {
		return footer{}, ErrVersion
	}
	var at [4]int64
	before := uint64(0)
	for i := range at {
		offset := binary.LittleEndian.Uint64(b[8*i:])
		if offset < before || offset > maxFile {
			return footer{}, errFooter
		}
		at[i], before = int64(offset), offset
	}
	if at[3] != size-footerSize {
		return footer{}, errOtherSize
	}
	return footer{at[0], at[1], at[2], at[3], binary.LittleEndian.Uint64(b[32:])}, nil
}
