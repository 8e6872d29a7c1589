package wal

import (
	"encoding/hex"
	"testing"

	"github.com/stretchr/testify/require"
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
