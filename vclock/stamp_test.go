package vclock

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/plinth-go/plinth/internal/form"
)

func (s Stamp) invariant(t testing.TB) {
	if !s.id.normal() || !s.event.normal(MaxCount) {
		require.Fail(t, "not in normal form", "%v", s)
	}
}

func (i idTree) normal() bool {
	return i.halves == nil || !i.whole && wrongID(i.halves[0], i.halves[1]) == "" &&
		i.halves[0].normal() && i.halves[1].normal()
}

func (e eventTree) normal(room uint64) bool {
	return e.n <= room && (e.halves == nil || wrongEvent(e.halves[0], e.halves[1]) == "" &&
		e.halves[0].normal(room-e.n) && e.halves[1].normal(room-e.n))
}

func stampOf(t testing.TB, text string) (s Stamp) {
	t.Helper()
	require.NoError(t, s.UnmarshalText([]byte(text)))
	return s
}

// TestStampPaper is the sample run of the paper. Planted and caught: a Fork that gives away the
// first of several pieces, ids that are whole and stay cut.
func TestStampPaper(t *testing.T) {
	is := func(want string, s Stamp) {
		t.Helper()
		s.invariant(t)
		require.Equal(t, want, s.String())
	}
	event := func(s Stamp) Stamp {
		s, err := s.Event()
		require.NoError(t, err)
		return s
	}
	join := func(a, b Stamp) Stamp {
		s, err := Join(a, b)
		require.NoError(t, err)
		return s
	}
	is("(1,0)", Seed())
	a, b := Seed().Fork()
	is("((1,0),0)", a)
	is("((0,1),0)", b)
	a, b = event(a), event(b)
	is("((1,0),(0,1,0))", a)
	is("((0,1),(0,0,1))", b)
	require.Equal(t, Concurrent, a.Compare(b))
	a, c := a.Fork()
	is("(((1,0),0),(0,1,0))", a)
	is("(((0,1),0),(0,1,0))", c)
	require.Equal(t, Equal, a.Compare(c))
	a, b = event(a), event(b)
	is("(((1,0),0),(0,(1,1,0),0))", a)
	is("((0,1),(0,0,2))", b)
	require.Equal(t, After, a.Compare(c))
	b = join(b, c)
	is("(((0,1),1),(1,0,1))", b)
	b, c = b.Fork()
	is("(((0,1),0),(1,0,1))", b)
	is("((0,1),(1,0,1))", c)
	a = join(a, b)
	is("((1,0),(1,(0,1,0),1))", a)
	a = event(a)
	is("((1,0),2)", a)
	is("(0,2)", a.Peek())
	is("(0,0)", Stamp{})
}

// heard is a stamp and the set of events that it should know.
type heard struct {
	stamp Stamp
	known uint64
}

func (h heard) compare(g heard) Ordering {
	return ordering(h.known&^g.known != 0, g.known&^h.known != 0)
}

// stampRuns walks through all runs of so many steps, and compares each stamp that comes up with all that were
// ever there before it.
type stampRuns struct {
	t        *testing.T
	messages bool // also steps in which one sends to another what it knows
	runs     int
	pairs    int
}

func (w *stampRuns) walk(steps, events int, alive, ever []heard) {
	if steps == 0 {
		w.runs++
		return
	}
	for i, h := range alive {
		others := append(append([]heard(nil), alive[:i]...), alive[i+1:]...)
		a, b := h.stamp.Fork()
		w.step(steps, events, others, ever, heard{a, h.known}, heard{b, h.known})
		e, err := h.stamp.Event()
		w.ok(err)
		w.step(steps, events+1, others, ever, heard{e, h.known | 1<<events})
		for j, g := range others {
			if w.messages {
				s, err := Join(h.stamp, g.stamp.Peek())
				w.ok(err)
				w.step(steps, events, others, ever, heard{s, h.known | g.known})
			}
			if j >= i { // once each
				s, err := Join(h.stamp, g.stamp)
				w.ok(err)
				rest := append(append([]heard(nil), others[:j]...), others[j+1:]...)
				w.step(steps, events, rest, ever, heard{s, h.known | g.known})
			}
		}
	}
}

func (w *stampRuns) ok(err error) {
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *stampRuns) step(steps, events int, others, ever []heard, made ...heard) {
	alive := append(others[:len(others):len(others)], made...)
	ever = ever[:len(ever):len(ever)]
	for _, h := range made {
		ever = append(ever, h)
		h.stamp.invariant(w.t)
		for _, g := range ever {
			w.pairs++
			if got := h.stamp.Compare(g.stamp); got != h.compare(g) || got.Reverse() != g.stamp.Compare(h.stamp) {
				require.Fail(w.t, "the order is not that of what is known", "%v and %v are %v, want %v",
					h.stamp, g.stamp, got, h.compare(g))
			}
			if h.stamp.Descends(g.stamp) != (g.known&^h.known == 0) {
				require.Fail(w.t, "Descends", "%v and %v", h.stamp, g.stamp)
			}
		}
	}
	all := Stamp{}
	for _, h := range alive {
		var err error
		all, err = Join(all, h.stamp)
		w.ok(err)
	}
	if !all.id.whole {
		require.Fail(w.t, "a piece of the interval is lost", "%v", alive)
	}
	w.walk(steps-1, events, alive, ever)
}

// TestStampRuns: the order of all stamps of all short runs, also of those that are gone, is that of the sets of
// events they know. Planted and caught: a fill that raises what is not owned, a fork that
// swaps a half, a join that keeps the one of less, a differ that stops after the left half, that lifts one of
// the two only, or that takes the lowest count of a tree for the highest.
func TestStampRuns(t *testing.T) {
	for _, c := range []struct {
		steps, runs int
		messages    bool
	}{{6, 31_003, false}, {5, 12_291, true}} {
		w := stampRuns{t: t, messages: c.messages}
		w.walk(c.steps, 0, []heard{{stamp: Seed()}}, []heard{{stamp: Seed()}})
		t.Logf("%d steps, messages %v: %d runs, %d pairs", c.steps, c.messages, w.runs, w.pairs)
		require.Equal(t, c.runs, w.runs)
	}
}

// eventOf has a count for each of as many pieces as a power of two.
func eventOf(counts ...uint64) eventTree {
	if len(counts) == 1 {
		return eventTree{n: counts[0]}
	}
	half := len(counts) / 2
	return pairEvent(0, eventOf(counts[:half]...), eventOf(counts[half:]...))
}

func idOf(owned ...bool) idTree {
	if len(owned) == 1 {
		return idTree{whole: owned[0]}
	}
	half := len(owned) / 2
	return pairID(idOf(owned[:half]...), idOf(owned[half:]...))
}

// counts is what eventOf was given.
func (e eventTree) counts(pieces int) []uint64 {
	if pieces == 1 {
		return []uint64{e.n}
	}
	l, r := e.split()
	return append(l.lift(e.n).counts(pieces/2), r.lift(e.n).counts(pieces/2)...)
}

func (i idTree) paper() *paperTree {
	switch {
	case i.halves != nil:
		return &paperTree{l: i.halves[0].paper(), r: i.halves[1].paper()}
	case i.whole:
		return paperLeaf(1)
	}
	return paperLeaf(0)
}

func (e eventTree) paper() *paperTree {
	if e.halves == nil {
		return paperLeaf(e.n)
	}
	return &paperTree{e.n, e.halves[0].paper(), e.halves[1].paper()}
}

func (s Stamp) paper() paperStamp { return paperStamp{s.id.paper(), s.event.paper()} }

// TestStampLaws: all counts up to two over four pieces, 81 of them, by ones, pairs and triples, beside the counts
// themselves and the paper's functions.
func TestStampLaws(t *testing.T) {
	var all []Stamp
	var counts [][]uint64
	for i := range uint64(81) {
		c := []uint64{i % 3, i / 3 % 3, i / 9 % 3, i / 27}
		all, counts = append(all, Stamp{event: eventOf(c...)}), append(counts, c)
		all[i].invariant(t)
		require.Equal(t, c, all[i].event.counts(4))
	}
	joined := func(s, u Stamp) Stamp {
		j, err := Join(s, u)
		if err != nil {
			t.Fatal(err)
		}
		return j
	}
	for i, s := range all {
		for j, u := range all {
			more, less := false, false
			highest := make([]uint64, 4)
			for k := range highest {
				more, less = more || counts[i][k] > counts[j][k], less || counts[i][k] < counts[j][k]
				highest[k] = max(counts[i][k], counts[j][k])
			}
			if got := s.Compare(u); got != ordering(more, less) || got != s.paper().compare(u.paper()) {
				require.Fail(t, "Compare", "%v %v: %v", s, u, got)
			}
			both := joined(s, u)
			both.invariant(t)
			require.Equal(t, highest, both.event.counts(4))
			require.Equal(t, s.paper().join(u.paper()).String(), both.String())
			require.Equal(t, both.String(), joined(u, s).String())
			for _, x := range all {
				if x.Descends(both) != (x.Descends(s) && x.Descends(u)) {
					require.Fail(t, "least upper bound", "%v %v %v", s, u, x)
				}
				if s.Descends(u) && u.Descends(x) && !s.Descends(x) {
					require.Fail(t, "transitive", "%v %v %v", s, u, x)
				}
			}
		}
	}
}

// TestStampEvents: an event of all 15 ids over four pieces, after all 81 counts of up to two over them, raises
// some that are owned and none that are not, and does what the paper's functions do; and of all counts over eight
// pieces that are 0 or 1, with all ids over eight. Planted and caught: a fill that does not go up to what is
// beside it, or to its highest, or leaves the other half out; costs without cuts, without steps, the left of equals.
func TestStampEvents(t *testing.T) {
	try := func(id idTree, e eventTree, pieces int) {
		s := Stamp{id: id, event: e}
		after, err := s.Event()
		require.NoError(t, err)
		if want := s.paper().happen().String(); want != after.String() {
			require.Fail(t, "not as in the paper", "%v: %v, want %v", s, after, want)
		}
		after.invariant(t)
		old, now, owned := e.counts(pieces), after.event.counts(pieces), id.counts(pieces)
		raised := false
		for i := range old {
			if now[i] < old[i] || now[i] > old[i] && !owned[i] {
				require.Fail(t, "not its own", "%v: %v", s, after)
			}
			raised = raised || now[i] > old[i]
		}
		require.True(t, raised)
	}
	for i := range 15 {
		id := idOf((i+1)&1 != 0, (i+1)&2 != 0, (i+1)&4 != 0, (i+1)&8 != 0)
		for c := range uint64(81) {
			try(id, eventOf(c%3, c/3%3, c/9%3, c/27), 4)
		}
	}
	for i := 1; i < 256; i++ {
		for c := range 256 {
			if (i^c)%23 != 0 && !form.Long() {
				continue
			}
			counts, owned := make([]uint64, 8), make([]bool, 8)
			for k := range 8 {
				counts[k], owned[k] = uint64(c>>k&1), i>>k&1 == 1
			}
			try(idOf(owned...), eventOf(counts...), 8)
		}
	}
}

// counts is what idOf was given.
func (i idTree) counts(pieces int) []bool {
	if pieces == 1 {
		return []bool{i.whole}
	}
	if i.halves == nil {
		half := idTree{whole: i.whole}.counts(pieces / 2)
		return append(half, half...)
	}
	return append(i.halves[0].counts(pieces/2), i.halves[1].counts(pieces/2)...)
}

// TestStampIDs: all pairs of ids over eight pieces can be joined if they have none in common, and what is forked
// has something each and together what there was.
func TestStampIDs(t *testing.T) {
	var all []Stamp
	for i := range 256 {
		owned := make([]bool, 8)
		for k := range owned {
			owned[k] = i>>k&1 == 1
		}
		s := Stamp{id: idOf(owned...)}
		s.invariant(t)
		require.Equal(t, owned, s.id.counts(8))
		require.Equal(t, i == 0, s.Anonymous())
		all = append(all, s)

		a, b := s.Fork()
		a.invariant(t)
		b.invariant(t)
		require.Equal(t, i == 0, a.Anonymous())
		require.Equal(t, i == 0, b.Anonymous())
		c, d := s.paper().fork()
		require.Equal(t, []string{c.String(), d.String()}, []string{a.String(), b.String()})
		again, err := Join(a, b)
		require.NoError(t, err)
		require.Equal(t, s.String(), again.String())
	}
	for i, s := range all {
		for j, u := range all {
			sum, err := Join(s, u)
			if i&j != 0 {
				if err != ErrOverlap || sum.String() != s.String() {
					require.Fail(t, "overlap", "%v %v: %v, %v", s, u, sum, err)
				}
				continue
			}
			if err != nil || sum.String() != all[i|j].String() {
				require.Fail(t, "sum", "%v %v: %v, %v", s, u, sum, err)
			}
			sum.invariant(t)
		}
	}
}

// TestStampForkedTwice: who goes on from a copy is found out when it meets who has what it has. Planted and caught: a
// sum of all and a part that is all, one that looks at the left half only, an error that loses a.
func TestStampForkedTwice(t *testing.T) {
	a, b := Seed().Fork()
	again, twin := a, a
	a, c := a.Fork()
	again, d := again.Fork()
	for _, pair := range [][2]Stamp{{a, again}, {c, d}, {a, twin}, {c, twin}, {a, a}, {Seed(), d}, {twin, d}} {
		e, err := pair[0].Event()
		require.NoError(t, err)
		for _, p := range [][2]Stamp{{e, pair[1]}, {pair[1], e}} {
			s, err := Join(p[0], p[1])
			require.ErrorIs(t, err, ErrOverlap)
			require.Equal(t, p[0].String(), s.String(), "what it was")
		}
	}
	for _, pair := range [][2]Stamp{{a, d}, {c, b}, {a, a.Peek()}, {a.Peek(), a.Peek()}} {
		_, err := Join(pair[0], pair[1])
		require.NoError(t, err, "those have nothing in common, although two of them should not be alive")
	}
}

func TestStampAnonymous(t *testing.T) {
	for _, s := range []Stamp{{}, stampOf(t, "(0,(1,0,3))")} {
		e, err := s.Event()
		require.ErrorIs(t, err, ErrAnonymous)
		require.Equal(t, s.String(), e.String())
		a, b := s.Fork()
		require.Equal(t, s.String(), a.String())
		require.Equal(t, s.String(), b.String())
	}
	require.Equal(t, Before, Stamp{}.Compare(stampOf(t, "(0,(1,0,3))")))
}

// TestStampCountsToTheEnd: no count goes past its end, and as long as one that is owned can go up, an event
// raises it. Planted and caught: one more than there is room, room that forgets what is under a half.
func TestStampCountsToTheEnd(t *testing.T) {
	const most = "4611686018427387904"
	for _, text := range []string{
		"(1," + most + ")", "((0,1),(4611686018427387900,0,4))", "((1,0),(0," + most + ",0))",
		"(((0,1),(1,0)),(4611686018427387903,(0,0,1),(0,1,0)))",
	} {
		s := stampOf(t, text)
		e, err := s.Event()
		require.ErrorIs(t, err, ErrExhausted, text)
		require.EqualError(t, err, "vclock: counter exhausted: all of a stamp at "+most)
		require.Equal(t, text, e.String())
	}
	for text, want := range map[string]string{
		"(1,4611686018427387903)":                               "(1," + most + ")",
		"((0,1),(4611686018427387900,0,3))":                     "((0,1),(4611686018427387900,0,4))",
		"((1,(0,1)),(4611686018427387903,0,1))":                 "((1,(0,1))," + most + ")",
		"(((0,1),(1,0)),(4611686018427387903,0,(0,1,0)))":       "(((0,1),(1,0)),(4611686018427387903,(0,0,1),(0,1,0)))",
		"(((0,1),(1,0)),(4611686018427387903,(0,0,1),0))":       "(((0,1),(1,0)),(4611686018427387903,(0,0,1),(0,1,0)))",
		"((1,0),(4611686018427387903,(0,0,1),0))":               "((1,0),(4611686018427387903,1,0))",
		"(((1,0),(1,0)),(4611686018427387903,0,(0,1,(0,0,1))))": "(((1,0),(1,0)),(4611686018427387903,(0,1,0),(0,1,(0,0,1))))",
	} {
		e, err := stampOf(t, text).Event()
		require.NoError(t, err, text)
		e.invariant(t)
		require.Equal(t, want, e.String(), text)
	}
}

// deepStamp owns one piece that has been cut so many times, and has counted there.
func deepStamp(cuts int) Stamp {
	s := Seed()
	for range cuts {
		s.id = pairID(s.id, idTree{})
	}
	s, _ = s.Event()
	return s
}

func (i idTree) mirrored() idTree {
	if i.halves == nil {
		return i
	}
	return pairID(i.halves[1].mirrored(), i.halves[0].mirrored())
}

func (e eventTree) mirrored() eventTree {
	if e.halves == nil {
		return e
	}
	return pairEvent(e.n, e.halves[1].mirrored(), e.halves[0].mirrored())
}

// TestStampDeep: what is as deep as can be is written and read, and one more is not; nor is there
// anything that a deep one cannot do. Planted and caught: a writer and a reader that do not count, for each of id and
// event and for bits and text.
func TestStampDeep(t *testing.T) {
	s := deepStamp(MaxDepth)
	s.invariant(t)
	var u, v Stamp
	b, err := s.MarshalBinary()
	require.NoError(t, err)
	require.NoError(t, u.UnmarshalBinary(b))
	text, err := s.MarshalText()
	require.NoError(t, err)
	require.NoError(t, v.UnmarshalText(text))
	for _, w := range []Stamp{u, v} {
		require.Equal(t, s.String(), w.String())
		require.Equal(t, Equal, s.Compare(w))
		_, err := Join(s, w)
		require.ErrorIs(t, err, ErrOverlap)
		again, err := Join(s, w.Peek())
		require.NoError(t, err)
		require.Equal(t, s.String(), again.String())
	}
	left, right := s.Fork()
	other := deepStamp(MaxDepth + 1)
	rightID, rightEvent := Stamp{id: other.id.mirrored()}, Stamp{event: other.event.mirrored()}
	for _, deeper := range []Stamp{left, right, {event: deepStamp(MaxDepth + 1).event}, deepStamp(5 * MaxDepth), rightID, rightEvent} {
		_, err = deeper.MarshalBinary()
		require.ErrorIs(t, err, ErrExhausted)
		require.EqualError(t, err, "vclock: counter exhausted: a stamp is cut more than 4096 times in one place")
		_, err = deeper.MarshalText()
		require.ErrorIs(t, err, ErrExhausted)
		old := stampOf(t, "(1,5)")
		require.ErrorContains(t, old.UnmarshalBinary(deeper.AppendTo([]byte{kindStamp.form()})), "is cut more than 4096 times")
		require.ErrorContains(t, old.UnmarshalText([]byte(deeper.String())), "is cut more than 4096 times")
		require.Equal(t, "(1,5)", old.String())
		if deeper.Anonymous() {
			continue
		}
		e, err := deeper.Event()
		require.NoError(t, err)
		require.Equal(t, After, e.Compare(deeper))
	}
	again, err := Join(left, right)
	require.NoError(t, err)
	require.Equal(t, s.String(), again.String())
}
