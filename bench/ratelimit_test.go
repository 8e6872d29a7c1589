package main

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/plinth-go/plinth/bench/report"
)

// TestRatelimitRun looks at the whole of the experiment.
func TestRatelimitRun(t *testing.T) {
	o := bench(t, t.Context(), "ratelimit")
	require.Equal(t, exitOK, o.code, o.stderr)
	var back struct{ Results []report.Result }
	require.NoError(t, json.Unmarshal(o.json, &back))
	require.Len(t, back.Results, len(decisionCells())+len(keyCells(profile{})))
	for _, r := range back.Results {
		require.Equal(t, 2, r.Rounds, r.Experiment)
		require.Positive(t, r.Ops, r.Experiment)
		if strings.HasPrefix(r.Experiment, "ratelimit/memory/") {
			require.Positive(t, r.Metrics["bytes_per_key"], r.Experiment)
			continue
		}
		require.LessOrEqual(t, r.Slowest, r.PerSecond)
		require.LessOrEqual(t, r.PerSecond, r.Fastest)
	}
	testPages(t, o, 5, 2)
}

// TestPicturesOfTheLimiters compares the pictures in ratelimit/README.md with what the
// algorithms do now. To draw them again:
//
//	go test -run=TestPicturesOfTheLimiters ./bench -redraw
func TestPicturesOfTheLimiters(t *testing.T) {
	s := &session{again: func(string) string { return "" }, progress: newProgress(new(bytes.Buffer))}
	r := newRatelimitResults(s)
	comparePictures(t, map[string]report.Figure{"../ratelimit/burst.svg": r.burstFigure(), "../ratelimit/crowd.svg": r.crowdFigure()})
}

// TestPlayed holds what the lesson says of the burst: the fixed window lets twice its limit
// through across an edge, no other one does, and the queue never two at once.
func TestPlayed(t *testing.T) {
	r := newRatelimitResults(&session{})
	for _, p := range r.burst {
		switch most := p.mostWithin(aroundEdge); p.name {
		case fixedWindow:
			require.Equal(t, 2*shownBurst, most)
		case leakyQueue:
			require.LessOrEqual(t, most, 3, p.name) // one each tenth of a second
		default:
			require.LessOrEqual(t, most, shownBurst+2, p.name) // and what comes meanwhile
		}
		require.Equal(t, len(burstArrivals()), len(p.went)+p.refused)
	}
}
