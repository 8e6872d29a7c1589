package cache

import "fmt"

// Resize changes MaxEntries, which must have been set. What exceeds a smaller
// bound is evicted; and a few entries may be when a larger one comes with more
// shards, each of which has its own part of the bound. The entries move to new
// shards under all locks, so writers wait for as long as that takes; readers do
// not. The policy starts to learn anew, except for which entries are in its main
// queue.
func (c *Cache[K, V]) Resize(entries int) error {
	return c.rebuild(func(config *Config[K, V]) error {
		if config.MaxEntries == 0 || entries < 1 {
			return fmt.Errorf("%w: Resize to %d entries of a cache whose MaxEntries is %d, want both at least 1", ErrConfig, entries, config.MaxEntries)
		}
		config.MaxEntries = entries
		return nil
	})
}

// ResizeCost changes MaxCost, which must have been set, as Resize does MaxEntries.
func (c *Cache[K, V]) ResizeCost(cost int64) error {
	return c.rebuild(func(config *Config[K, V]) error {
		if config.MaxCost == 0 || cost < 1 {
			return fmt.Errorf("%w: ResizeCost to %d of a cache whose MaxCost is %d, want both at least 1", ErrConfig, cost, config.MaxCost)
		}
		config.MaxCost = cost
		return nil
	})
}

// rebuild moves everything to shards for another configuration.
//
// It holds the locks of all old shards, taken in order (nobody else holds two),
// from before the first entry moves until the new shards are in place and the
// old ones are marked as retired. A writer that was waiting for an old lock then
// sees the mark and goes to the new shards. A reader that still searches an old
// table finds what was true before the move, which is within its call.
func (c *Cache[K, V]) rebuild(change func(*Config[K, V]) error) error {
	gone := c.departed()
	err := c.rebuildLocked(change, &gone)
	c.tell(&gone)
	return err
}

func (c *Cache[K, V]) rebuildLocked(change func(*Config[K, V]) error, gone *departed[K, V]) error {
	c.whole.Lock()
	defer c.whole.Unlock()
	config := c.config
	if err := change(&config); err != nil {
		return err
	}
	if err := config.check(); err != nil {
		return err
	}
	old, p := c.parts.Load(), c.newParts(&config)
	for i := range old.shards {
		old.shards[i].mu.Lock()
	}
	c.move(old, p, gone)
	c.parts.Store(p)
	c.config = config
	for i := range old.shards {
		old.shards[i].retired = true
		old.shards[i].mu.Unlock()
	}
	return nil
}

// move takes the entries out of the old shards and puts them into the new ones,
// each to the queue that it came from. The oldest go first, and all shards take
// turns, so that age is kept where old shards are merged.
func (c *Cache[K, V]) move(old, p *parts[K, V], gone *departed[K, V]) {
	for moved := true; moved; {
		moved = false
		for i := range old.shards {
			from := &old.shards[i]
			for _, q := range []queue{main, window} {
				if oldest := from.policy.slots.back(q); oldest != 0 {
					it := from.table.Load().freeze(from.policy.slots.all[oldest].place)
					from.policy.slots.leave(oldest, it.weight())
					hash := c.hash(it.key)
					p.shard(hash).adopt(it, uint32(hash), q, gone)
					moved = true
				}
			}
		}
	}
	for i := range old.shards { // so that Stats go on
		from, to := &old.shards[i], &p.shards[0]
		to.swapped += from.swapped
		for why, count := range from.left {
			to.left[why] += count
		}
	}
}

// adopt takes in the entry of another shard, as a new item, since slots differ.
func (s *shard[K, V]) adopt(old *item[K, V], hash uint32, q queue, gone *departed[K, V]) {
	if old.weight() > s.policy.limits.cost {
		s.left[Capacity]++
		gone.add(old, Capacity)
		return
	}
	s.grow()
	it := old.copy(s.policy.slots.reserve(hash))
	s.policy.slots.all[it.slot].place = s.table.Load().insert(it, hash)
	s.policy.slots.pushFront(q, it.slot, it.weight())
	s.shrink(it.slot, gone) // at once, since the table has room for one in excess
	s.schedule(it)
}
