package lsm

import (
	"fmt"
	"io/fs"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/plinth-go/plinth/internal/disk"
	"github.com/plinth-go/plinth/vfs"
	"github.com/plinth-go/plinth/wal"
)

// verifiable returns a closed store with tables in two levels and changes in its log.
func verifiable(t *testing.T) Options {
	o := tiny(vfs.NewMem())
	db := opened(t, o)
	for i := range 200 {
		require.NoError(t, db.Put(fmt.Appendf(nil, "k%02d", i*7%40), fmt.Appendf(nil, "value %d", i)))
	}
	require.NoError(t, db.Flush())
	require.NoError(t, db.Put([]byte("last"), []byte("in the log")))
	require.NoError(t, db.Close())
	return o
}

// TestVerify: a store is whole, Verify leaves it alone and keeps others out, and what
// another program keeps in the directory is not its business.
func TestVerify(t *testing.T) {
	o := verifiable(t)
	other := filepath.Join("db", "holiday.table")
	copyFile(t, o.FS, other, o.FS, filepath.Join("db", tableName(tableNumbers(t, o)[0])))
	before := contents(t, o.FS)
	require.NoError(t, Verify("db", o))
	require.Equal(t, before, contents(t, o.FS))

	db := opened(t, o)
	require.ErrorIs(t, Verify("db", o), ErrLocked)
	require.NoError(t, db.Close())
	require.NoError(t, Verify("db", o))
	require.Contains(t, disk.Files(t, o.FS, "db"), other, "its name is none of ours")

	require.ErrorIs(t, Verify("nothing", o), fs.ErrNotExist)
}

// contents returns what is in the files below db.
func contents(t *testing.T, fsys vfs.FS) map[string]string {
	all := map[string]string{}
	for name, size := range disk.Files(t, fsys, "db") {
		f, err := fsys.Open(name, vfs.ReadOnly, "test")
		require.NoError(t, err)
		b := make([]byte, size)
		if size > 0 {
			_, err = f.ReadAt(b, 0)
			require.NoError(t, err)
		}
		all[name] = string(b)
		require.NoError(t, f.Close())
	}
	return all
}

// tableNumbers returns the numbers that the manifest mentions.
func tableNumbers(t *testing.T, o Options) (numbers []uint64) {
	d := &DB{dir: "db", options: o.withDefaults()}
	v, err := d.readManifest(wal.Records("db/manifest", wal.Options{FS: o.FS}))
	require.NoError(t, err)
	for _, tables := range v.levels {
		for _, table := range tables {
			numbers = append(numbers, table.number)
		}
	}
	return numbers
}

// TestMissing takes away parts of a store: Open and Verify say so, and what is left
// stays as it is. Planted and caught: an Open that takes a store without manifest for
// a new one, and removes its tables.
func TestMissing(t *testing.T) {
	for what, want := range map[string]string{
		"log":      "the log of db is missing",
		"manifest": "but its manifest nothing",
	} {
		t.Run(what, func(t *testing.T) {
			o := verifiable(t)
			for name := range disk.Files(t, o.FS, filepath.Join("db", what)) {
				require.NoError(t, o.FS.Remove(name))
			}
			tables := tablesIn(t, o.FS)
			require.ErrorContains(t, Verify("db", o), want)
			_, err := Open("db", o)
			require.ErrorIs(t, err, ErrCorrupt)
			require.ErrorContains(t, err, want)
			require.Equal(t, tables, tablesIn(t, o.FS))
		})
	}
	t.Run("manifest of a store without tables", func(t *testing.T) {
		o := tiny(vfs.NewMem())
		db := opened(t, o)
		require.NoError(t, db.Put([]byte("k"), nil))
		require.NoError(t, db.Close())
		for name := range disk.Files(t, o.FS, "db/manifest") {
			require.NoError(t, o.FS.Remove(name))
		}
		require.ErrorIs(t, Verify("db", o), ErrCorrupt)
		_, err := Open("db", o)
		require.ErrorIs(t, err, ErrCorrupt)
		require.ErrorContains(t, err, "record 1")
	})
	t.Run("table", func(t *testing.T) {
		o := verifiable(t)
		require.NoError(t, o.FS.Remove(filepath.Join("db", tableName(tableNumbers(t, o)[0]))))
		require.ErrorIs(t, Verify("db", o), fs.ErrNotExist)
	})
}

func tablesIn(t *testing.T, fsys vfs.FS) []string {
	d := &DB{dir: "db", options: Options{FS: fsys}}
	names, err := d.tableFiles()
	require.NoError(t, err)
	require.NotEmpty(t, names)
	return names
}

// TestVerifyOrder puts a newer entry below an older one, as a wrong compaction would:
// each table is whole, and a reader gets the wrong value.
func TestVerifyOrder(t *testing.T) {
	o := Options{FS: vfs.NewMem()}
	db := opened(t, o)
	require.NoError(t, db.Put([]byte("k"), []byte("old")))
	require.NoError(t, db.Flush())
	require.NoError(t, db.Put([]byte("k"), []byte("new")))
	require.NoError(t, db.Flush())
	newest := db.state.Load().version.levels[0][0]
	require.NoError(t, db.install(&edit{gone: []placed{{0, newest}}, come: []placed{{3, newest}}}, nil))
	require.NoError(t, db.Close())
	err := Verify("db", o)
	require.ErrorIs(t, err, ErrCorrupt)
	require.ErrorContains(t, err, `"k"`)
}

// TestLogOfAnotherTime puts an older manifest beside a log that has since forgotten what
// is in tables by now.
func TestLogOfAnotherTime(t *testing.T) {
	fsys := vfs.NewMem()
	o := Options{FS: fsys}
	db := opened(t, o)
	require.NoError(t, db.Close())
	old := fsys.Clone()
	db = opened(t, o)
	require.NoError(t, db.Put([]byte("k"), nil))
	require.NoError(t, db.Flush())
	require.NoError(t, db.Close())
	for name := range disk.Files(t, fsys, "db/manifest") {
		require.NoError(t, fsys.Remove(name))
	}
	for name := range disk.Files(t, old, "db/manifest") {
		copyFile(t, fsys, name, old, name)
	}
	tables := tablesIn(t, fsys)
	require.ErrorContains(t, Verify("db", o), "the log of db begins with record 2")
	_, err := Open("db", o)
	require.ErrorIs(t, err, ErrCorrupt)
	require.ErrorContains(t, err, "the log of db begins with record 2")
	require.Equal(t, tables, tablesIn(t, fsys))
}
