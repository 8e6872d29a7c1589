package main

import (
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/plinth-go/plinth/bench/report"
)

// TestPicturesOfCrdt compares the pictures in crdt/README.md with what the types take now, and what is said of them. To
// draw them again:
//
//	go test -run=TestPicturesOfCrdt ./bench -redraw
func TestPicturesOfCrdt(t *testing.T) {
	notRaced(t)
	r := quietCrdt()
	require.NoError(t, r.count(t.Context()))
	comparePictures(t, map[string]report.Figure{
		"../crdt/size.svg": r.sizeFigure(), "../crdt/traffic.svg": r.trafficFigure(), "../crdt/churn.svg": r.churnFigure(),
		"../crdt/away.svg": r.awayFigure(), "../crdt/log.svg": r.logFigure(),
	})
	part := r.part()
	testParts(t, part.Facts, part.Figures, part.Tables, part.Notes)
	testCrdtCaptions(t, part)
	for name, test := range map[string]func(*testing.T, *crdtResults){
		"sizes": testCrdtSizes, "traffic": testCrdtTraffic, "churn": testCrdtChurn, "away": testCrdtAway, "logs": testCrdtLogs,
	} {
		t.Run(name, func(t *testing.T) { test(t, r) })
	}
}

// testCrdtCaptions holds what facts and captions say, number by number.
func testCrdtCaptions(t *testing.T, part report.Part) {
	t.Helper()
	number := regexp.MustCompile(`[\d,]*\d(\.\d+)?( (KiB|MiB|B)\b|×)?`)
	for i, numbers := range [][]string{
		{"10,000", "100", "1,824 B", "1,000", "2,524 B", "70,704 B", "95,833 B", "126,269 B", "140,003 B", "22 B", "36 B"},
		{"64", "2,000", "230 B", "415 B", "466 B", "226 B", "212 B", "36 B", "2,764 B", "13 B", "32 B", "1,373 B"},
		{"3", "1,146 B", "10", "1,077,906 B", "10,000", "244 B", "10", "262 B", "10,000", "753 B", "10", "798 B", "10,000"},
		{"200", "99", "3,622 B", "3,422 B", "418,678 B", "62,655 B", "500,020 B", "379,837 B", "280,006 B", "3,825 B", "121,677 B", "62,655 B", "5,019 B", "3,825 B"},
		{"200", "1,000", "4,092 B", "1,334 B", "64 KiB", "985", "13,102 B", "1,024", "13,023 B", "4 MiB", "20,000", "409,920 B", "31.5×", "635", "41.2 KiB"},
		{"20", "1,320 B", "20", "69", "986", "80", "0", "120", "13,102 B", "13,102 B", "20"},
	} {
		require.Equal(t, numbers, number.FindAllString(part.Figures[i].See, -1), part.Figures[i].See)
	}
	for i, numbers := range [][]string{
		{"1,077,906 B", "262 B", "3", "6", "10,000"}, {"418,678 B", "3,622 B", "200", "100"}, {"36 B", "10,000", "100"}, {"985", "64 KiB"},
	} {
		require.Equal(t, numbers, number.FindAllString(part.Facts[i].Value+" "+part.Facts[i].Label, -1))
	}
}
