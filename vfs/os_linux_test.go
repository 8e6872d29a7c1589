package vfs_test

import (
	"os"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/plinth-go/plinth/vfs"
)

// TestSyncReachesTheKernel uses what cannot be synced: a device and a directory of
// procfs answer EINVAL, and only to who asks. Planted and seen to fail here: a
// Sync, and a SyncDir, that return nil without a system call.
func TestSyncReachesTheKernel(t *testing.T) {
	f, err := vfs.OS().Open(os.DevNull, vfs.ReadWrite, "")
	require.NoError(t, err)
	defer f.Close()
	requirePathError(t, f.Sync(), syscall.EINVAL, os.DevNull)

	if _, err := os.Stat("/proc/self"); err != nil {
		t.Skip("no procfs:", err)
	}
	requirePathError(t, vfs.OS().SyncDir("/proc"), syscall.EINVAL, "/proc")
}
