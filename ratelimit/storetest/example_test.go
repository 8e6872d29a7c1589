package storetest_test

import (
	"testing"

	"github.com/plinth-go/plinth/ratelimit"
	"github.com/plinth-go/plinth/ratelimit/storetest"
)

func ExampleRun() {
	// In the test of a store of your own:
	test := func(t *testing.T) {
		storetest.Run(t, func(*testing.T) ratelimit.Store { return ratelimit.NewMemoryStore(1000) })
	}
	_ = test
}
