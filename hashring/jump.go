package hashring

// Jump hash (Lamping, Veach, 2014). For one key, imagine the buckets coming one after the
// other: with each new one, numbered n from 0, the key moves into it with probability
// 1/(n+1), which a generator decides that is seeded with the key. Where it is in the end is
// its bucket. Jump does not walk through all n, but from one move to the next one: after a
// move to b, the next is to a bucket of at least b+1 with the distribution that
// floor((b+1)/r) has, for a random r.
//
//	a lookup       O(log n), no memory
//	a new bucket   1/(n+1) of the keys move, all of them into it
//	bad at         it knows numbers, not names: only the last bucket can go

// Jump returns the bucket of a hash, from 0 to buckets-1. It panics if there are no buckets.
//
// It is the same on every machine: a division and a multiplication, each of which is rounded
// as IEEE 754 says, with no addition between them that some processors would fuse. But a
// product may be 2⁶³ or more, and what that is as an integer differs from one processor to
// the next. So it is compared before it is converted.
func Jump(h uint64, buckets int) int {
	if buckets < 1 {
		panic("hashring: Jump: no buckets")
	}
	const most = 1 << 31 // what 31 random bits can tell apart
	at, next := int64(0), 0.0
	for next < float64(buckets) {
		at = int64(next)
		h = h*2862933555777941757 + 1 // the generator of the paper
		next = float64(at+1) * (most / float64(h>>33+1))
	}
	return int(at)
}
