package main

import (
	"regexp"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/plinth-go/plinth/bench/plot"
	"github.com/plinth-go/plinth/bench/report"
)

// TestPicturesOfTheBreaker compares the pictures in breaker/README.md with what the guards do
// now, and what is said of them. To draw them again:
//
//	go test -run=TestPicturesOfTheBreaker ./bench -redraw
func TestPicturesOfTheBreaker(t *testing.T) {
	notRaced(t)
	s := &session{profile: tiny()[0], again: func(string) string { return "again" }}
	r := &breakerStorm{s: s, cells: stormCells(), sweep: stormSweep(s.profile)}
	for _, c := range slices.Concat(r.cells, r.sweep) {
		require.NoError(t, c.round())
	}
	comparePictures(t, map[string]report.Figure{
		"../breaker/storm.svg": r.loadFigure(), "../breaker/answers.svg": r.answerFigure(), "../breaker/states.svg": r.stateFigure(),
	})
	testStormCaptions(t, r)
}

// testStormCaptions holds what captions say, number by number.
func testStormCaptions(t *testing.T, r *breakerStorm) {
	t.Helper()
	figures, number := r.figures(), regexp.MustCompile(`at once|never|\d+(\.\d+)?( (ms|s)\b| %)?`)
	for i, numbers := range [][]string{
		{"350", "500", "10 s", "10", "3", "1 s", "2.94", "1051", "210 %", "1.09", "0.15", "0.16"},
		{"11 s", "never", "0 %", "14 s", "1 s", "1 s", "15.6 %", "1.62 %"},
		{"19", "384", "1058", "423", "31", "99", "100", "3.12 s", "2.05 s", "697 ms"},
		{"30 %", "3", "30 %", "95 %"},
		{"1.27 s", "300 ms", "73.5 ms", "5.11 s", "3", "4"},
		{"10 s", "1 ms", "2.99", "2.99", "1.10", "53", "10130", "at once", "5 s"},
	} {
		require.Equal(t, numbers, number.FindAllString(figures[i].See, -1), figures[i].See)
	}
	for _, f := range figures {
		lines := f.Chart.(plot.Lines)
		require.Equal(t, "again", f.How)
		require.Len(t, lines.Spans, 1)
		for _, s := range lines.Series {
			marked := slices.ContainsFunc(s.Points, func(p plot.Point) bool { return !p.Plain })
			require.Equal(t, len(s.Points) > 30 || len(s.Points) == 2, marked, "%s: %s", f.Title, s.Name)
		}
	}
}

// TestBackText: from the shortest to the longest of several runs.
func TestBackText(t *testing.T) {
	run := func(back time.Duration) *stormCounts {
		n := new(stormCounts)
		for at := time.Duration(0); at < stormEnd; at += time.Second {
			*n.offered.at(at) = 10
			*n.helped.at(at) = 9
			if at >= stormTo && at < stormTo+back {
				*n.helped.at(at) = 8
			}
		}
		require.Equal(t, back, n.back())
		return n
	}
	const never = stormNever
	for want, runs := range map[string][]*stormCounts{
		"at once":        {run(0), run(0)},
		"3 s":            {run(3 * time.Second), run(3 * time.Second)},
		"2 s to 9 s":     {run(5 * time.Second), run(9 * time.Second), run(2 * time.Second), run(4 * time.Second)},
		"at once to 1 s": {run(0), run(time.Second)},
		"never":          {run(never), run(never)},
		"8 s or never":   {run(never), run(8 * time.Second)},
	} {
		require.Equal(t, want, (&stormCell{runs: runs}).backText())
	}
}
