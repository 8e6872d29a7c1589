package crdt

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/plinth-go/plinth/internal/seed"
	"github.com/plinth-go/plinth/vclock"
)

// TestSettledInAGroupThatChanges: as TestSettledChangesNothing, but members ask in one direction, answers come late, twice or
// never, each has a bound of its own on its log, one joins when the others have begun, and one leaves when all have what it
// has done. At the end all have met, and the group that forgets has nothing left to forget. Planted and caught: one that joins
// and changes something before it has what the others have.
func TestSettledInAGroupThatChanges(t *testing.T) {
	r := seed.New(t)
	forgot := 0
	for range times(8, 25, 400) {
		g := newTwins(t, r)
		join, leave := 50+r.IntN(150), 200+r.IntN(150)
		for step := range 400 {
			switch {
			case step == join:
				g.join(t, r, "d")
			case step == leave:
				g.leave(t)
			}
			forgot += g.step(t, r)
			g.same(t, step)
		}
		for range 3 {
			g.meet(t)
		}
		g.same(t, -1)
		for range 3 {
			g.forget(t, 0)
			g.meet(t)
		}
		for _, s := range g.forgets {
			_, removed := s.elements()
			require.Zero(t, removed, "%v", s.ID())
		}
	}
	require.Positive(t, forgot)
}

// twins are two groups that do the same, but that only one of them forgets.
type twins struct {
	keeps, forgets []removeSet
	late           []twinAnswer
}

// twinAnswer is one that is under way.
type twinAnswer struct {
	to             vclock.ID
	keeps, forgets []byte
}

func newTwins(t *testing.T, r *rand.Rand) *twins {
	g := new(twins)
	names := []vclock.ID{"a", "b", "c"}
	for _, name := range names {
		c := ReplicaConfig{Members: names, LogBytes: 100 << r.IntN(8)}
		g.keeps = append(g.keeps, newRemoveSet(t, name, c))
		g.forgets = append(g.forgets, newRemoveSet(t, name, c))
	}
	return g
}

func newRemoveSet(t *testing.T, name vclock.ID, c ReplicaConfig) removeSet {
	r, err := NewReplica(name+".1", func() *RWSet[string] { return new(RWSet[string]) }, c)
	require.NoError(t, err)
	return removeSet{r}
}

// join adds a member, first for the others. Then it takes in all that one of them has, before it changes anything: if it had
// done something before, that would be beside removals that the others have forgotten.
func (g *twins) join(t *testing.T, r *rand.Rand, name vclock.ID) {
	var members []vclock.ID
	for i := range g.keeps {
		require.NoError(t, g.keeps[i].Join(name))
		require.NoError(t, g.forgets[i].Join(name))
		own, _ := SplitID(g.keeps[i].ID())
		members = append(members, own)
	}
	c := ReplicaConfig{Members: members}
	g.keeps, g.forgets = append(g.keeps, newRemoveSet(t, name, c)), append(g.forgets, newRemoveSet(t, name, c))
	last := len(members)
	g.arrive(t, g.ask(t, last, r.IntN(last)))
}

// leave takes out the last one, whose changes all others get first.
func (g *twins) leave(t *testing.T) {
	g.meet(t)
	last := len(g.keeps) - 1
	name, _ := SplitID(g.keeps[last].ID())
	g.keeps, g.forgets, g.late = g.keeps[:last], g.forgets[:last], nil
	for i := range g.keeps {
		require.True(t, g.keeps[i].Forget(name))
		require.True(t, g.forgets[i].Forget(name))
	}
}

// step does something by chance, and returns how many removals it forgot.
func (g *twins) step(t *testing.T, r *rand.Rand) int {
	i, e := r.IntN(len(g.keeps)), fmt.Sprint("e", r.IntN(3))
	switch r.IntN(14) {
	case 0:
		g.keeps[i].add(t, e)
		g.forgets[i].add(t, e)
	case 1:
		g.keeps[i].remove(t, e)
		g.forgets[i].remove(t, e)
	case 2, 3:
		return g.forget(t, i)
	case 4, 5, 6:
		if len(g.late) > 0 {
			n := r.IntN(len(g.late))
			g.arrive(t, g.late[n])
			if r.IntN(4) > 0 { // or it comes once more
				g.late = append(g.late[:n], g.late[n+1:]...)
			}
		}
	default:
		// A ring, mostly: who asks is mostly the next one.
		j := (i + 1) % len(g.keeps)
		if r.IntN(4) == 0 {
			j = (i + 1 + r.IntN(len(g.keeps)-1)) % len(g.keeps)
		}
		a := g.ask(t, i, j)
		switch r.IntN(4) {
		case 0: // lost
		case 1:
			g.late = append(g.late, a)
		default:
			g.arrive(t, a)
		}
	}
	return 0
}

func (g *twins) forget(t *testing.T, i int) int {
	_, before := g.forgets[i].elements()
	g.forgets[i].forget(t, g.forgets[i].Settled())
	_, after := g.forgets[i].elements()
	return before - after
}

// ask makes an answer, which has the same in both groups: all that is lacking.
func (g *twins) ask(t *testing.T, to, from int) twinAnswer {
	keeps, err := g.keeps[from].Delta(g.keeps[to].Summary())
	require.NoError(t, err)
	forgets, err := g.forgets[from].Delta(g.forgets[to].Summary())
	require.NoError(t, err)
	return twinAnswer{g.keeps[to].ID(), keeps, forgets}
}

func (g *twins) arrive(t *testing.T, a twinAnswer) {
	for i := range g.keeps {
		if g.keeps[i].ID() == a.to {
			require.NoError(t, g.keeps[i].Receive(a.keeps))
			require.NoError(t, g.forgets[i].Receive(a.forgets))
		}
	}
}

// meet lets all ask all, until nobody lacks anything.
func (g *twins) meet(t *testing.T) {
	for range 2 {
		for i := range g.keeps {
			for j := range g.keeps {
				if i != j {
					g.arrive(t, g.ask(t, i, j))
				}
			}
		}
	}
}

func (g *twins) same(t *testing.T, step int) {
	for i := range g.keeps {
		want, _ := g.keeps[i].elements()
		got, _ := g.forgets[i].elements()
		require.Equal(t, want, got, "step %d, %v", step, g.keeps[i].ID())
	}
}
