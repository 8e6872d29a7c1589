package hashring_test

import (
	"fmt"
	"log"

	"github.com/plinth-go/plinth/hashring"
)

func ExampleNewKetama() {
	servers, err := hashring.NewKetama(
		hashring.Node{Name: "10.0.1.1:11211", Weight: 600}, // megabytes, as in libketama's file
		hashring.Node{Name: "10.0.1.2:11211", Weight: 300},
		hashring.Node{Name: "10.0.1.3:11211", Weight: 200},
	)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(servers.Locate("user/17").Name)
	fmt.Println("its point:", servers.Hash("user/17")>>32)
	fmt.Println(servers.LocateHash(4095887727 << 32).Name)
	// Output:
	// 10.0.1.3:11211
	// its point: 3715225746
	// 10.0.1.2:11211
}
