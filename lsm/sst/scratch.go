package sst

import (
	"errors"
	"io"
	"sync"
)

// scratch is memory to read a block into: what it has read is valid until it reads
// again. It is not safe for concurrent use.
type scratch struct {
	frame []byte // as it lies in the file
	plain []byte // decompressed, if it was compressed
	block Block
}

// scratches are for blocks that nobody keeps: with fresh memory for each, a Get that
// misses the cache took half as long again (BenchmarkGet/cached=false).
var scratches = sync.Pool{New: func() any { return new(scratch) }}

// giveBack gives it to the next one who needs some. What a huge value needed goes.
func (s *scratch) giveBack() {
	const most = 1 << 20
	if cap(s.frame)+cap(s.plain) <= most {
		scratches.Put(s)
	}
}

// read returns what is in a frame.
func (s *scratch) read(t *Table, h handle) ([]byte, error) {
	if h.length < frameTrailer {
		return nil, errShortFrame
	}
	if int64(cap(s.frame)) < h.length {
		s.frame = make([]byte, h.length)
	}
	frame := s.frame[:h.length]
	if _, err := t.file.ReadAt(frame, h.offset); errors.Is(err, io.EOF) {
		return nil, errCutShort
	} else if err != nil {
		return nil, ioError{err}
	}
	raw, compressed, err := openFrame(frame, s.plain, t.options.Number, h.offset)
	if compressed {
		s.plain = raw
	}
	return raw, err
}

func (s *scratch) readBlock(t *Table, i int) (*Block, error) {
	raw, err := s.read(t, t.index.blocks[i])
	if err == nil {
		s.block, err = parseBlock(raw)
	}
	return &s.block, t.blockError(i, err)
}
