package crash

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/plinth-go/plinth/vfs"
)

const (
	names  Happening = "naming"
	writes Happening = "writing"
	keeps  Happening = "keeping"
)

// history makes two files, each written under another name, synced, and renamed.
func history(t *testing.T) *Witness {
	w := NewWitness(func(op Op, note func(Happening)) {
		switch {
		case op.Kind == vfs.OpRename && op.Name == "dir/1":
			note(names)
		case op.Kind == vfs.OpWriteAt && op.Category == "test" && op.Name == "dir/new" && op.Off == 3 && string(op.Data) == "data":
			note(writes)
		}
	})
	require.NoError(t, w.MkdirAll("dir"))
	for i := range 2 {
		f, err := w.Open("dir/new", vfs.Create, "test")
		require.NoError(t, err)
		n, err := f.WriteAt([]byte("data"), 3)
		require.NoError(t, err)
		require.Equal(t, 4, n)
		start := w.Ops()
		require.NoError(t, f.Sync())
		w.During(keeps, start, w.Ops())
		require.NoError(t, f.Close())
		require.NoError(t, w.Rename("dir/new", fmt.Sprintf("dir/%d", i)))
		require.NoError(t, w.SyncDir("dir"))
	}
	_, err := w.Open("dir/none", vfs.ReadOnly, "test")
	require.Error(t, err)
	require.Error(t, w.Remove("dir/none"))
	return w
}

// TestWitness: a power cut after an operation may interrupt what the operation is about,
// and so may one just before it.
func TestWitness(t *testing.T) {
	w := history(t)
	require.Equal(t, 1+2*5, w.Ops())
	var at [3][]int
	for point := range w.Ops() + 2 {
		for i, what := range []Happening{names, writes, keeps} {
			if w.at(point)[what] {
				at[i] = append(at[i], point)
			}
		}
	}
	require.Equal(t, []int{9, 10}, at[0])
	require.Equal(t, []int{2, 3, 7, 8}, at[1])
	require.Equal(t, []int{3, 4, 8, 9}, at[2])
}

// TestTally: a stride of one tries all states, a longer one leaves out states and no
// point while there were few of them.
func TestTally(t *testing.T) {
	w := history(t)
	want := map[vfs.Event]int{}
	states := 0
	for point := range w.Ops() + 1 {
		for c := range w.Crashes(point) {
			want[c.Event]++
			states++
		}
	}
	all := NewTally(1)
	last := 0
	for n, c := range all.States(w) {
		require.Equal(t, last+1, n)
		require.LessOrEqual(t, c.Point, w.Ops())
		last = n
	}
	require.Equal(t, states, all.Total())
	require.Equal(t, want, all.seen)

	some := NewTally(50)
	points := map[int]bool{}
	for range 10 {
		for n, c := range some.States(w) {
			last = n
			points[c.Point] = true
		}
	}
	require.Len(t, points, w.Ops()+1)
	require.Equal(t, last, some.Total(), "numbers go on")
	require.Less(t, some.Total(), 5*states)
	for e, n := range want {
		require.GreaterOrEqual(t, some.seen[e], min(10*n, fewOfEvent), "%v", e)
	}
	for _, what := range []Happening{names, writes, keeps} {
		require.GreaterOrEqual(t, some.during[what], fewOfHappening, "%v", what)
	}
}

// TestAgain: one state of each point, or all of them.
func TestAgain(t *testing.T) {
	r := history(t).Recorder
	n := NewTally(1)
	point := 0
	for c := range n.Again(r, false) {
		require.Equal(t, point, c.Point)
		point++
	}
	require.Equal(t, r.Ops()+1, point)
	states := 0
	for range n.Again(r, true) {
		states++
	}
	counted := 0
	for _, of := range n.second {
		counted += of
	}
	require.Equal(t, point+states, counted)
	require.Greater(t, states, 2*point)
	require.Zero(t, n.Total())
}

// complaints is a test that only counts what is wrong.
type complaints struct {
	testing.TB
	said []string
}

func (c *complaints) Helper()             {}
func (c *complaints) Logf(string, ...any) {}
func (c *complaints) Errorf(format string, args ...any) {
	c.said = append(c.said, fmt.Sprintf(format, args...))
}

// TestReport: what was not tried fails a test.
func TestReport(t *testing.T) {
	n := NewTally(1)
	for range n.States(history(t)) {
	}
	var missing []vfs.Event
	for _, e := range vfs.Events() {
		if n.seen[e] == 0 {
			missing = append(missing, e)
		}
	}
	require.NotEmpty(t, missing, "nothing is removed")

	c := &complaints{TB: t}
	n.Report(c, []Happening{names, writes, keeps}, missing...)
	require.Empty(t, c.said)
	n.Report(c, []Happening{names, writes, "sleeping"}, missing[1:]...)
	require.ElementsMatch(t, []string{
		"no state during: sleeping", "nobody has named: keeping", fmt.Sprintf("no state: %v", missing[0]),
	}, c.said)
}
