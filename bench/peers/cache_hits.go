package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/plinth-go/plinth/cache/cachesim"
)

// cacheHits replays recorded traces: each request is a Get, and after a miss a
// Set. It prints the hit ratio of every cache, the best that is possible
// (Belady), and our regret: what the best peer has more than we have.
//
// One goroutine asks, and buffers are emptied after each Set, so that each policy
// is judged by its decisions and not by what its buffers lose or hold besides;
// -buffered leaves them as they are. Either way each cache is charged with the
// entries that it really holds: see fit.
type cacheHits struct {
	cells    []hitCell
	recorded bool // the cells are of recordedTraces, and not of -file
	// buffered leaves the buffers to the caches, as a program does.
	buffered bool
}

// hitCell is a trace and a size of the caches.
type hitCell struct {
	trace, path string
	size        cacheSize
}

func (c hitCell) String() string { return fmt.Sprintf("CacheHits/trace=%s/size=%v", c.trace, c.size) }

// cacheSize is a number of entries, or a percentage of the trace's keys.
type cacheSize struct {
	entries int
	percent float64
}

func (s cacheSize) String() string {
	if s.entries > 0 {
		return strconv.Itoa(s.entries)
	}
	return strconv.FormatFloat(s.percent, 'g', -1, 64) + "%"
}

// of returns the size in entries, for a trace with so many keys.
func (s cacheSize) of(unique int) int {
	if s.entries > 0 {
		return s.entries
	}
	return int(s.percent * float64(unique) / 100)
}

const (
	fewestEntries = 200 // a percentage that is less is left out: nobody builds such a cache
	hitRuns       = 3   // of the caches whose decisions depend on chance; the mean counts
	defaultSizes  = "1%,2%,5%,10%,20%"
)

// recordedTraces are the files that the directory of traces has.
var recordedTraces = [...]string{
	"oltp.arc.gz", "2_pools.lirs.gz", "loop.lirs.gz", "sprite.lirs.gz", "multi1.lirs.gz", "corda.be64.gz",
}

var errNoTraces = errors.New("peers: CacheHits needs recorded traces: name their directory with -traces, or its parent in PLINTH_DATA, or one trace with -file")

// traceFlags are the flags that say what to replay.
type traceFlags struct {
	dir, file, sizes string
	buffered         bool
}

func defaultTraces() string {
	if data := os.Getenv("PLINTH_DATA"); data != "" {
		return filepath.Join(data, "cache-traces")
	}
	return ""
}

func newCacheHits(flags traceFlags) (cacheHits, error) {
	list := flags.sizes
	if list == "" {
		list = defaultSizes
	} else if flags.file == "" {
		return cacheHits{}, errors.New("peers: -sizes goes with -file")
	}
	sizes, err := parseSizes(list)
	h := cacheHits{recorded: flags.file == "", buffered: flags.buffered}
	paths := []string{flags.file}
	if h.recorded {
		paths = nil
		for _, name := range recordedTraces {
			paths = append(paths, filepath.Join(flags.dir, name))
		}
	}
	for _, path := range paths {
		name, _, _ := strings.Cut(filepath.Base(path), ".")
		for _, size := range sizes {
			h.cells = append(h.cells, hitCell{name, path, size})
		}
	}
	return h, err
}

// parseSizes parses a list such as 500,1000,5%.
func parseSizes(list string) ([]cacheSize, error) {
	var sizes []cacheSize
	for word := range strings.SplitSeq(list, ",") {
		number, percent := strings.CutSuffix(word, "%")
		if percent {
			p, err := strconv.ParseFloat(number, 64)
			if err != nil || !(p > 0 && p <= 100) {
				return nil, fmt.Errorf("peers: -sizes: %q is no percentage above 0 and up to 100", word)
			}
			sizes = append(sizes, cacheSize{percent: p})
			continue
		}
		n, err := strconv.Atoi(number)
		if err != nil || n < 1 || int64(n) > 1<<31 {
			return nil, fmt.Errorf("peers: -sizes: %q is neither a number of entries nor a percentage", word)
		}
		sizes = append(sizes, cacheSize{entries: n})
	}
	return sizes, nil
}

func (h cacheHits) names() []string {
	var names []string
	for _, c := range h.cells {
		names = append(names, c.String())
	}
	return names
}

func (h cacheHits) run(ctx context.Context, s *session, chosen []int) error {
	if _, err := os.Stat(h.cells[0].path); h.recorded && err != nil {
		return fmt.Errorf("%w (%w)", errNoTraces, err)
	}
	var rows []hitRow
	var trace cachesim.Trace
	opened, unique := "", 0
	for _, c := range pick(h.cells, chosen) {
		if c.path != opened {
			var err error
			if trace, err = cachesim.Open(c.path, cachesim.ByName); err != nil {
				return err
			}
			opened, unique = c.path, trace.Unique()
		}
		entries := c.size.of(unique)
		if c.size.percent > 0 && entries < fewestEntries {
			continue
		}
		start := time.Now()
		row, err := h.measure(ctx, c, trace, entries)
		if err != nil {
			return err
		}
		rows = append(rows, row)
		fmt.Fprintf(s.progress, "%v, %.1f s\n", c, time.Since(start).Seconds())
	}
	return printHits(s.out, rows)
}

// hitRow is one line of the table. Ratios are percentages.
type hitRow struct {
	cell    hitCell
	entries int
	ratios  map[string]float64 // by cache
	belady  float64
	regret  float64 // the best peer's ratio less ours, with as much room as it has
	charged []string
}

func (h cacheHits) measure(ctx context.Context, c hitCell, t cachesim.Trace, entries int) (hitRow, error) {
	row := hitRow{cell: c, entries: entries, ratios: map[string]float64{}, regret: math.Inf(-1)}
	row.belady = 100 * float64(cachesim.Belady(t, entries)) / float64(len(t))
	for _, impl := range cacheImpls() { // ours first
		r, err := h.fit(ctx, impl, t, entries)
		if err != nil {
			return row, fmt.Errorf("peers: %v by %s: %w", c, impl, err)
		}
		row.ratios[impl] = r.percent
		ours := row.ratios[implPlinth]
		if !within(r.held, entries) {
			larger, err := h.replays(ctx, implPlinth, t, r.held)
			if err != nil {
				return row, err
			}
			ours = larger.percent
			row.charged = append(row.charged, fmt.Sprintf("%s %d/%d, with which we have %.2f", impl, r.asked, r.held, ours))
		} else if r.asked != entries {
			row.charged = append(row.charged, fmt.Sprintf("%s %d/%d", impl, r.asked, r.held))
		}
		if impl != implPlinth {
			row.regret = max(row.regret, r.percent-ours)
		}
	}
	return row, nil
}

// replayed is what replaying a trace gave: the mean hit ratio of the runs, the
// size that was asked for, and the most entries that were held at once.
type replayed struct {
	percent     float64
	asked, held int
}

// within reports whether a cache holds at most 1 % more than it may.
func within(held, entries int) bool { return held <= entries+entries/100 }

// fit replays a trace with a cache that holds the given number of entries. One
// that holds more than it was asked for is asked for less, until the most that
// it ever holds is within 1 % of that number. Where no request is small enough,
// because it has a minimum, the result is that of asking for the size, and held
// says how much room it took.
func (h cacheHits) fit(ctx context.Context, impl string, t cachesim.Trace, entries int) (replayed, error) {
	first, err := h.replays(ctx, impl, t, entries)
	if err != nil || within(first.held, entries) {
		return first, err
	}
	best, r := first, first
	for try := 0; try < 8; try++ {
		// What it holds beyond the request hardly depends on the request.
		ask := min(r.asked+entries-r.held, entries-1)
		if ask < 1 || ask == r.asked {
			break
		}
		if r, err = h.replays(ctx, impl, t, ask); err != nil {
			return r, err
		}
		if within(r.held, entries) && (!within(best.held, entries) || r.held > best.held) {
			best = r
		}
		if within(r.held, entries) && r.held >= entries-entries/100 {
			break
		}
	}
	return best, nil
}

// replays replays a trace as often as the cache's chance asks for.
func (h cacheHits) replays(ctx context.Context, impl string, t cachesim.Trace, entries int) (replayed, error) {
	runs := hitRuns
	if impl == implLRU || impl == implTwoQueue {
		runs = 1
	}
	r := replayed{asked: entries}
	for run := range runs {
		if err := interrupted(ctx); err != nil {
			return r, err
		}
		hits, held, err := h.replay(impl, t, entries, uint64(run))
		if err != nil {
			return r, err
		}
		r.percent += 100 * float64(hits) / float64(len(t)) / float64(runs)
		r.held = max(r.held, held)
	}
	return r, nil
}

// replay counts hits, and looks at every 16th request how many entries are held.
// Ours gets a fixed hash function and seed for each run, so that its figures
// are the same tomorrow; the peers that use chance have no such switch.
func (h cacheHits) replay(impl string, t cachesim.Trace, entries int, run uint64) (hits, held int, err error) {
	c, err := openCache(impl, cacheConfig[uint64]{
		entries: entries,
		inline:  !h.buffered,
		hash:    func(key uint64) uint64 { return key + run<<32 }, // Config.Hash spreads the bits
		seed:    run + 1,
	})
	if err != nil {
		return 0, 0, err
	}
	defer c.Close()
	for i, key := range t {
		value, ok := c.Get(key)
		switch {
		case !ok:
			c.Set(key, ^key)
			if !h.buffered {
				c.Settle()
			}
		case value != ^key:
			return 0, 0, fmt.Errorf("request %d: another key's value", i)
		default:
			hits++
		}
		if i%16 == 0 {
			held = max(held, c.Held())
		}
	}
	return hits, held, nil
}

// printHits writes the table and what it comes to.
func printHits(out io.Writer, rows []hitRow) error {
	if len(rows) == 0 {
		_, err := fmt.Fprintf(out, "CacheHits: all sizes are below %d entries\n", fewestEntries)
		return err
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(w, "hit ratio, %%\tentries\t%s\tbelady\tregret\tasked/held\t\n", strings.Join(cacheImpls(), "\t"))
	for _, r := range rows {
		charged := "-"
		if len(r.charged) > 0 {
			charged = strings.Join(r.charged, "; ")
		}
		fmt.Fprintf(w, "%v\t%d\t", r.cell, r.entries)
		for _, impl := range cacheImpls() {
			fmt.Fprintf(w, "%.2f\t", r.ratios[impl])
		}
		fmt.Fprintf(w, "%.2f\t%.2f\t%s\t\n", r.belady, r.regret, charged)
	}
	summary(w, rows)
	return w.Flush()
}

// summary adds three lines: each cache's mean hit ratio, and how many points it
// loses to the best of the others (mean and worst). What wins a point by much
// and loses none by much is the safe choice.
func summary(w io.Writer, rows []hitRow) {
	means, losses, worst := "", "", ""
	meanBelady, meanRegret, worstRegret := 0.0, 0.0, math.Inf(-1)
	n := float64(len(rows))
	for _, r := range rows {
		meanBelady += r.belady / n
		meanRegret += r.regret / n
		worstRegret = max(worstRegret, r.regret)
	}
	for _, impl := range cacheImpls() {
		mean, loss, most := 0.0, 0.0, math.Inf(-1)
		for _, r := range rows {
			lost := r.lost(impl)
			mean, loss, most = mean+r.ratios[impl]/n, loss+lost/n, max(most, lost)
		}
		means += fmt.Sprintf("%.2f\t", mean)
		losses += fmt.Sprintf("%.2f\t", loss)
		worst += fmt.Sprintf("%.2f\t", most)
	}
	fmt.Fprintf(w, "mean of %d\t\t%s%.2f\t%.2f\t\t\n", len(rows), means, meanBelady, meanRegret)
	fmt.Fprintf(w, "mean lost to the best other\t\t%s\t\t\t\n", losses)
	fmt.Fprintf(w, "worst lost to the best other\t\t%s\t%.2f\t\t\n", worst, worstRegret)
}

// lost is how much the best of the other caches has more than this one.
func (r hitRow) lost(impl string) float64 {
	if impl == implPlinth {
		return r.regret
	}
	best := math.Inf(-1)
	for other, ratio := range r.ratios {
		if other != impl {
			best = max(best, ratio)
		}
	}
	return best - r.ratios[impl]
}
