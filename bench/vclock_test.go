package main

import (
	"bytes"
	"encoding/json"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/plinth-go/plinth/bench/report"
	"github.com/plinth-go/plinth/internal/form"
	"github.com/plinth-go/plinth/internal/seed"
	"github.com/plinth-go/plinth/vclock"
)

func quietVclock() *vclockResults {
	s := &session{profile: tiny()[0], again: func(string) string { return "go run" }, progress: newProgress(new(bytes.Buffer))}
	return &vclockResults{s: s, speeds: clockCells()}
}

// TestVclockRun looks at the whole of the experiment. What is counted is the same when it is counted again, and
// is held exactly; what is timed is complete.
//
// Planted and caught: a gap that is none; strings of MessagePack with too long a head; who retires to the furthest;
// one name for all who come; a server that keeps nothing, clients whose vectors replace each other, and one who reads
// what another should; nobody who comes or goes; results with another number of clients.
func TestVclockRun(t *testing.T) {
	notRaced(t)
	o := bench(t, t.Context(), "vclock")
	require.Equal(t, exitOK, o.code, o.stderr)
	var back struct{ Results []report.Result }
	require.NoError(t, json.Unmarshal(o.json, &back))
	counted := slices.DeleteFunc(slices.Clone(back.Results), func(r report.Result) bool { return !strings.HasPrefix(r.Experiment, "vclock/counted/") })
	require.Len(t, back.Results, len(counted)+len(clockCells()))
	for _, r := range counted {
		require.Equal(t, "simulation", r.Load)
		require.Zero(t, r.PerSecond, "no time")
	}
	testPages(t, o, 8, 5)

	again := quietVclock()
	require.NoError(t, again.count(t.Context()))
	again.speeds = nil
	require.Equal(t, again.results(), counted)
	for _, want := range []report.Result{
		{Experiment: "vclock/counted/size/clock=Stamp", Metrics: map[string]float64{"replicas": 100, "bytes": 163}},
		{Experiment: "vclock/counted/churn/clock=Vector", Metrics: map[string]float64{"replicas": 16, "replicas_ever": 1024, "bytes": 3091}},
		{Experiment: "vclock/counted/siblings/versions=" + byServer, Metrics: map[string]float64{
			"clients": 2, "writes": 101, "siblings": 101, "siblings_at_most": 101, "values_read": 5151, "bytes": 8,
		}},
	} {
		want.Load, want.Workers, want.Rounds = "simulation", 1, 1
		require.Contains(t, counted, want)
	}
	for name, test := range map[string]func(*testing.T, *vclockResults){
		"sizes": testClockSizes, "churn": testChurn, "siblings": testSiblings, "skews": testSkews, "hour": testHour,
	} {
		t.Run(name, func(t *testing.T) { test(t, again) })
	}
}

// testClockSizes: exact, and at most half of the map as JSON.
func testClockSizes(t *testing.T, r *vclockResults) {
	want := map[string][]int{
		sizeLamport: {2, 2, 2, 3, 3, 3},
		sizeHLC:     {11, 11, 11, 11, 11, 11},
		sizeStamp:   {8, 19, 51, 163, 479, 1583},
		sizeVector:  {19, 47, 127, 407, 1210, 4017},
		sizeMsgpack: {38, 125, 376, 1247, 3735, 12_443},
		sizeContext: {40, 103, 283, 913, 2719, 9033},
		sizeJSON:    {49, 161, 481, 1601, 4801, 16_001},
		sizeMatrix:  {43, 253, 1933, 20_413, 181_219, 2_004_033},
	}
	require.Len(t, r.sizes, len(want))
	for _, l := range r.sizes {
		require.Equal(t, want[l.name], l.bytes, l.name)
	}
	for _, n := range sizeReplicas() {
		require.LessOrEqual(t, 2*r.size(sizeVector, n), r.size(sizeJSON, n), "at most half of the map as JSON")
		require.LessOrEqual(t, r.size(sizeVector, n), r.size(sizeMsgpack, n))
	}
}

// testChurn: a Vector has all that ever were, and nothing else has.
func testChurn(t *testing.T, r *vclockResults) {
	want := map[string][]int{
		sizeVector:  {55, 103, 199, 393, 778, 1549, 3091},
		sizeWhoever: {3, 22, 32, 58, 69, 92, 81},
		sizeNearest: {3, 20, 30, 42, 49, 75, 51},
		sizeDotted:  {20, 20, 26, 24, 24, 24, 28},
		sizeHLC:     {11, 11, 11, 11, 11, 11, 11},
		sizeLamport: {1, 2, 2, 2, 2, 2, 2},
	}
	require.Len(t, r.churns, len(want))
	for _, l := range r.churns {
		require.Equal(t, want[l.name], l.bytes, l.name)
	}
}

// testSiblings: 101 against 2.
func testSiblings(t *testing.T, r *vclockResults) {
	for _, c := range r.siblings {
		require.Len(t, c.after, siblingWrites)
		want := c.writers
		if c.store == byServer && c.writers > 1 {
			want = siblingWrites
		}
		require.Equal(t, want, c.last(), "%s, %d", c.store, c.writers)
		require.Equal(t, want, c.most)
		for i, n := range c.after {
			require.Equal(t, min(i+1, want), n, "a client has one value, or all of them")
		}
	}
	require.Equal(t, 5151, r.sibling(byServer, 2).read)
	require.Equal(t, 201, r.sibling(byDots, 2).read)
	for n, want := range map[int][3]int{1: {8, 10, 11}, 2: {8, 26, 13}, 32: {8, 3296, 73}} {
		require.Equal(t, want, [3]int{r.sibling(byServer, n).bytes, r.sibling(byClient, n).bytes, r.sibling(byDots, n).bytes})
	}
}

// testSkews: exact counts of the seed that is drawn.
func testSkews(t *testing.T, r *vclockResults) {
	require.Len(t, r.skews, len(skewEpsilons()))
	wall, early := map[time.Duration]int{}, map[time.Duration]int{}
	for _, c := range r.skews {
		testSkew(t, c)
		testWrong(t, []skewCell{c}, 0.9, 0.2)
		require.Equal(t, []int{1538, 514, 1_120_612}, []int{c.events, c.messages, c.before})
		wall[c.epsilon], early[c.epsilon] = c.wallWrong, c.early
	}
	const µs, ms = time.Microsecond, time.Millisecond
	require.Equal(t, map[time.Duration]int{10 * µs: 0, 30 * µs: 0, 100 * µs: 0, 300 * µs: 15, ms: 184, 3 * ms: 582, 10 * ms: 3238, 30 * ms: 19_902, 100 * ms: 95_880}, wall)
	require.Equal(t, map[time.Duration]int{10 * µs: 0, 30 * µs: 0, 100 * µs: 0, 300 * µs: 15, ms: 129, 3 * ms: 215, 10 * ms: 259, 30 * ms: 268, 100 * ms: 269}, early)
	for _, c := range r.skews[:3] {
		require.Zero(t, c.hlcLead, "a message takes longer than clocks differ, so that nobody is ahead")
		require.Zero(t, c.logical)
	}
	require.EqualValues(t, 11, r.skew(shownEpsilon).logical)
}

// testSkew is what holds with any seed: no HLC contradicts what happened, and none is wrong by more than ε.
func testSkew(t *testing.T, c skewCell) {
	t.Helper()
	require.Zero(t, c.hlcWrong)
	require.Zero(t, c.refused)
	require.LessOrEqual(t, c.wallMost, c.epsilon)
	require.LessOrEqual(t, c.hlcMost, c.epsilon)
	require.GreaterOrEqual(t, c.hlcLead, time.Duration(0), "an HLC is never behind the clock that it reads")
	require.LessOrEqual(t, c.hlcLead, 2*c.epsilon)
	require.LessOrEqual(t, c.early, c.wallWrong)
	if c.epsilon >= time.Millisecond {
		require.Positive(t, c.early)
		require.Greater(t, c.wallWrong, c.early, "not only messages: a process whose clock is set back, too")
	}
	if 2*c.epsilon < skewNearest {
		require.Zero(t, c.early)
	}
}

// testHour: a clock that is an hour ahead takes others along, or does not.
func testHour(t *testing.T, r *vclockResults) {
	bound, never := r.hour[0], r.hour[1]
	require.Equal(t, 65, bound.refused)
	require.LessOrEqual(t, bound.hlcMost, bound.epsilon)
	require.Zero(t, bound.hlcWrong)
	require.Equal(t, 1538-65, bound.events, "what is refused is no event")
	require.Zero(t, never.refused)
	require.Greater(t, never.hlcMost, skewAhead-never.epsilon)
	require.LessOrEqual(t, never.wallMost, never.epsilon)
	require.Zero(t, never.hlcWrong, "wrong by an hour, but in order")
}

// TestSkewSeeds holds other seeds to what the report says, and the vectors to what happened: an event is before
// another if there is a way, along a process or with a message.
//
// Planted and caught: a clock that drifts further than ε, or from the beginning on; a vector that is not merged; an
// HLC that does not hear of messages; messages that take no time at least.
func TestSkewSeeds(t *testing.T) {
	notRaced(t)
	chance, seeds := seed.New(t), 2
	if form.Long() {
		seeds = 20
	}
	cells := map[time.Duration][]skewCell{}
	for range seeds {
		config := skewConfig{seed: chance.Uint64()}
		for _, config.epsilon = range []time.Duration{50 * time.Microsecond, 2 * time.Millisecond, 40 * time.Millisecond} {
			c, err := countSkew(config)
			require.NoError(t, err)
			testSkew(t, c)
			cells[c.epsilon] = append(cells[c.epsilon], c)
		}
		r, err := playSkew(config)
		require.NoError(t, err)
		testWays(t, r)
	}
	// A run sets its clocks some 88 times, for times of different lengths. So the mean of one run has a standard deviation
	// of 0.073, of which 0.45 is six; and none of the 88 is in the last part x of ε once in 1/(1-x)^88 runs.
	for _, runs := range cells {
		testWrong(t, runs, 1-0.2/float64(seeds), 0.45/math.Sqrt(float64(seeds)))
	}
}

// testWrong: clocks are wrong by anything up to ε. In all runs together at least by so much of it, and on the mean by the
// half, to within a part.
func testWrong(t *testing.T, runs []skewCell, most, within float64) {
	t.Helper()
	worst, mean := 0.0, 0.0
	for _, c := range runs {
		worst = max(worst, float64(c.wallMost)/float64(c.epsilon))
		mean += float64(c.wallMean) / float64(c.epsilon) / float64(len(runs))
	}
	require.Greater(t, worst, most)
	require.InEpsilon(t, 0.5, mean, within)
}

// testWays follows the ways between events.
func testWays(t *testing.T, r *skewRun) {
	t.Helper()
	last := map[vclock.ID]int{}
	before := make([][]bool, len(r.events)) // of each event: the others
	for i := range r.events {
		e := &r.events[i]
		before[i] = make([]bool, i)
		causes := []int{e.cause}
		if k, is := last[e.dot.ID]; is {
			causes = append(causes, k)
		}
		for _, k := range causes {
			if k >= 0 {
				copy(before[i][:k], or(before[i][:k], before[k]))
				before[i][k] = true
			}
		}
		last[e.dot.ID] = i
		for k := range before[i] {
			f := &r.events[k]
			if before[i][k] != e.vector.Contains(f.dot) || before[i][k] != f.before(e) {
				t.Fatalf("events %d and %d: a way is %v", k, i, before[i][k])
			}
		}
		if e.cause >= 0 {
			takes := e.at - r.events[e.cause].at
			require.GreaterOrEqual(t, takes, skewNearest)
			require.Less(t, takes, skewFarthest)
			require.NotEqual(t, e.dot.ID, r.events[e.cause].dot.ID)
		}
	}
	require.Len(t, last, skewProcesses)
}

func or(a, b []bool) []bool {
	all := make([]bool, len(a))
	for i := range a {
		all[i] = a[i] || b[i]
	}
	return all
}

// TestWallClock: it drifts, and is never wrong by more than ε.
func TestWallClock(t *testing.T) {
	chance := seed.New(t)
	drifts := false
	for range 100 {
		c := wallClock{within: 50 * time.Microsecond}
		c.reset(time.Second, chance)
		off := c.shows(time.Second) - time.Second
		require.LessOrEqual(t, off.Abs(), c.within)
		later := c.shows(2*time.Second) - 2*time.Second
		require.LessOrEqual(t, later.Abs(), c.within)
		want := off + time.Duration(c.drift)*time.Microsecond
		require.Equal(t, min(max(want, -c.within), c.within), later)
		drifts = drifts || off != later
		c.always = time.Hour
		require.Equal(t, later+time.Hour, c.shows(2*time.Second)-2*time.Second)
	}
	require.True(t, drifts)
}

// TestMeasuredClocks: what is measured is what the report says, not just as long. Planted and caught: stamps that have
// counted one event less.
func TestMeasuredClocks(t *testing.T) {
	v, err := fullVector(3)
	require.NoError(t, err)
	require.Equal(t, `{"node-0000":200, "node-0001":237, "node-0002":274}`, v.String())
	s, err := fullStamp(3)
	require.NoError(t, err)
	require.Equal(t, "((0,1),(200,(37,0,37),0))", s.String())
	c, err := gappedContext(2)
	require.NoError(t, err)
	require.Equal(t, `{"node-0000":"1-198,200", "node-0001":"1-235,237"}`, c.String())
	m, err := fullMatrix(2)
	require.NoError(t, err)
	require.Equal(t, `{"node-0000":200, "node-0001":237}`, m.Stable().String())
	one, _ := m.Get(replicaName(0))
	two, _ := m.Get(replicaName(1))
	require.Equal(t, `{"node-0000":201, "node-0001":237}`, one.String())
	require.Equal(t, `{"node-0000":200, "node-0001":239}`, two.String())
	require.Equal(t, m.Len(), 2)
}

// TestMsgpackLen: known lengths, by the specification of MessagePack.
func TestMsgpackLen(t *testing.T) {
	of := func(names int, length int, count uint64) int {
		v := vclock.Vector{}
		for i := range names {
			_, err := v.Advance(vclock.ID(strings.Repeat("x", length-4)+string(replicaName(i)[5:])), count)
			require.NoError(t, err)
		}
		return msgpackLen(v)
	}
	require.Equal(t, 1, of(0, 4, 0))
	require.Equal(t, 1+1+4+1, of(1, 4, 127))
	require.Equal(t, 1+1+31+2, of(1, 31, 128))
	require.Equal(t, 1+2+32+2, of(1, 32, 255))
	require.Equal(t, 1+2+255+3, of(1, 255, 256))
	require.Equal(t, 1+1+5+3, of(1, 5, 65_535))
	require.Equal(t, 1+1+5+5, of(1, 5, 65_536))
	require.Equal(t, 1+1+5+9, of(1, 5, 1<<32))
	require.Equal(t, 1+15*(1+4+1), of(15, 4, 1))
	require.Equal(t, 3+16*(1+4+1), of(16, 4, 1))
	require.Equal(t, 3+300*(1+4+1), of(300, 4, 1))
}

func TestInterruptVclock(t *testing.T) {
	notRaced(t)
	for _, at := range []string{"[1/5] vclock: counting", "[2/5] vclock: counting"} {
		interrupt(t, at, "vclock")
	}
}
