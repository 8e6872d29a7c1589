package plot

import "math"

// Bars is a chart of horizontal bars that begin at zero. It is a plain value:
// safe for concurrent use as long as nobody changes it.
type Bars struct {
	Title string // what the chart shows, for those who cannot see it
	X     Axis   // Kind is ignored: the length of a bar is its value
	Bars  []Bar
}

// Bar is one bar. It is a plain value: safe for concurrent use.
type Bar struct {
	Name  string
	Value float64
	Color int // of the series with that number
}

const (
	barHeight = 18.0
	barStep   = 27.0
)

// SVG draws the chart, without style: see Stylesheet and File. The height
// follows from the number of bars; only size.Width counts.
func (b Bars) SVG(size Size) string {
	size = size.orDefault()
	size.Height = int(barStep*float64(max(len(b.Bars), 1))) + 56
	names, values := 0.0, []float64{0}
	for _, bar := range b.Bars {
		names = max(names, textWidth(bar.Name))
		if bar.Value > 0 {
			values = append(values, bar.Value)
		}
	}
	axis := b.X
	axis.Kind, axis.Zero = Linear, true
	s := newScale(axis, values)
	c := newCanvas(size, b.Title)
	in := box{left: min(names+16, float64(size.Width)/2), top: 6, right: float64(size.Width) - 62, bottom: float64(size.Height) - 46, width: float64(size.Width)}
	for _, v := range s.ticks {
		x := in.left + s.at(v)*(in.right-in.left)
		c.line("grid", x, in.top, x, in.bottom)
	}
	drawXAxis(c, in, axis, s)
	for i, bar := range b.Bars {
		y := in.top + barStep*float64(i) + (barStep-barHeight)/2
		c.text("tick", "end", in.left-8, y+barHeight/2+fontSize/3, bar.Name)
		width := s.at(bar.Value) * (in.right - in.left)
		if math.IsNaN(width) || width < 0 {
			width = 0
		}
		c.rect("bar "+seriesClass(bar.Color), in.left, y, width, barHeight, bar.Name+" · "+axis.format(bar.Value))
		c.text("tick", "start", in.left+width+6, y+barHeight/2+fontSize/3, axis.format(bar.Value))
	}
	if len(b.Bars) == 0 {
		c.text("empty", "middle", (in.left+in.right)/2, in.top+barStep/2, "nothing to draw")
	}
	return c.finish()
}
