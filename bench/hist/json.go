package hist

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/bits"
)

// The JSON form lists only the buckets that hold something, each as the
// smallest value it can hold and its count, in nanoseconds:
//
//	{"unit":"ns","count":3,"sum":1515,"min":5,"max":1005,"buckets":[[5,1],[504,1],[1004,1]]}
//
// So it can be read without knowing how this package numbers its buckets, and
// is checked when it is read back.
type encoded struct {
	Unit    string      `json:"unit"`
	Count   uint64      `json:"count"`
	Sum     uint64      `json:"sum"`
	Min     uint64      `json:"min"`
	Max     uint64      `json:"max"`
	Buckets [][2]uint64 `json:"buckets"`
}

const unit = "ns"

// MarshalJSON encodes the histogram without loss.
func (h *Histogram) MarshalJSON() ([]byte, error) {
	e := encoded{unit, h.count, h.sum, h.min, h.max, [][2]uint64{}}
	for i, n := range h.counts {
		if n > 0 {
			e.Buckets = append(e.Buckets, [2]uint64{lowest(i), n})
		}
	}
	return json.Marshal(e)
}

// UnmarshalJSON replaces the histogram with the encoded one. Whatever does not
// come from MarshalJSON of some histogram is an error and changes nothing, as
// far as the numbers can tell.
func (h *Histogram) UnmarshalJSON(b []byte) error {
	var e encoded
	if err := json.Unmarshal(b, &e); err != nil {
		return fmt.Errorf("hist: %w", err)
	}
	d, err := e.histogram()
	if err != nil {
		return fmt.Errorf("hist: %w", err)
	}
	*h = *d
	return nil
}

// histogram checks everything that holds for a histogram's numbers.
func (e *encoded) histogram() (*Histogram, error) {
	if e.Unit != unit {
		return nil, fmt.Errorf("unit %q, not %q", e.Unit, unit)
	}
	h := &Histogram{sum: e.Sum, min: e.Min, max: e.Max}
	var least, most uint64 // what the sum can be
	last := -1
	for k, pair := range e.Buckets {
		low, n := pair[0], pair[1]
		if low > math.MaxInt64 || n == 0 || lowest(bucketOf(low)) != low || bucketOf(low) <= last {
			return nil, fmt.Errorf("bucket %d: [%d, %d] is none, or out of order", k, low, n)
		}
		last = bucketOf(low)
		h.grow(last)
		h.counts[last] = n
		h.count = addCapped(h.count, n)
		least = addCapped(least, mulCapped(n, low))
		most = addCapped(most, mulCapped(n, highest(last)))
	}
	switch {
	case h.count == math.MaxUint64 || least == math.MaxUint64:
		return nil, errors.New("more values than fit")
	case h.count != e.Count:
		return nil, fmt.Errorf("count %d, but the buckets hold %d", e.Count, h.count)
	case h.sum < least || h.sum > most:
		return nil, fmt.Errorf("sum %d, but the buckets allow %d to %d", h.sum, least, most)
	case h.count == 0:
		if h.min != 0 || h.max != 0 {
			return nil, errors.New("min or max of no values")
		}
		return h, nil
	case h.min > h.max || h.max > math.MaxInt64:
		return nil, fmt.Errorf("min %d, max %d", h.min, h.max)
	case bucketOf(h.max) != last || lowest(bucketOf(h.min)) != e.Buckets[0][0]:
		return nil, fmt.Errorf("min %d or max %d outside the outer buckets", h.min, h.max)
	}
	return h, nil
}

func addCapped(a, b uint64) uint64 {
	sum, carry := bits.Add64(a, b, 0)
	if carry != 0 {
		return math.MaxUint64
	}
	return sum
}

func mulCapped(a, b uint64) uint64 {
	high, low := bits.Mul64(a, b)
	if high != 0 {
		return math.MaxUint64
	}
	return low
}
