package hashring_test

import (
	"fmt"
	"log"

	"github.com/plinth-go/plinth/hashring"
)

func ExampleRendezvous_LocateN() {
	nodes, err := hashring.NewRendezvous(
		hashring.Node{Name: "ada", Weight: 1, Zone: "east"},
		hashring.Node{Name: "bob", Weight: 1, Zone: "east"},
		hashring.Node{Name: "cid", Weight: 1, Zone: "west"},
	)
	if err != nil {
		log.Fatal(err)
	}
	for node := range nodes.LocateN("user/17") {
		fmt.Println(node.Name, "in", node.Zone)
	}
	// Output:
	// ada in east
	// cid in west
	// bob in east
}

func ExampleWeightedRendezvous() {
	nodes, err := hashring.NewWeightedRendezvous(
		hashring.Node{Name: "ada", Weight: 1},
		hashring.Node{Name: "bob", Weight: 2},
		hashring.Node{Name: "cid", Weight: 5},
	)
	if err != nil {
		log.Fatal(err)
	}
	keys := map[string]int{}
	for i := range 8000 {
		keys[nodes.Locate(fmt.Sprint("user/", i)).Name]++
	}
	fmt.Println(keys)
	// Output: map[ada:974 bob:2021 cid:5005]
}

func ExampleSkeleton() {
	var nodes []hashring.Node
	for i := range 100 {
		nodes = append(nodes, hashring.Node{Name: fmt.Sprintf("node-%02d", i), Weight: 1})
	}
	before, err := hashring.NewSkeleton(0, nodes...)
	if err != nil {
		log.Fatal(err)
	}
	after, err := before.Without("node-17")
	if err != nil {
		log.Fatal(err)
	}
	moved := map[string]int{}
	for i := range 10_000 {
		key := fmt.Sprint("user/", i)
		if from := before.Locate(key); from != after.Locate(key) {
			moved[from.Name]++
		}
	}
	fmt.Println("moved:", moved)
	// Output: moved: map[node-17:99]
}
