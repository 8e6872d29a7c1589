package main

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/plinth-go/plinth/bench/report"
	"github.com/plinth-go/plinth/hashring"
)

// How evenly keys are spread. Of a ring that is exact: the shares are the lengths of arcs,
// which the plan from no nodes at all to these ones lists. Of a table, too: its entries can
// be looked at one by one. The others need keys, whose own chance is then part of the
// answer.

const (
	shareNodes    = 100
	shareClusters = 8       // of nodes of other names
	shareKeys     = 250_000 // where shares are not exact
)

// shareVirtual are numbers of virtual nodes, and among them that of a ring by default.
func shareVirtual() []int { return []int{1, 2, 4, 8, 16, 32, 64, 128, 160, 256, 512, 1024} }

// shareCell is how evenly some clusters have spread the keys.
type shareCell struct {
	name    string
	virtual int // nodes, of a ring

	deviations []float64 // standard deviation over the mean, of each cluster
	fullest    float64   // over the mean, of all clusters
}

func (c *shareCell) add(shares []float64) {
	mean := 0.0
	for _, s := range shares {
		mean += s / float64(len(shares))
	}
	sum := 0.0
	for _, s := range shares {
		sum += (s/mean - 1) * (s/mean - 1)
	}
	c.deviations = append(c.deviations, math.Sqrt(sum/float64(len(shares))))
	c.fullest = max(c.fullest, slices.Max(shares)/mean)
}

// deviation is that of clusters on the mean.
func (c *shareCell) deviation() (mean float64) {
	for _, d := range c.deviations {
		mean += d / float64(len(c.deviations))
	}
	return mean
}

// law is what the deviation of a ring should be.
func law(virtual int) float64 { return 1 / math.Sqrt(float64(virtual)) }

// byChance is how much shares differ if each key draws its node.
func byChance() float64 { return math.Sqrt(float64(shareNodes) / shareKeys) }

// countShares fills the shares: rings first, by virtual nodes.
func (r *hashringResults) countShares(ctx context.Context) error {
	for _, v := range shareVirtual() {
		c := shareCell{name: fmt.Sprintf("Ring, V=%d", v), virtual: v}
		for cluster := range shareClusters {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			ring, err := hashring.NewRing(hashring.RingConfig{VirtualNodes: v}, nodesOf(cluster, shareNodes)...)
			if err != nil {
				return err
			}
			shares, err := arcShares(ring)
			if err != nil {
				return err
			}
			c.add(shares)
		}
		r.shares = append(r.shares, c)
	}
	for _, name := range []string{multiProbe, shards, maglev} {
		c, p := shareCell{name: name}, placementNamed(name)
		for cluster := range shareClusters {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			l, err := p.build(nodesOf(cluster, shareNodes))
			if err != nil {
				return err
			}
			c.add(hashShares(l, hashesFor(name, cluster)))
		}
		r.shares = append(r.shares, c)
	}
	return nil
}

// arcShares returns the part of the circle that each node has, by name.
func arcShares(ring *hashring.Ring) ([]float64, error) {
	nobody, err := newRing()
	if err != nil {
		return nil, err
	}
	shares, index := make([]float64, ring.Len()), indexOf(ring)
	for _, t := range nobody.Plan(ring) {
		shares[index[t.To.Name]] += t.Hashes.Share()
	}
	return shares, nil
}

// hashesFor are the hashes that an algorithm is asked for: as many as a Maglev has entries,
// each of which is one remainder; as good as random for others.
func hashesFor(name string, cluster int) []uint64 {
	if name == maglev {
		entries := make([]uint64, maglevSize(shareNodes))
		for i := range entries {
			entries[i] = uint64(i)
		}
		return entries
	}
	rnd := rand.New(rand.NewPCG(1, uint64(cluster)))
	hashes := make([]uint64, shareKeys)
	for i := range hashes {
		hashes[i] = rnd.Uint64()
	}
	return hashes
}

// hashShares counts the hashes of each node, by name.
func hashShares(l hashring.Locator, hashes []uint64) []float64 {
	shares, index := make([]float64, l.Len()), indexOf(l)
	for _, h := range hashes {
		shares[index[l.LocateHash(h).Name]]++
	}
	return shares
}

// indexOf numbers the nodes by name.
func indexOf(l hashring.Locator) map[string]int {
	index := make(map[string]int, l.Len())
	for n := range l.Nodes() {
		index[n.Name] = len(index)
	}
	return index
}

// share finds a cell.
func (r *hashringResults) share(name string) *shareCell {
	i := slices.IndexFunc(r.shares, func(c shareCell) bool { return c.name == name })
	return &r.shares[i]
}

func (c *shareCell) result() report.Result {
	metrics := map[string]float64{"nodes": shareNodes, "deviation": c.deviation(), "fullest": c.fullest}
	if c.virtual > 0 {
		metrics["virtual_nodes"] = float64(c.virtual)
	}
	return report.Result{
		Experiment: "hashring/counted/shares/impl=" + c.name, Load: "simulation", Workers: 1, Rounds: 1,
		Ops: uint64(len(c.deviations)), Metrics: metrics,
	}
}
