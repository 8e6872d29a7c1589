package main

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/plinth-go/plinth/bench/report"
)

// TestPicturesOfCrdt compares the pictures in crdt/README.md with what the types take now, and what is said of them. To
// draw them again:
//
//	go test -run=TestPicturesOfCrdt ./bench -redraw
//
// Planted and caught: one replica that makes all changes; the largest delta as the median; bytes of one side of a
// session, and messages without their numbers; no acknowledgements; tombstones that are sent again, and
// kept with what they are of; elements that come back where new ones should; an RWSet that forgets nothing; one who comes back as
// a member, and is noticed; a log of twice the bound; nobody who is forgotten; servers that meet once less;
// updates into which the state fits for who should send deltas alone; a caption with the numbers of another run, and a
// table with those of another column.
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
	testCrdtTables(t, part.Tables)
	testCrdtReadme(t, r)
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
		{"10,000", "100", "1,821 B", "1,000", "2,521 B", "70,704 B", "95,830 B", "126,266 B", "140,003 B", "19 B", "33 B"},
		{"64", "2,000", "221 B", "397 B", "457 B", "217 B", "203 B", "33 B", "2,302 B", "10 B", "29 B", "1,102 B"},
		{"3", "1,128 B", "10", "1,077,888 B", "10,000", "223 B", "10", "241 B", "10,000", "651 B", "10", "696 B", "10,000"},
		{"200", "99", "3,619 B", "3,419 B", "418,678 B", "62,655 B", "500,017 B", "379,834 B", "280,006 B", "3,822 B", "121,677 B", "62,655 B", "5,016 B", "3,822 B"},
		{"200", "1,000", "3,881 B", "1,330 B", "740", "14,253 B", "760", "13,091 B", "392,973 B", "20,000", "30×", "8 KiB", "1,024", "13,021 B"},
		{"20", "1,300 B", "20", "70", "1,001", "80", "0", "120", "13,091 B", "13,091 B", "20"},
	} {
		require.Equal(t, numbers, number.FindAllString(part.Figures[i].See, -1), part.Figures[i].See)
	}
	for i, numbers := range [][]string{
		{"1,077,888 B", "241 B", "3", "6", "10,000"}, {"418,678 B", "3,619 B", "200", "100"}, {"33 B", "10,000", "100"}, {"392,973 B", "13,091 B", "20,000", "1,000"},
	} {
		require.Equal(t, numbers, number.FindAllString(part.Facts[i].Value+" "+part.Facts[i].Label, -1))
	}
}

// testCrdtTables looks at a row of each table, from head to end.
func testCrdtTables(t *testing.T, tables []report.Table) {
	t.Helper()
	for i, want := range [][2][]string{
		{{"type", "10", "100", "1,000", "10,000", "delta", "largest delta"}, {"MVRegister", "34", "34", "38", "38", "32", "38"}},
		{
			{"type", "state, 1", "state, 3", "state, 16", "state, 64", "delta, 1", "delta, 3", "delta, 16", "delta, 64"},
			{"BoundedCounter", "23", "86", "898", "2,302", "21, 23", "69, 78", "556, 853", "1,102, 2,113"},
		},
		{{"what is sent", "elements", "state", "bytes", "of a change"}, {bySync, "1,000", "17,656", "696", "116"}},
		{{"set", "what comes", "1", "3", "10", "30", "100", "delta", "largest delta"}, {nameTombstones, "the same again", "3,434", "5,399", "13,709", "37,685", "121,677", "30", "31"}},
		{
			{"missed", catchDeltas, catchReplica, catchBuffer, catchFull, "bytes of log"},
			{"1,100", "21,423", "13,091 (full)", "13,019 (full)", "13,015", "71,788"},
		},
		{
			{"run", "meeting 20", "meeting 40", "meeting 60", "meeting 79", "meeting 80", "meeting 119", "meeting 121", "comes back"},
			{logForgot, "20, phone", "420, phone", "820, phone", "1,000, phone", "0, nobody", "0, nobody", "20, phone", "13,091"},
		},
	} {
		var head []string
		for _, c := range tables[i].Columns {
			head = append(head, c.Name)
		}
		require.Equal(t, want[0], head)
		found := false
		for _, row := range tables[i].Rows {
			found = found || slices.Equal(want[1], row.Cells)
		}
		require.True(t, found, "%s: %v", tables[i].Title, want[1])
	}
}

// testCrdtReadme: the numbers of crdt/README.md are those of the experiment, and what README.md says of one who is away.
func testCrdtReadme(t *testing.T, r *crdtResults) {
	t.Helper()
	text, err := os.ReadFile("../crdt/README.md")
	require.NoError(t, err)
	_, costs, _ := strings.Cut(string(text), "## What it costs")
	costs, _, _ = strings.Cut(costs, "## What holds")
	costs = strings.Join(strings.Fields(costs), " ")
	for _, s := range r.sizes {
		row := []string{s.name, grouped(r.state(s.name, 100)), grouped(r.state(s.name, 10_000)), grouped(r.shared(s.name, 64).state), fmt.Sprint(s.deltas.median), fmt.Sprint(s.deltas.most)}
		require.Contains(t, costs, "| "+strings.Join(row, " | ")+" |")
	}
	round := func(way string, n int) string { return grouped(r.traffic(way, n).round()) }
	churned := func(name string, again bool) string { return grouped(last(r.churn(name, again).bytes)) }
	caught := func(all []catchUp, missed int) string { return grouped(missing(all, missed).bytes) }
	most := last(awayMissed())
	for _, sentence := range []string{
		fmt.Sprintf("the median is %s bytes for 64 replicas", grouped(r.shared(nameBounded, 64).deltas.median)),
		fmt.Sprintf("a set of 10,000 elements costs %s bytes; with sessions of [Sync](sync.go) %s, with a [Buffer](buffer.go) %s. With 10 elements it is %s, %s and %s.",
			round(byStates, 10_000), round(bySync, 10_000), round(byBuffer, 10_000), round(byStates, 10), round(bySync, 10), round(byBuffer, 10)),
		fmt.Sprintf("with tags and tombstones, has %s bytes, and %s if it keeps nothing", churned(nameTombstones, false), churned(nameBareTombs, false)),
		fmt.Sprintf("an ORSet %s. An LWWSet has %s, an RWSet %s, or %s once", churned(nameORSet, false), churned(nameLWWSet, false), churned(nameRWSet, false), churned(nameForgot, false)),
		fmt.Sprintf("the set with tombstones has %s, and an LWWSet %s:", churned(nameTombstones, true), churned(nameLWWSet, true)),
		fmt.Sprintf("its log has %d deltas while all take part", r.log(logKept).deltas[logLeaves]),
		fmt.Sprintf("that is 64 KiB, or %s deltas", grouped(r.log(logKept).deltas[logReturns-1])),
		fmt.Sprintf("It costs %s bytes to catch up with 200 changes of a set of 1,000 elements, and %s with a Buffer, which joins them. The full state has %s; deltas of 20,000 changes would be %s bytes.",
			caught(r.away.replica, 200), caught(r.away.buffer, 200), caught(r.away.full, most), caught(r.away.deltas, most)),
		fmt.Sprintf("Here it sends the state from %d changes on, which take %d KiB of log: %s bytes in a session.", r.turn().missed, r.turn().log>>10, caught(r.away.replica, most)),
		fmt.Sprintf("The line of deltas alone is such a Replica, with updates of %d KiB.", awayParts>>10),
	} {
		require.Contains(t, costs, sentence)
	}
	text, err = os.ReadFile("README.md")
	require.NoError(t, err)
	require.Contains(t, strings.Join(strings.Fields(string(text)), " "),
		fmt.Sprintf("it gets the state, %s bytes in all, where deltas would be %s; a log of 64 KiB keeps %s changes for it", caught(r.away.replica, most), caught(r.away.deltas, most), grouped(r.log(logKept).deltas[logReturns-1])))
}
