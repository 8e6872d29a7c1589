package vclock_test

import (
	"errors"
	"fmt"

	"github.com/plinth-go/plinth/vclock"
)

func ExampleStamp() {
	phone, laptop := vclock.Seed().Fork() // nobody had to name the second one
	phone, _ = phone.Event()              // each writes something
	laptop, _ = laptop.Event()
	fmt.Println(phone, "and", laptop, "are", phone.Compare(laptop))

	note := phone.Peek() // goes along with what the phone wrote
	laptop, _ = vclock.Join(laptop, note)
	laptop, _ = laptop.Event()
	fmt.Println(laptop, "is", laptop.Compare(phone), note)

	laptop, _ = vclock.Join(laptop, phone) // the phone retires
	laptop, _ = laptop.Event()
	fmt.Println(laptop, "is all that is left of both")
	// Output:
	// ((1,0),(0,1,0)) and ((0,1),(0,0,1)) are concurrent
	// ((0,1),(1,0,1)) is after (0,(0,1,0))
	// (1,2) is all that is left of both
}

func ExampleJoin() {
	a, b := vclock.Seed().Fork()
	backup := b
	b, c := b.Fork()
	_, err := vclock.Join(c, backup) // which was used up by the fork
	fmt.Println(errors.Is(err, vclock.ErrOverlap), err)

	b, _ = vclock.Join(b, c)
	a, err = vclock.Join(a, b)
	fmt.Println(a, err)
	// Output:
	// true vclock: stamps overlap
	// (1,0) <nil>
}
