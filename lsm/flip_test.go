package lsm

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/plinth-go/plinth/internal/disk"
	"github.com/plinth-go/plinth/internal/form"
	"github.com/plinth-go/plinth/vfs"
	"github.com/plinth-go/plinth/wal"
)

// TestEveryByteFlipped damages each byte of a closed store, one after the other: it
// opens and answers as before, or says ErrCorrupt, at the latest when the damaged
// part is read, and Verify finds what a scan meets. Planted and caught: a scan that
// ends at an error without saying so.
func TestEveryByteFlipped(t *testing.T) {
	stride := int64(5)
	if form.Long() {
		stride = 1
	}
	base := vfs.NewMem()
	o := Options{FS: base, Durability: wal.Synced, MemTableSize: 1 << 10, TableSize: 1 << 10, BlockSize: 200, segmentSize: 8 << 10}
	db := opened(t, o)
	for i := range 60 {
		require.NoError(t, db.Put(fmt.Appendf(nil, "k%02d", i*7%40), fmt.Appendf(nil, "value %d", i)))
		if i == 30 {
			require.NoError(t, db.Compact(context.Background(), nil, nil))
		}
	}
	want, err := contentOf(db)
	require.NoError(t, err)
	require.NoError(t, db.Close())

	damaged, harmless, unread := 0, 0, 0
	for d := range disk.Flips(t, base, "db", stride) {
		o.FS = d.FS
		verified := Verify("db", o)
		got, err := reopenedContent(o)
		if err != nil {
			require.ErrorIs(t, verified, ErrCorrupt, "%s at %d: %v", d.Name, d.At, err)
		} else if verified != nil {
			require.ErrorIs(t, verified, ErrCorrupt, "%s at %d", d.Name, d.At)
			unread++
		}
		switch {
		case err == nil:
			require.Equal(t, want, got, "%s at %d", d.Name, d.At)
			harmless++
		default:
			require.True(t, errors.Is(err, ErrCorrupt), "%s at %d: %v", d.Name, d.At, err)
			damaged++
		}
	}
	t.Logf("%d flips reported, %d harmless to a scan, of which Verify reports %d", damaged, harmless, unread)
	require.Greater(t, damaged, harmless/20)
}

// TestOtherTables opens a store whose tables are not those that the manifest means:
// one is missing, or that of another store with the same number. What is in the
// directory besides is left alone. Planted and caught: tables that are not compared
// with the manifest.
func TestOtherTables(t *testing.T) {
	made := func(value string) *vfs.Mem {
		fsys := vfs.NewMem()
		db := opened(t, tiny(fsys))
		require.NoError(t, db.Put([]byte("k"), []byte(value)))
		require.NoError(t, db.Flush())
		require.NoError(t, db.Close())
		return fsys
	}
	one, two := made("1"), made("2")
	name := filepath.Join("db", tableName(1))
	copyFile(t, one, "db/notes.txt", two, name)
	_, err := reopenedContent(tiny(one))
	require.NoError(t, err)
	require.Contains(t, disk.Files(t, one, "db"), "db/notes.txt")

	require.NoError(t, one.Remove(name))
	_, err = reopenedContent(tiny(one))
	require.ErrorIs(t, err, fs.ErrNotExist)
	require.ErrorContains(t, err, "table 1 of level 0")

	copyFile(t, one, name, two, name)
	_, err = reopenedContent(tiny(one))
	require.ErrorIs(t, err, ErrCorrupt)
	require.ErrorContains(t, err, name)
}

// TestUnknownVersion opens a store with a table of a format that is to come: that is no
// damage, and nothing is changed.
func TestUnknownVersion(t *testing.T) {
	o := verifiable(t)
	name := filepath.Join("db", tableName(tableNumbers(t, o)[0]))
	f, err := o.FS.Open(name, vfs.ReadWrite, "test")
	require.NoError(t, err)
	size, err := f.Size()
	require.NoError(t, err)
	footer := make([]byte, 64)
	_, err = f.ReadAt(footer, size-64)
	require.NoError(t, err)
	footer[40]++
	binary.LittleEndian.PutUint32(footer[52:], crc32.Checksum(footer[:52], crc32.MakeTable(crc32.Castagnoli)))
	_, err = f.WriteAt(footer, size-64)
	require.NoError(t, err)
	require.NoError(t, f.Close())

	tables := tablesIn(t, o.FS)
	_, err = Open("db", o)
	require.ErrorIs(t, err, ErrVersion)
	require.NotErrorIs(t, err, ErrCorrupt)
	require.ErrorIs(t, Verify("db", o), ErrVersion)
	require.Equal(t, tables, tablesIn(t, o.FS))
}

func copyFile(t *testing.T, to vfs.FS, toName string, from vfs.FS, fromName string) {
	source, err := from.Open(fromName, vfs.ReadOnly, "test")
	require.NoError(t, err)
	size, err := source.Size()
	require.NoError(t, err)
	b := make([]byte, size)
	_, err = source.ReadAt(b, 0)
	require.NoError(t, err)
	target, err := to.Open(toName, vfs.Create, "test")
	require.NoError(t, err)
	_, err = target.WriteAt(b, 0)
	require.NoError(t, err)
	require.NoError(t, errors.Join(source.Close(), target.Close()))
}

func reopenedContent(o Options) (string, error) {
	db, err := Open("db", o)
	if err != nil {
		return "", err
	}
	content, err := contentOf(db)
	return content, errors.Join(err, db.Close())
}
