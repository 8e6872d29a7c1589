package kill

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
)

// number reads what is in a file; without one it is 0.
func number(t *testing.T, dir string) int {
	b, err := os.ReadFile(filepath.Join(dir, "number"))
	if os.IsNotExist(err) {
		return 0
	}
	require.NoError(t, err)
	n, err := strconv.Atoi(string(b))
	require.NoError(t, err)
	return n
}

// TestChild is the process that the tests below kill: it counts in a file, or does what
// its setting says.
func TestChild(t *testing.T) {
	c, ok := Self()
	if !ok {
		return
	}
	Say(Opens, 0, 0)
	for n := number(t, c.Dir) + 1; ; n++ {
		switch {
		case c.Setting == "returns" && n > 20:
			return
		case c.Setting == "exits" && n > 20:
			os.Exit(3)
		case c.Setting == "mumbles" && n > 20:
			fmt.Println("what?")
		case c.Setting == "forgets" && n > 20:
			n = 1
		}
		Say(Begins, 0, uint64(n))
		fresh := filepath.Join(c.Dir, "fresh")
		require.NoError(t, os.WriteFile(fresh, strconv.AppendInt(nil, int64(n), 10), 0o600))
		require.NoError(t, os.Rename(fresh, filepath.Join(c.Dir, "number")))
		Say(Acknowledged, 0, uint64(n))
		Say(Saw, 0, 0)
	}
}

// TestLoop: the lives go on where the ones before have ended, and each is over about
// when it is to be.
func TestLoop(t *testing.T) {
	claims, checks, heard := NewClaims(1), 0, 0
	Loop{
		Test: "TestChild", Times: 10, Lines: 50,
		Hear: func(l Line) (bool, error) {
			counts, err := claims.Hear(l)
			if counts {
				heard++
			}
			return counts, err
		},
		Check: func(dir string) {
			checks++
			require.NoError(t, claims.Check([]int{number(t, dir)}))
		},
	}.Run(t, rand.New(rand.NewPCG(1, 2)))
	require.Equal(t, 8, checks)
	require.Greater(t, heard, 10)
	require.Greater(t, claims.Acknowledged[0], 20)
	require.Positive(t, claims.Seen)
}

// TestChildIsToldOff: a child that does not do as it must fails its life.
func TestChildIsToldOff(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("no SIGKILL")
	}
	for setting, want := range map[string]string{
		"returns": `the child says "PASS"`,
		"exits":   "ended by itself: exit status 3",
		"mumbles": `the child says "what?"`,
		"forgets": "writer 0 begins 1, and 20 was acknowledged",
	} {
		l := Loop{Test: "TestChild", Setting: setting, Hear: NewClaims(1).Hear}
		require.ErrorContains(t, l.live(Child{Dir: t.TempDir(), Setting: setting}, 1000), want)
	}
}

func TestClaims(t *testing.T) {
	c := NewClaims(2)
	say := func(what string, writer, n uint64) error { _, err := c.Hear(Line{what, writer, n}); return err }
	require.NoError(t, say(Begins, 1, 1))
	require.NoError(t, say(Acknowledged, 1, 1))
	require.Error(t, say(Begins, 1, 1), "again, and it was acknowledged")
	require.Error(t, say(Begins, 1, 3), "before the one between")
	require.Error(t, say(Begins, 2, 1), "there is no such writer")
	require.NoError(t, say(Begins, 1, 2))
	require.NoError(t, say(Begins, 1, 2), "in another life, for the first was lost")
	require.ErrorContains(t, c.Check([]int{0, 0}), "1 was acknowledged")
	require.ErrorContains(t, c.Check([]int{1, 2}), "writer 0: 1 is there")
	require.NoError(t, c.Check([]int{0, 2}))
	require.Error(t, c.Check([]int{0, 1}), "what was there stays")
}
