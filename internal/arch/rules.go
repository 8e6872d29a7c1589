package arch

import (
	"go/ast"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// docLines is what a contract may take: one screen, so that it is read.
const docLines = 60

// sections are the headings of a doc.go, in their order. A heading may say
// more ("Trade-offs and when to use something else").
func sections() []string {
	return []string{"Problem", "Idea", "Invariants", "Cost", "Concurrency", "Trade-offs", "Differences", "References"}
}

// vague lists names that say nothing about what is inside.
func vague() []string {
	return []string{"util", "utils", "common", "helper", "helpers", "type", "types", "misc", "pkg", "base", "shared"}
}

// checkParts finds packages without the parts that a reader looks for: a
// doc.go in each package that can be imported, with its sections in order, and
// a README.md in each directory directly below the root that holds a lesson.
func checkParts(m *module) []finding {
	var found []finding
	for _, p := range m.pkgs {
		doc := path.Join(p.dir, "doc.go")
		if p.importable() && !m.exists(doc) {
			found = append(found, in(p.dir, "no doc.go"))
		}
		for _, f := range p.files {
			if f.name == doc {
				found = append(found, checkDoc(p, f)...)
			}
		}
		first, _, below := strings.Cut(p.dir, "/")
		if !below && first != "internal" && !m.exists(path.Join(p.dir, "README.md")) {
			found = append(found, in(p.dir, "no README.md"))
		}
	}
	return found
}

func checkDoc(p *pkg, f *file) []finding {
	var found []finding
	if n := strings.Count(string(f.src), "\n"); n > docLines {
		found = append(found, in(f.name, "%d lines, at most %d", n, docLines))
	}
	if !p.importable() {
		return found
	}
	last, seen := -1, map[string]bool{}
	for _, g := range regexp.MustCompile(`(?m)^# (.+)$`).FindAllStringSubmatch(f.ast.Doc.Text(), -1) {
		i := slices.IndexFunc(sections(), func(s string) bool { return strings.HasPrefix(g[1], s) })
		switch {
		case i < 0:
			found = append(found, in(f.name, "section %q is none of %s", g[1], strings.Join(sections(), ", ")))
		case i <= last:
			found = append(found, in(f.name, "section %q is out of order", g[1]))
		default:
			last, seen[sections()[i]] = i, true
		}
	}
	for _, need := range []string{"Problem", "Idea"} {
		if !seen[need] {
			found = append(found, in(f.name, "no section %q", need))
		}
	}
	return found
}

// checkNames finds files and directories with names that say nothing.
func checkNames(m *module) []finding {
	var found []finding
	for _, p := range m.pkgs {
		if slices.Contains(vague(), path.Base(p.dir)) {
			found = append(found, in(p.dir, "a name that says nothing: name the concept"))
		}
		for _, f := range p.files {
			stem := strings.TrimSuffix(strings.TrimSuffix(path.Base(f.name), ".go"), "_test")
			if slices.Contains(vague(), stem) {
				found = append(found, in(f.name, "a name that says nothing: name the concept"))
			}
		}
	}
	return found
}

// checkInit finds init functions: what happens at import cannot be chosen,
// ordered or tested.
func checkInit(m *module) []finding {
	var found []finding
	for _, p := range m.pkgs {
		for _, f := range p.files {
			for _, decl := range f.ast.Decls {
				if fn, ok := decl.(*ast.FuncDecl); ok && fn.Recv == nil && fn.Name.Name == "init" {
					found = append(found, m.at(fn.Pos(), "func init"))
				}
			}
		}
	}
	return found
}

// checkSleep finds uses of time.Sleep in tests, under whatever name the
// package time is imported: a test that sleeps is slow, or fails on a slow
// machine, or both. Inside a testing/synctest bubble time.After does the same.
func checkSleep(m *module) []finding {
	var found []finding
	for _, p := range m.pkgs {
		for _, f := range p.files {
			name := f.importName("time")
			if !f.test || name == "" {
				continue
			}
			ast.Inspect(f.ast, func(n ast.Node) bool {
				switch n := n.(type) {
				case *ast.SelectorExpr:
					if x, ok := n.X.(*ast.Ident); ok && x.Name == name && n.Sel.Name == "Sleep" {
						found = append(found, m.at(n.Pos(), "time.Sleep in a test"))
					}
				case *ast.Ident:
					if name == "." && n.Name == "Sleep" {
						found = append(found, m.at(n.Pos(), "time.Sleep in a test"))
					}
				}
				return true
			})
		}
	}
	return found
}

// importName returns the name that a file gives to an imported package of the
// standard library, "" if it does not import it.
func (f *file) importName(target string) string {
	for _, spec := range f.ast.Imports {
		if p, err := strconv.Unquote(spec.Path.Value); err != nil || p != target {
			continue
		}
		if spec.Name != nil {
			return spec.Name.Name
		}
		return path.Base(target)
	}
	return ""
}
