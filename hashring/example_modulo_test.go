package hashring_test

import (
	"fmt"
	"log"

	"github.com/plinth-go/plinth/hashring"
)

func ExampleModulo() {
	before, err := hashring.NewModulo(hashring.Node{Name: "ada", Weight: 1}, hashring.Node{Name: "bob", Weight: 1})
	if err != nil {
		log.Fatal(err)
	}
	after, err := before.With(hashring.Node{Name: "cid", Weight: 1})
	if err != nil {
		log.Fatal(err)
	}
	moved := 0
	for h := range uint64(600) {
		if before.LocateHash(h) != after.LocateHash(h) {
			moved++
		}
	}
	fmt.Println(moved, "of 600 move, and 200 had to")
	// Output: 400 of 600 move, and 200 had to
}
