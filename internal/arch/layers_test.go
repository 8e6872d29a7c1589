package arch

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestCheckLayers(t *testing.T) {
	const p = plinth + "/"
	imports := func(pkg string, targets ...string) string {
		src := "package " + pkg + "\n"
		for _, target := range targets {
			src += "import _ \"" + target + "\"\n"
		}
		return src
	}
	for name, c := range map[string]struct {
		files []string
		want  []string
	}{
		"allowed": {files: []string{
			"wal/wal.go", imports("wal", "os", "net/http", p+"vfs"),
			"wal/wal_test.go", imports("wal_test", p+"wal", p+"vfs", p+"internal/seed", p+"bench/hist", testify+"/require", bbolt),
			"lsm/lsm.go", imports("lsm", p+"lsm/sst", p+"wal", p+"cache", xxhash, compress+"/s2"),
			"bench/main.go", imports("main", p+"wal", p+"bench/hist", p+"lsm", bbolt),
			"bench/plot/plot.go", imports("plot", "math", p+"bench/hist"),
			"examples/shop/main.go", imports("main", p+"wal", raft),
			"bench_test.go", imports("plinth_test", p+"wal", testify+"/require"),
			"internal/seed/seed.go", imports("seed", "testing"),
			"internal/crash/crash.go", imports("crash", p+"vfs", p+"internal/seed"),
		}},
		"upwards":                 {[]string{"vfs/a.go", imports("vfs", p+"wal")}, []string{`code of "vfs" may not import`}},
		"sideways":                {[]string{"wal/a.go", imports("wal", p+"cache")}, []string{p + "cache"}},
		"only on another system":  {[]string{"vfs/a.go", "//go:build windows\n\n" + imports("vfs", p+"wal")}, []string{"vfs/a.go:4:8"}},
		"part imports the whole":  {[]string{"lsm/sst/a.go", imports("sst", p+"lsm")}, []string{p + "lsm"}},
		"test upwards":            {[]string{"vfs/a.go", "package vfs", "vfs/a_test.go", imports("vfs", p+"wal")}, []string{`tests of "vfs"`}},
		"testify outside tests":   {[]string{"wal/a.go", imports("wal", testify+"/assert")}, []string{testify}},
		"module of another layer": {[]string{"wal/a.go", imports("wal", bbolt)}, []string{bbolt}},
		"module nobody may use":   {[]string{"wal/a_test.go", imports("wal", "github.com/tidwall/wal")}, []string{"tidwall"}},
		"a name that only begins": {[]string{"raftkv/a.go", imports("raftkv", raft+"-wal")}, []string{raft + "-wal"}},
		"cgo":                     {[]string{"wal/a.go", imports("wal", "C")}, []string{"C"}},
		"root imported":           {[]string{"wal/a_test.go", imports("wal", plinth)}, []string{plinth}},
		"bench imported":          {[]string{"wal/a_test.go", imports("wal", p+"bench")}, []string{p + "bench"}},
		"bench part outside test": {[]string{"wal/a.go", imports("wal", p+"bench/hist")}, []string{p + "bench/hist"}},
		"bench part imports":      {[]string{"bench/load/a.go", imports("load", p+"vfs", p+"bench/hist", bbolt)}, []string{p + "vfs", bbolt}},
		"examples imported":       {[]string{"bench/a.go", imports("main", p+"examples/shop")}, []string{p + "examples/shop"}},
		"internal outside tests":  {[]string{"wal/a.go", imports("wal", p+"internal/seed")}, []string{p + "internal/seed"}},
		"internal without a row":  {[]string{"internal/seed/a.go", imports("seed", p+"vfs")}, []string{`code of "internal/seed" may not import`}},
		"internal of another row": {[]string{"internal/crash/a_test.go", imports("crash", p+"wal", p+"bench/hist")}, []string{p + "wal", p + "bench/hist"}},
		"testify in internal":     {[]string{"internal/crash/a.go", imports("crash", testify+"/require")}, []string{testify}},
		"unknown package":         {[]string{"lock/a.go", imports("lock")}, []string{"lock: package is not in the table"}},
	} {
		t.Run(name, func(t *testing.T) {
			requireFindings(t, checkLayers(plant(t, c.files...)), c.want...)
		})
	}
}

// TestLayersHaveNoCycle follows the table: a cycle in it would allow what the
// compiler refuses, and hide that two layers are one.
func TestLayersHaveNoCycle(t *testing.T) {
	table := layers()
	var visit func(dir string, path []string)
	visit = func(dir string, path []string) {
		require.NotContains(t, path, dir, "cycle")
		require.Contains(t, table, dir, "%v names a package without a row", path)
		for _, inner := range table[dir].inner {
			visit(inner, append(path, dir))
		}
	}
	for dir := range table {
		visit(dir, nil)
	}
}

func TestCheckModFile(t *testing.T) {
	const head = "module " + plinth + "\n\ngo 1.25.0\n"
	for name, c := range map[string]struct {
		mod  string
		want []string
	}{
		"allowed":          {mod: head + "require " + testify + " v1.12.1\nrequire " + xxhash + " v2.3.0\nrequire elsewhere.example/x v1.0.0 // indirect\n"},
		"patch version":    {"module " + plinth + "\ngo 1.26.8\n", []string{`go line is "1.26.8"`}},
		"no go line":       {"module " + plinth + "\n", []string{`go line is ""`}},
		"toolchain":        {head + "toolchain go1.26.8\n", []string{"toolchain line"}},
		"tool":             {head + "tool elsewhere.example/x/cmd/y\n", []string{"tool line for elsewhere.example/x/cmd/y"}},
		"replace":          {head + "replace " + raft + " => ../raft\n", []string{"replace"}},
		"another module":   {head + "require github.com/tidwall/wal v1.2.1\n", []string{"requires github.com/tidwall/wal"}},
		"another version":  {head + "require github.com/cespare/xxhash v1.1.0\n", []string{"requires github.com/cespare/xxhash"}},
		"module inside it": {head + "require " + compress + "/zstd v1.0.0\n", []string{"requires " + compress + "/zstd"}},
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "go.mod")
			require.NoError(t, os.WriteFile(file, []byte(c.mod), 0o644))
			mod, err := readModFile(file)
			require.NoError(t, err)
			requireFindings(t, checkModFile(mod), c.want...)
		})
	}
	_, err := readModFile(filepath.Join(t.TempDir(), "go.mod"))
	require.Error(t, err)
}
