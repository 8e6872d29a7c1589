package main

import (
	"cmp"

	google "github.com/google/btree"
	"github.com/tidwall/btree"

	"github.com/plinth-go/plinth/btree/ordered"
)

// orderedMap is an ordered map of any library. It is not safe for concurrent use.
type orderedMap[K cmp.Ordered] interface {
	Set(key K, value int)
	Get(key K) (int, bool)
	Delete(key K) bool
	Walk() walked[K] // over all, in order
	Load(sorted []K) // into an empty map, each with its place as value
}

// walked is what a loop makes of all entries: it needs each key and each value, so that
// no compiler leaves out to load them.
type walked[K cmp.Ordered] struct {
	entries, sum int
	last         K
}

// orderedEntry is what a library keeps that knows no values.
type orderedEntry[K cmp.Ordered] struct {
	key   K
	value int
}

func orderedLess[K cmp.Ordered](a, b orderedEntry[K]) bool { return a.key < b.key }

const implGoogle = "google"

func orderedImpls() []string { return []string{implPlinth, implGoogle, implTidwall} }

// openOrdered makes an empty map. With byFunc it compares with a function that it is
// given, as is the only way for google's.
func openOrdered[K cmp.Ordered](impl string, byFunc bool) orderedMap[K] {
	switch {
	case impl == implGoogle:
		return googleOrdered[K]{google.NewG(32, orderedLess[K])}
	case impl == implTidwall && byFunc:
		return tidwallFunc[K]{btree.NewBTreeGOptions(orderedLess[K], btree.Options{NoLocks: true})}
	case impl == implTidwall:
		return tidwallMap[K]{new(btree.Map[K, int])}
	case byFunc:
		return &plinthOrdered[K]{m: ordered.NewFunc[K, int](cmp.Compare[K]), byFunc: true}
	}
	return &plinthOrdered[K]{m: ordered.New[K, int]()}
}

type plinthOrdered[K cmp.Ordered] struct {
	m      *ordered.Map[K, int]
	byFunc bool
}

func (p *plinthOrdered[K]) Set(key K, value int)  { p.m.Set(key, value) }
func (p *plinthOrdered[K]) Get(key K) (int, bool) { return p.m.Get(key) }
func (p *plinthOrdered[K]) Delete(key K) bool     { _, ok := p.m.Delete(key); return ok }

func (p *plinthOrdered[K]) Walk() (w walked[K]) {
	for k, v := range p.m.All() {
		w.entries, w.sum, w.last = w.entries+1, w.sum+v, k
	}
	return w
}

func (p *plinthOrdered[K]) Load(sorted []K) {
	entries := func(yield func(K, int) bool) {
		for i, key := range sorted {
			if !yield(key, i) {
				return
			}
		}
	}
	var err error
	if p.byFunc {
		p.m, err = ordered.BulkFunc(cmp.Compare[K], entries)
	} else {
		p.m, err = ordered.Bulk(entries)
	}
	if err != nil {
		panic(err)
	}
}

type googleOrdered[K cmp.Ordered] struct {
	t *google.BTreeG[orderedEntry[K]]
}

func (g googleOrdered[K]) Set(key K, value int) { g.t.ReplaceOrInsert(orderedEntry[K]{key, value}) }

func (g googleOrdered[K]) Get(key K) (int, bool) {
	e, ok := g.t.Get(orderedEntry[K]{key: key})
	return e.value, ok
}

func (g googleOrdered[K]) Delete(key K) bool {
	_, ok := g.t.Delete(orderedEntry[K]{key: key})
	return ok
}

func (g googleOrdered[K]) Walk() (w walked[K]) {
	g.t.Ascend(func(e orderedEntry[K]) bool {
		w.entries, w.sum, w.last = w.entries+1, w.sum+e.value, e.key
		return true
	})
	return w
}

func (g googleOrdered[K]) Load(sorted []K) {
	for i, key := range sorted {
		g.Set(key, i)
	}
}

type tidwallMap[K cmp.Ordered] struct{ m *btree.Map[K, int] }

func (t tidwallMap[K]) Set(key K, value int)  { t.m.Set(key, value) }
func (t tidwallMap[K]) Get(key K) (int, bool) { return t.m.Get(key) }
func (t tidwallMap[K]) Delete(key K) bool     { _, ok := t.m.Delete(key); return ok }

func (t tidwallMap[K]) Walk() (w walked[K]) {
	t.m.Scan(func(k K, v int) bool {
		w.entries, w.sum, w.last = w.entries+1, w.sum+v, k
		return true
	})
	return w
}

func (t tidwallMap[K]) Load(sorted []K) {
	for i, key := range sorted {
		t.m.Load(key, i)
	}
}

type tidwallFunc[K cmp.Ordered] struct {
	t *btree.BTreeG[orderedEntry[K]]
}

func (t tidwallFunc[K]) Set(key K, value int) { t.t.Set(orderedEntry[K]{key, value}) }

func (t tidwallFunc[K]) Get(key K) (int, bool) {
	e, ok := t.t.Get(orderedEntry[K]{key: key})
	return e.value, ok
}

func (t tidwallFunc[K]) Delete(key K) bool {
	_, ok := t.t.Delete(orderedEntry[K]{key: key})
	return ok
}

func (t tidwallFunc[K]) Walk() (w walked[K]) {
	t.t.Scan(func(e orderedEntry[K]) bool {
		w.entries, w.sum, w.last = w.entries+1, w.sum+e.value, e.key
		return true
	})
	return w
}

func (t tidwallFunc[K]) Load(sorted []K) {
	for i, key := range sorted {
		t.t.Load(orderedEntry[K]{key, i})
	}
}
