// Package plot draws charts as SVG.
//
// # Problem
//
// A measurement is read as a picture first. The picture has to be in the
// report itself, work without a network and without scripts, follow the
// reader's light or dark theme, and be the same bytes for the same numbers, so
// that a test can hold it.
//
// # Idea
//
// An SVG is text, and a chart is little of it: scales that map a value to a
// place, ticks at round numbers, lines, points and labels. Colours are CSS
// variables, so one drawing serves both themes; every point carries a title,
// which browsers show as a tooltip.
//
// # Invariants
//
//	I1  The output depends on the input alone: no clock, no chance, no map order.
//	I2  Output is well-formed XML whatever the names contain.
//	I3  A value that cannot be drawn (NaN, infinite, not positive on a
//	    logarithmic axis) leaves a gap in its line and nothing else.
//	I4  Every colour of a series has a contrast of at least 4.5 to 1 with the
//	    background in both themes, and its own marker: colour is never the
//	    only difference.
//
// # Cost
//
// About 100 bytes per point, 2 KiB for axes and legend.
//
// # Concurrency
//
// The types are plain values and the functions keep nothing.
//
// # Trade-offs
//
// Lines with points, percentile plots, bars and space-time diagrams, as the
// measurements of this module need them. For anything else take a charting library.
//
// # References
//
// Masataka Okabe, Kei Ito: Color Universal Design, 2008 (the hues). Paul
// Heckbert: Nice Numbers for Graph Labels, Graphics Gems, 1990 (linear ticks).
// WCAG 2.2, 1.4.3 (contrast).
package plot
