package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/plinth-go/plinth/lsm"
	"github.com/plinth-go/plinth/vfs"
	"github.com/plinth-go/plinth/wal"
)

// What is counted: a store is filled in random order, then as many entries are
// overwritten as it has five times over. The writer waits for compaction after each
// memtable (lsm_settle.go), so that the bytes are the same everywhere, and the disk
// is one in memory, because some thousand small tables would be synced for nothing:
// on a real one the counts are the same (TestCountedOnARealDisk).

const (
	memtablePut  = 176 // bytes of memory for each put, at the most
	overwrites   = 5   // of each key, on average
	samples      = 20  // in the time of overwriting
	sampleGets   = 500 // of each kind, at each sample
	sortedLevels = 6   // that a store has below level 0
)

// lsmSizes are what all stores have in common, so small that there are many levels
// of few entries. It is a plain value.
type lsmSizes struct {
	entries  int
	memtable int   // puts after which it becomes a table
	table    int64 // bytes of one that a compaction writes
	level0   int   // tables in level 0 that are merged
}

func countedSizes(entries int) lsmSizes { return lsmSizes{entries, 100, 16 << 10, 4} }

// countedLSM is a store of one design, and what it has shown.
type countedLSM struct {
	growth      int
	bits        float64 // of the filters, for each key
	compression lsm.Compression
	lsmSizes

	samples    []lsmSample
	entryBytes float64 // of an entry in the last level, at the end

	// Of the store's whole life, when it was closed: what the disk has counted, and what
	// the store itself says.
	puts    int64
	counts  vfs.Counts
	metrics lsm.Metrics
}

// lsmSample is the state of a store after some of the overwriting, and what that has
// taken since it began. Bytes are from the Counter.
type lsmSample struct {
	puts               int64
	flushed, compacted int64 // bytes written to tables
	space, peak        int64 // bytes of tables: now, and the most since the sample before
	gets               int64 // of each kind
	found, absent      int64 // blocks read by those Gets
}

// countedCells are all designs: growth, then filters, then compression.
func countedCells(sizes lsmSizes) (cells []*countedLSM) {
	for _, growth := range lsmGrowths {
		cells = append(cells, &countedLSM{growth: growth, bits: lsmBits, lsmSizes: sizes})
	}
	for _, bits := range lsmFilters {
		if bits != lsmBits {
			cells = append(cells, &countedLSM{growth: lsmGrowth, bits: bits, lsmSizes: sizes})
		}
	}
	return append(cells, &countedLSM{growth: lsmGrowth, bits: lsmBits, compression: lsm.S2, lsmSizes: sizes})
}

// The knobs. Never changed.
var (
	lsmGrowths = [...]int{2, 4, 10, 20}
	lsmFilters = [...]float64{0, 5, 10}
)

// The design that the others are compared with.
const (
	lsmGrowth = 10
	lsmBits   = 10
)

func (c *countedLSM) name() string {
	return fmt.Sprintf("lsm: growth %d, filters of %v bits, %s", c.growth, c.bits, compressionName(c.compression))
}

func compressionName(c lsm.Compression) string {
	if c == lsm.S2 {
		return "compressed"
	}
	return "not compressed"
}

// measure fills a store on a disk and overwrites it.
func (c *countedLSM) measure(ctx context.Context, fsys vfs.FS, dir string) (err error) {
	space := newTableSpace(fsys)
	disk := vfs.NewCounter(space)
	policy := newSettler(lsm.Leveled{Growth: c.growth, Level0: c.level0})
	db, err := lsm.Open(dir, lsm.Options{
		FS: disk, Durability: wal.Buffered, Policy: policy, Compression: c.compression,
		MemTableSize: int64(c.memtable) * memtablePut, TableSize: c.table,
		BloomBitsPerKey: filterBits(c.bits), BlockCacheSize: -1,
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }() // closing twice does nothing
	w := &countedWriter{db: db, policy: policy, keys: newLSMKeys(c.entries, 0, 1), memtable: int64(c.memtable)}
	for _, i := range w.keys.rnd.Perm(c.entries) {
		if err := w.put(ctx, i); err != nil {
			return err
		}
	}
	if err := w.settle(ctx); err != nil {
		return err
	}
	begin := disk.Counts()
	filled := w.puts
	w.puts = 0 // from now on
	space.used()
	// An odd number of memtables between two samples: so level 0 has each number of
	// tables as often.
	every := (overwrites*c.entries/samples/c.memtable | 1) * c.memtable
	for range samples {
		for range every {
			if err := w.put(ctx, w.keys.rnd.IntN(c.entries)); err != nil {
				return err
			}
		}
		if err := c.sample(ctx, w, disk, begin, space); err != nil {
			return err
		}
	}
	if err := verifyLSM(db, []*lsmKeys{w.keys}); err != nil {
		return err
	}
	if err := db.Close(); err != nil {
		return err
	}
	c.puts, c.counts, c.metrics = filled+w.puts, disk.Counts(), db.Metrics()
	last := c.metrics.Levels[len(c.metrics.Levels)-1]
	c.entryBytes = float64(last.Bytes) / float64(max(1, last.Entries))
	return nil
}

// filterBits are the bits as lsm.Options want them, for whom 0 is the default.
func filterBits(bits float64) float64 {
	if bits == 0 {
		return -1
	}
	return bits
}

// countedWriter puts keys and waits for compaction after each memtable.
type countedWriter struct {
	db     *lsm.DB
	policy *settler
	keys   *lsmKeys

	memtable  int64 // puts that it takes
	puts      int64
	unflushed int64  // of them
	flushes   uint64 // there have been
}

func (w *countedWriter) put(ctx context.Context, i int) error {
	if err := w.db.Put(w.keys.set(i)); err != nil {
		return err
	}
	w.puts++
	if w.unflushed++; w.unflushed == w.memtable {
		return w.settle(ctx)
	}
	return nil
}

// settle flushes and waits for compaction.
func (w *countedWriter) settle(ctx context.Context) error {
	if w.unflushed > 0 {
		w.unflushed = 0
		w.flushes++
	}
	return w.policy.settle(ctx, w.db, w.flushes)
}

// sample looks at the store, and reads from it.
func (c *countedLSM) sample(ctx context.Context, w *countedWriter, disk *vfs.Counter, begin vfs.Counts, space *tableSpace) error {
	if err := w.settle(ctx); err != nil {
		return err
	}
	before := disk.Counts()
	since := before.Sub(begin).Files
	s := lsmSample{puts: w.puts, gets: sampleGets, flushed: since[lsmFlush].BytesWritten, compacted: since[lsmCompaction].BytesWritten}
	s.space, s.peak = space.used()
	for range sampleGets {
		i := w.keys.rnd.IntN(c.entries)
		value, err := w.db.Get(w.keys.present(i))
		if err := w.keys.check(i, value, err); err != nil {
			return err
		}
	}
	between := disk.Counts()
	for range sampleGets {
		i := w.keys.rnd.IntN(c.entries)
		_, err := w.db.Get(w.keys.absent(i))
		if err := checkAbsent(err); err != nil {
			return err
		}
	}
	found, absent := between.Sub(before).Files[lsmRead], disk.Counts().Sub(between).Files[lsmRead]
	s.found, s.absent = found.Reads, absent.Reads
	c.samples = append(c.samples, s)
	return nil
}

// The derived numbers.

// live is how many bytes of keys and values there are.
func (c *countedLSM) live() float64 { return float64(c.entries) * lsmUserBytes }

func (c *countedLSM) end() lsmSample { return c.samples[len(c.samples)-1] }

// steady are the samples from the one on after which each key has been overwritten
// once on average, and that one. A store that was only filled has each key once;
// only later the last level has all of them, and those above what is newer.
func (c *countedLSM) steady() (first lsmSample, others []lsmSample) {
	return c.samples[samples/overwrites-1], c.samples[samples/overwrites:]
}

// writes is the write amplification in that time: bytes written to tables for each
// byte of keys and values. With the log, which takes the same for each put, it is all.
func (c *countedLSM) writes() (tables, all float64) {
	first, _ := c.steady()
	tables = c.end().since(first)
	return tables, tables + float64(c.counts.Files[wal.Category].BytesWritten)/float64(c.puts*lsmUserBytes)
}

// since is the same of the time between two samples, without the log.
func (s lsmSample) since(first lsmSample) float64 {
	written := s.flushed + s.compacted - first.flushed - first.compacted
	return float64(written) / float64((s.puts-first.puts)*lsmUserBytes)
}

// space is the mean of the samples, and peak the most that there was in between.
func (c *countedLSM) space() (mean, peak float64) {
	_, steady := c.steady()
	for _, s := range steady {
		mean += float64(s.space) / float64(len(steady))
		peak = max(peak, float64(s.peak))
	}
	return mean / c.live(), peak / c.live()
}

// reads is how many blocks a Get reads, in the mean of the samples, if the key is
// there and if it is not.
func (c *countedLSM) reads() (found, absent float64) {
	_, steady := c.steady()
	for _, s := range steady {
		found += float64(s.found) / float64(s.gets) / float64(len(steady))
		absent += float64(s.absent) / float64(s.gets) / float64(len(steady))
	}
	return found, absent
}

// model predicts the same numbers. What an entry takes in a table is the only thing
// that it is told of the store.
func (c *countedLSM) model() lsmModel {
	return lsmModel{
		entries: float64(c.entries), userBytes: lsmUserBytes, entryBytes: c.entryBytes,
		memEntries: float64(c.memtable), memBytes: float64(c.memtable) * memtablePut, tableBytes: float64(c.table),
		growth: float64(c.growth), level0: c.level0, bloomBits: c.bits, sortedLevels: sortedLevels,
	}
}
