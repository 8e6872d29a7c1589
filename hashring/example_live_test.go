package hashring_test

import (
	"fmt"
	"log"

	"github.com/plinth-go/plinth/hashring"
)

func ExampleLive() {
	ring, err := hashring.NewRing(hashring.RingConfig{}, hashring.Node{Name: "ada", Weight: 1})
	if err != nil {
		log.Fatal(err)
	}
	live := hashring.NewLive(ring)
	fmt.Println(live.Locate("user/17").Name) // from any goroutine

	err = live.Update(func(old hashring.Locator) (hashring.Locator, error) { // from any other
		return old.(*hashring.Ring).With(hashring.Node{Name: "bob", Weight: 1})
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(live.Locate("user/17").Name, live.Len())

	now := live.Load() // for lookups that must agree
	fmt.Println(now.Locate("user/17").Name, "of", now.Len())
	// Output:
	// ada
	// bob 2
	// bob of 2
}
