package vfs

import (
	"fmt"
	"hash/maphash"
	"iter"
	"math/rand/v2"
	"slices"
)

// Crash is a disk as a power cut left it. Each has a Disk of its own; to cut the
// power a second time, during recovery, Record it. Not safe for concurrent use.
type Crash struct {
	Point    int    // the operations before the power cut
	Unsynced int    // those among them that no barrier covers
	Event    Event  // what became of them
	Detail   string // to which of them it happened
	Disk     *Mem
}

func (c Crash) String() string {
	s := fmt.Sprintf("power cut after operation %d, %d unsynced: %s", c.Point, c.Unsynced, c.Event)
	if c.Detail != "" {
		s += ": " + c.Detail
	}
	return s
}

// Event names what a power cut did to the operations that no barrier covered. It
// is a plain value: safe for concurrent use.
type Event uint8

const (
	NothingKept     Event = iota // all of them are lost
	AllKept                      // none is
	PrefixKept                   // those up to one are kept, the later ones lost
	OneDropped                   // one write or truncate is lost, the others kept
	OneAlone                     // one operation is kept, the others lost
	TornOld                      // a write stopped on a sector boundary; the rest is what was there
	TornZeros                    // the rest is zeros
	TornGarbage                  // the rest is garbage
	SizeWithoutData              // a write made the file longer, but its bytes are zeros
	EntryLost                    // a created file has no name
	EntryAlone                   // the directory has changed, and none of the files
	RenameUndone                 // the old name is back, and so is what the new one had replaced
	DeleteUndone                 // a removed file is back
	RandomSubset                 // some are kept and some lost

	events
)

func (e Event) String() string {
	switch e {
	case NothingKept:
		return "nothing unsynced kept"
	case AllKept:
		return "all kept"
	case PrefixKept:
		return "prefix kept"
	case OneDropped:
		return "one dropped"
	case OneAlone:
		return "one alone"
	case TornOld:
		return "torn: old bytes"
	case TornZeros:
		return "torn: zeros"
	case TornGarbage:
		return "torn: garbage"
	case SizeWithoutData:
		return "size without data"
	case EntryLost:
		return "directory entry lost"
	case EntryAlone:
		return "directory entry alone"
	case RenameUndone:
		return "rename undone"
	case DeleteUndone:
		return "delete undone"
	case RandomSubset:
		return "random subset"
	default:
		return fmt.Sprintf("Event(%d)", uint8(e))
	}
}

// Events returns every kind of event, so that a test can require each of them.
func Events() []Event {
	all := make([]Event, events)
	for i := range all {
		all[i] = Event(i)
	}
	return all
}

const (
	// Up to maxSubsets pending changes of names, each subset of them is tried.
	maxSubsets    = 4
	randomSubsets = 4
)

// Crashes yields every state in which a power cut after the first point
// operations may leave the disk, for 0 <= point <= Ops(). What a barrier covers
// is in all of them. The others are pending, and each may be lost or kept,
// whatever became of those before it; a write may be torn besides.
//
// The states are: nothing pending kept, all, and each prefix; each one lost
// alone and each kept alone; every subset of the pending changes of names (each
// alone, beyond four) with all of the data and with none; each write torn as in
// tears; each growing write as its size alone; and a few random subsets. Equal
// disks of one point are yielded once, under the first event that applies.
//
// Points in rising order are cheap. No lock is held while the loop body runs,
// which may go on using the Recorder. The order and the disks are the same in
// every run.
func (r *Recorder) Crashes(point int) iter.Seq[Crash] {
	return func(yield func(Crash) bool) {
		base, pending := r.cut(point)
		c := cutter{
			base: base, pending: pending, point: point, yield: yield,
			seed: r.seed, seen: map[uint64]bool{},
		}
		_ = c.whole() && c.names() && c.single() && c.torn() && c.random()
	}
}

// cut returns the disk that is durable at a point, which nobody else has, and
// the operations that are not.
func (r *Recorder) cut(point int) (*disk, []op) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if point < 0 || point > len(r.ops) {
		panic(fmt.Sprintf("vfs: no crash point %d in %d operations", point, len(r.ops)))
	}
	if point < r.replay.seen {
		r.replay = replay{disk: r.base.share()}
	}
	for r.replay.seen < point {
		r.replay.step(r.ops[r.replay.seen])
	}
	return r.replay.disk.clone(), slices.Clone(r.replay.pending)
}

// cutter makes the states of one point. Not safe for concurrent use.
type cutter struct {
	base    *disk // only read: the states share its pages
	pending []op
	point   int
	yield   func(Crash) bool
	seed    maphash.Seed
	seen    map[uint64]bool // hashes of the disks that were yielded
}

// fate is what becomes of one pending operation: op.apply, a part of it, or nil
// for nothing.
type fate func(op, *disk)

// fates gives each pending operation the fate that choose returns for it.
func (c *cutter) fates(choose func(int) bool) []fate {
	all := make([]fate, len(c.pending))
	for i := range all {
		if choose(i) {
			all[i] = op.apply
		}
	}
	return all
}

// try yields the disk that the fates leave, unless it has been yielded. It says
// whether to go on. i is the operation that the event is about, or -1.
func (c *cutter) try(e Event, i int, note string, fates []fate) bool {
	d := c.base.share()
	for j, become := range fates {
		if become != nil {
			become(c.pending[j], d)
		}
	}
	sum := d.hash(c.seed)
	if c.seen[sum] {
		return true
	}
	c.seen[sum] = true
	if i >= 0 {
		note = c.pending[i].String() + note
	}
	return c.yield(Crash{Point: c.point, Unsynced: len(c.pending), Event: e, Detail: note, Disk: &Mem{disk: d}})
}

func (c *cutter) whole() bool {
	if len(c.pending) == 0 {
		return c.try(NothingKept, -1, "", nil)
	}
	return c.try(AllKept, -1, "", c.fates(func(int) bool { return true }))
}

// names keeps and loses the pending changes of names, with all of the data and
// with none of it.
func (c *cutter) names() bool {
	var at []int // in pending
	for i, o := range c.pending {
		if o.changesName() {
			at = append(at, i)
		}
	}
	for _, kept := range subsets(len(at)) {
		first := slices.Index(kept, false) // the one that the event is about
		for _, data := range []bool{true, false} {
			fates := c.fates(func(i int) bool {
				if j := slices.Index(at, i); j >= 0 {
					return kept[j]
				}
				return data
			})
			e, i := EntryAlone, -1
			if first >= 0 {
				e, i = undone(c.pending[at[first]].kind), at[first]
			}
			note := ""
			if !data {
				note = " (no data kept)"
			}
			if (data || slices.Contains(kept, true)) && !c.try(e, i, note, fates) {
				return false
			}
		}
	}
	return true
}

func undone(kind opKind) Event {
	switch kind {
	case opCreate:
		return EntryLost
	case opRename:
		return RenameUndone
	default:
		return DeleteUndone
	}
}

// subsets returns which of n to keep: every subset if n is small, and
// otherwise all, all but one, and one alone.
func subsets(n int) (sets [][]bool) {
	if n == 0 {
		return nil
	}
	choose := func(keep func(i int) bool) {
		set := make([]bool, n)
		for i := range set {
			set[i] = keep(i)
		}
		sets = append(sets, set)
	}
	if n <= maxSubsets {
		for mask := 1<<n - 1; mask >= 0; mask-- {
			choose(func(i int) bool { return mask>>i&1 == 1 })
		}
		return sets
	}
	choose(func(int) bool { return true })
	for one := range n {
		choose(func(i int) bool { return i != one })
		choose(func(i int) bool { return i == one })
	}
	return sets
}

// single keeps nothing, each prefix, all but one, and each one alone.
func (c *cutter) single() bool {
	if !c.try(NothingKept, -1, "", nil) {
		return false
	}
	n := len(c.pending)
	for last := range n {
		if !c.try(PrefixKept, last, "", c.fates(func(i int) bool { return i <= last })) {
			return false
		}
	}
	for one := range n {
		if !c.try(OneDropped, one, "", c.fates(func(i int) bool { return i != one })) ||
			!c.try(OneAlone, one, "", c.fates(func(i int) bool { return i == one })) {
			return false
		}
	}
	return true
}

// random keeps random subsets of three operations or more; of two, every subset
// has been tried.
func (c *cutter) random() bool {
	rng := rand.New(rand.NewPCG(uint64(c.point), uint64(len(c.pending))))
	for k := 0; k < randomSubsets && len(c.pending) >= 3; k++ {
		fates := c.fates(func(int) bool { return rng.IntN(2) == 0 })
		if !c.try(RandomSubset, -1, fmt.Sprintf("number %d", k), fates) {
			return false
		}
	}
	return true
}
