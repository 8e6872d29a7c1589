package load

import (
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestRecordsAreSeededAndDistinct(t *testing.T) {
	for _, size := range []int{0, 1, 15, 16, 128, 4096, 100_000} {
		a, again, other := NewRecords(1, 2, size), NewRecords(1, 2, size), NewRecords(1, 3, size)
		var last []byte
		for i := range 10 {
			x, err := a.Next()
			require.NoError(t, err)
			y, _ := again.Next()
			z, _ := other.Next()
			require.Len(t, x, size)
			require.Equal(t, x, y, "the same seed and worker")
			if size >= 15 {
				require.NotEqual(t, x, z, "another worker")
				require.NotEqual(t, x, last, "another record")
			}
			if size >= 16 {
				require.EqualValues(t, 2, binary.LittleEndian.Uint64(x))
				require.EqualValues(t, i, binary.LittleEndian.Uint64(x[8:]))
			}
			last = bytes.Clone(x)
		}
	}
	require.Panics(t, func() { NewRecords(1, 1, -1) })
}

func file(t *testing.T, content string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "input")
	require.NoError(t, os.WriteFile(name, []byte(content), 0o600))
	return name
}

func TestLinesGoRound(t *testing.T) {
	long := strings.Repeat("x", 200_000) // longer than any buffer inside
	for name, c := range map[string]struct {
		content string
		want    []string
	}{
		"plain":             {"a\nbc\nd\n", []string{"a", "bc", "d"}},
		"no last newline":   {"a\nbc", []string{"a", "bc"}},
		"windows":           {"a\r\nbc\r\n", []string{"a", "bc"}},
		"empty lines":       {"\n\na\n\r\n\nb\n\n", []string{"a", "b"}},
		"one":               {"a", []string{"a"}},
		"longer than a buf": {long + "\nb\n", []string{long, "b"}},
		"binary":            {"\x00\xff\n\r\r\n", []string{"\x00\xff", "\r"}},
	} {
		t.Run(name, func(t *testing.T) {
			l, err := OpenLines(file(t, c.content), 1<<20)
			require.NoError(t, err)
			defer func() { require.NoError(t, l.Close()) }()
			var buf []byte
			for range 3 {
				for _, want := range c.want {
					buf, err = l.Next(buf)
					require.NoError(t, err)
					require.Equal(t, want, string(buf))
				}
			}
		})
	}
}

func TestLinesRefuseBadInput(t *testing.T) {
	_, err := OpenLines(filepath.Join(t.TempDir(), "none"), 10)
	require.ErrorIs(t, err, os.ErrNotExist)
	_, err = OpenLines(t.TempDir(), 10)
	require.ErrorContains(t, err, "not a regular file")
	for _, empty := range []string{"", "\n", "\r\n\n\n"} {
		_, err = OpenLines(file(t, empty), 10)
		require.ErrorIs(t, err, ErrNoLines)
	}
	_, err = OpenLines(file(t, strings.Repeat("x", 11)), 10)
	require.ErrorIs(t, err, ErrTooLong)

	name := file(t, strings.Repeat("x", 10)+"\r\n\n"+strings.Repeat("y", 11)+"\n")
	l, err := OpenLines(name, 10)
	require.NoError(t, err, "exactly the limit is not too long")
	defer func() { require.NoError(t, l.Close()) }()
	_, err = l.Next(nil)
	require.NoError(t, err)
	_, err = l.Next(nil)
	require.ErrorIs(t, err, ErrTooLong)
	require.ErrorContains(t, err, name+":3: ", "it says where")
}

// TestLinesGoToOneCallerEach: together the callers get every line once a
// pass. Seen to fail, under the race detector, with Next without its lock.
func TestLinesGoToOneCallerEach(t *testing.T) {
	var content strings.Builder
	var want []string
	for i := range 1000 {
		line := strings.Repeat("z", i%70) + "#" + string(rune('a'+i%26))
		content.WriteString(line + "\n")
		want = append(want, line)
	}
	l, err := OpenLines(file(t, content.String()), 100)
	require.NoError(t, err)
	defer func() { require.NoError(t, l.Close()) }()
	got := make([][]string, 4)
	var wg sync.WaitGroup
	for i := range got {
		wg.Go(func() {
			for range len(want) / len(got) {
				line, err := l.Next(nil)
				if err != nil {
					t.Error(err)
					return
				}
				got[i] = append(got[i], string(line))
			}
		})
	}
	wg.Wait()
	all := slices.Concat(got...)
	slices.Sort(all)
	slices.Sort(want)
	require.Equal(t, want, all)
}
