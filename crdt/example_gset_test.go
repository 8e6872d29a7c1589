package crdt_test

import (
	"fmt"

	"github.com/plinth-go/plinth/crdt"
)

func ExampleGSet() {
	var seen, other crdt.GSet[string]
	_, _ = seen.Add("10.0.0.1")
	_, _ = other.Add("10.0.0.2")
	fmt.Println(seen.Compare(&other))
	fmt.Println(seen.Merge(&other), seen.Merge(&other), &seen, other.Compare(&seen))
	// Output:
	// concurrent
	// true false [10.0.0.1 10.0.0.2] before
}
