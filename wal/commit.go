package wal

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
)

// Group commit. An appender encodes its records into the pending buffer, under
// mu, and then needs them on disk. If nobody leads, it leads: it takes the
// buffer, releases mu, writes and syncs. Whoever appends meanwhile fills the
// other buffer and queues up. When the leader is done it wakes all whom its
// sync covered and passes the lead to the first whom it did not: that one
// takes everything that has gathered. So N writers share one sync, a lone
// writer switches no goroutine, and there is neither a timer nor a goroutine
// of the log's own.
//
//	A  encode ─ lead: write, sync ───────────┐ done
//	B      encode ─ wait ····················└ lead: write, sync ─┐ done
//	C         encode ─ wait ························ (B's group) ─┘ done
//	D                                  encode ─ wait ·············└ lead …
//
// Who may touch what: `leading` is a lock, passed from leader to leader. It is
// set and cleared under mu and held while mu is not; tail and spare belong to
// it. A leader that must keep appenders out (rotation, truncation, Close) sets
// pendingOff to full.

// waiter is somebody who waits for bytes to be written or synced, or for the
// lead itself. Waiters are pooled, so waiting allocates nothing.
type waiter struct {
	bytes uint64
	level Durability
	lead  bool        // wants nothing but the lead
	woken chan signal // room for one: waking never blocks
	prev  *waiter     // guarded by Log.mu
	next  *waiter
}

// signal is what a waiter wakes up to.
type signal struct {
	lead bool  // you lead now
	err  error // otherwise: your bytes are where you wanted them, or never will be
}

func newWaiter() any { return &waiter{woken: make(chan signal, 1)} }

// queue holds the waiters: first come, first to lead.
type queue struct{ head, tail *waiter }

func (q *queue) push(w *waiter) {
	w.prev, w.next = q.tail, nil
	if q.tail == nil {
		q.head = w
	} else {
		q.tail.next = w
	}
	q.tail = w
}

func (q *queue) remove(w *waiter) {
	if w.prev == nil {
		q.head = w.next
	} else {
		w.prev.next = w.next
	}
	if w.next == nil {
		q.tail = w.prev
	} else {
		w.next.prev = w.prev
	}
	w.prev, w.next = nil, nil
}

// reached reports whether the log is durable at the level up to bytes.
func (l *Log) reached(bytes uint64, level Durability) bool {
	switch level {
	case Synced:
		return l.synced.bytes >= bytes
	case Flushed:
		return l.written.bytes >= bytes
	default:
		return true
	}
}

// await returns when the log is durable at the level up to bytes, or never
// will be. It leads if nobody does. A done channel that closes ends a wait
// with errGiveUp, but never a lead: then others depend on it. The caller holds
// mu; await releases it.
func (l *Log) await(bytes uint64, level Durability, done <-chan struct{}) error {
	if l.reached(bytes, level) || l.err != nil {
		defer l.mu.Unlock()
		if !l.reached(bytes, level) {
			return l.err
		}
		return nil
	}
	if level == Synced {
		l.syncWanted = max(l.syncWanted, bytes)
	}
	if l.leading {
		w := l.waiters.Get().(*waiter)
		w.bytes, w.level, w.lead = bytes, level, false
		l.waiting.push(w)
		l.mu.Unlock()
		s, err := l.wait(w, done)
		if err != nil || !s.lead {
			return err
		}
		l.mu.Lock()
	}
	l.leading = true
	defer l.follow()
	l.gather()
	err := l.commit(level == Synced)
	if l.reached(bytes, level) {
		return nil
	}
	return err
}

// gather lets those whom the last leader woke append again, so that their
// records go with this commit and not with the next: otherwise one of them
// commits alone while all others miss it, or they fall into two halves that
// take turns. It yields the processor a bounded number of times and stops early
// when all are back; after a lone appender it does nothing. Groups of 16
// writers grew from 8.2 to 16.0 records with it (Stats.Records/Commits), and
// so did their throughput. The caller leads and holds mu.
func (l *Log) gather() {
	for i := 0; i < 2*l.expected && l.joined < l.expected; i++ {
		l.mu.Unlock()
		runtime.Gosched()
		l.mu.Lock()
	}
}

// errGiveUp says that the caller stopped waiting.
var errGiveUp = errors.New("wal: wait given up")

// wait waits for a signal. Between the closing of done and taking mu the
// signal may have come all the same; it counts then, so a lead is never lost.
func (l *Log) wait(w *waiter, done <-chan struct{}) (signal, error) {
	var s signal
	select {
	case s = <-w.woken:
	case <-done:
		l.mu.Lock()
		queued := l.waiting.head == w || w.prev != nil
		if queued {
			l.waiting.remove(w)
		}
		l.mu.Unlock()
		if queued {
			l.waiters.Put(w)
			return signal{}, errGiveUp
		}
		s = <-w.woken
	}
	l.waiters.Put(w)
	return s, s.err
}

// lead takes the lead, after those who came before. The caller holds mu and
// holds it again afterwards; follow gives the lead back.
func (l *Log) lead() {
	if l.leading {
		w := l.waiters.Get().(*waiter)
		w.lead = true
		l.waiting.push(w)
		l.mu.Unlock()
		<-w.woken
		l.waiters.Put(w)
		l.mu.Lock()
	}
	l.leading = true
}

// follow wakes whom the commit covered, passes the lead on, and releases mu.
// Those who want nothing but the lead get it even from a log that has failed:
// they look for themselves.
func (l *Log) follow() {
	l.leading = false
	woken := 0
	for w := l.waiting.head; w != nil; {
		next := w.next
		switch {
		case !w.lead && l.reached(w.bytes, w.level):
			l.waiting.remove(w)
			woken++
			w.woken <- signal{}
		case !w.lead && l.err != nil:
			l.waiting.remove(w)
			w.woken <- signal{err: l.err}
		case !l.leading:
			l.waiting.remove(w)
			l.leading = true
			w.woken <- signal{lead: true}
		}
		w = next
	}
	l.expected = 0
	if woken > 0 {
		l.expected = l.joined + woken + 1
	}
	l.mu.Unlock()
}

// commit writes everything pending and syncs, if asked to or if somebody
// waits for that. The caller leads and holds mu; commit releases it for the
// time of the input and output.
//
// An error is final: what the disk holds is unknown then, a later sync would
// succeed without having written anything, and a record after the failed one
// would make the log look whole. Only reading it again (Open) tells.
func (l *Log) commit(sync bool) error {
	if l.err != nil {
		return l.err
	}
	group, to, records := l.pending, l.encoded, l.pendingRecords
	l.pending, l.idle, l.pendingRecords, l.joined = l.idle[:0], nil, 0, 0
	sync = sync || l.syncWanted > l.synced.bytes
	before := l.tail.synced
	if len(group) > 0 {
		l.tail.marked = false
		if l.tail.seg.recycled {
			group = slices.Grow(group, frameHeader) // tail.write adds an end
		}
	}
	l.mu.Unlock()

	err := l.tail.write(l.fs, group, sync, l.o.Durability == Synced)

	l.mu.Lock()
	if cap(group) <= 4*bufferLimit {
		l.idle = group // a buffer that one huge batch has grown is let go
	}
	if err != nil {
		return l.fail(err)
	}
	l.written = to
	l.tail.seg.end = l.tail.off
	if len(group) > 0 {
		l.stats.Commits++
		l.stats.LargestGroup = max(l.stats.LargestGroup, records)
	}
	if sync {
		l.synced = to
		if l.tail.synced != before {
			l.stats.Syncs++
		}
	}
	l.notify()
	return nil
}

// fail makes err the log's last word. The caller holds mu.
func (l *Log) fail(err error) error {
	if l.err == nil {
		l.err = fmt.Errorf("%w: %w", ErrFailed, err)
		l.notify()
	}
	return l.err
}

// notify wakes the followers (read.go). The caller holds mu.
func (l *Log) notify() {
	if l.changed != nil {
		close(l.changed)
		l.changed = nil
	}
}
