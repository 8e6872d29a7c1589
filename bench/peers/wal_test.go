package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/plinth-go/plinth/wal"
	"github.com/stretchr/testify/require"
)

var flagDir = flag.String("dir", os.Getenv(envDir), "measure in this directory instead of the temporary one")

// benchDir returns an empty directory on the disk that is to be measured.
func benchDir(b *testing.B) string {
	if *flagDir == "" {
		return filepath.Join(b.TempDir(), "log")
	}
	dir, err := os.MkdirTemp(*flagDir, "plinth-peers-")
	require.NoError(b, err)
	b.Cleanup(func() { require.NoError(b, os.RemoveAll(dir)) })
	return filepath.Join(dir, "log")
}

// BenchmarkAppend/impl=…/durability=…/writers=…/size=… appends single records;
// an operation is one record. The iterations are shared among the writers,
// which b.Loop, made for one goroutine, cannot do.
func BenchmarkAppend(b *testing.B) {
	benchmarkCells(b, "Append", func(b *testing.B, impl string, c cell) {
		b.SetBytes(int64(c.size))
		require.NoError(b, run(c, impl, benchDir(b), max(b.N, c.writers), timer(b)))
	})
}

// BenchmarkAppendBatch/impl=…/batch=64/durability=synced appends batches; an
// operation is one batch.
func BenchmarkAppendBatch(b *testing.B) {
	benchmarkCells(b, "AppendBatch", func(b *testing.B, impl string, c cell) {
		b.SetBytes(int64(c.size * c.batch))
		require.NoError(b, run(c, impl, benchDir(b), b.N*c.batch, timer(b)))
	})
}

// BenchmarkReplay/impl=…/size=128 reads a log of 100,000 records from the
// first to the last; an operation is the whole log.
func BenchmarkReplay(b *testing.B) { benchmarkReads(b, "Replay") }

// BenchmarkOpen/impl=…/size=128 opens that log.
func BenchmarkOpen(b *testing.B) { benchmarkReads(b, "Open") }

// BenchmarkRead/impl=…/size=128 reads 100,000 records in random order.
func BenchmarkRead(b *testing.B) { benchmarkReads(b, "Read") }

func benchmarkReads(b *testing.B, verb string) {
	benchmarkCells(b, verb, func(b *testing.B, impl string, c cell) {
		for b.Loop() {
			b.StopTimer()
			dir := benchDir(b)
			require.NoError(b, run(c, impl, dir, c.ops(impl, 1), func(work func() error) error {
				b.StartTimer()
				defer b.StopTimer()
				return work()
			}))
			require.NoError(b, os.RemoveAll(dir))
			b.StartTimer()
		}
	})
}

func benchmarkCells(b *testing.B, verb string, each func(*testing.B, string, cell)) {
	for _, impl := range impls() {
		for _, c := range cells() {
			if c.verb != verb || !offers(impl, c.durability) {
				continue
			}
			_, rest, _ := bytes.Cut([]byte(c.String()), []byte("/"))
			b.Run("impl="+impl+"/"+string(rest), func(b *testing.B) {
				b.ReportAllocs()
				each(b, impl, c)
			})
		}
	}
}

// timer lets only the work be timed.
func timer(b *testing.B) func(func() error) error {
	return func(work func() error) error {
		b.ResetTimer()
		err := work()
		b.StopTimer()
		return err
	}
}

// TestCells runs every cell by every implementation, with few records: each
// checks what it reads back.
func TestCells(t *testing.T) {
	for _, impl := range impls() {
		for _, c := range cells() {
			if !offers(impl, c.durability) {
				continue
			}
			t.Run(impl+"/"+c.String(), func(t *testing.T) {
				ran := 0
				err := run(c, impl, filepath.Join(t.TempDir(), "log"), c.ops(impl, 0.001), func(work func() error) error {
					ran++
					return work()
				})
				require.NoError(t, err)
				require.Equal(t, 1, ran)
			})
		}
	}
}

// TestVerifyFindsLoss proves the read-back: a record too few, too many, out of
// order or damaged is found.
func TestVerifyFindsLoss(t *testing.T) {
	c := cell{"Append", wal.Synced, 2, 128, 1}
	record := func(w *work, writer, seq, flip byte) []byte {
		r := bytes.Clone(w.filler)
		clear(r[:16])
		r[0], r[8] = writer, seq
		r[100] ^= flip
		return r
	}
	for name, c2 := range map[string]struct {
		tamper func(w *work, e engine) error
		want   string
	}{
		"lost":         {func(w *work, _ engine) error { w.written[1]++; return nil }, "writer 1 wrote 6 records, 5 were read back"},
		"repeated":     {func(w *work, e engine) error { return e.Append(record(w, 0, 4, 0)) }, "writer 0: record 4 out of order"},
		"of nobody":    {func(w *work, e engine) error { return e.Append(record(w, 2, 0, 0)) }, "writer 2: record 0 out of order"},
		"unasked":      {func(w *work, e engine) error { return e.Append(record(w, 0, 5, 0)) }, "writer 0 wrote 5 records, 6 were read back"},
		"damaged":      {func(w *work, e engine) error { return e.Append(record(w, 0, 5, 1)) }, "not what was written"},
		"cut short":    {func(w *work, e engine) error { return e.Append(record(w, 0, 5, 0)[:100]) }, "a record of 100 bytes"},
		"as it should": {func(*work, engine) error { return nil }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			for _, impl := range impls() {
				dir := filepath.Join(t.TempDir(), impl)
				e, err := open(impl, dir, c.durability)
				require.NoError(t, err)
				w := newWork(c)
				require.NoError(t, errors.Join(w.write(e, 10), c2.tamper(w, e), e.Close()))
				err = w.verify(impl, dir)
				if c2.want == "" {
					require.NoError(t, err, impl)
				} else {
					require.ErrorContains(t, err, c2.want, impl)
				}
			}
		})
	}
}

func TestOffers(t *testing.T) {
	_, err := open(implRaftWAL, t.TempDir(), wal.Flushed)
	require.ErrorContains(t, err, "raftwal has no mode flushed")
	_, err = open(implTidwall, t.TempDir(), wal.Buffered)
	require.ErrorContains(t, err, "tidwall has no mode buffered")
	c := cell{"Append", wal.Buffered, 1, 128, 1}
	require.Equal(t, wal.Flushed, c.rival(implTidwall).durability)
	require.Equal(t, c, c.rival(implPlinth))
	require.Equal(t, c, c.rival(implRaftWAL))
}

func TestProgram(t *testing.T) {
	for name, c := range map[string]struct {
		args []string
		code int
		want string
	}{
		"help":          {[]string{"-h"}, 0, "-rounds"},
		"unknown flag":  {[]string{"-x"}, 2, "-x"},
		"argument":      {[]string{"x"}, 2, `unexpected argument "x"`},
		"no rounds":     {[]string{"-rounds", "0"}, 2, "at least 1"},
		"no scale":      {[]string{"-scale", "NaN"}, 2, "above 0"},
		"bad pattern":   {[]string{"-run", "("}, 2, "-run: error parsing regexp"},
		"none selected": {[]string{"-run", "xyz"}, 2, "selects none of\n  Append/durability=synced/writers=1/size=128"},
		"no directory":  {[]string{"-dir", "/nonexistent/x"}, 1, "/nonexistent/x"},
		"one cell": {[]string{"-rounds", "2", "-scale", "0.001", "-run", "buffered/writers=1/size=128$"}, 0,
			"Append/durability=buffered/writers=1/size=128 *"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			var out bytes.Buffer
			require.Equal(t, c.code, program(context.Background(), append([]string{"-dir", dir}, c.args...), &out, &out), out.String())
			require.Contains(t, out.String(), c.want)
			left, err := os.ReadDir(dir)
			require.NoError(t, err)
			require.Empty(t, left, "temporary files are left")
		})
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	var out bytes.Buffer
	require.Equal(t, 1, program(ctx, []string{"-dir", t.TempDir()}, &out, &out))
	require.Contains(t, out.String(), "interrupted")
}

func TestTable(t *testing.T) {
	results := newTable("records/s", "%.0f", []string{implPlinth, implTidwall}, true)
	results.marks["b"] = " *"
	for _, r := range []float64{30, 10, 20} {
		results.add("a", implPlinth, r)
		results.add("a", implTidwall, 10)
		results.add("b", implPlinth, 1)
	}
	var out bytes.Buffer
	require.NoError(t, results.print(&out, []string{"a", "b"}))
	require.Regexp(t, `a +20 +10 +2\.00 \(1\.00–3\.00\)\n`, out.String())
	require.Regexp(t, `b \* +1 +- +-\n`, out.String())
	require.InDelta(t, 2.5, median([]float64{4, 1, 3, 2}), 0)
}
