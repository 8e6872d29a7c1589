package cache

// Sketch estimates how often a key was seen lately, in a fixed 8 bytes per
// entry of the cache (32 in a small one, whose few counters would have to count
// too many different keys), also for keys that the cache does not hold. It is the
// count-min sketch of Cormode and Muthukrishnan (2005) with four rows of 4-bit
// counters: a key adds to one counter per row, and its estimate is the smallest
// of the four, since every other key that shares a counter can only have made
// it larger. So an estimate is never too low, until aging.
//
// Aging makes "often" mean "often lately": when 15 additions per entry have
// come together, every counter is halved (TinyLFU: Einziger, Friedman and
// Manes, 2017, section 3.3, "reset").
//
// The four counters of a key lie in one block of 64 bytes, which is one cache
// line, so that a key costs one cache miss and not four:
//
//	block   | row 0  row 0 | row 1  row 1 | row 2  row 2 | row 3  row 3 |
//	         word 0  word 1  word 2  word 3  word 4  word 5  word 6  word 7
//	         each word: sixteen counters of 4 bits
//
// The paper's rows span the whole table. Blocks make a collision in all four
// rows likelier, by less than the hit ratio shows.
//
// A Sketch is not safe for concurrent use.
type Sketch struct {
	words  []uint64 // whole blocks
	added  int      // since the last halving
	period int
}

const (
	blockWords   = 8
	rows         = 4
	maxCount     = 15   // of a 4-bit counter
	agingPerSlot = 15   // additions per entry until all counters are halved
	smallSketch  = 2048 // words; up to here, it has four per entry
)

// NewSketch returns a sketch for a cache of so many entries.
func NewSketch(entries int) *Sketch {
	if entries < 1 {
		panic("cache: NewSketch: want at least one entry")
	}
	s := &Sketch{}
	s.resize(entries)
	return s
}

// Add counts n more sightings of the key with this hash and returns its new
// estimate.
func (s *Sketch) Add(hash uint64, n int) int {
	block, bits := s.locate(hash)
	least := maxCount
	for row := range rows {
		word, shift := counter(row, bits)
		count := int(block[word] >> shift & maxCount)
		more := min(n, maxCount-count)
		block[word] += uint64(more) << shift
		least = min(least, count+more)
		bits >>= 5
	}
	s.added += n
	if s.added >= s.period {
		s.halve()
		least /= 2
	}
	return least
}

// Estimate returns how often the key was seen: 0 to 15, and not less than it
// was since the last aging.
func (s *Sketch) Estimate(hash uint64) int {
	block, bits := s.locate(hash)
	least := uint64(maxCount)
	for row := range rows {
		word, shift := counter(row, bits)
		least = min(least, block[word]>>shift&maxCount)
		bits >>= 5
	}
	return int(least)
}

// locate returns the block of a key and the bits that choose its counters, five
// for each row. Hashes may come with only 32 good bits, so they are spread over
// 64 first; the upper half then chooses the block.
func (s *Sketch) locate(hash uint64) (*[blockWords]uint64, uint64) {
	hash ^= hash >> 32
	hash *= 0x9e3779b97f4a7c15
	hash ^= hash >> 29
	block := scale(uint32(hash>>32), len(s.words)/blockWords)
	return (*[blockWords]uint64)(s.words[block*blockWords:]), hash
}

// counter returns where the row's counter is: the word in the block and the
// shift in the word.
func counter(row int, bits uint64) (word int, shift uint64) {
	return 2*row + int(bits&1), bits >> 1 & 15 * 4
}

// halve divides every counter by two, sixteen at a time: the shift moves each
// counter's lowest bit into its neighbour, and the mask removes it there.
func (s *Sketch) halve() {
	for i, w := range s.words {
		s.words[i] = w >> 1 & 0x7777777777777777
	}
	s.added /= 2
}

// resize makes room for so many entries and keeps what was counted: a block of
// the new table is a copy of the one that held its keys before.
func (s *Sketch) resize(entries int) {
	before := s.words
	words := max(entries, min(4*entries, smallSketch))
	blocks := (words + blockWords - 1) / blockWords
	s.words = make([]uint64, blocks*blockWords)
	s.period = agingPerSlot * max(entries, blockWords)
	for b := 0; b < blocks && len(before) > 0; b++ {
		from := b * (len(before) / blockWords) / blocks
		copy(s.words[b*blockWords:][:blockWords], before[from*blockWords:])
	}
}

// scale maps 32 evenly distributed bits to 0 … n-1 without a division, for any
// n (Lemire, "Fast random integer generation in an interval", 2019).
func scale(bits uint32, n int) int {
	return int(uint64(bits) * uint64(n) >> 32)
}
