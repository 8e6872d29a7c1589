package ratelimit

import (
	"sync"
	"time"
)

// gate holds back the requests of a scope until a time. It is safe for concurrent use.
type gate struct {
	mu    sync.Mutex
	until map[string]time.Time // guarded by mu
}

// close closes the gate of a scope for some time, unless it is closed for longer. It
// forgets those that have opened: there are no more than were closed within MaxWait.
func (g *gate) close(scope string, wait time.Duration) {
	if scope == "" || wait <= 0 {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	now := time.Now()
	for other, until := range g.until {
		if !until.After(now) {
			delete(g.until, other)
		}
	}
	if g.until == nil {
		g.until = make(map[string]time.Time)
	}
	if until := now.Add(wait); until.After(g.until[scope]) {
		g.until[scope] = until
	}
}

func (g *gate) closedFor(scope string) time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	return time.Until(g.until[scope]) // the zero time has passed
}
