package hist

import (
	"iter"
	"math"
	"time"
)

// Histogram counts durations. The zero value is empty and ready to use.
//
// A Histogram is not safe for concurrent use: give each worker its own and
// Merge them.
type Histogram struct {
	counts   []uint64 // per bucket, as far as the largest value needs
	count    uint64   // the sum of counts
	sum      uint64   // nanoseconds; wraps after 584 years
	min, max uint64   // nanoseconds; 0 while count is 0
}

// Record counts one value. It panics on a negative one, which no monotonic
// clock produces.
func (h *Histogram) Record(d time.Duration) {
	if d < 0 {
		panic("hist: negative duration")
	}
	v := uint64(d)
	i := bucketOf(v)
	if i >= len(h.counts) {
		h.grow(i)
	}
	h.counts[i]++
	if h.count == 0 || v < h.min {
		h.min = v
	}
	h.max = max(h.max, v)
	h.count++
	h.sum += v
}

// Merge adds all that other has counted. It leaves other as it is.
func (h *Histogram) Merge(other *Histogram) {
	if other.count == 0 {
		return
	}
	h.grow(len(other.counts) - 1)
	for i, n := range other.counts {
		h.counts[i] += n
	}
	if h.count == 0 || other.min < h.min {
		h.min = other.min
	}
	h.max = max(h.max, other.max)
	h.count += other.count
	h.sum += other.sum
}

// Sub returns what was counted since earlier, a previous state of h. Count and
// Sum are exact; Min and Max are those of the buckets, because which of the
// values came first was not kept. It panics if earlier is no previous state.
func (h *Histogram) Sub(earlier *Histogram) *Histogram {
	d := &Histogram{sum: h.sum - earlier.sum}
	for i, n := range h.counts {
		if i < len(earlier.counts) {
			if earlier.counts[i] > n {
				panic("hist: Sub of a histogram that is not an earlier state")
			}
			n -= earlier.counts[i]
		}
		if n == 0 {
			continue
		}
		d.grow(i)
		d.counts[i] = n
		if d.count == 0 {
			d.min = max(h.min, lowest(i))
		}
		d.max = min(h.max, highest(i))
		d.count += n
	}
	if d.count != h.count-earlier.count {
		panic("hist: Sub of a histogram that is not an earlier state")
	}
	return d
}

// Count returns how many values were recorded.
func (h *Histogram) Count() uint64 { return h.count }

// Sum returns the sum of all values.
func (h *Histogram) Sum() time.Duration { return time.Duration(h.sum) }

// Min returns the smallest value, 0 if there is none.
func (h *Histogram) Min() time.Duration { return time.Duration(h.min) }

// Max returns the largest value, 0 if there is none.
func (h *Histogram) Max() time.Duration { return time.Duration(h.max) }

// Mean returns Sum / Count, 0 if there is no value. It says little about
// latencies: look at Quantile.
func (h *Histogram) Mean() time.Duration {
	if h.count == 0 {
		return 0
	}
	return time.Duration(h.sum / h.count)
}

// Quantile returns a duration that at least the fraction q of all values does
// not exceed, 0.99 for the 99th percentile: the upper bound of the bucket that
// holds the true quantile, hence at most 1/128 too high. It is 0 for an empty
// histogram and panics unless 0 ≤ q ≤ 1.
func (h *Histogram) Quantile(q float64) time.Duration {
	if !(q >= 0 && q <= 1) {
		panic("hist: quantile out of [0, 1]")
	}
	rank := rankOf(q, h.count)
	var seen uint64
	for i, n := range h.counts {
		if seen += n; n > 0 && seen >= rank {
			return time.Duration(min(highest(i), h.max))
		}
	}
	return 0
}

// rankOf returns the smallest k ≥ 1 with k/n ≥ q. The product alone may be
// rounded to just above a whole number, which would be one rank too many.
func rankOf(q float64, n uint64) uint64 {
	k := uint64(math.Ceil(q * float64(n)))
	if k > 1 && float64(k-1)/float64(n) >= q {
		k--
	}
	return min(max(k, 1), n)
}

// Bucket is a range of durations, both ends included, and how many values lie
// in it. It is a plain value: safe for concurrent use.
type Bucket struct {
	Low, High time.Duration
	Count     uint64
}

// All returns the buckets that are not empty in ascending order; adding up
// their counts gives the distribution function. The first begins at Min, the
// last ends at Max.
func (h *Histogram) All() iter.Seq[Bucket] {
	return func(yield func(Bucket) bool) {
		for i, n := range h.counts {
			b := Bucket{
				Low:   time.Duration(max(lowest(i), h.min)),
				High:  time.Duration(min(highest(i), h.max)),
				Count: n,
			}
			if n > 0 && !yield(b) {
				return
			}
		}
	}
}
