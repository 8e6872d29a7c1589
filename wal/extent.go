package wal

import "sort"

// An extent is a run of consecutive indexes that lie in order in one segment.
// Where TruncateBack cut, the old frames stay in the file and the indexes
// start again behind them: there a new extent begins, and nobody who goes from
// extent to extent sees the dead frames between.
//
//	segment 1                        segment 2
//	┌──────────────┬ ─ ─ ─ ─ ┬──────┬────────────┐
//	│ 1 2 3 4 5 6  │ 7 8 9   │ 7 8  │ 9 10 11    │
//	└──────────────┴ ─ ─ ─ ─ ┴──────┴────────────┘
//	 extent         cut back  extent  extent
//
// Within an extent every anchorGap bytes an anchor remembers where an index
// lies: a read looks up the anchor before it and reads from there to the next.
// All of it is guarded by Log.mu.
type extent struct {
	seg     *segment
	first   uint64
	next    uint64 // the extent holds first to next-1; grows while it is the last
	closed  bool   // takes no more records
	end     int64  // its records lie before this offset; 0 while that is the segment's end
	anchors []anchor
}

// anchor says where the frame of a record lies.
type anchor struct {
	index uint64
	off   int64
}

const anchorGap = 4096

// extents are ordered by index; each begins where the one before ends.
type extents []*extent

// add notes that the record index, next in order, lies at off in seg.
func (x *extents) add(seg *segment, index uint64, off int64) {
	last := x.last()
	if last == nil || last.closed || last.seg != seg || last.next != index {
		if last != nil && last.seg == seg && last.end == 0 {
			last.end = off
		}
		last = &extent{seg: seg, first: index, next: index}
		*x = append(*x, last)
	}
	if n := len(last.anchors); n == 0 || off-last.anchors[n-1].off >= anchorGap {
		last.anchors = append(last.anchors, anchor{index, off})
	}
	last.next = index + 1
}

func (x extents) last() *extent {
	if len(x) == 0 {
		return nil
	}
	return x[len(x)-1]
}

// find returns the extent that holds index, or nil.
func (x extents) find(index uint64) *extent {
	i := sort.Search(len(x), func(i int) bool { return x[i].next > index })
	if i == len(x) || x[i].first > index {
		return nil
	}
	return x[i]
}

// span returns the bytes of the segment in which the record lies for certain:
// from the anchor before it to the next anchor, or to the end of what is
// written.
func (e *extent) span(index uint64) (from, to int64) {
	i := sort.Search(len(e.anchors), func(i int) bool { return e.anchors[i].index > index })
	if i < len(e.anchors) {
		return e.anchors[i-1].off, e.anchors[i].off
	}
	if e.end != 0 {
		return e.anchors[i-1].off, e.end
	}
	return e.anchors[i-1].off, e.seg.end
}

// cutBack forgets all indexes from next on. A forgotten extent ends where it
// begins, which tells a reader that is still inside.
func (x *extents) cutBack(next uint64) {
	kept := *x
	for len(kept) > 0 && kept.last().first >= next {
		kept.last().next, kept.last().closed = kept.last().first, true
		kept[len(kept)-1] = nil
		kept = kept[:len(kept)-1]
	}
	if last := kept.last(); last != nil && last.next > next {
		n := sort.Search(len(last.anchors), func(i int) bool { return last.anchors[i].index >= next })
		if n < len(last.anchors) {
			last.end = last.anchors[n].off
		}
		last.anchors, last.next, last.closed = last.anchors[:n], next, true
	}
	*x = kept
}

// dropFront forgets the extents that end at or below first.
func (x *extents) dropFront(first uint64) {
	n := sort.Search(len(*x), func(i int) bool { return (*x)[i].next > first })
	*x = append(extents(nil), (*x)[n:]...)
}
