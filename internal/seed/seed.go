package seed

import (
	"flag"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"os"
	"regexp"
	"runtime/debug"
	"strconv"
	"strings"
	"testing"

	"github.com/plinth-go/plinth/internal/form"
)

// fixed is the flag -seed of a test binary that uses this package.
var fixed = flag.String("seed", "", "replay random tests with this seed")

const envSeed = "PLINTH_SEED"

// New returns the random numbers of a test, and arranges that the test says
// how to replay them if it fails. Call it once per test: a second call returns
// the same numbers again. Like every rand.Rand, what it returns is not safe
// for concurrent use.
func New(t testing.TB) *rand.Rand {
	t.Helper()
	h := fnv.New64a()
	h.Write([]byte(t.Name()))
	return rand.New(rand.NewPCG(Value(t), h.Sum64()))
}

// Value returns the seed itself, for a test that hands it on (to a child
// process, say), and arranges that the test says how to replay it if it fails.
func Value(t testing.TB) uint64 {
	t.Helper()
	seed, err := choose(*fixed, os.Getenv(envSeed))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("seed %d; replay with: %s", seed, command(t.Name(), testedPackage(), os.Getenv(form.EnvLong), seed))
		}
	})
	return seed
}

// choose prefers the flag to the environment, and both to chance.
func choose(flagged, env string) (uint64, error) {
	given, from := flagged, "flag -seed"
	if given == "" {
		given, from = env, envSeed
	}
	if given == "" {
		return rand.Uint64(), nil
	}
	seed, err := strconv.ParseUint(given, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("seed: %s: %w", from, err)
	}
	return seed, nil
}

// command returns the shell command that runs one test again, in the same form.
func command(test, pkg, long string, seed uint64) string {
	parts := strings.Split(test, "/")
	for i, part := range parts {
		parts[i] = "^" + regexp.QuoteMeta(part) + "$"
	}
	pattern := strings.ReplaceAll(strings.Join(parts, "/"), "'", `'\''`)
	env := ""
	if long != "" {
		env = form.EnvLong + "=" + long + " "
	}
	return fmt.Sprintf("%sgo test %s -run='%s' -seed=%d", env, pkg, pattern, seed)
}

// testedPackage returns the import path of the package under test; without
// build information, the current directory, where go test runs it.
func testedPackage() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Path == "" || !strings.HasSuffix(info.Path, ".test") {
		return "."
	}
	return strings.TrimSuffix(info.Path, ".test")
}
