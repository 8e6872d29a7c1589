package crash

import (
	"encoding/binary"
	"iter"

	"github.com/plinth-go/plinth/vfs"
)

// Entry says what something in a write-ahead log of package wal is. It is a plain
// value: safe for concurrent use.
type Entry int

const (
	Record     Entry = iota + 1 // a record that ends its batch
	Truncation                  // the log begins later than before
	Rotation                    // the log goes on in another segment
)

// Log follows a write-ahead log by what is written to it. The zero value is one of which
// nothing was seen yet. Not safe for concurrent use.
type Log struct {
	first uint64 // the index at which the log begins, as it has said last
}

// Entries yields what an operation writes to the log, and the data of records. It reads
// the frames as they are drawn in wal/frame.go: a length at 8, the kind at 16, the data
// from 24 on, and then the next multiple of 8. The header of a segment is none of them.
// A test of wal holds it to that.
func (l *Log) Entries(op Op) iter.Seq2[Entry, []byte] {
	return func(yield func(Entry, []byte) bool) {
		if op.Kind != vfs.OpWriteAt || op.Off == 0 {
			return
		}
		const header = 24
		for b, more := op.Data, true; more && len(b) >= header; {
			size := int(binary.LittleEndian.Uint32(b[8:]))
			switch kind, data := b[16], b[header:][:size]; {
			case kind == 1:
				more = yield(Record, data)
			case kind == 3 && binary.LittleEndian.Uint64(data) > l.first: // and not only closed
				l.first = binary.LittleEndian.Uint64(data)
				more = yield(Truncation, nil)
			case kind == 4:
				more = yield(Rotation, nil)
			}
			b = b[min(len(b), (header+size+7)&^7):]
		}
	}
}
