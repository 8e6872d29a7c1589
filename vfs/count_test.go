package vfs_test

import (
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/plinth-go/plinth/vfs"
)

func TestCounter(t *testing.T) {
	c := vfs.NewCounter(vfs.NewMem())
	f, err := c.Open("/a", vfs.Create, "log")
	require.NoError(t, err)
	write(t, f, "hello", 0)
	write(t, f, "!", 5)
	require.NoError(t, f.Sync())
	require.NoError(t, c.SyncDir("/"))
	before := c.Counts()
	require.Equal(t, vfs.Counts{
		Files:    map[vfs.Category]vfs.Count{"log": {Writes: 2, BytesWritten: 6, Creates: 1, Syncs: 1}},
		DirSyncs: 1,
	}, before)

	g, err := c.Open("/a", vfs.ReadWrite, "repair")
	require.NoError(t, err)
	n, err := g.ReadAt(make([]byte, 10), 2)
	require.Error(t, err)
	require.Equal(t, 4, n)
	require.NoError(t, g.Truncate(0))
	write(t, f, "x", 0)
	require.NoError(t, c.Rename("/a", "/b"))
	require.NoError(t, c.Remove("/b"))
	_, err = c.Open("/a", vfs.ReadOnly, "missing")
	require.Error(t, err)
	since := c.Counts().Sub(before)
	require.Equal(t, vfs.Counts{
		Files: map[vfs.Category]vfs.Count{
			"log":    {Writes: 1, BytesWritten: 1},
			"repair": {Reads: 1, BytesRead: 4, Truncates: 1},
		},
		Renames: 1, Removes: 1,
	}, since)
	require.Equal(t, vfs.Count{Writes: 1, BytesWritten: 1, Reads: 1, BytesRead: 4, Truncates: 1}, since.Total())

	now := c.Counts()
	require.Zero(t, now.Sub(now).Renames+now.Sub(now).Removes+now.Sub(now).DirSyncs)
	require.Zero(t, now.Sub(now).Total())
}

func TestCounterIsExactUnderConcurrency(t *testing.T) {
	c := vfs.NewCounter(vfs.NewMem())
	var wg sync.WaitGroup
	for _, category := range []vfs.Category{"even", "odd", "even", "odd"} {
		wg.Go(func() {
			for i := range 500 {
				f, err := c.Open("/"+string(category), vfs.Create, category)
				if err != nil {
					f, err = c.Open("/"+string(category), vfs.ReadWrite, category)
				}
				if err != nil {
					t.Error(err)
					return
				}
				if _, err := f.WriteAt([]byte("abc"), int64(3*i)); err != nil {
					t.Error(err)
				}
				c.Counts()
			}
		})
	}
	wg.Wait()
	for category, n := range c.Counts().Files {
		require.Equal(t, vfs.Count{Writes: 1000, BytesWritten: 3000, Creates: 1}, n, category)
	}
}

func TestCounterAllocatesNothing(t *testing.T) {
	c := vfs.NewCounter(nil)
	f, err := c.Open(t.TempDir()+"/a", vfs.Create, "log")
	require.NoError(t, err)
	defer f.Close()
	p := make([]byte, 100)
	require.Zero(t, testing.AllocsPerRun(100, func() {
		f.WriteAt(p, 0)
		f.ReadAt(p, 0)
		f.Sync()
	}))
}

func BenchmarkWriteAt(b *testing.B) {
	mem, under := vfs.NewMem(), vfs.NewMem()
	for _, impl := range []struct {
		name string
		fs   vfs.FS
		dir  string
	}{
		{"os", vfs.OS(), b.TempDir()},
		{"counter-os", vfs.NewCounter(nil), b.TempDir()},
		{"injector-os", vfs.Inject(nil, vfs.Fault{}), b.TempDir()},
		{"mem", mem, "/"},
		{"counter-mem", vfs.NewCounter(under), "/"},
	} {
		b.Run("impl="+impl.name+"/case=overwrite/n=128", func(b *testing.B) {
			f, err := impl.fs.Open(impl.dir+"/a", vfs.Create, "log")
			if err != nil {
				f, err = impl.fs.Open(impl.dir+"/a", vfs.ReadWrite, "log")
			}
			require.NoError(b, err)
			defer f.Close()
			p := make([]byte, 128)
			b.ReportAllocs()
			b.SetBytes(int64(len(p)))
			for b.Loop() {
				if _, err := f.WriteAt(p, 0); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
