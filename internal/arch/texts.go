package arch

import (
	"bytes"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"strings"
)

// wordRule is a pattern that no text of the module may contain, and why.
type wordRule struct {
	pattern *regexp.Regexp
	why     string
}

// wordRules are about what a stranger who has only this repository cannot
// follow up.
func wordRules() []wordRule {
	return []wordRule{
		{regexp.MustCompile(`\b(TO` + `DO|FIX` + `ME|XX` + `X)\b`), "an unfinished thought: finish it or leave it out"},
		{regexp.MustCompile(`(^|[\s"'(=:` + "`" + `])/(root|home/\w+|Users/\w+)/\w`), "a path of somebody's own machine"},
		{regexp.MustCompile(`(?i)\b(the|this|see|our|fixes|closes) issue #?[0-9]+`), "an issue by number: say what it was about"},
	}
}

// checkWords finds text that points to what the reader does not have. The
// tests of this package are left out: they plant such text.
func checkWords(m *module) []finding {
	var found []finding
	rules := wordRules()
	for _, name := range m.texts {
		if strings.HasPrefix(name, "internal/arch/") && strings.HasSuffix(name, "_test.go") {
			continue
		}
		src, err := fs.ReadFile(m.tree, name)
		if err != nil {
			found = append(found, in(name, "%v", err))
			continue
		}
		for i, line := range bytes.Split(src, []byte("\n")) {
			for _, rule := range rules {
				if hit := rule.pattern.Find(line); hit != nil {
					found = append(found, finding(fmt.Sprintf("%s:%d: %q: %s", name, i+1, bytes.TrimSpace(hit), rule.why)))
				}
			}
		}
		found = append(found, m.checkDocuments(name, string(src))...)
	}
	return found
}

// checkDocuments finds names of Markdown documents that the module does not
// hold, and relative links that lead nowhere. A document of another project is
// cited by its URL.
func (m *module) checkDocuments(name, src string) []finding {
	var found []finding
	url := regexp.MustCompile(`https?://[^\s)>\]]+`)
	document := regexp.MustCompile(`[\w./-]*\w\.md\b`)
	link := regexp.MustCompile(`\]\(([^)\s#]+)(?:#[^)\s]*)?\)`)
	fence := false
	for i, line := range strings.Split(src, "\n") {
		line = url.ReplaceAllString(line, "")
		for _, doc := range document.FindAllString(line, -1) {
			if !m.hasDocument(name, doc) {
				found = append(found, finding(fmt.Sprintf("%s:%d: %s is not in this module", name, i+1, doc)))
			}
		}
		if strings.HasPrefix(strings.TrimSpace(line), "```") {
			fence = !fence
		}
		if path.Ext(name) != ".md" || fence {
			continue
		}
		for _, g := range link.FindAllStringSubmatch(line, -1) {
			if target := path.Join(path.Dir(name), g[1]); !strings.Contains(g[1], ":") && !m.exists(target) {
				found = append(found, finding(fmt.Sprintf("%s:%d: the link to %s leads nowhere", name, i+1, g[1])))
			}
		}
	}
	return found
}

// hasDocument looks for a document by its name relative to the naming file, or
// by its last element anywhere.
func (m *module) hasDocument(from, doc string) bool {
	if m.exists(path.Join(path.Dir(from), doc)) {
		return true
	}
	for _, name := range m.texts {
		if name == path.Clean(doc) || path.Base(name) == doc {
			return true
		}
	}
	return false
}
