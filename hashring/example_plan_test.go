package hashring_test

import (
	"fmt"
	"log"

	"github.com/plinth-go/plinth/hashring"
)

func ExampleRing_Plan() {
	ada, bob, cid := hashring.Node{Name: "ada", Weight: 1}, hashring.Node{Name: "bob", Weight: 1}, hashring.Node{Name: "cid", Weight: 1}
	before, err := hashring.NewRing(hashring.RingConfig{VirtualNodes: 4}, ada, bob)
	if err != nil {
		log.Fatal(err)
	}
	after, err := before.With(cid)
	if err != nil {
		log.Fatal(err)
	}
	share := 0.0
	for _, t := range before.Plan(after) {
		fmt.Printf("%016x to %016x: %s -> %s\n", t.Hashes.First, t.Hashes.Last, t.From.Name, t.To.Name)
		share += t.Hashes.Share()
	}
	fmt.Printf("%.2f of all\n", share)
	// Output:
	// 24a343c9c984471e to 24eae1c90d911e04: bob -> cid
	// 2f8f60e23d16a8ea to 7d2feaff9271baac: bob -> cid
	// 0.30 of all
}

// A key is in the transfer on whose arc its hash is.
func ExampleTransfer() {
	before := backends()
	after, err := before.Without("bob")
	if err != nil {
		log.Fatal(err)
	}
	h := before.Hash("user/17")
	for _, t := range before.Plan(after) {
		if t.Hashes.Contains(h) {
			fmt.Println("user/17 from", t.From.Name, "to", t.To.Name)
		}
	}
	// Output:
	// user/17 from bob to ada
}

func ExampleArc() {
	quarter := hashring.Arc{First: 0, Last: 1<<62 - 1} // both are on it
	fmt.Println(quarter.Share(), quarter.Contains(1<<62-1), quarter.Contains(1<<62))
	// Output:
	// 0.25 true false
}
