package main

import "math"

// lsmModel predicts what a store with leveled compaction costs, from its sizes alone.
//
// The load: n keys, each as likely to be overwritten as any other, so that k puts
// have set n·(1−e^(−k/n)) different ones. A level with s of the keys has density
// d = s/n: so likely is it that a key which comes into it is there already, and takes
// the older entry's place.
//
// Sizes. The last level has all keys. Each one above has a Growth-th of the one below,
// down to the base, which has what Level0 memtables take (lsm.Leveled).
//
// Writes, in entries for each put, each entry once for
//
//	the flush   1
//	the base    Level0 tables are merged with all of it: (x + s − x·s/n) / k for the
//	            k puts in them, which have set x keys
//	the others  a table that moves from a level of s keys into one of s' = r·s is
//	            merged with what overlaps: r/2 + edge, and 1−d' for itself
//
// Why r/2 and not r: what lies in the level since the last merge of that place gets
// denser there with time, from nothing to twice the mean. The table that goes is of
// the densest: it spans half as much of the level below as one of mean density would.
// So do Dayan and Idreos count, (T−1)/2 for a level (Dostoevsky, SIGMOD 2018, equation
// 12, with one run in each), and Lim, Andersen and Kaminsky find that r, the worst
// case, is 1.8 to 3.5 times too much (Towards Accurate and Fast Evaluation of
// Multi-Stage Log-structured Designs, FAST 2016). The ends of a table are ends of no
// table below: one table more on average, and less because the one with the least
// overlap is taken. How much less is measured, not derived: edge is the only number
// that was fitted.
//
// What a level replaces goes no further: of what comes in, 1−d goes on to the next.
//
// Space: all levels, and on average half of the tables that level 0 may have. At the
// peak level 0 is full, and the largest merge has written all of its output and removed
// nothing: that of level 0 with the base, or of one table with what it may span at
// most, r/2 tables and one at each end.
//
// Reads: blocks for each Get, from the newest tables to the last level, until one has
// the key. A filter that errs costs a block, without filters every table does. When
// level 0 has been merged, the base is too large and gives tables away, so that it
// spans as much of the keys as it keeps of them; the others span all. A filter has lines of 512 bits (Putze, Sanders and Singler, Cache-, Hash- and
// Space-Efficient Bloom Filters, WEA 2007, 3): keys fall into them by Poisson's law,
// and each line is a small filter of its own.
//
// A plain value: safe for concurrent use.
type lsmModel struct {
	entries      float64 // n: keys that are alive
	userBytes    float64 // of a key and its value
	entryBytes   float64 // of an entry in a table, with its part of index, filter and frames
	memEntries   float64 // puts until a memtable becomes a table
	memBytes     float64 // lsm.Options.MemTableSize: of memory, where entries are larger
	tableBytes   float64 // lsm.Options.TableSize
	growth       float64
	level0       int
	bloomBits    float64 // for each key; none if not positive
	sortedLevels int     // that there are at most
}

// lsmPrediction is what the model says. It is a plain value.
type lsmPrediction struct {
	writes        float64 // bytes of tables written for each byte put
	space, peak   float64 // bytes of tables for each byte that is alive
	found, absent float64 // blocks for each Get
}

// How far the model may be from what is counted, as a part of that: seen of stores with
// growths of 2 to 20, memtables of 40 to 200 entries, tables of 8 to 64 KiB, 2 to 8
// tables in level 0, with filters or without, compressed or not (TestModel in
// lsm_model_test.go). Farthest off is it for tables so large that a level is few of
// them, and for filters of so few keys that a line is not full.
const (
	writesWithin = 0.17
	spaceWithin  = 0.12
	peakWithin   = 0.12
	foundWithin  = 0.20
	absentWithin = 0.50
)

// edge is how many tables of the next level a merge takes beside those that it has to.
const edge = 0.4

func (m lsmModel) predict() lsmPrediction {
	levels, base := m.levels(), m.levels()[0]
	puts := float64(m.level0) * m.memEntries // of a full level 0
	merged := m.distinct(puts)
	output := merged + base - merged*base/m.entries

	writes := m.distinct(m.memEntries)/m.memEntries + output/puts
	moving := merged / puts * (1 - base/m.entries) // entries that go on, for each put
	total, largest := base, output                 // of all outputs of one compaction
	for i, size := range levels[1:] {
		density, below := size/m.entries, size/levels[i]/2
		writes += moving * (below + edge + 1 - density)
		moving *= 1 - density
		total += size
		largest = max(largest, (below+2)*m.tableBytes/m.entryBytes)
	}
	onDisk := m.entryBytes / m.userBytes
	p := lsmPrediction{
		writes: writes * onDisk,
		space:  (total + float64(m.level0-1)/2*m.memEntries) / m.entries * onDisk,
		peak:   (total + puts + largest) / m.entries * onDisk,
	}
	p.found, p.absent = m.reads(levels, base/output)
	return p
}

// distinct is how many keys so many puts have set.
func (m lsmModel) distinct(puts float64) float64 { return m.entries * (1 - math.Exp(-puts/m.entries)) }

// levels are the sizes from the base to the last, in entries.
func (m lsmModel) levels() []float64 {
	smallest := float64(m.level0) * m.memBytes / m.entryBytes
	sizes := []float64{max(m.entries, smallest)}
	for target := m.entries; target > smallest && len(sizes) < m.sortedLevels; {
		target /= m.growth
		sizes = append([]float64{max(target, smallest)}, sizes...)
	}
	return sizes
}

// reads averages over the tables that level 0 has: none up to all but one of those
// that would be merged, each as often.
func (m lsmModel) reads(levels []float64, covered float64) (found, absent float64) {
	flushed := m.mistaken(m.memEntries)
	merged := m.mistaken(m.tableBytes / m.entryBytes)
	for tables := range m.level0 {
		missing := 1.0 // how likely it is that no newer table had the key
		for range tables {
			has := m.memEntries / m.entries
			found += missing * (has + (1-has)*flushed)
			absent += flushed
			missing *= 1 - has
		}
		for i, size := range levels {
			has, asked := min(1, size/m.entries), 1.0
			if i == 0 {
				asked = max(has, covered)
			}
			found += missing * (has + (asked-has)*merged)
			absent += asked * merged
			missing *= 1 - has
		}
	}
	return found / float64(m.level0), absent / float64(m.level0)
}

// mistaken is how likely the filter of a table of so many keys says yes to another
// key, which is certain without one.
func (m lsmModel) mistaken(keys float64) (p float64) {
	if m.bloomBits <= 0 {
		return 1
	}
	const lineBits = 512
	lines := math.Ceil(keys * m.bloomBits / lineBits)
	mean := keys / lines
	probes := math.Floor(0.62*m.bloomBits + 0.5) // as lsm/sst chooses them
	poisson := math.Exp(-mean)
	for k := 0.0; k < 4*mean+20; k++ {
		set := 1 - math.Pow(1-1.0/lineBits, k*probes) // of the bits of a line with k keys
		p += poisson * math.Pow(set, probes)
		poisson *= mean / (k + 1)
	}
	return p
}
