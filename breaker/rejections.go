package breaker

import (
	"sync/atomic"
	"unsafe"
)

// rejections counts the calls that were refused. It is safe for concurrent use.
//
// To count is the only thing that a refusal writes, and if all processors add to one number, its
// cache line goes from one to the next: two of them then refuse 17 million calls a second, and 53 if each has a
// number to itself (-run=Breaker/.*open in bench/peers). Go does not tell which processor we are on, but the
// stack of a goroutine is its own. So as soon as two have disturbed each other there are lanes,
// each on a line of its own, and a goroutine adds to the one that the address of its stack leads to.
// Two that share a lane are slower, not wrong; and a circuit that nobody fights for has no lanes.
type rejections struct {
	alone atomic.Uint64
	lanes atomic.Pointer[[32]lane]
}

type lane struct {
	n atomic.Uint64
	_ [56]byte
}

func (r *rejections) add() {
	lanes := r.lanes.Load()
	if lanes == nil {
		if n := r.alone.Load(); r.alone.CompareAndSwap(n, n+1) {
			return
		}
		lanes = r.widen()
	}
	lanes[ownLane()].n.Add(1)
}

// widen makes the lanes, unless somebody else was faster: in those he may have counted already.
func (r *rejections) widen() *[32]lane {
	r.lanes.CompareAndSwap(nil, new([32]lane))
	return r.lanes.Load()
}

// ownLane is the upper five bits of a product: neighbours, as stacks often are, go to lanes far apart.
func ownLane() uint32 {
	var here byte             // on the stack, of which there are 2 KiB or more
	const golden = 0x9E3779B9 // 2^32 by the golden ratio
	return uint32(uintptr(unsafe.Pointer(&here))>>11) * golden >> 27
}

// sum returns how many there have been.
func (r *rejections) sum() uint64 {
	sum := r.alone.Load()
	if lanes := r.lanes.Load(); lanes != nil {
		for i := range lanes {
			sum += lanes[i].n.Load()
		}
	}
	return sum
}
