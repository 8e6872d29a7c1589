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
	flags.Float64Var(&s.scale, "scale", 1, "multiply the number of records per run")
	flags.Uint64Var(&s.seed, "seed", 1, "of the order")
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
	chosen   []cell
	out      io.Writer
	progress io.Writer
}

// choose checks the flags and picks the cells.
func (s *session) choose(pattern string, rest []string) error {
	if len(rest) > 0 {
		return fmt.Errorf("peers: unexpected argument %q", rest[0])
	}
	if s.rounds < 1 || !(s.scale > 0) {
		return errors.New("peers: -rounds must be at least 1 and -scale above 0")
	}
	re, err := regexp.Compile(pattern)
	if err != nil {
		return fmt.Errorf("peers: -run: %w", err)
	}
	names := ""
	for _, c := range cells() {
		names += "\n  " + c.String()
		if re.MatchString(c.String()) {
			s.chosen = append(s.chosen, c)
		}
	}
	if len(s.chosen) == 0 {
		return fmt.Errorf("peers: -run %q selects none of%s", pattern, names)
	}
	return nil
}

// runAll measures every chosen cell in every round. The order of the cells is
// shuffled in each round, and within a cell the order of the implementations,
// which follow one another at once: so a disk that becomes slower for a minute
// slows down all of them, and none profits from always being first.
func (s *session) runAll(ctx context.Context) error {
	base, err := os.MkdirTemp(s.dir, "plinth-peers-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(base)
	fmt.Fprintf(s.out, "%d rounds in %s, order seed %d, %s %s/%s, %d CPUs\n\n",
		s.rounds, filepath.Dir(base), s.seed, runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.NumCPU())
	rng := rand.New(rand.NewPCG(s.seed, 0))
	results := table{}
	for round := range s.rounds {
		for _, ci := range rng.Perm(len(s.chosen)) {
			c := s.chosen[ci]
			start := time.Now()
			for _, ii := range rng.Perm(len(impls())) {
				if err := s.measureOne(ctx, c, impls()[ii], base, results); err != nil {
					return err
				}
			}
			fmt.Fprintf(s.progress, "round %d of %d: %v, %.1f s\n", round+1, s.rounds, c, time.Since(start).Seconds())
		}
	}
	return results.print(s.out, s.chosen)
}

// measureOne runs one implementation in a directory of its own and removes it.
func (s *session) measureOne(ctx context.Context, c cell, impl, base string, results table) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("peers: interrupted: %w", err)
	}
	as := c.rival(impl)
	if !offers(impl, as.durability) {
		return nil
	}
	dir := filepath.Join(base, impl)
	rate, err := measure(as, impl, dir, as.ops(impl, s.scale))
	if err != nil {
		return err
	}
	results.add(c, impl, rate)
	return os.RemoveAll(dir)
}

// rival is the work that an implementation does in the comparison c: for
// Buffered, which only we have, tidwall/wal does what is nearest and promises
// more. The table says so.
func (c cell) rival(impl string) cell {
	if impl == implTidwall && !offers(impl, c.durability) {
		c.durability--
	}
	return c
}
