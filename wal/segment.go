package wal

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/plinth-go/plinth/vfs"
)

// A log is a directory of segments, files named after their number:
//
//	0000000000000003.wal   a segment; the one with the highest number is written
//	0000000000000002.free  a retired segment, kept to be written over
//	0000000000000004.tmp   a segment in the making, worthless after a crash
//	LOCK
//
// A segment is a header of 4,096 bytes, which shares no sector with a record,
// and then frames:
//
//	offset  size
//	     0     8  magic "PLINTHWL"
//	     8     4  version, 1
//	    12     4  CRC-32C of bytes 16 to 48, started with that of bytes 0 to 12
//	    16     8  log: a random number, the same in every segment of a log
//	    24     8  number of the segment, never used twice in a log
//	    32     8  first: the log's bounds when the segment was made
//	    40     8  next: the index of the first record in it
//	    48     …  zero bytes
//
// Segment 3 of the log 0x0102030405060708, made when it held records 5 to 8:
//
//	50 4c 49 4e 54 48 57 4c  01 00 00 00  cc 50 4a 48  08 07 06 05 04 03 02 01
//	03 00 00 00 00 00 00 00  05 00 00 00 00 00 00 00   09 00 00 00 00 00 00 00
//
// The seed of the frames is the CRC-32C of bytes 16 to 32. Numbers of two
// lives of a file differ, and two CRCs of data that differs in 32 adjacent
// bits at most differ for certain: an old frame never passes for a new one.
//
// A segment is made under another name and renamed when its header is on disk,
// so a .wal file without a valid header is always corruption.
const (
	segmentHeader  = 4096
	segmentMagic   = "PLINTHWL"
	segmentVersion = 1
	headerUsed     = 48

	suffixLive = ".wal"
	suffixFree = ".free"
	suffixTemp = ".tmp"
	lockName   = "LOCK"
)

// Categories under which a vfs.Counter finds the bytes of a log.
const (
	Category     vfs.Category = "wal"      // headers, records and their framing
	CategoryFill vfs.Category = "wal-fill" // zero bytes written ahead of records
)

// segment is one file of the log.
type segment struct {
	// immutable
	id       uint64
	seed     uint32
	start    bounds // the log's bounds when the segment was made
	name     string // path of the file
	file     vfs.File
	recycled bool // the file had an earlier life: what lies behind the end is not zero

	// guarded by Log.mu
	end     int64 // handed to the operating system up to here
	readers int   // reading now: the file must stay as it is
}

func segmentName(id uint64, suffix string) string { return fmt.Sprintf("%016x%s", id, suffix) }

// parseName splits a file name into number and suffix; ok is false for a file
// that no log has made.
func parseName(name string) (id uint64, suffix string, ok bool) {
	suffix = filepath.Ext(name)
	digits := strings.TrimSuffix(name, suffix)
	if suffix != suffixLive && suffix != suffixFree && suffix != suffixTemp || len(digits) != 16 {
		return 0, "", false
	}
	id, err := strconv.ParseUint(digits, 16, 64)
	return id, suffix, err == nil && name == segmentName(id, suffix)
}

// encodeHeader returns a segment's first 4,096 bytes.
func encodeHeader(log, id uint64, start bounds) []byte {
	b := make([]byte, segmentHeader)
	copy(b, segmentMagic)
	binary.LittleEndian.PutUint32(b[8:], segmentVersion)
	binary.LittleEndian.PutUint64(b[16:], log)
	binary.LittleEndian.PutUint64(b[24:], id)
	binary.LittleEndian.PutUint64(b[32:], start.first)
	binary.LittleEndian.PutUint64(b[40:], start.next)
	binary.LittleEndian.PutUint32(b[12:], headerChecksum(b))
	return b
}

func headerChecksum(b []byte) uint32 {
	return crc32.Update(crc32.Checksum(b[:12], castagnoli), castagnoli, b[16:headerUsed])
}

// frameSeed is the seed of a segment's frames: see above.
func frameSeed(log, id uint64) uint32 {
	var b [16]byte
	binary.LittleEndian.PutUint64(b[:], log)
	binary.LittleEndian.PutUint64(b[8:], id)
	return crc32.Checksum(b[:], castagnoli)
}

// decodeHeader reads a header. The checksum speaks first: a damaged version
// number is corruption, an intact one that we do not know is another format.
func decodeHeader(b []byte) (log, id uint64, start bounds, err error) {
	switch {
	case len(b) < headerUsed:
		return 0, 0, bounds{}, fmt.Errorf("%w: header cut short", ErrCorrupt)
	case string(b[:8]) != segmentMagic:
		return 0, 0, bounds{}, fmt.Errorf("%w: %w: it starts with %q", ErrCorrupt, ErrFormat, b[:8])
	case binary.LittleEndian.Uint32(b[12:]) != headerChecksum(b):
		return 0, 0, bounds{}, fmt.Errorf("%w: header checksum mismatch", ErrCorrupt)
	case binary.LittleEndian.Uint32(b[8:]) != segmentVersion:
		return 0, 0, bounds{}, fmt.Errorf("%w: version %d, this package reads version %d",
			ErrFormat, binary.LittleEndian.Uint32(b[8:]), segmentVersion)
	}
	log, id = binary.LittleEndian.Uint64(b[16:]), binary.LittleEndian.Uint64(b[24:])
	start = bounds{binary.LittleEndian.Uint64(b[32:]), binary.LittleEndian.Uint64(b[40:])}
	if start.first == 0 || start.first > start.next {
		return 0, 0, bounds{}, fmt.Errorf("%w: header says records %d to %d", ErrCorrupt, start.first, start.next)
	}
	return log, id, start, nil
}

// openSegment opens an existing segment and reads its header.
func openSegment(fs vfs.FS, dir string, id uint64, mode vfs.Mode) (s *segment, log uint64, err error) {
	name := filepath.Join(dir, segmentName(id, suffixLive))
	file, err := fs.Open(name, mode, Category)
	if err != nil {
		return nil, 0, fmt.Errorf("wal: open segment: %w", err)
	}
	defer func() {
		if err != nil {
			file.Close()
		}
	}()
	b := make([]byte, headerUsed)
	n, err := file.ReadAt(b, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, 0, fmt.Errorf("wal: read segment header: %w", err)
	}
	log, got, start, err := decodeHeader(b[:n])
	if err != nil {
		return nil, 0, fmt.Errorf("wal: %s: %w", name, err)
	}
	if got != id {
		return nil, 0, fmt.Errorf("wal: %s: %w: header says segment %d", name, ErrCorrupt, got)
	}
	return &segment{id: id, seed: frameSeed(log, id), start: start, name: name, file: file, end: segmentHeader}, log, nil
}

// createSegment makes segment id durably: header on disk, name on disk. It
// writes over a retired file if there is one: such a file is as long as a
// segment already, so syncing it needs no change of metadata.
//
// The retired file's new name must be durable before it is written over. If
// a power cut could bring back its old name, an old segment would come back
// with a new one's header. retire syncs the directory for that reason.
func createSegment(fs vfs.FS, dir string, log, id uint64, start bounds, free string) (*segment, error) {
	scratch, mode := filepath.Join(dir, segmentName(id, suffixTemp)), vfs.Create
	if free != "" {
		scratch, mode = filepath.Join(dir, free), vfs.ReadWrite
	}
	name := filepath.Join(dir, segmentName(id, suffixLive))
	err := writeHeader(fs, scratch, mode, encodeHeader(log, id, start))
	if err == nil {
		err = fs.Rename(scratch, name)
	}
	if err == nil {
		err = fs.SyncDir(dir)
	}
	if err != nil {
		return nil, fmt.Errorf("wal: make segment %s: %w", name, err)
	}
	file, err := fs.Open(name, vfs.ReadWrite, Category)
	if err != nil {
		return nil, fmt.Errorf("wal: make segment: %w", err)
	}
	return &segment{
		id: id, seed: frameSeed(log, id), start: start, name: name, file: file,
		end: segmentHeader, recycled: free != "",
	}, nil
}

// writeHeader puts a header on disk. In a retired file the bytes behind it are
// left alone, except for the first frame header: zero bytes there say that no
// frame follows.
func writeHeader(fs vfs.FS, name string, mode vfs.Mode, header []byte) error {
	file, err := fs.Open(name, mode, Category)
	if err != nil {
		return err
	}
	var end [frameHeader]byte
	_, err = file.WriteAt(append(header, end[:]...), 0)
	if err == nil {
		err = file.Sync()
	}
	return errors.Join(err, file.Close())
}
