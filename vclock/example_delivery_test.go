package vclock_test

import (
	"errors"
	"fmt"

	"github.com/plinth-go/plinth/vclock"
)

func ExampleDelivery() {
	anna, _ := vclock.NewDelivery[string]("anna", vclock.DeliveryConfig{})
	ben, _ := vclock.NewDelivery[string]("ben", vclock.DeliveryConfig{})
	cleo, _ := vclock.NewDelivery[string]("cleo", vclock.DeliveryConfig{})

	question, _ := anna.Send("lunch?")
	_, _ = ben.Receive(question)
	answer, _ := ben.Send("yes!")

	out, _ := cleo.Receive(answer) // overtakes the question
	fmt.Println(len(out), "delivered,", cleo.Pending(), "held, missing:", cleo.Missing())
	out, _ = cleo.Receive(question)
	for _, m := range out {
		fmt.Println(m.From, "says", m.Body)
	}
	// Output:
	// 0 delivered, 1 held, missing: [anna:1]
	// anna says lunch?
	// ben says yes!
}

func ExampleDeliveryConfig() {
	ben, _ := vclock.NewDelivery[string]("ben", vclock.DeliveryConfig{})
	first, _ := ben.Send("a")
	second, _ := ben.Send("b")
	third, _ := ben.Send("c")

	anna, _ := vclock.NewDelivery[string]("anna", vclock.DeliveryConfig{Limit: 1})
	_, _ = anna.Receive(third)
	_, err := anna.Receive(second)
	fmt.Println(errors.Is(err, vclock.ErrFull), err)
	_, _ = anna.Receive(first)

	// Restarted with what it had delivered, it forgets what it held, and nothing else.
	anna, _ = vclock.NewDelivery[string]("anna", vclock.DeliveryConfig{Clock: anna.Clock()})
	_, err = anna.Receive(first)
	fmt.Println(errors.Is(err, vclock.ErrDuplicate), err)
	// Output:
	// true vclock: delivery is full: 1 messages wait: ben:2 is refused
	// true vclock: duplicate: ben:1 has been delivered
}

func ExampleMessage() {
	anna, _ := vclock.NewDelivery[string]("anna", vclock.DeliveryConfig{})
	_, _ = anna.Send("one")
	m, _ := anna.Send("two")
	fmt.Printf("%v is %q, after %v\n", m.Dot(), m.Body, m.Deps)
	// Output: anna:2 is "two", after {"anna":1}
}
