package main

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/plinth-go/plinth/btree"
	"github.com/plinth-go/plinth/internal/form"
	"github.com/plinth-go/plinth/vfs"
	"github.com/plinth-go/plinth/wal"
)

// TestBTreeRun looks at the whole of the experiment. What is counted is the same in two
// runs; what is timed is complete.
func TestBTreeRun(t *testing.T) {
	o := bench(t, t.Context(), "btree")
	counted, timed := resultsOf(t, o, "btree")
	again, _ := resultsOf(t, benchAgain(t, o, "btree"), "btree")
	require.Equal(t, counted, again)
	require.Len(t, counted, len(designs())+len(treePageSizes)+len(treeFills)+len(treeIntervals))
	require.Len(t, timed, len(designs())*len(timedWorks))
	for _, r := range timed {
		require.Equal(t, wal.Synced.String(), r.Durability, "I1")
	}
	require.Equal(t, len(designs())+3+2*len(designs()), strings.Count(o.stderr, "btree: "), "a line of progress for each")
	testPages(t, o, 7, 4)
}

// TestWhereEachWins holds what the report says against what is counted, of stores of
// half the size that the quick profile has.
func TestWhereEachWins(t *testing.T) {
	if form.Raced() {
		t.Skip("one goroutine, and long")
	}
	r := newBTreeResults(&session{progress: newProgress(new(bytes.Buffer))}, 6000)
	require.NoError(t, r.count(t.Context(), t.TempDir()))
	tree, none, merge, bolted := r.counted[logged], r.counted[copied], r.counted[merging], r.counted[bolt]
	last := len(btreeBatches) - 1

	// Single puts at random: the LSM tree writes least, who has no log writes most.
	require.Less(t, 3*merge.random[0].amp(), tree.random[0].amp())
	require.Less(t, 2*tree.random[0].amp(), none.random[0].amp())
	require.Less(t, none.random[0].amp(), bolted.random[0].amp())
	// One commit of most keys: the log is what is too much.
	require.Less(t, none.random[last].amp(), tree.random[last].amp())
	require.Less(t, bolted.random[last].amp(), tree.random[last].amp())
	// In order, single puts with a log cost little more than the log.
	require.Less(t, tree.ordered[0].amp(), 3.5)
	require.Less(t, 20*tree.ordered[0].amp(), none.ordered[0].amp())

	// Two fsyncs for each commit that copies; one with a log, and checkpoints.
	require.InDelta(t, 2, none.random[0].syncsPerOp(), 0.001)
	require.InDelta(t, 2, bolted.random[0].syncsPerOp(), 0.01)
	require.Less(t, tree.random[0].syncsPerOp(), 1.5)
	require.GreaterOrEqual(t, tree.random[0].syncsPerOp(), 1.0)

	// Scans: the B+trees read least. Gets: a page, or a block, which is smaller.
	require.Less(t, 1.2*tree.short.readPerOp(), merge.short.readPerOp())
	require.InEpsilon(t, tree.short.readPerOp(), none.short.readPerOp(), 0.05, "the same tree")
	require.Less(t, tree.found.readsPerOp(), 1.1, "what is above the leaves is in memory")
	require.Less(t, none.found.readsPerOp(), 1.1)
	require.Less(t, merge.absent.readsPerOp(), 0.1, "filters")
	require.Greater(t, tree.absent.readsPerOp(), 0.5, "a B+tree has none")
	require.Less(t, merge.randomSpace, tree.randomSpace)

	for i := 1; i < len(r.intervals); i++ {
		require.Less(t, r.intervals[i].first.amp(), r.intervals[i-1].first.amp(), "rarer checkpoints write less")
		require.Greater(t, r.intervals[i].peak, r.intervals[i-1].peak, "and take more space")
	}
	for i := 1; i < len(r.pages); i++ {
		require.Greater(t, r.pages[i].first.amp(), r.pages[i-1].first.amp(), "larger pages write more")
	}
	full, roomy := r.fills[len(r.fills)-1], r.fills[3]
	require.Less(t, full.space, roomy.space)
	require.Greater(t, full.late, roomy.late, "full pages are split")
	require.Greater(t, full.then.amp(), roomy.then.amp())
	testTreeModel(t, r)
}

// modelWithin is how far the model may be from what is counted.
const modelWithin = 0.12

func testTreeModel(t *testing.T, r *btreeResults) {
	for _, cells := range [][]*treeCell{r.pages, r.intervals} {
		for _, c := range cells {
			_, all := c.model().writes(c.interval)
			require.InEpsilon(t, c.first.amp(), all, modelWithin, "pages of %d, log of %v", c.pageSize, c.interval)
		}
	}
}

// TestTreeIsWhatTheDiskCounted: what the B+tree says that it has written is what the disk
// has counted, but for the framing of the log. Seen to fail with the bytes of the log
// left out.
func TestTreeIsWhatTheDiskCounted(t *testing.T) {
	e, err := newBTree(engineOptions{disk: vfs.NewMem(), dir: "tree", budget: 64 << 10}, btree.Options{})
	require.NoError(t, err)
	u := newEngineUser(e, 1000)
	before, began := u.costs(), e.db.Stats()
	require.NoError(t, u.write(t.Context(), 1000, 1, inOrder()))
	require.NoError(t, u.flush(t.Context()))
	s, costs := e.db.Stats(), u.costs().sub(before)
	require.Greater(t, s.Checkpoints, uint64(3))
	require.EqualValues(t, 1000*loggedPut, s.LogBytes, "what the model says of a record")
	pages := (s.PagesWritten-began.PagesWritten)*btreePage + (s.MetasWritten-began.MetasWritten)*btreePage
	require.EqualValues(t, pages, costs.written-costs.log)
	require.Greater(t, costs.log, int64(s.LogBytes), "framing")
	require.NoError(t, u.verify())
	require.NoError(t, u.close())
}

// TestEngineUserFindsWhatIsWrong: a store that loses entries, mixes them up or brings
// some back is not measured.
func TestEngineUserFindsWhatIsWrong(t *testing.T) {
	for _, d := range designs() {
		t.Run(d.name, func(t *testing.T) {
			e, err := d.open(engineOptions{disk: vfs.NewMem(), dir: filepath.Join(t.TempDir(), "store"), budget: 1 << 20})
			require.NoError(t, err)
			u := newEngineUser(e, 500)
			require.NoError(t, u.fill(t.Context(), fillBatch))
			require.NoError(t, u.verify())
			require.NoError(t, u.walk(450, 100), "to the end")
			require.NoError(t, u.hit(7))
			require.NoError(t, u.miss(7))

			u.keys.versions[7]++
			require.ErrorContains(t, u.hit(7), "key 7: not what was put")
			require.ErrorContains(t, u.walk(0, 10), "key 7: not what was put")
			u.keys.versions[7]--
			_, value := u.keys.make(9, 1)
			require.NoError(t, u.apply([]entry{{bytes.Clone(u.keys.absent(3)), value}}))
			require.ErrorContains(t, u.miss(3), "never put")
			require.ErrorContains(t, u.verify(), "not the next key")
			u.keys.versions = append(u.keys.versions, 1)
			require.ErrorContains(t, u.hit(500), "not there")
			require.ErrorContains(t, u.walk(450, 100), "50 entries from key 450 on")
			require.NoError(t, u.close())
		})
	}
}

// TestBadDiskUnderEngines: on a disk that stores something else a round ends with an
// error.
func TestBadDiskUnderEngines(t *testing.T) {
	s := &session{profile: tiny()[0], dir: t.TempDir(), disk: badPages{vfs.NewMem()}}
	c := &timedEngine{design: designs()[logged]}
	require.ErrorIs(t, c.round(t.Context(), s), btree.ErrCorrupt)
	s.disk = vfs.NewMem()
	c = &timedEngine{design: designs()[logged]}
	require.NoError(t, c.round(t.Context(), s), "and on a good one it does not")
}

// badPages stores a wrong bit in each page of a tree, and good meta pages.
type badPages struct{ vfs.FS }

func (d badPages) Open(name string, mode vfs.Mode, c vfs.Category) (vfs.File, error) {
	f, err := d.FS.Open(name, mode, c)
	if err != nil || c != btreePages {
		return f, err
	}
	return badPage{f}, nil
}

type badPage struct{ vfs.File }

func (f badPage) WriteAt(p []byte, off int64) (int, error) {
	if off >= 2*btreePage {
		p = bytes.Clone(p)
		p[len(p)/2] ^= 1
	}
	return f.File.WriteAt(p, off)
}

// TestInterruptBTree stops while something is counted, and while something is timed.
func TestInterruptBTree(t *testing.T) {
	for _, at := range []string{"[1/7] btree: counting", "[8/8] btree: timing"} {
		interrupt(t, at, "btree")
	}
}
