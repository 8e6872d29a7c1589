package cache

import (
	"math"
	"math/rand/v2"
)

// policy decides who stays in a shard. It is the fast form of Steered, whose
// file explains the idea. Guarded by the lock of the shard, except for the hits
// that readers count in the items.
//
//	             ┌──────── window (FIFO) ───────┐      ┌────── main queue (CLOCK) ──────┐
//	new key ───▶ │ newest …                back │ ───▶ │ newest …                  back │ ─┐ hit since the hand
//	             └──────────────┬───────────────┘ duel └──────────────┬─────────────────┘ ◀┘ was here: once more
//	                            ▼ lost                                ▼ lost
//	                     ghosts of the window                 ghosts of the main queue
//	                     come back: widen it                  come back: narrow it
//
// What differs from Steered: hits that two readers count at the same moment may
// be lost, ghosts are sets of hashes, the hand has a limit, and entries have
// weights. Sizes are weights: costs where there is a bound on the cost;
// otherwise every entry weighs 1.
type policy struct {
	limits limits // immutable
	slots  slots
	target float64 // of the window's weight; steered
	sketch Sketch
	ghosts ghosts
	chance rand.PCG
}

// limits of a shard. Immutable.
type limits struct {
	entries int   // math.MaxInt for no bound
	cost    int64 // math.MaxInt64 for no bound
}

// weight is the bound in the policy's unit.
func (l *limits) weight() int64 {
	if l.cost != math.MaxInt64 {
		return l.cost
	}
	return int64(l.entries)
}

// The constants of the policy. Most lie in the middle of a plateau. A larger
// largestWindow lets loads of pure recency hit more. A window that begins at the
// gate needs no more than one ghost to know that recency counts: traces of a few
// thousand requests hit more, and only loops and scans a little less.
const (
	smallestWindow = 0.01 // of the weight
	largestWindow  = 0.5
	openGate       = 0.05 // a window above this passes on what was hit without a duel
	ghostsPerEntry = 0.25 // of each kind
	steerStep      = 0.5  // entries for each ghost that comes back, at least
	popular        = 6    // estimate from which …
	luck           = 128  // … one in so many lost duels is won, against keys chosen to collide with a victim
	longestScan    = 128  // steps of the hand for one victim
)

func newPolicy(l limits, room int, seed uint64) policy {
	p := policy{
		limits: l,
		slots:  newSlots(room),
		sketch: *NewSketch(room),
		ghosts: newGhosts(ghostsFor(room)),
		chance: *rand.NewPCG(seed, 0),
	}
	p.target = p.clamp(openGate * float64(l.weight()))
	return p
}

func ghostsFor(entries int) int { return max(1, int(float64(entries)*ghostsPerEntry)) }

func (p *policy) clamp(target float64) float64 {
	bound := float64(p.limits.weight())
	return max(1, smallestWindow*bound, min(target, largestWindow*bound))
}

// over reports whether there is too much, with this much more.
func (p *policy) over(entries int, weight int64) bool {
	return p.slots.count()+entries > p.limits.entries || p.slots.weight()+weight > p.limits.weight()
}

// admit gives a new key its place. A key that is better than the next victim
// takes its place at once; others begin in the window.
func (s *shard[K, V]) admit(it *item[K, V], hash uint32, gone *departed[K, V]) {
	p := &s.policy
	seen := p.sketch.Add(uint64(hash), 1)
	p.steer(hash)
	if p.over(1, it.weight()) {
		if victim := s.victim(0); victim != 0 && p.better(seen, victim) {
			s.evictMain(victim, gone)
			p.slots.pushFront(main, it.slot, it.weight())
			return
		}
	}
	p.slots.pushFront(window, it.slot, it.weight())
	if s.borderMoved(it) {
		s.cede()
	}
	for p.windowTooLong() && p.slots.queues[window].count > 1 && !p.over(0, 0) {
		s.cede()
	}
}

// borderMoved reports whether the window is too long for another reason than the
// one that has just come to it: without that one and its oldest it would reach its
// target still. Then the oldest goes to the main queue, one with each key that
// comes to the window. A duel would not bring the queues to their lengths: where no
// candidate wins any, as in a loop, a window that was once long would stay so.
func (s *shard[K, V]) borderMoved(newest *item[K, V]) bool {
	p := &s.policy
	rest := p.slots.queues[window].weight - newest.weight()
	if float64(rest) <= p.target { // nearly always, and cheaper than to look at another item
		return false
	}
	return float64(rest-s.item(p.slots.back(window)).weight()) >= p.target
}

// cede gives the oldest of the window to the main queue, without a duel.
func (s *shard[K, V]) cede() {
	c := s.policy.slots.back(window)
	s.flush(c)
	s.promote(c)
}

// steer moves the border between window and main queue when a ghost comes back:
// the queue that lost it was too short. A step is larger when the other queue
// has more ghosts, since a ghost of a short list says more.
func (p *policy) steer(hash uint32) {
	fromWindow, fromMain := float64(p.ghosts.counts[window]), float64(p.ghosts.counts[main])
	switch {
	case p.ghosts.take(window, hash):
		p.target = p.clamp(p.target + p.step()*max(1, fromMain/fromWindow))
	case p.ghosts.take(main, hash):
		p.target = p.clamp(p.target - p.step()*max(1, fromWindow/fromMain))
	}
}

// step is the weight of steerStep entries.
func (p *policy) step() float64 {
	if p.limits.cost == math.MaxInt64 {
		return steerStep
	}
	return steerStep * float64(p.slots.weight()) / float64(max(1, p.slots.count()))
}

func (p *policy) windowTooLong() bool {
	return float64(p.slots.queues[window].weight) > p.target
}

// shrink evicts until the bounds hold. The entry keep stays, whatever it takes:
// it is the one that was just set.
func (s *shard[K, V]) shrink(keep uint32, gone *departed[K, V]) {
	p := &s.policy
	for p.over(0, 0) {
		if !p.windowTooLong() {
			if victim := s.victim(keep); victim != 0 {
				s.evictMain(victim, gone)
				continue
			}
		}
		c := p.slots.back(window)
		switch {
		case c == 0 || c == keep && p.slots.queues[window].count == 1:
			s.evictMain(s.victim(keep), gone)
		case c == keep:
			p.slots.rewind(c)
		default:
			s.judge(c, keep, gone)
		}
	}
}

// judge decides about c, the oldest of a window that is too long. Either it
// leaves, or it moves to the main queue; then the next turn of shrink finds what
// else must go.
//
//	main queue empty           c stays if it was hit
//	c hit, gate open           c stays, without a duel
//	better than the victim,    c stays, the victim leaves
//	or lucky
//	otherwise                  c leaves
func (s *shard[K, V]) judge(c, keep uint32, gone *departed[K, V]) {
	p := &s.policy
	hits := s.flush(c)
	victim := s.victim(keep)
	stays := false
	switch {
	case victim == 0:
		stays = hits > 0
	case hits > 0 && p.gateOpen():
		stays = true
	default:
		seen := p.frequency(c)
		if p.better(seen, victim) || seen >= popular && p.chance.Uint64()%luck == 0 {
			stays = true
			s.evictMain(victim, gone)
		}
	}
	if stays {
		s.promote(c)
		return
	}
	p.ghosts.push(window, p.slots.all[c].hash)
	s.remove(c, Capacity, gone)
}

// victim returns the entry at the hand of the main queue that was not hit since
// the hand last passed, or 0 if there is none but keep. Those that were hit pay
// with their hits and go to the front. A scan ends after longestScan of them, so
// that one Set cannot be made to walk a whole cache of hot entries.
func (s *shard[K, V]) victim(keep uint32) uint32 {
	slots := &s.policy.slots
	for scanned := 0; ; scanned++ {
		c := slots.back(main)
		switch {
		case c == 0 || c == keep && slots.queues[main].count == 1:
			return 0
		case c == keep:
		case scanned >= longestScan || s.item(c).hits() == 0:
			return c
		}
		s.flush(c)
		slots.rewind(c)
	}
}

// flush moves the hits of an entry to the sketch and returns them.
func (s *shard[K, V]) flush(c uint32) int {
	hits := s.item(c).takeHits()
	if hits > 0 {
		s.policy.sketch.Add(uint64(s.policy.slots.all[c].hash), hits)
	}
	return hits
}

func (p *policy) frequency(c uint32) int { return p.sketch.Estimate(uint64(p.slots.all[c].hash)) }

// gateOpen reports whether the window is wide, which it becomes where recency
// counts more than frequency.
func (p *policy) gateOpen() bool { return p.target > openGate*float64(p.limits.weight()) }

// better reports whether a key that was seen so often, the request that brings
// it included, should have the place of the victim. While the gate is closed,
// that request does not count: the victim's turn may be still to come. In a loop,
// every key is one ahead of those that come after it, and whoever gives it their
// place for that will miss them next.
func (p *policy) better(seen int, victim uint32) bool {
	if !p.gateOpen() {
		seen--
	}
	return seen > p.frequency(victim)
}

// promote moves an entry from the window to the main queue.
func (s *shard[K, V]) promote(c uint32) {
	weight := s.item(c).weight()
	s.policy.slots.leave(c, weight)
	s.policy.slots.pushFront(main, c, weight)
}

// evictMain lets an entry of the main queue go.
func (s *shard[K, V]) evictMain(c uint32, gone *departed[K, V]) {
	s.policy.ghosts.push(main, s.policy.slots.all[c].hash)
	s.remove(c, Capacity, gone)
}

// grow prepares for so many entries.
func (p *policy) grow(room int) {
	p.sketch.resize(room)
	p.ghosts = p.ghosts.resized(ghostsFor(room))
}
