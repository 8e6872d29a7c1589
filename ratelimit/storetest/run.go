package storetest

import (
	"context"
	"testing"

	"github.com/plinth-go/plinth/ratelimit"
)

// Run tests a store, in a subtest for each part of what ratelimit.Store says. newStore is
// called for each of them, and returns a store that is empty and holds at least 1,000
// keys; what has to be closed it gives to t.Cleanup.
func Run(t *testing.T, newStore func(t *testing.T) ratelimit.Store) {
	for _, c := range checks() {
		t.Run(c.name, func(t *testing.T) {
			if err := c.check(t.Context(), newStore(t)); err != nil {
				t.Error(err)
			}
		})
	}
}

// check returns what is wrong with an empty store.
type check func(context.Context, ratelimit.Store) error

type namedCheck struct {
	name  string
	check check
}

func checks() []namedCheck {
	return []namedCheck{
		{"Sequence", checkSequence},
		{"Time", checkTime},
		{"Memory", checkMemory},
		{"Keys", checkKeys},
		{"GiveBack", checkGiveBack},
		{"Extremes", checkExtremes},
		{"Arguments", checkArguments},
		{"Cancelled", checkCancelled},
		{"Concurrent", checkConcurrent},
		{"ConcurrentKeys", checkConcurrentKeys},
		{"ConcurrentGiveBack", checkConcurrentGiveBack},
		{"ConcurrentCancel", checkConcurrentCancel},
	}
}
