package ratelimit

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// What a client reads. Nothing of it can be trusted to make sense.

// readRetryAfter reads a Retry-After: seconds, or a date, which is compared with the Date of
// the same response, or with now if there is none, because clocks differ. A date in the
// past is now, and more seconds than fit are Never. Anything else is not ok.
func readRetryAfter(h http.Header, now time.Time) (wait time.Duration, ok bool) {
	value := strings.Trim(h.Get("Retry-After"), " \t")
	if value != "" && strings.Trim(value, "0123456789") == "" {
		n, err := strconv.ParseInt(value, 10, 64)
		if err != nil || n > int64(Never/time.Second) {
			return Never, true
		}
		return time.Duration(n) * time.Second, true
	}
	at, err := http.ParseTime(value)
	if err != nil {
		return 0, false
	}
	if date, err := http.ParseTime(h.Get("Date")); err == nil {
		now = date
	}
	return max(at.Sub(now), 0), true
}

// readRateLimit reads RateLimit: how long it is until there is more, by the policies that
// have nothing left, and whether there are such. If only others tell a time, it is that.
// One that is malformed counts as none at all, and so does one that is too long to be
// meant well, or that was in a cache for a while: it is about another time.
func readRateLimit(h http.Header) (wait time.Duration, empty, ok bool) {
	const longest = 4 << 10 // net/http takes headers of megabytes; read, they are 18 times as large
	s := fieldScanner{strings.Join(h.Values("RateLimit"), ",")}
	if len(s.rest) > longest || strings.Trim(h.Get("Age"), "0") != "" {
		return 0, false, false
	}
	for s.space(); s.rest != ""; {
		item, fine := s.item()
		if !fine || !s.comma() {
			return 0, false, false
		}
		r, t := item["r"], item["t"]
		if !r.integer || !t.integer || r.n < 0 || t.n < 0 {
			continue
		}
		d := Never
		if t.n <= int64(Never/time.Second) {
			d = time.Duration(t.n) * time.Second
		}
		switch {
		case r.n == 0 && !empty:
			wait, empty, ok = d, true, true
		case empty == (r.n == 0):
			wait, ok = max(wait, d), true
		}
	}
	return wait, empty, ok
}

// fieldScanner reads the structured fields of RFC 9651, section 4.2, as far as a RateLimit
// has them: no inner lists and no display strings. It is not safe for concurrent use.
type fieldScanner struct{ rest string }

// fieldValue is a bare item. It is immutable.
type fieldValue struct {
	n       int64
	integer bool // it is another type if not, which does not matter here
}

// item reads an item, and returns its parameters.
func (s *fieldScanner) item() (map[string]fieldValue, bool) {
	if _, ok := s.bare(); !ok {
		return nil, false
	}
	params := make(map[string]fieldValue)
	for s.skip(";") {
		for s.skip(" ") {
		}
		key := s.span("abcdefghijklmnopqrstuvwxyz0123456789_-.*")
		if key == "" || strings.IndexAny(key[:1], "0123456789_-.") == 0 {
			return nil, false
		}
		value := fieldValue{}
		if s.skip("=") {
			var ok bool
			if value, ok = s.bare(); !ok {
				return nil, false
			}
		}
		params[key] = value
	}
	return params, true
}

// comma goes to the next member of the list, or to its end.
func (s *fieldScanner) comma() bool {
	s.space()
	if s.rest == "" {
		return true
	}
	if !s.skip(",") {
		return false
	}
	s.space()
	return s.rest != "" // no comma at the end
}

// bare reads a string, a token, a number, bytes, a boolean or a date.
func (s *fieldScanner) bare() (fieldValue, bool) {
	if s.rest == "" {
		return fieldValue{}, false
	}
	const (
		digits  = "0123456789"
		letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	)
	switch c := s.rest[0]; {
	case c == '"':
		return fieldValue{}, s.quoted()
	case c == ':':
		s.rest = s.rest[1:]
		s.span(letters + digits + "+/=")
		return fieldValue{}, s.skip(":")
	case c == '?':
		s.rest = s.rest[1:]
		return fieldValue{}, s.skip("0") || s.skip("1")
	case c == '*' || strings.IndexByte(letters, c) >= 0:
		s.span(letters + digits + ":/!#$%&'*+-.^_`|~")
		return fieldValue{}, true
	}
	date := s.skip("@")
	sign := int64(1)
	if s.skip("-") {
		sign = -1
	}
	whole := s.span(digits)
	n, err := strconv.ParseInt(whole, 10, 64)
	if err != nil || len(whole) > 15 {
		return fieldValue{}, false
	}
	if !date && s.skip(".") {
		fraction := s.span(digits)
		return fieldValue{}, len(whole) <= 12 && 1 <= len(fraction) && len(fraction) <= 3
	}
	return fieldValue{sign * n, !date}, true
}

func (s *fieldScanner) quoted() bool {
	for i := 1; i < len(s.rest); i++ {
		switch c := s.rest[i]; {
		case c == '"':
			s.rest = s.rest[i+1:]
			return true
		case c < ' ' || c > '~':
			return false
		case c == '\\':
			if i++; i == len(s.rest) || s.rest[i] != '"' && s.rest[i] != '\\' {
				return false
			}
		}
	}
	return false
}

func (s *fieldScanner) skip(what string) (found bool) {
	s.rest, found = strings.CutPrefix(s.rest, what)
	return found
}

// span takes the longest beginning of such characters.
func (s *fieldScanner) span(of string) string {
	all := s.rest
	s.rest = strings.TrimLeft(s.rest, of)
	return all[:len(all)-len(s.rest)]
}

func (s *fieldScanner) space() { s.rest = strings.TrimLeft(s.rest, " \t") }
