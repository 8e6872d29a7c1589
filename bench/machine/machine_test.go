package machine

import (
	"context"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestDescribe(t *testing.T) {
	dir := t.TempDir()
	m, err := Describe(t.Context(), dir)
	require.NoError(t, err)
	require.Equal(t, runtime.Version(), m.Go)
	require.Positive(t, m.CPUs)
	require.Positive(t, m.Fsync)
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Empty(t, left, "the probe cleans up")
	if runtime.GOOS == "linux" {
		require.NotEmpty(t, m.Kernel)
		require.NotEmpty(t, m.FileSystem)
	}
}

func TestDescribeFails(t *testing.T) {
	_, err := Describe(t.Context(), filepath.Join(t.TempDir(), "none"))
	require.ErrorIs(t, err, os.ErrNotExist)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	dir := t.TempDir()
	_, err = Describe(ctx, dir)
	require.ErrorIs(t, err, context.Canceled)
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Empty(t, left, "an interrupted probe cleans up too")
}

func TestInMemory(t *testing.T) {
	require.True(t, Machine{FileSystem: "tmpfs"}.InMemory())
	require.False(t, Machine{FileSystem: "ext4"}.InMemory())
	require.False(t, Machine{}.InMemory(), "unknown is no reason to warn")
}

func TestFileSystemIn(t *testing.T) {
	const table = `22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
30 22 0:27 / /tmp rw - tmpfs tmpfs rw
31 30 0:28 / /tmp/with\040space rw master:1 propagate_from:2 - xfs /dev/sdb rw
32 22 0:29 / /mnt rw - ext4 /dev/sdc rw
33 22 0:30 / /mnt rw - btrfs /dev/sdd rw
nonsense
`
	for dir, want := range map[string]string{
		"/": "ext4", "/home/x": "ext4", "/tmp": "tmpfs", "/tmp/x": "tmpfs", "/tmpx": "ext4",
		"/tmp/with space/x": "xfs", "/mnt/x": "btrfs",
	} {
		require.Equal(t, want, fileSystemIn(table, dir), dir)
	}
	require.Empty(t, fileSystemIn("", "/"))
}

func TestCPUModel(t *testing.T) {
	name := filepath.Join(t.TempDir(), "cpuinfo")
	require.NoError(t, os.WriteFile(name, []byte("processor\t: 0\nmodel name\t: Some CPU @ 2: fast\n"), 0o600))
	require.Equal(t, "Some CPU @ 2: fast", cpuModel(name))
	require.Empty(t, cpuModel(name+"x"))
	require.Empty(t, firstLine(name+"x"))
}

func TestFreeSpace(t *testing.T) {
	free, ok := FreeSpace(t.TempDir())
	if runtime.GOOS == "linux" {
		require.True(t, ok)
		require.Positive(t, free)
	}
	_, ok = FreeSpace(filepath.Join(t.TempDir(), "none"))
	require.False(t, ok)
}
