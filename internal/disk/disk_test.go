package disk

import (
	"bytes"
	"math/bits"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/plinth-go/plinth/vfs"
)

func read(t *testing.T, fsys vfs.FS, name string) []byte {
	f, err := fsys.Open(name, vfs.ReadOnly, "test")
	require.NoError(t, err)
	size, err := f.Size()
	require.NoError(t, err)
	b := make([]byte, size)
	_, err = f.ReadAt(b, 0)
	require.NoError(t, err)
	require.NoError(t, f.Close())
	return b
}

// TestFlips: each disk differs from the first by one bit, each byte has its turn, and
// the first disk stays as it is.
func TestFlips(t *testing.T) {
	base := vfs.NewMem()
	require.NoError(t, base.MkdirAll("db/log"))
	for name, data := range map[string]string{"db/b": "0123456789", "db/log/a": "abc", "db/none": ""} {
		f, err := base.Open(name, vfs.Create, "test")
		require.NoError(t, err)
		_, err = f.WriteAt([]byte(data), 0)
		require.NoError(t, err)
		require.NoError(t, f.Close())
	}
	files := Files(t, base, "db")
	require.Equal(t, map[string]int64{"db/b": 10, "db/log/a": 3, "db/none": 0}, files)
	require.Equal(t, map[string]int64{"db/log/a": 3}, Files(t, base, "db/log"))

	for stride, want := range map[int64]int{1: 13, 3: 5, 100: 2} {
		seen := map[string]bool{}
		for d := range Flips(t, base, "db", stride) {
			seen[d.Name+string(rune('0'+d.At))] = true
			require.Zero(t, d.At%stride)
			for name := range files {
				before, after := read(t, base, name), read(t, d.FS, name)
				if name == d.Name {
					require.Equal(t, 1, bits.OnesCount8(before[d.At]^after[d.At]))
					after[d.At] = before[d.At]
				}
				require.True(t, bytes.Equal(before, after), name)
			}
		}
		require.Len(t, seen, want)
	}
	for d := range Flips(t, base, "db", 1) {
		require.Equal(t, Damaged{d.FS, "db/b", 0}, d, "and no further")
		break
	}
}
