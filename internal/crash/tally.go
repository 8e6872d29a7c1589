package crash

import (
	"iter"
	"slices"
	"testing"

	"github.com/plinth-go/plinth/vfs"
)

// So many states of each kind are tried whatever the stride.
const (
	fewOfEvent     = 10
	fewOfHappening = 20
)

// Tally is which states of some histories a test tries, and how many it has tried of
// each kind. Not safe for concurrent use.
type Tally struct {
	stride       int
	total        int
	during       map[Happening]int
	seen, second map[vfs.Event]int
}

// NewTally returns one that yields every stride-th state, which are other ones from
// point to point; with a stride of 1 it yields all.
func NewTally(stride int) *Tally {
	return &Tally{stride: stride, during: map[Happening]int{}, seen: map[vfs.Event]int{}, second: map[vfs.Event]int{}}
}

// Total returns how many states there were, those after a second power cut not counted.
func (n *Tally) Total() int { return n.total }

// States yields the states that a power cut during a history may leave, point after
// point, with their numbers, which go on from history to history.
func (n *Tally) States(w *Witness) iter.Seq2[int, vfs.Crash] {
	return func(yield func(int, vfs.Crash) bool) {
		for point := range w.Ops() + 1 {
			i := 0
			for c := range w.Crashes(point) {
				if i++; i%n.stride != point%n.stride && n.seen[c.Event] >= fewOfEvent && !n.rare(w.at(point)) {
					continue
				}
				n.total++
				n.seen[c.Event]++
				for what := range w.at(point) {
					n.during[what]++
				}
				if !yield(n.total, c) {
					return
				}
			}
		}
	}
}

// rare reports whether something happens that there were few states of.
func (n *Tally) rare(what map[Happening]bool) bool {
	for one := range what {
		if n.during[one] < fewOfHappening {
			return true
		}
	}
	return false
}

// Again yields what a second power cut may leave, after each operation of what was
// recorded since the first one: all states, or one for each point, another one from
// point to point.
func (n *Tally) Again(r *vfs.Recorder, all bool) iter.Seq[vfs.Crash] {
	return func(yield func(vfs.Crash) bool) {
		for point := range r.Ops() + 1 {
			states := r.Crashes(point)
			if !all {
				states = one(states, point*7%20)
			}
			for c := range states {
				n.second[c.Event]++
				if !yield(c) {
					return
				}
			}
		}
	}
}

// one yields the state behind so many others, or the last.
func one(states iter.Seq[vfs.Crash], others int) iter.Seq[vfs.Crash] {
	return func(yield func(vfs.Crash) bool) {
		var c vfs.Crash
		i := 0
		for c = range states {
			if i++; i > others {
				break
			}
		}
		yield(c)
	}
}

// Report logs how many states there were, and fails the test if there was none during
// some of what can happen, or of some event, other than the unlikely ones. It fails as
// well if something has happened that is not among all.
func (n *Tally) Report(t testing.TB, all []Happening, unlikely ...vfs.Event) {
	t.Helper()
	for _, what := range all {
		t.Logf("%7d states during: %s", n.during[what], what)
		if n.during[what] == 0 {
			t.Errorf("no state during: %s", what)
		}
	}
	for what := range n.during {
		if !slices.Contains(all, what) {
			t.Errorf("nobody has named: %s", what)
		}
	}
	again := 0
	for _, e := range vfs.Events() {
		t.Logf("%7d states, and %7d after a second cut: %v", n.seen[e], n.second[e], e)
		if n.seen[e] == 0 && !slices.Contains(unlikely, e) {
			t.Errorf("no state: %v", e)
		}
		again += n.second[e]
	}
	t.Logf("%d states, and %d after a second cut", n.total, again)
}
