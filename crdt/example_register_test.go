package crdt_test

import (
	"errors"
	"fmt"
	"time"

	"github.com/plinth-go/plinth/crdt"
	"github.com/plinth-go/plinth/vclock"
)

func ExampleLWWRegister() {
	a := crdt.NewLWWRegister[string](vclock.StringCodec{})
	b := crdt.NewLWWRegister[string](vclock.StringCodec{})
	tea, _ := a.Set(vclock.Timestamp{Wall: 1}, "a", "tea")
	milk, _ := b.Set(vclock.Timestamp{Wall: 2}, "b", "milk")
	a.Merge(milk)
	b.Merge(tea) // it is older, and lost
	fmt.Println(a, b)

	gone, _ := a.Delete(vclock.Timestamp{Wall: 3}, "a")
	b.Merge(gone)
	b.Merge(milk) // the deletion keeps its time, so this is old
	fmt.Println(b)
	// Output:
	// milk milk
	// <none>
}

// A clock asks about each message before it is merged: who is a day ahead would win for a day.
func ExampleLWWRegister_Stamp() {
	noon := time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)
	clock, _ := vclock.NewHLC(vclock.HLCConfig{Now: func() time.Time { return noon }})
	here := crdt.NewLWWRegister[string](vclock.StringCodec{})
	receive := func(delta *crdt.LWWRegister[string]) {
		stamp, from := delta.Stamp()
		if _, err := clock.Update(stamp); errors.Is(err, vclock.ErrDrift) {
			fmt.Println("refused:", from)
			return
		}
		here.Merge(delta)
	}
	there := crdt.NewLWWRegister[string](vclock.StringCodec{})
	tea, _ := there.Set(vclock.Timestamp{Wall: noon.UnixNano()}, "b", "tea")
	receive(tea)
	wrong, _ := there.Set(vclock.Timestamp{Wall: noon.Add(24 * time.Hour).UnixNano()}, "c", "from tomorrow")
	receive(wrong)
	fmt.Println(here)
	// Output:
	// refused: c
	// tea
}
