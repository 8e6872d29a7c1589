//go:build race

package vclock

import (
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// misuses are what no value may be used for: two goroutines, one of which changes it.
var misuses = map[string]func() (one, other func()){
	"Vector": func() (one, other func()) {
		var v Vector
		return func() { _, _ = v.Tick("a") }, func() { _ = v.Get("a") }
	},
	"Context": func() (one, other func()) {
		var c Context
		return func() { _, _ = c.Next("a") }, func() { _ = c.Contains(Dot{"a", 1}) }
	},
	"ContextCopied": func() (one, other func()) {
		var c Context
		_, _ = c.Next("a")
		d := c // and not Clone
		return func() { _, _ = c.Next("a") }, func() { _, _ = d.Next("a") }
	},
	"DVVSet": func() (one, other func()) {
		var s DVVSet[int]
		return func() { _ = s.Put(Vector{}, "a", 1) }, func() { _ = s.Values() }
	},
	"Stamp": func() (one, other func()) {
		s := Seed()
		return func() { s, _ = s.Event() }, func() { _ = s.Peek() }
	},
	"Matrix": func() (one, other func()) {
		var m Matrix
		return func() { _ = m.Join("a", Vector{}) }, func() { _ = m.Len() }
	},
}

// TestRaceDetectorSees that a value is used by two at once, of whom one changes it, which the contract forbids. Copies
// may be, except those of a Context that are no Clone. The test runs itself in a process of its own for each misuse,
// and expects that process to fail.
func TestRaceDetectorSees(t *testing.T) {
	if misuse := misuses[os.Getenv("PLINTH_MISUSE")]; misuse != nil {
		one, other := misuse()
		var both sync.WaitGroup
		for _, f := range []func(){one, other} {
			both.Go(func() {
				for range 100 {
					f()
				}
			})
		}
		both.Wait()
		return
	}
	for name := range misuses {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cmd := exec.Command(os.Args[0], "-test.run=^TestRaceDetectorSees$")
			cmd.Env = append(os.Environ(), "PLINTH_MISUSE="+name, "GORACE=atexit_sleep_ms=0")
			out, err := cmd.CombinedOutput()
			require.Error(t, err)
			require.True(t, strings.Contains(string(out), "DATA RACE"), "%s", out)
		})
	}
}
