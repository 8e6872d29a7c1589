package hashring_test

import (
	"fmt"
	"log"

	"github.com/plinth-go/plinth/hashring"
)

func ExampleShards() {
	shards, err := hashring.NewShards(
		hashring.Node{Name: "dan", Weight: 1}, // number 0
		hashring.Node{Name: "ada", Weight: 1},
		hashring.Node{Name: "cid", Weight: 1},
		hashring.Node{Name: "bob", Weight: 1},
	)
	if err != nil {
		log.Fatal(err)
	}
	fewer, err := shards.Without("ada") // bob, the last, takes number 1
	if err != nil {
		log.Fatal(err)
	}
	for _, name := range []string{"dan", "bob", "cid"} {
		number, err := fewer.Index(name)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(name, "has number", number)
	}
	for _, key := range []string{"user/7", "user/8", "user/9"} {
		fmt.Println(key, "on", shards.Locate(key).Name, "and then on", fewer.Locate(key).Name)
	}
	// Output:
	// dan has number 0
	// bob has number 1
	// cid has number 2
	// user/7 on cid and then on cid
	// user/8 on bob and then on cid
	// user/9 on ada and then on bob
}
