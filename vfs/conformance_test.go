package vfs_test

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/plinth-go/plinth/vfs"
)

// implementations are every FS of the package, each on an empty directory: what
// wraps another FS must be indistinguishable from it until it is told to act.
func implementations(t testing.TB) map[string]func(testing.TB) (vfs.FS, string) {
	t.Helper()
	return map[string]func(testing.TB) (vfs.FS, string){
		"os":       func(t testing.TB) (vfs.FS, string) { return vfs.OS(), t.TempDir() },
		"mem":      func(testing.TB) (vfs.FS, string) { return vfs.NewMem(), "/" },
		"recorder": func(testing.TB) (vfs.FS, string) { return vfs.Record(vfs.NewMem()), "/" },
		"injector": func(testing.TB) (vfs.FS, string) { return vfs.Inject(vfs.NewMem(), vfs.Fault{}), "/" },
		"counter":  func(t testing.TB) (vfs.FS, string) { return vfs.NewCounter(nil), t.TempDir() },
	}
}

type disk struct {
	*testing.T
	vfs.FS
	dir string
}

func (d disk) path(elem ...string) string {
	return filepath.Join(append([]string{d.dir}, elem...)...)
}

func (d disk) open(name string, mode vfs.Mode) vfs.File {
	d.Helper()
	f, err := d.Open(d.path(name), mode, "test")
	require.NoError(d, err)
	d.Cleanup(func() { f.Close() }) // a second Close fails, and may
	return f
}

// make creates a file that holds text.
func (d disk) make(name, text string) vfs.File {
	d.Helper()
	f := d.open(name, vfs.Create)
	write(d, f, text, 0)
	return f
}

func (d disk) names() []string {
	d.Helper()
	entries, err := d.List(d.dir)
	require.NoError(d, err)
	names := []string{}
	for _, e := range entries {
		names = append(names, e.Name)
	}
	return names
}

func write(t testing.TB, f vfs.File, text string, off int64) {
	t.Helper()
	n, err := f.WriteAt([]byte(text), off)
	require.NoError(t, err)
	require.Equal(t, len(text), n)
}

func read(t testing.TB, f vfs.File) string {
	t.Helper()
	size, err := f.Size()
	require.NoError(t, err)
	p := make([]byte, size)
	n, err := f.ReadAt(p, 0)
	require.NoError(t, err)
	require.EqualValues(t, size, n)
	return string(p)
}

// requirePathError demands what the FS contract promises of every error: the
// sentinel, and the name of the file.
func requirePathError(t testing.TB, err, target error, name string) {
	t.Helper()
	require.ErrorIs(t, err, target)
	var path *fs.PathError
	var link *os.LinkError
	switch {
	case errors.As(err, &path):
		require.Equal(t, name, path.Path)
	case errors.As(err, &link):
		require.Equal(t, name, link.Old)
	default:
		t.Fatalf("%T carries no path: %v", err, err)
	}
}

func TestConformance(t *testing.T) {
	tests := map[string]func(t *testing.T, d disk){
		"open":      testOpen,
		"read":      testRead,
		"write":     testWrite,
		"truncate":  testTruncate,
		"read only": testReadOnly,
		"closed":    testClosed,
		"remove":    testRemove,
		"rename":    testRename,
		"mkdir":     testMkdir,
		"list":      testList,
		"sync dir":  testSyncDir,
		"lock":      testLock,
	}
	for impl, newFS := range implementations(t) {
		for verb, test := range tests {
			t.Run(impl+"/"+verb, func(t *testing.T) {
				fsys, dir := newFS(t)
				test(t, disk{T: t, FS: fsys, dir: dir})
			})
		}
	}
}

func testOpen(t *testing.T, d disk) {
	for _, mode := range []vfs.Mode{vfs.ReadOnly, vfs.ReadWrite} {
		_, err := d.Open(d.path("a"), mode, "")
		requirePathError(t, err, fs.ErrNotExist, d.path("a"))
	}
	first := d.make("a", "hello")
	_, err := d.Open(d.path("a"), vfs.Create, "")
	requirePathError(t, err, fs.ErrExist, d.path("a"))

	second := d.open("a", vfs.ReadWrite)
	write(t, second, "J", 0)
	require.Equal(t, "Jello", read(t, first), "two handles, one file")
	require.NoError(t, first.Close())
	require.Equal(t, "Jello", read(t, second), "a handle outlives another")

	_, err = d.Open(d.path("no", "a"), vfs.Create, "")
	requirePathError(t, err, fs.ErrNotExist, d.path("no", "a"))
	_, err = d.Open(d.path("a", "b"), vfs.Create, "")
	require.Error(t, err, "a file is no directory")
	require.NotErrorIs(t, err, fs.ErrNotExist)

	require.NoError(t, d.MkdirAll(d.path("dir")))
	_, err = d.Open(d.path("dir"), vfs.Create, "")
	requirePathError(t, err, fs.ErrExist, d.path("dir"))
	for _, mode := range []vfs.Mode{vfs.ReadOnly, vfs.ReadWrite} {
		_, err = d.Open(d.path("dir"), mode, "")
		require.Error(t, err, "a directory is no file")
	}
}

func testRead(t *testing.T, d disk) {
	f := d.make("a", "hello")
	for _, c := range []struct {
		off  int64
		len  int
		want string
		err  error
	}{
		{0, 5, "hello", nil},
		{1, 3, "ell", nil},
		{3, 5, "lo", io.EOF},
		{5, 1, "", io.EOF},
		{99, 1, "", io.EOF},
		{5, 0, "", nil},
	} {
		p := make([]byte, c.len)
		n, err := f.ReadAt(p, c.off)
		require.Equal(t, c.err, err, "ReadAt %d bytes at %d", c.len, c.off)
		require.Equal(t, c.want, string(p[:n]), "ReadAt %d bytes at %d", c.len, c.off)
	}
	_, err := f.ReadAt(make([]byte, 1), -1)
	require.Error(t, err)
	require.NotErrorIs(t, err, io.EOF)
}

func testWrite(t *testing.T, d disk) {
	f := d.make("a", "hello")
	write(t, f, "y!", 4)
	require.Equal(t, "helly!", read(t, f), "overwrites and grows")

	write(t, f, "z", 10_000)
	require.Equal(t, "helly!"+strings.Repeat("\x00", 9_994)+"z", read(t, f), "the gap is zeros")

	across := strings.Repeat("x", 3*4096)
	write(t, f, across, 4000)
	require.Equal(t, "helly!"+strings.Repeat("\x00", 3_994)+across, read(t, f))

	write(t, f, "", 99_999)
	size, err := f.Size()
	require.NoError(t, err)
	require.EqualValues(t, 4000+len(across), size, "writing nothing grows nothing")

	_, err = f.WriteAt([]byte("a"), -1)
	require.Error(t, err)
	require.NoError(t, f.Sync())
}

func testTruncate(t *testing.T, d disk) {
	long := strings.Repeat("x", 9000)
	f := d.make("a", long)
	for _, size := range []int{8500, 8192, 5000, 3, 0} {
		require.NoError(t, f.Truncate(int64(size)))
		require.Equal(t, long[:size], read(t, f))
		require.NoError(t, f.Truncate(9000))
		require.Equal(t, long[:size]+strings.Repeat("\x00", 9000-size), read(t, f), "what was cut is zeros when it comes back")
		write(t, f, long, 0)
	}
	require.Error(t, f.Truncate(-1))
	require.Equal(t, long, read(t, f))
}

func testReadOnly(t *testing.T, d disk) {
	d.make("a", "hello")
	f := d.open("a", vfs.ReadOnly)
	_, err := f.WriteAt([]byte("J"), 0)
	require.Error(t, err)
	require.Error(t, f.Truncate(0))
	require.Equal(t, "hello", read(t, f))
}

func testClosed(t *testing.T, d disk) {
	f := d.make("a", "hello")
	require.NoError(t, f.Close())
	verbs := map[string]func() error{
		"ReadAt":   func() error { _, err := f.ReadAt(make([]byte, 1), 0); return err },
		"WriteAt":  func() error { _, err := f.WriteAt(make([]byte, 1), 0); return err },
		"Size":     func() error { _, err := f.Size(); return err },
		"Truncate": func() error { return f.Truncate(0) },
		"Sync":     f.Sync,
		"Close":    f.Close,
	}
	for verb, do := range verbs {
		err := do()
		require.ErrorIs(t, err, fs.ErrClosed, verb)
		requirePathError(t, err, fs.ErrClosed, d.path("a"))
	}
	require.Equal(t, "hello", read(t, d.open("a", vfs.ReadOnly)))
}

func testRemove(t *testing.T, d disk) {
	requirePathError(t, d.Remove(d.path("a")), fs.ErrNotExist, d.path("a"))
	f := d.make("a", "hello")
	require.NoError(t, d.Remove(d.path("a")))
	require.Empty(t, d.names())

	fresh := d.make("a", "new")
	write(t, f, "J", 0)
	require.Equal(t, "Jello", read(t, f), "a removed file lives as long as its handle")
	require.Equal(t, "new", read(t, fresh), "and is not the next one of its name")

	require.NoError(t, d.MkdirAll(d.path("dir", "sub")))
	require.Error(t, d.Remove(d.path("dir")), "not empty")
	require.NoError(t, d.Remove(d.path("dir", "sub")))
	require.NoError(t, d.Remove(d.path("dir")))
	require.Equal(t, []string{"a"}, d.names())
}

func testRename(t *testing.T, d disk) {
	requirePathError(t, d.Rename(d.path("no"), d.path("b")), fs.ErrNotExist, d.path("no"))

	a, b := d.make("a", "new"), d.make("b", "old")
	require.NoError(t, d.Rename(d.path("a"), d.path("b")))
	require.Equal(t, []string{"b"}, d.names())
	require.Equal(t, "new", read(t, d.open("b", vfs.ReadOnly)))
	require.Equal(t, "old", read(t, b), "who has the old one open keeps it")
	write(t, a, "N", 0)
	require.Equal(t, "New", read(t, d.open("b", vfs.ReadOnly)), "a handle follows the rename")

	require.NoError(t, d.Rename(d.path("b"), d.path("b")))
	require.Equal(t, []string{"b"}, d.names())

	require.NoError(t, d.MkdirAll(d.path("dir")))
	require.Error(t, d.Rename(d.path("b"), d.path("dir", "b")), "across directories")
	require.Error(t, d.Rename(d.path("dir"), d.path("other")), "a directory")
	requirePathError(t, d.Rename(d.path("b"), d.path("dir")), fs.ErrExist, d.path("b"))
	require.Equal(t, []string{"b", "dir"}, d.names())
}

func testMkdir(t *testing.T, d disk) {
	deep := d.path("x", "y", "z")
	require.NoError(t, d.MkdirAll(deep))
	require.NoError(t, d.MkdirAll(deep), "twice")
	f, err := d.Open(filepath.Join(deep, "a"), vfs.Create, "")
	require.NoError(t, err)
	require.NoError(t, f.Close())

	d.make("file", "")
	require.Error(t, d.MkdirAll(d.path("file")), "a file has the name")
	require.Error(t, d.MkdirAll(d.path("file", "sub")), "a file is in the way")
}

func testList(t *testing.T, d disk) {
	d.make("b", "hello")
	d.make("c", "")
	require.NoError(t, d.MkdirAll(d.path("a", "sub")))
	entries, err := d.List(d.dir)
	require.NoError(t, err)
	require.Equal(t, []vfs.Entry{{Name: "a", Dir: true}, {Name: "b", Size: 5}, {Name: "c"}}, entries)

	entries, err = d.List(d.path("a", "sub"))
	require.NoError(t, err)
	require.Empty(t, entries)
	_, err = d.List(d.path("no"))
	requirePathError(t, err, fs.ErrNotExist, d.path("no"))
	_, err = d.List(d.path("b"))
	require.Error(t, err, "a file is no directory")
}

func testSyncDir(t *testing.T, d disk) {
	require.NoError(t, d.SyncDir(d.dir))
	d.make("a", "")
	require.Error(t, d.SyncDir(d.path("a")), "a file is no directory")
	requirePathError(t, d.SyncDir(d.path("no")), fs.ErrNotExist, d.path("no"))
}

func testLock(t *testing.T, d disk) {
	l, err := d.Lock(d.path("LOCK"))
	require.NoError(t, err)
	_, err = d.Lock(d.path("LOCK"))
	requirePathError(t, err, vfs.ErrLocked, d.path("LOCK"))
	other, err := d.Lock(d.path("OTHER"))
	require.NoError(t, err)
	require.NoError(t, other.Close())

	require.NoError(t, l.Close())
	require.ErrorIs(t, l.Close(), fs.ErrClosed)
	require.Equal(t, []string{"LOCK", "OTHER"}, d.names(), "the file stays")
	l, err = d.Lock(d.path("LOCK"))
	require.NoError(t, err, "given back by Close")
	require.NoError(t, l.Close())

	require.NoError(t, d.MkdirAll(d.path("dir")))
	_, err = d.Lock(d.path("dir"))
	require.Error(t, err)
	_, err = d.Lock(d.path("no", "LOCK"))
	requirePathError(t, err, fs.ErrNotExist, d.path("no", "LOCK"))
}
