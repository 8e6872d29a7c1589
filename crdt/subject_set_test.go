package crdt

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"

	"github.com/plinth-go/plinth/vclock"
)

func someElement(r *rand.Rand) string { return oneOrOther(r, 4) }

// oneOrOther is one of a few, about which there are conflicts, or one of many: a state that has many takes the short way
// with a delta that is about one.
func oneOrOther(r *rand.Rand, few int) string {
	if r.IntN(3) > 0 {
		return string(rune('p' + r.IntN(few)))
	}
	return string(rune('A' + r.IntN(20)))
}

// byElement sorts events by what they are on.
func byElement(all []*event) map[string][]*event {
	sorted := map[string][]*event{}
	for _, e := range all {
		sorted[e.on] = append(sorted[e.on], e)
	}
	return sorted
}

// elementsOf lists what the events are on, those of which f is true.
func elementsOf(all []*event, f func([]*event) bool) string {
	there := []string{}
	for on, of := range byElement(all) {
		if f(of) {
			there = append(there, on)
		}
	}
	slices.Sort(there)
	return fmt.Sprint(there)
}

func adds(e *event) bool    { return e.what == "add" }
func removes(e *event) bool { return e.what == "remove" }

// known returns what was known about the element of an event where it was done.
func (e *event) known() []*event { return byElement(e.saw)[e.on] }

func ofGSet() subject[*GSet[string]] {
	return subject[*GSet[string]]{
		zero: func() *GSet[string] { return new(GSet[string]) },
		some: func(r *rand.Rand, _ []vclock.ID) op {
			return op{what: "add", on: fmt.Sprint(r.IntN(30))}
		},
		few: []op{{what: "add", on: "x"}, {what: "add", on: "y"}, {what: "add", on: "z"}},
		do:  func(s *GSet[string], _ vclock.ID, o op) (*GSet[string], error) { return s.Add(o.on) },
		model: model{
			idle:  func(e *event) (bool, error) { return len(e.known()) > 0, nil },
			value: func(all []*event) string { return elementsOf(all, func([]*event) bool { return true }) },
		},
	}
}

// ofTwoPSet: what is removed is so for ever.
func ofTwoPSet() subject[*TwoPSet[string]] {
	removed := func(all []*event) bool { return slices.ContainsFunc(all, removes) }
	there := func(all []*event) bool { return len(all) > 0 && !removed(all) }
	return subject[*TwoPSet[string]]{
		zero: func() *TwoPSet[string] { return new(TwoPSet[string]) },
		some: func(r *rand.Rand, _ []vclock.ID) op {
			return op{what: []string{"add", "remove"}[r.IntN(2)], on: fmt.Sprint(r.IntN(20))}
		},
		few: []op{{what: "add", on: "x"}, {what: "remove", on: "x"}, {what: "add", on: "y"}, {what: "remove", on: "y"}},
		do: func(s *TwoPSet[string], _ vclock.ID, o op) (*TwoPSet[string], error) {
			if o.what == "remove" {
				return s.Remove(o.on), nil
			}
			return s.Add(o.on)
		},
		show: func(s *TwoPSet[string]) string { return fmt.Sprint(s.list(phaseThere), s.list(phaseRemoved)) },
		model: model{
			idle: func(e *event) (bool, error) {
				if adds(e) && removed(e.known()) {
					return true, ErrRemoved
				}
				return adds(e) == there(e.known()), nil
			},
			value: func(all []*event) string { return elementsOf(all, there) + " " + elementsOf(all, removed) },
		},
	}
}

// ofLWWSet: of all that was said about an element, and was not too late even there, the last counts.
func ofLWWSet(bias Bias) subject[*LWWSet[string]] {
	wins := map[Bias]string{AddBias: "add", RemoveBias: "remove"}[bias]
	order := func(a, b *event) int {
		if a.at == b.at && a.what != b.what {
			return map[bool]int{true: 1, false: -1}[a.what == wins]
		}
		return compareStamps(a, b)
	}
	return subject[*LWWSet[string]]{
		zero: func() *LWWSet[string] { return NewLWWSet[string](bias) },
		some: func(r *rand.Rand, _ []vclock.ID) op {
			return op{what: []string{"add", "remove"}[r.IntN(2)], on: someElement(r), at: nearby(r)}
		},
		few: []op{{what: "add", on: "x", at: nanos(-1)}, {what: "remove", on: "x", at: nanos(-1)},
			{what: "add", on: "x", at: nanos(1)}, {what: "add", on: "y", at: nanos(-1)}},
		do: func(s *LWWSet[string], id vclock.ID, o op) (*LWWSet[string], error) {
			if o.what == "remove" {
				return s.Remove(o.at, id, o.on)
			}
			return s.Add(o.at, id, o.on)
		},
		show: func(s *LWWSet[string]) string {
			text := ""
			for _, e := range slices.Sorted(maps.Keys(s.said)) {
				at, by := s.Stamp(e)
				text += fmt.Sprintln(e, s.Has(e), at, by)
			}
			return text
		},
		model: model{
			idle: func(e *event) (bool, error) {
				before := e.known()
				return len(before) > 0 && order(e, slices.MaxFunc(before, order)) <= 0, nil
			},
			value: func(all []*event) string {
				text, about := "", byElement(all)
				for _, on := range slices.Sorted(maps.Keys(about)) {
					last := slices.MaxFunc(about[on], order)
					text += fmt.Sprintln(on, adds(last), last.at, last.by)
				}
				return text
			},
		},
	}
}

// ofORSet: what changes an element undoes the additions that it sees, and an addition that nobody has seen stays.
func ofORSet() subject[*ORSet[string]] {
	return subject[*ORSet[string]]{
		zero: func() *ORSet[string] { return new(ORSet[string]) },
		some: func(r *rand.Rand, _ []vclock.ID) op {
			switch dice := r.IntN(16); {
			case dice < 9:
				return op{what: "add", on: someElement(r)}
			case dice < 15:
				return op{what: "remove", on: someElement(r)}
			}
			return op{what: "clear"}
		},
		few: []op{{what: "add", on: "x"}, {what: "remove", on: "x"}, {what: "add", on: "y"}, {what: "clear"}},
		do: func(s *ORSet[string], id vclock.ID, o op) (*ORSet[string], error) {
			switch o.what {
			case "add":
				return s.Add(id, o.on)
			case "remove":
				return s.Remove(o.on), nil
			}
			return s.Clear(), nil
		},
		model: model{
			brings: func(o op) bool { return o.what == "add" },
			undoes: func(e *event, alive []*event) events {
				if e.what == "clear" {
					return setOf(alive)
				}
				return setOf(byElement(alive)[e.on])
			},
			value: func(alive []*event) string { return elementsOf(alive, func([]*event) bool { return true }) },
		},
	}
}

// ofRWSet: what changes an element undoes the changes that it sees, and of those that do not see each other a removal
// wins. It is shown with what was removed and not forgotten.
func ofRWSet() subject[*RWSet[string]] {
	there := func(all []*event) bool { return !slices.ContainsFunc(all, removes) }
	return subject[*RWSet[string]]{
		zero: func() *RWSet[string] { return new(RWSet[string]) },
		some: func(r *rand.Rand, _ []vclock.ID) op {
			switch dice := r.IntN(16); {
			case dice < 8:
				return op{what: "add", on: someElement(r)}
			case dice < 14:
				return op{what: "remove", on: someElement(r)}
			}
			return op{what: "forget"}
		},
		few: []op{{what: "add", on: "x"}, {what: "remove", on: "x"}, {what: "add", on: "y"}, {what: "forget"}},
		do: func(s *RWSet[string], id vclock.ID, o op) (*RWSet[string], error) {
			switch o.what {
			case "add":
				return s.Add(id, o.on)
			case "remove":
				return s.Remove(id, o.on)
			}
			seen := s.Context()
			return s.Forget(seen.Base()), nil
		},
		show: func(s *RWSet[string]) string { return fmt.Sprint(s, " ", s.Removed()) },
		model: model{
			brings: func(o op) bool { return o.what != "forget" },
			undoes: func(e *event, alive []*event) (undone events) {
				if e.what != "forget" {
					return setOf(byElement(alive)[e.on])
				}
				for _, all := range byElement(alive) {
					if !there(all) && !slices.ContainsFunc(all, func(b *event) bool { return removes(b) && !stableAt(e, b) }) {
						undone |= setOf(all)
					}
				}
				return undone
			},
			value: func(alive []*event) string {
				removed := 0
				for _, all := range byElement(alive) {
					if !there(all) {
						removed++
					}
				}
				return fmt.Sprint(elementsOf(alive, there), " ", removed)
			},
		},
	}
}

// stableAt reports whether all is known, or known to be undone, where e was done, that the replica of b had done before
// it. If it is not, the base of a context does not reach to b.
func stableAt(e, b *event) bool {
	heard := setOf(e.saw)
	for _, other := range e.saw {
		heard |= other.undid
	}
	return b.before(func(first *event) bool { return (adds(first) || removes(first)) && !heard.has(first.n) }) == 0
}
