package hashring_test

import (
	"fmt"
	"log"

	"github.com/plinth-go/plinth/hashring"
)

// Three replicas, each in a zone of its own as long as there are zones.
func ExampleRing() {
	ring, err := hashring.NewRing(hashring.RingConfig{},
		hashring.Node{Name: "ada", Weight: 1, Zone: "east"},
		hashring.Node{Name: "bob", Weight: 1, Zone: "east"},
		hashring.Node{Name: "cid", Weight: 1, Zone: "west"},
		hashring.Node{Name: "dot", Weight: 1, Zone: "north"},
	)
	if err != nil {
		log.Fatal(err)
	}
	replicas := 0
	for node := range ring.LocateN("user/17") {
		fmt.Println(node.Name, "in", node.Zone)
		if replicas++; replicas == 3 {
			break
		}
	}
	// Output:
	// bob in east
	// cid in west
	// dot in north
}

// More places make shares more even, and cost memory.
func ExampleRingConfig() {
	for _, v := range []int{10, 1000} {
		ring, err := hashring.NewRing(hashring.RingConfig{VirtualNodes: v},
			hashring.Node{Name: "ada", Weight: 1}, hashring.Node{Name: "bob", Weight: 1})
		if err != nil {
			log.Fatal(err)
		}
		ada := 0
		for i := range 1000 {
			if ring.Locate(fmt.Sprint("user/", i)).Name == "ada" {
				ada++
			}
		}
		fmt.Println(v, "each: ada has", ada, "of 1000 keys")
	}
	// Output:
	// 10 each: ada has 717 of 1000 keys
	// 1000 each: ada has 505 of 1000 keys
}

// Algorithms can take each other's place.
func ExampleLocator() {
	ada, bob := hashring.Node{Name: "ada", Weight: 1}, hashring.Node{Name: "bob", Weight: 1}
	ring, err := hashring.NewRing(hashring.RingConfig{}, ada, bob)
	if err != nil {
		log.Fatal(err)
	}
	rendezvous, err := hashring.NewRendezvous(ada, bob)
	if err != nil {
		log.Fatal(err)
	}
	for _, locator := range []hashring.Locator{ring, rendezvous} {
		fmt.Printf("%T: %s\n", locator, locator.Locate("user/17").Name)
	}
	// Output:
	// *hashring.Ring: bob
	// *hashring.Rendezvous: ada
}

// The first node of a key that is up.
func ExampleSequencer() {
	var sequencer hashring.Sequencer = backends()
	down := map[string]bool{"bob": true}
	for node := range sequencer.LocateN("user/17") {
		if !down[node.Name] {
			fmt.Println("instead of", sequencer.Locate("user/17").Name, "ask", node.Name)
			break
		}
	}
	// Output:
	// instead of bob ask ada
}
