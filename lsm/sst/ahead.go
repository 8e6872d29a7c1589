package sst

import (
	"errors"
	"io"
	"sync"
)

// readAhead reads blocks that lie side by side at once, ever more of them the longer
// somebody walks forward: a read costs as much as the copying of some KiB. What it has
// read does not go into the cache, where a long walk would take the place of what is
// asked for often, and is valid until the next block. It is not safe for concurrent use.
type readAhead struct {
	bytes []byte // of the file, from start on
	start int64
	want  int64 // bytes that were wanted last

	plain []byte // of the last block, if it was compressed
	last  Block
}

var readAheads = sync.Pool{New: func() any { return new(readAhead) }}

func newReadAhead() *readAhead {
	a := readAheads.Get().(*readAhead)
	a.reset()
	return a
}

// giveBack gives the memory to the next walk.
func (a *readAhead) giveBack() {
	a.reset()
	readAheads.Put(a)
}

// reset begins another walk. It keeps memory, but for what a huge block needed.
func (a *readAhead) reset() {
	a.bytes, a.want = a.bytes[:0], 0
	if cap(a.bytes)+cap(a.plain) > 4*lastAhead {
		*a = readAhead{}
	}
}

// The first read is short, as most walks are; each further one twice as long, up to the
// last. Both are at least a block.
const (
	firstAhead = 16 << 10
	lastAhead  = 128 << 10
)

// block returns a block: from what has been read if it is there, which lies in memory as
// one piece, and then from the cache. Where the cache had half of the blocks, a walk that
// asked it first took twice as long.
func (a *readAhead) block(t *Table, i int) (*Block, error) {
	h := t.index.blocks[i]
	if h.offset < a.start || h.end() > a.start+int64(len(a.bytes)) {
		if b, ok := t.cached(i); ok {
			return b, nil
		}
		if err := a.fill(t, i); err != nil {
			return nil, t.blockError(i, err)
		}
	}
	from, to := h.offset-a.start, h.end()-a.start
	raw, compressed, err := openFrame(a.bytes[from:to:to], a.plain, t.options.Number, h.offset)
	if compressed {
		a.plain = raw
	}
	if err == nil {
		a.last, err = parseBlock(raw)
	}
	return &a.last, t.blockError(i, err)
}

// fill reads blocks from i on.
func (a *readAhead) fill(t *Table, i int) error {
	a.want = min(max(firstAhead, 2*a.want), lastAhead)
	from, to := t.index.blocks[i].offset, t.index.blocks[i].end()
	for _, h := range t.index.blocks[i+1:] {
		if h.end()-from > a.want {
			break
		}
		to = h.end()
	}
	if int64(cap(a.bytes)) < to-from {
		a.bytes = make([]byte, max(to-from, a.want))
	}
	b := a.bytes[:to-from]
	a.bytes = a.bytes[:0]
	if _, err := t.file.ReadAt(b, from); errors.Is(err, io.EOF) {
		return errCutShort
	} else if err != nil {
		return ioError{err}
	}
	a.bytes, a.start = b, from
	return nil
}
