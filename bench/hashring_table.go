package main

import (
	"fmt"

	"github.com/plinth-go/plinth/bench/plot"
	"github.com/plinth-go/plinth/bench/report"
)

func (r *hashringResults) moveTable() report.Table {
	t := report.Table{
		Title: "Keys that move",
		Columns: []report.Column{
			{Name: "nodes"}, {Name: "algorithm", Text: true},
			{Name: "one comes", Note: "keys that move when a node comes, in percent of all"},
			{Name: "at best", Note: "what an even share of the new node is"},
			{Name: "each", Note: "keys that move for each that is on the new node"},
			{Name: "one goes", Note: "keys that move when a node goes from the middle, in percent of all"},
			{Name: "at best", Note: "what an even share of the node is that goes"},
			{Name: "each", Note: "keys that move for each that was on it"},
		},
	}
	for i, c := range r.moves {
		t.Rows = append(t.Rows, report.Row{First: i%len(placements()) == 0, Cells: []string{
			grouped(c.nodes), c.name,
			percent(c.comes.share()), percent(1 / float64(c.nodes+1)), fmt.Sprintf("%.2f", c.comes.each()),
			percent(c.goes.share()), percent(1 / float64(c.nodes)), fmt.Sprintf("%.2f", c.goes.each()),
		}})
	}
	return t
}

func (r *hashringResults) shareTable() report.Table {
	t := report.Table{
		Title: fmt.Sprintf("Shares of %d nodes", shareNodes),
		Columns: []report.Column{
			{Name: "algorithm", Text: true},
			{Name: "differ by", Note: "standard deviation of the shares in percent of their mean, on the mean of 8 clusters"},
			{Name: "1/√V"},
			{Name: "fullest", Note: "the largest share of all clusters, over the mean"},
		},
	}
	for i := range r.shares {
		c := &r.shares[i]
		model := "–"
		if c.virtual > 0 {
			model = percent(law(c.virtual))
		}
		t.Rows = append(t.Rows, report.Row{First: i == len(shareVirtual()), Cells: []string{
			c.name, percent(c.deviation()), model, fmt.Sprintf("%.2f", c.fullest),
		}})
	}
	return t
}

func (r *hashringResults) hotTable() report.Table {
	t := report.Table{
		Title: "A hot key, by bound",
		Columns: []report.Column{
			{Name: "ε", Text: true},
			{Name: "fullest", Note: "running requests of the fullest node over the mean"},
			{Name: "emptiest", Note: "of the emptiest"},
			{Name: "nodes of the hot key", Note: fmt.Sprintf("that have seen it, of %d", hotNodes)},
			{Name: "nodes a key", Note: "that have seen it, on the mean of all keys that were asked for"},
		},
	}
	for _, c := range r.hot {
		name := fmt.Sprint(c.epsilon)
		if c.epsilon == unbound {
			name = "plain ring"
		}
		t.Rows = append(t.Rows, report.Row{Cells: []string{
			name, fmt.Sprintf("%.2f", c.loads[0]), fmt.Sprintf("%.2f", c.loads[len(c.loads)-1]),
			fmt.Sprint(c.nodes), fmt.Sprintf("%.2f", float64(c.copies)/float64(c.keys)),
		}})
	}
	return t
}

func (r *hashringResults) lookupTable() report.Table {
	t := report.Table{
		Title: "Lookups (closed loop, one goroutine) and memory",
		Columns: []report.Column{
			{Name: "nodes"}, {Name: "algorithm", Text: true},
			{Name: "a lookup", Note: "from the key to the node, its hash included"},
			{Name: "bytes a node", Note: "of the heap, without the names"},
			{Name: "in all", Note: "bytes for all nodes"},
		},
	}
	for i, c := range r.lookups {
		bytes := median(c.bytes)
		t.Rows = append(t.Rows, report.Row{First: i%len(placements()) == 0, Cells: []string{
			grouped(c.nodes), c.placement.name, plot.Duration.Format(c.took()), fmt.Sprintf("%.0f", bytes), plot.Bytes.Format(bytes * float64(c.nodes)),
		}})
	}
	return t
}

func (r *hashringResults) notes() []string {
	return []string{
		"Shares, moves and loads are counted, not timed: they are the same on every machine.",
		fmt.Sprintf("Shares are those of %d clusters of %d nodes with other names each; thin vertical lines reach from the least uneven cluster to the most. Those of rings are lengths of arcs, those of a Maglev table numbers of entries, both exact; the others are counted of %s keys. Keys that move are counted of %s keys, and growth of %s.",
			shareClusters, shareNodes, grouped(shareKeys), grouped(moveKeys), grouped(growthKeys)),
		"A share below the optimum is no merit: the node that came, or went, has less than its part of the keys. Which keys have to move is what the column each divides by.",
		fmt.Sprintf("Bounds: there are always %d requests running for each node; one that is drawn ends, and another begins, %s times, or %s for the hot key, where key number i is asked for 1/i as often as the first.",
			runningEach, grouped(boundSteps), grouped(hotSteps)),
		fmt.Sprintf("Lookups are a closed loop of %v over %s keys, through an interface; what one takes is that of the median of batches of %d. Memory is what the heap has grown by after a collection; the names of the nodes were there before. All are as they are by default: Ring with 160 virtual nodes, MultiProbe with 21 probes, Anchor with room for twice the nodes; a Maglev table has 65,537 entries, or the first prime from 100 for each node on.",
			r.s.profile.cell/24, grouped(lookupKeys), lookupBatch),
	}
}
