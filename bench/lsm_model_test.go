package main

import (
	"fmt"
	"math"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/plinth-go/plinth/bench/plot"
	"github.com/plinth-go/plinth/internal/form"
	"github.com/plinth-go/plinth/lsm"
	"github.com/plinth-go/plinth/lsm/sst"
	"github.com/plinth-go/plinth/vfs"
)

// TestModel holds the model against stores of several sizes, each with all designs of
// the experiment. It fails if a store writes a sixth more or less than the model says,
// and so long before it writes twice as much. Seen to fail with a policy that takes
// the table with the most overlap instead of the least, with one that merges level 0
// from the first table on, with obsolete tables that are not removed, with filters
// of which every second is not asked, and with levels of twice the growth.
func TestModel(t *testing.T) {
	shapes := []lsmSizes{{4000, 100, 16 << 10, 4}}
	if form.Long() {
		shapes = append(shapes, []lsmSizes{
			{3000, 50, 8 << 10, 2},
			{2000, 100, 16 << 10, 4},
			{12000, 100, 16 << 10, 4}, // of the quick profile
			{6000, 100, 16 << 10, 2},
			{6000, 40, 16 << 10, 4},
			{6000, 100, 8 << 10, 4},
			{6000, 100, 64 << 10, 4},
			{6000, 100, 16 << 10, 8},
			{12000, 200, 32 << 10, 4},
			{10000, 40, 8 << 10, 2},
		}...)
	}
	for _, sizes := range shapes {
		for _, c := range countedCells(sizes) {
			t.Run(fmt.Sprintf("%d/%d/%d/%d/%s", c.entries, c.memtable, c.table>>10, c.level0, c.name()), func(t *testing.T) {
				require.NoError(t, c.measure(t.Context(), vfs.NewMem(), "db"))
				p := c.model().predict()
				tables, _ := c.writes()
				mean, peak := c.space()
				found, absent := c.reads()
				require.InEpsilon(t, tables, p.writes, writesWithin, "bytes written")
				require.InEpsilon(t, mean, p.space, spaceWithin, "space")
				require.InEpsilon(t, peak, p.peak, peakWithin, "peak of the space")
				require.InEpsilon(t, found, p.found, foundWithin, "blocks of a key that is there")
				require.InEpsilon(t, absent, p.absent, absentWithin, "blocks of a key that is not there")
				t.Logf("written %+.0f %%, space %+.0f %%, peak %+.0f %%, there %+.0f %%, absent %+.0f %%",
					off(p.writes, tables), off(p.space, mean), off(p.peak, peak), off(p.found, found), off(p.absent, absent))
			})
		}
	}
}

func off(model, measured float64) float64 { return 100 * (model/measured - 1) }

// TestModelByHand follows the sums for a store of two levels: 1,000 entries of 100
// bytes, memtables of 10, merged by four, a base of 50.
func TestModelByHand(t *testing.T) {
	m := lsmModel{
		entries: 1000, userBytes: 80, entryBytes: 100, memEntries: 10, memBytes: 1250, tableBytes: 1000,
		growth: 10, level0: 4, sortedLevels: 6,
	}
	require.Equal(t, []float64{50, 100, 1000}, m.levels())
	m.growth = 20
	require.Equal(t, []float64{50, 1000}, m.levels())
	m.sortedLevels = 1
	require.Equal(t, []float64{1000}, m.levels())
	m.sortedLevels = 6

	p := m.predict()
	ten, forty := 1000*(1-math.Exp(-0.01)), 1000*(1-math.Exp(-0.04)) // keys that so many puts set
	merged := forty + 50 - 2                                         // 40 or so with the base, less those that are in both
	require.InDelta(t, (ten/10+merged/40+forty/40*0.95*(10+edge))*1.25, p.writes, 0.01)
	require.InDelta(t, (1050+15)*1.25/1000, p.space, 1e-9)
	require.InDelta(t, (1050+40+12*10)*1.25/1000, p.peak, 1e-9, "twelve tables: the half of twenty, and one at each end")
	covered := 50 / merged
	require.InDelta(t, 1.5+covered+1, p.absent, 0.001, "without filters every table is asked")
	require.InDelta(t, p.absent, p.found, 0.1)
	m.bloomBits = 10
	p = m.predict()
	require.InDelta(t, 1, p.found, 0.05)
	require.Less(t, p.absent, 0.05)
}

// TestMistakenFilters compares with the filter of a table.
func TestMistakenFilters(t *testing.T) {
	const keys, others = 20_000, 500_000
	for _, bits := range []float64{2, 5, 10} {
		file, err := vfs.NewMem().Open("table", vfs.Create, "")
		require.NoError(t, err)
		w := sst.NewWriter(file, sst.WriterOptions{BloomBitsPerKey: bits})
		for i := range keys {
			require.NoError(t, w.Add(fmt.Appendf(nil, "key%06d", i), sst.NewTrailer(1, sst.Set), nil))
		}
		_, err = w.Finish()
		require.NoError(t, err)
		table, err := sst.Open(file, sst.Options{})
		require.NoError(t, err)
		mistaken := 0
		for i := range others {
			if table.MayContain(sst.HashKey(fmt.Appendf(nil, "other%06d", i))) {
				mistaken++
			}
		}
		require.InEpsilon(t, float64(mistaken)/others, lsmModel{bloomBits: bits}.mistaken(keys), 0.05, bits)
	}
	require.Equal(t, 1.0, lsmModel{}.mistaken(keys), "no filter")
}

// TestModelKnowsTheStore: what the model takes for granted is what the store does.
func TestModelKnowsTheStore(t *testing.T) {
	db, err := lsm.Open("db", lsm.Options{FS: vfs.NewMem()})
	require.NoError(t, err)
	defer db.Close()
	require.Len(t, db.Metrics().Levels, sortedLevels+1)
}

// TestReadmeStatesTheBounds: the lessons promise what the test above holds.
func TestReadmeStatesTheBounds(t *testing.T) {
	for _, name := range []string{"README.md", "../lsm/README.md"} {
		text, err := os.ReadFile(name)
		require.NoError(t, err)
		want := fmt.Sprintf("right within %s for bytes written, %s for space, %s for its peak, %s for blocks of keys that are there and %s for those of keys that are not",
			plot.Percent.Format(writesWithin), plot.Percent.Format(spaceWithin), plot.Percent.Format(peakWithin), plot.Percent.Format(foundWithin), plot.Percent.Format(absentWithin))
		require.Contains(t, strings.Join(strings.Fields(string(text)), " "), want, name)
	}
}
