package vclock

import (
	"cmp"
	"encoding/json"
	"fmt"
	"iter"
	"strconv"
	"strings"
)

// Span is the events of a replica from one number to another, both included. It is a value, and safe for
// concurrent use.
type Span struct {
	ID       ID
	From, To uint64
}

// String writes it as a:3-5, or a:3 if it is one dot.
func (s Span) String() string {
	return string(s.appendNumbers([]byte(s.ID.String() + ":")))
}

func (s Span) appendNumbers(b []byte) []byte {
	b = strconv.AppendUint(b, s.From, 10)
	if s.From != s.To {
		b = strconv.AppendUint(append(b, '-'), s.To, 10)
	}
	return b
}

func (s Span) check() error {
	if err := s.ID.check(); err != nil {
		return err
	}
	if s.From == 0 || s.From > s.To {
		return fmt.Errorf("%w: %v: want numbers from 1 on, the smaller first", ErrCorrupt, s)
	}
	return checkCount(s.ID, s.To)
}

// order sorts spans by replica and by where they begin.
func (s Span) order(t Span) int {
	if s.ID == t.ID {
		return cmp.Compare(s.From, t.From)
	}
	return cmp.Compare(s.ID, t.ID)
}

// extend adds a span that begins no earlier than the last, to that if they touch.
func extend(spans []Span, s Span) []Span {
	if i := len(spans) - 1; i >= 0 && spans[i].ID == s.ID && s.From <= spans[i].To+1 {
		spans[i].To = max(spans[i].To, s.To)
		return spans
	}
	return append(spans, s)
}

// All ranges over what is known: of each replica the base, then what is beyond. The context must not
// change meanwhile; that holds for Minus and Missing too.
func (c Context) All() iter.Seq[Span] {
	return func(yield func(Span) bool) {
		for w := (walk{c: c}); w.next() && yield(w.span); {
		}
	}
}

// Minus ranges over what c knows and d does not. If d is a peer's, that is what to send it.
func (c Context) Minus(d Context) iter.Seq[Span] {
	return func(yield func(Span) bool) {
		w := walk{c: d}
		there := w.next()
		for v := (walk{c: c}); v.next(); {
			for s := v.span; s.From <= s.To; {
				t := w.span
				switch {
				case there && (t.ID < s.ID || t.ID == s.ID && t.To < s.From):
					there = w.next()
				case !there || t.ID > s.ID || t.From > s.To:
					if !yield(s) {
						return
					}
					s.From = s.To + 1
				case t.From > s.From:
					if !yield(Span{s.ID, s.From, t.From - 1}) {
						return
					}
					s.From = t.To + 1
				default:
					s.From = t.To + 1
				}
			}
		}
	}
}

// Missing ranges over what c knows and a vector does not: Minus for a peer without gaps. It only walks over the numbers of
// v, which need not be plain for that, nor copied.
func (c Context) Missing(v Vector) iter.Seq[Span] { return c.Minus(Context{base: v.tally()}) }

// walk goes over the spans of a context in order. It is not safe for concurrent use.
type walk struct {
	c    Context
	i, j int  // how many have been there, of the base and of what is beyond
	span Span // where it is
}

func (w *walk) next() bool {
	names, beyond := w.c.base.roster.names(), w.c.beyond
	switch {
	case w.i < len(names) && (w.j == len(beyond) || names[w.i] <= beyond[w.j].ID):
		w.span = Span{names[w.i], 1, w.c.base.counts.at(w.i, len(names))}
		w.i++
	case w.j < len(beyond):
		w.span = beyond[w.j]
		w.j++
	default:
		return false
	}
	return true
}

// parseSpans reads a JSON object with a list of spans for each name.
func parseSpans(b []byte) (spans []Span, err error) {
	err = eachMember(b, func(d *json.Decoder, name string) error {
		t, err := d.Token()
		list, is := t.(string)
		if err != nil || !is {
			return notJSON(d, fmt.Sprintf("want spans in a string for %q", name), err)
		}
		for text := range strings.SplitSeq(list, ",") {
			s, err := parseNumbers(ID(name), text)
			if err != nil {
				return fmt.Errorf("byte %d: %q: %w", d.InputOffset(), name, err)
			}
			spans = append(spans, s)
		}
		return nil
	})
	return spans, err
}

// parseNumbers reads 5 or 5-6.
func parseNumbers(id ID, text string) (s Span, err error) {
	from, to, isRange := strings.Cut(text, "-")
	if !isRange {
		to = from
	}
	s.ID = id
	if s.From, err = strconv.ParseUint(from, 10, 64); err == nil {
		s.To, err = strconv.ParseUint(to, 10, 64)
	}
	if err != nil {
		return Span{}, fmt.Errorf("%q is no number, and no two with a - between", text)
	}
	return s, nil
}
