package cache

import (
	"cmp"
	"math/rand/v2"
	"slices"
)

// naive is a policy as its paper says it, with slices, linear scans and no
// thought of speed: the oracle of a textbook. It holds keys only.
type naive interface {
	get(key uint64) bool
	set(key uint64) (evicted uint64, ok bool)
	delete(key uint64) bool
	order() []uint64 // as All yields them
}

// naives has the oracle of each textbook.
func naives() map[string]func(capacity int) naive {
	return map[string]func(int) naive{
		"fifo":     func(n int) naive { return &naiveFIFO{cap: n} },
		"clock":    func(n int) naive { return &naiveClock{cap: n} },
		"lru":      func(n int) naive { return &naiveLRU{cap: n} },
		"lfu":      func(n int) naive { return &naiveLFU{cap: n, uses: map[uint64]int{}, last: map[uint64]int{}} },
		"twoqueue": func(n int) naive { return &naiveTwoQueue{cap: n} },
		"arc":      func(n int) naive { return &naiveARC{cap: n} },
		"sieve":    func(n int) naive { return &naiveSieve{cap: n, hand: -1, visited: map[uint64]bool{}} },
		"s3fifo":   func(n int) naive { return &naiveS3{cap: n, freq: map[uint64]int{}} },
		"wtinylfu": func(n int) naive { return &naiveTiny{cap: n, sketch: NewSketch(n)} },
		"steered":  func(n int) naive { return newNaiveSteered(n) },
	}
}

// line is a queue with the front at index 0.
type line []uint64

func (l line) has(k uint64) bool { return slices.Contains(l, k) }

func (l *line) push(k uint64) { *l = slices.Insert(*l, 0, k) }

func (l *line) pop() uint64 {
	k := (*l)[len(*l)-1]
	*l = (*l)[:len(*l)-1]
	return k
}

// remove reports whether the key was there.
func (l *line) remove(k uint64) bool {
	had := l.has(k)
	*l = slices.DeleteFunc(*l, func(x uint64) bool { return x == k })
	return had
}

type naiveFIFO struct {
	cap int
	q   line
}

func (c *naiveFIFO) get(k uint64) bool    { return c.q.has(k) }
func (c *naiveFIFO) delete(k uint64) bool { return c.q.remove(k) }
func (c *naiveFIFO) order() []uint64      { return c.q }
func (c *naiveFIFO) set(k uint64) (evicted uint64, ok bool) {
	if c.q.has(k) {
		return
	}
	if len(c.q) == c.cap {
		evicted, ok = c.q.pop(), true
	}
	c.q.push(k)
	return
}

type naiveLRU struct {
	cap int
	q   line
}

func (c *naiveLRU) get(k uint64) bool {
	if !c.q.remove(k) {
		return false
	}
	c.q.push(k)
	return true
}
func (c *naiveLRU) delete(k uint64) bool { return c.q.remove(k) }
func (c *naiveLRU) order() []uint64      { return c.q }
func (c *naiveLRU) set(k uint64) (evicted uint64, ok bool) {
	if !c.get(k) {
		if len(c.q) == c.cap {
			evicted, ok = c.q.pop(), true
		}
		c.q.push(k)
	}
	return
}

// naiveClock turns the circle instead of the hand, which is always at index 0.
type naiveClock struct {
	cap    int
	circle []clockPlace
	holes  int // deleted so far
}

type clockPlace struct {
	key  uint64
	used bool
	hole int // the how-manieth deletion has emptied it; 0 if there is a key
}

func (c *naiveClock) at(k uint64) int {
	return slices.IndexFunc(c.circle, func(p clockPlace) bool { return p.key == k && p.hole == 0 })
}
func (c *naiveClock) get(k uint64) bool {
	i := c.at(k)
	if i >= 0 {
		c.circle[i].used = true
	}
	return i >= 0
}
func (c *naiveClock) delete(k uint64) bool {
	i := c.at(k)
	if i >= 0 {
		c.holes++
		c.circle[i] = clockPlace{hole: c.holes}
	}
	return i >= 0
}
func (c *naiveClock) order() (keys []uint64) {
	for _, p := range slices.Backward(c.circle) {
		if p.hole == 0 {
			keys = append(keys, p.key)
		}
	}
	return keys
}
func (c *naiveClock) set(k uint64) (evicted uint64, ok bool) {
	if c.get(k) {
		return
	}
	latest := -1
	for i, p := range c.circle {
		if p.hole > 0 && (latest < 0 || p.hole > c.circle[latest].hole) {
			latest = i
		}
	}
	switch {
	case latest >= 0:
		c.circle[latest] = clockPlace{key: k}
		return
	case len(c.circle) == c.cap:
		for c.circle[0].used {
			c.circle = append(c.circle[1:], clockPlace{key: c.circle[0].key})
		}
		evicted, ok = c.circle[0].key, true
		c.circle = c.circle[1:]
	}
	c.circle = append(c.circle, clockPlace{key: k})
	return
}

// naiveLFU looks at all counts to find the victim.
type naiveLFU struct {
	cap, now   int
	uses, last map[uint64]int
}

func (c *naiveLFU) use(k uint64) {
	c.now++
	c.uses[k]++
	c.last[k] = c.now
}
func (c *naiveLFU) get(k uint64) bool {
	if c.uses[k] == 0 {
		return false
	}
	c.use(k)
	return true
}
func (c *naiveLFU) delete(k uint64) bool {
	had := c.uses[k] > 0
	delete(c.uses, k)
	return had
}
func (c *naiveLFU) order() (keys []uint64) {
	for k := range c.uses {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, func(a, b uint64) int {
		return cmp.Or(cmp.Compare(c.uses[b], c.uses[a]), cmp.Compare(c.last[b], c.last[a]))
	})
	return keys
}
func (c *naiveLFU) set(k uint64) (evicted uint64, ok bool) {
	if c.uses[k] == 0 && len(c.uses) == c.cap {
		evicted, ok = c.order()[c.cap-1], true
		delete(c.uses, evicted)
	}
	c.use(k)
	return
}

type naiveTwoQueue struct {
	cap             int
	am, a1in, a1out line
}

func (c *naiveTwoQueue) get(k uint64) bool {
	if c.am.remove(k) {
		c.am.push(k)
		return true
	}
	return c.a1in.has(k)
}
func (c *naiveTwoQueue) delete(k uint64) bool { return c.am.remove(k) || c.a1in.remove(k) }
func (c *naiveTwoQueue) order() []uint64      { return slices.Concat(c.am, c.a1in) }
func (c *naiveTwoQueue) set(k uint64) (evicted uint64, ok bool) {
	switch {
	case c.get(k):
	case c.a1out.remove(k):
		evicted, ok = c.reclaim()
		c.am.push(k)
	default:
		evicted, ok = c.reclaim()
		c.a1in.push(k)
	}
	return
}
func (c *naiveTwoQueue) reclaim() (y uint64, ok bool) {
	if len(c.am)+len(c.a1in) < c.cap {
		return 0, false
	}
	if kin := c.cap / 4; len(c.a1in) > kin {
		y = c.a1in.pop()
		c.a1out.push(y)
		if kout := c.cap / 2; len(c.a1out) > kout {
			c.a1out.pop()
		}
		return y, true
	}
	return c.am.pop(), true
}

type naiveARC struct {
	cap            int
	p              float64
	t1, t2, b1, b2 line
}

func (c *naiveARC) get(k uint64) bool {
	if !c.t1.remove(k) && !c.t2.remove(k) {
		return false
	}
	c.t2.push(k)
	return true
}
func (c *naiveARC) delete(k uint64) bool { return c.t1.remove(k) || c.t2.remove(k) }
func (c *naiveARC) order() []uint64      { return slices.Concat(c.t2, c.t1) }
func (c *naiveARC) set(k uint64) (evicted uint64, ok bool) {
	n1, n2 := float64(len(c.b1)), float64(len(c.b2))
	switch {
	case c.get(k):
	case c.b1.has(k):
		delta := 1.0
		if n1 < n2 {
			delta = n2 / n1
		}
		c.p = min(c.p+delta, float64(c.cap))
		evicted, ok = c.replace(k)
		c.b1.remove(k)
		c.t2.push(k)
	case c.b2.has(k):
		delta := 1.0
		if n2 < n1 {
			delta = n1 / n2
		}
		c.p = max(c.p-delta, 0)
		evicted, ok = c.replace(k)
		c.b2.remove(k)
		c.t2.push(k)
	default:
		evicted, ok = c.fetch(k)
		c.t1.push(k)
	}
	return
}
func (c *naiveARC) fetch(k uint64) (evicted uint64, ok bool) {
	l1, l2 := len(c.t1)+len(c.b1), len(c.t2)+len(c.b2)
	if l1 == c.cap {
		if len(c.t1) == c.cap {
			return c.t1.pop(), true
		}
		c.b1.pop()
		return c.replace(k)
	}
	if l1+l2 >= c.cap {
		if l1+l2 == 2*c.cap {
			c.b2.pop()
		}
		return c.replace(k)
	}
	return
}
func (c *naiveARC) replace(k uint64) (evicted uint64, ok bool) {
	if len(c.t1)+len(c.t2) < c.cap { // only after a Delete
		return
	}
	n := float64(len(c.t1))
	if n >= 1 && (c.b2.has(k) && n == c.p || n > c.p) {
		evicted = c.t1.pop()
		c.b1.push(evicted)
	} else {
		evicted = c.t2.pop()
		c.b2.push(evicted)
	}
	return evicted, true
}

type naiveSieve struct {
	cap, hand int // an index into the queue, -1 for none
	q         line
	visited   map[uint64]bool
}

func (c *naiveSieve) get(k uint64) bool {
	if c.q.has(k) {
		c.visited[k] = true
	}
	return c.q.has(k)
}
func (c *naiveSieve) delete(k uint64) bool {
	if i := slices.Index(c.q, k); i >= 0 && i <= c.hand {
		c.hand-- // the hand moves on, or what it is at moves up
	}
	return c.q.remove(k)
}
func (c *naiveSieve) order() []uint64 { return c.q }
func (c *naiveSieve) set(k uint64) (evicted uint64, ok bool) {
	if c.get(k) {
		return
	}
	if len(c.q) == c.cap {
		for ok = true; ; c.hand-- {
			if c.hand < 0 {
				c.hand = len(c.q) - 1
			}
			if evicted = c.q[c.hand]; !c.visited[evicted] {
				break
			}
			c.visited[evicted] = false
		}
		c.q.remove(evicted)
		c.hand--
	}
	c.visited[k] = false
	c.q.push(k)
	if c.hand >= 0 {
		c.hand++ // the same entry, one further from the front
	}
	return
}

type naiveS3 struct {
	cap     int
	s, m, g line
	freq    map[uint64]int
}

func (c *naiveS3) get(k uint64) bool {
	if !c.s.has(k) && !c.m.has(k) {
		return false
	}
	c.freq[k] = min(c.freq[k]+1, 3)
	return true
}
func (c *naiveS3) delete(k uint64) bool { return c.s.remove(k) || c.m.remove(k) }
func (c *naiveS3) order() []uint64      { return slices.Concat(c.m, c.s) }
func (c *naiveS3) set(k uint64) (evicted uint64, ok bool) {
	if c.get(k) {
		return
	}
	known := c.g.remove(k)
	if len(c.s)+len(c.m) == c.cap {
		evicted, ok = c.evict(), true
	}
	c.freq[k] = 0
	if known {
		c.m.push(k)
	} else {
		c.s.push(k)
	}
	return
}
func (c *naiveS3) evict() uint64 {
	tenth := max(1, c.cap/10)
	for len(c.s) >= tenth {
		t := c.s.pop()
		if c.freq[t] <= 1 {
			c.g.push(t)
			if len(c.g) > c.cap-tenth {
				c.g.pop()
			}
			return t
		}
		c.freq[t] = 0
		c.m.push(t)
	}
	for {
		t := c.m.pop()
		if c.freq[t] == 0 {
			return t
		}
		c.freq[t]--
		c.m.push(t)
	}
}

type naiveTiny struct {
	cap                          int
	window, probation, protected line
	sketch                       *Sketch
}

func (c *naiveTiny) get(k uint64) bool {
	switch {
	case c.window.remove(k):
		c.window.push(k)
	case c.protected.remove(k):
		c.protected.push(k)
	case c.probation.remove(k):
		c.protected.push(k)
		if len(c.protected) > (c.cap-max(1, c.cap/100))*80/100 {
			c.probation.push(c.protected.pop())
		}
	default:
		return false
	}
	c.sketch.Add(spread(k), 1)
	return true
}
func (c *naiveTiny) delete(k uint64) bool {
	return c.window.remove(k) || c.probation.remove(k) || c.protected.remove(k)
}
func (c *naiveTiny) order() []uint64 { return slices.Concat(c.protected, c.probation, c.window) }
func (c *naiveTiny) set(k uint64) (evicted uint64, ok bool) {
	if c.get(k) {
		return
	}
	c.sketch.Add(spread(k), 1)
	c.window.push(k)
	if len(c.window) <= max(1, c.cap/100) {
		return
	}
	candidate := c.window.pop()
	if len(c.order()) < c.cap {
		c.probation.push(candidate)
		return
	}
	if len(c.probation) == 0 {
		return candidate, true // there is no main
	}
	victim := c.probation.pop()
	if c.sketch.Estimate(spread(candidate)) > c.sketch.Estimate(spread(victim)) {
		c.probation.push(candidate)
		return victim, true
	}
	c.probation = append(c.probation, victim)
	return candidate, true
}

// naiveSteered has no paper: it is the text of Steered's comment once more.
type naiveSteered struct {
	cap          int
	w, m, gw, gm line
	hits         map[uint64]int
	wf           float64
	sketch       *Sketch
	luck         *rand.PCG
}

func newNaiveSteered(n int) *naiveSteered {
	return &naiveSteered{cap: n, hits: map[uint64]int{}, wf: max(1, 0.05*float64(n)), sketch: NewSketch(n), luck: rand.NewPCG(1, 0)}
}
func (c *naiveSteered) get(k uint64) bool {
	if !c.w.has(k) && !c.m.has(k) {
		return false
	}
	c.hits[k] = min(c.hits[k]+1, 3)
	return true
}
func (c *naiveSteered) delete(k uint64) bool { return c.w.remove(k) || c.m.remove(k) }
func (c *naiveSteered) order() []uint64      { return slices.Concat(c.w, c.m) }
func (c *naiveSteered) freq(k uint64) int    { return c.sketch.Estimate(spread(k)) }

// pay moves an entry's hits to the sketch.
func (c *naiveSteered) pay(k uint64) int {
	h := c.hits[k]
	c.hits[k] = 0
	c.sketch.Add(spread(k), h)
	return h
}
func (c *naiveSteered) victim() uint64 {
	for {
		v := c.m.pop()
		if c.pay(v) == 0 {
			c.m = append(c.m, v)
			return v
		}
		c.m.push(v)
	}
}
func (c *naiveSteered) lose(from, to *line, k uint64) uint64 {
	from.remove(k)
	to.push(k)
	if len(*to) > max(1, c.cap/4) {
		to.pop()
	}
	return k
}
func (c *naiveSteered) set(k uint64) (evicted uint64, ok bool) {
	if c.get(k) {
		return
	}
	c.sketch.Add(spread(k), 1)
	c.learn(k)
	c.hits[k] = 0
	if len(c.w)+len(c.m) == c.cap && len(c.m) > 0 {
		seen := c.freq(k)
		if v := c.victim(); seen-c.handicap() > c.freq(v) {
			c.lose(&c.m, &c.gm, v)
			c.m.push(k)
			return v, true
		}
	}
	c.w.push(k)
	for float64(len(c.w)) > c.wf && len(c.w)+len(c.m) <= c.cap {
		t := c.w.pop()
		c.pay(t)
		c.m.push(t)
	}
	if len(c.w)+len(c.m) > c.cap && float64(len(c.w)-2) >= c.wf {
		t := c.w.pop()
		c.pay(t)
		c.m.push(t)
	}
	for len(c.w)+len(c.m) > c.cap {
		evicted, ok = c.shrink()
	}
	return
}
func (c *naiveSteered) handicap() int {
	if c.wf > 0.05*float64(c.cap) {
		return 0
	}
	return 1
}
func (c *naiveSteered) learn(k uint64) {
	nw, nm := float64(len(c.gw)), float64(len(c.gm))
	if c.gw.remove(k) {
		c.wf += 0.5 * max(1, nm/nw)
	} else if c.gm.remove(k) {
		c.wf -= 0.5 * max(1, nw/nm)
	}
	c.wf = max(1, 0.01*float64(c.cap), min(c.wf, 0.5*float64(c.cap)))
}
func (c *naiveSteered) shrink() (evicted uint64, ok bool) {
	if float64(len(c.w)) <= c.wf {
		return c.lose(&c.m, &c.gm, c.victim()), true
	}
	t := c.w[len(c.w)-1]
	hit := c.pay(t) > 0
	if len(c.m) == 0 && !hit {
		return c.lose(&c.w, &c.gw, t), true
	}
	if len(c.m) > 0 {
		v := c.victim()
		if !hit || c.wf <= 0.05*float64(c.cap) {
			if c.freq(t)-c.handicap() <= c.freq(v) && (c.freq(t) < 6 || c.luck.Uint64()%128 != 0) {
				return c.lose(&c.w, &c.gw, t), true
			}
			evicted, ok = c.lose(&c.m, &c.gm, v), true
		}
	}
	c.w.remove(t)
	c.m.push(t)
	return
}
