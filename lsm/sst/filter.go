package sst

import (
	"errors"
	"math"
	"math/bits"

	"github.com/cespare/xxhash/v2"
)

// A filter answers "is this key perhaps in the table?" from a few bits per key,
// without reading a block: no is certain, yes is wrong for one key in a hundred at
// ten bits (Bloom, 1970). All probes of a key lie in one line of 64 bytes, so that
// an answer costs one cache miss and not six; collisions are a little likelier for
// it (Putze, Sanders and Singler, 2007).
//
//	line*   64 bytes: 512 bits
//	probes  1 byte: bits that are set for a key
//
// The upper half of a key's 64-bit hash chooses the line, the lower half the
// bits: it is multiplied once for each probe, and its upper nine bits are one.

const (
	lineBits  = 512
	lineBytes = lineBits / 8
	maxProbes = 16
	probeStep = 0x9e3779b9
)

// HashKey is what a filter knows of a key.
func HashKey(key []byte) uint64 { return xxhash.Sum64(key) }

// filterBuilder collects the hashes of a table's keys. It is not safe for
// concurrent use.
type filterBuilder struct {
	bitsPerKey float64 // none if not positive
	hashes     []uint64
}

func (b *filterBuilder) add(key []byte) {
	if b.bitsPerKey > 0 {
		b.hashes = append(b.hashes, HashKey(key))
	}
}

// finish returns the encoded filter, empty if there is to be none.
func (b *filterBuilder) finish() []byte {
	if len(b.hashes) == 0 {
		return nil
	}
	lines := max(1, int(math.Ceil(float64(len(b.hashes))*b.bitsPerKey/lineBits)))
	f := filter{lines: make([]byte, lines*lineBytes, lines*lineBytes+1), probes: probesFor(b.bitsPerKey)}
	for _, hash := range b.hashes {
		line, h := f.line(hash), uint32(hash)
		for range f.probes {
			h *= probeStep
			line[h>>23/8] |= 1 << (h >> 23 % 8)
		}
	}
	return append(f.lines, byte(f.probes))
}

// probesFor returns the number of probes that is right least often by mistake. The
// ideal of a filter without lines is 0.69 times the bits; full lines want fewer.
func probesFor(bitsPerKey float64) int {
	return max(1, min(int(0.62*bitsPerKey+0.5), maxProbes))
}

// filter of a table. The zero value, of a table without one, lets everything
// through. It is immutable.
type filter struct {
	lines  []byte
	probes int
}

// parseFilter keeps raw.
func parseFilter(raw []byte) (filter, error) {
	if len(raw) == 0 {
		return filter{}, nil
	}
	n := len(raw) - 1
	f := filter{lines: raw[:n:n], probes: int(raw[n])}
	if n == 0 || n%lineBytes != 0 || f.probes < 1 || f.probes > maxProbes {
		return filter{}, errBadFilter
	}
	return f, nil
}

var errBadFilter = errors.New("a filter of a size that none has")

// mayContain reports whether a key with this hash may be in the table.
func (f *filter) mayContain(hash uint64) bool {
	if len(f.lines) == 0 {
		return true
	}
	line, h := f.line(hash), uint32(hash)
	for range f.probes {
		h *= probeStep
		if line[h>>23/8]&(1<<(h>>23%8)) == 0 {
			return false
		}
	}
	return true
}

// line returns that of a hash, without a division (Lemire, 2019).
func (f *filter) line(hash uint64) *[lineBytes]byte {
	i, _ := bits.Mul64(hash>>32<<32, uint64(len(f.lines)/lineBytes))
	return (*[lineBytes]byte)(f.lines[i*lineBytes:])
}
