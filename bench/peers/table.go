package main

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"text/tabwriter"
)

// table holds rates by cell and implementation, one for each round, in the
// order of the rounds. It is not safe for concurrent use.
type table map[cell]map[string][]float64

func (t table) add(c cell, impl string, rate float64) {
	if t[c] == nil {
		t[c] = map[string][]float64{}
	}
	t[c][impl] = append(t[c][impl], rate)
}

// print writes a row per cell: median rates, and how many times as fast we
// are as each peer. The ratio is that of the medians; in brackets the lowest
// and highest ratio of a round, in which the two ran one after the other.
func (t table) print(out io.Writer, order []cell) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(w, "records/s\t%s\t\n", strings.Join([]string{
		implPlinth, implTidwall, implRaftWAL, "ours/" + implTidwall, "ours/" + implRaftWAL}, "\t"))
	weaker := false
	for _, c := range order {
		row := t[c]
		name := c.String()
		if c.rival(implTidwall) != c {
			weaker = true
			name += " *"
		}
		fmt.Fprintf(w, "%s\t", name)
		for _, impl := range impls() {
			fmt.Fprintf(w, "%s\t", rate(row[impl]))
		}
		for _, peer := range impls()[1:] {
			fmt.Fprintf(w, "%s\t", ratio(row[implPlinth], row[peer]))
		}
		fmt.Fprintln(w)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if weaker {
		fmt.Fprintf(out, "\n* ours promises less: %s has no buffered mode and hands each record to the operating system.\n", implTidwall)
	}
	return nil
}

func rate(rates []float64) string {
	if len(rates) == 0 {
		return "-"
	}
	return fmt.Sprintf("%.0f", median(rates))
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
