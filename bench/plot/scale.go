package plot

import (
	"math"
	"slices"
	"strconv"
)

// Kind is how an axis maps values to places.
type Kind uint8

const (
	Linear Kind = iota
	Log         // equal ratios, equal distances; values must be positive
	Nines       // fractions from 0 up to, not including, 1: equal distances from 0.9 to 0.99 to 0.999
)

// Axis describes one direction of a chart. It is a plain value: safe for
// concurrent use.
type Axis struct {
	Label string
	Unit  Unit
	Kind  Kind
	Ticks []float64 // where to label; nil means round numbers found by itself
	Names []string  // of the first Ticks, written in place of their numbers
	Zero  bool      // a linear axis begins at zero
}

// scale maps the values of an axis onto [0, 1].
type scale struct {
	kind   Kind
	lo, hi float64 // transformed
	ticks  []float64
}

// transform makes the axis linear. It returns NaN for what cannot be drawn.
func (k Kind) transform(v float64) float64 {
	switch {
	case math.IsInf(v, 0):
		return math.NaN()
	case k == Log && v <= 0, k == Nines && (v < 0 || v >= 1):
		return math.NaN()
	case k == Log:
		return math.Log10(v)
	case k == Nines:
		return -math.Log10(1 - v)
	}
	return v
}

// newScale fits the axis around all values and its own ticks.
func newScale(a Axis, values []float64) scale {
	s := scale{kind: a.Kind, lo: math.Inf(1), hi: math.Inf(-1)}
	include := func(v float64) {
		if t := s.kind.transform(v); !math.IsNaN(t) {
			s.lo, s.hi = min(s.lo, t), max(s.hi, t)
		}
	}
	for _, v := range values {
		include(v)
	}
	if a.Zero && a.Kind == Linear {
		include(0)
	}
	for _, v := range a.Ticks {
		include(v)
	}
	s.ticks = a.Ticks
	if math.IsInf(s.lo, 1) {
		s.lo, s.hi = 0, 1 // nothing to draw; axes all the same
	}
	if a.Ticks == nil {
		s.ticks = s.round()
	}
	if s.lo == s.hi {
		s.lo, s.hi = s.lo-0.5, s.hi+0.5
	}
	return s
}

// at returns the place of v, 0 to 1, or NaN.
func (s scale) at(v float64) float64 {
	return (s.kind.transform(v) - s.lo) / (s.hi - s.lo)
}

// round chooses ticks and widens the scale so that it ends on them.
func (s *scale) round() []float64 {
	switch s.kind {
	case Log:
		return s.roundLog()
	case Nines:
		return s.roundNines()
	}
	return s.roundLinear()
}

// roundLinear puts about five ticks at multiples of 1, 2 or 5 times a power of ten.
func (s *scale) roundLinear() []float64 {
	span := s.hi - s.lo
	if span == 0 {
		span = max(math.Abs(s.hi), 1)
	}
	raw := span / 5
	p := math.Pow(10, math.Floor(math.Log10(raw)))
	unit := 10 * p
	for _, m := range []float64{1, 2, 5} {
		if m*p >= raw*0.999 {
			unit = m * p
			break
		}
	}
	first, last := math.Floor(s.lo/unit+1e-9), math.Ceil(s.hi/unit-1e-9)
	var ticks []float64
	for k := first; k <= last && len(ticks) < 20; k++ {
		ticks = append(ticks, k*unit)
	}
	s.lo, s.hi = first*unit, max(last, first+1)*unit
	return ticks
}

// slack is how far, in decades, a value may lie beyond the last tick: 1.001
// does not need an axis up to 10.
const slack = 0.005

// roundLog puts ticks at powers of ten; at 1, 2 and 5 times them where that
// makes no more than seven; at every k-th power where there are many.
func (s *scale) roundLog() []float64 {
	low, high := math.Floor(s.lo+slack), math.Ceil(s.hi-slack)
	mantissas, every := []float64{1}, 1.0
	switch decades := high - low; {
	case decades <= 2:
		mantissas = []float64{1, 2, 5}
	case decades > 8:
		every = math.Ceil(decades / 6)
	}
	var all []float64
	for e := low; e <= high+every-1; e += every {
		for _, m := range mantissas {
			all = append(all, m*math.Pow(10, e))
		}
	}
	return s.clip(all)
}

// clip keeps the smallest run of ticks that encloses the values.
func (s *scale) clip(all []float64) []float64 {
	first, last := 0, len(all)-1
	for first < last && s.kind.transform(all[first+1]) <= s.lo+slack {
		first++
	}
	for last > first && s.kind.transform(all[last-1]) >= s.hi-slack {
		last--
	}
	s.lo = min(s.lo, s.kind.transform(all[first]))
	s.hi = max(s.hi, s.kind.transform(all[last]))
	return all[first : last+1]
}

// roundNines puts ticks at 0, 50, 90, 99, 99.9 % and so on, as far as the
// values reach.
func (s *scale) roundNines() []float64 {
	all := []float64{0, 0.5}
	for n := 1.0; n <= 9 && n < s.hi+1; n++ {
		all = append(all, 1-math.Pow(10, -n))
	}
	return s.clip(all)
}

// format writes a tick.
func (a Axis) format(v float64) string {
	if i := slices.Index(a.Ticks, v); i >= 0 && i < len(a.Names) {
		return a.Names[i]
	}
	if a.Kind == Nines {
		return "p" + strconv.FormatFloat(math.Round(v*1e11)/1e9, 'f', -1, 64)
	}
	return a.Unit.Format(v)
}
