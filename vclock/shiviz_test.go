package vclock

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"

	"github.com/plinth-go/plinth/internal/seed"
)

// traced is a run of processes with tracers, and what happened before what in it, from the run itself.
type traced struct {
	events []Event
	before map[Dot]map[Dot]bool // all that happened before an event
}

// randomTrace lets processes do things, send, and receive. Messages are lost, reordered, and come twice.
func randomTrace(t testing.TB, intN func(int) int, processes, events int) traced {
	logs := make([]bytes.Buffer, processes)
	tracers := make([]*Tracer, processes)
	last := make([]Dot, processes)
	for i := range tracers {
		tr, err := NewTracer(&logs[i], nameOf(i))
		require.NoError(t, err)
		tracers[i], last[i] = tr, Dot{nameOf(i), 0}
	}
	type message struct {
		dot   Dot
		clock Vector
	}
	var messages []message
	h := traced{before: map[Dot]map[Dot]bool{}}
	for range events {
		p := intN(processes)
		e := Dot{last[p].ID, last[p].N + 1}
		past := map[Dot]bool{}
		follow := func(d Dot) {
			if d.N > 0 {
				past[d] = true
				for d := range h.before[d] {
					past[d] = true
				}
			}
		}
		follow(last[p])
		switch kind := intN(3); {
		case kind == 0:
			require.NoError(t, tracers[p].Local("works"))
		case kind == 1 || len(messages) == 0:
			clock, err := tracers[p].Send("sends")
			require.NoError(t, err)
			messages = append(messages, message{e, clock})
		default:
			m := messages[intN(len(messages))]
			require.NoError(t, tracers[p].Receive("receives "+m.dot.String(), m.clock))
			follow(m.dot)
		}
		last[p], h.before[e] = e, past
	}
	var all bytes.Buffer
	for i := range logs {
		all.Write(logs[i].Bytes())
	}
	var err error
	h.events, err = ParseLog(&all)
	require.NoError(t, err)
	require.Len(t, h.events, events)
	return h
}

// TestRunsAreTheirClocks: in random runs, what happened before what is what the clocks say, for every pair of
// events; their log is one that there can be, and comes back from a file.
func TestRunsAreTheirClocks(t *testing.T) {
	r := seed.New(t)
	for range 10 {
		h := randomTrace(t, r.IntN, 4, 40)
		require.NoError(t, CheckLog(h.events))
		for _, a := range h.events {
			for _, b := range h.events {
				want := Concurrent
				switch {
				case a.Dot() == b.Dot():
					want = Equal
				case h.before[b.Dot()][a.Dot()]:
					want = Before
				case h.before[a.Dot()][b.Dot()]:
					want = After
				}
				require.Equal(t, want, a.Clock.Compare(b.Clock), "%v and %v", a, b)
			}
		}
		r.Shuffle(len(h.events), func(i, j int) { h.events[i], h.events[j] = h.events[j], h.events[i] })
		require.NoError(t, CheckLog(h.events), "in any order")
		require.Equal(t, text(t, h.events), text(t, writtenAndRead(t, h.events)))
	}
}

func text(t testing.TB, events []Event) string {
	t.Helper()
	var b strings.Builder
	require.NoError(t, WriteLog(&b, events))
	return b.String()
}

func writtenAndRead(t testing.TB, events []Event) []Event {
	t.Helper()
	again, err := ParseLog(strings.NewReader(text(t, events)))
	require.NoError(t, err)
	require.Len(t, again, len(events))
	for i, e := range events {
		again[i].Clock.invariant(t)
		require.Equal(t, e.Host, again[i].Host)
		require.Equal(t, e.Text, again[i].Text)
		require.Equal(t, Equal, e.Clock.Compare(again[i].Clock))
		require.Equal(t, 2*i+3, again[i].Line)
	}
	return again
}

// TestCheckLogFinds changes one thing in the log of a random run: an event is lost, is there twice, knows less than one
// before it, or knows something that never happened. Planted and caught: no check that what is known is there, of gaps, of
// twice, of what is known by what is known, of the event before.
func TestCheckLogFinds(t *testing.T) {
	r := seed.New(t)
	for range 300 {
		h := randomTrace(t, r.IntN, 3, 25)
		known := map[Dot]int{}
		for _, past := range h.before {
			for d := range past {
				known[d]++
			}
		}
		i := r.IntN(len(h.events))
		e := &h.events[i]
		switch r.IntN(4) {
		case 0:
			if known[e.Dot()] == 0 {
				continue // the last of its process, of which nobody knows: that is no gap
			}
			h.events = slices.Delete(h.events, i, i+1)
		case 1:
			h.events = append(h.events, *e)
		case 2:
			e.Clock.Merge(vec(t, map[ID]uint64{nameOf(r.IntN(4)): 26}))
		case 3:
			var other []ID
			for id := range e.Clock.All() {
				if id != e.Host {
					other = append(other, id)
				}
			}
			if len(other) == 0 || known[Dot{e.Host, e.Dot().N}] == 0 && e.Dot().N == 1 {
				continue
			}
			e.Clock.Forget(other[r.IntN(len(other))])
			if !h.knowsLess(*e) {
				continue // could have been so: another message brought less
			}
		}
		require.ErrorIs(t, CheckLog(h.events), ErrCorrupt, "%v", h.events)
	}
}

// knowsLess reports whether something that an event knows of knows more than the event.
func (h traced) knowsLess(e Event) bool {
	return slices.ContainsFunc(h.events, func(past Event) bool {
		return e.Clock.Contains(past.Dot()) && past.Dot() != e.Dot() && !e.Clock.Descends(past.Clock)
	})
}

// TestCheckLogSays what is wrong, and where. Planted and caught: two events that know each other.
func TestCheckLogSays(t *testing.T) {
	for log, said := range map[string]string{
		"":                                       "",
		"a {\"a\":1}\nx":                         "",
		"a {\"a\":2}\nx\na {\"a\":1}\nx":         "",
		"a {\"a\":2}\nx":                         "line 1: a:2: a:1 is not there",
		"a {\"a\":1}\nx\na {\"a\":3}\nx":         "line 3: a:3: a:2 is not there",
		"a {\"a\":1}\nx\na {\"a\":1}\ny":         "line 3: a:1: it is there twice, as in line 1",
		"a {\"a\":1, \"b\":1}\nx":                "line 1: a:1: it knows b:1, which is not there",
		"a {\"a\":1,\"b\":2}\nx\nb {\"b\":1}\nx": "line 1: a:1: it knows b:2, which is not there",
		"a {\"a\":1,\"b\":1}\nx\nb {\"b\":1,\"a\":1}\nx":                 `line 1: a:1: b:1 knows {"a":1, "b":1}, and a:1 knows {"a":1, "b":1}: want less`,
		"a {\"a\":1,\"b\":1}\nx\na {\"a\":2}\nx\nb {\"b\":1}\nx":         `line 3: a:2: a:1 knows {"a":1, "b":1}, and a:2 knows {"a":2}: want less`,
		"a {\"a\":1}\nx\nb {\"a\":1,\"b\":1}\nx\nc {\"b\":1,\"c\":1}\nx": `line 5: c:1: b:1 knows {"a":1, "b":1}, and c:1 knows {"b":1, "c":1}: want less`,
	} {
		events, err := ParseLog(strings.NewReader(log))
		require.NoError(t, err, log)
		if err := CheckLog(events); said == "" {
			require.NoError(t, err, log)
		} else {
			require.ErrorIs(t, err, ErrCorrupt)
			require.EqualError(t, err, "vclock: corrupt log: "+said)
		}
	}
	require.EqualError(t, CheckLog([]Event{{Host: "a"}}), "vclock: corrupt log: a:0: vclock: bad event: the clock of a has no a")
}

// TestParseLogForms: with the two lines before it and without, with lines of Windows, empty ones, many logs in one.
func TestParseLogForms(t *testing.T) {
	const one = "h/1:80 {\"h/1:80\":1, \"z\":0}\r\n it said: {} \r\n"
	for _, log := range []string{
		one, "\n\n" + one, logFormat + "\n\n" + one, logFormat + "\n\n\n" + one, strings.TrimSuffix(one, "\r\n"),
	} {
		events, err := ParseLog(strings.NewReader(log))
		require.NoError(t, err, log)
		require.Len(t, events, 1)
		require.Equal(t, "h/1:80", string(events[0].Host))
		require.Equal(t, ` it said: {} `, events[0].Text)
		require.Equal(t, `{"h/1:80":1}`, events[0].Clock.String())
		require.Equal(t, strings.Count(log[:strings.Index(log, "h/1")], "\n")+1, events[0].Line)
		writtenAndRead(t, events)
	}
	full := text(t, []Event{{Host: "a", Clock: vec(t, map[ID]uint64{"a": 1}), Text: logFormat}})
	events, err := ParseLog(strings.NewReader(full + full))
	require.NoError(t, err)
	require.Len(t, events, 2)
	require.Equal(t, logFormat, events[1].Text)
	require.Same(t, events[0].Clock.roster, events[1].Clock.roster)
	events, err = ParseLog(strings.NewReader(logFormat + "\n"))
	require.NoError(t, err)
	require.Empty(t, events)
}

// TestParseLogErrors say in which line. Planted and caught: a number of the line before, a text that may be empty, half a line before an error,
// a log of several runs.
func TestParseLogErrors(t *testing.T) {
	const one = "a {\"a\":1}\nx\n"
	for log, said := range map[string]string{
		one + "b\nx":                                                  `line 3: want a host and its clock in braces: "b"`,
		one + "b [1]\nx":                                              `line 3: want a host and its clock in braces: "b [1]"`,
		one + " {\"b\":1}\nx":                                         "line 3: vclock: bad ID: it is empty",
		one + "b {\"b\":1}":                                           "line 4: b:1 ends without a text",
		one + "b {\"b\":1}\n\nb {\"b\":2}\nx":                         "line 4: vclock: bad event: b:1 has no text",
		one + "b {\"b\":1}\n \t\n":                                    "line 4: vclock: bad event: b:1 has no text",
		one + "b {\"a\":1}\nx":                                        "line 3: vclock: bad event: the clock of b has no b",
		one + "b {\"b\":1,\"b\":2}\nx":                                `line 3: vclock: corrupt Vector: byte 10: "b" twice`,
		one + "b {\"b\":-1}\nx":                                       "line 3: vclock: corrupt Vector",
		one + "b {\"b\":1}, \nx":                                      "line 3: vclock: corrupt Vector: byte 7: more after the end",
		one + "b\u00a0c {\"b\u00a0c\":1}\nx":                          "line 3: vclock: bad ID: a host in a log cannot have a space",
		one + "b {\"b\":1}\n\xff":                                     "line 4: vclock: bad event: b:1 is not UTF-8",
		one + "b {\"b\":1}\nx\u2028y":                                 "line 4: vclock: bad event: b:1 has more than one line",
		one + logFormat + "\n=== (?<trace>.*)":                        "line 4: a log of several runs",
		one + strings.Repeat("x", MaxLine+1):                          "line 3: a line of more than 1048576 bytes",
		one + strings.Repeat("x", MaxLine+1000):                       "line 3: a line of more than 1048576 bytes",
		one + "b {\"b\":1}\n" + strings.Repeat("x", MaxLine+1) + "\n": "line 4: a line of more than 1048576 bytes",
		strings.Repeat(" ", MaxLine):                                  "line 1: want a host",
	} {
		events, err := ParseLog(strings.NewReader(log))
		require.ErrorIs(t, err, ErrCorrupt, "%.80q", log)
		require.ErrorContains(t, err, "vclock: corrupt log: "+said, "%.80q", log)
		require.Len(t, events, strings.Count(log, "a {\"a\":1}\nx\n"), "what came before")
	}
	broken := errors.New("broken")
	for _, half := range []string{"", "b {", "b {\"b\":1}\nhal"} {
		events, err := ParseLog(io.MultiReader(strings.NewReader(one+half), iotest.ErrReader(broken)))
		require.ErrorIs(t, err, broken)
		require.EqualError(t, err, fmt.Sprintf("vclock: log: line %d: broken", 3+strings.Count(half, "\n")))
		require.Len(t, events, 1)
	}
	events, err := ParseLog(strings.NewReader("b {\"b\":1}\n" + strings.Repeat("x", MaxLine)))
	require.NoError(t, err)
	writtenAndRead(t, events)

	counts := []string{`"b":1`}
	for i := range 1200 {
		counts = append(counts, fmt.Sprintf(`"%s%d":1`, strings.Repeat("<", 200), i))
	}
	_, err = ParseLog(strings.NewReader("b {" + strings.Join(counts, ",") + "}\nx"))
	require.ErrorIs(t, err, ErrEvent, "a clock that is too long when it is written again")
}

// endless is a line without an end.
type endless struct{ read int }

func (e *endless) Read(b []byte) (int, error) {
	e.read += len(b)
	for i := range b {
		b[i] = 'x'
	}
	return len(b), nil
}

// TestParseLogStops at a line that is too long, when it has read so much of it. Planted and caught: a buffer of any size.
func TestParseLogStops(t *testing.T) {
	var line endless
	_, err := ParseLog(io.LimitReader(&line, 64*MaxLine))
	require.ErrorContains(t, err, "line 1: a line of more than 1048576 bytes")
	require.Less(t, line.read, 2*MaxLine)
}

func TestWriteLogRefuses(t *testing.T) {
	good := Event{Host: "a", Clock: vec(t, map[ID]uint64{"a": 1}), Text: "x"}
	for said, change := range map[string]func(*Event){
		"bad ID: it is empty":   func(e *Event) { e.Host = "" },
		"cannot have a space":   func(e *Event) { e.Host = "a b" },
		`a space: "a\ufeff"`:    func(e *Event) { e.Host = "a\ufeff" }, // which is one to JavaScript, and not to Go
		"the clock of b has no": func(e *Event) { e.Host = "b" },
		"a:1 has no text":       func(e *Event) { e.Text = " " },
		"more than one line":    func(e *Event) { e.Text = "a\nb" },
		`line: "a\u2028"`:       func(e *Event) { e.Text = "a\u2028" },
		`line: "a\u2029"`:       func(e *Event) { e.Text = "a\u2029" },
		"not UTF-8":             func(e *Event) { e.Text = "\xff" },
		"at most 1048576":       func(e *Event) { e.Text = strings.Repeat("x", MaxLine+1) },
	} {
		bad := good
		change(&bad)
		var out bytes.Buffer
		err := WriteLog(&out, []Event{good, bad})
		require.ErrorContains(t, err, "event 1: vclock: bad")
		require.ErrorContains(t, err, said)
		require.Zero(t, out.Len())
	}
	require.ErrorIs(t, WriteLog(full{}, nil), io.ErrShortWrite)
}

// full is a disk that is full.
type full struct{}

func (full) Write([]byte) (int, error) { return 0, io.ErrShortWrite }

// FuzzParseLog: what is accepted is written, and read back the same; and if it can have been, it can be drawn.
func FuzzParseLog(f *testing.F) {
	f.Add([]byte(logFormat + "\n\na {\"a\":1}\nx\nb {\"a\":1,\"b\":1}\ny \"\\\n"))
	f.Add([]byte("a {\"a\":1,\"b\":1}\r\nx\r\n\nb {\"b\":1}\ny"))
	f.Add([]byte("a {\"a\":2}\n{}"))
	f.Add([]byte("\n \n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		events, err := ParseLog(bytes.NewReader(b))
		for _, e := range events {
			require.NoError(t, e.check())
		}
		if err != nil {
			return
		}
		again := writtenAndRead(t, events)
		d, err := NewDiagram(again)
		require.Equal(t, CheckLog(events) == nil, err == nil)
		if err == nil {
			d.invariant(t)
			require.NoError(t, WriteDOT(io.Discard, again))
		}
	})
}

// BenchmarkParseLog reads the log of a run of 16 processes.
func BenchmarkParseLog(b *testing.B) {
	h := randomTrace(b, seed.New(b).IntN, 16, 1000)
	log := text(b, h.events)
	b.Run("impl=plinth/case=parse", func(b *testing.B) {
		b.ReportAllocs()
		b.SetBytes(int64(len(log)))
		for b.Loop() {
			_, _ = ParseLog(strings.NewReader(log))
		}
	})
	b.Run("impl=plinth/case=check", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_ = CheckLog(h.events)
		}
	})
	b.Run("impl=plinth/case=diagram", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_, _ = NewDiagram(h.events)
		}
	})
}
