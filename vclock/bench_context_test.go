package vclock

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
)

// gapCloud is the form that most code has of a context with gaps: a vector, and each dot beyond it by itself.
type gapCloud struct {
	base   naiveVector
	beyond cloud
}

func (c *gapCloud) contains(d Dot) bool {
	if d.N <= c.base[d.ID] {
		return true
	}
	_, is := c.beyond[d]
	return is
}

func (c *gapCloud) add(d Dot) {
	if d.N != c.base[d.ID]+1 {
		if d.N > c.base[d.ID] {
			c.beyond[d] = struct{}{}
		}
		return
	}
	for is := true; is; _, is = c.beyond[d] {
		c.base[d.ID] = d.N
		delete(c.beyond, d)
		d.N++
	}
}

func (c *gapCloud) merge(d gapCloud) {
	c.base.merge(d.base)
	maps.Copy(c.beyond, d.beyond)
	for dot := range maps.Clone(c.beyond) {
		if dot.N <= c.base[dot.ID] {
			delete(c.beyond, dot)
		} else {
			c.add(dot)
		}
	}
}

// stream has 100 dots of each of n replicas, who take turns. If late, each comes up to four rounds later.
func stream(n int, late bool) []Dot {
	r := rand.New(rand.NewPCG(1, 2))
	type arrival struct {
		at  int
		dot Dot
	}
	var all []arrival
	for k := range 100 {
		for i := range n {
			at := len(all)
			if late {
				at += r.IntN(4 * n)
			}
			all = append(all, arrival{at, Dot{nameOf(i), uint64(k + 1)}})
		}
	}
	slices.SortStableFunc(all, func(a, b arrival) int { return a.at - b.at })
	dots := make([]Dot, 0, len(all))
	for _, a := range all {
		dots = append(dots, a.dot)
	}
	return dots
}

func contextOfDots(dots []Dot) (c Context, g gapCloud, m cloud) {
	g, m = gapCloud{naiveVector{}, cloud{}}, cloud{}
	for _, d := range dots {
		_, _ = c.Add(d)
		g.add(d)
		m[d] = struct{}{}
	}
	return c, g, m
}

func benchDots(b *testing.B, impl, kind string, n, dots int, f func()) {
	b.Run(fmt.Sprintf("impl=%s/case=%s/n=%d", impl, kind, n), func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			f()
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(dots), "ns/dot")
	})
}

// BenchmarkFind looks for a name among sorted ones, which it does not share its memory with.
func BenchmarkFind(b *testing.B) {
	for _, n := range []int{3, 16, 256} {
		var names, asked []ID
		for i := range n {
			names = append(names, nameOf(i))
		}
		for i := range 100 {
			asked = append(asked, nameOf(i*7%n))
		}
		run := func(impl string, find func([]ID, ID) (int, bool)) {
			benchDots(b, impl, "known", n, len(asked), func() {
				for _, id := range asked {
					if _, is := find(names, id); !is {
						b.Fatal("not found")
					}
				}
			})
		}
		run("plinth", find)
		run("naive", slices.BinarySearch[[]ID])
	}
}

// BenchmarkContextAdd takes in 100 dots of each replica. The forms: a Context; a map of all dots; a vector and a map
// of the dots beyond it.
func BenchmarkContextAdd(b *testing.B) {
	for _, n := range []int{3, 16, 256} {
		for _, kind := range []string{"order", "late"} {
			dots := stream(n, kind == "late")
			benchDots(b, "plinth", kind, n, len(dots), func() {
				var c Context
				for _, d := range dots {
					_, _ = c.Add(d)
				}
			})
			benchDots(b, "naive", kind, n, len(dots), func() {
				c := cloud{}
				for _, d := range dots {
					c[d] = struct{}{}
				}
			})
			benchDots(b, "naive-gaps", kind, n, len(dots), func() {
				c := gapCloud{naiveVector{}, cloud{}}
				for _, d := range dots {
					c.add(d)
				}
			})
		}
	}
}

// BenchmarkContextContains asks for dots of all replicas, of which the tenth part is not known.
func BenchmarkContextContains(b *testing.B) {
	for _, n := range []int{3, 16, 256} {
		for _, kind := range []string{"order", "late"} {
			dots := stream(n, kind == "late")
			c, g, m := contextOfDots(dots[:len(dots)*9/10])
			r := rand.New(rand.NewPCG(3, 4))
			r.Shuffle(len(dots), func(i, j int) { dots[i], dots[j] = dots[j], dots[i] })
			dots = dots[:100]
			run := func(impl string, has func(Dot) bool) {
				count := 0
				benchDots(b, impl, kind, n, len(dots), func() {
					for _, d := range dots {
						if has(d) {
							count++
						}
					}
				})
			}
			run("plinth", func(d Dot) bool { return c.Contains(d) })
			run("naive", func(d Dot) bool { return mapHas(m, d) })
			run("naive-gaps", g.contains)
		}
	}
}

// BenchmarkContextMerge: two that each know half a round of late dots that the other does not (state); what is known
// already (known); and 100 dots that come one by one, in a context each (deltas), also by the pass over both that
// there is for many (naive-pass).
func BenchmarkContextMerge(b *testing.B) {
	for _, n := range []int{3, 16, 256} {
		dots := stream(n, true)
		most := len(dots) - n/2
		c, g, m := contextOfDots(dots[:most])
		other := slices.Concat(dots[:most-n/2], dots[most:])
		d, h, l := contextOfDots(other)
		benchDots(b, "plinth", "state", n, 1, func() { u := c.Clone(); u.Merge(d) })
		benchDots(b, "naive", "state", n, 1, func() { u := maps.Clone(m); u.merge(l) })
		benchDots(b, "naive-gaps", "state", n, 1, func() {
			u := gapCloud{maps.Clone(g.base), maps.Clone(g.beyond)}
			u.merge(h)
		})
		benchDots(b, "plinth", "known", n, 1, func() { c.Merge(c) })
		benchDots(b, "naive", "known", n, 1, func() { m.merge(m) })
		benchDots(b, "naive-gaps", "known", n, 1, func() { g.merge(g) })

		base, _, _ := contextOfDots(stream(n, false))
		var deltas []Context
		for k := range 100 {
			delta, _ := ContextOf(Span{nameOf(k % n), uint64(101 + k/n), uint64(101 + k/n)})
			deltas = append(deltas, delta)
		}
		for impl, merge := range map[string]func(*Context, Context) bool{
			"plinth": (*Context).Merge, "naive-pass": (*Context).mergeMany,
		} {
			benchDots(b, impl, "deltas", n, len(deltas), func() {
				u := base.Clone()
				for _, d := range deltas {
					merge(&u, d)
				}
			})
		}
	}
}
