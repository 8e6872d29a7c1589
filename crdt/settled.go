package crdt

import "github.com/plinth-go/plinth/vclock"

// What a removal of an RWSet has to be remembered for are additions beside it, by somebody who had not heard of it. None is
// left when all members have heard of it, and all that each of them had done until then has come here. A replica sees that of a
// Summary that says no more than has been seen here too: whatever the member had done, is here.
//
//	     mark: all that is here                   each member had that, and nothing that is not here
//	──────●──────────────────────────────────────────●─────────▶   the mark is settled, and the next one is set
//	      a b c change and meet                   Settled
//
// Summaries are of changes, and Forget is about dots of the value, of which a change brings several, or none. So a mark has
// both, as they were at the same time. (Causal stability: Baquero, Almeida, Shoker: Making Operation-based CRDTs
// Operation-based, 2014.)

// settled is guarded by the mutex of its Replica.
type settled struct {
	last map[vclock.ID]vclock.Vector // of each member: all that it had seen, when it had seen nothing that was not here
	mark mark
	dots vclock.Vector // of the last mark that was settled
}

// mark is what had been seen at some time, and the dots of the value at that time.
type mark struct {
	seen, dots vclock.Vector
	set        bool
}

// hear takes down what a member has seen. It takes the place of what it said before, also if it is less: one that was
// restored from an old copy has to hear of removals again.
func (s *settled) hear(member vclock.ID, theirs, here vclock.Vector) {
	if !here.Descends(theirs) {
		return
	}
	if s.last == nil {
		s.last = map[vclock.ID]vclock.Vector{}
	}
	s.last[member] = theirs
}

// reached reports whether all members have seen the mark.
func (s *settled) reached(members vclock.Matrix) bool {
	for name := range members.All() {
		if last, is := s.last[name]; !is || !last.Descends(s.mark.seen) {
			return false
		}
	}
	return s.mark.set && members.Len() > 0
}

// Settled returns the dots of the value that need not be remembered any more: all members have seen them, and what
// each of them had done before it saw them is here. That is what RWSet.Forget asks for:
//
//	dots := r.Settled()
//	err := r.Do(func(_ vclock.ID, s *RWSet[string]) (*RWSet[string], error) { return s.Forget(dots), nil })
//
// There are none without members, or of a value that has no dots (whose type has no Context). It is late: each call looks whether
// the members have come to where this replica was at a call before, and sets a new mark if they have. So it is to be called
// now and then. A member that is away holds it back, as it does the log, and Stats.Behind says which.
//
// What was removed may come back with what is done beside a removal that nobody waited with:
//
//	who joins              is to be a member at all others, and then take in what one of them has, before it changes anything
//	who was forgotten      may have done something that nobody has got
//	who was restored       from an old copy, and changes something before it hears the others; or a change that the copy does
//	                       not have is still under way
func (r *Replica[T]) Settled() vclock.Vector {
	r.mu.Lock()
	defer r.mu.Unlock()
	value, is := any(r.value).(interface{ Context() vclock.Context })
	if !is {
		return vclock.Vector{}
	}
	s := &r.settled
	if reached := s.reached(r.members); reached || !s.mark.set {
		if reached {
			s.dots = s.mark.dots
		}
		s.mark = mark{r.seen, value.Context().Base(), true}
	}
	return s.dots
}
