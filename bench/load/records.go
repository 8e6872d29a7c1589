package load

import (
	"encoding/binary"
	"math/rand/v2"
)

// Records makes records of one size for one worker: random bytes, which no
// file system or disk can compress, the same ones for the same seed. A record
// of 16 bytes or more begins with the worker and a running number, so that no
// two of a run are equal and a misplaced one is recognised.
//
// Records is not safe for concurrent use.
type Records struct {
	rnd    *rand.Rand
	pool   []byte // random; records are cut from it, because making them anew takes longer than appending them
	buf    []byte
	worker uint64
	seq    uint64
}

const poolSize = 64 << 10

// NewRecords returns a source of records of size bytes for the worker. It
// panics on a negative size.
func NewRecords(seed uint64, worker, size int) *Records {
	if size < 0 {
		panic("load: negative record size")
	}
	r := &Records{
		rnd:    rand.New(rand.NewPCG(seed, uint64(worker))),
		pool:   make([]byte, poolSize+size),
		buf:    make([]byte, size),
		worker: uint64(worker),
	}
	for i := 0; i+8 <= len(r.pool); i += 8 {
		binary.LittleEndian.PutUint64(r.pool[i:], r.rnd.Uint64())
	}
	return r
}

// Next returns the next record, which is valid until the call after. It never
// fails; the error is there to fit Worker.
func (r *Records) Next() ([]byte, error) {
	copy(r.buf, r.pool[r.rnd.IntN(poolSize):])
	if len(r.buf) >= 16 {
		binary.LittleEndian.PutUint64(r.buf, r.worker)
		binary.LittleEndian.PutUint64(r.buf[8:], r.seq)
	}
	r.seq++
	return r.buf, nil
}
