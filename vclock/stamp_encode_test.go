package vclock

import (
	"encoding/hex"
	"encoding/json"
	"strings"

	"testing"

	"github.com/stretchr/testify/require"

	"github.com/plinth-go/plinth/internal/seed"
)

// TestStampBytes are known ones, bits by hand from the table at AppendBinary.
func TestStampBytes(t *testing.T) {
	for text, want := range map[string]string{
		"(0,0)":                   "2810",     // 000  1 000, and zeros, as in all
		"(1,0)":                   "2830",     // 001  1 000
		"(1,1)":                   "2832",     // 001  1 001
		"(1,5)":                   "283880",   // 001  1 10001
		"(1,11)":                  "283b80",   // 001  1 10111
		"(1,12)":                  "283c00",   // 001  1 1100000
		"((1,0),(0,1,0))":         "288990",   // 10 001  001 1 001
		"((0,1),(0,0,1))":         "284890",   // 01 001  000 1 001
		"(((0,1),1),(1,0,1))":     "28d25932", // 11 01 001 001  01100 1 001 1 001
		"((1,0),(2,1,0))":         "288b6a40", // 10 001  01101 1 010 1 001
		"((1,0),(1,(0,1,0),1))":   "288bc999", // 10 001  0111 1 001 001 1 001 1 001
		"((1,0),(0,(0,1,0),1))":   "288a3320", // 10 001  010 001 1 001 1 001
		"(1,4611686018427387904)": "283fffffffffffffff0000000000000008",
	} {
		b, err := stampOf(t, text).MarshalBinary()
		require.NoError(t, err)
		require.Equal(t, want, hex.EncodeToString(b), text)
		var s Stamp
		require.NoError(t, s.UnmarshalBinary(b))
		require.Equal(t, text, s.String())
	}
}

// TestStampBytesRefused: nothing that could be written otherwise. Planted and caught: no look at what is left of
// the last byte, at the sum of counts on the way down, at either normal form, at halves of 0 and numbers of
// 0 that are written. That of an id in two halves was missing, and FuzzStamp found it.
func TestStampBytesRefused(t *testing.T) {
	for bits, said := range map[string]string{
		"":                                "byte 1: it ends here",
		"001":                             "byte 2: it ends here", // the zeros are an event that has no end
		"001 1 110":                       "byte 2: it ends here",
		"001 1 001 1":                     "byte 1: it does not end with zeros",
		"001 1 000 0  0000 0000":          "byte 2: 1 bytes after the end",
		"11 000 000  1 000":               "byte 1: an id with nothing in both halves: want 0",
		"11 001 001  1 000":               "byte 1: an id with all of both halves: want 1",
		"01 000  1 000":                   "byte 1: an id with nothing in both halves: want 0",
		"11 000 001  1 000":               "byte 1: a half of 0 that is written",
		"11 001 000  1 000":               "byte 1: a half of 0 that is written",
		"10 000  1 000":                   "byte 1: an id with nothing in both halves: want 0",
		"001  000 1 000":                  "byte 2: a half of 0 that is written",
		"001  001 1 000":                  "byte 2: a half of 0 that is written",
		"001  010 1 000 001 1 001":        "byte 2: a half of 0 that is written",
		"001  010 001 1 001 1 000":        "byte 3: a half of 0 that is written",
		"001  010 1 001 1 001":            "byte 2: an event of two halves that are the same number",
		"001  010 1 001 1 010":            "byte 2: an event of two halves that are both above 0",
		"001  01100 1 000 1 001":          "byte 2: a number of 0 that is written",
		"001  0111 1 000 1 001 001 1 001": "byte 2: a number of 0 that is written",
		"001  01100 0 001 1 001":          "byte 2: what is under halves is no number",
		"001 1 " + strings.Repeat("1", 60) + "0" + strings.Repeat("0", 59) + "101": "byte 16: 4611686018427387905, at most 4611686018427387904",
		"001 1 " + strings.Repeat("1", 90):                                         "byte 9: 9223372036854775804 or more, at most 4611686018427387904",
		// what is below it and itself are too much
		"001 0111 1 " + strings.Repeat("1", 60) + "0" + strings.Repeat("0", 59) + "100 1 001 001 1 001": "byte 17: 1, at most 0",
		"001 01100 1 " + strings.Repeat("1", 60) + "0" + strings.Repeat("0", 59) + "100 1 001":          "byte 17: 1, at most 0",
	} {
		s := stampOf(t, "(1,7)")
		err := s.UnmarshalBinary(packed(bits))
		require.ErrorIs(t, err, ErrCorrupt, bits)
		require.ErrorContains(t, err, "vclock: corrupt Stamp: "+said, bits)
		require.Equal(t, "(1,7)", s.String())
	}
	var s Stamp
	require.ErrorContains(t, s.UnmarshalBinary([]byte{0x08, 0x10}), "byte 0: this is a Vector")
	require.ErrorContains(t, s.UnmarshalBinary([]byte{0x29, 0x10}), "byte 0: version 1 of its form")
}

// packed is the form of a Stamp and these bits.
func packed(bits string) []byte {
	w := bitWriter{b: []byte{kindStamp.form()}}
	for _, c := range bits {
		if c != ' ' {
			w.bits(uint64(c-'0'), 1)
		}
	}
	return w.b
}

// TestStampAsAPart: stamps between other things, each up to a whole byte. Where it is cut there is an error, and nothing more
// is read. Planted and caught: a reader that goes back a byte for each error after the first.
func TestStampAsAPart(t *testing.T) {
	s := stampOf(t, "((1,0),(1,(0,(0,3,0),2),0))")
	b := vec(t, map[ID]uint64{"a": 7}).AppendTo(s.AppendTo(nil))
	b = Seed().AppendTo(b)
	for end := range len(b) + 1 {
		d := NewDecoder(ErrCorrupt, "three", b[:end])
		first := d.Stamp()
		if d.Err() != nil {
			require.Zero(t, d.Left())
		}
		v, last := d.Vector(), d.Stamp()
		if end == len(b) {
			require.NoError(t, d.End())
			require.Equal(t, s.String(), first.String())
			require.EqualValues(t, 7, v.Get("a"))
			require.Equal(t, "(1,0)", last.String())
			continue
		}
		require.ErrorIs(t, d.End(), ErrCorrupt)
		require.Equal(t, "(0,0)", last.String())
	}
}

// TestStampText refuses what is written otherwise. Planted and caught: no look at needless zeros, at the sum of
// counts, at either normal form; a number that is read again for each tree around it.
func TestStampText(t *testing.T) {
	for text, said := range map[string]string{
		"":                               "byte 0: want '('",
		"0":                              "byte 0: want '('",
		"()":                             "byte 1: want an id",
		"(1)":                            "byte 2: want ','",
		"(1,)":                           "byte 3: want a number",
		"(1,0":                           "byte 4: want ')'",
		"(1,0))":                         "byte 5: 1 bytes after the end",
		"(1, 0)":                         "byte 3: want a number",
		" (1,0)":                         "byte 0: want '('",
		"(1,00)":                         "byte 3: a number with needless zeros",
		"(1,+1)":                         "byte 3: want a number",
		"(1,-1)":                         "byte 3: want a number",
		"(2,0)":                          "byte 1: want an id",
		"(01,0)":                         "byte 2: want ','",
		"((0,0),0)":                      "byte 6: an id with nothing in both halves: want 0",
		"((1,1),0)":                      "byte 6: an id with all of both halves: want 1",
		"((1,0,0),0)":                    "byte 5: want ')'",
		"(1,(0,1,1))":                    "byte 10: an event of two halves that are the same number",
		"(1,(0,1,2))":                    "byte 10: an event of two halves that are both above 0",
		"(1,(0,1))":                      "byte 7: want ','",
		"(1,(1,4611686018427387904,0))":  "byte 6: a number above 4611686018427387903",
		"(1,(1,0,4611686018427387904))":  "byte 8: a number above 4611686018427387903",
		"(1,4611686018427387905)":        "byte 3: a number above 4611686018427387904",
		"(1,99999999999999999999999999)": "byte 3: a number above 4611686018427387904",
	} {
		s := stampOf(t, "(1,7)")
		err := s.UnmarshalText([]byte(text))
		require.ErrorIs(t, err, ErrCorrupt, text)
		require.ErrorContains(t, err, "vclock: corrupt Stamp: "+said, text)
		require.Equal(t, "(1,7)", s.String())
	}
	// What is wrong once is not looked at again for each tree around it.
	long := []byte("(1," + strings.Repeat("(0,", MaxDepth-1) + strings.Repeat("9", 1<<16))
	require.ErrorContains(t, new(Stamp).UnmarshalText(long), "byte 12288: a number above")
	require.Less(t, testing.AllocsPerRun(1, func() { _ = new(Stamp).UnmarshalText(long) }), 50.0)
}

func TestStampJSON(t *testing.T) {
	type message struct {
		Clock Stamp
		By    map[string]Stamp `json:",omitempty"`
	}
	m := message{Clock: stampOf(t, "((1,0),(0,1,0))"), By: map[string]Stamp{"a": Seed()}}
	b, err := json.Marshal(m)
	require.NoError(t, err)
	require.Equal(t, `{"Clock":"((1,0),(0,1,0))","By":{"a":"(1,0)"}}`, string(b))
	var again message
	require.NoError(t, json.Unmarshal(b, &again))
	require.Equal(t, m, again)
	require.ErrorIs(t, json.Unmarshal([]byte(`{"Clock":"(1,(0,1,1))"}`), &again), ErrCorrupt)
	require.Error(t, json.Unmarshal([]byte(`{"Clock":[1,0]}`), &again))
	require.Equal(t, m, again)
}

// check is for what a decoder has accepted: it is in normal form, written as it was, and good for whatever one does with
// a stamp.
func (s Stamp) check(t *testing.T) {
	s.invariant(t)
	a, b := s.Fork()
	again, err := Join(a, b)
	require.NoError(t, err)
	require.Equal(t, s.String(), again.String())
	e, err := s.Event()
	if err != nil {
		require.True(t, s.Anonymous() || s.event.highest() == MaxCount)
		return
	}
	e.invariant(t)
	require.Equal(t, After, e.Compare(s))
	require.Equal(t, Before, s.Compare(e))
	_, err = Join(s, e)
	require.ErrorIs(t, err, ErrOverlap)
}

var stampTexts = []string{
	"(0,0)", "(1,0)", "((1,0),(0,1,0))", "(((0,1),1),(1,0,1))", "(((1,0),0),(0,(1,1,0),0))", "((1,0),(1,(0,1,0),1))",
	"((((1,0),(0,1)),0),(12,(3,0,(300,1,0)),0))", "(1,4611686018427387904)",
}

func FuzzStamp(f *testing.F) {
	for _, text := range stampTexts {
		b, _ := stampOf(f, text).MarshalBinary()
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var s, u Stamp
		if s.UnmarshalBinary(b) != nil {
			require.Equal(t, "(0,0)", s.String())
			return
		}
		s.check(t)
		again, err := s.MarshalBinary()
		require.NoError(t, err)
		require.Equal(t, b, again)
		text, err := s.MarshalText()
		require.NoError(t, err)
		require.NoError(t, u.UnmarshalText(text))
		require.Equal(t, s, u)
	})
}

func FuzzStampText(f *testing.F) {
	for _, text := range stampTexts {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var s, u Stamp
		if s.UnmarshalText([]byte(text)) != nil {
			require.Equal(t, "(0,0)", s.String())
			return
		}
		s.check(t)
		require.Equal(t, text, s.String())
		b, err := s.MarshalBinary()
		require.NoError(t, err)
		require.NoError(t, u.UnmarshalBinary(b))
		require.Equal(t, s, u)
	})
}

// FuzzStampRun does what the bytes say: the order of all that are alive is that of the sets of events they
// know, and they are written as the paper's functions have them.
func FuzzStampRun(f *testing.F) {
	f.Add([]byte{0, 2, 3, 0, 2, 1})
	f.Add([]byte("fork, join, event, peek"))
	r := seed.Of([]byte("stamps"))
	long := make([]byte, 200)
	for i := range long {
		long[i] = byte(r.UintN(256))
	}
	f.Add(long)
	f.Fuzz(func(t *testing.T, ops []byte) {
		alive, naive := []heard{{stamp: Seed()}}, []paperStamp{paperSeed()}
		for n, op := range ops[:min(len(ops), 64)] {
			i, j, last := int(op>>2)%len(alive), int(op>>5)%len(alive), len(alive)-1
			h := alive[i]
			switch {
			case op&3 == 0 && len(alive) < 8:
				a, b := h.stamp.Fork()
				x, y := naive[i].fork()
				alive, naive = append(alive, heard{b, h.known}), append(naive, y)
				alive[i].stamp, naive[i] = a, x
			case op&3 == 1 && i < j:
				s, err := Join(h.stamp, alive[j].stamp)
				require.NoError(t, err)
				alive[i], naive[i] = heard{s, h.known | alive[j].known}, naive[i].join(naive[j])
				alive[j], naive[j] = alive[last], naive[last]
				alive, naive = alive[:last], naive[:last]
			case op&3 == 2:
				s, err := Join(h.stamp, alive[j].stamp.Peek())
				require.NoError(t, err)
				naive[i] = naive[i].join(paperStamp{paperLeaf(0), naive[j].event})
				alive[i] = heard{s, h.known | alive[j].known}
			default:
				s, err := h.stamp.Event()
				require.NoError(t, err)
				alive[i], naive[i] = heard{s, h.known | 1<<n}, naive[i].happen()
			}
			alive[i].stamp.invariant(t)
			require.Equal(t, naive[i].String(), alive[i].stamp.String())
			for _, g := range alive {
				require.Equal(t, alive[i].compare(g), alive[i].stamp.Compare(g.stamp), "%v %v", alive[i].stamp, g.stamp)
			}
		}
	})
}
