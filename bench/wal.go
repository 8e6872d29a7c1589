package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/plinth-go/plinth/bench/hist"
	"github.com/plinth-go/plinth/bench/load"
	"github.com/plinth-go/plinth/bench/plot"
	"github.com/plinth-go/plinth/bench/report"
	"github.com/plinth-go/plinth/vfs"
	"github.com/plinth-go/plinth/wal"
)

// The experiment of package wal: how many records a second it stores, and how
// long each takes, for each durability, number of writers and record size.
func walExperiment() experiment {
	return experiment{
		name:  "wal",
		about: "write-ahead log: durability × writers × record size",
		disk:  true,
		run:   runWAL,
	}
}

// What is combined. Never changed.
var (
	walDurabilities = [...]wal.Durability{wal.Synced, wal.Flushed, wal.Buffered}
	walWriters      = [...]int{1, 4, 16, 64}
	walSizes        = [...]int{128, 4096}
)

// maxLine is the longest line of -input: with 16 writers and more it must fit
// a segment together with others.
const maxLine = 1 << 20

// walCell is one combination, and what all its rounds together have shown.
type walCell struct {
	durability wal.Durability
	writers    int
	size       int // bytes of each record; 0 for the lines of a file

	rates   []float64 // records per second, of each round
	elapsed time.Duration
	latency hist.Histogram
	counts  walCounts
}

// walCounts are what a Counter saw, and the payload it is to be divided by.
type walCounts struct {
	payload int64 // bytes of records
	written int64 // bytes of records with their framing
	filled  int64 // zero bytes written ahead of them
	syncs   int64 // of files and directories, in the timed part
}

func (c *walCell) name() string {
	return fmt.Sprintf("wal: %s, %s, %s", c.durability, count(c.writers, "writer"), sizeName(c.size))
}

// sizeName names a record size.
func sizeName(size int) string {
	if size == 0 {
		return "lines"
	}
	return plot.Bytes.Format(float64(size))
}

// runWAL measures all cells and writes the part of the report.
func runWAL(ctx context.Context, s *session) (part report.Part, err error) {
	var lines *load.Lines
	if s.input != "" {
		if lines, err = load.OpenLines(s.input, maxLine); err != nil {
			return part, fmt.Errorf("-input: %w", err)
		}
		defer func() { err = errors.Join(err, lines.Close()) }()
	}
	cells := walCells(s.input)
	err = s.rounds(ctx, len(cells),
		func(i int) string { return cells[i].name() },
		func(i int) error { return cells[i].round(ctx, s, lines) })
	if err != nil {
		return part, err
	}
	return walPart(cells, s), nil
}

// walCells are all combinations.
func walCells(input string) []*walCell {
	sizes := walSizes[:]
	if input != "" {
		sizes = []int{0}
	}
	var cells []*walCell
	for _, size := range sizes {
		for _, d := range walDurabilities {
			for _, n := range walWriters {
				cells = append(cells, &walCell{durability: d, writers: n, size: size})
			}
		}
	}
	return cells
}

// round measures a cell once, on a log of its own, and checks what the log
// holds afterwards.
func (c *walCell) round(ctx context.Context, s *session, lines *load.Lines) (err error) {
	dir := filepath.Join(s.dir, "wal")
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	// Framing is at most a fifth of a small record; the two segments are what
	// is filled ahead. A tenth more is the warm-up.
	if err := s.needSpace(s.profile.bytes*3/2 + 256<<20); err != nil {
		return err
	}
	disk := vfs.NewCounter(s.disk)
	log, err := wal.Open(dir, wal.Options{FS: disk, Durability: c.durability})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, log.Close()) }() // closing twice does nothing

	writers := make([]*walWriter, c.writers)
	for i := range writers {
		writers[i] = newWALWriter(log, i, c.size, lines)
	}
	if err := c.timed(ctx, s.profile, log, disk, writers); err != nil {
		return err
	}
	if err := log.Close(); err != nil {
		return err
	}
	return verify(s.disk, dir, writers)
}

// timed warms up, so that the first segment is filled and the workers' stacks
// have grown, and then measures.
func (c *walCell) timed(ctx context.Context, p profile, log *wal.Log, disk *vfs.Counter, writers []*walWriter) error {
	drive := func(d time.Duration, bytes int64) (load.Result, error) {
		return load.Closed(ctx, load.Options{Workers: c.writers, Duration: d}, func(i int) load.Worker[[]byte] {
			writers[i].left = bytes / int64(c.writers)
			return load.Worker[[]byte]{Next: writers[i].next, Do: writers[i].append}
		})
	}
	if _, err := drive(p.cell/10, p.bytes/10); err != nil {
		return err
	}
	if err := log.Sync(); err != nil { // what is in memory belongs to the warm-up
		return err
	}
	before, payload := countWAL(disk), payloadOf(writers)
	res, err := drive(p.cell, p.bytes)
	if err != nil {
		return err
	}
	after := countWAL(disk)
	if err := log.Sync(); err != nil { // and now to what was measured
		return err
	}
	settled := countWAL(disk)
	c.counts.payload += payloadOf(writers) - payload
	c.counts.written += settled.written - before.written
	c.counts.filled += settled.filled - before.filled
	c.counts.syncs += after.syncs - before.syncs
	c.rates = append(c.rates, res.PerSecond())
	c.elapsed += res.Elapsed
	c.latency.Merge(res.Latency)
	return nil
}

// payloadOf is what the writers have stored so far, in bytes of records.
func payloadOf(writers []*walWriter) (bytes int64) {
	for _, w := range writers {
		bytes += w.stored
	}
	return bytes
}

// walWriter appends records of one source and remembers some of them.
type walWriter struct {
	log    *wal.Log
	source func() ([]byte, error)

	left   int64 // bytes until it is enough
	stored int64 // bytes appended
	ops    uint64
	last   storedRecord // appended last and not yet in kept; index 0 for none
	kept   sample
}

func newWALWriter(log *wal.Log, worker, size int, lines *load.Lines) *walWriter {
	w := &walWriter{log: log}
	if lines == nil {
		w.source = load.NewRecords(1, worker, size).Next
		return w
	}
	var buf []byte
	w.source = func() (line []byte, err error) {
		line, err = lines.Next(buf)
		buf = line
		return line, err
	}
	return w
}

// next makes a record. Remembering the one before is done here, outside the
// timed part.
func (w *walWriter) next() ([]byte, error) {
	w.remember()
	if w.left <= 0 {
		return nil, load.ErrDone
	}
	return w.source()
}

func (w *walWriter) remember() {
	if w.last.index > 0 {
		w.kept.add(w.last)
		w.last = storedRecord{}
	}
}

func (w *walWriter) append(record []byte) error {
	index, err := w.log.Append(record)
	if err != nil {
		return err
	}
	w.last = storedRecord{index, record}
	w.left -= int64(len(record))
	w.stored += int64(len(record))
	w.ops++
	return nil
}

// verify opens the log once more, which checks every record's checksum, and
// holds it against what was appended: the number of records, and those of the
// samples byte by byte.
func verify(disk vfs.FS, dir string, writers []*walWriter) (err error) {
	log, err := wal.Open(dir, wal.Options{FS: disk})
	if err != nil {
		return fmt.Errorf("reading back: %w", err)
	}
	defer func() { err = errors.Join(err, log.Close()) }()
	var want uint64
	for _, w := range writers {
		w.remember()
		want += w.ops
		for _, r := range w.kept.records {
			got, err := log.Read(r.index)
			if err != nil {
				return fmt.Errorf("reading back: %w", err)
			}
			if !bytes.Equal(got, r.data) {
				return fmt.Errorf("reading back: record %d is not what was appended", r.index)
			}
		}
	}
	if log.FirstIndex() != 1 || log.LastIndex() != want {
		return fmt.Errorf("reading back: records %d to %d, but %d were appended", log.FirstIndex(), log.LastIndex(), want)
	}
	return nil
}

// The derived numbers. All are per record or per byte of payload.

func (c *walCell) rate() float64    { return median(c.rates) }
func (c *walCell) fsyncs() float64  { return float64(c.counts.syncs) / float64(c.latency.Count()) }
func (c *walCell) amp() float64     { return float64(c.counts.written) / float64(c.counts.payload) }
func (c *walCell) fillAmp() float64 { return float64(c.counts.filled) / float64(c.counts.payload) }
func (c *walCell) bytes() float64   { return float64(c.counts.payload) / float64(c.latency.Count()) }

func (c *walCell) quantile(q float64) float64 { return float64(c.latency.Quantile(q)) }

// countWAL reads the counter. The directory's syncs belong to what durability
// costs as much as the files'.
func countWAL(disk *vfs.Counter) walCounts {
	counts := disk.Counts()
	return walCounts{
		written: counts.Files[wal.Category].BytesWritten,
		filled:  counts.Files[wal.CategoryFill].BytesWritten,
		syncs:   counts.Total().Syncs + counts.DirSyncs,
	}
}

// walTable has a row for each cell.
func walTable(cells []*walCell) report.Table {
	t := report.Table{
		Title: "All measurements (closed loop)",
		Columns: []report.Column{
			{Name: "record", Text: true, Note: "size of each record"},
			{Name: "durability", Text: true, Note: "what a record has survived when Append returns. synced: it is on the disk. flushed: the operating system has it; a power cut may take it. buffered: it is in this process; a crash may take it"},
			{Name: "writers", Note: "goroutines, each of which waits for its own record before it appends the next"},
			{Name: "records/s", Note: "of all writers together"},
			{Name: "payload/s", Note: "bytes of records per second, without framing"},
			{Name: "p50", Note: "half of the appends took no longer"},
			{Name: "p99", Note: "1 in 100 took longer"},
			{Name: "p99.9", Note: "1 in 1,000 took longer"},
			{Name: "max", Note: "the longest of all"},
			{Name: "fsyncs/record", Note: "below 1, writers shared them"},
			{Name: "write amp", Note: "bytes written for records, with framing, per byte of payload"},
			{Name: "zero fill", Note: "bytes of zeros written ahead, in the measured time, per byte of payload; once per segment, not at all when one is recycled"},
		},
	}
	for i, c := range cells {
		row := report.Row{First: i%len(walWriters) == 0, Cells: []string{
			sizeName(c.size), c.durability.String(), fmt.Sprint(c.writers),
			plot.Number.Format(c.rate()), plot.Bytes.Format(c.rate()*c.bytes()) + "/s",
		}}
		for _, q := range []float64{0.5, 0.99, 0.999, 1} {
			row.Cells = append(row.Cells, plot.Duration.Format(c.quantile(q)))
		}
		row.Cells = append(row.Cells, perRecord(c.fsyncs()), plot.Number.Format(c.amp()), plot.Number.Format(c.fillAmp()))
		t.Rows = append(t.Rows, row)
	}
	return t
}

// perRecord writes a count per operation that may be very small.
func perRecord(v float64) string {
	if v > 0 && v < 0.001 {
		return "<0.001"
	}
	return plot.Number.Format(v)
}

func (c *walCell) result(s *session) report.Result {
	return report.Result{
		Experiment: "wal", Load: "closed loop", Durability: c.durability.String(), Workers: c.writers,
		RecordBytes: c.bytes(), Input: s.input, Rounds: len(c.rates), Ops: c.latency.Count(), Elapsed: c.elapsed,
		PerSecond: c.rate(), Slowest: slices.Min(c.rates), Fastest: slices.Max(c.rates),
		Metrics: map[string]float64{
			"fsyncs_per_record": c.fsyncs(),
			"write_amp":         c.amp(),
			"zero_fill_amp":     c.fillAmp(),
		},
		Latency: &c.latency,
	}
}
