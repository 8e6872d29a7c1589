package hist

import (
	"math"
	"math/bits"
)

// The bucket of a value v is found from its 8 leading bits:
//
//	v < 256           bucket v: one value each
//	otherwise         shift v right by e until it lies in 128 … 255;
//	                  bucket e·128 + that, 2^e values each
//
//	value       0 … 255   256 257   258 259   …   510 511   512 … 515   …
//	bucket      0 … 255     256       257     …     383        384      …
//
// The numbers run on without a gap, and a bucket holds at most 1/128 of its
// own smallest value in different values: that is the error bound.
const (
	subBits    = 7
	subBuckets = 1 << subBits // per power of two
	numBuckets = (63 - subBits + 1) * subBuckets
)

// bucketOf returns the bucket of v, which fits an int64.
func bucketOf(v uint64) int {
	e := max(bits.Len64(v)-subBits-1, 0)
	return e<<subBits + int(v>>e)
}

// lowest returns the smallest value in bucket i.
func lowest(i int) uint64 {
	e := max(i>>subBits-1, 0)
	return uint64(i-e<<subBits) << e
}

// highest returns the largest value in bucket i.
func highest(i int) uint64 {
	if i == numBuckets-1 {
		return math.MaxInt64
	}
	return lowest(i+1) - 1
}

// grow makes room for bucket i. It takes the whole power of two, so that a
// histogram grows a few times in its life and not with each new maximum.
func (h *Histogram) grow(i int) {
	if i < len(h.counts) {
		return
	}
	counts := make([]uint64, (i>>subBits+1)<<subBits)
	copy(counts, h.counts)
	h.counts = counts
}
