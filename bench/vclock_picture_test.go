package main

import (
	"bytes"
	"math"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/plinth-go/plinth/bench/plot"
	"github.com/plinth-go/plinth/bench/report"
	"github.com/plinth-go/plinth/internal/seed"
	"github.com/plinth-go/plinth/vclock"
)

// TestPicturesOfTheClocks compares the pictures for vclock/README.md with what the clocks do now, and what is said
// of them. To draw them again:
//
//	go test -run=TestPicturesOfTheClocks ./bench -redraw
func TestPicturesOfTheClocks(t *testing.T) {
	notRaced(t)
	r := quietVclock()
	require.NoError(t, r.count(t.Context()))
	for _, c := range r.speeds {
		c.rates = []float64{1e6}
	}
	comparePictures(t, map[string]report.Figure{
		"../vclock/spacetime.svg": r.runFigure(), "../vclock/churn.svg": r.churnFigure(),
		"../vclock/siblings.svg": r.siblingFigure(), "../vclock/skew.svg": r.wrongFigure(),
	})
	part := r.part()
	testParts(t, part.Facts, part.Figures, part.Tables, part.Notes)
	testVclockCaptions(t, part.Figures)
}

// testVclockCaptions holds what captions say, number by number.
func testVclockCaptions(t *testing.T, figures []report.Figure) {
	t.Helper()
	number := regexp.MustCompile(`[\d,]*\d(\.\d+)?( (ms|s|µs|h|B)\b| %)?`)
	for i, numbers := range [][]string{
		{"26", "4", "3", "7", "11", "7"},
		{"100", "407 B", "1,601 B", "1,247 B", "913 B", "163 B", "20,413 B", "3 B", "11 B"},
		{"16", "1,024", "55 B", "3,091 B", "3 B", "51 B", "3 B", "81 B", "3", "20 B", "28 B"},
		{"101", "101", "2", "5,151", "201"},
		{"32", "32", "73 B", "3,296 B", "8 B", "101"},
		{"10 ms", "9.94 ms", "4.74 ms", "4.86 ms", "2.49 ms", "1 ms", "1 h", "65", "993 µs", "3600 s"},
		{"1,120,612", "10 ms", "3,238", "0.289 %", "259", "514", "0"},
	} {
		require.Equal(t, numbers, number.FindAllString(figures[i].See, -1), figures[i].See)
	}
}

// TestRunIsDrawn: the drawing says what the clocks do. From what is before the chosen event there is a way to it along
// pieces of lanes and arrows, to what is after it there is one from it, and to what is beside it there is neither.
//
// Planted and caught: arrows the wrong way round, one lane for all, before and after exchanged.
func TestRunIsDrawn(t *testing.T) {
	chance := seed.New(t)
	for i := range 30 {
		number := uint64(runSeed)
		if i > 0 {
			number = chance.Uint64()
		}
		s, err := traceRun(number)
		require.NoError(t, err)
		c := s.chart()
		require.Len(t, c.Events, runEvents)
		ways := waysOf(c)
		for k, e := range c.Events {
			want := runBeside
			switch {
			case k == s.chosen:
				want = runChosen
			case ways[k][s.chosen]:
				want = runBefore
			case ways[s.chosen][k]:
				want = runAfter
			}
			require.Equal(t, want, e.Role, "seed %d: %s", number, e.Title)
		}
	}
}

// waysOf says of each event to which others there is a way.
func waysOf(c plot.SpaceTime) [][]bool {
	ways, last := make([][]bool, len(c.Events)), map[int]int{}
	for i := range ways {
		ways[i] = make([]bool, len(c.Events))
	}
	step := func(from, to int) {
		ways[from][to] = true
		for k := range ways {
			ways[k][to] = ways[k][to] || ways[k][from]
		}
	}
	for i, e := range c.Events {
		if before, is := last[e.Lane]; is {
			step(before, i)
		}
		last[e.Lane] = i
		for _, a := range c.Arrows {
			if a.To == i {
				step(a.From, i)
			}
		}
	}
	return ways
}

// TestRunIsLegible: no arrow of the drawing goes through the mark of another event, everybody has
// several events, and the chosen one has all three kinds of others. Planted and caught: an event that is not the best to
// choose, and messages that never overtake each other.
func TestRunIsLegible(t *testing.T) {
	s, err := traceRun(runSeed)
	require.NoError(t, err)
	before, beside, after := s.counts(s.chosen)
	require.Equal(t, []int{7, 7, 11}, []int{before, beside, after})
	require.Equal(t, runEvents-1, before+beside+after)
	c, lanes := s.chart(), map[int]int{}
	for _, e := range c.Events {
		lanes[e.Lane]++
	}
	require.Len(t, lanes, len(runProcesses()))
	for lane, n := range lanes {
		require.GreaterOrEqual(t, n, 6, lane)
	}
	for _, each := range [][2]float64{{23, 62}, {25, 84}} { // between events, and between lanes, of wide and narrow drawings
		require.Greater(t, clearance(c, each[0], each[1]), 10.0)
	}
	again, err := traceRun(runSeed)
	require.NoError(t, err)
	require.Equal(t, s, again)
	other, err := traceRun(runSeed + 1)
	require.NoError(t, err)
	require.NotEqual(t, s.log, other.log)
}

// clearance is how near an arrow comes to an event that is not its own.
func clearance(c plot.SpaceTime, between, apart float64) float64 {
	least := math.Inf(1)
	at := func(i int) (x, y float64) { return between * float64(i), apart * float64(c.Events[i].Lane) }
	for _, a := range c.Arrows {
		x1, y1 := at(a.From)
		x2, y2 := at(a.To)
		length := math.Hypot(x2-x1, y2-y1)
		for i := range c.Events {
			x, y := at(i)
			along := ((x-x1)*(x2-x1) + (y-y1)*(y2-y1)) / length
			if i != a.From && i != a.To && along > 0 && along < length {
				least = min(least, math.Abs((x-x1)*(y2-y1)-(y-y1)*(x2-x1))/length)
			}
		}
	}
	return least
}

// TestRunLog: what is drawn comes out of the logs alone, in whatever order they are.
func TestRunLog(t *testing.T) {
	s, err := traceRun(runSeed)
	require.NoError(t, err)
	lines := strings.Split(strings.TrimSuffix(s.log, "\n"), "\n")
	require.Len(t, lines, 2*runEvents)
	var backwards bytes.Buffer
	for i := len(lines) - 2; i >= 0; i -= 2 {
		backwards.WriteString(lines[i] + "\n" + lines[i+1] + "\n")
	}
	events, err := vclock.ParseLog(&backwards)
	require.NoError(t, err)
	d, err := vclock.NewDiagram(events)
	require.NoError(t, err)
	for i := range d.Steps {
		d.Steps[i].Line = s.diagram.Steps[i].Line
	}
	require.Equal(t, s.diagram, d)
}
