package arch

import (
	"strings"
	"testing"
)

const goodDoc = "// Package wal is a log.\n//\n// # Problem\n//\n// P.\n//\n// # Idea\n//\n// I.\n//\n// # Trade-offs and when to use something else\n//\n// T.\npackage wal\n"

func TestCheckParts(t *testing.T) {
	section := func(old, new string) string { return strings.Replace(goodDoc, old, new, 1) }
	for name, c := range map[string]struct {
		files []string
		want  []string
	}{
		"complete":           {files: []string{"wal/doc.go", goodDoc, "wal/README.md", "# wal"}},
		"sub-package":        {files: []string{"wal/sub/doc.go", goodDoc}},
		"internal":           {files: []string{"internal/seed/seed.go", "package seed"}},
		"main has no lesson": {files: []string{"bench/main.go", "package main", "bench/README.md", "# bench"}},
		"60 lines":           {files: []string{"wal/sub/doc.go", goodDoc + strings.Repeat("\n", docLines-14)}},

		"no README":     {[]string{"wal/doc.go", goodDoc}, []string{"wal: no README.md"}},
		"root README":   {[]string{"doc.go", "package plinth"}, []string{".: no README.md"}},
		"bench README":  {[]string{"bench/main.go", "package main"}, []string{"bench: no README.md"}},
		"no doc.go":     {[]string{"wal/sub/x.go", "package sub"}, []string{"wal/sub: no doc.go"}},
		"61 lines":      {[]string{"wal/sub/doc.go", goodDoc + strings.Repeat("\n", docLines-13)}, []string{"61 lines"}},
		"main, long":    {[]string{"bench/sub/doc.go", "package main" + strings.Repeat("\n", 61)}, []string{"61 lines"}},
		"order":         {[]string{"wal/sub/doc.go", section("# Idea", "# Trade-offs") + "// x\n"}, []string{"out of order", "no section \"Idea\""}},
		"twice":         {[]string{"wal/sub/doc.go", section("# Trade-offs and when to use something else", "# Idea")}, []string{"out of order"}},
		"another one":   {[]string{"wal/sub/doc.go", section("# Trade-offs and when to use something else", "# Usage")}, []string{`"Usage" is none of`}},
		"empty doc":     {[]string{"wal/sub/doc.go", "package sub"}, []string{`no section "Problem"`, `no section "Idea"`}},
		"problem alone": {[]string{"wal/sub/doc.go", section("// # Idea\n", "")}, []string{`no section "Idea"`}},
	} {
		t.Run(name, func(t *testing.T) {
			requireFindings(t, checkParts(plant(t, c.files...)), c.want...)
		})
	}
}

func TestCheckNames(t *testing.T) {
	m := plant(t,
		"wal/commit.go", "package wal",
		"wal/commonality.go", "package wal",
		"wal/util.go", "package wal",
		"wal/helpers_test.go", "package wal",
		"common/log.go", "package common",
	)
	requireFindings(t, checkNames(m), "common:", "wal/helpers_test.go", "wal/util.go")
}

func TestCheckInit(t *testing.T) {
	m := plant(t,
		"vfs/a.go", "package vfs\ntype t int\nfunc (t) init() {}\nvar _ = `func init() {}`\n",
		"wal/a.go", "package wal\n\nfunc init() {}\n",
		"wal/a_test.go", "package wal\nfunc init() {}\n",
	)
	requireFindings(t, checkInit(m), "wal/a.go:3", "wal/a_test.go:2")
}

func TestCheckSleep(t *testing.T) {
	m := plant(t,
		"wal/a.go", "package wal\nimport \"time\"\nfunc f() { time.Sleep(1) }\n",
		"wal/a_test.go", "package wal\nimport \"time\"\nfunc f() { _ = time.Now; /* time.Sleep(1) */ }\n",
		"wal/b_test.go", "package wal\nimport \"time\"\nfunc f() { time.Sleep(1) }\n",
		"wal/c_test.go", "package wal\nimport clock \"time\"\nvar f = clock.Sleep\n",
		"wal/d_test.go", "package wal\nimport . \"time\"\nfunc f() { Sleep(1) }\n",
		"wal/e_test.go", "package wal\nvar time struct{ Sleep func() }\nfunc f() { time.Sleep() }\n",
	)
	requireFindings(t, checkSleep(m), "wal/b_test.go:3", "wal/c_test.go:3", "wal/d_test.go:3")
}
