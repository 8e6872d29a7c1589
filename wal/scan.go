package wal

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/plinth-go/plinth/vfs"
)

// window is a moving view of a file: the bytes at an offset, read in large
// pieces.
type window struct {
	file vfs.File
	size int64 // read no further
	buf  []byte
	off  int64 // of buf
}

const windowSize = 256 << 10

// at returns the bytes from off on, at least n unless the file ends before.
// They are valid until the next call.
func (w *window) at(off int64, n int) ([]byte, error) {
	n = int(min(int64(n), w.size-off))
	if n <= 0 {
		return nil, nil
	}
	if off >= w.off && off+int64(n) <= w.off+int64(len(w.buf)) {
		return w.buf[off-w.off:], nil
	}
	want := int(min(int64(max(n, windowSize)), w.size-off))
	if cap(w.buf) < want {
		w.buf = make([]byte, want)
	}
	w.buf, w.off = w.buf[:want], off
	got, err := w.file.ReadAt(w.buf, off)
	w.buf = w.buf[:got]
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	return w.buf, nil
}

// scanner reads the frames of a segment in order and checks the chain.
type scanner struct {
	seg  *segment
	win  window
	off  int64  // of the next frame
	prev uint32 // crc of the frame before it
}

func newScanner(s *segment, size int64) *scanner {
	return &scanner{seg: s, win: window{file: s.file, size: size}, off: segmentHeader, prev: s.seed}
}

// errScan wraps what the disk refused, to tell it from what is wrong with a frame.
var errScan = errors.New("wal: read segment")

// next returns the next frame; its data is valid until the call after.
func (r *scanner) next() (frame, error) {
	f, err := r.decode(r.off)
	if err == nil && f.prev != r.prev {
		err = errBadChain
	}
	if err != nil {
		return frame{}, err
	}
	r.off += f.size
	r.prev = f.crc
	return f, nil
}

// decode returns the frame at off, whatever comes before it.
func (r *scanner) decode(off int64) (frame, error) {
	b, err := r.win.at(off, frameHeader)
	if err != nil {
		return frame{}, fmt.Errorf("%w %s at offset %d: %w", errScan, r.seg.name, off, err)
	}
	size, err := peekSize(b, r.win.size-off)
	if err != nil {
		return frame{}, err
	}
	if b, err = r.win.at(off, int(size)); err != nil {
		return frame{}, fmt.Errorf("%w %s at offset %d: %w", errScan, r.seg.name, off, err)
	}
	if int64(len(b)) < size {
		return frame{}, errCutShort // the file shrank
	}
	return decodeFrame(b[:size], r.seg.seed, off)
}

// proof looks behind the bad frame at off for a frame that was written when
// off was already on disk, and returns its place, or 0. There is one for every
// frame but those of the last group: so what was acknowledged and is damaged is
// told from what was never finished.
//
// Random bytes rarely look like a header, so few checksums are computed. A
// file made to look so in many places costs at most a few times its size: then
// the answer is that there is proof, for a log does not write such a file.
func (r *scanner) proof(off int64) (int64, error) {
	budget := 4 * r.win.size
	for at := off + 8; at+frameHeader <= r.win.size; at += 8 {
		b, err := r.win.at(at, frameHeader)
		if err != nil {
			return 0, fmt.Errorf("%w %s at offset %d: %w", errScan, r.seg.name, at, err)
		}
		if len(b) < frameHeader {
			return 0, nil // the file shrank
		}
		synced := int64(binary.LittleEndian.Uint32(b[12:])) * 8
		if synced <= off || synced > at {
			continue
		}
		size, err := peekSize(b, r.win.size-at)
		if err != nil {
			continue
		}
		if budget -= size; budget < 0 {
			return at, nil
		}
		switch _, err := r.decode(at); {
		case errors.Is(err, errScan):
			return 0, err
		case err == nil:
			return at, nil
		}
	}
	return 0, nil
}

// lastByte returns the offset behind the last byte that is not zero, at or
// behind off; off if there is none.
func (r *scanner) lastByte(off int64) (int64, error) {
	end := off
	for at := off; at < r.win.size; {
		b, err := r.win.at(at, 1)
		if err != nil {
			return 0, fmt.Errorf("%w %s at offset %d: %w", errScan, r.seg.name, at, err)
		}
		if len(b) == 0 {
			break
		}
		for i := len(b) - 1; i >= 0; i-- {
			if b[i] != 0 {
				end = at + int64(i) + 1
				break
			}
		}
		at += int64(len(b))
	}
	return end, nil
}
