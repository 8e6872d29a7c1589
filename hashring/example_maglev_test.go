package hashring_test

import (
	"fmt"
	"log"

	"github.com/plinth-go/plinth/hashring"
)

func ExampleMaglev() {
	table, err := hashring.NewMaglev(0,
		hashring.Node{Name: "10.0.0.1:80", Weight: 1, Zone: "east"},
		hashring.Node{Name: "10.0.0.2:80", Weight: 1, Zone: "east"},
		hashring.Node{Name: "10.0.0.3:80", Weight: 2, Zone: "west"},
	)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(table.Locate("user/17").Name)
	for node := range table.LocateN("user/17") { // whom to ask if one does not answer
		fmt.Println(node.Name, "in", node.Zone)
	}
	_, err = hashring.NewMaglev(65_536)
	fmt.Println(err)
	// Output:
	// 10.0.0.3:80
	// 10.0.0.3:80 in west
	// 10.0.0.2:80 in east
	// 10.0.0.1:80 in east
	// hashring: a table of 65536 entries: want a prime number up to 268435456
}
