package crdt_test

import (
	"fmt"

	"github.com/plinth-go/plinth/crdt"
)

func ExampleTwoPSet() {
	var phone, laptop crdt.TwoPSet[string]
	milk, _ := phone.Add("milk")
	laptop.Merge(milk)
	bought := laptop.Remove("milk")
	phone.Merge(bought)

	// A week later there is no milk again. There never will be: the set cannot tell this addition from
	// that of last week.
	_, err := phone.Add("milk")
	fmt.Println(&phone, err)

	// Who does not know of the removal yet can add it, until he hears of it.
	var tablet crdt.TwoPSet[string]
	_, _ = tablet.Add("milk")
	fmt.Println(&tablet)
	tablet.Merge(bought)
	fmt.Println(&tablet)
	// Output:
	// [] crdt: removed for ever: TwoPSet: milk
	// [milk]
	// []
}
