package ratelimit

import (
	"iter"
	"log/slog"
)

// KeyedStats are what a Keyed has counted since it was made. It is a plain value, a copy:
// safe for concurrent use as long as nobody changes it. Its fields have names for JSON, so
// that expvar can publish it.
type KeyedStats struct {
	Keys      int    `json:"keys"`       // remembered at the moment
	Quotas    int    `json:"quotas"`     // of those, how many SetQuota was called for
	Evicted   uint64 `json:"evicted"`    // keys whose bucket was full, and was forgotten
	NoRoom    uint64 `json:"no_room"`    // decisions about keys that had none: refused, or left to the overflow
	Swept     uint64 `json:"swept"`      // slots looked at to find such as can be forgotten
	BadQuotas uint64 `json:"bad_quotas"` // times that Quota returned what is impossible
}

// LogValue makes a group of it in a slog record.
func (s KeyedStats) LogValue() slog.Value {
	return slog.GroupValue(
		slog.Int("keys", s.Keys),
		slog.Int("quotas", s.Quotas),
		slog.Uint64("evicted", s.Evicted),
		slog.Uint64("no_room", s.NoRoom),
		slog.Uint64("swept", s.Swept),
		slog.Uint64("bad_quotas", s.BadQuotas),
	)
}

// Stats returns the counts. The shards are read one after the other, so under load the
// numbers are of slightly different moments.
func (k *Keyed[K]) Stats() KeyedStats {
	total := KeyedStats{BadQuotas: k.badQuotas.Load()}
	for i := range k.shards {
		s := &k.shards[i]
		s.mu.Lock()
		total.Keys += s.used
		total.Quotas += s.owners
		total.Evicted += s.evicted
		total.NoRoom += s.noRoom
		total.Swept += s.swept
		s.mu.Unlock()
	}
	return total
}

// Len returns how many keys are remembered, among them such as could be forgotten.
func (k *Keyed[K]) Len() int { return k.Stats().Keys }

// All yields the keys that are remembered, each at most once, and what Take(key, 0) says of
// them. It sees the keys of a shard as they were at some moment, and each as it was at about
// that; and it holds no lock while it yields: what is called may use the Keyed.
func (k *Keyed[K]) All() iter.Seq2[K, Decision] {
	type seen struct {
		key  K
		tat  int64
		pace *pace
	}
	return func(yield func(K, Decision) bool) {
		var all []seen
		for i := range k.shards {
			s := &k.shards[i]
			all = all[:0]
			s.mu.Lock()
			ns := sinceNow(k.made)
			slots := s.slots.Load()
			for j := range slots.members {
				if m := slots.members[j].Load(); m != nil {
					all = append(all, seen{m.key, m.tat.Load(), &m.tint.pace})
				}
			}
			s.mu.Unlock()
			for _, at := range all {
				var d Decision
				at.pace.decision(&d, at.tat, ns, 0, 0)
				if !yield(at.key, d) {
					return
				}
			}
		}
	}
}
