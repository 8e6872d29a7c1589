package report

import (
	_ "embed"
	"html/template"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/plinth-go/plinth/bench/plot"
)

// The page and its style, which are put into one file. Never changed.
var (
	//go:embed page.html
	pageHTML string
	//go:embed page.css
	pageCSS string
)

// WriteHTML writes the report as one page that needs nothing else.
func (r *Report) WriteHTML(w io.Writer) error {
	page, err := template.New("page").Funcs(template.FuncMap{
		"style":    func() template.CSS { return template.CSS(plot.Stylesheet() + pageCSS) },
		"machine":  func() []Fact { return Describe(r.Machine) },
		"wide":     func(c Chart) template.HTML { return template.HTML(c.SVG(plot.Wide())) },
		"narrow":   func(c Chart) template.HTML { return template.HTML(c.SVG(plot.Narrow())) },
		"date":     func(t time.Time) string { return t.Format("2 January 2006, 15:04") },
		"iso":      func(t time.Time) string { return t.Format(time.RFC3339) },
		"fragment": fragment,
		"add":      func(a, b int) int { return a + b },
	}).Parse(pageHTML)
	if err != nil {
		return err
	}
	return page.Execute(w, r)
}

// fragment makes a name fit for an anchor.
func fragment(name string) string {
	ok := func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			return r
		}
		return '-'
	}
	name = strings.Trim(strings.Map(ok, strings.ToLower(name)), "-")
	if name == "" {
		return strconv.Itoa(0)
	}
	return name
}
