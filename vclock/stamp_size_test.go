package vclock

import (
	"encoding/binary"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/plinth-go/plinth/internal/seed"
)

// What stamps take: under churn, for many that are alive, and in allocations.

// TestStampChurn: eight at a time at most, which come and go, beside the paper's functions.
func TestStampChurn(t *testing.T) {
	c := churn{t: t, r: seed.New(t), most: 8, alive: []Stamp{Seed()}, naive: []paperStamp{paperSeed()}}
	for range 4000 {
		i := c.step()
		c.alive[i].invariant(t)
		require.Equal(t, c.naive[i].String(), c.alive[i].String())
		j := c.r.IntN(len(c.alive))
		require.Equal(t, c.naive[i].compare(c.naive[j]), c.alive[i].Compare(c.alive[j]))
	}
}

// TestStampSizeUnderChurn is what stamps take when there have been many more than are alive. If who retires is
// joined by whomever, what is owned falls into ever more pieces, and a stamp takes several times as much; if by
// the one with whom it leaves the fewest cuts, then it does not grow.
func TestStampSizeUnderChurn(t *testing.T) {
	for _, test := range []struct {
		most      int
		neighbour bool
		forks     int
		bytes     []int // at most, in each quarter of the run
	}{
		{8, false, 774, []int{44, 37, 44, 45}},
		{8, true, 774, []int{18, 21, 21, 20}},
		{64, false, 914, []int{157, 258, 354, 401}},
		{64, true, 914, []int{96, 108, 115, 113}},
	} {
		const steps = 8000
		r := rand.New(rand.NewPCG(1, 2))
		c := churn{t: t, r: r, most: test.most, neighbour: test.neighbour, alive: []Stamp{Seed()}}
		bytes := make([]int, 4)
		for step := range steps {
			b, err := c.alive[c.step()].MarshalBinary()
			require.NoError(t, err)
			bytes[step*4/steps] = max(bytes[step*4/steps], len(b))
		}
		t.Logf("%d at a time, with neighbours %v, %d forks: at most %d bytes", test.most, test.neighbour, c.forks, bytes)
		require.Equal(t, test.forks, c.forks)
		require.Equal(t, test.bytes, bytes)
	}
}

// churn is some stamps that are alive, and if there is one in naive, the same as the paper has them.
type churn struct {
	t         *testing.T
	r         *rand.Rand
	most      int
	neighbour bool // joins the one with which the fewest cuts remain
	alive     []Stamp
	naive     []paperStamp
	forks     int
}

// step does something to one, and returns which it was.
func (c *churn) step() int {
	i, last := c.r.IntN(len(c.alive)), len(c.alive)-1
	j := c.r.IntN(len(c.alive))
	switch op := c.r.IntN(9); {
	case op <= 1 && last+1 < c.most:
		a, b := c.alive[i].Fork()
		c.alive = append(c.alive, b)
		c.alive[i] = a
		c.forks++
		if c.naive != nil {
			x, y := c.naive[i].fork()
			c.naive = append(c.naive, y)
			c.naive[i] = x
		}
	case op == 2 && i != j:
		if c.neighbour {
			j = c.closest(i)
		}
		c.join(i, j, c.alive[j])
		c.alive[j] = c.alive[last]
		c.alive = c.alive[:last]
		if c.naive != nil {
			c.naive[j] = c.naive[last]
			c.naive = c.naive[:last]
		}
		if i == last {
			i = j // where the last is now
		}
	case op <= 5:
		s, err := c.alive[i].Event()
		require.NoError(c.t, err)
		c.alive[i] = s
		if c.naive != nil {
			c.naive[i] = c.naive[i].happen()
		}
	default:
		c.join(i, j, c.alive[j].Peek())
	}
	return i
}

// join takes what j has, or only knows, to i.
func (c *churn) join(i, j int, from Stamp) {
	s, err := Join(c.alive[i], from)
	require.NoError(c.t, err)
	c.alive[i] = s
	if c.naive != nil {
		theirs := c.naive[j]
		if from.Anonymous() {
			theirs.id = paperLeaf(0)
		}
		c.naive[i] = c.naive[i].join(theirs)
	}
}

func (c *churn) closest(i int) int {
	best, fewest := -1, 0
	for j, s := range c.alive {
		if j == i {
			continue
		}
		sum, ok := c.alive[i].id.sum(s.id)
		require.True(c.t, ok)
		if more := sum.cuts() - s.id.cuts(); best < 0 || more < fewest {
			best, fewest = j, more
		}
	}
	return best
}

// TestStampSize is what is written for as many as are alive, after each has counted up to 1,000 events and knows of
// the others'. The same trees in bytes take a byte for each piece of an id, and a varint with a bit that
// says whether halves follow for each of an event.
func TestStampSize(t *testing.T) {
	for n, want := range map[int]int{3: 7, 16: 37, 256: 563} {
		s := stampsOf(n)[0]
		b, err := s.MarshalBinary()
		require.NoError(t, err)
		inBytes := 2 + 2*s.id.cuts() + s.event.inBytes()
		t.Logf("%3d alive: %3d bytes, %4d with varints, %4d as text, %3d cuts",
			n, len(b), inBytes, len(s.String()), s.id.cuts()+s.event.cuts())
		require.Len(t, b, want)
	}
}

func (e eventTree) inBytes() int {
	size := len(binary.AppendUvarint(nil, e.n<<1))
	if e.halves == nil {
		return size
	}
	return size + e.halves[0].inBytes() + e.halves[1].inBytes()
}

func (i idTree) cuts() int {
	if i.halves == nil {
		return 0
	}
	return 1 + i.halves[0].cuts() + i.halves[1].cuts()
}

func (e eventTree) cuts() int {
	if e.halves == nil {
		return 0
	}
	return 1 + e.halves[0].cuts() + e.halves[1].cuts()
}

// stampsOf has so many that are alive, of pieces as even as can be, which have counted up to 1,000 events each,
// and know of all of them but the last of the others.
func stampsOf(n int) []Stamp {
	r := rand.New(rand.NewPCG(1, uint64(n)))
	alive := []Stamp{Seed()}
	for len(alive) < n {
		a, b := alive[0].Fork()
		alive = append(alive[1:], a, b)
	}
	known := Stamp{}
	for i := range alive {
		for range r.IntN(1000) {
			alive[i], _ = alive[i].Event()
		}
		known, _ = Join(known, alive[i].Peek())
	}
	for i := range alive {
		alive[i], _ = Join(alive[i], known)
		alive[i], _ = alive[i].Event()
	}
	return alive
}

// TestStampCompareDoesNotAllocate, and an event allocates as often as its piece was cut.
func TestStampCompareDoesNotAllocate(t *testing.T) {
	for n, cuts := range map[int]int{4: 2, 16: 4, 256: 8} {
		alive := stampsOf(n)
		a, b := alive[0], alive[n-1]
		far := b.foreign()
		next, err := b.Event()
		require.NoError(t, err)
		next = next.Peek()
		require.Zero(t, testing.AllocsPerRun(100, func() {
			if a.Compare(b) != Concurrent || a.Compare(far) != Concurrent || a.Descends(far) {
				panic("not concurrent")
			}
			if s, err := Join(b, far.Peek()); err != nil || s.Compare(b) != Equal {
				panic("not known")
			}
			if s, err := Join(b, next); err != nil || s.Compare(next) != Equal {
				panic("not all new")
			}
		}))
		require.Equal(t, float64(cuts), testing.AllocsPerRun(100, func() { _, _ = a.Event() }))
	}
}

// foreign is s with nothing shared, as if it had come over the wire.
func (s Stamp) foreign() (u Stamp) {
	b, _ := s.MarshalBinary()
	_ = u.UnmarshalBinary(b)
	return u
}
