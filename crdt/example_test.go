package crdt_test

import (
	"fmt"

	"github.com/plinth-go/plinth/crdt"
)

func ExampleORSet() {
	var phone, laptop crdt.ORSet[string]
	milk, _ := phone.Add("phone", "milk")
	laptop.Merge(milk)

	// At the same time one removes the milk, and the other adds it once more.
	gone := laptop.Remove("milk")
	again, _ := phone.Add("phone", "milk")
	eggs, _ := laptop.Add("laptop", "eggs")

	phone.Merge(eggs) // in any order
	phone.Merge(gone)
	laptop.Merge(again)
	fmt.Println(&phone, &laptop, phone.Compare(&laptop))
	// Output: [eggs milk] [eggs milk] equal
}

func ExampleGCounter() {
	var a, b crdt.GCounter
	two, _ := a.Add("a", 2)
	_, _ = b.Add("b", 3)
	b.Merge(two)
	b.Merge(two) // it came twice
	fmt.Println(b.Value())
	// Output: 5
}

func ExamplePNCounter() {
	var a, b crdt.PNCounter
	up, _ := a.Add("a", 10)
	_, _ = b.Add("b", -4)
	b.Merge(up)
	fmt.Println(b.Value())
	// Output: 6
}

func ExampleLattice() {
	var a, b, c crdt.GCounter
	_, _ = a.Add("a", 1)
	_, _ = b.Add("b", 2)
	_, _ = c.Add("c", 3)
	all := crdt.Join(&a, &b, &c)
	fmt.Println(all, a.Compare(all))
	// Output: 6 before
}
