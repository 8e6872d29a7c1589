package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/plinth-go/plinth/bench/report"
	"github.com/plinth-go/plinth/cache/cachesim"
	"github.com/plinth-go/plinth/internal/form"
)

// cacheRun is what the experiment wrote for programs, in its two halves.
func cacheRun(t *testing.T, o outcome) (hits map[string]float64, throughput []report.Result) {
	t.Helper()
	var back struct{ Results []report.Result }
	require.NoError(t, json.Unmarshal(o.json, &back))
	hits = map[string]float64{}
	for _, r := range back.Results {
		if policy, ok := strings.CutPrefix(r.Experiment, "cache/hits/policy="); ok {
			require.Equal(t, "simulation", r.Load)
			require.Zero(t, r.PerSecond)
			hits[fmt.Sprint(policy, " ", r.Metrics["entries"])] = r.Metrics["hit_ratio"]
			continue
		}
		require.Contains(t, r.Experiment, "cache/throughput/impl=")
		throughput = append(throughput, r)
	}
	return hits, throughput
}

// TestCacheRun looks at the whole of the experiment. What is counted is the
// same in two runs, and no policy passes the bound; what is timed is complete.
func TestCacheRun(t *testing.T) {
	o := bench(t, t.Context(), "cache")
	again := benchAgain(t, o, "cache")
	require.Equal(t, exitOK, o.code, o.stderr)
	hits, throughput := cacheRun(t, o)
	hitsAgain, _ := cacheRun(t, again)
	require.Equal(t, hits, hitsAgain)
	policies := len(cachesim.Policies())
	require.Len(t, hits, len(cacheSizes)*(policies+1))
	for name, ratio := range hits {
		_, size, _ := strings.Cut(name, " ")
		require.Positive(t, ratio, name)
		require.LessOrEqual(t, ratio, hits[cachesim.Bound+" "+size], name)
	}

	cells := len(loadImpls()) * len(loadWrites) * len(loadWorkers())
	require.Len(t, throughput, cells)
	for _, r := range throughput {
		require.Equal(t, "closed loop", r.Load)
		require.Equal(t, 2, r.Rounds)
		require.Positive(t, r.Ops)
		require.Zero(t, r.Ops%loadBatch)
		require.LessOrEqual(t, r.Slowest, r.PerSecond)
		require.LessOrEqual(t, r.PerSecond, r.Fastest)
		_, reads := r.Metrics["hit_ratio"]
		require.Equal(t, r.Metrics["write_share"] < 1, reads, "no ratio without reads")
	}

	require.Equal(t, 2*cells, strings.Count(o.stderr, "% writes"), "a line of progress for each, twice")
	require.Equal(t, 2*(2+len(loadWorkers())), strings.Count(o.html, "<svg "), "figures, wide and narrow")
	require.Equal(t, 2, strings.Count(o.html, "<table>"))
	for _, page := range []string{o.html, o.stdout} {
		require.NotContains(t, page, "NaN")
		require.NotContains(t, page, "%!", "no verb without its value")
	}
	for _, p := range cachesim.Policies() {
		require.Contains(t, o.stdout, "\n  "+p.Name+" ")
	}
}

// TestTrace replays a file, whose name has to appear as it is wherever the page
// quotes it, and compares with the simulation itself. Seen to fail with the
// synthetic trace taken in spite of the flag, and with sizes of the number of
// requests instead of the unique keys.
func TestTrace(t *testing.T) {
	if form.Raced() {
		t.Skip("the same goroutines as in TestCacheRun, and long")
	}
	trace := cachesim.Synthetic{Requests: 3000, Keys: 500, Loop: 50, Seed: 9}.Trace()
	var text bytes.Buffer
	for _, key := range trace {
		fmt.Fprintln(&text, key)
	}
	name := filepath.Join(t.TempDir(), "my <b>.lirs")
	require.NoError(t, os.WriteFile(name, text.Bytes(), 0o600))
	o := bench(t, t.Context(), "cache", "-trace", name)
	require.Equal(t, exitOK, o.code, o.stderr)
	hits, _ := cacheRun(t, o)
	size := trace.Unique() / 10
	for _, m := range cachesim.Policies() {
		c, err := m.New(size)
		require.NoError(t, err)
		want, err := cachesim.Simulate(trace, c)
		require.NoError(t, err)
		require.Equal(t, want.Ratio(), hits[fmt.Sprint(m.Name, " ", size)], m.Name)
	}
	require.Contains(t, o.html, "my &lt;b&gt;.lirs")
	require.NotContains(t, o.html, "my <b>")
	require.Contains(t, o.html, "-run cache ", "the command that draws it again")
	require.Contains(t, o.html, " -trace &#39;")
}

// TestShortTrace: a trace of two keys has one size, and nothing breaks. Seen to
// fail with the same size simulated eight times.
func TestShortTrace(t *testing.T) {
	if form.Raced() {
		t.Skip("the same goroutines as in TestCacheRun, and long")
	}
	name := filepath.Join(t.TempDir(), "keys.txt")
	require.NoError(t, os.WriteFile(name, []byte("a\nb\na\n"), 0o600))
	o := bench(t, t.Context(), "cache", "-trace", name)
	require.Equal(t, exitOK, o.code, o.stderr)
	hits, _ := cacheRun(t, o)
	require.Len(t, hits, 1+len(cachesim.Policies()))
	require.Equal(t, len(hits), strings.Count(string(o.json), "cache/hits/"), "each size once")
	require.NotContains(t, o.html, "NaN")
	require.Contains(t, o.html, "all of them hit in 0.00 % of the requests")
}

// TestBadTrace: an error before anything is measured, wherever cache stands in
// the order of the experiments.
func TestBadTrace(t *testing.T) {
	dir := t.TempDir()
	write := func(name, content string) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
		return path
	}
	for name, want := range map[string]string{
		filepath.Join(dir, "none"):       "no such file",
		write("empty.txt", "\n"):         "no request in it",
		write("half.be64", "123456789"):  "half.be64: byte 8: 1 bytes left, want a key of 8",
		write("words.arc", "1 1 0 0\nx"): "words.arc: line 2: 1 words, want 4",
		dir:                              "is a directory",
	} {
		o := bench(t, t.Context(), "-trace", name)
		require.Equal(t, exitFailure, o.code, name)
		require.Contains(t, o.stderr, "-trace: cachesim: ")
		require.Contains(t, o.stderr, want)
		require.NotContains(t, o.stderr, "[1/", "nothing was begun")
		require.Empty(t, o.stdout)
		require.Empty(t, o.html)
	}
}

// liar is a cache that breaks one promise.
type liar struct {
	bounded
	wrong bool // values are not those that were set
	large bool // there are more than fit
}

func (l *liar) Get(key uint64) (uint64, bool) {
	value, ok := l.bounded.Get(key)
	if l.wrong {
		value++
	}
	return value, ok
}

func (l *liar) Len() int {
	if l.large {
		return loadEntries + 1
	}
	return l.bounded.Len()
}

// TestBadCacheIsNotMeasured: seen to fail with each of the two checks left out.
func TestBadCacheIsNotMeasured(t *testing.T) {
	source := newKeySource()
	round := func(l *liar) error {
		c := &loadCell{workers: 2, writes: 25, impl: loadImpl{"liar", func(n int) (bounded, error) {
			l.bounded = newShardedLRU(n)
			return l, nil
		}}}
		return c.round(t.Context(), tiny()[0], source)
	}
	require.NoError(t, round(&liar{}))
	require.ErrorContains(t, round(&liar{wrong: true}), "reading back: key ")
	require.ErrorContains(t, round(&liar{large: true}), "32769 entries in a cache of 32768")
	boom := errors.New("boom")
	c := &loadCell{workers: 1, impl: loadImpl{"none", func(int) (bounded, error) { return nil, boom }}}
	require.ErrorIs(t, c.round(t.Context(), tiny()[0], source), boom)
}

// TestShardedLRU: the parts are used evenly, and hold what the whole is to hold.
func TestShardedLRU(t *testing.T) {
	s := newShardedLRU(loadEntries)
	for key := range uint64(10 * loadEntries) {
		s.Set(key, ^key)
	}
	require.Equal(t, loadEntries, s.Len())
	value, ok := s.Get(10*loadEntries - 1)
	require.True(t, ok)
	require.Equal(t, ^uint64(10*loadEntries-1), value)
}

func TestGrouped(t *testing.T) {
	for n, want := range map[int]string{0: "0", 999: "999", 1000: "1,000", 123456: "123,456", 1234567: "1,234,567"} {
		require.Equal(t, want, grouped(n))
	}
}
