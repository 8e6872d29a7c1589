package hist_test

import (
	"fmt"
	"time"

	"github.com/plinth-go/plinth/bench/hist"
)

func ExampleHistogram() {
	var h hist.Histogram
	for i := range 1000 {
		h.Record(time.Duration(i+1) * time.Microsecond)
	}
	h.Record(2 * time.Second) // one stall

	fmt.Println("mean  ", h.Mean().Round(time.Microsecond)) // says nothing
	fmt.Println("median", h.Quantile(0.5))                  // at most 0.8 % too high
	fmt.Println("max   ", h.Max())                          // exact
	// Output:
	// mean   2.498ms
	// median 501.759µs
	// max    2s
}

func ExampleBucket() {
	var h hist.Histogram
	for _, d := range []time.Duration{100, 100, 1000} {
		h.Record(d)
	}
	var seen uint64
	for b := range h.All() {
		seen += b.Count
		fmt.Printf("%.0f %% within %v\n", 100*float64(seen)/float64(h.Count()), b.High)
	}
	// Output:
	// 67 % within 100ns
	// 100 % within 1µs
}
