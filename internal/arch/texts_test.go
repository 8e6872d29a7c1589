package arch

import "testing"

func TestCheckWords(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		want []string
	}{
		"clean": {text: "See wal/README.md, README.md, [it](../wal/a.go#L3), [web](https://a.example/x.md), " +
			"https://a.example/doc/format.md, elsewhere#123, homework/x, /home/, a todo list, [top](#top).\n"},
		"unfinished":          {"x\n// TODO: y\n", []string{`vfs/NOTES.md:2: "TODO"`}},
		"broken":              {"FIXME later\n", []string{"FIXME"}},
		"own path":            {"run /home/ann/plinth\n", []string{"somebody's own machine"}},
		"own path, quoted":    {"open(\"/root/x\")\n", []string{"somebody's own machine"}},
		"issue":               {"for the issue 2\n", []string{"an issue by number"}},
		"issue, with mark":    {"fixes issue #12\n", []string{"an issue by number"}},
		"missing document":    {"see HOUSE.md\n", []string{"HOUSE.md is not in this module"}},
		"missing in a folder": {"see research/probes.md\n", []string{"research/probes.md"}},
		"dead link":           {"[a](../wal/b.go)\n", []string{"../wal/b.go leads nowhere"}},
		"link in code":        {"```\nx[0](y)\n```\n", nil},
	} {
		t.Run(name, func(t *testing.T) {
			m := plant(t,
				"README.md", "", "wal/README.md", "", "wal/a.go", "package wal",
				"internal/arch/x_test.go", "package arch // TODO and STYLE.md: planted here",
				"vfs/NOTES.md", c.text)
			requireFindings(t, checkWords(m), c.want...)
		})
	}
	m := plant(t, "README.md", "",
		"wal/a.go", "package wal\n// see missing.md\nvar x = a[0](b) // FIXME\n",
		"bench/peers/go.mod", "module m // XXX\n",
		".ci/run", "cd /home/ann/plinth\n")
	requireFindings(t, checkWords(m), ".ci/run:1", "bench/peers/go.mod:1", "wal/a.go:3", "wal/a.go:2: missing.md")
}
