package plot

import "math"

// Percentiles is the chart of a latency distribution: x goes from the median
// by nines to the rarest percentiles, y is the logarithm of the latency. A
// flat line is a latency that one can count on; where it climbs, one in so
// many operations waits so much longer. Fill its series with Quantiles.
func Percentiles(title string, series ...Series) Lines {
	ticks, rarest := []float64{0.5, 0.9, 0.99}, 0.99
	for _, s := range series {
		for _, p := range s.Points {
			rarest = max(rarest, p.X)
		}
	}
	for n := 3.0; n <= 9 && rarest > 1-2*math.Pow(10, -n); n++ {
		ticks = append(ticks, 1-math.Pow(10, -n))
	}
	return Lines{
		Title:  title,
		X:      Axis{Label: "percentile of the operations", Kind: Nines, Ticks: ticks},
		Y:      Axis{Label: "latency", Kind: Log, Unit: Duration},
		Series: series,
	}
}

// Quantiles are the points of one distribution of count values, from the
// median to the last percentile that more than a single value lies beyond.
// The round percentiles carry a marker.
func Quantiles(count uint64, quantile func(q float64) float64) []Point {
	const perNine = 12
	var points []Point
	add := func(q float64, plain bool) {
		if (1-q)*float64(count) >= 1 {
			points = append(points, Point{X: q, Y: quantile(q), Plain: plain})
		}
	}
	add(0.5, false)
	for k := 4; k <= 6*perNine; k++ { // from 53.6 %
		if k%perNine == 0 {
			add(1-math.Pow(10, -float64(k/perNine)), false)
			continue
		}
		add(1-math.Pow(10, -float64(k)/perNine), true)
	}
	return points
}
