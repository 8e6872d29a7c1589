package btree

import (
	"errors"
	"fmt"
	"math"
	"math/bits"
	"slices"
)

// Which pages of the file are taken. A page is born in a transaction and freed by a
// later one; in between it belongs to every version. It may be used again when nobody
// holds one of these versions. Held are those that somebody reads, that of the last
// checkpoint, which a crash would bring back, and that of a checkpoint under way.
//
//	     born           freed
//	──────┬───────────────┬──────────▶ transactions
//	   h  │   h'          │     h''      only h' keeps the page
//
// So what a long reader keeps does not grow with what happens after him: a page that is
// born later is nothing to him. A freed page waits at the newest who holds it, and is
// looked at again when that one has gone.
//
// Of free pages the lowest is taken first. So the end of the file becomes free by and by,
// and is cut off.

// space is guarded by DB.turn.
type space struct {
	used  []uint64 // a bit for each page
	first int      // no word before this one has a free page
	high  pageID   // the pages from here on are free
	count int      // of pages that are used
	limit pageID   // for the tree: fewer than the map in the file can tell of

	unseen  []freed // by transactions that may not be the newest yet, in order
	holders []holder
	held    int // pages in both
}

// freed is a page that a version does not have any more.
type freed struct {
	id         pageID
	born, gone uint64
}

// holder is a version that is held, with the pages that nobody newer holds.
type holder struct {
	tx    uint64
	pages []freed
}

// ErrFull: the file has as many pages as the map can tell of. What failed for it is not
// made; a store with larger pages could be larger.
var ErrFull = errors.New("btree: the file cannot grow any more")

func (s *space) take(id pageID) {
	s.reserve(int(id/64) + 1)
	s.used[id/64] |= 1 << (id % 64)
	s.count++
	s.high = max(s.high, id+1)
}

func (s *space) has(id pageID) bool {
	return int(id/64) < len(s.used) && s.used[id/64]>>(id%64)&1 != 0
}

func (s *space) reserve(words int) {
	for len(s.used) < words {
		s.used = append(s.used, 0)
	}
}

// lowest returns the lowest free page.
func (s *space) lowest() pageID {
	for s.first < len(s.used) && s.used[s.first] == math.MaxUint64 {
		s.first++
	}
	s.reserve(s.first + 1)
	return pageID(s.first*64 + bits.TrailingZeros64(^s.used[s.first]))
}

// alloc takes the lowest free page for the tree.
func (s *space) alloc() (pageID, error) {
	id := s.lowest()
	if id >= s.limit {
		return 0, fmt.Errorf("%w: %d pages", ErrFull, s.limit)
	}
	s.take(id)
	return id, nil
}

// mapReserve is how many pages are kept for the map, so that what transactions have
// taken can always be written: it is there twice until a checkpoint is done.
const mapReserve = 2 * maxMapPages

// allocForMap takes the lowest free page, behind the limit of the tree too.
func (s *space) allocForMap() pageID {
	id := s.lowest()
	s.take(id)
	return id
}

// allocRuns takes n pages in at most so many runs: the lowest, but without the smallest
// where there would be too many. Behind the last page there is always room for the rest.
func (s *space) allocRuns(n, most int) ([]run, error) {
	var runs []run
	for id := pageID(s.first * 64); n > 0; id++ {
		if s.has(id) {
			if id%64 == 0 && s.used[id/64] == math.MaxUint64 {
				id += 63
			}
			continue
		}
		if id >= s.limit {
			return nil, fmt.Errorf("%w: %d pages", ErrFull, s.limit)
		}
		if last := len(runs) - 1; last >= 0 && runs[last].end() == id {
			runs[last].count++
		} else {
			runs = append(runs, run{id, 1})
		}
		n--
		if len(runs) > most {
			i := smallest(runs[:most])
			n += int(runs[i].count)
			runs = slices.Delete(runs, i, i+1)
		}
	}
	for _, r := range runs {
		for id := r.start; id < r.end(); id++ {
			s.take(id)
		}
	}
	return runs, nil
}

// smallest returns the first of the runs that have the fewest pages.
func smallest(runs []run) (at int) {
	for i, r := range runs {
		if r.count < runs[at].count {
			at = i
		}
	}
	return at
}

// release makes a page free that nobody can reach.
func (s *space) release(id pageID) {
	s.used[id/64] &^= 1 << (id % 64)
	s.count--
	s.first = min(s.first, int(id/64))
	for s.high > 0 && !s.has(s.high-1) {
		if s.high%64 == 0 && s.used[s.high/64-1] == 0 {
			s.high -= 64
		} else {
			s.high--
		}
	}
}

// reclaim lets go of pages that nobody can reach any more. newest is the version that
// readers get now, held are those that somebody holds. Each page that is let go is told
// to gone.
func (s *space) reclaim(newest uint64, held []uint64, gone func(pageID)) {
	slices.Sort(held)
	left := s.hold(slices.Compact(held))
	let := func(f freed) {
		if h := s.holderOf(f); h != nil {
			h.pages = append(h.pages, f)
			return
		}
		s.held--
		s.release(f.id)
		gone(f.id)
	}
	for _, h := range left {
		for _, f := range h.pages {
			let(f)
		}
	}
	seen := 0
	for ; seen < len(s.unseen) && s.unseen[seen].gone <= newest; seen++ {
		let(s.unseen[seen])
	}
	s.unseen = slices.Delete(s.unseen, 0, seen)
}

// hold makes these the holders, and returns those that are not any more.
func (s *space) hold(held []uint64) (left []holder) {
	same := func(h holder, tx uint64) bool { return h.tx == tx }
	if slices.EqualFunc(s.holders, held, same) {
		return nil
	}
	next := make([]holder, len(held))
	for i, tx := range held {
		next[i].tx = tx
		if h := s.holder(tx); h != nil {
			next[i].pages, h.pages = h.pages, nil
		}
	}
	left, s.holders = s.holders, next
	return left
}

// holderOf returns the newest who holds a page, nil if nobody does.
func (s *space) holderOf(f freed) *holder {
	i, _ := slices.BinarySearchFunc(s.holders, f.gone, compareHolder)
	if i > 0 && s.holders[i-1].tx >= f.born {
		return &s.holders[i-1]
	}
	return nil
}

func (s *space) holder(tx uint64) *holder {
	if i, found := slices.BinarySearchFunc(s.holders, tx, compareHolder); found {
		return &s.holders[i]
	}
	return nil
}

func compareHolder(h holder, tx uint64) int {
	switch {
	case h.tx < tx:
		return -1
	case h.tx > tx:
		return 1
	}
	return 0
}
