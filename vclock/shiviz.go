package vclock

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// ErrEvent: an event that no log can have: its text is empty, or of several lines, or no text. strconv.Quote
// makes one of whatever it is.
var ErrEvent = errors.New("vclock: bad event")

// MaxLine is the longest line of a log, in bytes: ParseLog needs no more memory to refuse one.
const MaxLine = 1 << 20

// logFormat is the first line of a log: the expression with which ShiViz reads the others. Without it, ShiViz
// expects the text before the host.
const logFormat = `(?<host>\S*) (?<clock>{.*})\n(?<event>.*)`

// Event is something that happened in a process, as a log has it. It is a value, and safe for concurrent
// readers; a writer needs exclusive access.
type Event struct {
	Host  ID     // the process
	Clock Vector // all events that had happened before, in its process and others, and this one
	Text  string // one line
	Line  int    // where it is in the log that it comes from, from 1; 0 if from none
}

// Dot returns which event of its process it is.
func (e Event) Dot() Dot { return Dot{e.Host, e.Clock.Get(e.Host)} }

func (e Event) check() error {
	if err := e.checkHead(); err != nil {
		return err
	}
	return e.checkText()
}

func (e Event) checkHead() error {
	if err := checkHost(e.Host); err != nil {
		return err
	}
	if e.Clock.Get(e.Host) == 0 {
		return fmt.Errorf("%w: the clock of %v has no %v", ErrEvent, e.Host, e.Host)
	}
	return nil
}

func (e Event) checkText() error {
	switch {
	case strings.TrimFunc(e.Text, isSpace) == "":
		return fmt.Errorf("%w: %v has no text", ErrEvent, e.Dot())
	case strings.ContainsAny(e.Text, "\r\n\u2028\u2029"):
		return fmt.Errorf("%w: %v has more than one line: %q", ErrEvent, e.Dot(), e.Text)
	case !utf8.ValidString(e.Text):
		return fmt.Errorf("%w: %v is not UTF-8: %q", ErrEvent, e.Dot(), e.Text)
	}
	return nil
}

// checkHost refuses what a log cannot have as a name: it ends at the first space.
func checkHost(id ID) error {
	if err := id.check(); err != nil {
		return err
	}
	if strings.ContainsFunc(string(id), isSpace) {
		return fmt.Errorf("%w: a host in a log cannot have a space: %q", ErrID, string(id))
	}
	return nil
}

// isSpace is what JavaScript takes for a space in an expression.
func isSpace(r rune) bool { return unicode.IsSpace(r) || r == '\ufeff' }

// WriteLog writes events as a log that ShiViz opens: the format, a line for several runs in one log, which is
// empty, and two lines for each event.
//
//	(?<host>\S*) (?<clock>{.*})\n(?<event>.*)
//
//	anna {"anna":2}
//	ask
//
// An event that cannot be written is an error (ErrEvent, ErrID), and then nothing is written. CheckLog says
// whether they fit together.
func WriteLog(w io.Writer, events []Event) error {
	b := []byte(logFormat + "\n\n")
	for i, e := range events {
		var err error
		if b, err = appendEvent(b, e); err != nil {
			return fmt.Errorf("event %d: %w", i, err)
		}
	}
	_, err := w.Write(b)
	return err
}

// appendEvent writes the two lines of an event.
func appendEvent(b []byte, e Event) ([]byte, error) {
	if err := e.check(); err != nil {
		return nil, err
	}
	head := e.head()
	if n := max(len(head), len(e.Text)); n > MaxLine {
		return nil, fmt.Errorf("%w: %v has a line of %d bytes, at most %d", ErrEvent, e.Dot(), n, MaxLine)
	}
	return append(append(append(append(b, head...), '\n'), e.Text...), '\n'), nil
}

// head is the first line of an event.
func (e Event) head() string { return string(e.Host) + " " + e.Clock.String() }

// ParseLog reads a log, as WriteLog and Tracer write it, or many one after the other. The two lines before the events
// may be missing. Empty lines between events are left out, and lines may end as
// Windows has them. An error says in which line it is, and wraps ErrCorrupt, or the error of r; what was read before it
// is returned as well.
//
// It needs memory for what it returns, and MaxLine.
func ParseLog(r io.Reader) ([]Event, error) {
	p := logParser{lines: bufio.NewScanner(r), names: map[ID]*roster{}}
	p.lines.Buffer(nil, MaxLine+2) // and the end of the line
	var events []Event
	for {
		e, more := p.event()
		if !more {
			return events, p.err
		}
		events = append(events, e)
	}
}

// logParser reads a log. It is not safe for concurrent use.
type logParser struct {
	lines *bufio.Scanner
	line  int
	names map[ID]*roster // of the last clock of each host: the next one mostly has the same
	err   error
}

// event returns the next event, or none: at the end, and at an error. What is wrong is an error, and p.err.
func (p *logParser) event() (Event, bool) {
	head, more := p.headLine()
	if !more {
		return Event{}, false
	}
	e := Event{Line: p.line}
	if err := e.readHead(head); err != nil {
		return p.fail("%w", err)
	}
	if !p.next() {
		return p.fail("%v ends without a text", e.Dot())
	}
	e.Text = p.lines.Text()
	if err := e.checkText(); err != nil {
		return p.fail("%w", err)
	}
	if names := p.names[e.Host]; names.same(e.Clock.roster) {
		e.Clock.roster = names
	}
	p.names[e.Host] = e.Clock.roster
	return e, true
}

// readHead reads the first line of an event.
func (e *Event) readHead(head string) error {
	host, clock, is := strings.Cut(head, " ")
	if !is || !strings.HasPrefix(clock, "{") {
		return fmt.Errorf("want a host and its clock in braces: %.60q", head)
	}
	e.Host = ID(host)
	if err := e.Clock.UnmarshalJSON([]byte(clock)); err != nil {
		return err
	}
	if err := e.checkHead(); err != nil {
		return err
	}
	if len(head) > MaxLine/8 { // < is six bytes when it is written, so it may be too long then
		if n := len(e.head()); n > MaxLine {
			return fmt.Errorf("%w: %v would be a line of %d bytes, at most %d", ErrEvent, e.Dot(), n, MaxLine)
		}
	}
	return nil
}

// headLine returns the next line that is not empty, and behind the format if that comes first.
func (p *logParser) headLine() (string, bool) {
	for p.next() {
		switch text := p.lines.Text(); {
		case text == "":
		case text != logFormat:
			return text, true
		case p.next() && p.lines.Text() != "":
			p.fail("a log of several runs, which are divided by %.60q: want an empty line", p.lines.Text())
			return "", false
		}
	}
	return "", false
}

// next goes on to the next line, if there is one.
func (p *logParser) next() bool {
	if p.err != nil {
		return false
	}
	p.line++
	if p.lines.Scan() && len(p.lines.Bytes()) <= MaxLine && p.lines.Err() == nil { // with an error it may be half a line
		return true
	}
	switch err := p.lines.Err(); {
	case errors.Is(err, bufio.ErrTooLong) || err == nil && len(p.lines.Bytes()) > MaxLine:
		p.fail("a line of more than %d bytes", MaxLine)
	case err != nil:
		p.err = fmt.Errorf("vclock: log: line %d: %w", p.line, err)
	}
	return false
}

// fail says what is wrong with the line that has been reached, if nothing was before.
func (p *logParser) fail(format string, args ...any) (Event, bool) {
	if p.err == nil {
		p.err = fmt.Errorf("%w log: line %d: %w", ErrCorrupt, p.line, fmt.Errorf(format, args...))
	}
	return Event{}, false
}

// CheckLog finds out whether there can have been a run with these events, all of it. Their order in the
// log is nothing; the clocks say it all:
//
//   - each process has events 1, 2, 3 … and each number once
//   - what an event knows of is in the log
//   - what happened before an event knows less than that: what it knows is known, and it is not in
//     what it knows
//
// Then the clocks are those of a run: less is before, and nothing is before itself. The error says which event it is
// (and in which line), and wraps ErrCorrupt.
func CheckLog(events []Event) error {
	_, err := trace(events)
	return err
}

// trace returns the events of each host in their order, if they are those of a run.
func trace(events []Event) (map[ID][]Event, error) {
	hosts := map[ID][]Event{}
	for _, e := range events {
		if err := e.check(); err != nil {
			return nil, impossible(e, "%w", err)
		}
		hosts[e.Host] = append(hosts[e.Host], e)
	}
	for _, of := range hosts {
		slices.SortStableFunc(of, func(a, b Event) int { return a.Dot().order(b.Dot()) })
		for i, e := range of {
			switch n := e.Dot().N; {
			case n == uint64(i):
				return nil, impossible(e, "it is there twice, as in line %d", of[i-1].Line)
			case n > uint64(i)+1:
				return nil, impossible(e, "%v is not there", Dot{e.Host, uint64(i) + 1})
			}
		}
	}
	for _, e := range events {
		if err := checkPast(e, hosts); err != nil {
			return nil, err
		}
	}
	return hosts, nil
}

// checkPast looks at what an event knows and the one before it in its process did not, and at that
// one; what that one knows is looked at with it.
func checkPast(e Event, hosts map[ID][]Event) error {
	past := news(e, hosts)
	if n := e.Dot().N; n > 1 {
		past = append(past, Dot{e.Host, n - 1})
	}
	for _, d := range past {
		if d.N > uint64(len(hosts[d.ID])) {
			return impossible(e, "it knows %v, which is not there", d)
		}
		if before := at(hosts, d); before.Clock.Compare(e.Clock) != Before {
			return impossible(e, "%v knows %v, and %v knows %v: want less", d, before.Clock, e.Dot(), e.Clock)
		}
	}
	return nil
}

// news are the last events of other processes that an event knows, if the one before it did not.
func news(e Event, hosts map[ID][]Event) (dots []Dot) {
	var before Vector
	if n := e.Dot().N; n > 1 {
		before = hosts[e.Host][n-2].Clock
	}
	i := 0
	for id, n := range e.Clock.All() {
		if id != e.Host && n > before.getAt(i, id) {
			dots = append(dots, Dot{id, n})
		}
		i++
	}
	return dots
}

// at returns an event that is there.
func at(hosts map[ID][]Event, d Dot) Event { return hosts[d.ID][d.N-1] }

func impossible(e Event, format string, args ...any) error {
	where := ""
	if e.Line > 0 {
		where = fmt.Sprintf("line %d: ", e.Line)
	}
	return fmt.Errorf("%w log: %s%v: %w", ErrCorrupt, where, e.Dot(), fmt.Errorf(format, args...))
}
