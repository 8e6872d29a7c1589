package sst

import (
	"errors"
	"io"
)

// readAhead reads blocks that lie side by side at once, ever more of them the longer
// somebody walks forward: a read costs as much as the copying of some KiB. What it has
// read does not go into the cache, where a long walk would take the place of what is
// asked for often. It is not safe for concurrent use.
type readAhead struct {
	bytes []byte // of the file, from start on
	start int64
	want  int64 // bytes that were wanted last
}

// The first read is short, as most walks are; each further one twice as long, up to the
// last. Both are at least a block.
const (
	firstAhead = 8 << 10
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
	raw, _, err := openFrame(a.bytes[from:to:to], nil, t.options.Number, h.offset)
	if err != nil {
		return nil, t.blockError(i, err)
	}
	b, err := parseBlock(raw)
	return &b, t.blockError(i, err)
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
	b := make([]byte, to-from)
	if _, err := t.file.ReadAt(b, from); errors.Is(err, io.EOF) {
		return errCutShort
	} else if err != nil {
		return ioError{err}
	}
	a.bytes, a.start = b, from
	return nil
}
