package lsm

import "bytes"

// Policy decides what is compacted, and when. It sees sizes and keys, never entries,
// and changes nothing: the store carries out what it picks. An implementation is
// safe for concurrent use.
type Policy interface {
	// Pick returns what is most urgent; ok is false if nothing is.
	Pick(l Layout) (task Task, ok bool)

	// Debt says how far writing is ahead of compaction: up to 1 nobody is slowed
	// down, at 2 writing stops until it is less.
	Debt(l Layout) float64
}

// Layout is what a policy sees of a store. It must not be changed: safe for
// concurrent readers; a writer needs exclusive access.
type Layout struct {
	// Levels has the tables of each level: in level 0 the newest first, with keys
	// that overlap; in others by key, without overlap.
	Levels [][]TableInfo

	// MemTableSize is about the size of a table in level 0, and TableSize that of
	// one in another level.
	MemTableSize, TableSize int64
}

// TableInfo is what a policy sees of a table. It must not be changed: safe for
// concurrent readers; a writer needs exclusive access.
type TableInfo struct {
	Number            uint64
	Size              int64
	Entries, Deletes  uint64
	Smallest, Largest []byte
}

// Task is a compaction: the tables of a level are merged into another one below, or
// into the same. The store adds what belongs to it: tables of the output level whose
// keys overlap. It fails with what would put older entries above newer ones: for
// another level, no table of one between may have keys in the span of the tables; for
// the same, the tables must stand side by side. It must not be changed: safe for concurrent readers; a writer
// needs exclusive access.
type Task struct {
	Level, Output int
	Tables        []uint64 // of Level; all older ones of level 0 that overlap must be among them
}

// Leveled keeps one sorted run in each level, each Growth times larger than the one
// above. Reading has one place to look in each level; writing rewrites, for a table
// that moves down, what is below it.
//
// The sizes are measured from the bottom: the last level is what it is, and the
// others are a Growth-th of the one below. So at most a Growth-th of the store lies
// in levels above the last one, and can be old versions of what is in it (Dong and
// others, "Optimizing Space Amplification in RocksDB", CIDR 2017). Levels that would
// be smaller than a few memtables are left out: level 0 is merged into the first
// that is not, the base.
//
// A level that is too large gives away the table that has least below it: that costs
// least for what it brings.
//
// It is a plain value: safe for concurrent use.
type Leveled struct {
	Growth  int // 0 stands for 10
	Level0  int // tables in level 0 that are merged; 0 stands for 4
	Stopped int // tables in level 0 at which writing stops; 0 stands for Level0 + 16
}

func (p Leveled) withDefaults() Leveled {
	if p.Growth < 2 {
		p.Growth = 10
	}
	if p.Level0 < 1 {
		p.Level0 = 4
	}
	if p.Stopped <= p.Level0 {
		p.Stopped = p.Level0 + 16
	}
	return p
}

// targets returns the size that each level may have, and the base.
func (p Leveled) targets(l Layout) (targets []int64, base int) {
	last := len(l.Levels) - 1
	targets = make([]int64, len(l.Levels))
	target := max(total(l.Levels[last]), 1)
	smallest := int64(p.Level0) * l.MemTableSize
	base = last
	for level := last; level > 0; level-- {
		targets[level] = max(target, smallest)
		base = level
		if target <= smallest {
			break
		}
		target /= int64(p.Growth)
	}
	for level := 1; level < base; level++ {
		if len(l.Levels[level]) > 0 { // from a time when the store was larger
			return targets, level
		}
	}
	return targets, base
}

func total(tables []TableInfo) (size int64) {
	for _, t := range tables {
		size += t.Size
	}
	return size
}

// Pick returns the level that is most above its target.
func (p Leveled) Pick(l Layout) (Task, bool) {
	p = p.withDefaults()
	targets, base := p.targets(l)
	worst, score := -1, 1.0
	if n := float64(len(l.Levels[0])) / float64(p.Level0); n >= score {
		worst, score = 0, n
	}
	for level := base; level < len(l.Levels)-1; level++ {
		if s := float64(total(l.Levels[level])) / float64(max(1, targets[level])); s > score {
			worst, score = level, s
		}
	}
	switch worst {
	case -1:
		return Task{}, false
	case 0:
		task := Task{Level: 0, Output: base}
		for _, t := range l.Levels[0] {
			task.Tables = append(task.Tables, t.Number)
		}
		return task, true
	}
	return Task{Level: worst, Output: worst + 1, Tables: []uint64{cheapest(l.Levels[worst], l.Levels[worst+1])}}, true
}

// cheapest returns the table with the least overlap in the level below, for its
// size; what is deleted in it counts as size too, since it frees space below.
func cheapest(tables, below []TableInfo) uint64 {
	best, least := tables[0].Number, -1.0
	for _, t := range tables {
		overlap := int64(0)
		for _, b := range below {
			if bytes.Compare(b.Largest, t.Smallest) >= 0 && bytes.Compare(b.Smallest, t.Largest) <= 0 {
				overlap += b.Size
			}
		}
		weight := float64(t.Size) * (1 + float64(t.Deletes)/float64(max(1, t.Entries)))
		if cost := float64(overlap) / max(1, weight); least < 0 || cost < least {
			best, least = t.Number, cost
		}
	}
	return best
}

// Debt grows with the tables in level 0, which every reader has to look at: writers are
// slowed down from a quarter of the way between Level0 and Stopped on.
func (p Leveled) Debt(l Layout) float64 {
	p = p.withDefaults()
	slow := p.Level0 + (p.Stopped-p.Level0)/4
	return 1 + float64(len(l.Levels[0])-slow)/float64(p.Stopped-slow)
}
