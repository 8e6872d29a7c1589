package plot

import (
	"math"
	"strconv"
	"strings"
	"time"
)

// Unit says how the numbers of an axis are written.
type Unit uint8

const (
	Number   Unit = iota // 950, 1.5k, 2M: powers of 1000
	Duration             // nanoseconds: 800 ns, 10 µs, 1.5 ms, 2 s
	Bytes                // 128 B, 4 KiB, 1.5 MiB: powers of 1024
	Percent              // a fraction: 0.5 is 50 %
)

// Format writes v with three significant digits at most, as a person would.
func (u Unit) Format(v float64) string {
	switch {
	case math.IsNaN(v) || math.IsInf(v, 0):
		return "–"
	case v < 0:
		return "−" + u.Format(-v)
	}
	switch u {
	case Duration:
		return scaled(v, " ", []step{{"ns", 1}, {"µs", 1e3}, {"ms", 1e6}, {"s", 1e9}})
	case Bytes:
		return scaled(v, " ", []step{{"B", 1}, {"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"TiB", 1 << 40}})
	case Percent:
		return digits(v*100) + " %"
	default:
		return scaled(v, "", []step{{"", 1}, {"k", 1e3}, {"M", 1e6}, {"G", 1e9}, {"T", 1e12}})
	}
}

// FormatDuration is Duration.Format for a time.Duration.
func FormatDuration(d time.Duration) string { return Duration.Format(float64(d)) }

// step is a unit and its size in the base unit.
type step struct {
	name string
	size float64
}

// scaled writes v in the largest unit of which it is at least one, judged
// after rounding: 999.9 µs is 1 ms.
func scaled(v float64, space string, steps []step) string {
	best := steps[0]
	for _, s := range steps[1:] {
		if round3(v/best.size)*best.size >= s.size {
			best = s
		}
	}
	return strings.TrimRight(digits(v/best.size)+space+best.name, " ")
}

// digits writes three significant digits, more only before the point.
func digits(v float64) string {
	s := strconv.FormatFloat(round3(v), 'f', -1, 64)
	if v != 0 && math.Abs(v) < 0.001 {
		s = strconv.FormatFloat(v, 'g', 2, 64)
	}
	return s
}

func round3(v float64) float64 {
	if v == 0 {
		return 0
	}
	decimals := 2 - int(math.Floor(math.Log10(math.Abs(v))))
	if decimals <= 0 {
		return math.Round(v)
	}
	p := math.Pow10(decimals)
	return math.Round(v*p) / p
}
