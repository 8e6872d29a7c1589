package hashring_test

import (
	"errors"
	"fmt"
	"log"

	"github.com/plinth-go/plinth/hashring"
)

func Example() {
	ring, err := hashring.NewRing(hashring.RingConfig{},
		hashring.Node{Name: "ada", Weight: 1, Zone: "east"},
		hashring.Node{Name: "bob", Weight: 1, Zone: "east"},
		hashring.Node{Name: "cid", Weight: 2, Zone: "west"},
	)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(ring.Locate("user/17").Name)

	for node := range ring.LocateN("user/17") { // the first, and who takes over
		fmt.Println(node.Name, "in", node.Zone)
	}

	fewer, err := ring.Without("bob")
	if err != nil {
		log.Fatal(err)
	}
	moved := 0
	for i := range 1000 {
		key := fmt.Sprint("user/", i)
		if ring.Locate(key) != fewer.Locate(key) {
			moved++ // it was bob's
		}
	}
	fmt.Println("about a quarter moves:", moved > 200 && moved < 300)
	// Output:
	// cid
	// cid in west
	// bob in east
	// ada in east
	// about a quarter moves: true
}

func ExampleNode() {
	_, err := hashring.NewRing(hashring.RingConfig{}, hashring.Node{Name: "ada"})
	fmt.Println(err)
	_, err = hashring.NewRing(hashring.RingConfig{}, hashring.Node{Name: "ada", Weight: 1}, hashring.Node{Name: "ada", Weight: 1})
	fmt.Println(errors.Is(err, hashring.ErrDuplicate))
	// Output:
	// hashring: not a node: "ada" has a weight of 0, want 1 to 65536
	// true
}

func ExampleJump() {
	h := hashring.Hash("user/17")
	for _, buckets := range []int{1, 10, 11, 12, 1000} {
		fmt.Print(hashring.Jump(h, buckets), " ")
	}
	// Output: 0 2 2 2 695
}

func ExampleRendezvous() {
	nodes, err := hashring.NewRendezvous(hashring.Node{Name: "ada", Weight: 1}, hashring.Node{Name: "bob", Weight: 1})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(nodes.Locate("user/17").Name)
	// Output: ada
}
