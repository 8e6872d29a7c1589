package crdt

import "github.com/plinth-go/plinth/vclock"

// What all members of a group have seen is stable: nobody will ask for it again. A replica knows that of the summaries
// that come to its Delta, from each member for itself:
//
//	a has seen {a:3 b:1}     b's last Summary   {a:3 b:1}
//	                         c's last Summary   {a:2}        stable: {a:2}, and the log begins with a:3 and b:1
//
// It is behind the truth, and never before it, as long as members keep what they have seen. One that comes back with less,
// from an old copy, has another epoch and the same row: what it lacks may have left the log, so it gets the full state.
//
// That is enough for a log, and for nothing else. RWSet.Forget needs more: that what members did before they saw a removal
// has come here, too, and dots of the value, which are not those of changes (TestStableIsForTheLog). That is Settled.

// Join adds a member, for which deltas are kept from now on. What the others have seen before is not kept for it, so
// it may get the full state first. Who is a member already is an error, vclock.ErrMember. The replica itself is one without
// being added.
func (r *Replica[T]) Join(name vclock.ID) error {
	if own, _ := SplitID(r.id); name == own || name == r.id {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.members.Join(name, r.members.Stable())
}

// Forget removes a member, and reports whether it was one. That is for an operator: the others go on without it, and
// if it comes back it may get the full state.
func (r *Replica[T]) Forget(name vclock.ID) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	was := r.members.Forget(name)
	delete(r.settled.last, name)
	r.log.trim(r.members.Stable())
	return was
}

// observe takes down what a member has seen, of what has been seen here. Who is none gets all the same, and nothing is kept
// for it. What it has seen besides would only tell how far it is ahead; and who claims to know what will be would
// be believed later, and what he makes up would stay.
//
// An entry of the log is never in a row when it comes. So as long as no row grows there is nothing to be trimmed, and nobody
// looks at the log.
func (r *Replica[T]) observe(peer summary, known vclock.Vector) {
	name := peer.id
	grew, err := r.members.Observe(name, known)
	if err != nil {
		name, _ = SplitID(peer.id)
		grew, err = r.members.Observe(name, known)
	}
	if grew {
		r.log.trim(r.members.Stable())
	}
	if err == nil {
		r.settled.hear(name, peer.seen, r.seen)
	}
}

// Stats are figures of a Replica. It is a plain value: it is safe for concurrent use as long as nobody changes it.
type Stats struct {
	Seen     vclock.Vector // the changes that are in the value
	Stable   vclock.Vector // those that all members are known to have seen, none if there are no members; for RWSet.Forget see Settled
	Deltas   int           // how many the log has
	LogBytes int           // what they take, about
	Behind   []vclock.ID   // the members that are not known to have seen the oldest of them
}

// Stats returns its figures.
func (r *Replica[T]) Stats() Stats {
	r.mu.RLock()
	defer r.mu.RUnlock()
	s := Stats{Seen: r.seen, Stable: r.members.Stable(), Deltas: len(r.log.entries), LogBytes: r.log.bytes}
	if s.Deltas > 0 {
		s.Behind = r.members.Behind(r.log.entries[0].dot)
	}
	return s
}
