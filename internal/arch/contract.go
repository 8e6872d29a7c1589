package arch

import (
	"go/ast"
	"go/token"
	"strings"
)

// contracts are the four things a type can say about being shared, the longer
// before those that they contain.
func contracts() []string {
	return []string{
		"safe for concurrent readers; a writer needs exclusive access",
		"one writer, any number of readers",
		"not safe for concurrent use",
		"safe for concurrent use",
	}
}

// checkContracts finds the exported types of importable packages whose doc
// comment does not say, in exactly one of the four ways, who may share a value.
//
// Structs, interfaces, maps, slices, arrays, channels and functions must say
// it, for all of them can hold or capture state. Exempt are
//   - a type whose underlying type is a basic one (an enumeration, a number
//     with a unit): it is copied, never shared;
//   - an alias: the type it names has said it;
//   - a type parameter or constraint (an interface with a union or ~T): it has
//     no values of its own.
func checkContracts(m *module) []finding {
	var found []finding
	for _, p := range m.pkgs {
		if !p.importable() {
			continue
		}
		types := p.types()
		for _, t := range types {
			if !t.spec.Name.IsExported() || t.spec.Assign.IsValid() || plain(types, t.spec.Type) {
				continue
			}
			if said := contractsIn(t.doc); len(said) != 1 {
				found = append(found, m.at(t.spec.Pos(), "type %s states %d concurrency contracts, want exactly one of: %s",
					t.spec.Name.Name, len(said), strings.Join(contracts(), " | ")))
			}
		}
	}
	return found
}

// typeDecl is a type declaration with the comment that documents it.
type typeDecl struct {
	spec *ast.TypeSpec
	doc  string
}

// types returns the types that the package's non-test files declare.
func (p *pkg) types() []typeDecl {
	var all []typeDecl
	for _, f := range p.files {
		if f.test {
			continue
		}
		for _, decl := range f.ast.Decls {
			group, ok := decl.(*ast.GenDecl)
			if !ok || group.Tok != token.TYPE {
				continue
			}
			for _, spec := range group.Specs {
				t := spec.(*ast.TypeSpec)
				doc := t.Doc
				if doc == nil && !group.Lparen.IsValid() {
					doc = group.Doc
				}
				all = append(all, typeDecl{t, doc.Text()})
			}
		}
	}
	return all
}

// plain reports whether a type expression stands for a basic type or a
// constraint. A name is followed through the package's own declarations.
func plain(types []typeDecl, expr ast.Expr) bool {
	switch e := expr.(type) {
	case *ast.ParenExpr:
		return plain(types, e.X)
	case *ast.InterfaceType:
		return isConstraint(e)
	case *ast.Ident:
		for _, t := range types {
			if t.spec.Name.Name == e.Name {
				return plain(types, t.spec.Type)
			}
		}
		return e.Name != "any" && e.Name != "error" // what is left is predeclared and basic
	case *ast.SelectorExpr:
		pkg, ok := e.X.(*ast.Ident)
		return ok && pkg.Name == "time" && (e.Sel.Name == "Duration" || e.Sel.Name == "Month" || e.Sel.Name == "Weekday")
	}
	return false
}

func isConstraint(e *ast.InterfaceType) bool {
	for _, field := range e.Methods.List {
		switch field.Type.(type) {
		case *ast.BinaryExpr, *ast.UnaryExpr:
			return true
		}
	}
	return false
}

// contractsIn returns each contract as often as the comment states it.
func contractsIn(doc string) []string {
	rest := strings.ToLower(strings.Join(strings.Fields(doc), " "))
	var said []string
	for _, c := range contracts() {
		for strings.Contains(rest, c) {
			rest = strings.Replace(rest, c, "", 1)
			said = append(said, c)
		}
	}
	return said
}
