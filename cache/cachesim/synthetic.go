package cachesim

import (
	"fmt"
	"math/rand/v2"
)

// Synthetic makes traces for those who have none of their own. Three loads take
// turns in it, because each is what some policy fails at:
//
//   - A working set: popularity follows Zipf's law, and drifts, so that what was
//     popular an hour ago is not for ever. A policy that only counts uses keeps
//     yesterday's keys.
//   - Scans: a thousand keys that are asked for once and never again, such as a
//     backup reads. A policy that only looks at recency lets them flush the rest.
//   - A loop: a table that is read over and over from its beginning. With less
//     room than the table, the least recently used row is the one needed next.
//
// A recorded trace is better. Real loads have structure that nobody has put
// into this one, so it can show what a policy does to a pattern and not which
// policy you should use.
//
// The zero Synthetic is a good one; zero fields mean what their comments say. It
// is a plain value: safe for concurrent use as long as nobody changes it.
type Synthetic struct {
	Requests int     // 0 means 500,000
	Keys     int     // of the working set; 0 means 50,000
	Skew     float64 // of Zipf's law: the r-th key is asked for r^Skew times less often than the first; above 1, 0 means 1.01
	Drift    int     // requests to the working set between two changes of popularity; 0 means 200
	Loop     int     // keys in the loop; 0 means 2,000
	Seed     uint64  // other seeds make other traces of the same kind
}

// The shares of the loads, in tenths of the requests; the working set has the
// rest. Turns are short, so the loads mix.
const (
	turn       = 1000 // requests
	loopTenths = 1
	scanTenths = 1
)

// Trace makes the trace. The same Synthetic always makes the same one.
func (s Synthetic) Trace() Trace {
	s = s.withDefaults()
	g := generator{Synthetic: s, rnd: rand.New(rand.NewPCG(s.Seed, 1)), perm: make([]uint64, s.Keys)}
	g.zipf = rand.NewZipf(g.rnd, s.Skew, 1, uint64(s.Keys-1))
	for i := range g.perm {
		g.perm[i] = uint64(i)
	}
	t := make(Trace, 0, s.Requests)
	for len(t) < s.Requests {
		next := g.turn()
		for range min(turn, s.Requests-len(t)) {
			t = append(t, next())
		}
	}
	return t
}

func (s Synthetic) withDefaults() Synthetic {
	or := func(field *int, name string, value int) {
		if *field < 0 {
			panic(fmt.Sprintf("cachesim: Synthetic: %s is %d, want at least 1, or 0 for %d", name, *field, value))
		}
		if *field == 0 {
			*field = value
		}
	}
	or(&s.Requests, "Requests", 500_000)
	or(&s.Keys, "Keys", 50_000)
	or(&s.Drift, "Drift", 200)
	or(&s.Loop, "Loop", 2_000)
	if s.Skew == 0 {
		s.Skew = 1.01
	}
	if !(s.Skew > 1) { // NaN too
		panic(fmt.Sprintf("cachesim: Synthetic: Skew is %v, want more than 1, or 0 for 1.01", s.Skew))
	}
	return s
}

// generator makes the keys of one trace: those of the working set come first in
// the numbers, then those of the loop, then those of the scans without end.
type generator struct {
	Synthetic
	rnd  *rand.Rand
	zipf *rand.Zipf
	perm []uint64 // the key of each rank of popularity

	asked   int // requests to the working set
	looped  int
	scanned int
}

// turn chooses the load whose turn it is, and returns what asks for its next
// key.
func (g *generator) turn() func() uint64 {
	switch tenth := g.rnd.IntN(10); {
	case tenth < loopTenths:
		return g.loop
	case tenth < loopTenths+scanTenths:
		return g.scan
	}
	return g.popular
}

// loop goes on where it stopped in its last turn.
func (g *generator) loop() uint64 {
	g.looped++
	return uint64(g.Keys + (g.looped-1)%g.Loop)
}

func (g *generator) scan() uint64 {
	g.scanned++
	return uint64(g.Keys + g.Loop + g.scanned - 1)
}

// popular asks for a key of the working set. Drift lets a popular key (drawn as
// keys are asked for) and any other change places.
func (g *generator) popular() uint64 {
	if g.asked++; g.asked%g.Drift == 0 {
		a, b := g.zipf.Uint64(), g.rnd.IntN(g.Keys)
		g.perm[a], g.perm[b] = g.perm[b], g.perm[a]
	}
	return g.perm[g.zipf.Uint64()]
}
