package crdt

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"

	"github.com/plinth-go/plinth/vclock"
)

func sumOf(alive []*event) string {
	sum := int64(0)
	for _, e := range alive {
		sum += e.num
	}
	return fmt.Sprint(sum)
}

// before returns what the replica of an event has done before, of which f is true.
func (e *event) before(f func(*event) bool) (all events) {
	for _, b := range e.saw {
		if b.by == e.by && f(b) {
			all |= 1 << b.n
		}
	}
	return all
}

// ofGCounter: all is counted once. A delta has the number of its replica, and so all that it has ever added.
func ofGCounter() subject[*GCounter] {
	return subject[*GCounter]{
		zero: func() *GCounter { return new(GCounter) },
		some: func(r *rand.Rand, _ []vclock.ID) op { return op{what: "add", num: r.Int64N(5)} },
		few:  []op{{what: "add", num: 1}, {what: "add", num: 5}},
		do:   func(c *GCounter, id vclock.ID, o op) (*GCounter, error) { return c.Add(id, uint64(o.num)) },
		model: model{
			idle:    func(e *event) (bool, error) { return e.num == 0, nil },
			carries: func(e *event) events { return e.before(func(*event) bool { return true }) },
			value:   sumOf,
		},
	}
}

// ofPNCounter: a delta has all of one side.
func ofPNCounter() subject[*PNCounter] {
	return subject[*PNCounter]{
		zero: func() *PNCounter { return new(PNCounter) },
		some: func(r *rand.Rand, _ []vclock.ID) op { return op{what: "add", num: r.Int64N(9) - 4} },
		few:  []op{{what: "add", num: 5}, {what: "add", num: -1}, {what: "add", num: -2}},
		do:   func(c *PNCounter, id vclock.ID, o op) (*PNCounter, error) { return c.Add(id, o.num) },
		model: model{
			idle: func(e *event) (bool, error) { return e.num == 0, nil },
			carries: func(e *event) events {
				return e.before(func(b *event) bool { return b.num < 0 == (e.num < 0) })
			},
			value: sumOf,
		},
	}
}

// ofBoundedCounter: it is shown with the rights of all, as the model has them, who must not be below 0 for anybody, in
// whatever order deltas come. Only who has rights takes or gives.
func ofBoundedCounter() subject[*BoundedCounter] {
	const bound = -3
	return subject[*BoundedCounter]{
		zero: func() *BoundedCounter { return NewBoundedCounter(bound) },
		some: func(r *rand.Rand, replicas []vclock.ID) op {
			o := op{what: []string{"add", "take", "give"}[r.IntN(3)], num: r.Int64N(4)}
			if o.what == "give" {
				o.to = replicas[r.IntN(len(replicas))]
			}
			return o
		},
		few: []op{{what: "add", num: 2}, {what: "take", num: 1}, {what: "give", num: 1, to: "a"},
			{what: "give", num: 1, to: "b"}, {what: "give", num: 1, to: "c"}},
		do: func(c *BoundedCounter, id vclock.ID, o op) (*BoundedCounter, error) {
			switch o.what {
			case "add":
				return c.Add(id, uint64(o.num))
			case "take":
				return c.Take(id, uint64(o.num))
			}
			return c.Transfer(id, o.to, uint64(o.num))
		},
		show: showRights,
		model: model{
			idle: func(e *event) (bool, error) {
				if e.what != "add" && rightsOf(e.saw)[e.by] < e.num {
					return true, ErrNoRights
				}
				return e.num == 0 || e.to == e.by, nil
			},
			carries: func(e *event) events {
				same := e.before(func(b *event) bool { return b.what == e.what && b.to == e.to })
				if e.what == "add" {
					return same
				}
				return same | originOf(e)
			},
			value: func(all []*event) string {
				rights, value := rightsOf(all), int64(bound)
				for _, n := range rights {
					value += n
				}
				return fmt.Sprint(value, sorted(rights))
			},
		},
	}
}

// rightsOf adds up what each has.
func rightsOf(known []*event) map[vclock.ID]int64 {
	rights := map[vclock.ID]int64{}
	for _, e := range known {
		if e.what == "add" {
			rights[e.by] += e.num
		} else {
			rights[e.by] -= e.num
		}
		if e.what == "give" {
			rights[e.to] += e.num
		}
	}
	return rights
}

// originOf returns where the rights come from that an event takes or gives: all additions and gifts on the ways that end
// at who has done it.
func originOf(e *event) (all events) {
	todo, seen := []vclock.ID{e.by}, map[vclock.ID]bool{e.by: true}
	for ; len(todo) > 0; todo = todo[1:] {
		for _, b := range e.saw {
			switch {
			case b.what == "add" && b.by == todo[0]:
				all |= 1 << b.n
			case b.what == "give" && b.to == todo[0]:
				all |= 1 << b.n
				if !seen[b.by] {
					seen[b.by] = true
					todo = append(todo, b.by)
				}
			}
		}
	}
	return all
}

func showRights(c *BoundedCounter) string {
	rights := map[vclock.ID]int64{}
	note := func(all vclock.Vector) {
		for id := range all.All() {
			rights[id] = int64(c.Rights(id))
		}
	}
	note(c.added)
	for _, row := range c.given {
		note(row)
	}
	return fmt.Sprint(c.Value(), sorted(rights))
}

// sorted lists who has something.
func sorted(rights map[vclock.ID]int64) (all []string) {
	for _, id := range slices.Sorted(maps.Keys(rights)) {
		if rights[id] != 0 {
			all = append(all, fmt.Sprint(id, "=", rights[id]))
		}
	}
	return all
}

// ofCausalCounter: an addition takes the place of those of its replica, and has in it what they have counted that it
// found alive; Reset undoes all.
func ofCausalCounter() subject[*CausalCounter] {
	return subject[*CausalCounter]{
		zero: func() *CausalCounter { return new(CausalCounter) },
		some: func(r *rand.Rand, _ []vclock.ID) op {
			if r.IntN(6) == 0 {
				return op{what: "reset"}
			}
			return op{what: "add", num: r.Int64N(9) - 4}
		},
		few: []op{{what: "add", num: 2}, {what: "add", num: -5}, {what: "reset"}},
		do: func(c *CausalCounter, id vclock.ID, o op) (*CausalCounter, error) {
			if o.what == "reset" {
				return c.Reset(), nil
			}
			return c.Add(id, o.num)
		},
		model: model{
			brings: func(o op) bool { return o.what == "add" },
			undoes: func(e *event, alive []*event) (undone events) {
				for _, b := range alive {
					if e.what == "reset" || e.by == b.by {
						undone |= 1 << b.n
					}
				}
				return undone
			},
			value: func(alive []*event) string { return fmt.Sprint(counted(alive)) },
		},
	}
}

// counted is what a CausalCounter has: of each replica the last number that is alive, and in it those whose place it has
// taken.
func counted(alive []*event) (sum int64) {
	last := map[vclock.ID]*event{}
	for _, e := range alive {
		last[e.by] = e
	}
	for _, e := range last {
		sum += e.num + counted(e.undid.among(e.saw))
	}
	return sum
}
