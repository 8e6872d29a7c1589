package breaker

import "time"

// A dependency that dies often becomes slow before it fails: its queues fill up. Callers wait, and
// each holds a goroutine, a connection and memory while it does; they die of that before they
// see a single error.

// SlowRate opens when, of at least minCalls in a window, this part or more took as long as after,
// whether they failed or not. A call is counted when it returns: one that hangs for ever is never
// slow, so give calls a deadline as well.
func SlowRate(after time.Duration, part float64, minCalls int, window Window) Trip {
	if after <= 0 {
		after = -1 // what check refuses: 0 stands for failures
	}
	return rate{part: part, least: int64(minCalls), window: window, slow: after}
}
