package vclock_test

import (
	"fmt"
	"slices"

	"github.com/plinth-go/plinth/vclock"
)

// Two who know nothing of each other. Their numbers are in an order all the same, so numbers in order
// do not say that one thing happened before another; a Vector does.
func ExampleLamport() {
	var anna, ben vclock.Lamport
	var annas, bens vclock.Vector
	_, _ = anna.Tick()
	_, _ = annas.Tick("anna")
	first, _ := anna.Tick()
	_, _ = annas.Tick("anna")
	second, _ := ben.Tick()
	_, _ = bens.Tick("ben")
	fmt.Println(second, "<", first, "but", bens, "and", annas, "are", bens.Compare(annas))

	_ = ben.Witness(first) // now he has heard of hers
	third, _ := ben.Tick()
	bens.Merge(annas)
	_, _ = bens.Tick("ben")
	fmt.Println(first, "<", third, "and", annas, "is", annas.Compare(bens), bens)
	// Output:
	// 1 < 2 but {"ben":1} and {"anna":2} are concurrent
	// 2 < 4 and {"anna":2} is before {"anna":2, "ben":2}
}

func ExampleLamportTime() {
	waiting := []vclock.LamportTime{{N: 2, ID: "ben"}, {N: 1, ID: "carl"}, {N: 2, ID: "anna"}}
	slices.SortFunc(waiting, vclock.LamportTime.Compare)
	fmt.Println(waiting)
	// Output: [1@carl 2@anna 2@ben]
}
