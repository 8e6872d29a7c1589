package crdt_test

import (
	"fmt"

	"github.com/plinth-go/plinth/crdt"
)

func ExampleBoundedCounter() {
	// Ten tickets. The shop gives four of them to the box office, and then the network fails.
	shop, office := crdt.NewBoundedCounter(0), crdt.NewBoundedCounter(0)
	printed, _ := shop.Add("shop", 10)
	moved, _ := shop.Transfer("shop", "office", 4)
	office.Merge(moved)
	office.Merge(printed) // in any order

	sold, _ := office.Take("office", 3)
	_, err := office.Take("office", 2)
	fmt.Println(office.Value(), err)

	shop.Merge(sold)
	fmt.Println(shop.Value(), shop.Rights("shop"), shop.Rights("office"))
	// Output:
	// 7 crdt: no rights: office has 1, and wants 2
	// 7 6 1
}
