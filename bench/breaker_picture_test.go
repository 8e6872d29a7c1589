package main

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/plinth-go/plinth/bench/report"
	"github.com/plinth-go/plinth/internal/form"
)

// TestPicturesOfTheBreaker compares the pictures in breaker/README.md with what the guards do
// now. To draw them again:
//
//	go test -run=TestPicturesOfTheBreaker ./bench -redraw
func TestPicturesOfTheBreaker(t *testing.T) {
	if form.Raced() {
		t.Skip("it is one goroutine, and long")
	}
	r := &breakerStorm{s: &session{again: func(string) string { return "" }}, cells: stormCells()}
	for _, c := range r.cells {
		require.NoError(t, c.round())
	}
	comparePictures(t, map[string]report.Figure{
		"../breaker/storm.svg": r.loadFigure(), "../breaker/answers.svg": r.answerFigure(), "../breaker/states.svg": r.stateFigure(),
	})
}
