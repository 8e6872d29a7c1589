package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestBoltCountsAreExact: what is derived from the counters of bbolt is what the system
// has counted of this process, but for what the testing package writes meanwhile: the
// names of files that are looked at, a page of them now and then. Seen to fail without
// the meta pages.
func TestBoltCountsAreExact(t *testing.T) {
	e, err := openBolt(engineOptions{dir: filepath.Join(t.TempDir(), "store"), budget: 1})
	require.NoError(t, err)
	u := newEngineUser(e, 3000)
	require.NoError(t, u.fill(t.Context(), fillBatch))
	for _, batch := range []int{1, 100, 3000} {
		before, system := u.costs(), writtenByProcess(t)
		require.NoError(t, u.write(t.Context(), 3000, batch, u.any))
		written, wanted := u.costs().sub(before).written, writtenByProcess(t)-system
		require.LessOrEqual(t, written, wanted)
		require.InEpsilon(t, wanted, written, 0.012)
	}
	require.NoError(t, u.verify())
	require.NoError(t, u.close())
}

// writtenByProcess is how many bytes this process has passed to write calls.
func writtenByProcess(t *testing.T) (n int64) {
	t.Helper()
	io, err := os.ReadFile("/proc/self/io")
	if err != nil {
		t.Skip(err)
	}
	_, rest, ok := strings.Cut(string(io), "wchar: ")
	require.True(t, ok)
	_, err = fmt.Sscan(rest, &n)
	require.NoError(t, err)
	return n
}
