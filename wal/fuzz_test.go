package wal

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/plinth-go/plinth/vfs"
)

// Bytes that no log has written. Whatever they are: no panic, no hang, no
// memory for what a length merely claims, and never a record that was not
// written. What opens can be read to the end, and goes on.
//
// Seen to catch, planted in a copy: a frame's length not limited by the bytes
// there are; a checksum that is computed and not compared, or without the
// place; a frame that does not say what was on disk; a mark taken that moves
// the end to where no record is.

// FuzzFrame decodes arbitrary bytes, and bytes that are a frame until one bit
// of them flips.
func FuzzFrame(f *testing.F) {
	f.Add([]byte("hi"), uint32(0x11223344), int64(4096), uint16(30))
	f.Add(make([]byte, 600), uint32(0), int64(1<<34), uint16(0))
	f.Add([]byte("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\xff\xff\xff\xff\xff\xff\xff"), uint32(7), int64(8), uint16(99))
	f.Fuzz(func(t *testing.T, b []byte, seed uint32, off int64, flip uint16) {
		off &= maxSegmentSize - 8
		if got, err := decodeFrame(b, seed, off); err == nil {
			again := appendFrame(nil, got.kind, got.index, got.data)
			sealFrames(again, seed, off, got.prev, got.synced)
			n := frameHeader + len(got.data)
			require.Equal(t, again[:n], b[:n], "what decodes is what encodes")
			require.EqualValues(t, len(again), got.size)
		}
		if size, err := peekSize(b, int64(len(b))); err == nil {
			require.LessOrEqual(t, size, frameSize(len(b)), "a header claims more than there is")
		}

		index := uint64(seed) << 8 & maxIndex
		frames := appendFrame(nil, kindMore, index, b)
		size := len(frames)
		frames = appendFrame(frames, kindRecord, index+1, b)
		last := sealFrames(frames, seed, off, seed, off)
		first, err := decodeFrame(frames, seed, off)
		require.NoError(t, err)
		require.Equal(t, frame{first.crc, seed, off, index, kindMore, append([]byte{}, b...), int64(size)}, first)
		second, err := decodeFrame(frames[size:], seed, off+first.size)
		require.NoError(t, err)
		require.Equal(t, frame{last, first.crc, off, index + 1, kindRecord, append([]byte{}, b...), int64(size)}, second)

		_, err = decodeFrame(frames, seed, off+8)
		require.ErrorIs(t, err, errBadSum, "another place")
		at := int(flip) % (8 * (frameHeader + len(b)))
		frames[at/8] ^= 1 << (at % 8)
		_, err = decodeFrame(frames, seed, off)
		require.Error(t, err, "bit %d flipped", at)
	})
}

func FuzzHeader(f *testing.F) {
	f.Add(encodeHeader(1, 2, bounds{3, 4}), uint64(1), uint64(1))
	f.Add([]byte(segmentMagic), uint64(0), uint64(0))
	f.Fuzz(func(t *testing.T, b []byte, first, next uint64) {
		log, id, start, err := decodeHeader(b)
		if err == nil {
			require.Equal(t, encodeHeader(log, id, start)[:headerUsed], b[:headerUsed])
		} else {
			require.True(t, errors.Is(err, ErrCorrupt) || errors.Is(err, ErrFormat), "%v", err)
		}
		b = encodeHeader(next, first, bounds{first, next})
		log, id, start, err = decodeHeader(b)
		if first == 0 || first > next {
			require.ErrorIs(t, err, ErrCorrupt)
			return
		}
		require.NoError(t, err)
		require.Equal(t, []uint64{next, first, first, next}, []uint64{log, id, start.first, start.next})
	})
}

// allocLimit is a disk that refuses to be read in larger pieces than its
// files, plus what a reader may take at once.
type allocLimit struct{ vfs.FS }

type allocLimitFile struct {
	vfs.File
	limit int64
}

func (a allocLimit) Open(name string, mode vfs.Mode, c vfs.Category) (vfs.File, error) {
	file, err := a.FS.Open(name, mode, c)
	if err != nil {
		return nil, err
	}
	size, err := file.Size()
	return allocLimitFile{file, size + windowSize}, err
}

func (a allocLimitFile) ReadAt(p []byte, off int64) (int, error) {
	if int64(len(p)) > a.limit {
		return 0, fmt.Errorf("a read of %d bytes from a file of much less", len(p))
	}
	n, err := a.File.ReadAt(p, off)
	if n == len(p) && off%3 == 0 {
		return n, nil
	}
	if n < len(p) && err == nil {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

// examine opens whatever is on the disk. If it opens, each record must be one
// that known accepts, and the log must go on; the state is returned.
func examine(t *testing.T, disk vfs.FS, known func(index uint64, data []byte) bool) {
	t.Helper()
	o := Options{FS: allocLimit{disk}, SegmentSize: minSegmentSize}
	verified := Verify(modelDir, o)
	l, err := Open(modelDir, o)
	require.Equal(t, verified == nil, err == nil, "Verify says %v, Open says %v", verified, err)
	if err != nil {
		require.True(t, errors.Is(err, ErrCorrupt) || errors.Is(err, ErrFormat), "%v", err)
		return
	}
	first, last := l.FirstIndex(), l.LastIndex()
	next := first
	for r, err := range l.All(0) {
		require.NoError(t, err, "Open has checked every record")
		require.Equal(t, next, r.Index)
		require.True(t, known(r.Index, r.Data), "record %d was never written: %.40q", r.Index, r.Data)
		b, err := l.Read(r.Index)
		require.NoError(t, err)
		require.True(t, bytes.Equal(b, r.Data))
		next++
	}
	require.Equal(t, last+1, next)
	_, err = l.Read(last + 1)
	require.ErrorIs(t, err, ErrNotFound)

	index, err := l.Append([]byte("more"))
	if errors.Is(err, ErrTooLarge) { // the indexes are used up
		require.GreaterOrEqual(t, last+1, uint64(maxIndex))
		require.NoError(t, l.Close())
		return
	}
	require.NoError(t, err)
	require.Equal(t, last+1, index)
	require.NoError(t, l.Close())
	l, err = Open(modelDir, o)
	require.NoError(t, err)
	require.Equal(t, []uint64{first, index}, []uint64{l.FirstIndex(), l.LastIndex()})
	b, err := l.Read(index)
	require.NoError(t, err)
	require.Equal(t, "more", string(b))
	require.NoError(t, l.Close())
}

// FuzzOpen gives a log a segment of arbitrary bytes, with and without a header
// in front.
func FuzzOpen(f *testing.F) {
	valid := appendFrame(nil, kindRecord, 1, []byte("hi"))
	sealFrames(valid, frameSeed(1, 1), segmentHeader, frameSeed(1, 1), segmentHeader)
	f.Add(valid, true)
	f.Add(encodeHeader(1, 1, bounds{1, 1}), false)
	f.Add(bytes.Repeat([]byte{0xff}, 500), true)
	f.Fuzz(func(t *testing.T, b []byte, header bool) {
		if header {
			b = append(encodeHeader(1, 1, bounds{1, 1}), b...)
		}
		disk := vfs.NewMem()
		require.NoError(t, disk.MkdirAll(modelDir))
		writeSegment(t, disk, 1, b)
		examine(t, disk, func(uint64, []byte) bool { return true })
	})
}

func writeSegment(t testing.TB, disk vfs.FS, id uint64, b []byte) {
	file, err := disk.Open(filepath.Join(modelDir, segmentName(id, suffixLive)), vfs.Create, Category)
	require.NoError(t, err)
	_, err = file.WriteAt(b, 0)
	require.NoError(t, err)
	require.NoError(t, file.Close())
}

// FuzzRegion overwrites a region of a valid log, in any of its files. The log
// may refuse or end earlier; it must not make up records.
func FuzzRegion(f *testing.F) {
	disk, written := vfs.NewMem(), map[uint64][]string{}
	require.NoError(f, disk.MkdirAll(modelDir))
	writeSegment(f, disk, 1, encodeHeader(1, 1, bounds{1, 1})) // a log's number is random, an input must not be
	l, err := Open(modelDir, Options{FS: disk, SegmentSize: minSegmentSize})
	require.NoError(f, err)
	add := func(n int) {
		for range n {
			next := l.LastIndex() + 1
			data := payload(next+uint64(len(written[next])), int(next*37%400))
			written[next] = append(written[next], string(data))
			_, err := l.Append(data)
			require.NoError(f, err)
		}
	}
	add(30)
	require.NoError(f, l.TruncateBack(25))
	add(20)
	require.NoError(f, l.TruncateFront(28))
	add(15)
	open := disk.Clone()
	require.NoError(f, l.Close())
	known := func(index uint64, data []byte) bool { return slices.Contains(written[index], string(data)) }

	f.Add(uint8(0), uint16(segmentHeader), []byte{1}, true)
	f.Add(uint8(1), uint16(0), []byte("PLINTHWLxxxxxxxx"), false)
	f.Add(uint8(2), uint16(6000), make([]byte, 900), true)
	f.Fuzz(func(t *testing.T, file uint8, off uint16, region []byte, closed bool) {
		damaged := open.Clone()
		if closed {
			damaged = disk.Clone()
		}
		entries, err := damaged.List(modelDir)
		require.NoError(t, err)
		e := entries[int(file)%len(entries)]
		if e.Name == lockName {
			return
		}
		damage(t, damaged, e.Name, int64(off)%(e.Size+1), append(region, 0))
		examine(t, damaged, known)
	})
}

// FuzzMark writes frames whose checksums are all in order, but which say
// things that no log says: any kind, any index, any bounds, in any number of
// segments. Three bytes make a frame.
func FuzzMark(f *testing.F) {
	f.Add([]byte{1, 1, 5, 1, 2, 5, 3, 1, 100})
	f.Add([]byte{1, 1, 5, 3, 2, 2, 1, 2, 5, 3, 1, 1, 1, 1, 0})
	f.Add([]byte{2, 1, 9, 1, 2, 9, 4, 1, 3, 1, 3, 7, 3, 9, 9, 1, 9, 1})
	f.Add([]byte{1, 1, 5, 4, 0, 2, 3, 0, 200})
	f.Fuzz(func(t *testing.T, b []byte) {
		disk := vfs.NewMem()
		require.NoError(t, disk.MkdirAll(modelDir))
		id, start := uint64(1), bounds{1, 1}
		var group []byte
		flush := func() {
			seed := frameSeed(1, id)
			sealFrames(group, seed, segmentHeader, seed, segmentHeader)
			writeSegment(t, disk, id, append(encodeHeader(1, id, start), group...))
			group = nil
		}
		for ; len(b) >= 3 && id < 4; b = b[3:] {
			k, x, y := kind(b[0]%5), uint64(b[1]), uint64(b[2])
			if y == 255 {
				y = maxIndex
			}
			switch k {
			case kindRecord, kindMore:
				group = appendFrame(group, k, x, bytes.Repeat([]byte{b[2]}, int(b[2])))
			case kindMark, kindSeal:
				group = appendMark(group, k, bounds{x, y})
				if k == kindSeal {
					flush()
					id, start = id+1, bounds{x, y}
				}
			default:
				group = appendFrame(group, kind(x), y, nil)
			}
		}
		flush()
		examine(t, disk, func(_ uint64, data []byte) bool {
			return string(data) == "more" || len(data) == 0 || bytes.Count(data, data[:1]) == len(data)
		})
	})
}
