package hashring_test

import (
	"fmt"
	"log"
	"slices"

	"github.com/plinth-go/plinth/hashring"
)

func ExampleDiff() {
	ada, bob, cid := hashring.Node{Name: "ada", Weight: 1}, hashring.Node{Name: "bob", Weight: 1}, hashring.Node{Name: "cid", Weight: 1}
	before, err := hashring.NewRing(hashring.RingConfig{}, ada, bob)
	if err != nil {
		log.Fatal(err)
	}
	after, err := before.With(cid)
	if err != nil {
		log.Fatal(err)
	}
	keys := []string{"user/1", "user/2", "user/3", "user/4", "user/5", "user/6"}
	for move := range hashring.Diff(before, after, slices.Values(keys)) {
		fmt.Println(move.Key, "from", move.From.Name, "to", move.To.Name)
	}
	// Output:
	// user/1 from bob to cid
	// user/5 from bob to cid
	// user/6 from ada to cid
}

func ExampleMove() {
	before := backends()
	after, err := before.Without("bob")
	if err != nil {
		log.Fatal(err)
	}
	for move := range hashring.Diff(before, after, slices.Values([]string{"user/16", "user/17"})) {
		fmt.Println("copy", move.Key, "to", move.To.Name, "and delete it from", move.From.Name)
	}
	// Output:
	// copy user/16 to dot and delete it from bob
	// copy user/17 to ada and delete it from bob
}
