package vfs_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/plinth-go/plinth/vfs"
)

// TestCounterAgreesWithTheKernel compares the counter with what the kernel says
// that this process asked of it. Not parallel, and large against the noise:
// reading /proc/self/io, and whatever the runtime or the testing package reads
// and writes meanwhile, is some kilobytes.
func TestCounterAgreesWithTheKernel(t *testing.T) {
	const each, noise = 64 << 10, 256 << 10
	c := vfs.NewCounter(vfs.OS())
	name := t.TempDir() + "/a"
	f, err := c.Open(name, vfs.Create, "log")
	require.NoError(t, err)
	defer f.Close()

	readBefore, writtenBefore := processIO(t)
	p := make([]byte, each)
	for i := range 160 {
		_, err := f.WriteAt(p, int64(i*each))
		require.NoError(t, err)
	}
	for i := range 80 {
		_, err := f.ReadAt(p, int64(i*each))
		require.NoError(t, err)
	}
	readAfter, writtenAfter := processIO(t)

	n := c.Counts().Files["log"]
	info, err := os.Stat(name)
	require.NoError(t, err)
	require.EqualValues(t, info.Size(), n.BytesWritten)
	require.EqualValues(t, 160*each, n.BytesWritten)
	require.EqualValues(t, 80*each, n.BytesRead)
	require.InDelta(t, n.BytesWritten, writtenAfter-writtenBefore, noise)
	require.InDelta(t, n.BytesRead, readAfter-readBefore, noise)
}

func processIO(t *testing.T) (rchar, wchar int64) {
	text, err := os.ReadFile("/proc/self/io")
	if err != nil {
		t.Skip("no I/O accounting:", err)
	}
	for line := range strings.Lines(string(text)) {
		fmt.Sscanf(line, "rchar: %d", &rchar)
		fmt.Sscanf(line, "wchar: %d", &wchar)
	}
	return rchar, wchar
}
