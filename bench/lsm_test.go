package main

import (
	"context"
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/plinth-go/plinth/bench/plot"
	"github.com/plinth-go/plinth/bench/report"
	"github.com/plinth-go/plinth/lsm"
	"github.com/plinth-go/plinth/vfs"
	"github.com/plinth-go/plinth/wal"
)

// smallDesign is a store with several levels that takes a moment.
func smallDesign() *countedLSM {
	return &countedLSM{growth: 4, bits: lsmBits, lsmSizes: lsmSizes{entries: 2000, memtable: 40, table: 8 << 10, level0: 4}}
}

// resultsOf is what an experiment wrote for programs, in its two halves.
func resultsOf(t *testing.T, o outcome, experiment string) (counted, timed []report.Result) {
	t.Helper()
	require.Equal(t, exitOK, o.code, o.stderr)
	var back struct{ Results []report.Result }
	require.NoError(t, json.Unmarshal(o.json, &back))
	for _, r := range back.Results {
		if strings.HasPrefix(r.Experiment, experiment+"/counted/") {
			require.Equal(t, "settled", r.Load)
			require.Zero(t, r.PerSecond, "no time")
			counted = append(counted, r)
			continue
		}
		require.Equal(t, "closed loop", r.Load)
		require.Equal(t, 2, r.Rounds)
		require.Positive(t, r.Ops, r.Experiment)
		require.Equal(t, r.Ops, r.Latency.Count())
		require.LessOrEqual(t, r.Slowest, r.PerSecond)
		require.LessOrEqual(t, r.PerSecond, r.Fastest)
		timed = append(timed, r)
	}
	return counted, timed
}

// testPages looks at what an experiment wrote for readers.
func testPages(t *testing.T, o outcome, figures, tables int) {
	t.Helper()
	require.Equal(t, 2*figures, strings.Count(o.html, "<svg "), "figures, wide and narrow")
	require.Equal(t, tables, strings.Count(o.html, "<table>"))
	require.Contains(t, o.html, "stroke-dasharray", "the model")
	for _, page := range []string{o.html, o.stdout} {
		require.NotContains(t, page, "NaN")
		require.NotContains(t, page, "%!", "no verb without its value")
	}
	require.LessOrEqual(t, len(o.html), 500<<10)
}

// TestLSMRun looks at the whole of the experiment. What is counted is the same in two
// runs; what is timed is complete.
func TestLSMRun(t *testing.T) {
	o := bench(t, t.Context(), "lsm")
	again := benchAgain(t, o, "lsm")
	counted, timed := resultsOf(t, o, "lsm")
	countedAgain, _ := resultsOf(t, again, "lsm")
	require.Equal(t, counted, countedAgain)
	require.Len(t, counted, len(countedCells(lsmSizes{})))
	for _, r := range counted {
		require.Greater(t, r.Metrics["write_amp_with_log"], r.Metrics["write_amp"]+1, "the log has everything")
		require.Greater(t, r.Metrics["space_amp_peak"], r.Metrics["space_amp"])
	}

	cells := len(timedCells()) + 2
	require.Len(t, timed, cells+2, "two kinds of Gets of two stores")
	for _, r := range timed {
		require.Equal(t, r.Experiment == "lsm/put", r.Durability != "", "I1")
		if r.Durability == wal.Synced.String() && r.Workers == 1 {
			require.GreaterOrEqual(t, r.Metrics["fsyncs_per_put"], 1.0)
		}
	}

	require.Equal(t, len(counted)+2*cells, strings.Count(o.stderr, "lsm: "), "a line of progress for each")
	testPages(t, o, 5+len(timedWriters), 3)
}

// TestAmplificationIsWhatTheDiskCounted: the bytes by which the store says that it
// has written are those that the disk has counted, to the byte, and what the report
// prints is made of them. Seen to fail with the compactions left out of since, with
// the log counted into it, and with steady beginning a sample later.
func TestAmplificationIsWhatTheDiskCounted(t *testing.T) {
	c := smallDesign()
	require.NoError(t, c.measure(t.Context(), vfs.NewMem(), "db"))
	flushed, compacted, log := c.counts.Files[lsmFlush], c.counts.Files[lsmCompaction], c.counts.Files[wal.Category]
	require.EqualValues(t, flushed.BytesWritten, c.metrics.FlushedBytes)
	require.EqualValues(t, compacted.BytesWritten, c.metrics.CompactedBytes)
	require.EqualValues(t, c.puts*lsmUserBytes, c.metrics.UserBytes)
	require.Greater(t, log.BytesWritten, int64(c.metrics.LogBytes), "the log has framing besides")
	require.EqualValues(t, c.puts/int64(c.memtable), c.metrics.Flushes, "one for each memtable that was counted out")

	// Each key is overwritten once at sample 3, and five times at the last.
	first, last := c.samples[3], c.samples[samples-1]
	require.Equal(t, (samples-4)*c.samples[0].puts, last.puts-first.puts)
	written := last.flushed - first.flushed + last.compacted - first.compacted
	want := float64(written) / float64(lsmUserBytes*(last.puts-first.puts))
	got, all := c.writes()
	require.Equal(t, want, got)
	require.Equal(t, want+float64(log.BytesWritten)/float64(c.metrics.UserBytes), all)
	require.Equal(t, want, c.result().Metrics["write_amp"])
	require.Equal(t, plot.Number.Format(want), countedTable([]*countedLSM{c}).Rows[0].Cells[3])
	require.Equal(t, sum(c.metrics.Levels), last.space, "the space is that of the tables there are")

	// The samples are of the same counter: what it saw of filling is not in them.
	tables, _ := c.metrics.WriteAmplification()
	filling := flushed.BytesWritten + compacted.BytesWritten - last.flushed - last.compacted
	require.InEpsilon(t, tables, float64(filling+last.flushed+last.compacted)/float64(c.puts*lsmUserBytes), 1e-12)
	require.Positive(t, filling)
}

func sum(levels []lsm.LevelMetrics) (bytes int64) {
	for _, l := range levels {
		bytes += l.Bytes
	}
	return bytes
}

// TestCountedOnARealDisk: what is counted in memory is what a disk would have been
// asked, and the same each time.
func TestCountedOnARealDisk(t *testing.T) {
	memory, disk := smallDesign(), smallDesign()
	memory.entries, disk.entries = 1000, 1000
	require.NoError(t, memory.measure(t.Context(), vfs.NewMem(), "db"))
	require.NoError(t, disk.measure(t.Context(), vfs.OS(), filepath.Join(t.TempDir(), "db")))
	require.Equal(t, memory.samples, disk.samples)
	require.Equal(t, memory.counts, disk.counts)
	require.Equal(t, memory.entryBytes, disk.entryBytes)
}

// TestTableSpace: the peak is when a merge has written and not yet removed. Seen to
// fail with the peak taken after removals only, and with a write over counted twice.
func TestTableSpace(t *testing.T) {
	s := newTableSpace(vfs.NewMem())
	write := func(name string, c vfs.Category, off int64) {
		f, err := s.Open(name, vfs.Create, c)
		require.NoError(t, err)
		for range 2 {
			_, err = f.WriteAt(make([]byte, 100), off)
			require.NoError(t, err)
		}
		require.NoError(t, f.Close())
	}
	used := func(wantNow, wantPeak int64) {
		t.Helper()
		now, peak := s.used()
		require.Equal(t, wantNow, now)
		require.Equal(t, wantPeak, peak)
	}
	write("a", lsmFlush, 0)
	write("b", lsmCompaction, 50)
	write("log", wal.Category, 0)
	used(250, 250)
	require.NoError(t, s.Remove("a"))
	require.NoError(t, s.Remove("log"))
	require.Error(t, s.Remove("a"), "and nothing is subtracted for it")
	used(150, 250)
	used(150, 150)
	write("a", lsmFlush, 0)
	used(250, 250)
}

// TestSettle returns when level 0 is as its policy wants it, and not before; it ends
// with its context, and with the store. Seen to fail with a settle that only flushes.
func TestSettle(t *testing.T) {
	policy := newSettler(lsm.Leveled{Level0: 2})
	db, err := lsm.Open("db", lsm.Options{FS: vfs.NewMem(), Policy: policy})
	require.NoError(t, err)
	keys := newLSMKeys(100, 0, 1)
	for i := range 20 {
		require.NoError(t, keys.fill(db))
		require.NoError(t, policy.settle(t.Context(), db, uint64(i)+1))
		require.EqualValues(t, i+1, db.Metrics().Flushes)
		require.Equal(t, (i+1)%2, db.Metrics().Levels[0].Tables)
	}
	require.NoError(t, policy.settle(t.Context(), db, 0), "with nothing to do")

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, policy.settle(ctx, db, 0), context.Canceled)
	require.NoError(t, db.Close())
	require.ErrorIs(t, policy.settle(t.Context(), db, 0), lsm.ErrClosed)
}

// TestVerifyLSMFindsWhatIsWrong: a store that loses entries, mixes them up or brings
// some back is not measured.
func TestVerifyLSMFindsWhatIsWrong(t *testing.T) {
	db, err := lsm.Open("db", lsm.Options{FS: vfs.NewMem()})
	require.NoError(t, err)
	defer db.Close()
	writers := []*lsmKeys{newLSMKeys(50, 0, 2), newLSMKeys(50, 1, 2)}
	for _, k := range writers {
		require.NoError(t, k.fill(db))
	}
	require.NoError(t, verifyLSM(db, writers))

	writers[1].versions[7]++
	require.ErrorContains(t, verifyLSM(db, writers), "reading back: key 7: not what was put", "an old version")
	writers[1].versions[7]--
	value, err := db.Get(writers[0].present(3))
	require.NoError(t, err)
	require.NoError(t, db.Delete(writers[0].present(3)))
	require.ErrorContains(t, verifyLSM(db, writers), "99 entries, but 100 keys were put")
	require.ErrorContains(t, writers[0].check(3, nil, lsm.ErrNotFound), "reading back: key 3: lsm: not found")
	require.NoError(t, db.Put(writers[0].present(4), value))
	require.ErrorContains(t, verifyLSM(db, writers), "reading back: key 4: not what was put", "another key's")
	for _, key := range [][]byte{[]byte("x"), writers[0].absent(1), writers[0].present(50)} { // the store brings up what is nobody's
		other, err := lsm.Open("other", lsm.Options{FS: vfs.NewMem()})
		require.NoError(t, err)
		require.NoError(t, other.Put(key, value))
		require.ErrorContains(t, verifyLSM(other, writers), "a key that was never put")
		require.NoError(t, other.Close())
	}
	require.ErrorContains(t, checkAbsent(nil), "a key that was never put")
	require.NoError(t, checkAbsent(lsm.ErrNotFound))
}

// badTables stores one wrong bit in each table that a compaction writes.
type badTables struct{ vfs.FS }

func (d badTables) Open(name string, mode vfs.Mode, c vfs.Category) (vfs.File, error) {
	f, err := d.FS.Open(name, mode, c)
	if err != nil || c != lsmCompaction {
		return f, err
	}
	return &badFile{f, &badDisk{writes: 49}}, nil // its next write
}

// TestBadStoreIsNotMeasured: on a disk that stores something else both halves end
// with an error.
func TestBadStoreIsNotMeasured(t *testing.T) {
	require.ErrorIs(t, smallDesign().measure(t.Context(), badTables{vfs.NewMem()}, "db"), lsm.ErrCorrupt)

	// In each write, as there may be time for one Put only.
	s := &session{profile: tiny()[0], dir: t.TempDir(), disk: &badDisk{FS: vfs.NewMem(), each: true}}
	c := &timedLSM{durability: wal.Flushed, writers: 1}
	s.profile.cell = 100 * time.Millisecond
	require.Error(t, c.round(t.Context(), s))
	s.disk = vfs.NewMem()
	require.NoError(t, c.round(t.Context(), s), "and a good one does not")
	read := &readLSM{bits: lsmBits}
	require.NoError(t, read.round(t.Context(), s))
	s.disk = badTables{vfs.NewMem()}
	require.ErrorIs(t, read.round(t.Context(), s), lsm.ErrCorrupt)
}

// TestInterruptLSM stops while something is counted, and while something is timed.
func TestInterruptLSM(t *testing.T) {
	for _, at := range []string{"[1/7] lsm: growth 2", "[16/16] lsm: "} {
		interrupt(t, at, "lsm")
	}
}
