package cache

import (
	"log/slog"
	"sync/atomic"
)

// LoadStats are what a Loading cache has counted since it was made. It is a
// plain value, a copy: safe for concurrent use as long as nobody changes it. It
// suits expvar and slog as Stats does.
type LoadStats struct {
	Loads     uint64 `json:"loads"`     // calls of Load and LoadMany, reloads too
	Failures  uint64 `json:"failures"`  // those that failed, other than with ErrNotFound
	Reloads   uint64 `json:"reloads"`   // keys that Gets have reloaded while an older value was served
	Coalesced uint64 `json:"coalesced"` // keys that had to be loaded but already were being loaded
	Stale     uint64 `json:"stale"`     // Gets served after the TTL, within StaleFor

	// Cache counts what is known not to exist, and what was invalidated by tag or
	// all together and not loaded again yet, as entries.
	Cache Stats `json:"cache"`
}

// LogValue makes a group of it in a slog record.
func (s LoadStats) LogValue() slog.Value {
	return slog.GroupValue(
		slog.Uint64("loads", s.Loads),
		slog.Uint64("failures", s.Failures),
		slog.Uint64("reloads", s.Reloads),
		slog.Uint64("coalesced", s.Coalesced),
		slog.Uint64("stale", s.Stale),
		slog.Any("cache", s.Cache),
	)
}

// loadCounts are counted where a load or a stale value is at hand, never on the
// way of a plain hit, so plain atomics will do.
type loadCounts struct {
	loads, failures, reloads, coalesced, stale atomic.Uint64
}

// Stats returns the counts.
func (l *Loading[K, V]) Stats() LoadStats {
	return LoadStats{
		Loads:     l.counts.loads.Load(),
		Failures:  l.counts.failures.Load(),
		Reloads:   l.counts.reloads.Load(),
		Coalesced: l.counts.coalesced.Load(),
		Stale:     l.counts.stale.Load(),
		Cache:     l.cache.Stats(),
	}
}
