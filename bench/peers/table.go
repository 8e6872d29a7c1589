package main

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"text/tabwriter"
)

// table holds values by name and implementation, one for each round, in the
// order of the rounds. It is not safe for concurrent use.
type table struct {
	unit   string
	format string // of a value
	impls  []string
	ratios bool // whether to say how many times ours is a peer's

	values map[string]map[string][]float64
	marks  map[string]string // appended to a name, to explain below
}

func newTable(unit, format string, impls []string, ratios bool) *table {
	return &table{unit: unit, format: format, impls: impls, ratios: ratios,
		values: map[string]map[string][]float64{}, marks: map[string]string{}}
}

func (t *table) add(name, impl string, value float64) {
	if t.values[name] == nil {
		t.values[name] = map[string][]float64{}
	}
	t.values[name][impl] = append(t.values[name][impl], value)
}

// print writes a row per name: medians, and how many times as much ours is as
// that of each peer. The ratio is that of the medians; in brackets the lowest
// and highest ratio of a round, in which the two ran one after the other.
func (t *table) print(out io.Writer, names []string) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(w, "%s\t%s\t", t.unit, strings.Join(t.impls, "\t"))
	if t.ratios {
		for _, peer := range t.peers() {
			fmt.Fprintf(w, "ours/%s\t", peer)
		}
	}
	fmt.Fprintln(w)
	for _, name := range names {
		row := t.values[name]
		fmt.Fprintf(w, "%s%s\t", name, t.marks[name])
		for _, impl := range t.impls {
			fmt.Fprintf(w, "%s\t", t.median(row[impl]))
		}
		if t.ratios {
			for _, peer := range t.peers() {
				fmt.Fprintf(w, "%s\t", ratio(row[implPlinth], row[peer]))
			}
		}
		fmt.Fprintln(w)
	}
	return w.Flush()
}

// peers are the implementations but ours.
func (t *table) peers() []string {
	return slices.DeleteFunc(slices.Clone(t.impls), func(impl string) bool { return impl == implPlinth })
}

func (t *table) median(values []float64) string {
	if len(values) == 0 {
		return "-"
	}
	return fmt.Sprintf(t.format, median(values))
}

func ratio(ours, theirs []float64) string {
	if len(ours) == 0 || len(theirs) == 0 {
		return "-"
	}
	low, high := math.Inf(1), 0.0
	for i := range min(len(ours), len(theirs)) {
		low, high = min(low, ours[i]/theirs[i]), max(high, ours[i]/theirs[i])
	}
	return fmt.Sprintf("%.2f (%.2f–%.2f)", median(ours)/median(theirs), low, high)
}

// median returns the middle of the values, or the mean of the middle two.
func median(values []float64) float64 {
	v := slices.Sorted(slices.Values(values))
	n := len(v)
	return (v[(n-1)/2] + v[n/2]) / 2
}
