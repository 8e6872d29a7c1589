package plot

import (
	"fmt"
	"strings"
)

// shade is one colour in the light and in the dark theme.
type shade struct{ light, dark string }

// palette is the colours of the series: blue, vermilion, green, purple, ochre
// and slate, which differ in lightness too. A seventh series begins again,
// with another marker. Immutable.
var palette = [...]shade{
	{"#0b62b0", "#6db7ff"},
	{"#b5470a", "#ffa263"},
	{"#0a7558", "#4fd3a6"},
	{"#8a3a92", "#e0a0ea"},
	{"#7a5b00", "#e6c344"},
	{"#46566a", "#a9b9cb"},
}

// The colours of the rest. Immutable.
var (
	colorBackground = shade{"#ffffff", "#171b21"}
	colorText       = shade{"#47525f", "#b0bcc9"}
	colorAxis       = shade{"#98a3af", "#5c6875"}
	colorGrid       = shade{"#e6eaee", "#2a313a"}
)

// Stylesheet is the CSS that drawings need, to be put once into the page that
// holds them. The dark colours apply where the reader asks for them
// (prefers-color-scheme), and where an element above has data-theme="dark";
// data-theme="light" keeps the light ones.
func Stylesheet() string {
	var b strings.Builder
	variables := func(selector string, pick func(shade) string) {
		fmt.Fprintf(&b, "%s{--plot-bg:%s;--plot-text:%s;--plot-axis:%s;--plot-grid:%s", selector,
			pick(colorBackground), pick(colorText), pick(colorAxis), pick(colorGrid))
		for i, s := range palette {
			fmt.Fprintf(&b, ";--plot-%d:%s", i, pick(s))
		}
		b.WriteString("}\n")
	}
	light := func(s shade) string { return s.light }
	dark := func(s shade) string { return s.dark }
	variables(":root", light)
	b.WriteString("@media screen and (prefers-color-scheme:dark){")
	variables(`:root:not([data-theme="light"])`, dark)
	b.WriteString("}\n@media screen{")
	variables(`:root[data-theme="dark"]`, dark)
	b.WriteString("}\n")
	for i := range palette {
		fmt.Fprintf(&b, ".plot .%s{--c:var(--plot-%d)}\n", seriesClass(i), i)
	}
	b.WriteString(rules)
	return b.String()
}

const rules = `.plot{font-family:system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue","Liberation Sans",Arial,sans-serif;font-size:12.5px;max-width:100%;height:auto;background:var(--plot-bg)}
.plot text{fill:var(--plot-text);font-variant-numeric:tabular-nums}
.plot .grid{stroke:var(--plot-grid);stroke-width:1}
.plot .axis{stroke:var(--plot-axis);stroke-width:1}
.plot .curve{fill:none;stroke:var(--c);stroke-width:2.25;stroke-linejoin:round;stroke-linecap:round}
.plot .bound{stroke:var(--c);stroke-width:1.25;opacity:.65}
.plot .leader{stroke:var(--c);stroke-width:1;stroke-dasharray:1 4;stroke-linecap:round;opacity:.7}
.plot .mark{fill:var(--c);stroke:var(--plot-bg);stroke-width:1.25}
.plot .mark:hover{stroke:var(--c);stroke-width:4}
.plot .bar{fill:var(--c)}
.plot text.name{fill:var(--c);font-weight:600}
.plot text.empty{font-style:italic}
`

// File makes a drawing a file of its own: with the stylesheet inside, and
// following the theme of whatever shows it.
func File(drawing string) string {
	head, rest, _ := strings.Cut(drawing, "\n")
	return head + "\n<style>" + Stylesheet() + "</style>\n" + rest
}
