package vclock

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode"
)

// Diagram is a space-time diagram, for whoever draws it: a column for each process, and the events in an order in
// which causes come before what they cause. Lines go from each event to the next of its process, and arrows from
// its causes, which come out of the clocks: nobody has to log which message was which.
//
//	o        a:1  start
//	o        a:2  ask
//	|  o     b:1  asked  <- a:2
//	|  |  o  c:1  start
//
// The causes of an event are the last events of others that it knows, those that are not known to one another, nor to the
// event before it in its process: the transitive reduction. So a message that tells nothing new has no
// arrow, as a clock does not know of it: from its clock, its receipt could be any local event.
//
// It is safe for concurrent readers; a writer needs exclusive access.
type Diagram struct {
	Hosts []ID // the columns, in the order in which they begin
	Steps []Step
}

// Step is an event in a Diagram. It is safe for concurrent readers; a writer needs exclusive access.
type Step struct {
	Event
	Column int   // of Hosts
	Row    int   // from 0: below the event before it in its column, and below its causes; as high as can be
	Causes []int // of Steps, all before this one: events of other columns
}

// NewDiagram lays out the events of a log. What is wrong with it is an error, as CheckLog says.
func NewDiagram(events []Event) (Diagram, error) {
	hosts, err := trace(events)
	if err != nil {
		return Diagram{}, err
	}
	// What happened before knows of fewer events, so their number gives an order. Events of
	// which neither did are put in the order of their names.
	size := func(e Event) (n uint64) {
		for _, known := range e.Clock.All() {
			n += known
		}
		return n
	}
	events = slices.Clone(events)
	slices.SortFunc(events, func(a, b Event) int {
		return cmp.Or(cmp.Compare(size(a), size(b)), a.Dot().order(b.Dot()))
	})
	d := Diagram{Steps: make([]Step, 0, len(events))}
	columns := map[ID]int{}
	places := map[Dot]int{}
	for i, e := range events {
		column, is := columns[e.Host]
		if !is {
			column = len(d.Hosts)
			columns[e.Host] = column
			d.Hosts = append(d.Hosts, e.Host)
		}
		s := Step{Event: e, Column: column}
		for _, dot := range causes(e, hosts) {
			s.Causes = append(s.Causes, places[dot])
			s.Row = max(s.Row, d.Steps[places[dot]].Row+1)
		}
		if before, is := places[Dot{e.Host, e.Dot().N - 1}]; is {
			s.Row = max(s.Row, d.Steps[before].Row+1)
		}
		places[e.Dot()] = i
		d.Steps = append(d.Steps, s)
	}
	return d, nil
}

// causes are what is news to an event, without what the others of these know. It is one event of each process, so what
// all of them know of processes other than their own is what others know.
func causes(e Event, hosts map[ID][]Event) []Dot {
	all := news(e, hosts)
	var known Vector
	for _, d := range all {
		past := at(hosts, d).Clock
		past.Forget(d.ID)
		known.Merge(past)
	}
	return slices.DeleteFunc(all, known.Contains)
}

// String draws it with letters: a line for each event, a column for each process, and the causes in a word.
func (d Diagram) String() string {
	var b strings.Builder
	started, left := make([]bool, len(d.Hosts)), make([]int, len(d.Hosts))
	for _, s := range d.Steps {
		left[s.Column]++
	}
	for _, s := range d.Steps {
		started[s.Column] = true
		for c := range d.Hosts {
			mark := " "
			switch {
			case c == s.Column:
				mark = "o"
			case started[c] && left[c] > 0:
				mark = "|"
			}
			b.WriteString(mark + "  ")
		}
		left[s.Column]--
		fmt.Fprintf(&b, "%v  %s", s.Dot(), s.Text)
		for i, cause := range s.Causes {
			b.WriteString([]string{"  <- ", ", "}[min(i, 1)] + d.Steps[cause].Dot().String())
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// WriteDOT writes the diagram of a log in the language of GraphViz: dot -Tsvg draws it. There is a column
// for each process, with its name on top, and an arrow for each message that the clocks show. What is wrong with
// the log is an error, as CheckLog says, and then nothing is written.
func WriteDOT(w io.Writer, events []Event) error {
	d, err := NewDiagram(events)
	if err != nil {
		return err
	}
	out := bufio.NewWriter(w) // keeps its first error, for Flush
	line := func(format string, args ...any) { _, _ = fmt.Fprintf(out, format, args...) }
	line("digraph log {\n\tnode [shape=box, style=rounded]\n")
	last := make([]string, len(d.Hosts))
	line("\t{ rank=same\n")
	for c, id := range d.Hosts {
		last[c] = fmt.Sprintf("h%d", c)
		line("\t\t%s [label=%s, group=%d, shape=plaintext]\n", last[c], quoteDOT(string(id)), c)
	}
	line("\t}\n")
	for i, s := range d.Steps {
		label := fmt.Sprintf("%d: %s", s.Dot().N, s.Text)
		line("\te%d [label=%s, tooltip=%s, group=%d]\n", i, quoteDOT(label), quoteDOT(s.Clock.String()), s.Column)
		line("\t%s -> e%d [weight=100, arrowhead=none, style=dotted]\n", last[s.Column], i)
		last[s.Column] = fmt.Sprintf("e%d", i)
		for _, cause := range s.Causes {
			line("\te%d -> e%d\n", cause, i)
		}
	}
	line("}\n")
	return out.Flush()
}

// quoteDOT writes a label that shows a text as it is. In one, a backslash begins an escape, an ampersand a
// character of HTML; what cannot be seen is shown by its number.
func quoteDOT(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"':
			b.WriteString(`\"`)
		case r == '\\':
			b.WriteString(`\\`)
		case r == '&':
			b.WriteString("&amp;")
		case unicode.IsControl(r):
			fmt.Fprintf(&b, `\\u%04x`, r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}
