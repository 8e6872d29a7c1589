package vclock

import "fmt"

// AppendBinary writes the canonical binary form: what the authors' program in Erlang writes, bit for bit, between
// the byte that says what it is, and zeros up to a whole byte. The id comes first, and then the event. Of
// halves that are 0, nothing is written.
//
//	id      000          0                    event   1 n                    n
//	        001          1                            000 right              (0,0,r)
//	        01 right     (0,r)                        001 left               (0,l,0)
//	        10 left      (l,0)                        010 left right         (0,l,r)
//	        11 left right                             01100 1 n right        (n,0,r), n > 0 in these
//	                                                  01101 1 n left         (n,l,0)
//	                                                  0111 1 n left right    (n,l,r)
//
//	n       as many ones as 2 has to become b, a zero, and b bits: the numbers from 0 on have 2 bits, those
//	        from 4 on have 3, from 12 on 4. What is below is taken off: 5 is 1 in 3 bits
//
//	        0 00   0 01   0 10   0 11   10 000   10 001   …   10 111   110 0000
//	        0      1      2      3      4        5            11       12
//
//	((1,0),(0,1,0))      28   89 90         10 001   001 1 001   0000
//	                                        (1,0)    (0,1,0)     up to a byte
//
// For 256 that are alive that makes 563 bytes; with a byte or a varint for each number it would be 722
// (TestStampSize). A stamp with a tree deeper than MaxDepth is refused, with ErrExhausted.
func (s Stamp) AppendBinary(b []byte) ([]byte, error) {
	if err := s.checkDepth(); err != nil {
		return b, err
	}
	return s.AppendTo(append(b, kindStamp.form())), nil
}

// MarshalBinary is AppendBinary to nothing.
func (s Stamp) MarshalBinary() ([]byte, error) {
	b, err := s.AppendBinary(nil)
	if err != nil {
		return nil, err
	}
	return b, nil
}

// UnmarshalBinary reads what AppendBinary writes, and nothing else. It needs at most 128 times as much
// memory as there are bytes, as a cut takes 2 bits or more; and a stack of MaxDepth calls.
func (s *Stamp) UnmarshalBinary(b []byte) error {
	d := decode(kindStamp, b)
	t := d.Stamp()
	if err := d.End(); err != nil {
		return err
	}
	*s = t
	return nil
}

func (s Stamp) checkDepth() error {
	if s.id.deeper(MaxDepth) || s.event.deeper(MaxDepth) {
		return fmt.Errorf("%w: a stamp is cut more than %d times in one place", ErrExhausted, MaxDepth)
	}
	return nil
}

// AppendTo writes it without the form, as a part of something else. It must not be too deep.
func (s Stamp) AppendTo(b []byte) []byte {
	w := bitWriter{b: b}
	w.id(s.id)
	w.event(s.event)
	return w.b
}

// Stamp reads what AppendTo writes.
func (d *Decoder) Stamp() Stamp {
	r := bitReader{d: d}
	s := Stamp{id: r.id(MaxDepth), event: r.event(MaxDepth, MaxCount)}
	if r.bits(r.unread) != 0 {
		r.fail("it does not end with zeros")
	}
	if d.err != nil {
		return Stamp{}
	}
	return s
}

// bitWriter writes bits behind bytes, from the highest of each byte on. It is not safe for concurrent use.
type bitWriter struct {
	b    []byte
	free int // bits of the last byte that are not yet written, and 0
}

// bits writes the lowest bits of n.
func (w *bitWriter) bits(n uint64, size int) {
	for size > 0 {
		if w.free == 0 {
			w.b, w.free = append(w.b, 0), 8
		}
		now := min(size, w.free)
		size, w.free = size-now, w.free-now
		w.b[len(w.b)-1] |= byte(n>>size&(1<<now-1)) << w.free
	}
}

func (w *bitWriter) number(n uint64) {
	size := 2
	for ; n >= 1<<size; size++ {
		n -= 1 << size
	}
	w.bits(1<<(size-1)-2, size-1)
	w.bits(n, size)
}

func (w *bitWriter) id(i idTree) {
	switch {
	case i.none():
		w.bits(0b000, 3)
		return
	case i.whole:
		w.bits(0b001, 3)
		return
	}
	l, r := i.halves[0], i.halves[1]
	switch {
	case l.none():
		w.bits(0b01, 2)
		w.id(r)
	case r.none():
		w.bits(0b10, 2)
		w.id(l)
	default:
		w.bits(0b11, 2)
		w.id(l)
		w.id(r)
	}
}

func (w *bitWriter) event(e eventTree) {
	if e.halves == nil {
		w.bits(1, 1)
		w.number(e.n)
		return
	}
	l, r := e.halves[0], e.halves[1]
	noLeft, noRight := l == eventTree{}, r == eventTree{}
	based := func(zero, code uint64, size int) {
		if e.n == 0 {
			w.bits(zero, 3)
			return
		}
		w.bits(code<<1|1, size+1)
		w.number(e.n)
	}
	switch {
	case noLeft:
		based(0b000, 0b01100, 5)
	case noRight:
		based(0b001, 0b01101, 5)
	default:
		based(0b010, 0b0111, 4)
	}
	if !noLeft {
		w.event(l)
	}
	if !noRight {
		w.event(r)
	}
}

// bitReader reads what bitWriter writes. After an error of the decoder it reads zeros. It is not safe
// for concurrent use.
type bitReader struct {
	d      *Decoder
	last   byte
	unread int // lower bits of the last byte
}

func (r *bitReader) bits(size int) (n uint64) {
	for size > 0 {
		if r.unread == 0 {
			r.last, r.unread = r.d.Byte(), 8
		}
		now := min(size, r.unread)
		size, r.unread = size-now, r.unread-now
		n = n<<now | uint64(r.last>>r.unread)&(1<<now-1)
	}
	return n
}

// fail says what is wrong in the byte of which bits were read last.
func (r *bitReader) fail(format string, args ...any) {
	if r.d.err == nil {
		r.d.at--
		r.d.Fail(format, args...)
	}
}

// number reads one of at most so much, which is at most MaxCount.
func (r *bitReader) number(most uint64) uint64 {
	below, size := uint64(0), 2
	for ; r.bits(1) == 1; size++ {
		below += 1 << size
		if below > most {
			r.fail("%d or more, at most %d", below, most)
			return 0
		}
	}
	n := below + r.bits(size)
	if n > most {
		r.fail("%d, at most %d", n, most)
		return 0
	}
	return n
}

// id reads a tree of at most so many cuts, one in the other.
func (r *bitReader) id(deep int) (i idTree) {
	code := r.bits(2)
	switch {
	case r.d.err != nil:
		return idTree{}
	case code == 0b00:
		return idTree{whole: r.bits(1) == 1}
	case deep == 0:
		r.fail("an id is cut more than %d times in one place", MaxDepth)
		return idTree{}
	}
	var left, right idTree
	if code != 0b01 {
		left = r.id(deep - 1)
	}
	if code != 0b10 {
		right = r.id(deep - 1)
	}
	wrong := wrongID(left, right)
	if wrong == "" && code == 0b11 && (left.none() || right.none()) {
		wrong = "a half of 0 that is written"
	}
	if wrong != "" {
		r.fail("%s", wrong)
		return idTree{}
	}
	return pairID(left, right)
}

// event reads a tree of at most so many cuts, one in the other, and of counts of at most so much.
func (r *bitReader) event(deep int, most uint64) eventTree {
	if r.bits(1) == 1 {
		return eventTree{n: r.number(most)}
	}
	code, based := r.bits(2), false
	if based = code == 0b11; based {
		if code = 0b10; r.bits(1) == 0 {
			code = r.bits(1)
		}
	}
	switch {
	case r.d.err != nil:
		return eventTree{}
	case deep == 0:
		r.fail("an event is cut more than %d times in one place", MaxDepth)
		return eventTree{}
	}
	n := uint64(0)
	if based {
		if r.bits(1) == 0 {
			r.fail("what is under halves is no number")
		}
		if n = r.number(most); n == 0 {
			r.fail("a number of 0 that is written")
		}
	}
	left, right := eventTree{}, eventTree{}
	if code != 0b00 {
		left = r.half(deep-1, most-n)
	}
	if code != 0b01 {
		right = r.half(deep-1, most-n)
	}
	if wrong := wrongEvent(left, right); wrong != "" {
		r.fail("%s", wrong)
		return eventTree{}
	}
	return pairEvent(n, left, right)
}

// half reads what would not be written if it were 0.
func (r *bitReader) half(deep int, most uint64) eventTree {
	e := r.event(deep, most)
	if e.halves == nil && e.n == 0 {
		r.fail("a half of 0 that is written")
	}
	return e
}

// wrongID says what is wrong with halves that are not in normal form.
func wrongID(l, r idTree) string {
	switch {
	case l.none() && r.none():
		return "an id with nothing in both halves: want 0"
	case l.whole && r.whole:
		return "an id with all of both halves: want 1"
	}
	return ""
}

// wrongEvent says what is wrong with halves that are not in normal form.
func wrongEvent(l, r eventTree) string {
	switch {
	case l.halves == nil && l == r:
		return "an event of two halves that are the same number: want one number"
	case l.n > 0 && r.n > 0:
		return "an event of two halves that are both above 0"
	}
	return ""
}
