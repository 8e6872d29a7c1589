package vclock_test

import (
	"errors"
	"fmt"

	"github.com/plinth-go/plinth/vclock"
)

func ExampleDecoder() {
	// Two names in order, each with a number, as package vclock would write them.
	b := vclock.AppendID([]byte{}, "", "node-1")
	b = append(b, 7)
	b = append(vclock.AppendID(b, "node-1", "node-2"), 9)

	errCorrupt := errors.New("shop: corrupt")
	d := vclock.NewDecoder(errCorrupt, "stock", b)
	first, n := d.ID(""), d.Number(100)
	second, m := d.ID(first), d.Number(100)
	fmt.Println(first, n, second, m, d.End())

	d = vclock.NewDecoder(errCorrupt, "stock", b[:6])
	first, _ = d.ID(""), d.Number(100)
	d.ID(first)
	fmt.Println(errors.Is(d.End(), errCorrupt), d.End())
	// Output:
	// node-1 7 node-2 9 <nil>
	// true shop: corrupt stock: byte 6: it ends here
}
