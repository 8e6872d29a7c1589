package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
)

// walComparison measures the log beside other people's: records per second of
// the work in wal_work.go, by the logs in wal_engine.go.
type walComparison struct{}

func (walComparison) names() []string {
	var names []string
	for _, c := range cells() {
		names = append(names, c.String())
	}
	return names
}

func (w walComparison) run(ctx context.Context, s *session, chosen []int) error {
	picked, names := pick(cells(), chosen), pick(w.names(), chosen)
	results := newTable("records/s", "%.0f", impls(), true)
	weaker := false
	for i, c := range picked {
		if c.rival(implTidwall) != c {
			weaker = true
			results.marks[names[i]] = " *"
		}
	}
	err := s.mixed(ctx, names, impls(), func(i int, impl string) error {
		return w.one(s, picked[i], impl, results)
	})
	if err != nil {
		return err
	}
	if err := results.print(s.out, names); err != nil {
		return err
	}
	if weaker {
		fmt.Fprintf(s.out, "\n* ours promises less: %s has no buffered mode and hands each record to the operating system.\n", implTidwall)
	}
	return nil
}

// one runs one implementation in a directory of its own and removes it.
func (walComparison) one(s *session, c cell, impl string, results *table) error {
	as := c.rival(impl)
	if !offers(impl, as.durability) {
		return nil
	}
	dir := filepath.Join(s.base, impl)
	rate, err := measure(as, impl, dir, as.ops(impl, s.scale))
	if err != nil {
		return err
	}
	results.add(c.String(), impl, rate)
	return os.RemoveAll(dir)
}

// rival is the work that an implementation does in the comparison c: for
// Buffered, which only we have, tidwall/wal does what is nearest and promises
// more. The table says so.
func (c cell) rival(impl string) cell {
	if impl == implTidwall && !offers(impl, c.durability) {
		c.durability--
	}
	return c
}
