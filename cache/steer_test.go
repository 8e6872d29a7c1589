package cache

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/plinth-go/plinth/internal/seed"
)

// oracle is the policy in slices and maps, written from the description in
// steer.go and sharing only sketch and ghosts with it. Oldest entries are last.
// Planted bugs that it catches: a duel won on equal estimates, a step of the
// window in the wrong direction, an update that does not count as a hit, a full
// bucket that does not count who has passed.
type oracle struct {
	policy       policy // for limits, target, sketch, ghosts and chance; its slots stay empty
	window, main []uint64
	hits         map[uint64]int
	hash         func(uint64) uint32
}

func newOracle(capacity int, s uint64, hash func(uint64) uint32) *oracle {
	return &oracle{policy: newPolicy(limits{entries: capacity, cost: never}, capacity, s), hits: map[uint64]int{}, hash: hash}
}

func (o *oracle) has(k uint64) bool { _, ok := o.hits[k]; return ok }

func (o *oracle) hit(k uint64) bool {
	if !o.has(k) {
		return false
	}
	o.hits[k] = min(o.hits[k]+1, 3)
	return true
}

func (o *oracle) delete(k uint64) {
	delete(o.hits, k)
	gone := func(x uint64) bool { return x == k }
	o.window, o.main = slices.DeleteFunc(o.window, gone), slices.DeleteFunc(o.main, gone)
}

func (o *oracle) flush(k uint64) int {
	h := o.hits[k]
	if h > 0 {
		o.policy.sketch.Add(uint64(o.hash(k)), h)
	}
	o.hits[k] = 0
	return h
}

func (o *oracle) freq(k uint64) int { return o.policy.sketch.Estimate(uint64(o.hash(k))) }

func (o *oracle) wide() bool { return o.policy.target > 0.05*float64(o.policy.limits.entries) }

func (o *oracle) better(seen int, victim uint64) bool {
	return seen > o.freq(victim)+1 || seen > o.freq(victim) && o.wide()
}

func (o *oracle) victim() (uint64, bool) {
	for scanned := 0; len(o.main) > 0; scanned++ {
		k := o.main[len(o.main)-1]
		if o.hits[k] == 0 || scanned >= longestScan {
			return k, true
		}
		o.flush(k)
		o.main = append([]uint64{k}, o.main[:len(o.main)-1]...)
	}
	return 0, false
}

func (o *oracle) evictMain(k uint64) {
	o.policy.ghosts.push(main, o.hash(k))
	o.delete(k)
}

func (o *oracle) set(k uint64) {
	if o.hit(k) {
		return
	}
	p, capacity := &o.policy, o.policy.limits.entries
	seen := p.sketch.Add(uint64(o.hash(k)), 1)
	w, m := float64(p.ghosts.counts[window]), float64(p.ghosts.counts[main])
	if p.ghosts.take(window, o.hash(k)) {
		p.target = p.clamp(p.target + 0.5*max(1, m/w))
	} else if p.ghosts.take(main, o.hash(k)) {
		p.target = p.clamp(p.target - 0.5*max(1, w/m))
	}
	if len(o.hits)+1 > capacity {
		if v, ok := o.victim(); ok && o.better(seen, v) {
			o.evictMain(v)
			o.hits[k], o.main = 0, append([]uint64{k}, o.main...)
			return
		}
	}
	o.hits[k], o.window = 0, append([]uint64{k}, o.window...)
	for float64(len(o.window)) > p.target && len(o.hits) <= capacity && len(o.window) > 1 {
		o.promote()
	}
	if len(o.hits) > capacity && float64(len(o.window)-2) >= p.target {
		o.promote()
	}
	for len(o.hits) > capacity {
		o.evict()
	}
}

func (o *oracle) promote() {
	c := o.window[len(o.window)-1]
	o.flush(c)
	o.window, o.main = o.window[:len(o.window)-1], append([]uint64{c}, o.main...)
}

func (o *oracle) evict() {
	p := &o.policy
	if float64(len(o.window)) <= p.target {
		if v, ok := o.victim(); ok {
			o.evictMain(v)
			return
		}
	}
	c := o.window[len(o.window)-1]
	hits := o.flush(c)
	v, ok := o.victim()
	if !ok && hits > 0 || ok && hits > 0 && o.wide() {
		o.promote()
		return
	}
	if ok {
		if f := o.freq(c); o.better(f, v) || f >= popular && p.chance.Uint64()%luck == 0 {
			o.evictMain(v)
			o.promote()
			return
		}
	}
	o.policy.ghosts.push(window, o.hash(c))
	o.delete(c)
}

func TestPolicyIsTheOracle(t *testing.T) {
	rng := seed.New(t)
	for _, capacity := range []int{1, 2, 3, 10, 100, 500} {
		hash := func(k uint64) uint64 { return k * 0x9e3779b97f4a7c15 }
		c, err := New(Config[uint64, uint64]{MaxEntries: capacity, Hash: hash, Seed: 7})
		require.NoError(t, err)
		o := newOracle(capacity, 7, func(k uint64) uint32 { return uint32(c.hash(k)) })
		zipf := rand.NewZipf(rng, 1.1, 1, uint64(8*capacity))
		for step := range 20000 {
			k := zipf.Uint64()
			if step/3000%2 == 1 { // now and then, a scan and a loop
				k = uint64(step % (2 * capacity))
			}
			switch rng.IntN(20) {
			case 0:
				c.Delete(k)
				o.delete(k)
			case 1, 2, 3, 4, 5:
				c.Set(k, k)
				o.set(k)
			default:
				_, ok := c.Get(k)
				require.Equal(t, o.hit(k), ok, "step %d, capacity %d, key %d", step, capacity, k)
				if !ok {
					c.Set(k, k)
					o.set(k)
				}
			}
			s := &c.parts.Load().shards[0]
			require.Equal(t, o.policy.target, s.policy.target, "step %d", step)
			if step%101 == 0 {
				checkShard(t, s)
				require.True(t, slices.Equal(o.window, keysOf(s, window)), "step %d: window", step)
				require.True(t, slices.Equal(o.main, keysOf(s, main)), "step %d: main queue", step)
			}
		}
	}
}

// TestBorderMoved: the window cedes its oldest when its target has fallen, and
// not because something heavy has come to it. Planted and caught: the weight of
// the newest or of the oldest left out, a start without a window.
func TestBorderMoved(t *testing.T) {
	c, err := New(Config[uint64, uint64]{MaxCost: 1000, Cost: func(_, cost uint64) int64 { return int64(cost) }})
	require.NoError(t, err)
	s := &c.parts.Load().shards[0]
	require.Equal(t, 50.0, s.policy.target, "it begins at the gate")
	for key := range uint64(1000) {
		c.Set(key, 1)
	}
	require.Len(t, keysOf(s, window), 50)
	c.Set(1000, 40)
	require.NotContains(t, keysOf(s, main), uint64(950), "the oldest of the window has had no duel: there is none to win")
	require.Equal(t, []uint64{1000, 999, 998, 997, 996, 995, 994, 993, 992, 991, 990}, keysOf(s, window))
	c.Set(1001, 1)
	require.Equal(t, []uint64{1001, 1000, 999, 998, 997, 996, 995, 994, 993, 992, 991}, keysOf(s, window))

	s.policy.target = 20
	c.Set(1002, 1)
	require.Equal(t, uint64(991), keysOf(s, main)[0], "ceded")
}

// keysOf a queue, newest first.
func keysOf(s *shard[uint64, uint64], q queue) []uint64 {
	var keys []uint64
	for i := s.policy.slots.all[q].next; i != uint32(q); i = s.policy.slots.all[i].next {
		keys = append(keys, s.item(i).key)
	}
	return keys
}

// checkShard checks what must hold between the calls of a shard.
func checkShard[K comparable, V any](t *testing.T, s *shard[K, V]) {
	t.Helper()
	tbl, l := s.table.Load(), &s.policy.slots
	items := 0
	for it := range tbl.all {
		items++
		require.NotEqual(t, frozen, it.slot)
		require.Same(t, it, s.item(it.slot), "slot and table agree")
		require.Same(t, it, tbl.find(it.key, l.all[it.slot].hash), "a search finds it")
	}
	require.Equal(t, l.count(), items)
	require.LessOrEqual(t, items, s.policy.limits.entries)
	require.LessOrEqual(t, l.weight(), s.policy.limits.weight())
	for _, q := range []queue{window, main} {
		count, weight := 0, int64(0)
		for i := l.all[q].next; i != uint32(q); i = l.all[i].next {
			require.Equal(t, q, l.all[i].queue)
			count++
			weight += s.item(i).weight()
		}
		require.Equal(t, l.queues[q].count, count)
		require.Equal(t, l.queues[q].weight, weight)
	}
	passed := make([]int, len(tbl.buckets))
	for i := range l.entries {
		for at := scale(l.all[i].hash, len(tbl.buckets)); at != int(l.all[i].place/8); at = tbl.after(at) {
			passed[at]++
		}
	}
	for i := range tbl.buckets {
		require.EqualValues(t, min(passed[i], maxPassed), tbl.buckets[i].tags.Load()>>passedShift, "bucket %d", i)
	}
}
