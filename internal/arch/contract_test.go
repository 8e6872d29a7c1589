package arch

import "testing"

func TestCheckContracts(t *testing.T) {
	for name, c := range map[string]struct {
		dir, src string
		want     []string
	}{
		"each phrase": {dir: "wal", src: `
// A is not safe for concurrent use.
type A struct{}

// B is a plain value: Safe for concurrent readers; a writer needs
// exclusive access.
type B map[string]int

type (
	// C has one writer, any number of readers.
	C []byte
	// D is safe for concurrent use.
	D interface{ M() }
)

// E is a function; it is safe for concurrent use.
type E func()
`},
		"exempt": {dir: "wal", src: `
import "time"
type Mode uint8
type Name string
type Level Mode
type Wait time.Duration
type Alias = Mode
type Number interface{ ~int | ~float64 }
type Tilde interface{ ~int }
type hidden struct{}
`},
		"main says nothing":     {dir: "bench", src: "type A struct{}\n"},
		"internal says nothing": {dir: "internal/seed", src: "type A struct{}\n"},
		"nothing said":          {"wal", "// A is a type.\ntype A struct{}\n", []string{"type A states 0"}},
		"no comment":            {"wal", "type A struct{}\n", []string{"wal/a.go:2:6"}},
		"two said":              {"wal", "// A is not safe for concurrent use. B is safe for concurrent use.\ntype A struct{}\n", []string{"states 2"}},
		"twice said":            {"wal", "// A is safe for concurrent use, truly safe for concurrent use.\ntype A struct{}\n", []string{"states 2"}},
		"interface":             {"vfs", "type A interface{ M() }\n", []string{"type A"}},
		"function":              {"vfs", "type A func()\n", []string{"type A"}},
		"slice, map, array, channel": {"vfs", "type A []int\ntype B map[int]int\ntype C [2]int\ntype D chan int\n",
			[]string{"type A", "type B", "type C", "type D"}},
		"through a local name": {"vfs", "type b struct{}\ntype A b\n", []string{"type A"}},
		"error and any":        {"vfs", "type A error\ntype B any\n", []string{"type A", "type B"}},
		"elsewhere":            {"vfs", "import \"sync\"\ntype A sync.Mutex\n", []string{"type A"}},
		"group comment is not the type's": {"vfs", "// These are safe for concurrent use.\ntype (\n\tA struct{}\n)\n",
			[]string{"type A"}},
		"comment inside is not the type's": {"vfs", "type A struct {\n\t// safe for concurrent use\n\tx int\n}\n", []string{"type A"}},
		"generic":                          {"cache", "type A[K comparable] struct{ k K }\n", []string{"type A"}},
	} {
		t.Run(name, func(t *testing.T) {
			pkg := map[bool]string{true: "main", false: "p"}[c.dir == "bench"]
			m := plant(t, c.dir+"/a.go", "package "+pkg+"\n"+c.src, c.dir+"/a_test.go", "package "+pkg+"\ntype T struct{}\n")
			requireFindings(t, checkContracts(m), c.want...)
		})
	}
}
