package arch

import (
	"encoding/json"
	"fmt"
	"go/token"
	"os/exec"
	"path"
	"slices"
	"strconv"
	"strings"
)

// layer says what the code of one package may import beside the standard
// library. Tests may import more: see allowedInTest.
type layer struct {
	inner []string // packages of this module
	outer []string // modules, of those that goMod allows
}

// The modules that the root may require directly.
const (
	testify  = "github.com/stretchr/testify" // in tests only
	xxhash   = "github.com/cespare/xxhash/v2"
	bbolt    = "go.etcd.io/bbolt"
	raft     = "github.com/hashicorp/raft"
	compress = "github.com/klauspost/compress"
)

// goLine is the oldest Go that the module compiles with: testing/synctest came
// with it. Importers cannot use an older one, so it only rises when it must.
const goLine = "1.25.0"

// layers is the import table. A package that is not in it may not exist: to
// add one, decide here what it may depend on. One under internal may, and has a
// row only if it needs a primitive.
func layers() map[string]layer {
	return map[string]layer{
		"vfs":                 {},
		"wal":                 {inner: []string{"vfs"}},
		"lsm":                 {inner: []string{"lsm/sst", "wal", "vfs", "cache"}, outer: []string{xxhash, compress}},
		"lsm/sst":             {inner: []string{"vfs", "cache"}, outer: []string{xxhash, compress}},
		"btree":               {inner: []string{"btree/ordered", "wal", "vfs"}, outer: []string{xxhash}},
		"btree/ordered":       {},
		"cache":               {outer: []string{xxhash}},
		"cache/cachesim":      {inner: []string{"cache"}, outer: []string{xxhash}},
		"ratelimit":           {},
		"ratelimit/storetest": {inner: []string{"ratelimit"}},
		"hashring":            {outer: []string{xxhash}},
		"breaker":             {},
		"vclock":              {},
		"crdt":                {inner: []string{"vclock"}},
		"crdt/text":           {inner: []string{"crdt", "vclock"}},
		"raftkv":              {inner: []string{"wal", "vfs", "btree/ordered"}, outer: []string{raft, bbolt}},
		"internal/crash":      {inner: []string{"vfs"}}, // for whatever keeps its files on a vfs.FS
		"internal/disk":       {inner: []string{"vfs"}},
	}
}

// checkLayers compares every import of the module with the table. The root,
// bench and examples compose the primitives: they import anything, and nothing
// imports them. The parts of bench (bench/hist …) import the standard library
// and each other, so that any package's tests can use them. The packages under
// internal are for tests, and import each other and what is in their rows. The
// tests inside of a package in such a row cannot use them: that would be a circle.
func checkLayers(m *module) []finding {
	var found []finding
	table := layers()
	for _, p := range m.pkgs {
		if _, ok := table[p.dir]; !ok && kindOf(p.dir) == primitive {
			found = append(found, in(p.dir, "package is not in the table of layers"))
			continue
		}
		for _, f := range p.files {
			for _, spec := range f.ast.Imports {
				target, err := strconv.Unquote(spec.Path.Value)
				if err != nil || m.mayImport(table, p, f, target) {
					continue
				}
				found = append(found, m.importFinding(spec.Pos(), p, f, target))
			}
		}
	}
	return found
}

func (m *module) importFinding(pos token.Pos, p *pkg, f *file, target string) finding {
	who := "code"
	if f.test {
		who = "tests"
	}
	return m.at(pos, "%s of %q may not import %s", who, p.dir, target)
}

// kind sorts the directories of the module by what they are to the table.
type kind int

const (
	primitive kind = iota
	composer       // root, bench, examples/…
	benchPart      // bench/hist …
	support        // internal/…
)

func kindOf(dir string) kind {
	first, rest, nested := strings.Cut(dir, "/")
	switch {
	case dir == "." || dir == "bench" || first == "examples":
		return composer
	case first == "bench" && nested && rest != "":
		return benchPart
	case first == "internal":
		return support
	}
	return primitive
}

// mayImport decides about one import.
func (m *module) mayImport(table map[string]layer, p *pkg, f *file, target string) bool {
	if dir, ok := m.local(target); ok {
		return dir == p.dir || mayImportInner(table, p.dir, dir, f.test)
	}
	if standard(target) {
		return true
	}
	outer := outerModule(target)
	switch {
	case outer == "":
		return false
	case f.test:
		return true
	case outer == testify:
		return false
	case kindOf(p.dir) == composer:
		return true
	}
	return slices.Contains(table[p.dir].outer, outer)
}

func mayImportInner(table map[string]layer, from, to string, test bool) bool {
	if kindOf(to) == composer {
		return false
	}
	if kindOf(to) == support {
		return test || kindOf(from) == support
	}
	switch kindOf(from) {
	case composer:
		return true
	case benchPart:
		return kindOf(to) == benchPart
	}
	if test && kindOf(from) == primitive && kindOf(to) == benchPart {
		return true
	}
	return slices.Contains(table[from].inner, to)
}

// local returns the directory of an import path of this module.
func (m *module) local(target string) (dir string, ok bool) {
	if target == m.path {
		return ".", true
	}
	return strings.CutPrefix(target, m.path+"/")
}

// standard reports import paths whose first element has no dot: the go command
// reserves those for the standard library.
func standard(target string) bool {
	first, _, _ := strings.Cut(target, "/")
	return !strings.Contains(first, ".") && target != "C"
}

// outerModule returns which of the allowed modules an import path belongs to,
// or "".
func outerModule(target string) string {
	for _, mod := range []string{testify, xxhash, bbolt, raft, compress} {
		if target == mod || strings.HasPrefix(target, mod+"/") {
			return mod
		}
	}
	return ""
}

// modFile is what `go mod edit -json` prints, as far as we ask.
type modFile struct {
	Module    struct{ Path string }
	Go        string
	Toolchain string
	Require   []struct {
		Path     string
		Indirect bool
	}
	Replace, Exclude []any
	Tool             []struct{ Path string }
}

func readModFile(name string) (modFile, error) {
	var mod modFile
	out, err := exec.Command("go", "mod", "edit", "-json", name).Output()
	if err != nil {
		return mod, fmt.Errorf("arch: go mod edit -json %s: %w", name, err)
	}
	return mod, json.Unmarshal(out, &mod)
}

// checkModFile compares the root's go.mod with what an importer should inherit.
func checkModFile(mod modFile) []finding {
	var found []finding
	if mod.Go != goLine {
		found = append(found, in("go.mod", "go line is %q, want %q", mod.Go, goLine))
	}
	if mod.Toolchain != "" {
		found = append(found, in("go.mod", "toolchain line: importers choose their own"))
	}
	if len(mod.Tool) > 0 {
		found = append(found, in("go.mod", "tool line for %s: it would raise the versions of importers, tools has its own module", mod.Tool[0].Path))
	}
	if len(mod.Replace)+len(mod.Exclude) > 0 {
		found = append(found, in("go.mod", "replace and exclude lines have no effect for importers"))
	}
	for _, r := range mod.Require {
		if !r.Indirect && outerModule(path.Clean(r.Path)) != r.Path {
			found = append(found, in("go.mod", "requires %s, which is not one of the allowed modules", r.Path))
		}
	}
	return found
}
