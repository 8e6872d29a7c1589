package report

import (
	"bytes"
	"encoding/json"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/plinth-go/plinth/bench/hist"
	"github.com/plinth-go/plinth/bench/machine"
	"github.com/plinth-go/plinth/bench/plot"
)

const hostile = `<script src="https://evil.example/x.js"></script>"'&`

// sample is a report whose every word is hostile, if bad says so.
func sample(word string) *Report {
	latency := new(hist.Histogram)
	latency.Record(time.Millisecond)
	return &Report{
		Title: "Title " + word, Command: "bench " + word, Profile: "quick " + word,
		Created: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
		Machine: machine.Machine{Go: "go1", OS: "os", Arch: "arch", CPU: "cpu " + word, CPUs: 2, MaxProcs: 1,
			Dir: "/dir/" + word, FileSystem: "ext4", Fsync: 123_456, Commit: "abc+"},
		Warning: "careful " + word,
		Parts: []Part{{
			Name: "Part/1 " + word, Title: "Part " + word,
			Lead:  []string{"lead " + word},
			Facts: []Fact{{"12×", "fact " + word}},
			Figures: []Figure{{
				Title: "figure " + word, See: "see " + word, Why: "why " + word, How: "how " + word,
				Chart: plot.Lines{Title: "chart " + word, Series: []plot.Series{{Name: word, Points: []plot.Point{{X: 1, Y: 2}}}}},
			}},
			Tables: []Table{{
				Title:   "table " + word,
				Columns: []Column{{Name: "näme", Text: true, Note: "note " + word}, {Name: "n"}},
				Rows:    []Row{{Cells: []string{"a", "1"}, First: true}, {Cells: []string{"µ" + word, "1000"}, First: true}},
			}},
			Notes:   []string{"note " + word},
			Results: []Result{{Experiment: "x", Load: "closed loop", Durability: "synced", Workers: 2, Ops: 1, Latency: latency}},
		}},
	}
}

// TestPageLoadsNothing is I1 and I2. Seen to fail with a tick in a chart left
// unescaped, and with a link to a font added to the page.
func TestPageLoadsNothing(t *testing.T) {
	for _, word := range []string{"plain", hostile} {
		var b bytes.Buffer
		require.NoError(t, sample(word).WriteHTML(&b))
		page := b.String()
		require.LessOrEqual(t, len(page), 500<<10)
		require.NotContains(t, page, "ZgotmplZ", "the template engine refused something")
		require.Empty(t, loads.FindAllString(stripNamespace(page), -1))
		require.Equal(t, 2, strings.Count(page, "<svg "), "wide and narrow")
		require.Equal(t, 1, strings.Count(page, "<table>"))
		require.Contains(t, page, "--plot-0:", "the style of the drawings")
		for _, text := range []string{"lead", "fact", "figure", "see", "why", "how", "table", "note", "careful", "quick"} {
			require.Contains(t, page, text+" ", text)
		}
	}
}

// loads matches everything by which a page could fetch or run something.
var loads = regexp.MustCompile(`(?i)<(script|link|img|iframe|object|embed|audio|video|base)\b|\b(src|href|srcset|onload|onerror)\s*=\s*"|@import|url\(|https?://[^&]`)

// stripNamespace removes the one address that is a name and not a place, and
// what stands escaped in text.
func stripNamespace(page string) string {
	page = strings.ReplaceAll(page, ` xmlns="http://www.w3.org/2000/svg"`, "")
	for _, escaped := range []string{
		`&lt;script src=&#34;https://evil.example/x.js&#34;&gt;&lt;/script&gt;&#34;&#39;&amp;`,
	} {
		page = strings.ReplaceAll(page, escaped, "")
	}
	return page
}

func TestLoadsFindsWhatItShould(t *testing.T) {
	for _, bad := range []string{`<script>`, `<link rel="x">`, `<img src="x">`, `href="x"`, `url(x)`, `@import "x"`, `https://x`} {
		require.NotEmpty(t, loads.FindString(bad), bad)
	}
}

func TestText(t *testing.T) {
	var b bytes.Buffer
	require.NoError(t, sample("plain").WriteText(&b))
	const want = `cpu          cpu plain · 2 CPUs, GOMAXPROCS 1
system       os/arch
go           go1
disk         ext4 at /dir/plain
fsync        123 µs (median of 4 KiB written over)
commit       abc+

WARNING: careful plain

Part plain (Part/1 plain)

table plain

  näme       n
  a          1

  µplain  1000

  12× fact plain
`
	require.Equal(t, want, b.String())
}

func TestDescribeUnknown(t *testing.T) {
	facts := Describe(machine.Machine{OS: "plan9", Arch: "386", CPUs: 1, MaxProcs: 1, Dir: "/d"})
	require.Equal(t, Fact{"1 CPU", "CPU"}, facts[0])
	require.Equal(t, Fact{"plan9/386", "System"}, facts[1])
	require.Equal(t, Fact{"/d", "Disk"}, facts[3])
}

// TestJSONKeepsHistograms is I4 and half of I3.
func TestJSONKeepsHistograms(t *testing.T) {
	var b bytes.Buffer
	require.NoError(t, sample(hostile).WriteJSON(&b))
	var back struct {
		Schema  string
		Machine machine.Machine
		Results []Result
	}
	require.NoError(t, json.Unmarshal(b.Bytes(), &back))
	require.Equal(t, Schema, back.Schema)
	require.Equal(t, sample(hostile).Machine, back.Machine)
	require.Len(t, back.Results, 1)
	require.Equal(t, time.Millisecond, back.Results[0].Latency.Max())
	require.Equal(t, "closed loop", back.Results[0].Load)
	require.Equal(t, "synced", back.Results[0].Durability)

	b.Reset()
	require.NoError(t, (&Report{}).WriteJSON(&b))
	require.Contains(t, b.String(), `"results":[]`, "no results are a list too")
}

func TestFragment(t *testing.T) {
	require.Equal(t, "wal-x", fragment("WAL/x"))
	require.Equal(t, "0", fragment("日本"))
}
