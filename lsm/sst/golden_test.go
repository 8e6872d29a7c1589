package sst

import (
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

var rewrite = flag.Bool("rewrite", false, "write the golden table of the present version of the format anew")

// TestGolden reads a table that an earlier build has written: whoever changes the
// format must keep reading this one, and add one of the new version.
func TestGolden(t *testing.T) {
	rows, o := sample()
	name := filepath.Join("testdata", "v1.table")
	if *rewrite {
		require.NoError(t, os.MkdirAll("testdata", 0o755))
		require.NoError(t, os.WriteFile(name, contents(t, fileOf(t, rows, o)), 0o644))
	}
	b, err := os.ReadFile(name)
	require.NoError(t, err)
	table, err := Open(fileWith(t, b), Options{Number: o.Number})
	require.NoError(t, err)
	require.NoError(t, table.Verify())
	at, it := 0, table.NewIterator()
	for it.First(); it.Valid(); it.Next() {
		require.Equal(t, rows[at], row{string(it.Key()), it.Trailer(), string(it.Value())})
		at++
	}
	require.Equal(t, len(rows), at)
}
