package main

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"time"
)

// orderedSpeed compares ordered maps of a million entries on one goroutine, and what an
// entry takes in memory.
type orderedSpeed struct{}

// orderedCell is one kind of work.
type orderedCell struct {
	keys string // ints, strings, or func: ints compared by a function
	work string
}

func (c orderedCell) String() string { return fmt.Sprintf("Ordered/keys=%s/work=%s", c.keys, c.work) }

const (
	orderedEntries = 1 << 20

	workSet    = "set"    // into an empty map, in random order
	workGet    = "get"    // in another random order
	workWalk   = "walk"   // over all
	workDelete = "delete" // all, in random order
	workAscend = "ascend" // into an empty map, in order
	workLoad   = "load"   // the same, with what the library has for that
)

func orderedCells() []orderedCell {
	var cells []orderedCell
	for _, keys := range []string{"ints", "strings", "func"} {
		for _, work := range []string{workSet, workGet, workWalk, workDelete, workAscend, workLoad} {
			cells = append(cells, orderedCell{keys, work})
		}
	}
	return cells
}

func (orderedSpeed) names() []string {
	var names []string
	for _, c := range orderedCells() {
		names = append(names, c.String())
	}
	return names
}

func (oc orderedSpeed) run(ctx context.Context, s *session, chosen []int) error {
	picked, names := pick(orderedCells(), chosen), pick(oc.names(), chosen)
	rates := newTable("operations/s", "%.0f", orderedImpls(), true)
	memory := newTable("bytes/entry", "%.1f", orderedImpls(), false)
	n := max(int(orderedEntries*s.scale), 1000)
	ints, strings := make([]int, n), make([]string, n)
	rng := rand.New(rand.NewPCG(1, 1))
	for i := range ints {
		ints[i] = int(rng.Uint64() >> 1)
		strings[i] = fmt.Sprintf("%016x", rng.Uint64())
	}
	var weighed []string
	err := s.mixed(ctx, names, orderedImpls(), func(i int, impl string) error {
		c := picked[i]
		var rate, bytes float64
		var err error
		if c.keys == "strings" {
			rate, bytes, err = measureOrdered(impl, c, strings)
		} else {
			rate, bytes, err = measureOrdered(impl, c, ints)
		}
		rates.add(names[i], impl, rate)
		if bytes > 0 {
			memory.add(names[i], impl, bytes)
			if !slices.Contains(weighed, names[i]) {
				weighed = append(weighed, names[i])
			}
		}
		return err
	})
	if err != nil {
		return err
	}
	if err := rates.print(s.out, names); err != nil {
		return err
	}
	fmt.Fprintln(s.out)
	slices.Sort(weighed)
	return memory.print(s.out, weighed)
}

// measureOrdered returns operations a second, and for work that fills a map the bytes
// that an entry then takes.
func measureOrdered[K cmp.Ordered](impl string, c orderedCell, keys []K) (rate, bytes float64, err error) {
	n := len(keys)
	filling := c.work == workSet || c.work == workAscend || c.work == workLoad
	order := slices.Clone(keys)
	if c.work == workAscend || c.work == workLoad {
		slices.Sort(order)
	}
	before := heapInUse()
	m := openOrdered[K](impl, c.keys == "func")
	if !filling {
		for i, key := range keys {
			m.Set(key, i)
		}
		rng := rand.New(rand.NewPCG(2, 2))
		rng.Shuffle(n, func(i, j int) { order[i], order[j] = order[j], order[i] })
	}
	runtime.GC()
	largest := slices.Max(order)
	start, done, times := time.Now(), 0, 1
	switch c.work {
	case workSet, workAscend:
		for i, key := range order {
			m.Set(key, i)
		}
		done = n
	case workLoad:
		m.Load(order)
		done = n
	case workGet:
		for _, key := range order {
			if _, ok := m.Get(key); ok {
				done++
			}
		}
	case workDelete:
		for _, key := range order {
			if m.Delete(key) {
				done++
			}
		}
	case workWalk:
		times = 10
		for range times {
			w := m.Walk()
			if w.sum != n*(n-1)/2 || w.last != largest {
				return 0, 0, fmt.Errorf("walked to %v, values add up to %d", w.last, w.sum)
			}
			done += w.entries
		}
	}
	took := time.Since(start)
	if done != n*times {
		return 0, 0, fmt.Errorf("did %d of %d", done, n*times)
	}
	if filling {
		bytes = float64(heapInUse()-before) / float64(n)
	}
	runtime.KeepAlive(m)
	runtime.KeepAlive(order)
	return float64(done) / took.Seconds(), bytes, nil
}
