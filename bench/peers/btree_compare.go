package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// treeComparison measures B+trees on disk beside each other, with the entries of the
// other stores: keys of 16 bytes, values of 100, a million of them. Loading begins with
// an empty store; putting and reading with one that was loaded in random order, a
// thousand entries a transaction.
type treeComparison struct{}

// treeCell is one work.
type treeCell struct {
	work    string
	synced  bool // what is written
	threads int
}

const (
	treeBatch    = 1000
	lsmEntrySize = 16 + 100

	treePut     = "put"
	treeLoad    = "fillrandom"
	treeSorted  = "fillseq"
	treeGet     = "get"
	treeMissing = "getmissing"
	treeGetMany = "getmany"
	treeScan    = "scan"
	treeScan100 = "scan100"
	treeBytes   = "putbytes"
)

func (c treeCell) String() string {
	switch c.work {
	case treePut:
		return fmt.Sprintf("BTree/work=put/durability=synced/writers=%d", c.threads)
	case treeLoad, treeSorted:
		return fmt.Sprintf("BTree/work=%s/durability=flushed/batch=%d", c.work, treeBatch)
	case treeBytes:
		return "BTree/work=put/durability=flushed/writers=1"
	}
	return fmt.Sprintf("BTree/work=%s/threads=%d", c.work, c.threads)
}

func treeCells() []treeCell {
	return []treeCell{
		{treePut, true, 1}, {treePut, true, 16}, {treeBytes, false, 1},
		{treeLoad, false, 1}, {treeSorted, false, 1},
		{treeGet, false, 1}, {treeGet, false, 2}, {treeMissing, false, 1}, {treeGetMany, false, 1},
		{treeScan, false, 1}, {treeScan100, false, 1},
	}
}

func (treeComparison) names() []string {
	var names []string
	for _, c := range treeCells() {
		names = append(names, c.String())
	}
	return names
}

func (tc treeComparison) run(ctx context.Context, s *session, chosen []int) error {
	picked, names := pick(treeCells(), chosen), pick(tc.names(), chosen)
	rates := newTable("operations/s", "%.0f", treeImpls(), true)
	sizes := newTable("bytes of the file / bytes of entries", "%.2f", treeImpls(), true)
	writes := newTable("bytes written / bytes put", "%.1f", treeImpls(), true)
	stores := treeStores{base: s.base, entries: int(lsmEntries * s.scale)}
	defer stores.close()
	err := s.mixed(ctx, names, treeImpls(), func(i int, impl string) error {
		r, err := stores.measure(picked[i], impl)
		rates.add(names[i], impl, r.rate)
		if r.size > 0 {
			sizes.add(names[i], impl, r.size)
		}
		if r.written > 0 {
			writes.add(names[i], impl, r.written)
		}
		return err
	})
	if err != nil {
		return err
	}
	if stores.delay > 0 {
		fmt.Fprintf(s.out, "bbolt's Batch waits %v, with which it was fastest\n", stores.delay)
	}
	for _, t := range []*table{rates, sizes, writes} {
		var some []string
		for _, name := range names {
			if t.values[name] != nil {
				some = append(some, name)
			}
		}
		if len(some) == 0 {
			continue
		}
		if err := t.print(s.out, some); err != nil {
			return err
		}
	}
	return nil
}

// treeResult is what a run has shown; 0 is not measured.
type treeResult struct{ rate, size, written float64 }

// treeStores keeps the stores that are read, so that each is filled once.
type treeStores struct {
	base    string
	entries int
	filled  map[string]treeEngine
	delay   time.Duration // of bbolt's Batch, the best; 0 if nobody has tried
}

func (t *treeStores) close() {
	for _, e := range t.filled {
		_ = e.Close()
	}
}

func (t *treeStores) measure(c treeCell, impl string) (treeResult, error) {
	switch c.work {
	case treeLoad, treeSorted:
		return t.load(c, impl)
	case treeBytes:
		return t.putBytes(impl)
	case treePut:
		return t.put(c, impl)
	}
	e, err := t.store(impl)
	if err != nil {
		return treeResult{}, err
	}
	rate, err := t.read(e, c)
	return treeResult{rate: rate}, err
}

// load fills an empty store, and closes it: then it is as large as it is.
func (t *treeStores) load(c treeCell, impl string) (r treeResult, err error) {
	dir := filepath.Join(t.base, "loaded")
	defer os.RemoveAll(dir)
	e, err := openTree(impl, dir, c.synced, 0)
	if err != nil {
		return r, err
	}
	order := inOrder(t.entries)
	if c.work == treeLoad {
		order = rand.New(rand.NewPCG(5, 5)).Perm(t.entries)
	}
	r.rate, err = timed(1, len(order), func(int, int, int) error { return putBatches(e, order, c.work == treeSorted) })
	if closed := e.Close(); err == nil {
		err = closed
	}
	if err != nil {
		return r, err
	}
	bytes, err := e.Bytes()
	r.size = float64(bytes) / float64(t.entries*lsmEntrySize)
	return r, err
}

func inOrder(n int) []int {
	order := make([]int, n)
	for i := range order {
		order[i] = i
	}
	return order
}

// putBatches puts entries by number, a batch in each transaction. The batches lie in the
// same memory, one after the other: what is timed should be the store.
func putBatches(e treeEngine, order []int, rising bool) error {
	source, memory := newLSMValues(), make([]byte, 0, treeBatch*lsmEntrySize)
	keys, values := make([][]byte, 0, treeBatch), make([][]byte, 0, treeBatch)
	add := func(to [][]byte, b []byte) [][]byte {
		memory = append(memory, b...)
		return append(to, memory[len(memory)-len(b):])
	}
	for batch := range slices.Chunk(order, treeBatch) {
		keys, values, memory = keys[:0], values[:0], memory[:0]
		for _, i := range batch {
			keys, values = add(keys, lsmKey(i)), add(values, source.next())
		}
		if err := e.PutAll(keys, values, rising); err != nil {
			return err
		}
	}
	return nil
}

// fill makes a store that was loaded in random order.
func (t *treeStores) fill(impl, dir string) error {
	e, err := openTree(impl, dir, false, 0)
	if err != nil {
		return err
	}
	err = putBatches(e, rand.New(rand.NewPCG(3, 3)).Perm(t.entries), false)
	if closed := e.Close(); err == nil {
		err = closed
	}
	return err
}

// store returns a store to read from.
func (t *treeStores) store(impl string) (treeEngine, error) {
	if e := t.filled[impl]; e != nil {
		return e, nil
	}
	dir := filepath.Join(t.base, "read-"+impl)
	if err := t.fill(impl, dir); err != nil {
		return nil, err
	}
	e, err := openTree(impl, dir, false, 0)
	if err != nil {
		return nil, err
	}
	if t.filled == nil {
		t.filled = map[string]treeEngine{}
	}
	t.filled[impl] = e
	_, err = e.Walk(nil, t.entries) // all of it is in memory then
	return e, err
}

// put puts entries that are there already, each in a synced transaction.
func (t *treeStores) put(c treeCell, impl string) (r treeResult, err error) {
	delay := time.Duration(0)
	if c.threads > 1 && impl == implBbolt {
		if err := t.findDelay(c); err != nil {
			return r, err
		}
		delay = t.delay
	}
	r.rate, err = t.putFor(c, impl, delay, min(t.entries, 1500*c.threads))
	return r, err
}

// findDelay tries how long bbolt's Batch should wait for others, once.
func (t *treeStores) findDelay(c treeCell) error {
	if t.delay > 0 {
		return nil
	}
	best := 0.0
	for _, delay := range []time.Duration{50 * time.Microsecond, 200 * time.Microsecond, time.Millisecond, 3 * time.Millisecond, 10 * time.Millisecond} {
		rate, err := t.putFor(c, implBbolt, delay, min(t.entries, 200*c.threads))
		if err != nil {
			return err
		}
		if rate > best {
			best, t.delay = rate, delay
		}
	}
	return nil
}

func (t *treeStores) putFor(c treeCell, impl string, delay time.Duration, n int) (float64, error) {
	dir := filepath.Join(t.base, "put-"+impl)
	if _, err := os.Stat(dir); os.IsNotExist(err) {
		if err := t.fill(impl, dir); err != nil {
			return 0, err
		}
	}
	e, err := openTree(impl, dir, true, delay)
	if err != nil {
		return 0, err
	}
	if _, err := e.Walk(nil, t.entries); err != nil {
		return 0, err
	}
	rate, err := timed(c.threads, n, func(thread, from, to int) error {
		rng, values := rand.New(rand.NewPCG(uint64(thread), 5)), newLSMValues()
		for range to - from {
			if err := e.Put(lsmKey(rng.IntN(t.entries)), values.next()); err != nil {
				return err
			}
		}
		return nil
	})
	if closed := e.Close(); err == nil {
		err = closed
	}
	return rate, err
}

// putBytes puts a fifth of the entries again, each in a transaction, up to Close, and
// counts what is written. Nothing is synced, which changes the time and not the bytes.
func (t *treeStores) putBytes(impl string) (r treeResult, err error) {
	dir := filepath.Join(t.base, "bytes")
	defer os.RemoveAll(dir)
	if err := t.fill(impl, dir); err != nil {
		return r, err
	}
	e, err := openTree(impl, dir, false, 0)
	if err != nil {
		return r, err
	}
	before, known := bytesWritten()
	n := t.entries / 5
	r.rate, err = timed(1, n, func(_, from, to int) error {
		rng, values := rand.New(rand.NewPCG(6, 5)), newLSMValues()
		for range to - from {
			if err := e.Put(lsmKey(rng.IntN(t.entries)), values.next()); err != nil {
				return err
			}
		}
		return nil
	})
	if closed := e.Close(); err == nil {
		err = closed
	}
	if after, _ := bytesWritten(); known {
		r.written = float64(after-before) / float64(n*lsmEntrySize)
	}
	return r, err
}

func (t *treeStores) read(e treeEngine, c treeCell) (float64, error) {
	n := 400_000 * c.threads
	switch c.work {
	case treeScan:
		return timed(1, t.entries, func(int, int, int) error { return t.walk(e, 0, t.entries) })
	case treeScan100:
		return timed(1, 50_000, func(_, from, to int) error {
			rng := rand.New(rand.NewPCG(6, 6))
			for range to - from {
				if err := t.walk(e, rng.IntN(t.entries), 100); err != nil {
					return err
				}
			}
			return nil
		})
	case treeGetMany:
		rng := rand.New(rand.NewPCG(1, 7))
		return timed(1, n, func(int, int, int) error {
			found, err := e.GetAll(n, func(int) []byte { return lsmKey(rng.IntN(t.entries)) })
			if err == nil && found != n {
				err = fmt.Errorf("found %d of %d", found, n)
			}
			return err
		})
	}
	return timed(c.threads, n, func(thread, from, to int) error {
		rng := rand.New(rand.NewPCG(uint64(thread), 7))
		for range to - from {
			key := lsmKey(rng.IntN(t.entries))
			if c.work == treeMissing {
				key[15] ^= 1
			}
			if found, err := e.Get(key); err != nil || found != (c.work == treeGet) {
				return fmt.Errorf("key %x: found %v, %v", key, found, err)
			}
		}
		return nil
	})
}

// walk goes over n entries from one on, or as many as there are.
func (t *treeStores) walk(e treeEngine, from, n int) error {
	visited, err := e.Walk(lsmKey(from), n)
	if want := min(n, t.entries-from); err == nil && visited != want {
		err = fmt.Errorf("walked over %d entries of %d", visited, want)
	}
	return err
}
