package vclock_test

import (
	"errors"
	"fmt"

	"github.com/plinth-go/plinth/vclock"
)

func ExampleVector() {
	var anna, ben vclock.Vector
	_, _ = anna.Tick("anna") // she writes
	ben.Merge(anna)          // and he has read it
	_, _ = ben.Tick("ben")   // when he writes
	fmt.Println(ben, "is", ben.Compare(anna), anna)

	_, _ = anna.Tick("anna") // she has not seen that
	fmt.Println(anna, "and", ben, "are", anna.Compare(ben))

	anna.Merge(ben)
	fmt.Println(anna, anna.Descends(ben))
	// Output:
	// {"anna":1, "ben":1} is after {"anna":1}
	// {"anna":2} and {"anna":1, "ben":1} are concurrent
	// {"anna":2, "ben":1} true
}

func ExampleOrdering() {
	a, _ := vclock.VectorOf(map[vclock.ID]uint64{"a": 1})
	b, _ := vclock.VectorOf(map[vclock.ID]uint64{"a": 1, "b": 2})
	fmt.Println(a.Compare(b), b.Compare(a), a.Compare(a), a.Compare(b).Reverse())
	// Output: before after equal after
}

func ExampleDot() {
	var v vclock.Vector
	_, _ = v.Tick("a")
	second, _ := v.Tick("a")
	fmt.Println(second, v.Contains(second), v.Contains(vclock.Dot{ID: "a", N: 3}))
	// Output: a:2 true false
}

func ExampleID() {
	var v vclock.Vector
	_, err := v.Tick("")
	fmt.Println(errors.Is(err, vclock.ErrID), err)
	fmt.Println(vclock.ID("node-1"), vclock.ID("two words"))
	// Output:
	// true vclock: bad ID: it is empty
	// node-1 "two words"
}
