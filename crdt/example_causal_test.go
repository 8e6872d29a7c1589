package crdt_test

import (
	"fmt"

	"github.com/plinth-go/plinth/crdt"
	"github.com/plinth-go/plinth/vclock"
)

func ExampleMVRegister() {
	a := crdt.NewMVRegister[string](vclock.StringCodec{})
	b := crdt.NewMVRegister[string](vclock.StringCodec{})
	tea, _ := a.Set("a", "tea")
	_, _ = b.Set("b", "coffee")
	b.Merge(tea)
	fmt.Println(b.Values()) // nobody has seen both yet

	both, _ := b.Set("b", "tea and coffee")
	a.Merge(both)
	fmt.Println(a.Values())
	// Output:
	// [tea coffee]
	// [tea and coffee]
}

func ExampleEWFlag() {
	var a, b crdt.EWFlag
	on, _ := a.Enable("a")
	b.Merge(on)

	off := b.Disable()
	again, _ := a.Enable("a") // at the same time
	a.Merge(off)
	b.Merge(again)
	fmt.Println(a.Enabled(), b.Enabled())
	// Output: true true
}

func ExampleDWFlag() {
	var a, b crdt.DWFlag
	on, _ := a.Enable("a")
	b.Merge(on)

	off, _ := b.Disable("b")
	again, _ := a.Enable("a") // at the same time
	a.Merge(off)
	b.Merge(again)
	fmt.Println(a.Enabled(), b.Enabled())

	on, _ = a.Enable("a") // now it is known that it was disabled
	b.Merge(on)
	fmt.Println(b.Enabled())
	// Output:
	// false false
	// true
}

func ExampleRWSet() {
	var door, office crdt.RWSet[string]
	badge, _ := door.Add("door", "eve")
	office.Merge(badge)

	out, _ := office.Remove("office", "eve")
	again, _ := door.Add("door", "eve") // at the same time, by who has not heard of it
	door.Merge(out)
	office.Merge(again)
	fmt.Println(door.Has("eve"), office.Has("eve"))
	// Output: false false
}

func ExampleRWSet_Forget() {
	var set crdt.RWSet[string]
	_, _ = set.Add("a", "eve")
	_, _ = set.Remove("a", "eve")
	fmt.Println(set.Len(), set.Removed())

	// All replicas have told that they have seen a:2, and nothing of theirs is under way.
	context := set.Context()
	set.Forget(context.Base())
	fmt.Println(set.Len(), set.Removed())
	// Output:
	// 0 1
	// 0 0
}

func ExampleCausalCounter() {
	var a, b crdt.CausalCounter
	two, _ := a.Add("a", 2)
	b.Merge(two)
	three, _ := b.Add("b", 3)
	a.Merge(three)
	fmt.Println(&a, &b)

	zero := a.Reset()
	b.Merge(zero)
	fmt.Println(&a, &b)
	// Output:
	// 5 5
	// 0 0
}

func ExampleORMap() {
	newMap := func() *crdt.ORMap[string, *crdt.ORSet[string]] {
		return crdt.NewORMap[string](func() *crdt.ORSet[string] { return new(crdt.ORSet[string]) })
	}
	add := func(id vclock.ID, e string) func(*crdt.ORSet[string]) (*crdt.ORSet[string], error) {
		return func(s *crdt.ORSet[string]) (*crdt.ORSet[string], error) { return s.Add(id, e) }
	}
	phone, laptop := newMap(), newMap()
	delta, _ := phone.Update("phone", "fruit", add("phone", "fig"))
	laptop.Merge(delta)

	// At the same time one removes the fruit, and the other adds some.
	gone := laptop.Remove("fruit")
	kiwi, _ := phone.Update("phone", "fruit", add("phone", "kiwi"))
	phone.Merge(gone)
	laptop.Merge(kiwi)
	fmt.Println(phone, laptop)
	// Output: map[fruit:[kiwi]] map[fruit:[kiwi]]
}

// A map of maps of registers is a document. Each change is one delta, however deep it is.
func ExampleORMap_nested() {
	type fields = *crdt.ORMap[string, *crdt.MVRegister[string]]
	contacts := crdt.NewORMap[string](func() fields {
		return crdt.NewORMap[string](func() *crdt.MVRegister[string] {
			return crdt.NewMVRegister[string](vclock.StringCodec{})
		})
	})
	set := func(id vclock.ID, who, field, v string) error {
		_, err := contacts.Update(id, who, func(f fields) (fields, error) {
			return f.Update(id, field, func(r *crdt.MVRegister[string]) (*crdt.MVRegister[string], error) {
				return r.Set(id, v)
			})
		})
		return err
	}
	_ = set("a", "ann", "city", "Ghent")
	_ = set("a", "ben", "city", "Bruges")
	_ = set("a", "ann", "city", "Namur")
	fmt.Println(contacts)
	// Output: map[ann:map[city:[Namur]] ben:map[city:[Bruges]]]
}
