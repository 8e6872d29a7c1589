package report

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/plinth-go/plinth/bench/machine"
	"github.com/plinth-go/plinth/bench/plot"
)

// WriteText writes the report for a terminal: the machine, and each part's
// facts and tables.
func (r *Report) WriteText(w io.Writer) error {
	var b bytes.Buffer
	for _, f := range Describe(r.Machine) {
		fmt.Fprintf(&b, "%-12s %s\n", strings.ToLower(f.Label), f.Value)
	}
	if r.Warning != "" {
		fmt.Fprintf(&b, "\nWARNING: %s\n", r.Warning)
	}
	for _, p := range r.Parts {
		fmt.Fprintf(&b, "\n%s (%s)\n", p.Title, p.Name)
		for _, t := range p.Tables {
			fmt.Fprintf(&b, "\n%s\n\n", t.Title)
			t.writeText(&b)
		}
		if len(p.Facts) > 0 {
			b.WriteByte('\n')
		}
		for _, f := range p.Facts {
			fmt.Fprintf(&b, "  %s %s\n", f.Value, f.Label)
		}
	}
	_, err := w.Write(b.Bytes())
	return err
}

// Describe lists what is known of a machine.
func Describe(m machine.Machine) []Fact {
	cpus := fmt.Sprintf("%d CPUs", m.CPUs)
	if m.CPUs == 1 {
		cpus = "1 CPU"
	}
	facts := []Fact{
		{strings.TrimPrefix(m.CPU+" · "+cpus, " · "), "CPU"},
		{strings.TrimSpace(m.OS + "/" + m.Arch + " " + m.Kernel), "System"},
		{m.Go, "Go"},
		{strings.TrimSpace(m.FileSystem + " at " + m.Dir), "Disk"},
		{plot.FormatDuration(m.Fsync) + " (median of 4 KiB written over)", "Fsync"},
	}
	facts[3].Value = strings.TrimPrefix(facts[3].Value, "at ")
	if m.MaxProcs != m.CPUs {
		facts[0].Value += fmt.Sprintf(", GOMAXPROCS %d", m.MaxProcs)
	}
	if m.Commit != "" {
		facts = append(facts, Fact{m.Commit, "Commit"})
	}
	return facts
}

// writeText aligns the columns.
func (t Table) writeText(b *bytes.Buffer) {
	widths := make([]int, len(t.Columns))
	head := Row{}
	for i, c := range t.Columns {
		widths[i] = utf8.RuneCountInString(c.Name)
		head.Cells = append(head.Cells, c.Name)
	}
	for _, r := range t.Rows {
		for i, cell := range r.Cells {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	for k, r := range append([]Row{head}, t.Rows...) {
		if k > 1 && r.First {
			b.WriteByte('\n')
		}
		var line strings.Builder
		for i, cell := range r.Cells {
			pad := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell))
			if t.Columns[i].Text {
				line.WriteString("  " + cell + pad)
			} else {
				line.WriteString("  " + pad + cell)
			}
		}
		b.WriteString(strings.TrimRight(line.String(), " ") + "\n")
	}
}
