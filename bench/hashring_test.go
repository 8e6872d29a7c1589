package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/plinth-go/plinth/bench/report"
	"github.com/plinth-go/plinth/hashring"
	"github.com/plinth-go/plinth/internal/form"
)

// hashringRun is what the experiment wrote for programs, in its two halves.
func hashringRun(t *testing.T, o outcome) (counted, timed []report.Result) {
	t.Helper()
	require.Equal(t, exitOK, o.code, o.stderr)
	var back struct{ Results []report.Result }
	require.NoError(t, json.Unmarshal(o.json, &back))
	for _, r := range back.Results {
		if strings.HasPrefix(r.Experiment, "hashring/counted/") {
			require.Equal(t, "simulation", r.Load)
			require.Zero(t, r.PerSecond, "no time")
			counted = append(counted, r)
			continue
		}
		timed = append(timed, r)
	}
	return counted, timed
}

// TestHashringRun looks at the whole of the experiment. What is counted is the same when it
// is counted again; what is timed is complete.
func TestHashringRun(t *testing.T) {
	o := bench(t, t.Context(), "hashring")
	counted, timed := hashringRun(t, o)
	require.Len(t, counted, len(shareVirtual())+3+len(moveCells(profile{}))+3+len(boundEpsilons())+1+4)
	require.Len(t, timed, len(lookupCells(profile{})))
	for _, r := range timed {
		require.Equal(t, "closed loop", r.Load)
		require.Equal(t, 2, r.Rounds, r.Experiment)
		require.Positive(t, r.Ops, r.Experiment)
		require.Zero(t, r.Ops%lookupBatch)
		require.LessOrEqual(t, r.Slowest, r.PerSecond)
		require.LessOrEqual(t, r.PerSecond, r.Fastest)
		least, most := 20.0, 1e5 // a Node is 40 bytes, and 65,537 entries of 10 nodes 13 KiB a node
		if strings.HasSuffix(r.Experiment, "="+ringName) {
			least, most = 160*16, 160*24
		}
		require.Greater(t, r.Metrics["bytes_per_node"], least, r.Experiment)
		require.Less(t, r.Metrics["bytes_per_node"], most, r.Experiment)
	}
	require.Equal(t, 2*len(timed), strings.Count(o.stderr, " nodes\n"), "a line of progress for each, twice")
	testPages(t, o, 7, 4)

	if form.Raced() {
		return // what follows is one goroutine, and long
	}
	again := quietHashring()
	require.NoError(t, again.count(t.Context()))
	require.Equal(t, again.results(), counted)
	for name, test := range map[string]func(*testing.T, *hashringResults){
		"moves": testMoves, "shares": testShares, "growth": testGrowth, "bounds": testBounds, "hot": testHotKey,
	} {
		t.Run(name, func(t *testing.T) { test(t, again) })
	}
}

func quietHashring() *hashringResults {
	s := &session{again: func(string) string { return "" }, progress: newProgress(new(bytes.Buffer))}
	return &hashringResults{s: s, moves: moveCells(profile{})}
}

// testMoves: nobody but Modulo, Maglev and Shards moves a key that does not have to.
func testMoves(t *testing.T, r *hashringResults) {
	for _, c := range r.moves {
		n := float64(c.nodes)
		require.InEpsilon(t, moveKeys/(n+1), c.comes.needed, 0.2, "%s %d", c.name, c.nodes)
		require.InEpsilon(t, moveKeys/n, c.goes.needed, 0.2, "%s %d", c.name, c.nodes)
		switch c.name {
		case modulo:
			require.InDelta(t, n/(n+1), c.comes.share(), 0.005)
			require.InDelta(t, (n-1)/n, c.goes.share(), 0.005)
		case maglev:
			require.Greater(t, c.comes.all, c.comes.needed)
			require.Greater(t, c.goes.all, c.goes.needed)
			require.Less(t, c.comes.each(), 2.0)
		case shards:
			require.Equal(t, c.comes.needed, c.comes.all)
			require.InDelta(t, 2-1/n, c.goes.each(), 0.08)
		default:
			require.Equal(t, c.comes.needed, c.comes.all, "%s %d", c.name, c.nodes)
			require.Equal(t, c.goes.needed, c.goes.all, "%s %d", c.name, c.nodes)
		}
	}
	require.Equal(t, moved{49_477, 500}, r.move(modulo, 100).comes)
	require.Equal(t, moved{498, 498}, r.move(ringName, 100).comes)
	require.Equal(t, moved{723, 461}, r.move(maglev, 100).comes)
	require.Equal(t, moved{1041, 526}, r.move(shards, 100).goes)
}

// testShares: a ring follows its law, and the others are where they should be.
func testShares(t *testing.T, r *hashringResults) {
	for i := range r.shares {
		c := &r.shares[i]
		require.Len(t, c.deviations, shareClusters)
		if c.virtual > 0 {
			require.InEpsilon(t, law(c.virtual), c.deviation(), 0.05, c.name)
		}
	}
	require.InEpsilon(t, 1/math.Sqrt(2*21-1), r.share(multiProbe).deviation(), 0.15)
	require.InEpsilon(t, byChance(), r.share(shards).deviation(), 0.1)
	require.Less(t, r.share(maglev).deviation(), 0.001, "nobody has more than one entry more than another")
	require.InDelta(t, 0.0767, r.share("Ring, V=160").deviation(), 0.00005)
	require.InDelta(t, 1.2745, r.share("Ring, V=160").fullest, 0.00005)
}

// testGrowth: with hash mod n nearly all keys move at each step.
func testGrowth(t *testing.T, r *hashringResults) {
	steps := float64(growthTo - growthFrom)
	require.InEpsilon(t, steps-optimum().last(), r.grew(modulo).last(), 0.005)
	require.InEpsilon(t, optimum().last(), r.grew(ringName).last(), 0.03)
	require.InEpsilon(t, optimum().last(), r.grew(shards).last(), 0.005)
	for _, g := range r.growth {
		require.Len(t, g.times, growthTo-growthFrom+1)
		require.IsIncreasing(t, g.times, g.name)
	}
	require.InDelta(t, 26.03505, r.grew(modulo).last(), 1e-9)
	require.InDelta(t, 1.958, r.grew(ringName).last(), 1e-9)
	require.InDelta(t, 1.9781, r.grew(shards).last(), 1e-9)
}

// testBounds: no node has more than the bound, and a wider one sends fewer on.
func testBounds(t *testing.T, r *hashringResults) {
	spilled := math.Inf(1)
	for _, e := range boundEpsilons() {
		c := r.bound(e)
		require.LessOrEqual(t, c.fullest*runningEach, math.Ceil(runningEach*(1+e)), e)
		require.Less(t, c.spilled, spilled, e)
		spilled = c.spilled
	}
	require.Zero(t, r.bound(unbound).spilled)
	require.Equal(t, 1.37, r.bound(unbound).fullest)
	require.Equal(t, 260.0/boundSteps, r.bound(0.25).spilled)
}

// testHotKey: a key is at no more nodes than the bound makes it go to, and at no fewer than
// hold what is asked of it.
func testHotKey(t *testing.T, r *hashringResults) {
	copies := 0
	for _, c := range r.hot { // the bound becomes narrower
		require.Len(t, c.loads, hotNodes)
		require.LessOrEqual(t, c.loads[0]*runningEach, math.Ceil(runningEach*(1+c.epsilon)), c.epsilon)
		require.GreaterOrEqual(t, float64(c.nodes), math.Floor(c.share*hotNodes/(1+c.epsilon)), c.epsilon)
		require.LessOrEqual(t, float64(c.nodes), math.Ceil(hotNodes/(1+min(c.epsilon, hotNodes-1))), c.epsilon)
		require.Greater(t, c.copies, copies)
		copies = c.copies
	}
	require.Equal(t, 1, r.hotAt(unbound).nodes)
	require.Equal(t, r.hotAt(unbound).keys, r.hotAt(unbound).copies, "each key has one node")
	require.Equal(t, 5.75, r.hotAt(unbound).loads[0])
	require.Equal(t, 7, r.hotAt(hotEpsilon).nodes)
	require.Equal(t, 8075, r.hotAt(hotEpsilon).copies)
}

// TestInterruptHashring stops while something is counted; TestInterrupt does so in rounds.
func TestInterruptHashring(t *testing.T) {
	for _, at := range []string{"[1/5] hashring: counting", "[2/5] hashring: counting"} {
		interrupt(t, at, "hashring")
	}
}

// TestPicturesOfTheRing compares the pictures in hashring/README.md with what the algorithms
// do now. To draw them again:
//
//	go test -run=TestPicturesOfTheRing ./bench -redraw
func TestPicturesOfTheRing(t *testing.T) {
	if form.Raced() {
		t.Skip("it is one goroutine, and long")
	}
	r := quietHashring()
	require.NoError(t, r.countShares(t.Context()))
	require.NoError(t, r.countGrowth(t.Context()))
	comparePictures(t, map[string]report.Figure{"../hashring/imbalance.svg": r.shareFigure(), "../hashring/moved.svg": r.growthFigure()})
}

// TestZipf: number i is drawn 1/i as often as the first.
func TestZipf(t *testing.T) {
	rnd, draw, drawn := rand.New(rand.NewPCG(1, 1)), zipf(1000), make([]int, 1000)
	for range 200_000 {
		drawn[draw(rnd)]++
	}
	for _, i := range []int{2, 3, 10} {
		require.InEpsilon(t, float64(drawn[0])/float64(i), drawn[i-1], 0.05, i)
	}
	require.Positive(t, drawn[999])
}

// TestBadPlacementIsNotMeasured: one that loses a key ends the round with an error. Seen to
// fail with the check of the name left out.
func TestBadPlacementIsNotMeasured(t *testing.T) {
	keys := keysOf(lookupKeys)
	c := &lookupCell{placement: placementNamed(ringName), nodes: 10}
	require.NoError(t, c.round(t.Context(), tiny()[0], keys))
	boom := errors.New("boom")
	for err, build := range map[error]func([]hashring.Node) (hashring.Locator, error){
		errors.New("is nowhere"): func([]hashring.Node) (hashring.Locator, error) { return hashring.NewModulo() },
		boom:                     func([]hashring.Node) (hashring.Locator, error) { return nil, boom },
	} {
		c := &lookupCell{placement: placement{name: "bad", build: build}, nodes: 10}
		require.ErrorContains(t, c.round(t.Context(), tiny()[0], keys), err.Error())
	}
}

func TestMaglevSize(t *testing.T) {
	for nodes, want := range map[int]int{10: 65_537, 655: 65_537, 1000: 100_003, 10_000: 1_000_003} {
		require.Equal(t, want, maglevSize(nodes))
	}
}
