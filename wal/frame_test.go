package wal

import (
	"encoding/hex"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/plinth-go/plinth/internal/crash"
)

// The bytes drawn above appendFrame, and one frame of each kind behind it. A
// change of these bytes is a change of the format, and needs a new version.
func TestFrameBytes(t *testing.T) {
	const seed, off = 0x11223344, 4096
	b := appendFrame(nil, kindRecord, 7, []byte("hi"))
	b = appendFrame(b, kindMore, 8, nil)
	b = appendMark(b, kindMark, bounds{3, 9})
	b = appendMark(b, kindSeal, bounds{3, 9})
	sealFrames(b, seed, off, seed, off)
	require.Equal(t, ""+
		"cce2d85f"+"44332211"+"02000000"+"00020000"+"0107000000000000"+"6869000000000000"+
		"2315d443"+"cce2d85f"+"00000000"+"00020000"+"0208000000000000"+
		"57f41f3c"+"2315d443"+"10000000"+"00020000"+"0309000000000000"+"03000000000000000900000000000000"+
		"4bcd5726"+"57f41f3c"+"10000000"+"00020000"+"0409000000000000"+"03000000000000000900000000000000",
		hex.EncodeToString(b))
}

// The header drawn above segmentHeader, byte by byte.
func TestHeaderBytes(t *testing.T) {
	b := encodeHeader(0x0102030405060708, 3, bounds{5, 9})
	require.Len(t, b, segmentHeader)
	require.Equal(t, ""+
		"504c494e5448574c"+"01000000"+"cc504a48"+"0807060504030201"+
		"0300000000000000"+"0500000000000000"+"0900000000000000", hex.EncodeToString(b[:headerUsed]))
	require.Equal(t, make([]byte, segmentHeader-headerUsed), b[headerUsed:])

	log, id, start, err := decodeHeader(b)
	require.NoError(t, err)
	require.Equal(t, uint64(0x0102030405060708), log)
	require.EqualValues(t, 3, id)
	require.Equal(t, bounds{5, 9}, start)
}

// A frame counts only as what it is, where it is, when it is: every other
// seed, place or byte makes it none. Planted: seed or offset left out of the
// checksum; the header's fields left out of it.
func TestFrameIsBoundToItsPlace(t *testing.T) {
	const seed, off = 99, 8192
	b := appendFrame(nil, kindRecord, 1, []byte("some data"))
	sealFrames(b, seed, off, 5, 4096)

	f, err := decodeFrame(b, seed, off)
	require.NoError(t, err)
	require.Equal(t, frame{crc: f.crc, prev: 5, synced: 4096, index: 1, kind: kindRecord, data: []byte("some data"), size: int64(len(b))}, f)

	_, err = decodeFrame(b, seed+1, off)
	require.ErrorIs(t, err, errBadSum, "another life of the file")
	_, err = decodeFrame(b, seed, off+8)
	require.ErrorIs(t, err, errBadSum, "another place")
	for i := range frameHeader + len("some data") {
		b[i] ^= 1
		_, err = decodeFrame(b, seed, off)
		require.Error(t, err, "byte %d", i)
		b[i] ^= 1
	}
	for n := range frameHeader + len("some data") {
		_, err = decodeFrame(b[:n], seed, off)
		require.Error(t, err, "%d bytes", n)
	}
	_, err = decodeFrame(make([]byte, 64), seed, off)
	require.ErrorIs(t, err, errNoFrame)
}

// TestFramesAsOthersReadThem: the tests of what stands on a log know from its writes
// what it is doing, by crash.Log.
func TestFramesAsOthersReadThem(t *testing.T) {
	var log crash.Log
	var entries []crash.Entry
	var records []string
	disk := crash.NewWitness(func(op crash.Op, _ func(crash.Happening)) {
		if op.Category != Category {
			return
		}
		for entry, data := range log.Entries(op) {
			if entries = append(entries, entry); entry == crash.Record {
				records = append(records, string(data))
			}
		}
	})
	l, err := Open("log", Options{FS: disk, Durability: Synced, SegmentSize: minSegmentSize})
	require.NoError(t, err)
	_, err = l.Append([]byte("one"))
	require.NoError(t, err)
	_, err = l.AppendBatch([][]byte{[]byte("two"), {}, []byte("the last of the batch")})
	require.NoError(t, err)
	require.NoError(t, l.TruncateFront(3))
	require.Equal(t, []crash.Entry{crash.Record, crash.Record, crash.Truncation}, entries)
	require.Equal(t, []string{"one", "the last of the batch"}, records)

	for id := l.lastSegment().id; l.lastSegment().id == id; {
		_, err = l.Append(make([]byte, 500))
		require.NoError(t, err)
	}
	require.Equal(t, []crash.Entry{crash.Rotation, crash.Record}, entries[len(entries)-2:])
	before := len(entries)
	require.NoError(t, l.Close())
	require.Len(t, entries, before, "a log that is closed says where it begins, but that is no truncation")
}
