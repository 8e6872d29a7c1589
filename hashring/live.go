package hashring

import (
	"iter"
	"reflect"
	"sync/atomic"
)

// Live is a Locator that another one takes the place of while keys are being located. Lookups
// follow a pointer, and nothing makes them wait: a change builds a whole new Locator aside,
// and then sets the pointer. A lock for readers and writers would make all readers write to
// one word of memory, which the cores would pull from each other.
//
//	readers   ──Locate──Locate──Locate──Locate──►
//	                 old │ new
//	a writer  ──With()───┴──────────────────────►
//
// Each call sees one Locator as a whole, the next call perhaps another: for several lookups
// that must agree, and for LocateN, use Load. It is safe for concurrent use, and must not be
// copied. The zero Live has no nodes.
//
//	a lookup     a load of a pointer, besides the Locator's
//	memory       24 bytes besides the Locator, and old ones as long as somebody uses them
//	a new node   what the Locator does; building it delays no lookup
//	bad at       changes in great numbers: each builds everything anew, and an Update that takes
//	             long may be overtaken again and again
type Live struct {
	current atomic.Pointer[Locator] // never written through
}

// NewLive returns one that begins with a Locator.
func NewLive(l Locator) *Live {
	var live Live
	live.Swap(l)
	return &live
}

// Load returns the Locator as it is now, which is never nil. If none was given, its type is not
// exported: so ask with ", ok" whether it is, say, a *Ring, unless the Live began with one.
func (l *Live) Load() Locator { return loaded(l.current.Load()) }

// Swap lets a Locator take the place of the old one, which it returns. A nil one, and one that
// is a nil pointer, stands for one without nodes, and a Live for what it has now.
func (l *Live) Swap(next Locator) (old Locator) { return loaded(l.current.Swap(published(next))) }

// Update lets what change makes of the Locator take its place, and returns the error of change,
// upon which all stays as it was. If somebody else has changed the Locator meanwhile, change is
// called again, with the new one; so nothing gets lost, and change must do nothing but build.
// No lock is held, but change must not Update or Swap the same Live: it would be called for ever.
func (l *Live) Update(change func(Locator) (Locator, error)) error {
	for {
		old := l.current.Load()
		next, err := change(loaded(old))
		if err != nil {
			return err
		}
		if l.current.CompareAndSwap(old, published(next)) {
			return nil
		}
	}
}

// Locate returns the node of a key.
func (l *Live) Locate(key string) Node { return l.Load().Locate(key) }

// LocateHash returns the node of a key that has a hash.
func (l *Live) LocateHash(h uint64) Node { return l.Load().LocateHash(h) }

// Nodes yields the nodes as they are when the loop begins, sorted by name.
func (l *Live) Nodes() iter.Seq[Node] {
	return func(yield func(Node) bool) { l.Load().Nodes()(yield) }
}

// Len returns how many nodes there are.
func (l *Live) Len() int { return l.Load().Len() }

// loaded returns what has been published.
func loaded(l *Locator) Locator {
	if l == nil {
		return nowhere{}
	}
	return *l
}

// published returns a pointer that no other call returns: or else an Update could not tell
// that somebody has put the same Locator there again.
func published(l Locator) *Locator {
	if live, ok := l.(*Live); ok && live != nil {
		l = live.Load() // or else one could come to hold itself
	}
	if v := reflect.ValueOf(l); !v.IsValid() || v.Kind() == reflect.Pointer && v.IsNil() {
		l = nowhere{}
	}
	return &l
}

// nowhere is the Locator without nodes. It is immutable, and safe for concurrent use.
type nowhere struct{}

func (nowhere) Locate(string) Node     { return Node{} }
func (nowhere) LocateHash(uint64) Node { return Node{} }
func (nowhere) Nodes() iter.Seq[Node]  { return func(func(Node) bool) {} }
func (nowhere) Len() int               { return 0 }
