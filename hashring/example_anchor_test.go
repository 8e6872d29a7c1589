package hashring_test

import (
	"fmt"
	"log"

	"github.com/plinth-go/plinth/hashring"
)

func ExampleAnchor() {
	before, err := hashring.NewAnchor(16, // nodes at most
		hashring.Node{Name: "ada", Weight: 1},
		hashring.Node{Name: "bob", Weight: 1},
		hashring.Node{Name: "cid", Weight: 1},
	)
	if err != nil {
		log.Fatal(err)
	}
	fewer, err := before.Without("bob")
	if err != nil {
		log.Fatal(err)
	}
	after, err := fewer.With(hashring.Node{Name: "dan", Weight: 1}) // in the bucket that was bob's
	if err != nil {
		log.Fatal(err)
	}
	for _, key := range []string{"user/1", "user/2", "user/5"} {
		fmt.Println(key, before.Locate(key).Name, fewer.Locate(key).Name, after.Locate(key).Name)
	}
	// Output:
	// user/1 ada ada ada
	// user/2 cid cid cid
	// user/5 bob ada dan
}
