package crdt

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"

	"github.com/plinth-go/plinth/vclock"
)

// undoesAll is for values of one thing: each change is of all.
func undoesAll(_ *event, alive []*event) events { return setOf(alive) }

// compareStamps is the order of times, and of names where those are equal.
func compareStamps(a, b *event) int {
	return cmp.Or(cmp.Compare(a.at.Wall, b.at.Wall), cmp.Compare(a.at.Logical, b.at.Logical), cmp.Compare(a.by, b.by))
}

// ofLWWRegister: of all that was written, and was not too late even there, the last one stays.
func ofLWWRegister() subject[*LWWRegister[string]] {
	// order of equal stamps: a value is more than none, and the bytes of a longer one are more.
	order := func(a, b *event) int {
		has := func(e *event) int {
			if e.what == "set" {
				return 1 + len(e.on)
			}
			return 0
		}
		return cmp.Or(compareStamps(a, b), cmp.Compare(has(a), has(b)), cmp.Compare(a.on, b.on))
	}
	return subject[*LWWRegister[string]]{
		zero: newText,
		some: func(r *rand.Rand, _ []vclock.ID) op {
			if r.IntN(4) == 0 {
				return op{what: "delete", at: nearby(r)}
			}
			return op{what: "set", on: []string{"x", "xx", "y"}[r.IntN(3)], at: nearby(r)}
		},
		few: []op{{what: "set", on: "yes", at: nanos(-1)}, {what: "set", on: "no", at: nanos(-1)},
			{what: "set", on: "no", at: nanos(1)}, {what: "delete", at: nanos(-1)}},
		do: func(r *LWWRegister[string], id vclock.ID, o op) (*LWWRegister[string], error) {
			if o.what == "delete" {
				return r.Delete(o.at, id)
			}
			return r.Set(o.at, id, o.on)
		},
		show: func(r *LWWRegister[string]) string {
			v, is := r.Get()
			at, by := r.Stamp()
			return fmt.Sprint(v, is, at, by)
		},
		model: model{
			idle: func(e *event) (bool, error) {
				return len(e.saw) > 0 && order(e, slices.MaxFunc(e.saw, order)) <= 0, nil
			},
			value: func(all []*event) string {
				last := new(event)
				if len(all) > 0 {
					last = slices.MaxFunc(all, order)
				}
				return fmt.Sprint(last.on, last.what == "set", last.at, last.by)
			},
		},
	}
}

// ofMVRegister: all values stay that nobody has seen who has set another. They are in the order of names.
func ofMVRegister() subject[*MVRegister[string]] {
	return subject[*MVRegister[string]]{
		zero: newRegister,
		some: func(r *rand.Rand, _ []vclock.ID) op {
			if r.IntN(4) == 0 {
				return op{what: "clear"}
			}
			return op{what: "set", on: fmt.Sprint(r.IntN(9))}
		},
		few: []op{{what: "set", on: "1"}, {what: "set", on: "2"}, {what: "clear"}},
		do: func(r *MVRegister[string], id vclock.ID, o op) (*MVRegister[string], error) {
			if o.what == "clear" {
				return r.Clear(), nil
			}
			return r.Set(id, o.on)
		},
		model: model{
			brings: func(o op) bool { return o.what == "set" },
			undoes: undoesAll,
			value: func(alive []*event) string {
				values := []string{}
				slices.SortStableFunc(alive, func(a, b *event) int { return cmp.Compare(a.by, b.by) })
				for _, e := range alive {
					values = append(values, e.on)
				}
				return fmt.Sprint(values)
			},
		},
	}
}

func someSwitch(r *rand.Rand, _ []vclock.ID) op { return fewSwitches()[r.IntN(2)] }

func fewSwitches() []op { return []op{{what: "enable"}, {what: "disable"}} }

// ofEWFlag: it is on if somebody has enabled it whom nobody had seen who has changed it since.
func ofEWFlag() subject[*EWFlag] {
	return subject[*EWFlag]{
		zero: func() *EWFlag { return new(EWFlag) },
		some: someSwitch,
		few:  fewSwitches(),
		do: func(f *EWFlag, id vclock.ID, o op) (*EWFlag, error) {
			if o.what == "disable" {
				return f.Disable(), nil
			}
			return f.Enable(id)
		},
		model: model{
			brings: func(o op) bool { return o.what == "enable" },
			undoes: undoesAll,
			value:  func(alive []*event) string { return fmt.Sprint(len(alive) > 0) },
		},
	}
}

// ofDWFlag: it is on if all have enabled it whom nobody had seen who has changed it since.
func ofDWFlag() subject[*DWFlag] {
	return subject[*DWFlag]{
		zero: func() *DWFlag { return new(DWFlag) },
		some: someSwitch,
		few:  fewSwitches(),
		do: func(f *DWFlag, id vclock.ID, o op) (*DWFlag, error) {
			if o.what == "disable" {
				return f.Disable(id)
			}
			return f.Enable(id)
		},
		model: model{
			undoes: undoesAll,
			value: func(alive []*event) string {
				no := func(e *event) bool { return e.what == "disable" }
				return fmt.Sprint(len(alive) > 0 && !slices.ContainsFunc(alive, no))
			},
		},
	}
}
