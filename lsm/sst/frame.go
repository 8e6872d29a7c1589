package sst

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"

	"github.com/klauspost/compress/s2"
)

// Whatever a table consists of, but for its footer, lies in the file as a frame:
// the bytes, perhaps compressed, and a trailer of five more.
//
//	…        the bytes
//	1 byte   compression: 0 none, 1 S2
//	4 bytes  CRC-32C of all before it, started with the seed of the place
//
// The seed is made from the table's number and the offset in the file, so that a
// frame counts only where it was written: a block that a disk has put elsewhere,
// and a table under another's name, do not pass for right.

const frameTrailer = 5

// maxBlock is the most that a frame may decompress to. One entry can be larger
// than a block should be, but not without bounds.
const maxBlock = 1 << 30

// Compression says how blocks are compressed.
type Compression uint8

const (
	None Compression = 0
	S2   Compression = 1 // github.com/klauspost/compress/s2, an extension of Snappy
)

func (c Compression) String() string {
	switch c {
	case None:
		return "none"
	case S2:
		return "s2"
	}
	return fmt.Sprintf("compression %d", uint8(c))
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// checksum of a frame without its last four bytes.
func checksum(b []byte, number uint64, offset int64) uint32 {
	var place [16]byte
	binary.LittleEndian.PutUint64(place[:], number)
	binary.LittleEndian.PutUint64(place[8:], uint64(offset))
	return crc32.Update(crc32.Checksum(place[:], castagnoli), castagnoli, b)
}

// appendFrame appends raw as a frame that will lie at the offset. It compresses
// only what that makes smaller by an eighth at least: a reader pays for the rest.
func appendFrame(dst, raw []byte, c Compression, number uint64, offset int64) []byte {
	start := len(dst)
	kept := None
	if c == S2 {
		dst = append(dst, make([]byte, s2.MaxEncodedLen(len(raw)))...)
		if small := s2.Encode(dst[start:], raw); len(small) < len(raw)-len(raw)/8 {
			dst, kept = dst[:start+len(small)], S2
		} else {
			dst = dst[:start]
		}
	}
	if kept == None {
		dst = append(dst, raw...)
	}
	dst = append(dst, byte(kept))
	return binary.LittleEndian.AppendUint32(dst, checksum(dst[start:], number, offset))
}

// addSum adds the checksum that a frame ends with to a sum of those before it.
func addSum(sum uint32, frame []byte) uint32 {
	return crc32.Update(sum, castagnoli, frame[len(frame)-4:])
}

// What is wrong with a frame.
var (
	errShortFrame  = errors.New("shorter than any")
	errChecksum    = errors.New("checksum mismatch")
	errCompression = errors.New("unknown compression")
	errTooLarge    = errors.New("decompresses to more than 1 GiB")
)

// openFrame returns what is in a frame that was read at the offset: a part of frame if
// it is not compressed, and otherwise in dst if that has room.
func openFrame(frame, dst []byte, number uint64, offset int64) (raw []byte, compressed bool, err error) {
	n := len(frame) - frameTrailer
	if n < 0 {
		return nil, false, errShortFrame
	}
	if checksum(frame[:n+1], number, offset) != binary.LittleEndian.Uint32(frame[n+1:]) {
		return nil, false, errChecksum
	}
	switch Compression(frame[n]) {
	case None:
		return frame[:n:n], false, nil
	case S2:
		raw, err = decompress(dst, frame[:n])
		return raw, true, err
	}
	return nil, false, errCompression
}

func decompress(dst, b []byte) ([]byte, error) {
	size, err := s2.DecodedLen(b)
	if err != nil {
		return nil, err
	}
	if size > maxBlock {
		return nil, errTooLarge
	}
	return s2.Decode(dst[:cap(dst)], b)
}
