package plot_test

import (
	"fmt"
	"strings"

	"github.com/plinth-go/plinth/bench/plot"
)

func ExampleLines() {
	chart := plot.Lines{
		Title: "Requests per second by number of clients",
		X:     plot.Axis{Label: "clients"},
		Y:     plot.Axis{Label: "requests per second", Kind: plot.Log},
		Series: []plot.Series{
			{Name: "old", Points: []plot.Point{{X: 1, Y: 900}, {X: 2, Y: 950}}},
			{Name: "new", Points: []plot.Point{{X: 1, Y: 1800}, {X: 2, Y: 3500}}},
		},
	}
	svg := plot.File(chart.SVG(plot.Wide())) // ready to be written to chart.svg
	fmt.Println(strings.Contains(svg, "<title>new · 2 → 3.5k</title>"))
	// Output: true
}

func ExampleBars() {
	chart := plot.Bars{
		Title: "Bytes written per byte of payload",
		X:     plot.Axis{Label: "write amplification"},
		Bars:  []plot.Bar{{Name: "log", Value: 1.2}, {Name: "tree", Value: 14}},
	}
	fmt.Println(strings.Count(chart.SVG(plot.Narrow()), "<rect"))
	// Output: 2
}

func ExamplePercentiles() {
	// Half of the operations take 10 µs, and each nine more takes ten times that.
	latency := func(q float64) float64 { return 5_000 / (1 - q) }
	chart := plot.Percentiles("Latency", plot.Series{Name: "all", Points: plot.Quantiles(10_000, latency)})
	fmt.Println(strings.Contains(chart.SVG(plot.Wide()), "p99.9 → 5 ms"))
	// Output: true
}

func ExampleUnit() {
	fmt.Println(plot.Number.Format(12_345), plot.Duration.Format(1_500_000), plot.Bytes.Format(4096), plot.Percent.Format(0.5))
	// Output: 12.3k 1.5 ms 4 KiB 50 %
}
