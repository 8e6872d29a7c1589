package cache

import (
	"math"
	"math/rand/v2"
)

// policy decides who stays in a shard. It is the fast form of Steered, whose
// file explains the idea; the two make the same decisions, and a test holds them
// against each other. It is guarded by the lock of its shard, except for the
// hits that readers count in the nodes.
//
//	             ┌──────── window (FIFO) ───────┐      ┌────── main queue (CLOCK) ──────┐
//	new key ───▶ │ newest …                back │ ───▶ │ newest …                  back │ ─┐ hit since the hand
//	             └──────────────┬───────────────┘ duel └──────────────┬─────────────────┘ ◀┘ was here: once more
//	                            ▼ lost                                ▼ lost
//	                     ghosts of the window                 ghosts of the main queue
//	                     come back: widen it                  come back: narrow it
//
// What differs from Steered: the hits that readers count at the same moment may
// be lost, ghosts are 32-bit hashes, and entries have weights. Sizes are
// weights: with a bound on the cost, costs; without, every entry weighs 1.
type policy[K comparable, V any] struct {
	limits limits

	window, main list[K, V]
	target       float64 // of the window's weight; steered

	sketch     *Sketch
	fromWindow ghost // lost their place in the window
	fromMain   ghost // lost their place in the main queue
	chance     rand.PCG
}

// limits of a shard. Immutable.
type limits struct {
	entries int   // math.MaxInt for no bound
	cost    int64 // math.MaxInt64 for no bound
}

// weight is the bound in the policy's unit.
func (l limits) weight() int64 {
	if l.cost != math.MaxInt64 {
		return l.cost
	}
	return int64(l.entries)
}

// The constants of the policy. They were chosen on traces other than those that
// the README shows, and lie in the middle of a plateau.
const (
	smallestWindow = 0.01 // of the weight
	largestWindow  = 0.25
	openGate       = 0.05 // a window above this passes on what was hit without a duel
	ghostsPerEntry = 0.25 // of each kind
	steerStep      = 0.5  // entries for each ghost that comes back, at least
	popular        = 6    // estimate from which …
	luck           = 128  // … one in so many lost duels is won, against keys chosen to collide with a victim
	longestScan    = 128  // steps of the hand for one victim
)

func newPolicy[K comparable, V any](l limits, room int, seed uint64) policy[K, V] {
	p := policy[K, V]{
		limits: l,
		window: newList[K, V](),
		main:   newList[K, V](),
		sketch: NewSketch(room),
		chance: *rand.NewPCG(seed, 0),
	}
	ghosts := ghostsFor(room)
	p.fromWindow, p.fromMain = newGhost(ghosts), newGhost(ghosts)
	p.target = p.clamp(0)
	return p
}

func ghostsFor(entries int) int { return max(1, int(float64(entries)*ghostsPerEntry)) }

func (p *policy[K, V]) clamp(target float64) float64 {
	bound := float64(p.limits.weight())
	return max(1, smallestWindow*bound, min(target, largestWindow*bound))
}

func (p *policy[K, V]) count() int    { return p.window.count + p.main.count }
func (p *policy[K, V]) weight() int64 { return p.window.weight + p.main.weight }

// over reports whether there is too much by this weight.
func (p *policy[K, V]) over(entries int, weight int64) bool {
	return p.count()+entries > p.limits.entries || p.weight()+weight > p.limits.weight()
}

// admit gives a new key its place. A key that was seen more often than the next
// victim takes its place at once; others begin in the window.
func (p *policy[K, V]) admit(n *node[K, V], evict func(*node[K, V])) {
	p.sketch.Add(uint64(n.hash), 1)
	p.steer(n.hash)
	if p.over(1, n.weight()) {
		if victim := p.victim(nil); victim != nil && p.frequency(n) > p.frequency(victim) {
			p.evictMain(victim, evict)
			p.pushMain(n)
			return
		}
	}
	p.window.pushFront(n)
	for float64(p.window.weight) > p.target && p.window.count > 1 && !p.over(0, 0) {
		c := p.window.back()
		p.window.remove(c)
		p.flush(c)
		p.pushMain(c)
	}
}

// steer moves the border between window and main queue when a ghost comes back:
// the queue that lost it was too short. A step is larger when the other queue
// has more ghosts, since a ghost from a short list says more.
func (p *policy[K, V]) steer(hash uint32) {
	fromWindow, fromMain := float64(p.fromWindow.count), float64(p.fromMain.count)
	step := steerStep
	if p.limits.cost != math.MaxInt64 {
		step *= float64(p.weight()) / float64(max(1, p.count()))
	}
	switch {
	case p.fromWindow.take(hash):
		p.target = p.clamp(p.target + step*max(1, fromMain/fromWindow))
	case p.fromMain.take(hash):
		p.target = p.clamp(p.target - step*max(1, fromWindow/fromMain))
	}
}

// shrink evicts until the bounds hold. The node keep stays, whatever it takes:
// it is the one that was just set.
func (p *policy[K, V]) shrink(keep *node[K, V], evict func(*node[K, V])) {
	for p.over(0, 0) {
		if float64(p.window.weight) <= p.target {
			if victim := p.victim(keep); victim != nil {
				p.evictMain(victim, evict)
				continue
			}
		}
		c := p.window.back()
		if c == keep && p.window.count > 1 {
			p.window.moveToFront(c)
			continue
		}
		if c == nil || c == keep {
			p.evictMain(p.victim(keep), evict)
			continue
		}
		p.judge(c, keep, evict)
	}
}

// judge decides about c, the oldest of a window that is too long. Either c
// leaves, or it moves to the main queue; then the next turn of shrink finds
// what else must go.
//
//	main queue empty         c stays if it was hit
//	c hit, gate open         c stays, without a duel
//	more frequent than       c stays, the victim leaves
//	the victim, or lucky
//	otherwise                c leaves
func (p *policy[K, V]) judge(c, keep *node[K, V], evict func(*node[K, V])) {
	hits := p.flush(c)
	p.window.remove(c)
	victim := p.victim(keep)
	stays := false
	switch {
	case victim == nil:
		stays = hits > 0
	case hits > 0 && p.target > openGate*float64(p.limits.weight()):
		stays = true
	default:
		frequency := p.frequency(c)
		if frequency > p.frequency(victim) || frequency >= popular && p.chance.Uint64()%luck == 0 {
			stays = true
			p.evictMain(victim, evict)
		}
	}
	if stays {
		p.pushMain(c)
		return
	}
	p.fromWindow.push(c.hash)
	evict(c)
}

// victim returns the node at the hand of the main queue that was not hit since
// the hand last passed, or nil if there is none but keep. Those that were hit
// pay with their hits and go to the front. A scan ends after longestScan of
// them, so that one Set cannot be made to walk a whole cache of hot entries.
func (p *policy[K, V]) victim(keep *node[K, V]) *node[K, V] {
	for scanned := 0; ; scanned++ {
		n := p.main.back()
		switch {
		case n == nil || n == keep && p.main.count == 1:
			return nil
		case n == keep:
		case n.hits() == 0 || scanned >= longestScan:
			return n
		}
		p.flush(n)
		p.main.moveToFront(n)
	}
}

// flush moves the hits of a node to the sketch.
func (p *policy[K, V]) flush(n *node[K, V]) int {
	hits := n.takeHits()
	if hits > 0 {
		p.sketch.Add(uint64(n.hash), hits)
	}
	return hits
}

func (p *policy[K, V]) frequency(n *node[K, V]) int { return p.sketch.Estimate(uint64(n.hash)) }

// evictMain lets a node of the main queue go.
func (p *policy[K, V]) evictMain(n *node[K, V], evict func(*node[K, V])) {
	p.main.remove(n)
	p.fromMain.push(n.hash)
	evict(n)
}

func (p *policy[K, V]) pushMain(n *node[K, V]) {
	n.state.Or(inMain)
	p.main.pushFront(n)
}

// replace puts a node in the place of the old one of the same key, with its
// hits. Being set again is a hit.
func (p *policy[K, V]) replace(old, n *node[K, V]) {
	state := old.state.Load() &^ isDead
	if state&hitsMask < hitsMask {
		state++
	}
	n.state.Store(state)
	p.listOf(old).replace(old, n)
}

// remove takes a node out without learning from it.
func (p *policy[K, V]) remove(n *node[K, V]) { p.listOf(n).remove(n) }

func (p *policy[K, V]) listOf(n *node[K, V]) *list[K, V] {
	if n.isMain() {
		return &p.main
	}
	return &p.window
}

// grow prepares for so many entries.
func (p *policy[K, V]) grow(room int) {
	p.sketch.resize(room)
	ghosts := ghostsFor(room)
	p.fromWindow, p.fromMain = p.fromWindow.resized(ghosts), p.fromMain.resized(ghosts)
}
