package main

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/plinth-go/plinth/bench/report"
	"github.com/plinth-go/plinth/internal/form"
)

// TestPicturesOfTheBTree compares the pictures in btree/README.md with what is counted
// now, of stores of the quick profile's size. To draw them again after a change of what
// is written or read:
//
//	PLINTH_LONG=1 go test -run=TestPicturesOfTheBTree ./bench -redraw
func TestPicturesOfTheBTree(t *testing.T) {
	if !form.Long() {
		return // the long form of the tests does it
	}
	s := &session{again: func(string) string { return "" }, progress: newProgress(new(bytes.Buffer))}
	r := newBTreeResults(s, countedEntries(profiles()[0]))
	require.NoError(t, r.count(t.Context(), t.TempDir()))
	comparePictures(t, map[string]report.Figure{
		"../btree/where.svg": r.where(), "../btree/commits.svg": r.byBatch(), "../btree/checkpoints.svg": r.byInterval(),
	})
}
