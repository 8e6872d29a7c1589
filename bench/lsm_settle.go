package main

import (
	"context"
	"runtime"
	"sync"
	"time"

	"github.com/plinth-go/plinth/lsm"
)

// Two goroutines of a store work in the background, and how far they are when the
// next memtable is full depends on the machine. A model speaks of a store that has
// caught up. So the writer stops after each memtable until there is nothing left to
// compact: then the same entries lead to the same tables, byte by byte, everywhere.

// settler passes everything on to a policy and remembers the last layout in which
// that found nothing to do. It is safe for concurrent use.
type settler struct {
	lsm.Policy
	gate sync.Mutex // held while a flush must be alone; taken before mu

	mu    sync.Mutex
	idle  []levelSize // guarded by mu; nil while there is something to do
	asked chan struct{}
}

// levelSize tells two layouts of a store apart: a flush adds a table, and a
// compaction without a flush never leads back.
type levelSize struct {
	tables int
	bytes  int64
}

func newSettler(p lsm.Policy) *settler {
	return &settler{Policy: p, asked: make(chan struct{}, 1)}
}

// Pick is what the store asks after each change of its tables.
func (s *settler) Pick(l lsm.Layout) (lsm.Task, bool) {
	s.gate.Lock()
	defer s.gate.Unlock()
	task, ok := s.Policy.Pick(l)
	var idle []levelSize
	if !ok {
		for _, tables := range l.Levels {
			size := levelSize{tables: len(tables)}
			for _, t := range tables {
				size.bytes += t.Size
			}
			idle = append(idle, size)
		}
	}
	s.mu.Lock()
	s.idle = idle
	s.mu.Unlock()
	select {
	case s.asked <- struct{}{}:
	default: // one is enough
	}
	return task, ok
}

// settle flushes and returns when nothing is left to compact, or when ctx ends.
// Nobody may write meanwhile. Flushes is how many the store will have had then, and
// compaction does not begin before it has; 0 if nobody knows.
func (s *settler) settle(ctx context.Context, db *lsm.DB, flushes uint64) error {
	if err := s.flush(db, flushes); err != nil {
		return err
	}
	var failed *time.Ticker
	for !s.settled(db.Metrics()) {
		if failed == nil { // most often there is not much to wait for
			failed = time.NewTicker(20 * time.Millisecond)
			defer failed.Stop()
		}
		select {
		case <-s.asked:
		case <-failed.C: // a store that has failed asks no more; Flush says that it has
			if err := db.Flush(); err != nil {
				return err
			}
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return context.Cause(ctx)
}

// flush flushes. A flush goes on for a moment after Flush has returned, and may then
// remove tables that a compaction has replaced, a little sooner or later than that
// would have done.
func (s *settler) flush(db *lsm.DB, flushes uint64) error {
	s.gate.Lock()
	defer s.gate.Unlock()
	for {
		if err := db.Flush(); err != nil || db.Metrics().Flushes >= flushes {
			return err
		}
		runtime.Gosched()
	}
}

// settled reports whether it is the present layout that is idle.
func (s *settler) settled(m lsm.Metrics) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.idle) != len(m.Levels) {
		return false
	}
	for i, l := range m.Levels {
		if s.idle[i] != (levelSize{l.Tables, l.Bytes}) {
			return false
		}
	}
	return true
}
