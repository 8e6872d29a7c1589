package arch

import (
	"fmt"
	"go/ast"
	"go/format"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"regexp"
	"strings"
)

// snippet is a fenced block of code in a document.
type snippet struct {
	lang string
	line int // of the opening fence
	code string
	open bool // the fence is never closed
}

// checkSnippets finds Go code in READMEs that is not the body of an Example of
// the same directory's package; the root's README may show any package's.
// What is compared is what gofmt makes of both, without the comment that holds
// the expected output. A block of imports alone is allowed.
func checkSnippets(m *module) []finding {
	var found []finding
	for _, name := range m.texts {
		if path.Base(name) != "README.md" || m.nested(name) {
			continue
		}
		src, err := fs.ReadFile(m.tree, name)
		if err != nil {
			found = append(found, in(name, "%v", err))
			continue
		}
		bodies := m.exampleBodies(path.Dir(name))
		for _, s := range snippets(string(src)) {
			if s.lang != "go" && s.lang != "golang" {
				continue
			}
			if problem := s.compare(bodies); problem != "" {
				found = append(found, finding(fmt.Sprintf("%s:%d: %s", name, s.line, problem)))
			}
		}
	}
	return found
}

func (s snippet) compare(bodies map[string]bool) string {
	if s.open {
		return "the fence is never closed"
	}
	if onlyImports(s.code) {
		return ""
	}
	code, err := canonical(s.code)
	if err != nil {
		return fmt.Sprintf("not the body of a Go function: %v", err)
	}
	if !bodies[code] {
		return "Go code that is not the body of an Example"
	}
	return ""
}

// nested reports whether a file lies in a module of its own.
func (m *module) nested(name string) bool {
	for dir := path.Dir(name); dir != "."; dir = path.Dir(dir) {
		if m.exists(path.Join(dir, "go.mod")) {
			return true
		}
	}
	return false
}

// exampleBodies returns the canonical bodies of the Examples in a directory.
func (m *module) exampleBodies(dir string) map[string]bool {
	bodies := map[string]bool{}
	for _, p := range m.pkgs {
		if p.dir != dir && dir != "." {
			continue
		}
		for _, f := range p.files {
			for _, decl := range f.ast.Decls {
				fn, ok := decl.(*ast.FuncDecl)
				if !ok || !f.test || fn.Recv != nil || fn.Body == nil || !strings.HasPrefix(fn.Name.Name, "Example") {
					continue
				}
				if body, err := canonical(m.exampleBody(f, fn)); err == nil {
					bodies[body] = true
				}
			}
		}
	}
	return bodies
}

// exampleBody returns the source between the braces, up to the comment with
// the expected output.
func (m *module) exampleBody(f *file, fn *ast.FuncDecl) string {
	output := regexp.MustCompile(`(?i)^[[:space:]]*(unordered )?output:`)
	from, to := fn.Body.Lbrace+1, fn.Body.Rbrace
	for _, c := range f.ast.Comments {
		if c.Pos() > from && c.End() < to && output.MatchString(c.Text()) {
			to = c.Pos()
		}
	}
	return string(f.src[m.fset.Position(from).Offset:m.fset.Position(to).Offset])
}

// canonical returns statements as gofmt writes them.
func canonical(body string) (string, error) {
	out, err := format.Source([]byte("package p\n\nfunc _() {\n" + strings.TrimRight(strings.TrimLeft(body, "\n"), " \t\n") + "\n}\n"))
	return strings.TrimSpace(string(out)), err
}

// onlyImports reports code that is nothing but import declarations.
func onlyImports(code string) bool {
	f, err := parser.ParseFile(token.NewFileSet(), "", "package p\n"+code, parser.SkipObjectResolution)
	if err != nil || len(f.Decls) == 0 {
		return false
	}
	for _, decl := range f.Decls {
		if group, ok := decl.(*ast.GenDecl); !ok || group.Tok != token.IMPORT {
			return false
		}
	}
	return true
}

// snippets returns the fenced blocks of a Markdown document, also those
// indented in a list.
func snippets(doc string) []snippet {
	fence := regexp.MustCompile("^([ \t]*)(```+|~~~+)[ \t]*([^ \t`]*)")
	var all []snippet
	var mark, indent string
	for i, line := range strings.Split(doc, "\n") {
		if mark == "" {
			if g := fence.FindStringSubmatch(line); g != nil {
				indent, mark = g[1], g[2]
				all = append(all, snippet{lang: strings.ToLower(g[3]), line: i + 1, open: true})
			}
			continue
		}
		s := &all[len(all)-1]
		if t := strings.TrimSpace(line); strings.HasPrefix(t, mark) && strings.Trim(t, mark[:1]) == "" {
			mark, s.open = "", false
			continue
		}
		s.code += strings.TrimPrefix(line, indent) + "\n"
	}
	return all
}
