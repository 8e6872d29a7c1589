package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/plinth-go/plinth/wal"
)

// cell is one piece of work that every implementation is given.
type cell struct {
	verb       string // Append, AppendBatch, Open, Replay or Read
	durability wal.Durability
	writers    int // goroutines; they append in a closed loop
	size       int // bytes per record
	batch      int // records per AppendBatch
}

func (c cell) String() string {
	switch c.verb {
	case "Append":
		return fmt.Sprintf("Append/durability=%v/writers=%d/size=%d", c.durability, c.writers, c.size)
	case "AppendBatch":
		return fmt.Sprintf("AppendBatch/batch=%d/durability=%v", c.batch, c.durability)
	}
	return fmt.Sprintf("%s/size=%d", c.verb, c.size)
}

func (c cell) writing() bool { return c.verb == "Append" || c.verb == "AppendBatch" }

// readRecords is how long the log is that reading is measured on.
const readRecords = 100_000

// cells returns the whole comparison.
func cells() []cell {
	var all []cell
	for _, d := range []wal.Durability{wal.Synced, wal.Flushed, wal.Buffered} {
		for _, writers := range []int{1, 16, 64} {
			for _, size := range []int{128, 10 << 10} {
				all = append(all, cell{"Append", d, writers, size, 1})
			}
		}
	}
	all = append(all, cell{"AppendBatch", wal.Synced, 1, 128, 64})
	for _, verb := range []string{"Open", "Replay", "Read"} {
		all = append(all, cell{verb: verb, writers: 1, size: 128, batch: 1})
	}
	return all
}

// ops returns how many records one run of a cell handles. It depends on the
// implementation only where one commits many writers' records together and
// would be done before the clock has moved; what is compared are rates. No
// run writes more than 256 MiB.
func (c cell) ops(impl string, scale float64) int {
	n := readRecords
	switch {
	case c.verb == "AppendBatch":
		n = 1000 * c.batch
	case c.verb != "Append":
		return n
	case c.durability == wal.Synced && impl == implPlinth:
		n = 2000 * c.writers
	case c.durability == wal.Synced:
		n = 2000
	}
	n = min(int(float64(n)*scale), 256<<20/c.size)
	n = max(n, c.writers, c.batch)
	return n - n%c.batch
}

// run gives an implementation n records' worth of a cell's work in the empty
// directory dir and returns how long that took. Opening, closing, warming up
// and checking are not timed. A log that was written is opened again and must
// hold every record whole and in its writer's order; what is read is compared
// as it comes.
func run(c cell, impl, dir string, n int, timed func(work func() error) error) error {
	if !c.writing() {
		return runReads(c, impl, dir, n, timed)
	}
	d := c.durability
	e, err := open(impl, dir, d)
	if err != nil {
		return err
	}
	w := newWork(c)
	err = errors.Join(w.write(e, w.warmup()), timed(func() error { return w.write(e, n) }), e.Close())
	if err != nil {
		return fmt.Errorf("peers: %v by %s: %w", c, impl, err)
	}
	if err := w.verify(impl, dir); err != nil {
		return fmt.Errorf("peers: %v by %s: %w", c, impl, err)
	}
	return nil
}

// work is the writing side of a cell.
//
// A record begins with its writer's number and its number among that writer's
// records, 8 bytes little-endian each; pseudo-random bytes fill it up.
type work struct {
	c       cell
	filler  []byte
	written []int // by writer
}

func newWork(c cell) *work {
	chacha := rand.NewChaCha8([32]byte{1})
	w := &work{c: c, filler: make([]byte, c.size), written: make([]int, c.writers)}
	chacha.Read(w.filler)
	return w
}

// warmup is how many records go before the clock starts: enough to have the
// first segment made and its first bytes laid out.
func (w *work) warmup() int { return max(w.c.writers, w.c.batch) * 4 }

// write appends n records, divided among the writers.
func (w *work) write(e engine, n int) error {
	errs := make([]error, w.c.writers)
	var group sync.WaitGroup
	for i := range w.c.writers {
		share := n / w.c.writers
		if i < n%w.c.writers {
			share++
		}
		group.Go(func() { errs[i] = w.writer(e, i, share) })
	}
	group.Wait()
	return errors.Join(errs...)
}

// writer appends as one of the writers, and counts.
func (w *work) writer(e engine, i, n int) error {
	records := make([][]byte, w.c.batch)
	for j := range records {
		records[j] = bytes.Clone(w.filler)
		binary.LittleEndian.PutUint64(records[j], uint64(i))
	}
	for done := 0; done < n; done += len(records) {
		for j, r := range records {
			binary.LittleEndian.PutUint64(r[8:], uint64(w.written[i]+j))
		}
		var err error
		if w.c.verb == "AppendBatch" {
			err = e.AppendBatch(records)
		} else {
			err = e.Append(records[0])
		}
		if err != nil {
			return err
		}
		w.written[i] += len(records)
	}
	return nil
}

// verify opens the log again and accounts for every record.
func (w *work) verify(impl, dir string) (err error) {
	d := w.c.durability
	e, err := open(impl, dir, d)
	if err != nil {
		return err
	}
	defer closing(e, &err)
	next := make([]int, w.c.writers)
	err = e.Replay(func(r []byte) error { return w.check(r, next) })
	for i := range next {
		if err == nil && next[i] != w.written[i] {
			err = fmt.Errorf("writer %d wrote %d records, %d were read back", i, w.written[i], next[i])
		}
	}
	return err
}

// check compares a record with what its writer's next one must be.
func (w *work) check(r []byte, next []int) error {
	if len(r) != w.c.size || !bytes.Equal(r[16:], w.filler[16:]) {
		return fmt.Errorf("a record of %d bytes is not what was written", len(r))
	}
	i, seq := binary.LittleEndian.Uint64(r), binary.LittleEndian.Uint64(r[8:])
	if i >= uint64(len(next)) || seq != uint64(next[i]) {
		return fmt.Errorf("writer %d: record %d out of order", i, seq)
	}
	next[i]++
	return nil
}

// runReads prepares a log of readRecords and times what c says.
func runReads(c cell, impl, dir string, n int, timed func(func() error) error) (err error) {
	w := newWork(cell{"AppendBatch", wal.Synced, 1, c.size, 1000})
	e, err := open(impl, dir, wal.Synced)
	if err != nil {
		return err
	}
	if err := errors.Join(w.write(e, readRecords), e.Close()); err != nil {
		return err
	}
	reopen := func() error { e, err = open(impl, dir, wal.Synced); return err }
	if c.verb == "Open" {
		if err := timed(reopen); err != nil {
			return err
		}
		return e.Close()
	}
	if err := reopen(); err != nil {
		return err
	}
	defer closing(e, &err)
	if c.verb == "Replay" {
		return timed(func() error {
			next := make([]int, 1)
			err := e.Replay(func(r []byte) error { return w.check(r, next) })
			if err == nil && next[0] != w.written[0] {
				err = fmt.Errorf("%d of %d records were read", next[0], w.written[0])
			}
			return err
		})
	}
	order := rand.New(rand.NewPCG(1, 2)).Perm(readRecords)
	return timed(func() error { return w.readAll(e, order, n) })
}

// readAll reads n records in the given order, again and again if need be.
func (w *work) readAll(e engine, order []int, n int) error {
	next := make([]int, 1)
	for i := range n {
		at := order[i%len(order)]
		r, err := e.Read(uint64(at) + 1)
		if err != nil {
			return err
		}
		next[0] = at
		if err := w.check(r, next); err != nil {
			return err
		}
	}
	return nil
}

// measure runs a cell once and returns records per second.
func measure(c cell, impl, dir string, n int) (perSecond float64, err error) {
	var took time.Duration
	err = run(c, impl, dir, n, func(work func() error) error {
		start := time.Now()
		err := work()
		took = time.Since(start)
		return err
	})
	return float64(n) / took.Seconds(), err
}
