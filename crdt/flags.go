package crdt

import (
	"fmt"
	"strconv"

	"github.com/plinth-go/plinth/vclock"
)

// EWFlag is a bool in which enabling wins against disabling at the same time: a light that stays on as long
// as somebody has switched it on whom no one has heard before switching it off.
//
//	a   enable (a:1) ──── enable (a:2) ───●  on: a:2 was not seen
//	         ╲                           ╱
//	b         ●── disable: a:1 is gone ─●
//
// It is an ORSet of one element (Shapiro and others, 2011; Almeida, Shoker and Baquero, 2018).
//
//	Enable, Disable   a delta of a few dots
//	Merge             the dots of both, mostly one
//	memory            a dot while it is on; a Context
//	bad at            what must be off for certain: that is DWFlag
//
// The zero EWFlag is off. It is safe for concurrent readers; a writer needs exclusive access.
type EWFlag struct {
	shared
	on dots
}

// Enable switches it on in the name of a replica, and returns the delta.
func (f *EWFlag) Enable(id vclock.ID) (*EWFlag, error) {
	dot, err := f.seen().Next(id)
	if err != nil {
		return nil, fmt.Errorf("crdt: EWFlag: %w", err)
	}
	delta := f.Disable()
	_, _ = delta.context.Add(dot) // it comes from a context
	f.on, delta.on = dotsOf(dot), dotsOf(dot)
	return delta, nil
}

// Disable switches it off as far as it has been seen, and returns the delta.
func (f *EWFlag) Disable() *EWFlag {
	delta := &EWFlag{shared: shared{contextOfAll(f)}}
	f.on = dots{}
	return delta
}

// Enabled reports whether it is on.
func (f *EWFlag) Enabled() bool { return f.on.any() }

// Context returns what has been seen.
func (f *EWFlag) Context() vclock.Context { return f.peek().Clone() }

// Merge joins another one into it.
func (f *EWFlag) Merge(other *EWFlag) bool { return mergeCausal(f.seen(), f, other, other.peek()) }

// Compare returns how they relate.
func (f *EWFlag) Compare(other *EWFlag) vclock.Ordering {
	return compareCausal(f.peek(), f, other, other.peek())
}

// Clone returns a copy.
func (f *EWFlag) Clone() *EWFlag {
	c := f.peek().Clone()
	return f.cloneWithin(&c)
}

func (f *EWFlag) cloneWithin(c *vclock.Context) *EWFlag { return &EWFlag{shared{c}, f.on.clone()} }

func (f *EWFlag) join(mine *vclock.Context, other *EWFlag, theirs *vclock.Context) (changed bool) {
	f.on, changed = f.on.joined(mine, other.on, theirs)
	return changed
}

func (f *EWFlag) keeps(mine *vclock.Context, other *EWFlag) bool { return f.on.keeps(mine, other.on) }

func (f *EWFlag) dots(each func(vclock.Dot)) { f.on.each(each) }

func (f *EWFlag) alive() bool { return f.on.any() }

// AppendBinary writes the canonical form: the context, and the dots that keep it on.
//
//	on by a:1    30   01 01 61 01 00   01 00 01
func (f *EWFlag) AppendBinary(b []byte) ([]byte, error) {
	return appendCausal(b, kindEWFlag, f, f.peek())
}

// MarshalBinary is AppendBinary to nothing.
func (f *EWFlag) MarshalBinary() ([]byte, error) { return f.AppendBinary(nil) }

func (f *EWFlag) appendStore(b []byte, names []vclock.ID) ([]byte, error) {
	return f.on.append(b, names), nil
}

// UnmarshalBinary reads what AppendBinary writes, and nothing else.
func (f *EWFlag) UnmarshalBinary(b []byte) error {
	var read EWFlag
	if err := parseCausal(b, kindEWFlag, &read); err != nil {
		return err
	}
	*f = read
	return nil
}

func (f *EWFlag) parseStore(d *vclock.Decoder, c *vclock.Context, names []vclock.ID) {
	f.on = parseDots(d, 0, c, names)
}

// String writes true or false.
func (f *EWFlag) String() string { return strconv.FormatBool(f.Enabled()) }

// MarshalJSON writes true or false.
func (f *EWFlag) MarshalJSON() ([]byte, error) { return []byte(f.String()), nil }

// DWFlag is a bool in which disabling wins against enabling at the same time: a permission that is gone once
// somebody has withdrawn it, until somebody who knows that gives it again.
//
//	a   enable (a:1) ──── enable (a:2) ───●  off: b:1 was not seen by a:2
//	         ╲                           ╱
//	b         ●── disable (b:1) ────────●
//
// It is an RWSet of one element, so disabling is an event too, and has a dot for as long as nobody who knows of it
// has changed the flag again. (Almeida, Shoker and Baquero, 2018.)
//
//	Enable, Disable   a delta of a few dots
//	Merge             the dots of both, mostly one
//	memory            a dot if it has ever been changed; a Context
//	bad at            what must stay on for certain: that is EWFlag
//
// The zero DWFlag is off. It is safe for concurrent readers; a writer needs exclusive access.
type DWFlag struct {
	shared
	votes votes
}

// Enable switches it on in the name of a replica, and returns the delta. It is on if nobody disables
// it at the same time.
func (f *DWFlag) Enable(id vclock.ID) (*DWFlag, error) { return f.vote(id, true) }

// Disable switches it off in the name of a replica, and returns the delta.
func (f *DWFlag) Disable(id vclock.ID) (*DWFlag, error) { return f.vote(id, false) }

func (f *DWFlag) vote(id vclock.ID, yes bool) (*DWFlag, error) {
	dot, err := f.seen().Next(id)
	if err != nil {
		return nil, fmt.Errorf("crdt: DWFlag: %w", err)
	}
	delta := &DWFlag{shared{contextOfAll(f)}, voteOf(dot, yes)}
	_, _ = delta.context.Add(dot) // it comes from a context
	f.votes = voteOf(dot, yes)
	return delta, nil
}

// Enabled reports whether it is on.
func (f *DWFlag) Enabled() bool { return f.votes.yea() }

// Context returns what has been seen.
func (f *DWFlag) Context() vclock.Context { return f.peek().Clone() }

// Merge joins another one into it.
func (f *DWFlag) Merge(other *DWFlag) bool { return mergeCausal(f.seen(), f, other, other.peek()) }

// Compare returns how they relate.
func (f *DWFlag) Compare(other *DWFlag) vclock.Ordering {
	return compareCausal(f.peek(), f, other, other.peek())
}

// Clone returns a copy.
func (f *DWFlag) Clone() *DWFlag {
	c := f.peek().Clone()
	return f.cloneWithin(&c)
}

func (f *DWFlag) cloneWithin(c *vclock.Context) *DWFlag { return &DWFlag{shared{c}, f.votes.clone()} }

func (f *DWFlag) join(mine *vclock.Context, other *DWFlag, theirs *vclock.Context) (changed bool) {
	f.votes, changed = f.votes.joined(mine, other.votes, theirs)
	return changed
}

func (f *DWFlag) keeps(mine *vclock.Context, other *DWFlag) bool {
	return f.votes.keeps(mine, other.votes)
}

func (f *DWFlag) dots(each func(vclock.Dot)) { f.votes.each(each) }

func (f *DWFlag) alive() bool { return f.votes.any() }

// AppendBinary writes the canonical form: the context, the dots that enable it, and those that disable it.
//
//	off by a:1    38   01 01 61 01 00   00   01 00 01
func (f *DWFlag) AppendBinary(b []byte) ([]byte, error) {
	return appendCausal(b, kindDWFlag, f, f.peek())
}

// MarshalBinary is AppendBinary to nothing.
func (f *DWFlag) MarshalBinary() ([]byte, error) { return f.AppendBinary(nil) }

func (f *DWFlag) appendStore(b []byte, names []vclock.ID) ([]byte, error) {
	return f.votes.append(b, names), nil
}

// UnmarshalBinary reads what AppendBinary writes, and nothing else.
func (f *DWFlag) UnmarshalBinary(b []byte) error {
	var read DWFlag
	if err := parseCausal(b, kindDWFlag, &read); err != nil {
		return err
	}
	*f = read
	return nil
}

func (f *DWFlag) parseStore(d *vclock.Decoder, c *vclock.Context, names []vclock.ID) {
	f.votes = parseVotes(d, c, names)
}

// String writes true or false.
func (f *DWFlag) String() string { return strconv.FormatBool(f.Enabled()) }

// MarshalJSON writes true or false.
func (f *DWFlag) MarshalJSON() ([]byte, error) { return []byte(f.String()), nil }
