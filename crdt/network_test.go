package crdt

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/plinth-go/plinth/vclock"
)

// deeds are the abstract model of all runs here: what was done, and what the one who did it had seen. From that
// and a vector follows what a replica that has seen so much must show.
type deeds map[vclock.Dot]deed

type deed struct {
	seen    vclock.Vector // without itself
	element string
	adds    bool
	n       uint64
}

// cargo is a type that is carried through a network.
type cargo[T state[T]] struct {
	zero func() T
	// change does something by chance, and returns what it was. The delta may be empty.
	change func(t *testing.T, r *rand.Rand, id vclock.ID, v T) (T, deed)
	// want is what is to be shown by one that has seen so much.
	want func(e deeds, seen vclock.Vector) string
}

func counterCargo() cargo[*GCounter] {
	return cargo[*GCounter]{
		zero: func() *GCounter { return new(GCounter) },
		change: func(t *testing.T, r *rand.Rand, id vclock.ID, v *GCounter) (*GCounter, deed) {
			n := r.Uint64N(4)
			delta, err := v.Add(id, n)
			require.NoError(t, err)
			return delta, deed{n: n}
		},
		want: func(e deeds, seen vclock.Vector) string {
			sum := uint64(0)
			for dot, d := range e {
				if seen.Contains(dot) {
					sum += d.n
				}
			}
			return fmt.Sprint(sum)
		},
	}
}

func setCargo() cargo[*ORSet[string]] {
	return cargo[*ORSet[string]]{
		zero: func() *ORSet[string] { return new(ORSet[string]) },
		change: func(t *testing.T, r *rand.Rand, id vclock.ID, v *ORSet[string]) (*ORSet[string], deed) {
			e := string(rune('p' + r.IntN(5)))
			if r.IntN(3) == 0 {
				return v.Remove(e), deed{element: e}
			}
			delta, err := v.Add(id, e)
			require.NoError(t, err)
			return delta, deed{element: e, adds: true}
		},
		want: wantSet,
	}
}

// wantSet lists what was added, and not removed or added once more by somebody who had seen that.
func wantSet(all deeds, seen vclock.Vector) string {
	there := map[string]bool{}
	for dot, add := range all {
		if !add.adds || !seen.Contains(dot) {
			continue
		}
		alive := true
		for later, e := range all {
			alive = alive && !(seen.Contains(later) && e.element == add.element && e.seen.Contains(dot))
		}
		if alive {
			there[add.element] = true
		}
	}
	list := []string{}
	for e := range there {
		list = append(list, e)
	}
	slices.Sort(list)
	return fmt.Sprint(list)
}

// take takes a message by chance out of those that are under way, and mostly leaves none: it may come once
// more.
func take[M any](r *rand.Rand, way *[]M) M {
	i := r.IntN(len(*way))
	m := (*way)[i]
	if r.IntN(4) > 0 {
		*way = slices.Delete(*way, i, i+1)
	}
	return m
}
