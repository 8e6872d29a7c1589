package vclock_test

import (
	"fmt"

	"github.com/plinth-go/plinth/vclock"
)

func ExampleContext() {
	var mine vclock.Context
	for _, n := range []uint64{1, 2, 5, 6} { // 3 and 4 are on their way
		_, _ = mine.Add(vclock.Dot{ID: "a", N: n})
	}
	fmt.Println(mine, "base", mine.Base())

	peer := mine.Clone()
	_, _ = peer.AddSpan(vclock.Span{ID: "a", From: 3, To: 4})
	_, _ = peer.Next("b")
	fmt.Println(peer, "base", peer.Base())
	for span := range peer.Minus(mine) {
		fmt.Println("I lack", span)
	}
	mine.Merge(peer)
	fmt.Println(mine.Contiguous(), mine.Compare(peer))
	// Output:
	// {"a":"1-2,5-6"} base {"a":2}
	// {"a":"1-6", "b":"1"} base {"a":6, "b":1}
	// I lack a:3-4
	// I lack b:1
	// true equal
}

func ExampleSpan() {
	c, _ := vclock.ContextOf(
		vclock.Span{ID: "b", From: 7, To: 7}, vclock.Span{ID: "a", From: 3, To: 9}, vclock.Span{ID: "a", From: 1, To: 4})
	for span := range c.All() {
		fmt.Println(span)
	}
	// Output:
	// a:1-9
	// b:7
}
