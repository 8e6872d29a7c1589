package vclock

import "strconv"

// String writes the id and the event as the paper does: ((1,0),(0,1,0)).
func (s Stamp) String() string { return string(s.appendText(nil)) }

// MarshalText writes what String does, and so does JSON, as a string. A stamp with a tree deeper than MaxDepth is
// refused, with ErrExhausted.
func (s Stamp) MarshalText() ([]byte, error) {
	if err := s.checkDepth(); err != nil {
		return nil, err
	}
	return s.appendText(nil), nil
}

// UnmarshalText reads what MarshalText writes, and nothing else: no spaces, no needless zeros, no
// tree that can be written shorter.
func (s *Stamp) UnmarshalText(b []byte) error {
	r := textReader{NewDecoder(ErrCorrupt, kindStamp.String(), b)}
	r.want('(')
	id := r.id(MaxDepth)
	r.want(',')
	event := r.event(MaxDepth, MaxCount)
	r.want(')')
	if err := r.End(); err != nil {
		return err
	}
	*s = Stamp{id: id, event: event}
	return nil
}

func (s Stamp) appendText(b []byte) []byte {
	b = s.id.appendText(append(b, '('))
	b = s.event.appendText(append(b, ','))
	return append(b, ')')
}

func (i idTree) appendText(b []byte) []byte {
	switch {
	case i.none():
		return append(b, '0')
	case i.whole:
		return append(b, '1')
	}
	b = i.halves[0].appendText(append(b, '('))
	b = i.halves[1].appendText(append(b, ','))
	return append(b, ')')
}

func (e eventTree) appendText(b []byte) []byte {
	if e.halves == nil {
		return strconv.AppendUint(b, e.n, 10)
	}
	b = strconv.AppendUint(append(b, '('), e.n, 10)
	b = e.halves[0].appendText(append(b, ','))
	b = e.halves[1].appendText(append(b, ','))
	return append(b, ')')
}

// textReader reads the text form. It is not safe for concurrent use.
type textReader struct{ *Decoder }

// next reports whether this is the next byte, and passes it if so.
func (r textReader) next(c byte) bool {
	is := r.err == nil && r.Left() > 0 && r.all[r.at] == c
	if is {
		r.at++
	}
	return is
}

func (r textReader) want(c byte) {
	if !r.next(c) {
		r.Fail("want %q", c)
	}
}

// number reads one of at most so much.
func (r textReader) number(most uint64) uint64 {
	if r.err != nil {
		return 0 // and does not look at the same digits for each half that is still open
	}
	end := r.at
	for end < len(r.all) && r.all[end] >= '0' && r.all[end] <= '9' {
		end++
	}
	n, err := strconv.ParseUint(string(r.all[r.at:end]), 10, 64)
	switch {
	case end == r.at:
		r.Fail("want a number")
	case r.all[r.at] == '0' && end > r.at+1:
		r.Fail("a number with needless zeros")
	case err != nil || n > most:
		r.Fail("a number above %d", most)
	default:
		r.at = end
		return n
	}
	return 0
}

// id reads a tree of at most so many cuts, one in the other.
func (r textReader) id(deep int) idTree {
	switch {
	case r.next('0'):
		return idTree{}
	case r.next('1'):
		return idTree{whole: true}
	case !r.next('('):
		r.Fail("want an id: 0, 1, or two halves")
		return idTree{}
	case deep == 0:
		r.Fail("an id is cut more than %d times in one place", MaxDepth)
		return idTree{}
	}
	left := r.id(deep - 1)
	r.want(',')
	right := r.id(deep - 1)
	r.want(')')
	if wrong := wrongID(left, right); r.err == nil && wrong != "" {
		r.Fail("%s", wrong)
	}
	if r.err != nil {
		return idTree{}
	}
	return pairID(left, right)
}

// event reads a tree of at most so many cuts, one in the other, and of counts of at most so much.
func (r textReader) event(deep int, most uint64) eventTree {
	if !r.next('(') {
		return eventTree{n: r.number(most)}
	}
	if deep == 0 {
		r.Fail("an event is cut more than %d times in one place", MaxDepth)
		return eventTree{}
	}
	n := r.number(most)
	if r.err != nil {
		return eventTree{}
	}
	r.want(',')
	left := r.event(deep-1, most-n)
	r.want(',')
	right := r.event(deep-1, most-n)
	r.want(')')
	if wrong := wrongEvent(left, right); r.err == nil && wrong != "" {
		r.Fail("%s", wrong)
	}
	if r.err != nil {
		return eventTree{}
	}
	return pairEvent(n, left, right)
}
