package crdt

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/plinth-go/plinth/internal/form"
	"github.com/plinth-go/plinth/internal/seed"
	"github.com/plinth-go/plinth/vclock"
)

// invariant: nobody has less than no rights, so that the value needs nobody to hold it up; and the value is the bound and
// the rights of all. The numbers are small, and summed up in another way than Rights and Value do.
func (c *BoundedCounter) invariant(t *testing.T) {
	t.Helper()
	rights, sum := map[vclock.ID]int64{}, int64(0)
	for id, n := range c.added.All() {
		rights[id] += int64(n)
	}
	for id, n := range c.taken.All() {
		rights[id] -= int64(n)
	}
	for from, row := range c.given {
		require.Positive(t, row.Len())
		for to, n := range row.All() {
			require.NotEqual(t, from, to)
			rights[from] -= int64(n)
			rights[to] += int64(n)
		}
	}
	for id, n := range rights {
		require.GreaterOrEqual(t, n, int64(0), "%v in %+v", id, c)
		require.EqualValues(t, n, c.Rights(id))
		sum += n
	}
	require.Equal(t, c.least+sum, c.Value())
}

// trade lets a replica add, take or give by chance, and returns the delta.
func trade(t *testing.T, r *rand.Rand, id vclock.ID, replicas int, c *BoundedCounter) (delta *BoundedCounter) {
	t.Helper()
	value, rights, n := c.Value(), c.Rights(id), uint64(r.IntN(5))
	before, old := bytesOf(t, c), c.Clone()
	defer func() {
		old.Merge(delta)
		require.Equal(t, bytesOf(t, c), bytesOf(t, old))
	}()
	var err error
	switch r.IntN(4) {
	case 0:
		delta, err = c.Add(id, n)
		require.NoError(t, err)
		require.Equal(t, value+int64(n), c.Value())
		require.Equal(t, rights+n, c.Rights(id))
		return delta
	case 1, 2:
		to := vclock.ID(rune('a' + r.IntN(replicas)))
		delta, err = c.Transfer(id, to, n)
		require.Equal(t, value, c.Value())
		if to != id && err == nil {
			require.Equal(t, rights-n, c.Rights(id))
		}
	default:
		if delta, err = c.Take(id, n); err == nil {
			require.Equal(t, value-int64(n), c.Value())
			require.Equal(t, rights-n, c.Rights(id))
		}
	}
	if n > rights {
		require.ErrorIs(t, err, ErrNoRights)
		require.Equal(t, before, bytesOf(t, c))
		return NewBoundedCounter(c.least)
	}
	require.NoError(t, err)
	return delta
}

// TestBoundedCounterLaws. Planted and caught: a merge that forgets what was given; a Compare that sees only what the
// receiver has given; what is given and not taken off.
func TestBoundedCounterLaws(t *testing.T) {
	laws[*BoundedCounter]{
		zero: func() *BoundedCounter { return NewBoundedCounter(-3) },
		change: func(t *testing.T, r *rand.Rand, id vclock.ID, c *BoundedCounter) *BoundedCounter {
			return trade(t, r, id, 3, c)
		},
		invariant: func(t *testing.T, c *BoundedCounter) { c.invariant(t) },
	}.check(t)
}

// TestBoundedCounterIsNeverBelow: of all deltas of a run, any may come, and any may be lost: whoever gets some of them, in
// whatever order, sees nobody with less than no rights, and so no value below the bound. Planted and caught: deltas
// without where the rights come from, with that of one step only, or without what was given on the way.
func TestBoundedCounterIsNeverBelow(t *testing.T) {
	r, runs := seed.New(t), 25
	if form.Long() {
		runs = 300
	}
	moved := 0
	for range runs {
		at := make([]*BoundedCounter, 4)
		for i := range at {
			at[i] = NewBoundedCounter(100)
		}
		var deltas []*BoundedCounter
		for len(deltas) < 9 {
			i := r.IntN(len(at))
			delta := trade(t, r, vclock.ID(rune('a'+i)), len(at), at[i])
			at[i].invariant(t)
			if delta.taken.Len()+len(delta.given)+delta.added.Len() > 0 {
				deltas = append(deltas, delta)
			}
			if len(deltas) > 0 {
				at[r.IntN(len(at))].Merge(deltas[r.IntN(len(deltas))])
			}
		}
		moved += len(Join(at[0], at[1:]...).given)
		for some := range 1 << len(deltas) {
			seen := NewBoundedCounter(100)
			for i, delta := range deltas {
				if some>>i&1 == 1 {
					seen.Merge(delta)
				}
			}
			seen.invariant(t)
		}
	}
	require.Positive(t, moved, "nobody has given anything")
}

// TestThereAndBack: rights that come back come from where they go to. Planted and caught: a delta that adds to a number
// that it has already.
func TestThereAndBack(t *testing.T) {
	var a, b BoundedCounter
	added, err := a.Add("a", 8)
	require.NoError(t, err)
	b.Merge(added)
	for n := uint64(8); n > 0; n-- {
		there, err := a.Transfer("a", "b", n)
		require.NoError(t, err)
		b.Merge(there)
		b.invariant(t)
		back, err := b.Transfer("b", "a", n-1)
		require.NoError(t, err)
		a.Merge(back)
		a.invariant(t)
		require.Equal(t, vclock.Equal, a.Compare(&b))
		require.Equal(t, []uint64{n - 1, 9 - n}, []uint64{a.Rights("a"), a.Rights("b")})
	}
}

// TestTheLastTicket: two sell what there is one of. With numbers alone both can; with rights one of them can.
func TestTheLastTicket(t *testing.T) {
	var a, b PNCounter
	one, err := a.Add("a", 1)
	require.NoError(t, err)
	b.Merge(one)
	sold, err := a.Add("a", -1)
	require.NoError(t, err)
	_, err = b.Add("b", -1)
	require.NoError(t, err)
	b.Merge(sold)
	require.EqualValues(t, -1, b.Value())

	var c, d BoundedCounter
	ticket, err := c.Add("c", 1)
	require.NoError(t, err)
	d.Merge(ticket)
	_, err = c.Take("c", 1)
	require.NoError(t, err)
	_, err = d.Take("d", 1)
	require.ErrorIs(t, err, ErrNoRights)
	require.EqualError(t, err, "crdt: no rights: d has 0, and wants 1")
	require.EqualValues(t, 1, d.Value(), "and yet there is one, as far as d knows")
}

// TestAnOldCopySpendsTwice: rights are only as unique as names. The value stays at the bound, but one has been
// sold too many, and who knew of the first sale never learns of the second.
func TestAnOldCopySpendsTwice(t *testing.T) {
	var a BoundedCounter
	_, err := a.Add("a", 1)
	require.NoError(t, err)
	old := a.Clone()
	first, err := a.Take("a", 1)
	require.NoError(t, err)
	second, err := old.Take("a", 1)
	require.NoError(t, err)
	require.Equal(t, vclock.Equal, first.Compare(second))
	require.Zero(t, Join(first, second).Value())

	// With a new name there is nothing to spend, until somebody moves the rights of the old one.
	_, err = old.Take("a/2", 1)
	require.ErrorIs(t, err, ErrNoRights)
}

// TestBoundedCounterDeltas: a delta brings as many numbers as the rights have taken steps, and not the matrix.
// A hub gives to all; what a leaf takes brings the way from the hub. If all have given to all, it brings it all.
func TestBoundedCounterDeltas(t *testing.T) {
	size := func(leaves int, all bool) (add, take, state int) {
		var c BoundedCounter
		id := func(i int) vclock.ID { return vclock.ID(fmt.Sprintf("n%02d", i)) }
		_, err := c.Add("hub", 100)
		require.NoError(t, err)
		for i := range leaves {
			_, err = c.Transfer("hub", id(i), 1)
			require.NoError(t, err)
		}
		for i := range leaves {
			for j := 0; all && j < leaves; j++ {
				_, err = c.Transfer(id(i), id(j), 1)
				require.NoError(t, err)
				_, err = c.Transfer(id(j), id(i), 1)
				require.NoError(t, err)
			}
		}
		add1, err := c.Clone().Add(id(leaves-1), 1)
		require.NoError(t, err)
		take1, err := c.Clone().Take(id(leaves-1), 1)
		require.NoError(t, err)
		return len(bytesOf(t, add1)), len(bytesOf(t, take1)), len(bytesOf(t, &c))
	}
	for _, c := range []struct {
		leaves           int
		all              bool
		add, take, state int
	}{
		{2, false, 9, 21, 20}, {16, false, 9, 21, 62}, {64, false, 9, 21, 206}, {16, true, 9, 851, 847},
	} {
		add, take, state := size(c.leaves, c.all)
		require.Equal(t, []int{c.add, c.take, c.state}, []int{add, take, state}, "%+v", c)
	}
}

// TestBoundedCounterAtItsEnds: what does not fit is refused where it is added, and a sum that does not fit is the
// closest that does. Planted and caught: sums that lose their carry, a difference that is not cut off.
func TestBoundedCounterAtItsEnds(t *testing.T) {
	for _, least := range []int64{math.MinInt64, -1, 0, 1, math.MaxInt64} {
		c := NewBoundedCounter(least)
		require.Equal(t, least, c.Value())
		require.Equal(t, least, c.Bound())
		last := least
		for i := range 5 {
			id := vclock.ID(rune('a' + i))
			_, err := c.Add(id, vclock.MaxCount)
			require.NoError(t, err)
			require.GreaterOrEqual(t, c.Value(), last)
			last = c.Value()
			_, err = c.Add(id, 1)
			require.ErrorIs(t, err, vclock.ErrExhausted)
			_, err = c.Add(id, math.MaxUint64)
			require.ErrorIs(t, err, vclock.ErrExhausted)
		}
		require.Equal(t, int64(math.MaxInt64), last)
		for i := range 5 {
			id := vclock.ID(rune('a' + i))
			_, err := c.Transfer(id, "z", vclock.MaxCount)
			require.NoError(t, err)
			_, err = c.Add(id, 0)
			require.NoError(t, err)
		}
		require.Equal(t, uint64(math.MaxUint64), c.Rights("z"), "five times 2⁶²")
		require.Zero(t, c.Rights("a"))
		_, err := c.Transfer("z", "a", vclock.MaxCount)
		require.NoError(t, err)
		require.Equal(t, uint64(math.MaxUint64), c.Rights("z"), "four times 2⁶²")
		_, err = c.Take("z", vclock.MaxCount)
		require.NoError(t, err)
		require.Equal(t, uint64(3*vclock.MaxCount), c.Rights("z"))
		before := bytesOf(t, c)
		_, err = c.Take("z", 1)
		require.ErrorIs(t, err, vclock.ErrExhausted)
		_, err = c.Transfer("z", "a", 1)
		require.ErrorIs(t, err, vclock.ErrExhausted)
		require.Equal(t, before, bytesOf(t, c))
	}
}

// TestBoundedCounterHostile: whatever the numbers say, the value is at least the bound and nothing wraps. Planted and
// caught: a difference that is not looked at for its sign.
func TestBoundedCounterHostile(t *testing.T) {
	for _, least := range []int64{math.MinInt64, -1, 0, math.MaxInt64} {
		for _, taken := range []int{1, 5, 8} {
			c := NewBoundedCounter(least)
			for i := range taken {
				raise(&c.taken, vclock.ID(rune('a'+i)), vclock.MaxCount)
			}
			c.give("z", c.taken)
			require.Equal(t, least, c.Value())
			require.Zero(t, c.Rights("a"))
			require.Zero(t, c.Rights("z"))
			_, err := c.Take("a", 1)
			require.ErrorIs(t, err, ErrNoRights)
		}
	}
}

func TestBoundedCounterRefuses(t *testing.T) {
	c := NewBoundedCounter(5)
	_, err := c.Add("a", 3)
	require.NoError(t, err)
	before := bytesOf(t, c)
	for what, f := range map[string]func() (*BoundedCounter, error){
		"Add":         func() (*BoundedCounter, error) { return c.Add("", 1) },
		"Take":        func() (*BoundedCounter, error) { return c.Take("\xff", 0) },
		"Transfer":    func() (*BoundedCounter, error) { return c.Transfer("", "a", 0) },
		"Transfer to": func() (*BoundedCounter, error) { return c.Transfer("a", "", 1) },
	} {
		delta, err := f()
		require.Nil(t, delta)
		require.ErrorIs(t, err, vclock.ErrID, what)
		require.ErrorContains(t, err, "crdt: BoundedCounter: ", what)
	}
	_, err = c.Transfer("a", "b", 4)
	require.EqualError(t, err, "crdt: no rights: a has 3, and wants 4")
	_, err = c.Transfer("a", "a", 4)
	require.ErrorIs(t, err, ErrNoRights)
	require.Equal(t, before, bytesOf(t, c))
	require.PanicsWithValue(t, "crdt: BoundedCounter: bounds of 5 and 0", func() { c.Merge(new(BoundedCounter)) })
	require.PanicsWithValue(t, "crdt: BoundedCounter: bounds of 0 and 5", func() { new(BoundedCounter).Compare(c) })
}

func TestBoundedCounterBytes(t *testing.T) {
	var c BoundedCounter
	_, _ = c.Add("a", 10)
	_, _ = c.Transfer("a", "b", 4)
	_, _ = c.Take("b", 3)
	formIs(t, &c, new(BoundedCounter), "1800010161"+"0a010162"+"03010161"+"01016204", "7")
	formIs(t, NewBoundedCounter(-1), NewBoundedCounter(-1), "1801000000", "-1")
	formsRefused(t, &c, map[string]string{
		"":                                    "it ends here",
		"0800":                                "this is a form of GCounter",
		"19":                                  "version 1 of its form",
		"1802000000":                          "a bound of 1: this one has 0",
		"18ffffffffffffffffffff01":            "more than 64 bits",
		"180000000000":                        "1 bytes after the end",
		"1800010161000000":                    "a number of 0 for a",
		"1800000001" + "0161" + "00" + "0000": "a gives to nobody, or to itself",
		"1800000001" + "0161" + "01016101":    "a gives to nobody, or to itself",
		"1800000002" + "0161" + "01016201" + "0161" + "01016201": "names out of order",
		"180000007f": "at most 0",
	})
}

func FuzzBoundedCounter(f *testing.F) {
	var c BoundedCounter
	_, _ = c.Add("a", 10)
	gave, _ := c.Transfer("a", "b", 4)
	took, _ := c.Take("b", 3)
	f.Add([]byte(bytesOf(f, gave)), []byte(bytesOf(f, took)))
	f.Add([]byte(bytesOf(f, new(BoundedCounter))), []byte("\x18\x00\x00\x01\x01a\x03\x00"))
	f.Fuzz(func(t *testing.T, a, b []byte) {
		anyForms(t, func() *BoundedCounter { return new(BoundedCounter) }, a, b)
		var c, d BoundedCounter
		if c.UnmarshalBinary(a) == nil && d.UnmarshalBinary(b) == nil {
			c.Merge(&d)
			require.GreaterOrEqual(t, c.Value(), int64(0))
		}
	})
}

func BenchmarkTake(b *testing.B) {
	for _, n := range []int{1, 16, 128} {
		b.Run(fmt.Sprintf("impl=plinth/n=%d", n), func(b *testing.B) {
			var c BoundedCounter
			_, _ = c.Add("hub", vclock.MaxCount)
			for i := range n {
				_, _ = c.Transfer("hub", vclock.ID(fmt.Sprintf("n%03d", i)), 1<<40)
			}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := c.Take("n000", 1); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
