package btree

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/cespare/xxhash/v2"
)

// The first two pages are where reading begins. They are written in turns, so that a
// power cut while one is written leaves the other; the valid one with the higher
// generation counts. When the store is closed, both say the same. Whatever the size of
// the pages, 4,096 bytes count. Numbers are little-endian.
//
//	 0  8 bytes  xxhash64 of all that follows
//	 8  8 bytes  "plinthbt"
//	16  4 bytes  version of the format: 1
//	20  4 bytes  size of a page
//	24  8 bytes  generation
//	32  8 bytes  the last transaction of the tree
//	40  4 bytes  the root of the tree; 0 if there are no entries
//	44  4 bytes  pages of the file
//	48  8 bytes  entries
//	56  8 bytes  the first record of the log that is not in the tree
//	64  4 bytes  1 if there is a log, 0 otherwise
//	68  4 bytes  pages of the map, and
//	72           4 bytes for each: its number
//	             zeros
//
// An empty store with pages of 4 KiB, the first of the two:
//
//	offset  bytes                                             meaning
//	     8  70 6c 69 6e 74 68 62 74                           "plinthbt"
//	    16  01 00 00 00  00 10 00 00                          version 1, 4,096 bytes a page
//	    24  00 00 00 00 00 00 00 00  01 00 00 00 00 00 00 00  generation 0, transaction 1
//	    40  00 00 00 00  02 00 00 00                          no root, 2 pages
//	    48  00 00 00 00 00 00 00 00  01 00 00 00 00 00 00 00  no entries, the log from record 1 on
//	    64  00 00 00 00  00 00 00 00                          no log, no map
//
// The map says which pages the tree uses, and itself: a bit for each, the lowest first.
// After the usual header of a page, it has 32,448 bits in 4 KiB, for 127 MiB of file.

const (
	metaSize    = 4096
	metaHeader  = 72
	metaMagic   = "plinthbt"
	metaVersion = 1
	maxMapPages = (metaSize - metaHeader) / 4
	firstPage   = 2 // behind the two
)

type meta struct {
	pageSize   int
	generation uint64
	tx         uint64
	root       pageID
	pages      pageID
	entries    uint64
	logIndex   uint64
	logs       bool
	mapPages   []pageID
}

func (m meta) encode() []byte {
	b := make([]byte, metaHeader, metaSize)
	copy(b[8:], metaMagic)
	binary.LittleEndian.PutUint32(b[16:], metaVersion)
	binary.LittleEndian.PutUint32(b[20:], uint32(m.pageSize))
	binary.LittleEndian.PutUint64(b[24:], m.generation)
	binary.LittleEndian.PutUint64(b[32:], m.tx)
	binary.LittleEndian.PutUint32(b[40:], uint32(m.root))
	binary.LittleEndian.PutUint32(b[44:], uint32(m.pages))
	binary.LittleEndian.PutUint64(b[48:], m.entries)
	binary.LittleEndian.PutUint64(b[56:], m.logIndex)
	if m.logs {
		b[64] = 1
	}
	binary.LittleEndian.PutUint32(b[68:], uint32(len(m.mapPages)))
	for _, id := range m.mapPages {
		b = binary.LittleEndian.AppendUint32(b, uint32(id))
	}
	b = b[:metaSize]
	binary.LittleEndian.PutUint64(b, xxhash.Sum64(b[8:]))
	return b
}

// What is wrong with a meta page.
var (
	errNoMeta  = errors.New("it does not begin like one")
	errNewer   = errors.New("a later version of the format")
	errBadMeta = errors.New("neither of the first two pages is valid")
)

func decodeMeta(b []byte) (m meta, err error) {
	if len(b) < metaSize || string(b[8:16]) != metaMagic {
		return m, errNoMeta
	}
	b = b[:metaSize]
	if xxhash.Sum64(b[8:]) != binary.LittleEndian.Uint64(b) {
		return m, errChecksum
	}
	if v := binary.LittleEndian.Uint32(b[16:]); v != metaVersion {
		return m, fmt.Errorf("%w: %d", errNewer, v)
	}
	m = meta{
		pageSize:   int(binary.LittleEndian.Uint32(b[20:])),
		generation: binary.LittleEndian.Uint64(b[24:]),
		tx:         binary.LittleEndian.Uint64(b[32:]),
		root:       pageID(binary.LittleEndian.Uint32(b[40:])),
		pages:      pageID(binary.LittleEndian.Uint32(b[44:])),
		entries:    binary.LittleEndian.Uint64(b[48:]),
		logIndex:   binary.LittleEndian.Uint64(b[56:]),
		logs:       b[64] == 1,
	}
	n := binary.LittleEndian.Uint32(b[68:])
	if !validPageSize(m.pageSize) || n > maxMapPages || m.tx == 0 || m.pages < firstPage || m.pages > maxPages(m.pageSize) {
		return m, errMalformed
	}
	for i := range int(n) {
		m.mapPages = append(m.mapPages, pageID(binary.LittleEndian.Uint32(b[metaHeader+4*i:])))
	}
	return m, nil
}

// sameTree reports whether two meta pages say the same.
func (m meta) sameTree(o meta) bool {
	o.generation = m.generation
	return bytes.Equal(m.encode(), o.encode())
}

// bitsPerMapPage is how many pages one page of the map tells of.
func bitsPerMapPage(pageSize int) int { return (pageSize - pageHeader) * 8 }

// maxPages is how many pages a file may have.
func maxPages(pageSize int) pageID {
	return pageID(min(uint64(maxMapPages)*uint64(bitsPerMapPage(pageSize)), 1<<32-1))
}
