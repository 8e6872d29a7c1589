package report

import (
	"encoding/json"
	"io"
	"time"

	"github.com/plinth-go/plinth/bench/hist"
	"github.com/plinth-go/plinth/bench/machine"
	"github.com/plinth-go/plinth/bench/plot"
)

// Schema names the JSON form. It changes when a field changes its meaning.
const Schema = "plinth-bench/1"

// Report is everything that one run of the benchmark has to say. It is a plain
// value: safe for concurrent use as long as nobody changes it.
type Report struct {
	Title   string
	Created time.Time
	Command string // that was typed
	Profile string // how thorough it was
	Machine machine.Machine
	Warning string // what spoils the numbers, if anything
	Parts   []Part
}

// Part is one experiment. It is a plain value: safe for concurrent use as long
// as nobody changes it.
type Part struct {
	Name    string // that selects it on the command line
	Title   string
	Lead    []string // paragraphs: the question, and how it is asked
	Facts   []Fact
	Figures []Figure
	Tables  []Table
	Notes   []string // what the numbers mean and do not mean
	Results []Result
}

// Fact is a number to remember. It is a plain value: safe for concurrent use.
type Fact struct{ Value, Label string }

// Figure is a drawing with its caption. It is a plain value: safe for
// concurrent use.
type Figure struct {
	Title string
	Chart Chart
	See   string // what is there to see, in the numbers of this run
	Why   string // what makes it so
	How   string // the command that draws it again
}

// Chart is what can be drawn in several sizes. Implementations are safe for
// concurrent use as long as nobody changes them.
type Chart interface{ SVG(plot.Size) string }

// Result is one measurement as a program reads it. It is a plain value: safe
// for concurrent use as long as nobody changes it.
type Result struct {
	Experiment  string             `json:"experiment"`
	Load        string             `json:"load"` // "closed loop"
	Durability  string             `json:"durability,omitempty"`
	Workers     int                `json:"workers"`
	RecordBytes float64            `json:"record_bytes,omitempty"` // the mean, where they differ
	Input       string             `json:"input,omitempty"`        // file of the records, if not synthetic
	Rounds      int                `json:"rounds"`
	Ops         uint64             `json:"ops"`
	Elapsed     time.Duration      `json:"elapsed_ns"`
	PerSecond   float64            `json:"ops_per_second"` // the median round
	Slowest     float64            `json:"ops_per_second_min"`
	Fastest     float64            `json:"ops_per_second_max"`
	Metrics     map[string]float64 `json:"metrics,omitempty"` // exact counts per operation
	Latency     *hist.Histogram    `json:"latency"`
}

// Table is a table. It is a plain value: safe for concurrent use as long as
// nobody changes it.
type Table struct {
	Title   string
	Columns []Column
	Rows    []Row
}

// Column is the head of a column. It is a plain value: safe for concurrent use.
type Column struct {
	Name string
	Note string // what it means, shown on demand
	Text bool   // words, aligned to the left; numbers go to the right
}

// Row is a line of a table. It is a plain value: safe for concurrent use as
// long as nobody changes it.
type Row struct {
	Cells []string
	First bool // of a group: set apart from the row above
}

// WriteJSON writes the results for programs, on one line: histograms are long.
func (r *Report) WriteJSON(w io.Writer) error {
	out := struct {
		Schema  string          `json:"schema"`
		Created time.Time       `json:"created"`
		Command string          `json:"command"`
		Profile string          `json:"profile"`
		Warning string          `json:"warning,omitempty"`
		Machine machine.Machine `json:"machine"`
		Results []Result        `json:"results"`
	}{Schema, r.Created, r.Command, r.Profile, r.Warning, r.Machine, []Result{}}
	for _, p := range r.Parts {
		out.Results = append(out.Results, p.Results...)
	}
	return json.NewEncoder(w).Encode(out)
}
