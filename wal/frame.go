package wal

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
)

// A frame is one entry of a segment: a record, or a note that the log writes
// to itself. All numbers are little-endian, frames start at multiples of 8.
//
//	offset  size
//	     0     4  crc     CRC-32C of bytes 4 to 24+length, started with seed ^ offset/8
//	     4     4  prev    crc of the frame before; the seed for the first of a segment
//	     8     4  length  of the data, in bytes
//	    12     4  synced  segment offset / 8 below which all was on disk when this was written
//	    16     8  index<<8 | kind
//	    24     …  data, then zero bytes up to a multiple of 8
//
// The seed belongs to one life of one segment (segment.go), and the place is
// part of the checksum. So a frame counts only where it was written, in the
// segment it was written for, after the frame it was written after: bytes of a
// recycled file's earlier life, of an older torn batch, or of a log stored as
// a record inside another never pass for frames.
//
// The record "hi" with index 7 at offset 4096 of the segment with seed
// 0x11223344, as its first frame, while all before 4096 was on disk:
//
//	offset  bytes                    meaning
//	     0  cc e2 d8 5f              crc    0x5fd8e2cc
//	     4  44 33 22 11              prev   the seed
//	     8  02 00 00 00              length 2
//	    12  00 02 00 00              synced 0x200 = 4096/8
//	    16  01 07 00 00 00 00 00 00  kind 1, index 7
//	    24  68 69 00 00 00 00 00 00  "hi" and padding

const frameHeader = 24

// kind says what a frame is. Zero is none, so that zero-filled space is no frame.
type kind uint8

const (
	kindRecord kind = 1 // a record, the last of its batch
	kindMore   kind = 2 // a record whose batch goes on with the next frame
	kindMark   kind = 3 // the log's bounds from here on (16 bytes: first, next)
	kindSeal   kind = 4 // a mark that ends the segment: the next one exists
)

// frame is a decoded frame; data points into the buffer it was decoded from.
// It is a plain value: safe for concurrent use.
type frame struct {
	crc, prev uint32
	synced    int64 // bytes
	index     uint64
	kind      kind
	data      []byte
	size      int64 // with header and padding
}

// castagnoli is the polynomial that processors compute in hardware.
var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// frameSize returns what n bytes of data take in a segment.
func frameSize[N int | uint32](n N) int64 { return (frameHeader + int64(n) + 7) &^ 7 }

// appendFrame adds a frame without crc, prev and synced, which only the writer
// of the group knows: see sealFrames.
func appendFrame(dst []byte, k kind, index uint64, data []byte) []byte {
	var h [frameHeader]byte
	binary.LittleEndian.PutUint32(h[8:], uint32(len(data)))
	binary.LittleEndian.PutUint64(h[16:], index<<8|uint64(k))
	dst = append(dst, h[:]...)
	dst = append(dst, data...)
	var pad [8]byte
	return append(dst, pad[:-len(data)&7]...)
}

// sealFrames completes the frames in b, which are about to be written at off,
// and returns the crc of the last one. It runs when the group is written, not
// when a record joins it, because only then synced covers the group before:
// that is what proves, later, that the group before was acknowledged.
func sealFrames(b []byte, seed uint32, off int64, prev uint32, synced int64) uint32 {
	for len(b) > 0 {
		n := int(binary.LittleEndian.Uint32(b[8:]))
		binary.LittleEndian.PutUint32(b[4:], prev)
		binary.LittleEndian.PutUint32(b[12:], uint32(synced/8))
		prev = frameChecksum(b[:frameHeader+n], seed, off)
		binary.LittleEndian.PutUint32(b, prev)
		size := frameSize(n)
		b, off = b[size:], off+size
	}
	return prev
}

// frameChecksum is the crc of a frame at off; b holds its header and data.
//
// With equal bytes and another seed or place the start value differs, and so,
// always, does the result: a CRC maps its start values one to one.
func frameChecksum(b []byte, seed uint32, off int64) uint32 {
	return crc32.Update(seed^uint32(off/8), castagnoli, b[4:])
}

// What is wrong with a frame, in the words of the error that a user sees.
var (
	errNoFrame   = errors.New("no frame")
	errCutShort  = errors.New("frame cut short")
	errBadLength = errors.New("frame length out of range")
	errBadKind   = errors.New("unknown kind of frame")
	errBadSum    = errors.New("checksum mismatch")
	errBadChain  = errors.New("frame does not follow the one before")
)

// peekSize returns the size that the header in b claims for its frame, which
// is at most limit. It allocates nothing and trusts nothing.
func peekSize(b []byte, limit int64) (int64, error) {
	if len(b) < frameHeader {
		if bytes.Count(b, []byte{0}) == len(b) {
			return 0, errNoFrame
		}
		return 0, errCutShort
	}
	word := binary.LittleEndian.Uint64(b[16:])
	n := binary.LittleEndian.Uint32(b[8:])
	switch k := kind(word); {
	case word == 0 && n == 0 && binary.LittleEndian.Uint64(b) == 0:
		return 0, errNoFrame
	case k < kindRecord || k > kindSeal:
		return 0, errBadKind
	case k >= kindMark && n != markSize:
		return 0, errBadLength
	case frameSize(n) > limit:
		return 0, errBadLength
	}
	return frameSize(n), nil
}

// headerIndex returns the index that the header in b claims.
func headerIndex(b []byte) uint64 { return binary.LittleEndian.Uint64(b[16:]) >> 8 }

// decodeFrame reads the frame at the start of b, which lies at off in the
// segment with the seed. It checks everything but the chain.
func decodeFrame(b []byte, seed uint32, off int64) (frame, error) {
	size, err := peekSize(b, int64(len(b)))
	if err != nil {
		return frame{}, err
	}
	n := binary.LittleEndian.Uint32(b[8:])
	end := frameHeader + int(n)
	f := frame{
		crc:    binary.LittleEndian.Uint32(b),
		prev:   binary.LittleEndian.Uint32(b[4:]),
		synced: int64(binary.LittleEndian.Uint32(b[12:])) * 8,
		index:  headerIndex(b),
		kind:   kind(b[16]),
		data:   b[frameHeader:end:end],
		size:   size,
	}
	if f.crc != frameChecksum(b[:end], seed, off) {
		return frame{}, errBadSum
	}
	return f, nil
}

// bounds are the records that a log holds: indexes first to next-1.
type bounds struct{ first, next uint64 }

const markSize = 16

// appendMark adds a mark or seal: the log's bounds, as of this frame. Bounds
// are also in every segment's header, so that removing old segments and
// cutting the tail never lose the latest ones.
func appendMark(dst []byte, k kind, b bounds) []byte {
	var data [markSize]byte
	binary.LittleEndian.PutUint64(data[:], b.first)
	binary.LittleEndian.PutUint64(data[8:], b.next)
	return appendFrame(dst, k, b.next, data[:])
}

// mark reads the bounds of a mark or seal.
func (f frame) mark() bounds {
	return bounds{binary.LittleEndian.Uint64(f.data), binary.LittleEndian.Uint64(f.data[8:])}
}
