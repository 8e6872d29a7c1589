package plot

import (
	"cmp"
	"math"
	"slices"
	"strings"
)

// Lines is a chart of one or more series of points joined by lines. It is a
// plain value: safe for concurrent use as long as nobody changes it.
type Lines struct {
	Title  string // what the chart shows, for those who cannot see it
	X, Y   Axis
	Series []Series
	Spans  []Span
}

// Span is a part of the X axis in which something was different: a shade behind the lines. It
// is a plain value: safe for concurrent use.
type Span struct {
	Name     string
	From, To float64
}

// Series is a named line. It is a plain value: safe for concurrent use.
type Series struct {
	Name   string
	Points []Point
	Dashed bool // what was calculated, among what was measured
}

// Point is a value at a place. It is a plain value: safe for concurrent use.
type Point struct {
	X, Y   float64
	Lo, Hi float64 // bounds of Y, drawn where Lo < Hi
	Plain  bool    // part of the line, without a marker
}

// box is the part of the drawing inside the axes.
type box struct{ left, top, right, bottom, width float64 } // width of the whole drawing

// SVG draws the chart, without style: see Stylesheet and File.
func (l Lines) SVG(size Size) string {
	size = size.orDefault()
	sx, sy := l.scales()
	c := newCanvas(size, l.Title)
	in := l.box(size, sy)
	l.spans(c, in, sx)
	drawYAxis(c, in, l.Y, sy)
	drawXAxis(c, in, l.X, sx)
	if size.Width < legendWrap {
		l.legend(c, in)
	} else {
		l.labels(c, in, sx, sy)
	}
	drawn := false
	for i, s := range l.Series {
		drawn = l.series(c, in, sx, sy, i, s) || drawn
	}
	if !drawn {
		c.text("empty", "middle", (in.left+in.right)/2, (in.top+in.bottom)/2, "nothing to draw")
	}
	return c.finish()
}

// scales fit both axes around the points that can be drawn.
func (l Lines) scales() (x, y scale) {
	var xs, ys []float64
	for _, s := range l.Series {
		for _, p := range s.Points {
			if math.IsNaN(l.X.Kind.transform(p.X)) || math.IsNaN(l.Y.Kind.transform(p.Y)) {
				continue
			}
			xs, ys = append(xs, p.X), append(ys, p.Y)
			if p.Lo < p.Hi {
				ys = append(ys, p.Lo, p.Hi)
			}
		}
	}
	return newScale(l.X, xs), newScale(l.Y, ys)
}

// box leaves room for what stands around the axes: the values to the left, the
// names to the right or, where it is narrow, above.
func (l Lines) box(size Size, sy scale) box {
	in := box{left: 16, top: 30, right: float64(size.Width) - 18, bottom: float64(size.Height) - 46, width: float64(size.Width)}
	widest := 0.0
	for _, v := range sy.ticks {
		widest = max(widest, textWidth(l.Y.format(v)))
	}
	in.left += widest
	if len(l.Spans) > 0 {
		in.top += 14 // for their names, below that of the axis
	}
	if size.Width < legendWrap {
		in.top += 20 * float64(len(l.legendRows(in.right-4)))
		return in
	}
	names := 0.0
	for _, s := range l.Series {
		names = max(names, textWidth(s.Name))
	}
	in.right -= min(names*1.06+14, float64(size.Width)/3)
	return in
}

// spans shades what of them lies within the axis, and writes the names above.
func (l Lines) spans(c *canvas, in box, sx scale) {
	for _, s := range l.Spans {
		from, to := max(sx.at(s.From), 0), min(sx.at(s.To), 1)
		if !(from < to) { // also if one of them is nowhere
			continue
		}
		left, right := in.left+from*(in.right-in.left), in.left+to*(in.right-in.left)
		c.shade(left, in.top, right-left, in.bottom-in.top)
		half := textWidth(s.Name) / 2
		c.text("tick", "middle", min(max((left+right)/2, half), in.width-half), in.top-5, s.Name)
	}
}

// series draws one line and says whether there was anything to draw.
func (l Lines) series(c *canvas, in box, sx, sy scale, i int, s Series) bool {
	var d strings.Builder
	pen := "M"
	for _, p := range s.Points {
		x, y, ok := place(in, sx, sy, p.X, p.Y)
		if !ok {
			pen = "M" // a gap
			continue
		}
		d.WriteString(pen + num(x) + " " + num(y))
		pen = "L"
	}
	if d.Len() == 0 {
		return false
	}
	if s.Dashed {
		c.dashes("curve "+seriesClass(i), d.String())
	} else {
		c.path("curve "+seriesClass(i), d.String())
	}
	for _, p := range s.Points {
		x, y, ok := place(in, sx, sy, p.X, p.Y)
		if !ok {
			continue
		}
		if _, lo, ok := place(in, sx, sy, p.X, p.Lo); ok && p.Lo < p.Hi {
			if _, hi, ok := place(in, sx, sy, p.X, p.Hi); ok {
				c.line("bound "+seriesClass(i), x, lo, x, hi)
			}
		}
		if !p.Plain {
			c.marker(i, x, y, s.Name+" · "+l.X.format(p.X)+" → "+l.Y.format(p.Y))
		}
	}
	return true
}

// place returns where a point lies in the drawing; ok is false if nowhere.
func place(in box, sx, sy scale, px, py float64) (x, y float64, ok bool) {
	x = in.left + sx.at(px)*(in.right-in.left)
	y = in.bottom - sy.at(py)*(in.bottom-in.top)
	return x, y, !math.IsNaN(x) && !math.IsNaN(y)
}

func drawYAxis(c *canvas, in box, a Axis, s scale) {
	for _, v := range s.ticks {
		y := in.bottom - s.at(v)*(in.bottom-in.top)
		c.line("grid", in.left, y, in.right, y)
		c.text("tick", "end", in.left-8, y+fontSize/3, a.format(v))
	}
	c.text("label", "start", 2, 14, a.Label)
}

// drawXAxis leaves out the values that would touch the one before, and keeps
// the last inside the drawing.
func drawXAxis(c *canvas, in box, a Axis, s scale) {
	c.line("axis", in.left, in.bottom, in.right, in.bottom)
	free := math.Inf(-1)
	for _, v := range s.ticks {
		x := in.left + s.at(v)*(in.right-in.left)
		c.line("axis", x, in.bottom, x, in.bottom+4)
		half := textWidth(a.format(v)) / 2
		if x = min(x, in.width-half); x-half > free {
			c.text("tick", "middle", x, in.bottom+18, a.format(v))
			free = x + half + 4
		}
	}
	c.text("label", "middle", (in.left+in.right)/2, in.bottom+38, a.Label)
}

// labels writes each name at the right end of its line, moved apart where
// lines end close together.
func (l Lines) labels(c *canvas, in box, sx, sy scale) {
	type label struct {
		series  int
		x, y, t float64 // the end of the line; where the text goes
	}
	var all []label
	for i, s := range l.Series {
		for _, p := range slices.Backward(s.Points) {
			if x, y, ok := place(in, sx, sy, p.X, p.Y); ok {
				all = append(all, label{i, x, y, y})
				break
			}
		}
	}
	slices.SortStableFunc(all, func(a, b label) int { return cmp.Compare(a.y, b.y) })
	const gap = 16.0
	for i := range all {
		if i > 0 {
			all[i].t = max(all[i].t, all[i-1].t+gap)
		}
	}
	for i := len(all) - 1; i >= 0; i-- { // those pushed below the axis move up again
		limit := in.bottom
		if i < len(all)-1 {
			limit = all[i+1].t - gap
		}
		all[i].t = min(all[i].t, limit)
	}
	for _, b := range all {
		if math.Abs(b.t-b.y) > 3 || b.x < in.right-1 {
			c.line("leader "+seriesClass(b.series), b.x, b.y, in.right+9, b.t)
		}
		c.text("name "+seriesClass(b.series), "start", in.right+12, b.t+fontSize/3, l.Series[b.series].Name)
	}
}

// legend writes the names above the chart, each behind its marker.
func (l Lines) legend(c *canvas, in box) {
	y := 34.0
	for _, row := range l.legendRows(in.right - 4) {
		x := 8.0
		for _, i := range row {
			c.marker(i, x, y-4, "")
			c.text("name "+seriesClass(i), "start", x+9, y, l.Series[i].Name)
			x += textWidth(l.Series[i].Name) + 26
		}
		y += 20
	}
}

// legendRows breaks the names into rows of a width.
func (l Lines) legendRows(width float64) [][]int {
	var rows [][]int
	x := math.Inf(1)
	for i, s := range l.Series {
		w := textWidth(s.Name) + 26
		if x+w > width {
			rows, x = append(rows, nil), 0
		}
		rows[len(rows)-1] = append(rows[len(rows)-1], i)
		x += w
	}
	return rows
}
