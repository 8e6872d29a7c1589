package plot

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Size is the size of a drawing in CSS pixels. Text does not shrink with it: a
// page shows a drawing at its own size and keeps one for narrow screens. It is
// a plain value: safe for concurrent use.
type Size struct{ Width, Height int }

// Wide suits a page on a screen or on paper. It is what the zero Size means.
func Wide() Size { return Size{680, 380} }

// Narrow suits a telephone. Below a width of 480 pixels the names of the
// series move from the ends of their lines to a legend.
func Narrow() Size { return Size{360, 330} }

func (s Size) orDefault() Size {
	if s.Width <= 0 || s.Height <= 0 {
		return Wide()
	}
	return s
}

const (
	fontSize   = 12.5
	charWidth  = 6.9 // of an average character; on the generous side
	legendWrap = 480
)

func textWidth(s string) float64 { return charWidth * float64(utf8.RuneCountInString(s)) }

// canvas collects the elements of one drawing.
type canvas struct{ b bytes.Buffer }

func newCanvas(s Size, title string) *canvas {
	c := new(canvas)
	fmt.Fprintf(&c.b, `<svg xmlns="http://www.w3.org/2000/svg" class="plot" role="img" aria-label="%s" viewBox="0 0 %d %d" width="%d" height="%d">`+"\n",
		escape(title), s.Width, s.Height, s.Width, s.Height)
	return c
}

func (c *canvas) finish() string {
	c.b.WriteString("</svg>\n")
	return c.b.String()
}

func (c *canvas) line(class string, x1, y1, x2, y2 float64) {
	fmt.Fprintf(&c.b, `<line class="%s" x1="%s" y1="%s" x2="%s" y2="%s"/>`+"\n", class, num(x1), num(y1), num(x2), num(y2))
}

// text draws a label; anchor is start, middle or end.
func (c *canvas) text(class, anchor string, x, y float64, s string) {
	fmt.Fprintf(&c.b, `<text class="%s" text-anchor="%s" x="%s" y="%s">%s</text>`+"\n", class, anchor, num(x), num(y), escape(s))
}

func (c *canvas) path(class, d string) {
	fmt.Fprintf(&c.b, `<path class="%s" d="%s"/>`+"\n", class, d)
}

// dashes draws a path with gaps. They are no style: a drawing keeps them wherever it
// is shown.
func (c *canvas) dashes(class, d string) {
	fmt.Fprintf(&c.b, `<path class="%s" stroke-dasharray="7 5" d="%s"/>`+"\n", class, d)
}

func (c *canvas) rect(class string, x, y, w, h float64, title string) {
	fmt.Fprintf(&c.b, `<rect class="%s" x="%s" y="%s" width="%s" height="%s" rx="2">%s</rect>`+"\n",
		class, num(x), num(y), num(w), num(h), tooltip(title))
}

// shade fills a part of the background with the colour of the grid.
func (c *canvas) shade(x, y, w, h float64) {
	fmt.Fprintf(&c.b, `<rect style="fill:var(--plot-grid)" x="%s" y="%s" width="%s" height="%s"/>`+"\n", num(x), num(y), num(w), num(h))
}

// marker draws the point of series i: its shape tells it apart without colour.
func (c *canvas) marker(i int, x, y float64, title string) { c.shape(i, x, y, 4.2, false, title) }

// shape draws the mark of series i in a size, filled or hollow.
func (c *canvas) shape(i int, x, y, r float64, hollow bool, title string) {
	at := func(dx, dy float64) string { return num(x+dx*r) + " " + num(y+dy*r) }
	class := `class="mark ` + seriesClass(i) + `"`
	if hollow {
		class += ` style="fill:var(--plot-bg);stroke:var(--c);stroke-width:2"`
	}
	var d string
	switch i % 4 {
	case 0:
		fmt.Fprintf(&c.b, `<circle %s cx="%s" cy="%s" r="%s">%s</circle>`+"\n", class, num(x), num(y), num(r), tooltip(title))
		return
	case 1:
		d = "M" + at(-0.9, -0.9) + "L" + at(0.9, -0.9) + "L" + at(0.9, 0.9) + "L" + at(-0.9, 0.9) + "Z"
	case 2:
		d = "M" + at(0, -1.3) + "L" + at(1.3, 0) + "L" + at(0, 1.3) + "L" + at(-1.3, 0) + "Z"
	default:
		d = "M" + at(0, -1.2) + "L" + at(1.15, 0.9) + "L" + at(-1.15, 0.9) + "Z"
	}
	fmt.Fprintf(&c.b, `<path %s d="%s">%s</path>`+"\n", class, d, tooltip(title))
}

// ring draws a circle in the colour of series i.
func (c *canvas) ring(i int, x, y, r float64) {
	fmt.Fprintf(&c.b, `<circle class="%s" style="fill:var(--plot-bg);stroke:var(--c);stroke-width:2" cx="%s" cy="%s" r="%s"/>`+"\n",
		seriesClass(i), num(x), num(y), num(r))
}

// faint draws an arrow of no series: a line, and its head.
func (c *canvas) faint(x1, y1, x2, y2 float64, head string) {
	fmt.Fprintf(&c.b, `<line style="stroke:var(--plot-text);stroke-width:1.1" x1="%s" y1="%s" x2="%s" y2="%s"/>`+"\n", num(x1), num(y1), num(x2), num(y2))
	fmt.Fprintf(&c.b, `<path style="fill:var(--plot-text)" d="%s"/>`+"\n", head)
}

// halo draws a label over lines: with the background around its letters.
func (c *canvas) halo(anchor string, x, y float64, s string) {
	fmt.Fprintf(&c.b, `<text class="tick" style="paint-order:stroke;stroke:var(--plot-bg);stroke-width:4px" text-anchor="%s" x="%s" y="%s">%s</text>`+"\n",
		anchor, num(x), num(y), escape(s))
}

func tooltip(s string) string {
	if s == "" {
		return ""
	}
	return "<title>" + escape(s) + "</title>"
}

func seriesClass(i int) string { return "s" + strconv.Itoa(i%len(palette)) }

// num writes a coordinate with one decimal.
func num(v float64) string {
	return strconv.FormatFloat(math.Round(v*10)/10+0, 'f', -1, 64)
}

// escape makes any string safe as text and as an attribute, and replaces what
// XML cannot hold at all.
func escape(s string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(s)) // a Builder never fails
	return b.String()
}
