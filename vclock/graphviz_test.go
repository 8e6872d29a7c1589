package vclock

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/plinth-go/plinth/internal/seed"
)

// invariant: a place for each event, below all that it must be below of and not lower.
func (d Diagram) invariant(t testing.TB) {
	t.Helper()
	var first []ID
	for i, s := range d.Steps {
		if !slices.Contains(first, s.Host) {
			first = append(first, s.Host)
		}
		require.Equal(t, d.Hosts[s.Column], s.Host)
		above := slices.Clone(s.Causes)
		for j := range i {
			if d.Steps[j].Host == s.Host && d.Steps[j].Dot().N+1 == s.Dot().N {
				above = append(above, j)
			}
		}
		row := 0
		for _, j := range above {
			require.Less(t, j, i)
			require.Equal(t, Before, d.Steps[j].Clock.Compare(s.Clock))
			row = max(row, d.Steps[j].Row+1)
		}
		require.Equal(t, row, s.Row)
	}
	require.Equal(t, d.Hosts, first)
}

// TestDiagramCauses: the arrows are those of the transitive reduction, which the naive form finds by looking whether anything is
// between two events. Planted and caught: causes that know each other, causes that the event before knew, an order by names
// alone, an order that depends on the log, a log that is sorted.
func TestDiagramCauses(t *testing.T) {
	r := seed.New(t)
	for range 20 {
		h := randomTrace(t, r.IntN, 4, 30)
		order := slices.Clone(h.events)
		d, err := NewDiagram(h.events)
		require.NoError(t, err)
		require.Equal(t, order, h.events, "a log is not sorted")
		d.invariant(t)
		require.Len(t, d.Steps, len(h.events))
		for _, s := range d.Steps {
			var want, causes []Dot
			for past := range h.before[s.Dot()] {
				direct := true
				for between := range h.before[s.Dot()] {
					direct = direct && !h.before[between][past]
				}
				if direct && past.ID != s.Host {
					want = append(want, past)
				}
			}
			for _, i := range s.Causes {
				causes = append(causes, d.Steps[i].Dot())
			}
			require.ElementsMatch(t, want, causes, "%v in\n%v", s.Dot(), d)
		}
		r.Shuffle(len(h.events), func(i, j int) { h.events[i], h.events[j] = h.events[j], h.events[i] })
		again, err := NewDiagram(h.events)
		require.NoError(t, err)
		require.Equal(t, d.String(), again.String(), "the order of a log is nothing")
	}
}

// TestDiagramKnownRun has the clocks of ShiViz's example of a client that calls a server twice (its
// graph_viz/RpcClientServer.log, as GoVector wrote it); the texts are others.
func TestDiagramKnownRun(t *testing.T) {
	events, err := ParseLog(strings.NewReader(`(?<host>\S*) (?<clock>{.*})\n(?<event>.*)


client {"client":1}
begins
client {"client":2}
calls
client {"client":3, "server":3}
has a reply
client {"client":4, "server":3}
calls again
client {"client":5, "server":5}
has another
server {"server":1}
begins
server {"client":2, "server":2}
is called
server {"server":3, "client":2}
replies
server {"server":4, "client":4}
is called
server {"server":5, "client":4}
replies
`))
	require.NoError(t, err)
	require.NoError(t, CheckLog(events))
	d, err := NewDiagram(events)
	require.NoError(t, err)
	require.Equal(t, strings.TrimPrefix(`
o     client:1  begins
|  o  server:1  begins
o  |  client:2  calls
|  o  server:2  is called  <- client:2
|  o  server:3  replies
o  |  client:3  has a reply  <- server:3
o  |  client:4  calls again
|  o  server:4  is called  <- client:4
|  o  server:5  replies
o     client:5  has another  <- server:5
`, "\n"), d.String())
}

// TestWriteDOT is one that is drawn as it should be, and texts that would not be, written as they are.
func TestWriteDOT(t *testing.T) {
	log := `a {"a":1}
say "hi" \n & <b>` + "\x01" + `
b {"a":1, "b":1}
ok
a {"a":2, "b":1}
done
`
	events, err := ParseLog(strings.NewReader(log))
	require.NoError(t, err)
	var dot strings.Builder
	require.NoError(t, WriteDOT(&dot, events))
	require.Equal(t, `digraph log {
	node [shape=box, style=rounded]
	{ rank=same
		h0 [label="a", group=0, shape=plaintext]
		h1 [label="b", group=1, shape=plaintext]
	}
	e0 [label="1: say \"hi\" \\n &amp; <b>\\u0001", tooltip="{\"a\":1}", group=0]
	h0 -> e0 [weight=100, arrowhead=none, style=dotted]
	e1 [label="1: ok", tooltip="{\"a\":1, \"b\":1}", group=1]
	h1 -> e1 [weight=100, arrowhead=none, style=dotted]
	e0 -> e1
	e2 [label="2: done", tooltip="{\"a\":2, \"b\":1}", group=0]
	e0 -> e2 [weight=100, arrowhead=none, style=dotted]
	e1 -> e2
}
`, dot.String())

	require.ErrorIs(t, WriteDOT(&dot, events[1:]), ErrCorrupt)
	require.Error(t, WriteDOT(full{}, events))
}

// FuzzQuoteDOT: a label is one string, and is unquoted to what it was.
func FuzzQuoteDOT(f *testing.F) {
	for _, s := range []string{"", `"`, `\`, `\"`, "&amp;", "a\nb\x00", "é\u2028", `ends in \`} {
		f.Add(s)
	}
	quoted := regexp.MustCompile(`^"([^"\\]|\\["\\])*"$`)
	f.Fuzz(func(t *testing.T, s string) {
		s = strings.ToValidUTF8(s, "?")
		q := quoteDOT(s)
		require.Regexp(t, quoted, q)
		require.NotContains(t, q, "\n")
		if !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r >= 0x7f && r < 0xa0 }) {
			require.Equal(t, s, strings.NewReplacer(`\\`, `\`, `\"`, `"`, "&amp;", "&").Replace(q[1:len(q)-1]))
		}
	})
}

// naiveCauses looks at each pair of what is news.
func naiveCauses(e Event, hosts map[ID][]Event) []Dot {
	all := news(e, hosts)
	return slices.DeleteFunc(slices.Clone(all), func(d Dot) bool {
		return slices.ContainsFunc(all, func(by Dot) bool {
			return by != d && at(hosts, by).Clock.Contains(d)
		})
	})
}

// TestCauses: in one pass they are what they are by pairs. Planted and caught: what an event knows of its own process.
func TestCauses(t *testing.T) {
	r := seed.New(t)
	for range 20 {
		hosts, err := trace(randomTrace(t, r.IntN, 6, 60).events)
		require.NoError(t, err)
		for _, of := range hosts {
			for _, e := range of {
				require.Equal(t, naiveCauses(e, hosts), causes(e, hosts))
			}
		}
	}
}

// BenchmarkCauses is of an event that knows one of each of n other processes.
func BenchmarkCauses(b *testing.B) {
	for _, n := range []int{3, 16, 256} {
		hosts, e := map[ID][]Event{}, Event{Host: "me"}
		_, _ = e.Clock.Tick("me")
		for i := range n {
			var v Vector
			_, _ = v.Tick(nameOf(i))
			hosts[nameOf(i)] = []Event{{Host: nameOf(i), Clock: v}}
			e.Clock.Merge(v)
		}
		for impl, f := range map[string]func(Event, map[ID][]Event) []Dot{"plinth": causes, "naive": naiveCauses} {
			b.Run(fmt.Sprintf("impl=%s/n=%d", impl, n), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if len(f(e, hosts)) != n {
						b.Fatal("not all")
					}
				}
			})
		}
	}
}
