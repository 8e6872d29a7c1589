package vclock_test

import (
	"fmt"

	"github.com/plinth-go/plinth/vclock"
)

func ExampleMatrix() {
	known := func(a, b, c uint64) vclock.Vector {
		v, _ := vclock.VectorOf(map[vclock.ID]uint64{"a": a, "b": b, "c": c})
		return v
	}
	m, _ := vclock.NewMatrix("a", "b", "c")
	_, _ = m.Observe("a", known(3, 2, 1)) // the clocks that came with messages
	_, _ = m.Observe("b", known(1, 2, 0))
	_, _ = m.Observe("c", known(2, 2, 4))
	fmt.Print(m)
	fmt.Println("all know", m.Stable())

	fmt.Println("a:2 waits for", m.Behind(vclock.Dot{ID: "a", N: 2}))
	m.Forget("b") // an operator says that it will not come back
	fmt.Println("all know", m.Stable())
	fmt.Println(m.Join("b", known(1, 2, 0)))
	// Output:
	//         a  b  c
	// a       3  2  1
	// b       1  2  0
	// c       2  2  4
	// stable  1  2  0
	// all know {"a":1, "b":2}
	// a:2 waits for [b]
	// all know {"a":2, "b":2, "c":1}
	// vclock: behind the stable cut: b knows {"a":1, "b":2}, all know {"a":2, "b":2, "c":1}
}
