package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/plinth-go/plinth/bench/machine"
	"github.com/plinth-go/plinth/bench/report"
	"github.com/plinth-go/plinth/cache/cachesim"
)

// What the program returns to the shell.
const (
	exitOK      = 0
	exitFailure = 1 // a measurement failed or was interrupted
	exitUsage   = 2 // the command line makes no sense
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // the second interrupt ends the program at once
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr, profiles())
	os.Exit(code)
}

// errUsage marks an error of the command line.
var errUsage = errors.New("usage")

// run is the whole program: it leaves nothing behind but what was asked for.
func run(ctx context.Context, args []string, stdout, stderr io.Writer, known []profile) int {
	o, err := parse(args, stderr, known)
	if errors.Is(err, flag.ErrHelp) {
		return exitOK
	}
	if err == nil {
		err = o.measure(ctx, stdout, stderr)
	}
	switch {
	case err == nil:
		return exitOK
	case errors.Is(err, errUsage):
		fmt.Fprintf(stderr, "bench: %s\n", strings.TrimPrefix(err.Error(), errUsage.Error()+": "))
		return exitUsage
	case ctx.Err() != nil:
		fmt.Fprintln(stderr, "bench: interrupted; temporary files are removed, no report is written")
		return exitFailure
	default:
		fmt.Fprintf(stderr, "bench: %v\n", err)
		return exitFailure
	}
}

// options is a checked command line. It is a plain value.
type options struct {
	command     string
	profile     profile
	experiments []experiment
	json, html  string // files to write; json may be empty
	dir         string // where to measure
	input       string // file of records, or empty
	trace       string // file of requests, or empty
}

// parse reads the command line and checks all of it before anything is done.
func parse(args []string, stderr io.Writer, known []profile) (options, error) {
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	f.SetOutput(stderr)
	o := options{command: "go run ./bench"}
	for _, a := range args {
		o.command += " " + quote(a)
	}
	chosen := make([]*bool, len(known))
	for i, p := range known {
		chosen[i] = f.Bool(p.name, false, p.about)
	}
	f.StringVar(&o.json, "json", "", "also write the results to this `file` as JSON")
	f.StringVar(&o.html, "o", "report.html", "write the report to this `file`")
	f.StringVar(&o.dir, "dir", os.TempDir(), "measure in a new directory inside this `directory`, on the disk that it lies on")
	f.StringVar(&o.input, "input", "", "append the lines of this `file` instead of made-up records")
	f.StringVar(&o.trace, "trace", "", "replay the requests in this `file` into caches instead of made-up ones; its name tells the format: .arc, .lirs, .be64, .be32, otherwise a key in each line; also with .gz")
	pattern := f.String("run", "", "run only the experiments whose name matches this `regexp`")
	f.Usage = func() { usage(f, stderr) }
	names, err := parseMixed(f, args)
	if err != nil {
		return o, err
	}
	o.profile = known[0]
	set := 0
	for i, on := range chosen {
		if *on {
			o.profile = known[i]
			set++
		}
	}
	if set > 1 {
		return o, fmt.Errorf("%w: choose one profile", errUsage)
	}
	if o.experiments, err = choose(*pattern, names); err != nil {
		return o, err
	}
	if o.trace != "" && !slices.ContainsFunc(o.experiments, func(e experiment) bool { return e.name == cacheExperiment().name }) {
		return o, fmt.Errorf("%w: -trace is for the experiment cache, which is not chosen", errUsage)
	}
	return o, o.checkFiles()
}

// parseMixed parses flags and returns the other arguments, which may stand
// between them: `bench cache -trace FILE` as well as `bench -trace FILE cache`.
func parseMixed(f *flag.FlagSet, args []string) (others []string, err error) {
	for {
		if err := f.Parse(args); errors.Is(err, flag.ErrHelp) {
			return nil, err
		} else if err != nil {
			return nil, fmt.Errorf("%w: see go run ./bench -h", errUsage)
		}
		if f.NArg() == 0 {
			return others, nil
		}
		others, args = append(others, f.Arg(0)), f.Args()[1:]
	}
}

// choose finds the experiments that match a pattern, or have one of the names.
func choose(pattern string, names []string) ([]experiment, error) {
	re, err := regexp.Compile(pattern)
	if err != nil {
		return nil, fmt.Errorf("%w: -run: %v", errUsage, err)
	}
	var chosen []experiment
	var known, lines []string
	for _, e := range experiments() {
		known = append(known, e.name)
		lines = append(lines, fmt.Sprintf("  %-10s %s", e.name, e.about))
		if re.MatchString(e.name) && (names == nil || slices.Contains(names, e.name)) {
			chosen = append(chosen, e)
		}
	}
	for _, name := range names {
		if !slices.Contains(known, name) {
			return nil, fmt.Errorf("%w: there is no experiment %q; there are:\n%s", errUsage, name, strings.Join(lines, "\n"))
		}
	}
	if names != nil && pattern != "" {
		return nil, fmt.Errorf("%w: name experiments or use -run, not both", errUsage)
	}
	if len(chosen) == 0 {
		return nil, fmt.Errorf("%w: -run %q matches no experiment; there are:\n%s", errUsage, pattern, strings.Join(lines, "\n"))
	}
	return chosen, nil
}

// checkFiles finds out now, and not after a minute, that a file cannot be
// written.
func (o options) checkFiles() error {
	if info, err := os.Stat(o.dir); err != nil {
		return fmt.Errorf("%w: -dir: %v", errUsage, err)
	} else if !info.IsDir() {
		return fmt.Errorf("%w: -dir: %s is not a directory", errUsage, o.dir)
	}
	for _, out := range []struct{ flag, name string }{{"-o", o.html}, {"-json", o.json}} {
		if out.name == "" {
			if out.flag == "-o" {
				return fmt.Errorf("%w: -o: no file name", errUsage)
			}
			continue
		}
		if info, err := os.Stat(out.name); err == nil && info.IsDir() {
			return fmt.Errorf("%w: %s: %s is a directory", errUsage, out.flag, out.name)
		}
		if _, err := os.Stat(filepath.Dir(out.name)); err != nil {
			return fmt.Errorf("%w: %s: %v", errUsage, out.flag, err)
		}
	}
	return nil
}

// measure runs the experiments and writes what they found.
func (o options) measure(ctx context.Context, stdout, stderr io.Writer) (err error) {
	dir, err := os.MkdirTemp(o.dir, "plinth-bench-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	m, err := machine.Describe(ctx, dir)
	if err != nil {
		return fmt.Errorf("-dir: %w", err)
	}
	m.Dir = o.dir
	r := report.Report{Title: "What each design costs", Created: time.Now(), Command: o.command, Profile: o.profile.about, Machine: m}
	if m.InMemory() && slices.ContainsFunc(o.experiments, func(e experiment) bool { return e.disk }) {
		r.Warning = fmt.Sprintf("%s lies on %s, which is memory: an fsync there costs nothing and keeps nothing. Measure on a disk with -dir.", o.dir, m.FileSystem)
		fmt.Fprintln(stderr, "bench: WARNING:", r.Warning)
	}
	s := &session{profile: o.profile, dir: dir, input: o.input, traceFile: o.trace, again: o.again, machine: m, progress: newProgress(stderr)}
	if o.trace != "" { // all of it now, not after a minute
		if s.trace, err = cachesim.Open(o.trace, cachesim.ByName); err != nil {
			return fmt.Errorf("-trace: %w", err)
		}
	}
	for _, e := range o.experiments {
		part, err := e.run(ctx, s)
		s.progress.clear()
		if err != nil {
			return fmt.Errorf("%s: %w", e.name, err)
		}
		part.Name = e.name
		r.Parts = append(r.Parts, part)
	}
	return o.write(&r, stdout)
}

// again is the command that measures one experiment in the same way.
func (o options) again(experiment string) string {
	args := []string{"go run ./bench", "-" + o.profile.name, "-run", experiment}
	if o.dir != os.TempDir() {
		args = append(args, "-dir", quote(o.dir))
	}
	if o.input != "" {
		args = append(args, "-input", quote(o.input))
	}
	if o.trace != "" && experiment == cacheExperiment().name {
		args = append(args, "-trace", quote(o.trace))
	}
	return strings.Join(args, " ")
}

// write prints the table and writes the files.
func (o options) write(r *report.Report, stdout io.Writer) error {
	if err := r.WriteText(stdout); err != nil {
		return err
	}
	if err := writeFile(o.html, r.WriteHTML); err != nil {
		return err
	}
	fmt.Fprintf(stdout, "\nreport: %s\n", absolute(o.html))
	if o.json == "" {
		return nil
	}
	if err := writeFile(o.json, r.WriteJSON); err != nil {
		return err
	}
	fmt.Fprintf(stdout, "json:   %s\n", absolute(o.json))
	return nil
}

func writeFile(name string, write func(io.Writer) error) (err error) {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	return write(f)
}

func absolute(name string) string {
	if abs, err := filepath.Abs(name); err == nil {
		return abs
	}
	return name
}

// quote makes an argument fit to be typed again.
func quote(arg string) string {
	if regexp.MustCompile(`^[\w@%+=:,./-]+$`).MatchString(arg) {
		return arg
	}
	return "'" + strings.ReplaceAll(arg, "'", `'\''`) + "'"
}

func usage(f *flag.FlagSet, w io.Writer) {
	fmt.Fprint(w, "usage: go run ./bench [flags] [experiment ...]\n\nMeasures the trade-offs of this module's packages on this machine, prints them\nand writes a report to be opened in a browser.\n\n")
	f.PrintDefaults()
	fmt.Fprint(w, "\nexperiments:\n")
	for _, e := range experiments() {
		fmt.Fprintf(w, "  %-10s %s\n", e.name, e.about)
	}
}
