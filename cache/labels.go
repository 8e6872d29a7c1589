package cache

import (
	"sync"
	"sync/atomic"
)

// labels are the tags of a Loading cache, for invalidation by tag: "everything
// that shows user 7". To look for those entries would take as long as there are
// many, and one that is being loaded would slip through. So nothing is looked
// for: a tag has a floor, an entry has the version at which its load began, and
// it is valid if that is not below the floor of any of its tags.
//
//	version   1      2       3      4
//	          │ load begins  │      │
//	          │      InvalidateTag: floor of "user 7" = 3
//	          └─ entry{version: 1, "user 7"}: 1 < 3, not valid
//
// A tag is forgotten when its last entry leaves the cache. Its floor must not
// be, as a load may be under way that began below it: forgotten keeps the
// highest such floor, and a tag that is new starts from there. The price is that
// a load that ran across that moment may be thrown away though it was good.
type labels struct {
	mu sync.Mutex
	// Guarded by mu.
	table     map[string]*label
	forgotten uint64 // no tag that is not in the table has a higher floor
}

// label is a tag that at least one entry has.
type label struct {
	name    string        // immutable
	floor   atomic.Uint64 // raised under mu, read by anyone
	entries int           // guarded by mu
}

// hold returns the labels of an entry that is about to be stored.
func (l *labels) hold(names []string) []*label {
	if len(names) == 0 {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	held := make([]*label, len(names))
	for i, name := range names {
		t := l.table[name]
		if t == nil {
			t = &label{name: name}
			t.floor.Store(l.forgotten)
			if l.table == nil {
				l.table = make(map[string]*label)
			}
			l.table[name] = t
		}
		t.entries++
		held[i] = t
	}
	return held
}

// release forgets the labels that only this entry had.
func (l *labels) release(held []*label) {
	if len(held) == 0 {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, t := range held {
		if t.entries--; t.entries == 0 {
			l.forgotten = max(l.forgotten, t.floor.Load())
			delete(l.table, t.name)
		}
	}
}

// raise makes all entries of a tag invalid whose load began before the version.
func (l *labels) raise(name string, version uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if t := l.table[name]; t != nil {
		t.floor.Store(max(t.floor.Load(), version))
		return
	}
	l.forgotten = max(l.forgotten, version)
}

func (l *labels) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.table)
}
