package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/plinth-go/plinth/wal"
)

// lsmComparison measures stores beside each other: keys of 16 bytes, values of 100
// of which half compresses, a million of them. Writing begins with an empty store,
// reading with one that was filled in random order and compacted.
type lsmComparison struct{}

// lsmCell is one work.
type lsmCell struct {
	work       string
	durability wal.Durability // of writing
	threads    int
	compressed bool
}

const lsmEntries = 1_000_000

func (c lsmCell) String() string {
	if c.writes() {
		return fmt.Sprintf("LSM/work=%s/durability=%v/writers=%d", c.work, c.durability, c.threads)
	}
	return fmt.Sprintf("LSM/work=%s/threads=%d/compressed=%v", c.work, c.threads, c.compressed)
}

func (c lsmCell) writes() bool {
	return strings.HasPrefix(c.work, "fill") || c.work == "overwrite" || c.work == "put"
}

// lsmCells pairs like with like: Pebble's NoSync hands the log to another goroutine,
// as Buffered does; goleveldb writes it to the operating system, as Flushed does, and
// Badger to a mapped file.
func lsmCells() []lsmCell {
	var cells []lsmCell
	for _, d := range []wal.Durability{wal.Buffered, wal.Flushed} {
		for _, work := range []string{"fillseq", "fillrandom", "overwrite"} {
			cells = append(cells, lsmCell{work: work, durability: d, threads: 1})
		}
	}
	cells = append(cells, lsmCell{work: "put", durability: wal.Synced, threads: 1}, lsmCell{work: "put", durability: wal.Synced, threads: 16})
	for _, compressed := range []bool{false, true} {
		for _, threads := range []int{1, 2} {
			cells = append(cells, lsmCell{work: "readrandom", threads: threads, compressed: compressed})
		}
		for _, work := range []string{"readmissing", "readseq", "scan100", "readwhilewriting"} {
			cells = append(cells, lsmCell{work: work, threads: 1, compressed: compressed})
		}
	}
	return cells
}

func (lsmComparison) names() []string {
	var names []string
	for _, c := range lsmCells() {
		names = append(names, c.String())
	}
	return names
}

func (lc lsmComparison) run(ctx context.Context, s *session, chosen []int) error {
	picked, names := pick(lsmCells(), chosen), pick(lc.names(), chosen)
	results := newTable("operations/s", "%.0f", lsmImpls(), true)
	stores := lsmStores{base: s.base, entries: int(lsmEntries * s.scale)}
	defer stores.close()
	err := s.mixed(ctx, names, lsmImpls(), func(i int, impl string) error {
		rate, err := stores.measure(picked[i], impl)
		results.add(names[i], impl, rate)
		return err
	})
	if err != nil {
		return err
	}
	return results.print(s.out, names)
}

// lsmStores keeps the stores that are read, so that each is filled once.
type lsmStores struct {
	base    string
	entries int
	filled  map[string]lsmEngine
}

func (l *lsmStores) close() {
	for _, e := range l.filled {
		_ = e.Close()
	}
}

func (l *lsmStores) measure(c lsmCell, impl string) (float64, error) {
	if c.writes() {
		dir := filepath.Join(l.base, "written")
		defer os.RemoveAll(dir)
		e, err := openLSM(impl, dir, lsmConfig{durability: c.durability})
		if err != nil {
			return 0, err
		}
		rate, err := l.write(e, c)
		if closed := e.Close(); err == nil {
			err = closed
		}
		return rate, err
	}
	e, err := l.store(impl, c.compressed)
	if err != nil {
		return 0, err
	}
	return l.read(e, c)
}

// store returns a store that is filled and compacted.
func (l *lsmStores) store(impl string, compressed bool) (lsmEngine, error) {
	name := fmt.Sprintf("%s-%v", impl, compressed)
	if e := l.filled[name]; e != nil {
		return e, nil
	}
	e, err := openLSM(impl, filepath.Join(l.base, name), lsmConfig{durability: wal.Buffered, compressed: compressed})
	if err != nil {
		return nil, err
	}
	values := newLSMValues()
	for _, i := range rand.New(rand.NewPCG(3, 3)).Perm(l.entries) {
		if err := e.Put(lsmKey(i), values.next()); err != nil {
			return nil, err
		}
	}
	if l.filled == nil {
		l.filled = map[string]lsmEngine{}
	}
	l.filled[name] = e
	return e, e.Settle()
}

// lsmKey makes the key with a number.
func lsmKey(i int) []byte {
	b := make([]byte, 16)
	binary.BigEndian.PutUint64(b, uint64(i)*7)
	binary.BigEndian.PutUint64(b[8:], uint64(i)*0x9e3779b97f4a7c15)
	return b
}

// lsmValues makes values. It is not safe for concurrent use.
type lsmValues struct {
	rng   *rand.Rand
	value []byte
}

func newLSMValues() *lsmValues {
	return &lsmValues{rand.New(rand.NewPCG(4, 4)), make([]byte, 100)}
}

func (v *lsmValues) next() []byte {
	for i := 0; i < 50; i += 8 {
		binary.LittleEndian.PutUint64(v.value[i:], v.rng.Uint64())
	}
	return v.value
}

func (l *lsmStores) write(e lsmEngine, c lsmCell) (float64, error) {
	n := l.entries
	order := make([]int, n)
	for i := range order {
		order[i] = i
	}
	if c.work == "fillrandom" || c.work == "put" {
		order = rand.New(rand.NewPCG(5, 5)).Perm(n)
	}
	if c.work == "overwrite" {
		values := newLSMValues()
		for i := range n {
			if err := e.Put(lsmKey(i), values.next()); err != nil {
				return 0, err
			}
		}
		order = rand.New(rand.NewPCG(5, 5)).Perm(n)
	}
	if c.work == "put" {
		order = order[:min(n, 1500*c.threads)]
	}
	return timed(c.threads, len(order), func(thread int, from, to int) error {
		values := newLSMValues()
		for _, i := range order[from:to] {
			if err := e.Put(lsmKey(i), values.next()); err != nil {
				return err
			}
		}
		return nil
	})
}

func (l *lsmStores) read(e lsmEngine, c lsmCell) (float64, error) {
	switch c.work {
	case "readseq":
		return timed(1, l.entries, func(int, int, int) error {
			got, err := e.Walk(nil, l.entries)
			if err == nil && got != l.entries {
				err = fmt.Errorf("walked over %d entries of %d", got, l.entries)
			}
			return err
		})
	case "scan100":
		return timed(1, 20_000, func(_, from, to int) error {
			rng := rand.New(rand.NewPCG(6, 6))
			for range to - from {
				if _, err := e.Walk(lsmKey(rng.IntN(l.entries)), 100); err != nil {
					return err
				}
			}
			return nil
		})
	case "readwhilewriting":
		return l.readWhileWriting(e)
	}
	missing := c.work == "readmissing"
	return timed(c.threads, 400_000*c.threads, func(thread, from, to int) error {
		return l.readRandom(e, uint64(thread), to-from, missing)
	})
}

func (l *lsmStores) readRandom(e lsmEngine, seed uint64, n int, missing bool) error {
	rng := rand.New(rand.NewPCG(seed, 7))
	for range n {
		key := lsmKey(rng.IntN(l.entries))
		if missing {
			key[15] ^= 1
		}
		found, err := e.Get(key)
		if err != nil {
			return err
		}
		if found == missing {
			return fmt.Errorf("key %x: found %v", key, found)
		}
	}
	return nil
}

// readWhileWriting reads while somebody writes 20,000 entries a second, which are
// there already. It leaves the store compacted, for those who read it next.
func (l *lsmStores) readWhileWriting(e lsmEngine) (float64, error) {
	var stop atomic.Bool
	var writer sync.WaitGroup
	var failed error
	writer.Go(func() {
		rng, values, start := rand.New(rand.NewPCG(8, 8)), newLSMValues(), time.Now()
		for n := 0; !stop.Load() && failed == nil; n++ {
			failed = e.Put(lsmKey(rng.IntN(l.entries)), values.next())
			if n%100 == 0 {
				time.Sleep(time.Until(start.Add(time.Duration(n) * 50 * time.Microsecond)))
			}
		}
	})
	rate, err := timed(1, 200_000, func(thread, from, to int) error { return l.readRandom(e, 9, to-from, false) })
	stop.Store(true)
	writer.Wait()
	if err == nil {
		err = failed
	}
	return rate, errors.Join(err, e.Settle())
}

// timed shares n operations among goroutines and returns how many a second they did.
func timed(threads, n int, work func(thread, from, to int) error) (float64, error) {
	errs := make([]error, threads)
	var all sync.WaitGroup
	start := time.Now()
	for t := range threads {
		all.Go(func() { errs[t] = work(t, n*t/threads, n*(t+1)/threads) })
	}
	all.Wait()
	took := time.Since(start)
	for _, err := range errs {
		if err != nil {
			return 0, err
		}
	}
	return float64(n) / took.Seconds(), nil
}
