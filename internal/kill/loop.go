package kill

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"testing"
)

// The environment of a child; a process without the first is none.
const (
	envDir     = "PLINTH_KILL_DIR"
	envSetting = "PLINTH_KILL_SETTING"
	envLife    = "PLINTH_KILL_LIFE"
)

// Child is what the process that is to be killed gets from the one that kills it. It
// is a plain value: safe for concurrent use.
type Child struct {
	Dir     string // where it works
	Setting string // as in Loop
	Life    int    // how many children there were before
}

// Self returns what this process is to do as a child; ok is false if it is none, and
// then the test that only a child runs has nothing to do.
func Self() (c Child, ok bool) {
	c.Life, _ = strconv.Atoi(os.Getenv(envLife))
	c.Dir, c.Setting = os.Getenv(envDir), os.Getenv(envSetting)
	return c, c.Dir != ""
}

func (c Child) environ() []string {
	return append(os.Environ(), envDir+"="+c.Dir, envSetting+"="+c.Setting, fmt.Sprintf("%s=%d", envLife, c.Life))
}

// Line is something that a child says: a word, and two numbers. It is a plain value:
// safe for concurrent use.
type Line struct {
	What string
	A, B uint64
}

// Say writes a line in one piece, for the process that kills. Without that one as a
// reader the process dies of it.
func Say(what string, a, b uint64) { fmt.Fprintf(os.Stdout, "%s %d %d\n", what, a, b) }

// Loop is a number of children, one after the other on one directory. Not safe for
// concurrent use.
type Loop struct {
	Test    string // the name of the test that a child runs
	Setting string // what the children get
	Times   int    // how many of them
	Lines   int    // a child is killed after fewer lines than this, chosen by chance

	// Hear learns what a child says, and returns whether that counts among the lines. An
	// error fails the test.
	Hear func(Line) (counts bool, err error)
	// Check opens what the children have left, as the next one would, and compares.
	Check func(dir string)
}

// Run runs the children. One in five is killed while it opens what the one before has
// left, at its first line; after one in five nobody checks, so that two die in a row.
func (l Loop) Run(t *testing.T, random *rand.Rand) {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("no SIGKILL")
	}
	dir := t.TempDir()
	for life := range l.Times {
		n := random.IntN(l.Lines)
		if life%5 == 4 {
			n = 0
		}
		if err := l.live(Child{dir, l.Setting, life}, n); err != nil {
			t.Fatalf("life %d: %v", life, err)
		}
		if life%5 != 3 {
			l.Check(dir)
		}
	}
}

// live runs a child and kills it after n lines, or when it says what cannot be.
func (l Loop) live(c Child, n int) error {
	cmd := exec.Command(os.Args[0], "-test.run=^"+l.Test+"$")
	cmd.Env = c.environ()
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	kill := func() { _ = cmd.Process.Kill() }
	err = l.listen(out, n, kill)
	kill()
	if end := cmd.Wait(); end == nil || end.Error() != "signal: killed" {
		err = errors.Join(err, fmt.Errorf("the child ended by itself: %v", end))
	}
	return err
}

// listen hears lines until there are no more, and kills after n of them or more.
func (l Loop) listen(from io.Reader, n int, kill func()) error {
	lines := bufio.NewScanner(from)
	for heard := 0; lines.Scan(); {
		var line Line
		if _, err := fmt.Sscan(lines.Text(), &line.What, &line.A, &line.B); err != nil {
			return fmt.Errorf("the child says %q", lines.Text())
		}
		counts, err := l.Hear(line)
		if err != nil {
			return err
		}
		if counts {
			heard++
		}
		if heard > n {
			kill()
		}
	}
	return lines.Err()
}
