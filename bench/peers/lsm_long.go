package main

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/plinth-go/plinth/wal"
)

// lsmLong writes for so long that compaction has to keep up: five million entries in
// random order, and a million that are then overwritten five times, at random. It asks
// what the other comparison does not see: how much was written to the disk for each
// byte that was put, how long the longest Put took, and how large the store is then.
type lsmLong struct{}

func lsmLongCells() []lsmLongCell {
	return []lsmLongCell{{"fillrandom", 5, 0}, {"overwrite", 1, 5}}
}

// lsmLongCell is one work, in millions of entries.
type lsmLongCell struct {
	work             string
	fill, overwrites int
}

func (c lsmLongCell) String() string {
	return fmt.Sprintf("LSMLong/work=%s/durability=buffered/millions=%d", c.work, c.fill+c.overwrites)
}

func (lsmLong) names() []string {
	var names []string
	for _, c := range lsmLongCells() {
		names = append(names, c.String())
	}
	return names
}

func (l lsmLong) run(ctx context.Context, s *session, chosen []int) error {
	picked, names := pick(lsmLongCells(), chosen), pick(l.names(), chosen)
	tables := []*table{
		newTable("operations/s", "%.0f", lsmImpls(), true),
		newTable("longest Put, ms", "%.1f", lsmImpls(), true),
		newTable("99.99 % of Puts within, ms", "%.2f", lsmImpls(), true),
		newTable("bytes in the directory / bytes of entries", "%.2f", lsmImpls(), true),
		newTable("bytes written / bytes put", "%.2f", lsmImpls(), true),
	}
	err := s.mixed(ctx, names, lsmImpls(), func(i int, impl string) error {
		r, err := picked[i].measure(impl, filepath.Join(s.base, "long"), int(lsmEntries*s.scale))
		for t, value := range []float64{r.rate, r.longest, r.late, r.space, r.written} {
			if t < 4 || r.known && impl != implBadger {
				tables[t].add(names[i], impl, value)
			}
		}
		return err
	})
	if err != nil {
		return err
	}
	for _, t := range tables {
		if err := t.print(s.out, names); err != nil {
			return err
		}
	}
	return nil
}

// lsmLongResult is what a run has shown; see the tables.
type lsmLongResult struct {
	rate, longest, late, written, space float64
	known                               bool // what was written
}

// measure runs a work on an empty store, up to its Close.
func (c lsmLongCell) measure(impl, dir string, million int) (r lsmLongResult, err error) {
	defer os.RemoveAll(dir)
	e, err := openLSM(impl, dir, lsmConfig{durability: wal.Buffered})
	if err != nil {
		return r, err
	}
	before, known := bytesWritten()
	puts := longPuts{engine: e, values: newLSMValues()}
	start := time.Now()
	for _, i := range rand.New(rand.NewPCG(5, 5)).Perm(c.fill * million) {
		puts.put(i)
	}
	rng := rand.New(rand.NewPCG(6, 6))
	for range c.overwrites * million {
		puts.put(rng.IntN(million))
	}
	took := time.Since(start)
	if closed := e.Close(); puts.err == nil {
		puts.err = closed
	}
	n := (c.fill + c.overwrites) * million
	r.rate = float64(n) / took.Seconds()
	r.longest, r.late = puts.slowest()
	if after, ok := bytesWritten(); ok && known {
		r.known = true
		r.written = float64(after-before) / float64(n*lsmEntrySize)
	}
	size, err := directorySize(dir)
	r.space = float64(size) / float64(c.fill*million*lsmEntrySize)
	if puts.err != nil {
		err = puts.err
	}
	return r, err
}

// longPuts puts, one after the other, and keeps how long the slowest took. It is not
// safe for concurrent use.
type longPuts struct {
	engine lsmEngine
	values *lsmValues
	counts [40_000]int // of Puts that took so many tenths of a millisecond; the last also longer
	max    time.Duration
	n      int
	err    error
}

func (p *longPuts) put(i int) {
	if p.err != nil {
		return
	}
	start := time.Now()
	p.err = p.engine.Put(lsmKey(i), p.values.next())
	took := time.Since(start)
	p.max = max(p.max, took)
	p.counts[min(int(took/(100*time.Microsecond)), len(p.counts)-1)]++
	p.n++
}

// slowest returns the longest and the 99.99th percentile, in milliseconds.
func (p *longPuts) slowest() (longest, late float64) {
	rest := p.n / 10_000
	i := len(p.counts) - 1
	for ; i > 0 && rest >= p.counts[i]; i-- {
		rest -= p.counts[i]
	}
	return p.max.Seconds() * 1000, float64(i+1) / 10
}

// bytesWritten returns what this process has handed to the operating system in write
// calls; ok is false where it does not say. What goes through a mapped file, as much
// of Badger does, is not in it.
func bytesWritten() (n int64, ok bool) {
	b, err := os.ReadFile("/proc/self/io")
	for line := range bytes.Lines(b) {
		if rest, found := bytes.CutPrefix(line, []byte("wchar: ")); found {
			n, err = strconv.ParseInt(string(bytes.TrimSpace(rest)), 10, 64)
			return n, err == nil
		}
	}
	return 0, false
}

func directorySize(dir string) (total int64, err error) {
	err = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err == nil {
			total += info.Size()
		}
		return err
	})
	return total, err
}
