package arch

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// module is a parsed source tree: one module without those nested in it.
type module struct {
	path  string // as in go.mod
	tree  fs.FS
	fset  *token.FileSet
	pkgs  []*pkg   // by dir
	texts []string // names of all Go files, documents and module files, nested modules included
}

// pkg is a directory with Go files; the external test package belongs to it.
type pkg struct {
	dir   string // "." is the root
	name  string // as the non-test files say it
	files []*file
}

type file struct {
	name string // path from the root of the tree
	test bool
	src  []byte
	ast  *ast.File
}

// finding is a place and what is wrong there.
type finding string

// load parses the tree of the module called modPath.
func load(tree fs.FS, modPath string) (*module, error) {
	m := &module{path: modPath, tree: tree, fset: token.NewFileSet()}
	byDir := map[string]*pkg{}
	nested := "" // the nested module that the walk is in
	err := fs.WalkDir(tree, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if nested != "" && !strings.HasPrefix(name, nested+"/") {
			nested = ""
		}
		if d.IsDir() {
			if skipped(name) {
				return fs.SkipDir
			}
			if _, err := fs.Stat(tree, path.Join(name, "go.mod")); err == nil && name != "." && nested == "" {
				nested = name
			}
			return nil
		}
		if isText(name) {
			m.texts = append(m.texts, name)
		}
		if nested != "" || path.Ext(name) != ".go" {
			return nil
		}
		f, err := m.parse(name)
		if err != nil {
			return err
		}
		dir := path.Dir(name)
		if byDir[dir] == nil {
			byDir[dir] = &pkg{dir: dir}
			m.pkgs = append(m.pkgs, byDir[dir])
		}
		byDir[dir].add(f)
		return nil
	})
	slices.SortFunc(m.pkgs, func(a, b *pkg) int { return strings.Compare(a.dir, b.dir) })
	return m, err
}

// skipped reports directories that the go command does not look into either;
// of those with a dot, .ci holds text of ours.
func skipped(dir string) bool {
	base := path.Base(dir)
	hidden := strings.HasPrefix(base, ".") || strings.HasPrefix(base, "_")
	return base == "testdata" || hidden && base != "." && base != ".ci"
}

func isText(name string) bool {
	return slices.Contains([]string{".go", ".md", ".mod"}, path.Ext(name)) || name == ".ci/run"
}

func (m *module) parse(name string) (*file, error) {
	src, err := fs.ReadFile(m.tree, name)
	if err != nil {
		return nil, err
	}
	tree, err := parser.ParseFile(m.fset, name, src, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	return &file{name: name, test: strings.HasSuffix(name, "_test.go"), src: src, ast: tree}, nil
}

func (p *pkg) add(f *file) {
	p.files = append(p.files, f)
	if !f.test {
		p.name = f.ast.Name.Name
	}
}

// at makes a finding for a place in a Go file.
func (m *module) at(pos token.Pos, format string, args ...any) finding {
	return finding(fmt.Sprintf("%s: ", m.fset.Position(pos)) + fmt.Sprintf(format, args...))
}

// in makes a finding for a file or directory as a whole.
func in(name, format string, args ...any) finding {
	return finding(name + ": " + fmt.Sprintf(format, args...))
}

// importable reports whether other modules can import p and are meant to.
func (p *pkg) importable() bool {
	first, _, _ := strings.Cut(p.dir, "/")
	return p.name != "main" && p.name != "" && p.dir != "." && first != "internal" && first != "examples"
}

// exists reports whether the tree has the name.
func (m *module) exists(name string) bool {
	_, err := fs.Stat(m.tree, name)
	return err == nil
}
