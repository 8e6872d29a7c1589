package hashring_test

import (
	"fmt"
	"log"

	"github.com/plinth-go/plinth/hashring"
)

func ExampleMultiProbe() {
	nodes, err := hashring.NewMultiProbe(0,
		hashring.Node{Name: "ada", Weight: 1, Zone: "east"},
		hashring.Node{Name: "bob", Weight: 1, Zone: "east"},
		hashring.Node{Name: "cid", Weight: 1, Zone: "west"},
	)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(nodes.Locate("user/17").Name)
	for node := range nodes.LocateN("user/17") { // the first, and who takes over
		fmt.Println(node.Name, "in", node.Zone)
	}
	// Output:
	// cid
	// cid in west
	// bob in east
	// ada in east
}
