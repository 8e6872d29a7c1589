// Package hist counts latencies in a log-linear histogram.
//
// # Problem
//
// A benchmark takes millions of latencies and is asked for the 99.9th
// percentile. Keeping them all costs memory and a sort, and the garbage
// collector that follows disturbs what is being measured. Keeping an average
// loses the tail, which is what was asked for.
//
// # Idea
//
// Count, don't keep. Cut every power of two of nanoseconds into 128 buckets of
// equal width: a value finds its bucket with one bit scan and one shift, and
// the bucket is never wider than 1/128 of the values in it. From one
// nanosecond to 292 years that makes 7,296 counters, or 57 KiB.
//
// # Invariants
//
//	I1  Every value has its bucket: nothing is clamped, rounded up or dropped.
//	I2  Count, Sum, Min and Max are exact.
//	I3  Quantile never understates: it lies at or above the true quantile, at
//	    most 1/128 (0.8 %) above, and never above Max.
//	I4  Merging the histograms of parts gives the histogram of the whole.
//
// # Cost
//
//	Record     O(1), no allocation once the largest value was seen
//	Merge      O(buckets)
//	Quantile   O(buckets)
//	memory     8 bytes per bucket up to the largest value: 14 KiB for 1 ms
//
// # Concurrency
//
// A Histogram is not safe for concurrent use, and it needs not be: each worker
// fills its own, and Merge adds them when the workers are done. A shared one
// would measure the fight for its counters.
//
// # Trade-offs
//
// For values over a wide range whose tail matters. Where the error must be
// zero, keep and sort the values. Where memory must stay below a few kilobytes
// per histogram, a sketch with fewer buckets or t-digest is the better choice.
// Never average the percentiles of two histograms: merge them and ask again.
//
// # References
//
// Gil Tene, HdrHistogram, http://hdrhistogram.org (the bucket layout).
package hist
