package hashring

import (
	"iter"
	"log/slog"
)

// BoundedStats are what a Bounded has counted since it was made. It is a plain value, a copy:
// safe for concurrent use as long as nobody changes it. Its fields have names for JSON, so that
// expvar can publish it.
type BoundedStats struct {
	Nodes    int    `json:"nodes"`    // that get leases
	Leases   int    `json:"leases"`   // out, of those nodes
	Acquired uint64 `json:"acquired"` // leases in all
	Spilled  uint64 `json:"spilled"`  // of these, not of the first node of the key: it was full
}

// LogValue makes a group of it in a slog record.
func (s BoundedStats) LogValue() slog.Value {
	return slog.GroupValue(
		slog.Int("nodes", s.Nodes),
		slog.Int("leases", s.Leases),
		slog.Uint64("acquired", s.Acquired),
		slog.Uint64("spilled", s.Spilled),
	)
}

// Stats returns the counts, all of one moment.
func (b *Bounded) Stats() BoundedStats {
	b.mu.Lock()
	defer b.mu.Unlock()
	return BoundedStats{b.now.Load().Len(), int(b.leases), b.acquired, b.spilled}
}

// Load returns how many leases of a node are out, also of one that has gone.
func (b *Bounded) Load(name string) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	if t := b.tallies[name]; t != nil {
		return int(t.load)
	}
	return 0
}

// Loads yields the nodes that get leases, sorted by name, and how many leases of each are out. All
// numbers are of the moment at which it begins. It holds no lock while it yields.
func (b *Bounded) Loads() iter.Seq2[Node, int] {
	return func(yield func(Node, int) bool) {
		b.mu.Lock()
		p := b.now.Load()
		loads := make([]int, p.Len())
		for i, t := range p.tallies {
			loads[i] = int(t.load)
		}
		b.mu.Unlock()
		for i, n := range p.nodes {
			if !yield(n, loads[i]) {
				return
			}
		}
	}
}

// Len returns how many nodes get leases.
func (b *Bounded) Len() int { return b.now.Load().Len() }
