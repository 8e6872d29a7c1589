package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"runtime"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	os.Exit(program(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// program is main with its surroundings as arguments. It returns the exit
// code: 0, 1 after a failure, 2 after bad usage.
func program(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	s := session{out: stdout, progress: stderr}
	flags := flag.NewFlagSet("peers", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.IntVar(&s.rounds, "rounds", 5, "`times` to run each comparison, in mixed order")
	flags.StringVar(&s.dir, "dir", os.Getenv(envDir), "`directory` on the disk to measure; default the temporary directory")
	flags.Float64Var(&s.scale, "scale", 1, "multiply the records, seconds or entries per run")
	flags.Uint64Var(&s.seed, "seed", 1, "of the order")
	flags.IntVar(&s.procs, "procs", 2, "`processors` to measure the speed of caches on, and goroutines that use one")
	flags.StringVar(&s.traces.dir, "traces", defaultTraces(), "`directory` of the traces for CacheHits")
	flags.StringVar(&s.traces.file, "file", "", "compare hit ratios on this `trace` only: NAME.arc, .lirs or .be64, or that with .gz")
	flags.StringVar(&s.traces.sizes, "sizes", "", "with -file: the cache sizes, such as 500,1000 or 5%; default those of the other traces")
	flags.BoolVar(&s.traces.buffered, "buffered", false, "with CacheHits: do not wait for buffers after each Set")
	pattern := flags.String("run", "", "`regexp` that selects comparisons by name")
	if err := flags.Parse(args); errors.Is(err, flag.ErrHelp) {
		return 0
	} else if err != nil {
		return 2
	}
	if err := s.choose(*pattern, flags.Args()); err != nil {
		fmt.Fprintln(stderr, err)
		return 2
	}
	if err := s.runAll(ctx); err != nil {
		fmt.Fprintln(stderr, err)
		return 1
	}
	return 0
}

// envDir names the directory to measure in; a flag goes before it.
const envDir = "PLINTH_BENCH_DIR"

// session is one run of the program. It is not safe for concurrent use.
type session struct {
	rounds   int
	dir      string
	scale    float64
	seed     uint64
	procs    int
	traces   traceFlags
	out      io.Writer
	progress io.Writer

	chosen []choice
	base   string // an empty directory, while runAll runs
}

// comparison is a table: measurements with names, which have a unit in common.
type comparison interface {
	names() []string
	// run measures those with the given indexes and prints the table.
	run(ctx context.Context, s *session, chosen []int) error
}

// choice is a comparison with the indexes of what is wanted of it.
type choice struct {
	comparison
	indexes []int
}

// comparisons returns all that the program knows, in the order of the tables.
func (s *session) comparisons() ([]comparison, error) {
	hits, err := newCacheHits(s.traces)
	if s.traces.file != "" || err != nil {
		return []comparison{hits}, err
	}
	return []comparison{walComparison{}, hits, cacheSpeed{}, cacheMemory{}, cacheAllocs{}, cacheExpiry{}, lsmComparison{}, lsmLong{}, treeComparison{}, orderedSpeed{}, rateSpeed{}, rateMemory{}, rateWait{},
		ringLookups(), ringlessLookups(), hashChanges{}, hashShares{}, breakerCalls(), breakerPermits(), circuitAllocs{}, circuitFacts{},
		vectorSpeed(), lamportSpeed(), hybridSpeed(), codeSpeed(), clockSizes{}, clockFacts{},
		sharedSizes{}, sharedSpeed{}, sharedFacts{}}, nil
}

// choose checks the flags and picks what to measure.
func (s *session) choose(pattern string, rest []string) error {
	if len(rest) > 0 {
		return fmt.Errorf("peers: unexpected argument %q", rest[0])
	}
	if s.rounds < 1 || s.procs < 1 || !(s.scale > 0) {
		return errors.New("peers: -rounds and -procs must be at least 1 and -scale above 0")
	}
	re, err := regexp.Compile(pattern)
	if err != nil {
		return fmt.Errorf("peers: -run: %w", err)
	}
	all, err := s.comparisons()
	if err != nil {
		return err
	}
	names := ""
	for _, c := range all {
		wanted := choice{comparison: c}
		for i, name := range c.names() {
			names += "\n  " + name
			if re.MatchString(name) {
				wanted.indexes = append(wanted.indexes, i)
			}
		}
		if len(wanted.indexes) > 0 {
			s.chosen = append(s.chosen, wanted)
		}
	}
	if len(s.chosen) == 0 {
		return fmt.Errorf("peers: -run %q selects none of%s", pattern, names)
	}
	return nil
}

// runAll makes the chosen tables, one after the other.
func (s *session) runAll(ctx context.Context) (err error) {
	if s.base, err = os.MkdirTemp(s.dir, "plinth-peers-"); err != nil {
		return err
	}
	defer os.RemoveAll(s.base)
	fmt.Fprintf(s.out, "%d rounds in %s, order seed %d, %s %s/%s, %d CPUs\n",
		s.rounds, filepath.Dir(s.base), s.seed, runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.NumCPU())
	for _, c := range s.chosen {
		fmt.Fprintln(s.out)
		err := c.run(ctx, s, c.indexes)
		if errors.Is(err, errNoTraces) && len(s.chosen) > 1 {
			fmt.Fprintln(s.out, err) // the other tables need none
			continue
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// mixed calls measure for every name and implementation in every round. The
// order of the names is shuffled in each round, and within a name the order of
// the implementations, which follow one another at once: so a disk or a
// processor that becomes slower for a minute slows down all of them, and none
// profits from always being first.
func (s *session) mixed(ctx context.Context, names, impls []string, measure func(name int, impl string) error) error {
	rng := rand.New(rand.NewPCG(s.seed, 0))
	for round := range s.rounds {
		for _, i := range rng.Perm(len(names)) {
			start := time.Now()
			for _, ii := range rng.Perm(len(impls)) {
				if err := interrupted(ctx); err != nil {
					return err
				}
				if err := measure(i, impls[ii]); err != nil {
					return fmt.Errorf("peers: %s by %s: %w", names[i], impls[ii], err)
				}
			}
			fmt.Fprintf(s.progress, "round %d of %d: %s, %.1f s\n", round+1, s.rounds, names[i], time.Since(start).Seconds())
		}
	}
	return nil
}

func interrupted(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("peers: interrupted: %w", err)
	}
	return nil
}

// pick returns the elements with the given indexes.
func pick[T any](all []T, indexes []int) []T {
	picked := make([]T, len(indexes))
	for i, at := range indexes {
		picked[i] = all[at]
	}
	return picked
}
