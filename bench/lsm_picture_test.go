package main

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/plinth-go/plinth/bench/plot"
	"github.com/plinth-go/plinth/bench/report"
	"github.com/plinth-go/plinth/internal/form"
	"github.com/plinth-go/plinth/vfs"
)

// TestPicturesOfTheTree compares the pictures in lsm/README.md with what is counted
// now, of a store of the quick profile's size. To draw them again after a change of
// compaction:
//
//	PLINTH_LONG=1 go test -run=TestPicturesOfTheTree ./bench -redraw
func TestPicturesOfTheTree(t *testing.T) {
	if !form.Long() {
		return // the long form of the tests does it
	}
	r := &lsmResults{
		s:       &session{again: func(string) string { return "" }},
		counted: countedCells(countedSizes(countedEntries(profiles()[0]))),
	}
	for _, c := range r.counted {
		require.NoError(t, c.measure(t.Context(), vfs.NewMem(), "db"))
	}
	comparePictures(t, map[string]report.Figure{
		"../lsm/writes.svg": r.writesByGrowth(), "../lsm/space.svg": r.spaceByGrowth(), "../lsm/reads.svg": r.readsByFilter(),
	})
}

// comparePictures compares files with what they should show, or draws them.
func comparePictures(t *testing.T, figures map[string]report.Figure) {
	t.Helper()
	for name, figure := range figures {
		svg := plot.File(figure.Chart.SVG(plot.Size{Width: 800, Height: 440}))
		if *redraw {
			require.NoError(t, os.WriteFile(name, []byte(svg), 0o644))
		}
		drawn, err := os.ReadFile(name)
		require.NoError(t, err)
		require.True(t, svg == string(drawn), "%s is not up to date: see above how to draw it", name)
	}
}
