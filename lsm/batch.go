package lsm

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/plinth-go/plinth/lsm/sst"
)

// A batch is also the record that the log keeps of it. Its changes have
// consecutive sequence numbers, from the one in the header on. Numbers are
// little-endian.
//
//	8 bytes  sequence number of the first change; 0 until it is applied
//	4 bytes  number of changes
//	change*  1 byte   kind
//	         uvarint  length of the key, and the key
//	         uvarint  length of the value, and the value; only of a set
//
// "k" set to "v", then "x" deleted, at 7:
//
//	offset  bytes                    meaning
//	     0  07 00 00 00 00 00 00 00  first change at 7
//	     8  02 00 00 00              two changes
//	    12  01 01 6b 01 76           set "k" "v"
//	    17  00 01 78                 delete "x"

const batchHeader = 12

// Batch is a group of changes that are applied together or not at all, in their
// order. The zero value is empty and ready. It is not safe for concurrent use.
type Batch struct {
	data  []byte // with its header, or nothing
	count uint32
	err   error // of a change that cannot be, reported by Apply

	userBytes uint64 // of keys and values

	logged [1][]byte // data, as the log takes it
}

// Errors of changes that no store takes.
var (
	ErrTooLarge = errors.New("lsm: key, value or batch too large")
	ErrEmptyKey = errors.New("lsm: empty key")
)

// MaxKeySize and MaxValueSize are the most that an entry may have, and MaxBatchSize
// is the most for all changes of a batch, in bytes.
const (
	MaxKeySize   = sst.MaxKeySize
	MaxValueSize = 32 << 20
	MaxBatchSize = 48 << 20
)

// Put sets a key to a value; nil is an empty one. The batch keeps copies.
func (b *Batch) Put(key, value []byte) { b.add(sst.Set, key, value) }

// Delete deletes a key, whether it is there or not.
func (b *Batch) Delete(key []byte) { b.add(sst.Delete, key, nil) }

// Len returns the number of changes.
func (b *Batch) Len() int { return int(b.count) }

// Size returns the bytes of the batch as it is logged.
func (b *Batch) Size() int { return len(b.data) }

// Reset makes the batch empty, to be filled again.
func (b *Batch) Reset() { *b = Batch{data: b.data[:0]} }

func (b *Batch) add(kind sst.Kind, key, value []byte) {
	if b.err != nil {
		return
	}
	if b.err = checkEntry(key, value); b.err != nil {
		return
	}
	if size := len(b.data) + len(key) + len(value) + 16; size > MaxBatchSize {
		b.err = fmt.Errorf("%w: a batch of more than %d bytes", ErrTooLarge, MaxBatchSize)
		return
	}
	if len(b.data) == 0 {
		b.data = append(b.data, make([]byte, batchHeader)...)
	}
	b.data = append(b.data, byte(kind))
	b.data = binary.AppendUvarint(b.data, uint64(len(key)))
	b.data = append(b.data, key...)
	if kind == sst.Set {
		b.data = binary.AppendUvarint(b.data, uint64(len(value)))
		b.data = append(b.data, value...)
	}
	b.count++
	b.userBytes += uint64(len(key) + len(value))
}

func checkEntry(key, value []byte) error {
	switch {
	case len(key) == 0:
		return ErrEmptyKey
	case len(key) > MaxKeySize:
		return fmt.Errorf("%w: a key of %d bytes, at most %d", ErrTooLarge, len(key), MaxKeySize)
	case len(value) > MaxValueSize:
		return fmt.Errorf("%w: a value of %d bytes, at most %d", ErrTooLarge, len(value), MaxValueSize)
	}
	return nil
}

// seal writes the header.
func (b *Batch) seal(seq uint64) {
	binary.LittleEndian.PutUint64(b.data, seq)
	binary.LittleEndian.PutUint32(b.data[8:], b.count)
}

// change is one of a batch; its bytes lie in the batch.
type change struct {
	kind       sst.Kind
	key, value []byte
}

// record is a decoded batch. It is immutable.
type record struct {
	seq   uint64
	count uint32
	rest  []byte
}

var errBadRecord = errors.New("a record of the log that is no batch")

// parseRecord decodes the header of a batch and checks all of its changes.
func parseRecord(data []byte) (record, error) {
	if len(data) < batchHeader {
		return record{}, errBadRecord
	}
	r := record{binary.LittleEndian.Uint64(data), binary.LittleEndian.Uint32(data[8:]), data[batchHeader:]}
	n := uint32(0)
	rest := r.rest
	for len(rest) > 0 {
		var ok bool
		if _, rest, ok = nextChange(rest); !ok {
			return record{}, errBadRecord
		}
		n++
	}
	if n != r.count || n == 0 || r.seq == 0 || r.seq > sst.MaxSeq-uint64(n) {
		return record{}, errBadRecord
	}
	return r, nil
}

// changes yields those of a record that was parsed, with their sequence numbers.
func (r record) changes(yield func(uint64, change) bool) {
	for seq, rest := r.seq, r.rest; len(rest) > 0; seq++ {
		var c change
		if c, rest, _ = nextChange(rest); !yield(seq, c) {
			return
		}
	}
}

// nextChange decodes one change from bytes that are not empty.
func nextChange(b []byte) (c change, rest []byte, ok bool) {
	c.kind, b = sst.Kind(b[0]), b[1:]
	if c.kind > sst.Set {
		return c, nil, false
	}
	if c.key, b, ok = lengthAndBytes(b); ok && c.kind == sst.Set {
		c.value, b, ok = lengthAndBytes(b)
	}
	return c, b, ok && len(c.key) > 0
}

func lengthAndBytes(b []byte) (bytes, rest []byte, ok bool) {
	n, size := binary.Uvarint(b)
	if size <= 0 || n > uint64(len(b)-size) {
		return nil, nil, false
	}
	b = b[size:]
	return b[:n:n], b[n:], true
}
