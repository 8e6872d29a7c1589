package cache

import (
	"log/slog"
	"math/rand/v2"
	"sync/atomic"
)

// Stats are what a cache has counted since it was made. It is a plain value, a
// copy: safe for concurrent use as long as nobody changes it. Its fields have
// names for JSON, so that expvar can publish it:
//
//	expvar.Publish("sessions", expvar.Func(func() any { return c.Stats() }))
type Stats struct {
	// Hits and Misses of Get and GetOrSet, and values that were Replaced; 0
	// without Config.Stats.
	Hits     uint64 `json:"hits"`
	Misses   uint64 `json:"misses"`
	Replaced uint64 `json:"replaced"`

	// Added keys, and values that have left for another reason. What OnEvict is
	// told at once because it could not be kept is in neither.
	Added   uint64 `json:"added"`
	Evicted uint64 `json:"evicted"` // Capacity
	Expired uint64 `json:"expired"`
	Deleted uint64 `json:"deleted"`

	// Entries and Cost held at the moment, those included whose time is over
	// but that have not been taken out yet.
	Entries int   `json:"entries"`
	Cost    int64 `json:"cost"`

	refused uint64 // entries that have left because their next value was refused
}

// HitRatio is the part of the reads that were hits; 0 if there were none.
func (s Stats) HitRatio() float64 {
	if s.Hits == 0 {
		return 0
	}
	return float64(s.Hits) / float64(s.Hits+s.Misses)
}

// LogValue makes a group of it in a slog record.
func (s Stats) LogValue() slog.Value {
	return slog.GroupValue(
		slog.Uint64("hits", s.Hits),
		slog.Uint64("misses", s.Misses),
		slog.Float64("hit_ratio", s.HitRatio()),
		slog.Uint64("added", s.Added),
		slog.Uint64("evicted", s.Evicted),
		slog.Uint64("expired", s.Expired),
		slog.Uint64("replaced", s.Replaced),
		slog.Uint64("deleted", s.Deleted),
		slog.Int("entries", s.Entries),
		slog.Int64("cost", s.Cost),
	)
}

// Stats returns the counts. The shards are read one after the other, so under
// load the numbers are of slightly different moments.
func (c *Cache[K, V]) Stats() Stats {
	var total Stats
	var swapped uint64
	c.whole.Lock() // or Resize could move counts past us
	defer c.whole.Unlock()
	p := c.parts.Load()
	for i := range p.shards {
		s := &p.shards[i]
		s.mu.Lock()
		total.Evicted += s.left[Capacity]
		total.Expired += s.left[Expired]
		total.Deleted += s.left[Deleted]
		total.refused += s.left[Replaced]
		swapped += s.swapped
		total.Entries += s.policy.slots.count()
		total.Cost += s.policy.slots.weight()
		s.mu.Unlock()
	}
	total.Added = uint64(total.Entries) + total.Evicted + total.Expired + total.Deleted + total.refused
	if c.counts != nil {
		total.Hits, total.Misses, total.Replaced = c.counts.sum()
		total.Replaced += swapped + total.refused
	}
	return total
}

// counters count reads in several stripes, each on cache lines of its own,
// because one counter for all processors would cost more than the read. A nil
// one counts nothing.
type counters struct {
	stripes [16]stripe
}

type stripe struct {
	hits, misses, replaced atomic.Uint64

	_ [104]byte // two lines, which processors fetch together
}

func newCounters() *counters { return &counters{} }

func (c *counters) hit() {
	if c != nil {
		c.stripe().hits.Add(1)
	}
}

func (c *counters) miss() {
	if c != nil {
		c.stripe().misses.Add(1)
	}
}

func (c *counters) replace() {
	if c != nil {
		c.stripe().replaced.Add(1)
	}
}

// stripe picks one by chance: Go does not tell which processor we are on, and
// the random number comes from a generator that each thread has for itself.
func (c *counters) stripe() *stripe {
	return &c.stripes[rand.Uint32()%uint32(len(c.stripes))]
}

func (c *counters) sum() (hits, misses, replaced uint64) {
	for i := range c.stripes {
		hits += c.stripes[i].hits.Load()
		misses += c.stripes[i].misses.Load()
		replaced += c.stripes[i].replaced.Load()
	}
	return hits, misses, replaced
}
