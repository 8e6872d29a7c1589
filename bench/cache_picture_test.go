package main

import (
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/plinth-go/plinth/bench/plot"
	"github.com/plinth-go/plinth/cache/cachesim"
	"github.com/plinth-go/plinth/internal/form"
)

var redraw = flag.Bool("redraw", false, "write the pictures of the packages' lessons anew")

// TestPictureOfTheLesson compares the picture in cache/README.md with what the
// recorded trace gives now. To draw it again after a change of a policy:
//
//	PLINTH_LONG=1 PLINTH_DATA=… go test -run=TestPictureOfTheLesson ./bench -redraw
func TestPictureOfTheLesson(t *testing.T) {
	if !form.Long() {
		return // half a minute of simulation; the long form of the tests does it
	}
	data := os.Getenv("PLINTH_DATA")
	if data == "" {
		t.Skip("PLINTH_DATA names no directory with recorded traces")
	}
	trace, err := cachesim.Open(filepath.Join(data, "cache-traces", "oltp.arc.gz"), cachesim.ByName)
	require.NoError(t, err)
	r := cacheResults{s: &session{}, trace: trace, unique: trace.Unique()}
	for _, thousandths := range []int{2, 5, 10, 20, 50, 100, 200} {
		r.sizes = append(r.sizes, r.unique*thousandths/1000)
	}
	r.series, err = cachesim.Curve(t.Context(), trace, r.sizes, cachesim.Policies(), nil)
	require.NoError(t, err)
	chart := plot.Lines{
		Title: "Hits of each policy, as a part of the hits that are possible, by size of the cache",
		X:     plot.Axis{Label: "entries of the cache, as a part of the keys", Kind: plot.Log, Unit: plot.Percent, Ticks: []float64{0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2}},
		Y:     plot.Axis{Label: "hits, as a part of Belady's", Unit: plot.Percent},
	}
	bound := r.series[0].Points
	for _, s := range r.series[1:] {
		if s.Name == "Steered" {
			continue // its line would lie under that of Cache
		}
		series := plot.Series{Name: s.Name}
		for i, p := range s.Points {
			series.Points = append(series.Points, plot.Point{X: r.fraction(p.Size), Y: float64(p.Hits) / float64(bound[i].Hits)})
		}
		chart.Series = append(chart.Series, series)
	}
	svg := plot.File(chart.SVG(plot.Size{Width: 800, Height: 520}))
	const name = "../cache/policies.svg"
	if *redraw {
		require.NoError(t, os.WriteFile(name, []byte(svg), 0o644))
	}
	drawn, err := os.ReadFile(name)
	require.NoError(t, err)
	require.True(t, svg == string(drawn), "the picture is not up to date: see above how to draw it")
}
