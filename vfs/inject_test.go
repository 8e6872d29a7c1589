package vfs_test

import (
	"io/fs"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/plinth-go/plinth/vfs"
)

// everyVerb calls each verb once, in the order of the Op constants, and
// returns their errors.
func everyVerb(fsys vfs.FS, f vfs.File) (errs []error) {
	note := func(err error) { errs = append(errs, err) }
	_, err := fsys.Open("/c", vfs.Create, "")
	note(err)
	note(fsys.Remove("/b"))
	note(fsys.Rename("/c", "/d"))
	note(fsys.MkdirAll("/dir"))
	_, err = fsys.List("/")
	note(err)
	note(fsys.SyncDir("/"))
	_, err = fsys.Lock("/LOCK")
	note(err)
	_, err = f.ReadAt(make([]byte, 1), 0)
	note(err)
	_, err = f.WriteAt([]byte("x"), 0)
	note(err)
	_, err = f.Size()
	note(err)
	note(f.Truncate(1))
	note(f.Sync())
	note(f.Close())
	return errs
}

func TestInjectFailsTheOneOperation(t *testing.T) {
	for n := 1; ; n++ {
		d := disk{T: t, FS: vfs.NewMem(), dir: "/"}
		d.make("a", "hello")
		d.make("b", "")
		in := vfs.Inject(d.FS, vfs.Fault{At: n + 1, Err: syscall.ENOSPC}) // 1 is the Open of a
		f, err := in.Open("/a", vfs.ReadWrite, "")
		require.NoError(t, err)
		errs := everyVerb(in, f)
		require.Equal(t, len(errs)+1, in.Ops())
		if !in.Fired() {
			require.Equal(t, len(errs)+1, n, "every operation has had its turn")
			break
		}
		for i, err := range errs {
			switch {
			case i+1 == n:
				require.ErrorIs(t, err, syscall.ENOSPC, "operation %d", n)
				require.Contains(t, err.Error(), "/", "carries the name")
			case n == 1 && vfs.Op(1<<i) == vfs.OpRename:
				require.ErrorIs(t, err, fs.ErrNotExist, "of the file that was not made")
			default:
				require.NoError(t, err, "operation %d, when %d fails", i+1, n)
			}
		}
	}
}

func TestInjectByKind(t *testing.T) {
	d := disk{T: t, FS: vfs.NewMem(), dir: "/"}
	d.make("a", "hello")
	in := vfs.Inject(d.FS, vfs.Fault{At: 2, Of: vfs.OpWriteAt | vfs.OpTruncate, Then: vfs.Persist})
	f, err := in.Open("/a", vfs.ReadWrite, "")
	require.NoError(t, err)
	require.NoError(t, f.Sync())
	write(t, f, "J", 0)
	require.False(t, in.Fired())
	require.ErrorIs(t, f.Truncate(0), syscall.EIO, "the default error")
	require.True(t, in.Fired())
	n, err := f.WriteAt([]byte("xxx"), 0)
	require.ErrorIs(t, err, syscall.EIO, "persists")
	require.Zero(t, n)
	require.NoError(t, f.Sync())
	require.Equal(t, 3, in.Ops())
	require.Equal(t, "Jello", read(t, f))
	require.Equal(t, "write|truncate", (vfs.OpWriteAt | vfs.OpTruncate).String())
}

func TestInjectShort(t *testing.T) {
	d := disk{T: t, FS: vfs.NewMem(), dir: "/"}
	d.make("a", "hello")
	in := vfs.Inject(d.FS, vfs.Fault{At: 1, Of: vfs.OpWriteAt | vfs.OpReadAt, Short: true, Then: vfs.Persist})
	f, err := in.Open("/a", vfs.ReadWrite, "")
	require.NoError(t, err)
	n, err := f.WriteAt([]byte("JELL"), 0)
	require.ErrorIs(t, err, syscall.EIO)
	require.Equal(t, 2, n)
	p := make([]byte, 4)
	n, err = f.ReadAt(p, 0)
	require.ErrorIs(t, err, syscall.EIO)
	require.Equal(t, "JE", string(p[:n]))
	require.Equal(t, "JEllo", read(t, d.open("a", vfs.ReadOnly)))
}

// TestInjectPretend: a sync that fails and then claims to work leaves nothing
// durable, through whichever handle and name. Planted and seen to fail here:
// forwarding the second sync, keeping the pretence in the handle, leaving
// it behind at a rename.
func TestInjectPretend(t *testing.T) {
	for _, after := range []struct {
		then vfs.Aftermath
		lost bool
	}{{vfs.Pretend, true}, {vfs.Recover, false}} {
		base := vfs.NewMem()
		disk{T: t, FS: base, dir: "/"}.make("a", "A")
		r := vfs.Record(base)
		in := vfs.Inject(r, vfs.Fault{At: 1, Of: vfs.OpSync, Then: after.then})
		d := disk{T: t, FS: in, dir: "/"}
		f := d.open("a", vfs.ReadWrite)
		write(t, f, "B", 0)
		require.ErrorIs(t, f.Sync(), syscall.EIO)
		require.NoError(t, in.Rename("/a", "/z"))
		require.NoError(t, in.SyncDir("/"))
		require.NoError(t, f.Sync(), "it claims")
		require.NoError(t, d.open("z", vfs.ReadWrite).Sync(), "by any handle")

		require.Equal(t, after.lost, len(crashed(t, r, r.Ops())) > 1, "pretend leaves the write unsynced")
		require.NoError(t, in.Remove("/z"))
		fresh := d.make("z", "")
		before := r.Ops()
		require.NoError(t, fresh.Sync())
		require.Equal(t, before+1, r.Ops(), "a new file of the name is not cursed")
	}
}

func TestInjectPretendSyncDir(t *testing.T) {
	r := vfs.Record(vfs.NewMem())
	in := vfs.Inject(r, vfs.Fault{At: 1, Of: vfs.OpSyncDir, Then: vfs.Pretend})
	d := disk{T: t, FS: in, dir: "/"}
	require.NoError(t, d.make("a", "").Sync())
	require.ErrorIs(t, in.SyncDir("/"), syscall.EIO)
	require.NoError(t, in.SyncDir("/"))
	require.Contains(t, crashed(t, r, r.Ops()), "directory entry lost: ")
}

// TestInjectClosesWhatItFailsToClose: a sweep must not leak descriptors or locks.
func TestInjectClosesWhatItFailsToClose(t *testing.T) {
	m := vfs.NewMem()
	in := vfs.Inject(m, vfs.Fault{At: 1, Of: vfs.OpClose, Then: vfs.Persist})
	l, err := in.Lock("/LOCK")
	require.NoError(t, err)
	require.ErrorIs(t, l.Close(), syscall.EIO)
	l, err = m.Lock("/LOCK")
	require.NoError(t, err)
	require.NoError(t, l.Close())
	f, err := in.Open("/a", vfs.Create, "")
	require.NoError(t, err)
	require.ErrorIs(t, f.Close(), syscall.EIO)
	require.ErrorIs(t, f.Sync(), fs.ErrClosed)
}
