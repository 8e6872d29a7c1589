package vclock_test

import (
	"errors"
	"fmt"
	"strings"

	"github.com/plinth-go/plinth/vclock"
)

func ExampleDVVSet() {
	var cart vclock.DVVSet[string] // of a key, on server a
	_ = cart.Put(vclock.Vector{}, "a", "tea")
	ann := cart.Context() // Ann reads tea
	_ = cart.Put(vclock.Vector{}, "a", "rum")
	fmt.Println(cart, cart.Len())

	_ = cart.Put(ann, "a", "tea, milk") // in place of what she has read
	fmt.Println(cart)

	other := cart // server b has a copy, and somebody reads all there
	_ = other.Put(other.Context(), "b", "rum, tea, milk")
	fmt.Println(other, other.Compare(cart))
	cart.Merge(other)
	fmt.Println(cart.Values())
	// Output:
	// {"a":2} [a:1=tea a:2=rum] 2
	// {"a":3} [a:2=rum a:3=tea, milk]
	// {"a":3, "b":1} [b:1=rum, tea, milk] after
	// [rum, tea, milk]
}

func ExampleDVVSet_Reconcile() {
	var cart vclock.DVVSet[string]
	_ = cart.Put(vclock.Vector{}, "a", "tea")
	_ = cart.Put(vclock.Vector{}, "a", "rum")
	_ = cart.Reconcile("a", func(carts []string) string { return strings.Join(carts, ", ") })
	fmt.Println(cart)
	// Output: {"a":3} [a:3=tea, rum]
}

func ExampleDVVSet_Put_behind() {
	var cart, backup vclock.DVVSet[string]
	_ = cart.Put(vclock.Vector{}, "a", "tea")
	err := backup.Put(cart.Context(), "a", "rum") // the server has lost its disk
	fmt.Println(errors.Is(err, vclock.ErrBehind), err)
	fmt.Println(backup.Put(cart.Context(), "a-2", "rum"), backup) // and goes on under another name
	// Output:
	// true vclock: server is behind itself: a is told of its event 1, and is at 0
	// <nil> {"a":1, "a-2":1} [a-2:1=rum]
}
