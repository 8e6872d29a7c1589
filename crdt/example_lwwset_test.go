package crdt_test

import (
	"fmt"

	"github.com/plinth-go/plinth/crdt"
	"github.com/plinth-go/plinth/vclock"
)

func ExampleLWWSet() {
	var a, b crdt.LWWSet[string]
	milk, _ := a.Add(vclock.Timestamp{Wall: 1}, "a", "milk")
	tea, _ := a.Add(vclock.Timestamp{Wall: 2}, "a", "tea")
	gone, _ := b.Remove(vclock.Timestamp{Wall: 3}, "b", "milk") // which b has not seen
	b.Merge(tea)
	b.Merge(milk) // too late
	a.Merge(gone)
	fmt.Println(&a, &b, a.Compare(&b))
	// Output: [tea] [tea] equal
}

func ExampleBias() {
	now := vclock.Timestamp{Wall: 1}
	for _, bias := range []crdt.Bias{crdt.AddBias, crdt.RemoveBias} {
		a, b := crdt.NewLWWSet[string](bias), crdt.NewLWWSet[string](bias)
		_, _ = a.Add(now, "a", "milk")
		_, _ = b.Remove(now, "b", "milk")
		fmt.Println(bias, crdt.Join(a, b), crdt.Join(b, a))
	}
	// Output:
	// AddBias [milk] [milk]
	// RemoveBias [] []
}
