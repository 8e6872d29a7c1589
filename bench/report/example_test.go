package report_test

import (
	"log"
	"os"

	"github.com/plinth-go/plinth/bench/machine"
	"github.com/plinth-go/plinth/bench/report"
)

func ExampleReport_WriteText() {
	r := report.Report{
		Machine: machine.Machine{Go: "go1.25", OS: "linux", Arch: "amd64", CPUs: 8, MaxProcs: 8, Dir: "/data", Fsync: 250_000},
		Parts: []report.Part{{
			Name: "demo", Title: "A demonstration",
			Tables: []report.Table{{
				Title:   "Two ways",
				Columns: []report.Column{{Name: "way", Text: true}, {Name: "per second"}},
				Rows:    []report.Row{{Cells: []string{"plain", "900"}}, {Cells: []string{"grouped", "31k"}}},
			}},
		}},
	}
	if err := r.WriteText(os.Stdout); err != nil {
		log.Fatal(err)
	}
	// Output:
	// cpu          8 CPUs
	// system       linux/amd64
	// go           go1.25
	// disk         /data
	// fsync        250 µs (median of 4 KiB written over)
	//
	// A demonstration (demo)
	//
	// Two ways
	//
	//   way      per second
	//   plain           900
	//   grouped         31k
}
