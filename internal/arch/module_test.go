package arch

import (
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"
)

const plinth = "github.com/plinth-go/plinth" // a fork renames it here, too

// plant makes a module of files given as name, content, name, content ….
func plant(t *testing.T, files ...string) *module {
	t.Helper()
	tree := fstest.MapFS{}
	for i := 0; i < len(files); i += 2 {
		tree[files[i]] = &fstest.MapFile{Data: []byte(files[i+1])}
	}
	m, err := load(tree, plinth)
	require.NoError(t, err)
	return m
}

// requireFindings asks that there is one finding per want, in order, and that
// it contains it.
func requireFindings(t *testing.T, found []finding, want ...string) {
	t.Helper()
	for i, f := range found {
		if i >= len(want) {
			require.Failf(t, "a finding too many", "%s", f)
		}
		require.Contains(t, string(f), want[i])
	}
	require.Len(t, found, len(want), "not found: %s", strings.Join(want[len(found):], ", "))
}

func TestLoad(t *testing.T) {
	m := plant(t,
		"go.mod", "module "+plinth,
		"doc.go", "package plinth",
		"wal/wal.go", "package wal",
		"wal/wal_test.go", "package wal_test",
		"wal/os_windows.go", "//go:build windows\n\npackage wal",
		"wal/testdata/broken.go", "not Go",
		".git/x.go", "not Go",
		"_attic/x.go", "not Go",
		"bench/peers/go.mod", "module elsewhere",
		"bench/peers/main.go", "package main",
		"bench/peers/deep/x.go", "package deep",
		"bench/peersafter/x.go", "package peersafter",
		".ci/run", "#!/bin/bash",
	)
	var dirs []string
	for _, p := range m.pkgs {
		dirs = append(dirs, p.dir)
	}
	require.Equal(t, []string{".", "bench/peersafter", "wal"}, dirs)
	require.Equal(t, "wal", m.pkgs[2].name)
	require.Len(t, m.pkgs[2].files, 3)
	require.Contains(t, m.texts, ".ci/run")
	require.Contains(t, m.texts, "bench/peers/deep/x.go")

	_, err := load(fstest.MapFS{"x.go": {Data: []byte("package")}}, plinth)
	require.Error(t, err)
}
