package lsm

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/plinth-go/plinth/vfs"
)

// TestTasks: what a policy may pick, and what the store refuses. Planted and caught:
// each of the rules left out.
func TestTasks(t *testing.T) {
	at := func(number uint64, smallest, largest string) *table {
		return &table{number: number, smallest: []byte(smallest), largest: []byte(largest)}
	}
	v := &version{}
	v.levels[0] = []*table{at(9, "a", "m"), at(8, "x", "z"), at(7, "c", "d")} // the newest first
	v.levels[2] = []*table{at(4, "b", "b"), at(5, "e", "f"), at(6, "x", "y")}
	v.levels[4] = []*table{at(1, "a", "z")}
	for _, c := range []struct {
		task Task
		want error
	}{
		{Task{0, 2, []uint64{9, 8, 7}}, nil},
		{Task{0, 2, []uint64{7}}, nil},
		{Task{0, 2, []uint64{8}}, nil},
		{Task{0, 2, []uint64{9, 7}}, nil},
		{Task{0, 2, []uint64{9}}, errLeftOut},
		{Task{0, 2, []uint64{9, 8}}, errLeftOut},
		{Task{0, 4, []uint64{7}}, nil},
		{Task{0, 4, []uint64{8}}, errJumpOver},
		{Task{0, 0, []uint64{9, 8}}, nil},
		{Task{0, 0, []uint64{9, 7}}, errHoles},
		{Task{2, 4, []uint64{4, 6}}, nil},
		{Task{2, 2, []uint64{4, 5}}, nil},
		{Task{2, 2, []uint64{4, 6}}, errHoles},
		{Task{2, 4, nil}, errNoTable},
		{Task{2, 4, []uint64{4, 9}}, errNoTable},
		{Task{4, 2, []uint64{1}}, errNoLevel},
		{Task{-1, 2, []uint64{1}}, errNoLevel},
		{Task{4, numLevels, []uint64{1}}, errNoLevel},
	} {
		inputs, err := v.check(c.task)
		require.ErrorIs(t, err, c.want, "%v", c.task)
		if err == nil {
			require.Len(t, inputs, len(c.task.Tables))
		}
	}
}

// picks is a policy that picks one thing.
type picks struct{ task Task }

func (p picks) Pick(Layout) (Task, bool) { return p.task, true }
func (p picks) Debt(Layout) float64      { return 0 }

// TestWrongPolicy: the store fails, and says why; what it has can be read.
func TestWrongPolicy(t *testing.T) {
	o := tiny(vfs.NewMem())
	o.Policy = picks{Task{3, 4, []uint64{77}}}
	db := opened(t, o)
	err := db.Flush()
	for err == nil {
		err = db.Put([]byte("k"), nil)
	}
	require.ErrorIs(t, err, ErrFailed)
	require.ErrorContains(t, err, "the policy has picked what cannot be: tables [77] from level 3 to 4: no such tables")
	_, err = db.Get([]byte("nothing"))
	require.ErrorIs(t, err, ErrNotFound)
	require.NoError(t, db.Close())
}

// TestManyLongKeys opens a store whose tables have so many and so long keys that they
// would not fit into a record of the manifest. They did not, once.
func TestManyLongKeys(t *testing.T) {
	o := Options{FS: vfs.NewMem(), TableSize: 1, BloomBitsPerKey: -1}
	db := opened(t, o)
	const n = 600
	for i := range n {
		var b Batch
		b.Put(append(fmt.Appendf(nil, "%04d", i), bytes.Repeat([]byte("k"), MaxKeySize-4)...), nil)
		require.NoError(t, db.Apply(&b))
	}
	require.NoError(t, db.Compact(t.Context(), nil, nil))
	require.EqualValues(t, n, liveTables(db))
	require.NoError(t, db.Close())
	db = opened(t, o)
	require.EqualValues(t, n, liveTables(db))
	require.NoError(t, db.Close())
}

// TestReplayInPieces opens a store whose log has many memtables' worth: it makes as
// many memtables, and goes on from there.
func TestReplayInPieces(t *testing.T) {
	o := Options{FS: vfs.NewMem()}
	db := opened(t, o)
	for i := range 1000 {
		require.NoError(t, db.Put(fmt.Appendf(nil, "k%03d", i%300), fmt.Appendf(nil, "value %d", i)))
	}
	want, err := contentOf(db)
	require.NoError(t, err)
	require.NoError(t, db.Close())

	d := &DB{dir: "db", options: tiny(o.FS).withDefaults(), nextTable: 1}
	d.lock, err = lockDir(o.FS, "db")
	require.NoError(t, err)
	require.NoError(t, d.open())
	full := d.state.Load().full
	require.Greater(t, len(full), 5)
	for i, m := range full {
		require.LessOrEqual(t, m.bytes.Load(), 2*d.options.MemTableSize)
		if i > 0 {
			require.Less(t, m.lastSeq, full[i-1].lastSeq)
			require.Less(t, m.logIndex, full[i-1].logIndex)
		}
	}
	require.NoError(t, d.abandon())

	db = opened(t, tiny(o.FS))
	require.NoError(t, db.Put([]byte("more"), []byte("1")))
	require.NoError(t, db.Flush())
	require.NoError(t, db.Close())
	require.NoError(t, Verify("db", o))
	got, err := reopenedContent(o)
	require.NoError(t, err)
	require.Equal(t, want+"more=1\n", got)
}

// TestDeletionAboveLevel0 merges some tables of level 0 within it: a deletion must stay
// there for what an older table has. Planted and caught: a merge that looks for older
// entries below level 0 only.
func TestDeletionAboveLevel0(t *testing.T) {
	o := Options{FS: vfs.NewMem(), Policy: patient{}}
	db := opened(t, o)
	for i, change := range []func() error{
		func() error { return db.Put([]byte("k"), []byte("old")) },
		func() error { return db.Delete([]byte("k")) },
		func() error { return db.Put([]byte("l"), nil) },
	} {
		require.NoError(t, change())
		require.NoError(t, db.Flush())
		require.EqualValues(t, i+1, liveTables(db))
	}
	require.NoError(t, db.compact(0, 0, db.state.Load().version.levels[0][:2]))
	require.EqualValues(t, 2, liveTables(db))
	_, err := db.Get([]byte("k"))
	require.ErrorIs(t, err, ErrNotFound)
	require.NoError(t, db.Close())
	require.NoError(t, Verify("db", o))
}

// patient is a policy that lets everybody write and never compacts.
type patient struct{}

func (patient) Pick(Layout) (Task, bool) { return Task{}, false }
func (patient) Debt(Layout) float64      { return 0 }
