package seed

import (
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const envChild = "PLINTH_SEED_CHILD"

// withoutFlag hides the flag from the rest of a test.
func withoutFlag(t *testing.T) {
	flagged := *fixed
	*fixed = ""
	t.Cleanup(func() { *fixed = flagged })
}

func TestNewReplays(t *testing.T) {
	withoutFlag(t)
	t.Setenv(envSeed, "7")
	require.EqualValues(t, 7, Value(t))
	a, b := New(t).Uint64(), New(t).Uint64()
	require.Equal(t, a, b)
	t.Run("other test", func(t *testing.T) {
		require.NotEqual(t, a, New(t).Uint64(), "two tests walk in step")
	})
	t.Setenv(envSeed, "8")
	require.NotEqual(t, a, New(t).Uint64())
}

func TestNewIsFresh(t *testing.T) {
	withoutFlag(t)
	t.Setenv(envSeed, "")
	require.NotEqual(t, Value(t), Value(t), "the odds are one in 2^64")
}

func TestChoose(t *testing.T) {
	for name, c := range map[string]struct {
		flagged, env string
		want         uint64
		err          string
	}{
		"flag":            {flagged: "18446744073709551615", want: 1<<64 - 1},
		"environment":     {env: "0", want: 0},
		"flag wins":       {flagged: "1", env: "2", want: 1},
		"bad flag":        {flagged: "x", err: `flag -seed: strconv.ParseUint: parsing "x"`},
		"bad environment": {env: "-1", err: envSeed + `: strconv.ParseUint: parsing "-1"`},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := choose(c.flagged, c.env)
			if c.err != "" {
				require.ErrorContains(t, err, c.err)
				return
			}
			require.NoError(t, err)
			require.Equal(t, c.want, got)
		})
	}
}

func TestCommand(t *testing.T) {
	require.Equal(t, "go test a/b -run='^TestX$' -seed=3", command("TestX", "a/b", "", 3))
	require.Equal(t, `PLINTH_LONG=1 go test . -run='^TestX$/^it'\''s_\(1\)$' -seed=3`, command("TestX/it's_(1)", ".", "1", 3))
	require.Equal(t, "github.com/plinth-go/plinth/internal/seed", testedPackage())
}

// TestChild is not a test of its own: the process that TestFailureSaysHow
// starts runs it, and it fails there on purpose.
func TestChild(t *testing.T) {
	mode := os.Getenv(envChild)
	if mode == "" {
		return
	}
	t.Run("it's failing", func(t *testing.T) {
		fmt.Printf("drew %d\n", New(t).Uint64())
		if mode == "fail" {
			t.Fail()
		}
	})
}

// TestFailureSaysHow runs a failing test, takes the command from its output,
// runs that, and expects the same numbers. Logging the seed at the start
// rather than in Cleanup, or leaving the test's name out of the pattern, makes
// it fail.
func TestFailureSaysHow(t *testing.T) {
	run := func(mode string, args ...string) string {
		cmd := exec.Command(os.Args[0], args...)
		cmd.Env = append(os.Environ(), envChild+"="+mode, envSeed+"=")
		out, err := cmd.CombinedOutput()
		if mode == "fail" {
			require.Error(t, err)
		} else {
			require.NoError(t, err, "%s", out)
		}
		return string(out)
	}
	out := run("fail", "-test.run=^TestChild$")
	drew := regexp.MustCompile(`drew \d+`)
	replay := regexp.MustCompile(`replay with: .*go test \S+ -run='(.+)' -seed=(\d+)\n`).FindStringSubmatch(out)
	require.NotNil(t, replay, out)
	again := run("fail", "-test.run="+strings.ReplaceAll(replay[1], `'\''`, "'"), "-seed="+replay[2])
	require.Equal(t, drew.FindString(out), drew.FindString(again))

	require.NotContains(t, run("pass", "-test.run=^TestChild$", "-test.v"), "replay")
	require.Contains(t, run("fail", "-test.run=^TestChild$", "-seed=x"), "flag -seed")
}
