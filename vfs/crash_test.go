package vfs_test

import (
	"errors"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/plinth-go/plinth/vfs"
)

// dump writes a disk as "name=bytes name=bytes". Bytes 0 are dots, and a run of
// more than 16 equal bytes is one of them with its length.
func dump(t testing.TB, fsys vfs.FS, dir string) string {
	t.Helper()
	entries, err := fsys.List(dir)
	require.NoError(t, err)
	var words []string
	for _, e := range entries {
		name := filepath.Join(dir, e.Name)
		if e.Dir {
			words = append(words, strings.TrimPrefix(name, "/")+"/", dump(t, fsys, name))
			continue
		}
		f, err := fsys.Open(name, vfs.ReadOnly, "")
		require.NoError(t, err)
		words = append(words, strings.TrimPrefix(name, "/")+"="+strings.ReplaceAll(read(t, f), "\x00", "."))
	}
	return strings.Join(slices.DeleteFunc(words, func(s string) bool { return s == "" }), " ")
}

// crashed is "event: disk" of every crash state at a point.
func crashed(t testing.TB, r *vfs.Recorder, point int) (states []string) {
	t.Helper()
	for c := range r.Crashes(point) {
		states = append(states, c.Event.String()+": "+dump(t, c.Disk, "/"))
	}
	return states
}

// history begins on a disk on which a and b are durable.
func history(t *testing.T) (*vfs.Recorder, disk) {
	base := vfs.NewMem()
	d := disk{T: t, FS: base, dir: "/"}
	d.make("a", "A")
	d.make("b", "B")
	r := vfs.Record(base)
	return r, disk{T: t, FS: r, dir: "/"}
}

// TestCrashStates has the whole set of states of small histories, worked out by
// hand. Planted and seen to fail here: Sync that covers names, SyncDir
// that covers nothing, a rename that takes its old name away in a step of its
// own, a lost create that loses the inode of a kept rename.
func TestCrashStates(t *testing.T) {
	tests := []struct {
		name string
		do   func(d disk)
		want []string
	}{
		{"nothing done", func(disk) {}, []string{
			"nothing unsynced kept: a=A b=B",
		}},
		{"create", func(d disk) { d.open("c", vfs.Create) }, []string{
			"all kept: a=A b=B c=",
			"directory entry lost: a=A b=B",
		}},
		{"a synced file has no name", func(d disk) {
			require.NoError(d, d.make("c", "C").Sync())
		}, []string{
			"all kept: a=A b=B c=C",
			"directory entry lost: a=A b=B",
		}},
		{"a synced name has no bytes", func(d disk) {
			d.make("c", "C")
			require.NoError(d, d.SyncDir("/"))
		}, []string{
			"all kept: a=A b=B c=C",
			"nothing unsynced kept: a=A b=B c=",
			"size without data: a=A b=B c=.",
		}},
		{"both synced, then overwritten", func(d disk) {
			f := d.make("c", "C")
			require.NoError(d, f.Sync())
			require.NoError(d, d.SyncDir("/"))
			write(d, f, "D", 0)
		}, []string{
			"all kept: a=A b=B c=D",
			"nothing unsynced kept: a=A b=B c=C",
		}},
		{"writes of one file, in any order", func(d disk) {
			f := d.open("a", vfs.ReadWrite)
			write(d, f, "xx", 0)
			write(d, f, "y", 1)
		}, []string{
			"all kept: a=xy b=B",
			"nothing unsynced kept: a=A b=B",
			"prefix kept: a=xx b=B",
			"one dropped: a=Ay b=B",
			"size without data: a=A. b=B", // by either write; after xx, y grows nothing
		}},
		{"truncate", func(d disk) {
			f := d.open("a", vfs.ReadWrite)
			require.NoError(d, f.Truncate(2))
			require.NoError(d, f.Truncate(0))
		}, []string{
			"all kept: a= b=B",
			"nothing unsynced kept: a=A b=B",
			"prefix kept: a=A. b=B",
		}},
		{"rename over a file", func(d disk) {
			require.NoError(d, d.Rename("/a", "/b"))
		}, []string{
			"all kept: b=A",
			"rename undone: a=A b=B",
		}},
		{"remove", func(d disk) {
			require.NoError(d, d.Remove("/a"))
		}, []string{
			"all kept: b=B",
			"delete undone: a=A b=B",
		}},
		{"a kept rename carries the inode of a lost create", func(d disk) {
			require.NoError(d, d.make("c", "C").Sync())
			require.NoError(d, d.Rename("/c", "/b"))
		}, []string{
			"all kept: a=A b=C",
			"rename undone: a=A b=B c=C",
			"directory entry lost: a=A b=B",
		}},
		{"a remove takes away its own link alone", func(d disk) {
			require.NoError(d, d.Rename("/a", "/b"))
			require.NoError(d, d.Remove("/b"))
		}, []string{
			"all kept: ",
			"delete undone: b=A",
			"rename undone: a=A b=B",
		}},
		{"a file's name taken by a directory", func(d disk) {
			require.NoError(d, d.Remove("/a"))
			require.NoError(d, d.MkdirAll("/a"))
			require.NoError(d, d.Remove("/b"))
		}, []string{
			"all kept: a/",
			"delete undone: a/ b=B",
		}},
		{"a directory's name taken by a file", func(d disk) {
			require.NoError(d, d.MkdirAll("/d/e"))
			require.NoError(d, d.Remove("/d/e"))
			require.NoError(d, d.Remove("/d"))
			d.open("d", vfs.Create)
		}, []string{
			"all kept: a=A b=B d=",
			"delete undone: a=A b=B d/ d/e/",
			"delete undone: a=A b=B d/",
			"directory entry lost: a=A b=B",
		}},
		{"a barrier covers what came before it", func(d disk) {
			require.NoError(d, d.Remove("/a"))
			require.NoError(d, d.SyncDir("/"))
			require.NoError(d, d.Remove("/b"))
		}, []string{
			"all kept: ",
			"delete undone: b=B",
		}},
		{"a directory is durable at once, and new each time", func(d disk) {
			require.NoError(d, d.MkdirAll("/d"))
			d.make("d/x", "")
			require.NoError(d, d.SyncDir("/d"))
			require.NoError(d, d.Remove("/d/x"))
			require.NoError(d, d.Remove("/d"))
			require.NoError(d, d.MkdirAll("/d/e"))
		}, []string{
			"nothing unsynced kept: a=A b=B d/ d/e/",
		}},
		{"remove of a directory undone", func(d disk) {
			require.NoError(d, d.MkdirAll("/d"))
			require.NoError(d, d.Remove("/d"))
		}, []string{
			"all kept: a=A b=B",
			"delete undone: a=A b=B d/",
		}},
		{"a lock's file", func(d disk) {
			for range 2 { // the second finds it
				l, err := d.Lock("/LOCK")
				require.NoError(d, err)
				require.NoError(d, l.Close())
			}
		}, []string{
			"all kept: LOCK= a=A b=B",
			"directory entry lost: a=A b=B",
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r, d := history(t)
			test.do(d)
			require.ElementsMatch(t, test.want, crashed(t, r, r.Ops()))
			require.Equal(t, []string{"nothing unsynced kept: a=A b=B"}, crashed(t, r, 0), "and back")
		})
	}
}

func TestTornWrite(t *testing.T) {
	old, fresh := strings.Repeat("o", 1024), strings.Repeat("n", 1024)
	base := vfs.NewMem()
	disk{T: t, FS: base, dir: "/"}.make("a", old)
	r := vfs.Record(base)
	g := disk{T: t, FS: r, dir: "/"}.open("a", vfs.ReadWrite)
	write(t, g, fresh, 100) // crosses 512 and 1024, ends at 1124

	got := map[vfs.Event][]string{}
	for c := range r.Crashes(1) {
		f, err := c.Disk.Open("a", vfs.ReadOnly, "")
		require.NoError(t, err)
		got[c.Event] = append(got[c.Event], read(t, f))
	}
	o, n, z := func(k int) string { return strings.Repeat("o", k) },
		func(k int) string { return strings.Repeat("n", k) },
		func(k int) string { return strings.Repeat("\x00", k) }
	require.ElementsMatch(t, []string{o(100) + n(1024)}, got[vfs.AllKept])
	require.ElementsMatch(t, []string{old}, got[vfs.NothingKept])
	require.ElementsMatch(t, []string{old + z(100)}, got[vfs.SizeWithoutData])
	// Old after 512 leaves the file 1024 long: it was never made longer.
	require.ElementsMatch(t, []string{
		o(100) + n(412) + o(512), o(512) + n(612),
		o(100) + n(924), o(1024) + n(100),
	}, got[vfs.TornOld])
	require.ElementsMatch(t, []string{
		o(100) + n(412) + z(612), o(100) + z(412) + n(612),
		o(100) + n(924) + z(100), o(100) + z(924) + n(100),
	}, got[vfs.TornZeros])
	require.Len(t, got[vfs.TornGarbage], 4)
	for _, s := range got[vfs.TornGarbage] {
		require.Len(t, s, 1124)
		require.Equal(t, o(100), s[:100], "what the write does not touch is safe")
	}
}

// TestTearsEveryPendingWrite guards against the easy mistake of tearing only the
// last one.
func TestTearsEveryPendingWrite(t *testing.T) {
	r, d := history(t)
	write(t, d.open("a", vfs.ReadWrite), strings.Repeat("x", 1024), 0)
	write(t, d.open("b", vfs.ReadWrite), strings.Repeat("y", 1024), 0)
	torn := map[string]bool{}
	for c := range r.Crashes(r.Ops()) {
		if c.Event == vfs.TornOld {
			torn[c.Detail] = true
		}
	}
	require.Len(t, torn, 4, "two files, lost before and after: %v", torn)
}

func TestCrashesOfEveryKindAndDeterministic(t *testing.T) {
	run := func() (lines []string, kinds map[vfs.Event]int) {
		kinds = map[vfs.Event]int{}
		r, d := history(t)
		f := d.open("a", vfs.ReadWrite)
		for i := range 5 {
			write(t, f, strings.Repeat("x", 700), int64(600*i))
		}
		d.make("c", "C")
		require.NoError(t, d.Rename("/c", "/d"))
		require.NoError(t, d.Remove("/b"))
		for point := range r.Ops() + 1 {
			seen := map[string]bool{}
			for c := range r.Crashes(point) {
				s := dump(t, c.Disk, "/")
				require.False(t, seen[s], "twice at one point: %s", c)
				seen[s] = true
				kinds[c.Event]++
				lines = append(lines, c.String()+s)
			}
		}
		return lines, kinds
	}
	first, kinds := run()
	for _, e := range vfs.Events() {
		require.NotZero(t, kinds[e], e.String())
	}
	t.Log(len(first), kinds)
	second, _ := run()
	require.Equal(t, first, second)
}

// TestCrashStatesAreIndependent writes to one state while others are made.
func TestCrashStatesAreIndependent(t *testing.T) {
	r, d := history(t)
	d.make("c", strings.Repeat("c", 2000))
	want := crashed(t, r, r.Ops())
	var got []string
	for c := range r.Crashes(r.Ops()) {
		got = append(got, c.Event.String()+": "+dump(t, c.Disk, "/"))
		f, err := c.Disk.Open("a", vfs.ReadWrite, "")
		require.NoError(t, err)
		write(t, f, "scribble", 0)
		_, err = c.Disk.Open("new", vfs.Create, "")
		require.NoError(t, err)
		require.NoError(t, d.SyncDir("/"), "the recorder is not locked")
	}
	require.Equal(t, want, got)
	require.Panics(t, func() { crashed(t, r, r.Ops()+1) })
}

// TestRecordCopiesBytes: the caller may reuse its buffer.
func TestRecordCopiesBytes(t *testing.T) {
	r, d := history(t)
	p := []byte("B")
	_, err := d.open("a", vfs.ReadWrite).WriteAt(p, 0)
	require.NoError(t, err)
	p[0] = 'X'
	require.ElementsMatch(t, []string{"all kept: a=B b=B", "nothing unsynced kept: a=A b=B"}, crashed(t, r, 1))
}

// TestRecordSkipsWhatFailed: an operation that did nothing can lose nothing.
func TestRecordSkipsWhatFailed(t *testing.T) {
	r, d := history(t)
	_, err := d.Open("/a", vfs.Create, "")
	require.Error(t, err)
	require.Error(t, d.Remove("/no"))
	require.Error(t, d.Rename("/no", "/a"))
	require.Error(t, d.MkdirAll("/a/x"))
	require.Error(t, d.SyncDir("/no"))
	f := d.open("a", vfs.ReadOnly)
	_, err = f.WriteAt([]byte("x"), 0)
	require.Error(t, err)
	require.Error(t, f.Truncate(0))
	require.Zero(t, r.Ops())
	require.NoError(t, f.Sync())
	require.Equal(t, 1, r.Ops())
}

// A store keeps one value in one file, in the manner of save. It is broken if a
// crash leaves anything but the old value or the new one, or after save has
// returned anything but the new one.
func loses(t *testing.T, save func(fsys vfs.FS, value string) error) (first string) {
	old, fresh := strings.Repeat("o", 600), strings.Repeat("n", 700)
	base := vfs.NewMem()
	disk{T: t, FS: base, dir: "/"}.make("value", old)
	r := vfs.Record(base)
	require.NoError(t, save(r, fresh))
	states := 0
	for point := range r.Ops() + 1 {
		for c := range r.Crashes(point) {
			states++
			got := ""
			if f, err := c.Disk.Open("/value", vfs.ReadOnly, ""); err == nil {
				got = read(t, f)
			} else if !errors.Is(err, fs.ErrNotExist) {
				require.NoError(t, err)
			}
			if got != fresh && (got != old || point == r.Ops()) && first == "" {
				first = c.String()
			}
		}
	}
	t.Log(states, "states;", first)
	return first
}

// TestEnumeratorFindsBrokenStores is the proof that the net holds: the textbook
// way to replace a file survives, and leaving out any step of it does not.
func TestEnumeratorFindsBrokenStores(t *testing.T) {
	inPlace := func(fsys vfs.FS, value string) error {
		f, err := fsys.Open("/value", vfs.ReadWrite, "")
		if err != nil {
			return err
		}
		_, err = f.WriteAt([]byte(value), 0)
		return errors.Join(err, f.Sync(), f.Close())
	}
	replace := func(syncFile, syncDir bool) func(vfs.FS, string) error {
		return func(fsys vfs.FS, value string) error {
			f, err := fsys.Open("/tmp", vfs.Create, "")
			if err != nil {
				return err
			}
			_, err = f.WriteAt([]byte(value), 0)
			if syncFile {
				err = errors.Join(err, f.Sync())
			}
			err = errors.Join(err, f.Close(), fsys.Rename("/tmp", "/value"))
			if syncDir {
				err = errors.Join(err, fsys.SyncDir("/"))
			}
			return err
		}
	}
	require.Empty(t, loses(t, replace(true, true)), "write, sync, rename, syncdir")
	require.NotEmpty(t, loses(t, replace(false, true)), "renamed without a sync")
	require.Contains(t, loses(t, replace(true, false)), "rename undone", "acknowledged without a syncdir")
	require.NotEmpty(t, loses(t, inPlace), "overwritten in place")
}
