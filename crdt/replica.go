package crdt

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/plinth-go/plinth/vclock"
)

// Portable is a Lattice that can go on a journey: it writes itself, and reads what it has written. All types of this
// package are. Like each Lattice it is safe for concurrent readers; a writer needs exclusive access.
type Portable[T any] interface {
	Lattice[T]
	// AppendBinary and UnmarshalBinary are as everywhere: what fails to be read leaves the value as it is.
	AppendBinary([]byte) ([]byte, error)
	UnmarshalBinary([]byte) error
}

// Replica is a value, the mutex around it, and who changes it. It numbers its changes and remembers their deltas, and those
// of others, so it can tell anybody what he lacks:
//
//	a                                                b
//	seen {a:3 b:1}  ◀──── Summary: I am b,           seen {a:1 b:2}
//	                      and have seen {a:1 b:2}
//	log  b:1 a:2 a:3 ───▶ Delta: after {a:1 b:1}     Receive: seen {a:3 b:2}
//	                      there are a:2 and a:3
//
// Each change has a dot, and what a replica has seen is a vector of them. A delta is taken in only after all that its
// maker had seen before, so a vector is enough: what is known has no gaps, and no replica ever shows an
// answer without the question. If something is missing, nothing is taken in, and a MissingError says what.
//
// The log ends somewhere. A peer that is further behind gets the full state, which is safe always. It loses its oldest
// deltas if it takes more than ReplicaConfig.LogBytes, and those that all members have seen (which is
// causal stability, and vclock.Matrix keeps the books). A member that says nothing keeps the log long, up to its bound:
// Stats.Behind says who that is. An update has at most ReplicaConfig.UpdateBytes of deltas, so that what is cut in
// the middle goes on from there: Delta returns the rest after the next Summary. Only a full state is all or nothing.
//
// All state that counts is the value and the vector. AppendBinary writes both, and Receive takes them in, which
// is also how a replica begins after a restart: with another identity. It must never go on with the one that it
// had (NewID says why). Where one of two of an identity meets what the other one has done besides, that is
// vclock.ErrForked; but as long as they have done equally much nobody sees it, and something is lost.
//
// Who can send must be known to be who it says. No bytes make it panic, or half-apply something; but a liar can say
// that it has changed whatever it likes, and claim dots of others that they will only give later, which are then taken
// for known.
//
//	Do, Receive      the change, and a copy of its delta
//	Delta            a look at each delta that the peer lacks, and of a state that is less: all of it
//	memory           the value; LogBytes; a vector for each member
//	bad at           thousands of identities, all of which are in each vector: with 1 of them an update of one change
//	                 has 27 bytes, with 100 it has 527 (TestUpdateSize)
//
// The deltas are those of Almeida, Shoker, Baquero: Delta State Replicated Data Types, 2018; the log, the vectors and the
// matrix are those of Wuu and Bernstein: Efficient Solutions to the Replicated Log and Dictionary Problems, 1984.
//
// It is safe for concurrent use.
type Replica[T Portable[T]] struct {
	// Immutable.
	id          vclock.ID
	zero        func() T
	empty       T // what zero has returned, to compare with
	updateBytes int

	// Anybody's: how many bytes of deltas go out until Delta asks again how long the full state is, which is as many as it
	// had when AppendBinary last wrote it. So to ask costs no more than what is sent.
	untilAsk atomic.Int64

	mu      sync.RWMutex
	value   T             // guarded by mu
	seen    vclock.Vector // guarded by mu: the changes that are in value
	log     deltaLog      // guarded by mu
	members vclock.Matrix // guarded by mu: what others have said that they have seen, by name
	settled settled       // guarded by mu
}

// ReplicaConfig says how a Replica keeps its log. It is a plain value: it is safe for concurrent use as long as
// nobody changes it.
type ReplicaConfig struct {
	// Members are the names, without epochs, of all that take part. When all of them have seen a delta, nobody needs
	// it any more. Without Members, only LogBytes ends the log. The replica itself may be among them.
	Members []vclock.ID

	// LogBytes is how much the log takes, at most; 0 is 4 MiB.
	LogBytes int

	// UpdateBytes is how many bytes of deltas an update has, but for the last of them; 0 is 256 KiB.
	UpdateBytes int
}

const (
	defaultLogBytes    = 4 << 20
	defaultUpdateBytes = 256 << 10
)

// ErrMissing is wrapped by MissingError.
var ErrMissing = errors.New("crdt: something is missing before it")

// MissingError says what Receive would have needed first: it must be asked for with a new Summary. It is a
// plain value: it is safe for concurrent use as long as nobody changes it.
type MissingError struct {
	Spans []vclock.Span
}

// Error lists the first few.
func (e *MissingError) Error() string {
	var all []string
	for i, s := range e.Spans {
		if i == 8 {
			all = append(all, fmt.Sprintf("and %d more", len(e.Spans)-i))
			break
		}
		all = append(all, s.String())
	}
	return fmt.Sprintf("%v: %s", ErrMissing, strings.Join(all, ", "))
}

// Unwrap returns ErrMissing.
func (e *MissingError) Unwrap() error { return ErrMissing }

// NewReplica returns one that has seen nothing, of an identity that was never there before (NewID). Its value is what zero
// returns: an empty one, a new one each time. Whatever is read is read into such a one, by several goroutines at once, so
// zero must be safe for concurrent use.
//
// To begin with a value that was there before, use Receive if it is of a Replica. If it is not, then
// for one replica it is a change as any other, and the others get it from there:
//
//	r.Do(func(id vclock.ID, v *crdt.GCounter) (*crdt.GCounter, error) { v.Merge(old); return old, nil })
func NewReplica[T Portable[T]](id vclock.ID, zero func() T, c ReplicaConfig) (*Replica[T], error) {
	if zero == nil {
		panic("crdt: NewReplica: a nil function")
	}
	if err := checkID(id); err != nil {
		return nil, fmt.Errorf("crdt: NewReplica: %w", err)
	}
	if c.LogBytes < 0 || c.UpdateBytes < 0 {
		return nil, fmt.Errorf("crdt: NewReplica: LogBytes %d, UpdateBytes %d: want 1 or more, or 0 for %d and %d",
			c.LogBytes, c.UpdateBytes, defaultLogBytes, defaultUpdateBytes)
	}
	if c.LogBytes == 0 {
		c.LogBytes = defaultLogBytes
	}
	if c.UpdateBytes == 0 {
		c.UpdateBytes = defaultUpdateBytes
	}
	r := &Replica[T]{id: id, zero: zero, empty: zero(), value: zero(), updateBytes: c.UpdateBytes}
	if isSame(r.value, r.empty) {
		panic("crdt: NewReplica: zero must return a new value each time")
	}
	r.log.limit = c.LogBytes
	for _, name := range c.Members {
		if err := r.Join(name); err != nil {
			return nil, fmt.Errorf("crdt: NewReplica: %w", err)
		}
	}
	return r, nil
}

// ID returns who it is.
func (r *Replica[T]) ID() vclock.ID { return r.id }

// View calls f with the value, which f must not change, and not keep. Others may look at the same time; nobody changes
// it before f returns. So f takes what it needs and leaves, and must not call the replica.
//
// A callback under a lock is what one should avoid, because nobody knows what it does, and how long. Here it is the
// point: the alternative is a copy of the whole value for each look at it. Who wants one returns v.Clone().
func (r *Replica[T]) View(f func(v T)) {
	if f == nil {
		panic("crdt: View: a nil function")
	}
	r.mu.RLock()
	defer r.mu.RUnlock()
	f(r.value)
}

// Do calls f to change the value in the name of id, and takes down the delta that f returns: what the mutators
// return, or the Join of it if f does several things. A nil delta, or an empty one, is no change. It must hold that the delta
// has all that f has changed, or other replicas never hear of it. If f fails, it has either changed
// nothing and returns nil, or what it has changed before; the error is that of Do in both cases.
//
// It is under the lock, as in View, and here too that is the point: to look, decide and change is one step, and so are
// the change, its dot and its place in the log. So f must not call the replica, nor wait for anything.
//
// If f panics, nobody knows what it has changed. Then the change has a dot and no delta, which means
// that others get the full state.
func (r *Replica[T]) Do(f func(id vclock.ID, v T) (delta T, err error)) error {
	if f == nil {
		panic("crdt: Do: a nil function")
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	after := r.seen
	dot, err := after.Tick(r.id)
	if err != nil {
		return fmt.Errorf("crdt: Do: %w", err)
	}
	unchanged := false
	defer func() { // also if f panics, or the delta cannot be written
		if !unchanged {
			r.seen = after
		}
	}()
	delta, failed := f(r.id, r.value)
	if isNil(delta) || delta.Compare(r.empty) == vclock.Equal {
		unchanged = true
		return failed
	}
	b, err := delta.AppendBinary(nil)
	if err != nil {
		return errors.Join(failed, fmt.Errorf("crdt: Do: the delta of %v: %w", dot, err))
	}
	r.log.push(entry{dot, b})
	return failed
}

// isNil reports whether there is no delta.
func isNil[T any](v T) bool {
	p := reflect.ValueOf(v)
	return !p.IsValid() || p.Kind() == reflect.Pointer && p.IsNil()
}

// isSame reports whether two are one variable, or none.
func isSame[T any](v, w T) bool {
	p := reflect.ValueOf(v)
	return p.Kind() == reflect.Pointer && p.Pointer() == reflect.ValueOf(w).Pointer()
}

// Summary returns who this is and what it has seen, for Delta of another replica.
func (r *Replica[T]) Summary() []byte {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return summary{r.id, r.seen}.bytes()
}

// Delta returns what the one who has made a summary lacks, for its Receive, or nil if it lacks nothing; and takes
// down what it has. If that does not fit into an update, it is the first part: the next Summary will say where to go on.
//
// It is the full state if the log does not go back so far, or if that fits into an update and is less than all the
// deltas, as far as is known: to see how long it is it must be written, which is done when as many bytes of deltas have gone out
// as it had the last time. A larger one would have to begin anew if the connection breaks, which updates one after the other do not.
func (r *Replica[T]) Delta(of []byte) ([]byte, error) {
	peer, err := parseSummary(of)
	if err != nil {
		return nil, fmt.Errorf("crdt: Delta: %w", err)
	}
	u, size, err := r.answer(peer)
	if err != nil {
		return nil, fmt.Errorf("crdt: Delta: %w", err)
	}
	switch {
	case u.what == whatFull || size <= fewBytes:
	case int64(size) <= r.untilAsk.Load():
		r.untilAsk.Add(-int64(size))
	default:
		full, err := r.AppendBinary(nil)
		if err != nil || len(full) < size && len(full) <= r.updateBytes {
			return full, err
		}
	}
	return r.write(u)
}

// fewBytes are deltas of which nobody asks whether the full state would be less.
const fewBytes = 4 << 10

// answer returns the deltas that a peer lacks, or a part of them, and how many bytes all of them are; or that it has
// to be the full state.
func (r *Replica[T]) answer(peer summary) (u update, all int, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if peer.id == r.id {
		return update{}, 0, fmt.Errorf("%w: the other one is %v too", vclock.ErrForked, r.id)
	}
	if err := r.checkOwn(peer.seen); err != nil {
		return update{}, 0, err
	}
	known := peer.seen.Meet(r.seen)
	r.observe(peer, known)
	u = r.lacking(known)
	fit := len(u.entries)
	for i, e := range u.entries {
		if all += len(e.delta); all >= r.updateBytes {
			fit = min(fit, i+1)
		}
	}
	if fit < len(u.entries) {
		u.what, u.entries = whatPart, u.entries[:fit]
	}
	return u, all, nil
}

// lacking returns all deltas that one lacks who knows of so much that has been seen here, or that it has to be the full
// state.
func (r *Replica[T]) lacking(known vclock.Vector) update {
	if entries, all := r.log.since(known, r.seen); all {
		return update{what: whatDeltas, base: known, entries: entries}
	}
	return update{what: whatFull}
}

// write writes down what lacking has returned, which takes longer than to find it: so it is done without the lock, or, of a
// full state, beside those who only read.
func (r *Replica[T]) write(u update) ([]byte, error) {
	switch {
	case u.what == whatFull:
		return r.AppendBinary(nil)
	case len(u.entries) == 0:
		return nil, nil
	}
	return u.bytes(), nil
}

// Since returns all that has come after so much had been seen, or nil if that is nothing. That is for a file to which
// changes are appended: after a restart a new replica takes in with Receive what AppendBinary had returned, and then each of
// these, in order. What is said to have been seen the next time is Stats.Seen of before this call, or less.
//
// If something of that has left the log meanwhile, because it got too long or all members have it, it is the full state.
func (r *Replica[T]) Since(seen vclock.Vector) ([]byte, error) {
	r.mu.RLock()
	u := r.lacking(seen.Meet(r.seen))
	r.mu.RUnlock()
	return r.write(u)
}

// More reports whether a delta is a part of what the peer lacks, and there is more.
func (r *Replica[T]) More(delta []byte) bool {
	u, err := parseUpdate(delta)
	return err == nil && u.what == whatPart
}

// checkOwn looks at what another one says that this one has done: nobody can have seen more than that.
func (r *Replica[T]) checkOwn(theirs vclock.Vector) error {
	if has, knows := r.seen.Get(r.id), theirs.Get(r.id); knows > has {
		return fmt.Errorf("%w: %v:%d is known, and this is %v and is at %d: another one has its identity, "+
			"or it had it before and has forgotten", vclock.ErrForked, r.id, knows, r.id, has)
	}
	return nil
}

// Receive takes in what Delta or AppendBinary of another replica has returned; nothing is no news. What has come before
// changes nothing. Whatever is an error changes nothing either:
//
//	ErrCorrupt            it is no such thing, or of another type
//	MissingError          it builds on what has not been seen here
//	vclock.ErrForked      two changes have one dot, or somebody knows of changes that this replica has not made
func (r *Replica[T]) Receive(delta []byte) error {
	if len(delta) == 0 {
		return nil
	}
	u, err := parseUpdate(delta)
	if err != nil {
		return fmt.Errorf("crdt: Receive: %w", err)
	}
	news, err := r.read(u)
	if err != nil {
		return fmt.Errorf("crdt: Receive: %w", err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.check(u); err != nil {
		return fmt.Errorf("crdt: Receive: %w", err)
	}
	r.value.Merge(news)
	for _, e := range u.entries {
		if !r.seen.Contains(e.dot) {
			r.log.push(entry{e.dot, bytes.Clone(e.delta)})
		}
	}
	r.seen.Merge(u.knows())
	return nil
}

// read joins all of an update that is not old. That is the long part, and nobody waits for it: what becomes old
// meanwhile changes nothing.
func (r *Replica[T]) read(u update) (news T, err error) {
	news = r.zero()
	if u.what == whatFull {
		if err := news.UnmarshalBinary(u.state); err != nil {
			return news, fmt.Errorf("the state: %w", err)
		}
		return news, nil
	}
	r.mu.RLock()
	seen := r.seen
	r.mu.RUnlock()
	for _, e := range u.entries {
		one := r.zero()
		if err := one.UnmarshalBinary(e.delta); err != nil {
			return news, fmt.Errorf("the delta of %v: %w", e.dot, err)
		}
		if !seen.Contains(e.dot) {
			news.Merge(one)
		}
	}
	return news, nil
}

// check looks whether an update fits to what has been seen.
func (r *Replica[T]) check(u update) error {
	if err := r.checkOwn(u.knows()); err != nil {
		return err
	}
	if u.what == whatFull {
		return nil
	}
	var missing []vclock.Span
	for s := range u.base.Context().Missing(r.seen) {
		missing = append(missing, s)
	}
	if len(missing) > 0 {
		return &MissingError{missing}
	}
	again := map[vclock.Dot][]byte{}
	for _, e := range u.entries {
		if r.seen.Contains(e.dot) {
			again[e.dot] = e.delta
		}
	}
	for i := len(r.log.entries) - 1; i >= 0 && len(again) > 0; i-- { // what comes again is mostly of late
		e := r.log.entries[i]
		if other, is := again[e.dot]; is && !bytes.Equal(e.delta, other) {
			return fmt.Errorf("%w: %v is something else here", vclock.ErrForked, e.dot)
		}
		delete(again, e.dot)
	}
	return nil
}

// AppendBinary writes what has to be kept on disk: the value, and what has been seen. After a restart a new replica
// takes it in with Receive, under a new identity. Nothing in it says whether a bit of it has changed since: that is for the file.
func (r *Replica[T]) AppendBinary(b []byte) ([]byte, error) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	full, err := r.value.AppendBinary(update{what: whatFull, base: r.seen}.appendTo(b))
	if err != nil {
		return nil, fmt.Errorf("crdt: the state of %v: %w", r.id, err)
	}
	r.untilAsk.Store(int64(len(full) - len(b)))
	return full, nil
}
