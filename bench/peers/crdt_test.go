package main

import (
	"bytes"
	"errors"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

func openedShared(t *testing.T, impl, kind, name string) shared {
	s, err := openShared(impl, kind, name)
	require.NoError(t, err)
	return s
}

// forAllShared leaves out what is not there: automerge without C, and what the naive form has not.
func forAllShared(t *testing.T, kinds []string, f func(t *testing.T, impl, kind string)) {
	for _, kind := range kinds {
		for _, impl := range sharedImpls() {
			if _, err := openShared(impl, kind, sharedHere); errors.Is(err, errNotThere) {
				continue
			}
			t.Run(impl+"/"+kind, func(t *testing.T) { f(t, impl, kind) })
		}
	}
}

// TestSharedForms: two replicas that tell each other of each change have what a plain set would have, and so has
// whoever reads or copies it. Planted and caught: a removal without a tombstone, or without a message; a copy that forgets what
// was removed, or shares it; a load that forgets it.
func TestSharedForms(t *testing.T) {
	forAllShared(t, []string{kindSet, kindMap, kindReplica}, func(t *testing.T, impl, kind string) {
		both := [2]shared{openedShared(t, impl, kind, sharedHere), openedShared(t, impl, kind, sharedThere)}
		rng := rand.New(rand.NewPCG(1, 2))
		all, model := sharedElements(namesRandom, 12), map[string]bool{}
		for step := range 200 {
			e, at := all[rng.IntN(len(all))], rng.IntN(2)
			if model[e] {
				require.NoError(t, both[at].remove(e))
				delete(model, e)
			} else {
				require.NoError(t, both[at].add(e))
				model[e] = true
			}
			b, err := both[at].message()
			require.NoError(t, err)
			require.NoError(t, both[1-at].receive(b), "step %d", step)
			want := slices.Sorted(maps.Keys(model))
			for _, s := range both {
				require.ElementsMatch(t, want, s.elements(), "step %d", step)
				require.Equal(t, len(want), s.count())
			}
		}
		saved, err := both[0].save()
		require.NoError(t, err)
		loaded, err := loadShared(impl, kind, "replica-3", saved)
		require.NoError(t, err)
		copied, err := both[1].copy("replica-4")
		require.NoError(t, err)
		require.Equal(t, both[0].elements(), loaded.elements())
		require.Equal(t, both[0].elements(), copied.elements())

		// What is removed from a copy is there in the other one, until they merge.
		gone := loaded.elements()[0]
		require.NoError(t, copied.remove(gone))
		require.NoError(t, loaded.addAll([]string{"new"}))
		require.Contains(t, both[1].elements(), gone)
		require.NoError(t, loaded.merge(copied))
		require.NotContains(t, loaded.elements(), gone)
		require.Contains(t, loaded.elements(), "new")
	})
}

// TestSharedMeet: after a session both have what each of them had. Planted and caught: a session that is over when one
// side is silent for the first time; bytes of one direction, or of the last message only; commits with the time of the day.
func TestSharedMeet(t *testing.T) {
	forAllShared(t, []string{kindReplica}, func(t *testing.T, impl, kind string) {
		here, there := openedShared(t, impl, kind, sharedHere), openedShared(t, impl, kind, sharedThere)
		all := sharedElements(namesNumbered, 100)
		require.NoError(t, addEach(here, all[:40]))
		require.NoError(t, there.addAll(all[40:]))
		session, err := here.meet(there)
		require.NoError(t, err)
		first, err := session()
		require.NoError(t, err)
		require.Equal(t, all, here.elements())
		require.Equal(t, all, there.elements())
		require.NoError(t, there.remove(all[7]))
		again, err := session()
		require.NoError(t, err)
		require.Equal(t, there.elements(), here.elements())
		require.Equal(t, 99, here.count())
		require.Equal(t, map[string][2]int{implPlinth: {3384, 109}, implAutomerge: {4996, 323}}[impl], [2]int{first, again})
	})
}

// TestSharedWork proves that each form does the work that is measured: the runs count what is left.
func TestSharedWork(t *testing.T) {
	for i, c := range (sharedSpeed{}).cells() {
		for _, impl := range sharedImpls() {
			if impl == implAutomerge && c.op == "load/after=churn" {
				continue // 40,000 commits
			}
			_, err := c.rate(impl, 1e-3)
			if errors.Is(err, errNotThere) {
				continue
			}
			require.NoError(t, err, "%s by %s", sharedSpeed{}.names()[i], impl)
		}
	}
}

// countedShared counts the changes of a set, which must change something each time.
type countedShared struct {
	shared
	added, removed int
}

func (s *countedShared) add(e string) error {
	if before := s.count(); s.shared.add(e) == nil && s.count() == before+1 {
		s.added++
	}
	return nil
}

func (s *countedShared) remove(e string) error {
	if before := s.count(); s.shared.remove(e) == nil && s.count() == before-1 {
		s.removed++
	}
	return nil
}

// TestChurn: in whatever order, each of 200 elements is added 100 times, removed before each of those but the first, and is left.
func TestChurn(t *testing.T) {
	all := sharedElements(namesNumbered, sharedLeft)
	for _, change := range []func(shared, []string) error{churn, shuffledChurn} {
		s := &countedShared{shared: openedShared(t, implPlinth, kindSet, sharedHere)}
		require.NoError(t, change(s, all))
		require.Equal(t, 20_000, s.added)
		require.Equal(t, 19_800, s.removed)
		require.Equal(t, all, s.elements())
	}
}

// TestNaive: no bytes make the naive form panic, and what is cut is refused. Planted and caught: bytes after the end; a place
// that no name has; a set that reads its own state and gives its tags once more; a copy that shares tags.
func TestNaive(t *testing.T) {
	s := newNaiveSet(sharedHere)
	require.NoError(t, addEach(s, []string{"milk", "eggs", "milk"}))
	require.NoError(t, s.remove("milk"))
	require.Equal(t, []string{"eggs"}, s.elements())
	b, err := s.save()
	require.NoError(t, err)
	require.Len(t, b, 35)
	for i := range b {
		_, err := parseNaive(b[:i])
		require.ErrorIs(t, err, errNaive, "%d", i)
	}
	for bit := range 8 * len(b) {
		flipped := slices.Clone(b)
		flipped[bit/8] ^= 1 << (bit % 8)
		_, _ = parseNaive(flipped)
	}
	_, err = parseNaive(append(slices.Clone(b), 0))
	require.ErrorIs(t, err, errNaive)
	c, err := s.copy(sharedThere)
	require.NoError(t, err)
	require.NoError(t, errors.Join(c.add("eggs"), c.remove("eggs"), c.add("tea")))
	same, err := s.save()
	require.NoError(t, err)
	require.Equal(t, b, same, "a copy shares nothing")

	again := newNaiveSet(sharedHere)
	require.NoError(t, again.receive(b))
	require.NoError(t, again.add("tea"))
	require.Equal(t, []string{"eggs", "tea"}, again.elements(), "its tag is a new one")

	// With its old name, but not its old tags, one tag is that of two elements.
	twin := newNaiveSet("phone")
	require.NoError(t, twin.add("milk"))
	other := newNaiveSet("phone")
	require.NoError(t, other.add("eggs"))
	require.NoError(t, twin.merge(other))
	require.Equal(t, []string{"eggs", "milk"}, twin.elements())
	require.NoError(t, twin.remove("eggs"))
	require.Empty(t, twin.elements(), "the milk goes with the eggs")
}

// TestSharedSizes: bytes are the same everywhere, but those of package flate, which another version of Go may change. Planted
// and caught: a map without values, commits with the time of the day.
func TestSharedSizes(t *testing.T) {
	want := map[string][3]int{ // in the order of sharedImpls
		"CrdtSize/kind=set/state/names=numbered/n=1000":           {17_887, 2_192, 17_887},
		"CrdtSize/kind=set/state/names=random/n=1000":             {17_887, 12_313, 17_887},
		"CrdtSize/kind=set/churn=in-turn/names=numbered/n=200":    {3_651, 624, 129_360},
		"CrdtSize/kind=set/churn=shuffled/names=numbered/n=200":   {3_815, 58_120, 129_196},
		"CrdtSize/kind=set/message=add/names=numbered/n=10000":    {33, 93, 31},
		"CrdtSize/kind=set/message=remove/names=numbered/n=10000": {15, 102, 16},
		"CrdtSize/kind=map/state/names=numbered/n=1000":           {31_887, 4_248, 0},
		"CrdtSize/kind=map/message=add/names=numbered/n=10000":    {47, 109, 0},
		"CrdtSize/kind=replica/meet=first/names=numbered/n=10000": {122, 25_363, 0},
		"CrdtSize/kind=replica/meet=again/names=numbered/n=10000": {122, 241, 0},
	}
	for i, name := range (sharedSizes{}).names() {
		sizes, is := want[name]
		if !is {
			continue
		}
		delete(want, name)
		for j, impl := range sharedImpls() {
			state := sharedSizes{}.states()[i]
			if impl == implAutomerge && (state.kind == kindReplica || state.n == sharedLeft) {
				continue // thousands of commits, which take too long for a test
			}
			if impl == implAutomerge {
				state.n = min(state.n, 1_000) // and a message is the same then
			}
			size, err := state.size(impl)
			if errors.Is(err, errNotThere) {
				continue
			}
			require.NoError(t, err)
			require.Equal(t, sizes[j], size, "%s by %s", name, impl)
		}
		if state := (sharedSizes{}).states()[i]; state.what == "state" {
			size, err := state.size(implDeflated)
			require.NoError(t, err)
			require.Less(t, size, sizes[0])
			require.Greater(t, 2*size, sizes[1], "and not to nothing")
		}
	}
	require.Empty(t, want)
}

// TestSharedFacts holds what becomes of each. Planted and caught: a commit that fails if it is empty, a replica
// that sends all of its changes again, bits that do not flip.
func TestSharedFacts(t *testing.T) {
	want := map[string][]string{ // in the order of sharedFacts.forms
		"one adds once more what the other one removes":     {"[milk]", "[milk]", "[]", "[milk]"},
		"two write a key at the same time":                  {"[coffee tea]", "-", "[tea]", "-"},
		"a message is lost, and the next one comes":         {"[eggs tea]", "refused", "[tea]", "[eggs tea]"},
		"and then that which was lost":                      {"[eggs milk tea]", "[milk tea]", "[eggs milk tea]", "[eggs milk tea]"},
		"a restored replica sends with its old name":        {"[]", "refused", "refused", "[eggs milk]"},
		"a restored replica meets others with its old name": {"-", "[milk]", "refused", "-"},
		"a restored replica sends with a new name":          {"[eggs milk]", "[eggs milk]", "[eggs milk]", "[eggs milk]"},
		"garbage comes as a message":                        {"refused", "refused", "no error", "refused"},
		"each bit of a message flips in turn":               {"76 of 152 taken", "115 of 256 taken", "no error", "95 of 152 taken"},
		"what there was before a removal is asked for":      {"-", "-", "[milk]", "-"},
	}
	require.Len(t, want, len(sharedFacts{}.facts()))
	_, err := openShared(implAutomerge, kindSet, sharedHere)
	for _, fact := range (sharedFacts{}).facts() {
		for i, form := range (sharedFacts{}).forms() {
			end, errEnd := fact.end(form)
			require.NoError(t, errEnd)
			if form.impl == implAutomerge && errors.Is(err, errNotThere) {
				require.Equal(t, "-", end)
				continue
			}
			require.Equal(t, want[fact.name][i], end, "%s by %s", fact.name, form.name)
		}
	}
}

// TestSharedComparisons makes the tables, with little work.
func TestSharedComparisons(t *testing.T) {
	for pattern, rows := range map[string]int{"CrdtSpeed/kind=set/.*add": 3, "CrdtSize/.*n=1000$": 3, "CrdtFacts": 10} {
		var out, progress bytes.Buffer
		args := []string{"-run", pattern, "-rounds", "1", "-scale", "0.01", "-dir", t.TempDir()}
		require.Zero(t, program(t.Context(), args, &out, &progress), progress.String())
		require.Equal(t, rows, bytes.Count(out.Bytes(), []byte(" Crdt")), out.String())
		if pattern == "CrdtSize/.*n=1000$" {
			require.Regexp(t, `CrdtSize/kind=set/state/names=numbered/n=1000 +17887 `, out.String())
		}
	}
}
