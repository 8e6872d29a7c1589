package arch

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const exampleFile = `package wal_test

import "fmt"

func ExampleLog() {
	// Say it.
	for range 2 {
		fmt.Println("x")
	}

	// Output:
	// x
	// x
}

func ExampleLog_unordered() {
	fmt.Println("u")
	// Unordered output: u
}

func Example_plain() {
	fmt.Println("p")
}

func TestLog() {
	fmt.Println("no example")
}
`

func fenced(lines ...string) string {
	return "Text.\n\n```" + strings.Join(lines, "\n") + "\n```\n"
}

func TestCheckSnippets(t *testing.T) {
	loop := []string{"// Say it.", "for range 2 {", "\tfmt.Println(\"x\")", "}"}
	block := fenced(append([]string{"go"}, loop...)...)
	for name, c := range map[string]struct {
		readme, text string
		want         []string
	}{
		"body":            {readme: "wal/README.md", text: block},
		"indented":        {readme: "wal/README.md", text: fenced("go", "  // Say it.", "  for range 2 {", "    fmt.Println(\"x\")", "  }")},
		"in a list":       {readme: "wal/README.md", text: "1. Text\n\n   ```go\n   fmt.Println(\"p\")\n   ```\n"},
		"tildes":          {readme: "wal/README.md", text: "~~~go\nfmt.Println(\"u\")\n~~~\n"},
		"import":          {readme: "wal/README.md", text: fenced("go", `import "github.com/plinth-go/plinth/wal"`)},
		"import block":    {readme: "wal/README.md", text: fenced("go", "import (", `"fmt"`, ")")},
		"other languages": {readme: "wal/README.md", text: fenced("sh", "go test") + fenced("", "x") + fenced("mermaid", "graph TD")},
		"root shows any":  {readme: "README.md", text: block},
		"not a README":    {readme: "wal/NOTES.md", text: fenced("go", "stale()")},
		"nested module":   {readme: "bench/peers/README.md", text: fenced("go", "stale()")},

		"stale":             {"wal/README.md", strings.Replace(block, `"x"`, `"y"`, 1), []string{"wal/README.md:3: Go code that is not"}},
		"half of it":        {"wal/README.md", fenced(append([]string{"go"}, loop[1:]...)...), []string{"wal/README.md:3"}},
		"comment changed":   {"wal/README.md", strings.Replace(block, "Say", "Tell", 1), []string{"wal/README.md:3"}},
		"with its output":   {"wal/README.md", fenced("go", `fmt.Println("u")`, "// Unordered output: u"), []string{"wal/README.md:3"}},
		"a test's body":     {"wal/README.md", fenced("go", `fmt.Println("no example")`), []string{"wal/README.md:3"}},
		"another package's": {"vfs/README.md", block, []string{"vfs/README.md:3"}},
		"not Go":            {"wal/README.md", fenced("go", "for {"), []string{"not the body of a Go function"}},
		"second block":      {"wal/README.md", block + fenced("Go", "stale()"), []string{"wal/README.md:11"}},
		"never closed":      {"wal/README.md", "```go\nfmt.Println(\"p\")\n", []string{"never closed"}},
		"import and more":   {"wal/README.md", fenced("go", `import "fmt"`, "var x = 1"), []string{"wal/README.md:3"}},
	} {
		t.Run(name, func(t *testing.T) {
			m := plant(t,
				"wal/wal.go", "package wal",
				"wal/example_test.go", exampleFile,
				"vfs/vfs.go", "package vfs",
				"bench/peers/go.mod", "module elsewhere",
				c.readme, c.text)
			requireFindings(t, checkSnippets(m), c.want...)
		})
	}
}

func TestSnippetsLongFence(t *testing.T) {
	got := snippets("````md\n```go\nx\n```\n````\n```go\ny\n```")
	require.Equal(t, []snippet{
		{lang: "md", line: 1, code: "```go\nx\n```\n"},
		{lang: "go", line: 6, code: "y\n"},
	}, got)
}
